//! A connection's input and output: half a head and an answer that nobody reads are given a limited time, an idle connection is
//! not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::time::{Sleep, sleep};

use super::life::Life;
use super::socket::Socket;

/// A socket whose reads fail when a head takes too long, and whose writes fail when nothing is taken up for too long.
pub struct Guarded {
    io: TokioIo<Socket>,
    life: Arc<Life>,
    limits: Limits,
    head: Option<Pin<Box<Sleep>>>,
    stall: Option<Pin<Box<Sleep>>>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A head.
    pub head: Duration,
    /// The next bytes of an answer.
    pub stall: Duration,
}

impl Limits {
    /// For everybody's patience.
    pub const USUAL: Self = Self { head: Duration::from_secs(30), stall: Duration::from_secs(60) };
}

impl Guarded {
    /// Guards a socket.
    pub fn new(socket: Socket, life: Arc<Life>, limits: Limits) -> Self {
        Self { io: TokioIo::new(socket), life, limits, head: None, stall: None }
    }

    /// What a write has come to, or that it has waited too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if !self.life.wrote(written.is_ready()) {
            self.stall = None;
            return written;
        }
        expires(&mut self.stall, self.limits.stall, context).map_or(written, |late| Poll::Ready(Err(late)))
    }
}

impl Read for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.life.is_held(context) {
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        let head = self.life.read(read.is_ready());
        if !head {
            self.head = None;
            return read;
        }
        let limit = self.limits.head;
        expires(&mut self.head, limit, context).map_or(read, |late| Poll::Ready(Err(late)))
    }
}

/// Whether the time is over, which begins now if it has not begun.
fn expires(
    timer: &mut Option<Pin<Box<Sleep>>>,
    limit: Duration,
    context: &mut Context<'_>,
) -> Option<io::Error> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
    timer.as_mut().poll(context).is_ready().then(|| io::ErrorKind::TimedOut.into())
}

impl Write for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        if flushed.is_ready() {
            self.life.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.written(context, written)
    }
}
