//! What one read brings; shared by all channels.

use std::io;
use std::os::fd::OwnedFd;

use super::channel::Channel;
use crate::logs::cell::{CHUNK, Cell, stream_of};

/// The buffer.
pub(super) enum Buffer {
    /// Ours alone: what is in it is lost with us.
    Own(Vec<u8>),
    /// Kept for whoever comes next.
    Kept(Box<Cell>),
}

impl Buffer {
    pub(super) fn new(cell: Option<Cell>) -> Self {
        cell.map_or_else(|| Self::Own(vec![0; CHUNK]), |cell| Self::Kept(Box::new(cell)))
    }

    /// Reads once, without waiting.
    pub(super) fn read(&mut self, channel: &Channel) -> io::Result<usize> {
        match self {
            Self::Own(bytes) => Ok(rustix::io::read(&channel.fd, &mut bytes[..])?),
            Self::Kept(cell) => cell.read(&channel.fd, &channel.context()),
        }
    }

    /// What was read.
    pub(super) fn chunk(&self, length: usize) -> &[u8] {
        match self {
            Self::Own(bytes) => &bytes[..length],
            Self::Kept(cell) => cell.chunk(length),
        }
    }

    pub(super) fn cell(&self) -> Option<&Cell> {
        match self {
            Self::Own(_) => None,
            Self::Kept(cell) => Some(cell),
        }
    }

    /// What was read is done.
    pub(super) fn settle(&mut self, channel: &Channel) {
        if let Self::Kept(cell) = self {
            cell.settle(channel.stream, channel.carry());
        }
    }

    /// The number by which a cell knows a pipe; 0 where there is none.
    pub(super) fn stream_of(&self, pipe: &OwnedFd) -> u64 {
        self.cell().map_or(0, |_| stream_of(pipe))
    }

    /// A stream has ended.
    pub(super) fn forget(&mut self, stream: u64) {
        if let Self::Kept(cell) = self {
            cell.forget(stream);
        }
    }
}
