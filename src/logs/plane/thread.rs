//! The thread itself: one epoll, within it one for what cannot wait, and one buffer.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::buffer::Buffer;
use super::channel::{Channel, Outcome, Output};
use super::pace::Pace;
use super::queue::Queue;
use super::{
    ChannelId, ChannelSpec, Closed, Command, Drops, Notify, PlaneEvent, Prepared, Purpose, SharedFile,
};
use crate::api::{Level, Notice};
use crate::logs::cell::{Cell, Echo};
use crate::logs::last_words::LastWords;
use crate::logs::rotate::clear_closed;
use crate::system::epoll::Interest;
use crate::system::{Epoll, io_errno_name};

/// Reads after which a drain ends, though somebody (a grandchild) still writes.
const DRAIN_READS: usize = 64;
const WAKE: u64 = u64::MAX;
const URGENT: u64 = u64::MAX - 1;

pub(super) struct Worker {
    queue: Queue,
    wake: Arc<OwnedFd>,
    notify: Notify,
    /// The streams, and `urgent`.
    epoll: Epoll,
    /// What is heeded also while the others are left alone: commands, and what event listeners say.
    urgent: Epoll,
    pace: Pace,
    pub(super) channels: HashMap<ChannelId, Box<Channel>>,
    /// Of channels that were closed before they were drained.
    pub(super) last_words: HashMap<ChannelId, LastWords>,
    /// The same of those of whom nothing was told that could still be on its way.
    pub(super) closed: Closed,
    pub(super) output: Output,
    /// What the streams of a daemon that died have still to hear, each its own.
    echo: Option<Echo>,
}

impl Worker {
    pub(super) fn new(
        queue: Queue,
        wake: Arc<OwnedFd>,
        notify: Notify,
        drops: Drops,
        cell: Option<Cell>,
        echo: Option<Echo>,
    ) -> io::Result<Self> {
        let (epoll, urgent) = (Epoll::new()?, Epoll::new()?);
        urgent.add(&wake, WAKE, Interest::READ)?;
        epoll.add(&urgent, URGENT, Interest::READ)?;
        let pace = Pace::new(Instant::now());
        let output = Output::new(Buffer::new(cell), Arc::clone(&notify), drops);
        Ok(Self {
            queue,
            wake,
            notify,
            epoll,
            urgent,
            pace,
            channels: HashMap::new(),
            last_words: HashMap::new(),
            closed: Closed::default(),
            output,
            echo,
        })
    }

    /// Where streams are added, by whoever opens them.
    pub(super) fn streams(&self) -> io::Result<Epoll> {
        self.epoll.share()
    }

    pub(super) fn run(mut self) {
        let mut ready = Vec::new();
        while self.turn(&mut ready) && self.rest(&mut ready) {}
    }

    /// Waits for something, and reads what is there; false: stop.
    fn turn(&mut self, ready: &mut Vec<u64>) -> bool {
        let waits = Instant::now();
        // Only a bug of ours can make this fail; the children must not be blocked by it, so their pipes close.
        let Ok(()) = tokens(&mut self.epoll, None, ready) else { return false };
        self.pace.turn(waits, Instant::now());
        let mut urgent = false;
        for token in ready.iter() {
            match *token {
                URGENT => urgent = true,
                token => {
                    let id = ChannelId(token);
                    // It was opened, and we have not heard of that.
                    if !self.channels.contains_key(&id) && !self.carry_out() {
                        return false;
                    }
                    self.read_once(id);
                }
            }
        }
        !urgent || self.heed(ready)
    }

    /// Leaves the streams alone for a moment, unless something cannot wait; false: stop.
    fn rest(&mut self, ready: &mut Vec<u64>) -> bool {
        let Some(rest) = self.pace.rest() else { return true };
        let end = Instant::now() + rest;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.urgent.is_ready_within(left) {
                return true;
            }
            if !self.heed(ready) {
                return false;
            }
        }
    }

    /// Does what cannot wait; false: stop.
    fn heed(&mut self, ready: &mut Vec<u64>) -> bool {
        let Ok(()) = tokens(&mut self.urgent, Some(Duration::ZERO), ready) else { return false };
        ready.iter().all(|token| match *token {
            WAKE => self.obey(),
            token => {
                self.read_once(ChannelId(token));
                true
            }
        })
    }

    /// Does what was asked; false: stop.
    fn obey(&mut self) -> bool {
        let mut count = [0; 8];
        // Reset before looking, so that nothing is missed.
        let _ = rustix::io::read(&self.wake, &mut count);
        self.carry_out()
    }

    fn carry_out(&mut self) -> bool {
        loop {
            let command = match self.queue.take() {
                Ok(command) => command,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
                    ids.into_iter().for_each(|id| self.drain(id));
                    return false;
                }
            };
            match command {
                Command::Open { id, fd, log } => self.open(id, fd, log),
                Command::Drain { ids, token } => {
                    if ids.iter().any(|id| self.channels.contains_key(id)) {
                        self.pace.asked(Instant::now());
                    }
                    let words = ids.into_iter().filter_map(|id| self.end(id)).last();
                    (self.notify)(PlaneEvent::Drained(token, words));
                }
                Command::Close(spent) => drop(spent),
                Command::Reopen => self.reopen(),
                Command::Pause(told) => self.pause(told),
                Command::Resume(stream) => self.resume(*stream),
                Command::Recall(words) => self.last_words.extend(words),
                Command::Clear { paths, token } => {
                    let result = paths.iter().try_for_each(|path| self.clear(path));
                    (self.notify)(PlaneEvent::Cleared(token, result));
                }
            }
        }
    }

    fn open(&mut self, id: ChannelId, fd: OwnedFd, log: Prepared) {
        let Prepared { spec, file, .. } = &log;
        if let Some(file) = file {
            let mut sink = file.lock().unwrap_or_else(PoisonError::into_inner);
            sink.set_limits(spec.maxbytes, spec.backups);
        }
        let listened = match spec.purpose {
            // Whoever has opened it has added it.
            Purpose::Program { .. } => Ok(()),
            Purpose::Listener(_) => self.listen(&fd, id, spec),
        };
        match listened {
            Ok(()) => {
                let stream = self.output.buffer.stream_of(&fd);
                let mut channel = Channel::new(fd, stream, log);
                self.recall(&mut channel);
                self.channels.insert(id, Box::new(channel));
            }
            Err(error) => self.unreadable(&log.spec, &error),
        }
    }

    /// From now on that stream is waited for.
    pub(super) fn listen(&self, fd: &OwnedFd, id: ChannelId, spec: &ChannelSpec) -> io::Result<()> {
        self.among(spec).add(fd, id.0, Interest::READ)
    }

    fn among(&self, spec: &ChannelSpec) -> &Epoll {
        match spec.purpose {
            Purpose::Program { .. } => &self.epoll,
            Purpose::Listener(_) => &self.urgent,
        }
    }

    /// A daemon that died may have had this stream before us.
    pub(super) fn recall(&mut self, channel: &mut Channel) {
        if let Some(echo) = self.echo.take_if(|echo| echo.stream == channel.stream) {
            return channel.echo(&echo, &mut self.output);
        }
        if let Some(carry) = self.output.buffer.cell().and_then(|cell| cell.stands(channel.stream)) {
            channel.stand(carry);
        }
    }

    pub(super) fn unreadable(&self, spec: &ChannelSpec, error: &io::Error) {
        let name = &spec.source.name.process;
        let text = format!("cannot read the output of '{name}': {}", io_errno_name(error));
        (self.notify)(PlaneEvent::Note(Notice::other(Level::Critical, text)));
    }

    fn read_once(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match channel.pump(&mut self.output) {
            Outcome::More(count) => channel.pace(count, &mut self.pace),
            Outcome::Empty => {}
            Outcome::Closed => {
                self.close(id);
                self.pace.ended();
            }
        }
    }

    fn drain(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        for _ in 0..DRAIN_READS {
            if !matches!(channel.pump(&mut self.output), Outcome::More(_)) {
                break;
            }
        }
        self.close(id);
    }

    fn close(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.remove(&id) else { return };
        // Ours alone, so that closing would do; but a fork may hold it for a moment longer.
        let _ = self.among(channel.spec()).remove(&channel.fd);
        self.output.buffer.forget(channel.stream);
        let is_quiet = matches!(channel.spec().purpose, Purpose::Program { capture: 0, events: false });
        let words = channel.finish(&mut self.output);
        if is_quiet {
            self.closed().insert(id, words.unwrap_or_default());
        } else if let Some(words) = words {
            self.last_words.insert(id, words);
        }
    }

    pub(super) fn closed(&self) -> MutexGuard<'_, HashMap<ChannelId, LastWords>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drains a channel that its program has left; what was last said there.
    fn end(&mut self, id: ChannelId) -> Option<String> {
        self.drain(id);
        let closed = self.closed().remove(&id);
        closed.or_else(|| self.last_words.remove(&id))?.text()
    }

    fn reopen(&mut self) {
        let mut done: Vec<SharedFile> = Vec::new();
        for channel in self.channels.values() {
            let (Some(file), Some(path)) = (channel.file(), channel.path()) else { continue };
            if done.iter().any(|other| Arc::ptr_eq(other, file)) {
                continue;
            }
            let result = file.lock().unwrap_or_else(PoisonError::into_inner).reopen();
            if let Err(error) = result {
                let text = format!("cannot reopen '{}': {}", path.display(), io_errno_name(&error));
                (self.notify)(PlaneEvent::Note(Notice::other(Level::Warn, text)));
            }
            done.push(Arc::clone(file));
        }
    }

    fn clear(&self, path: &Path) -> Result<(), String> {
        let open = self.channels.values().find(|c| c.path().is_some_and(|open| **open == *path));
        let result = match open.and_then(|channel| channel.file()) {
            Some(file) => file.lock().unwrap_or_else(PoisonError::into_inner).clear(),
            None => clear_closed(path),
        };
        result.map_err(|error| format!("{}: {}", path.display(), io_errno_name(&error)))
    }
}

/// Waits; what is ready then.
fn tokens(epoll: &mut Epoll, timeout: Option<Duration>, ready: &mut Vec<u64>) -> io::Result<()> {
    ready.clear();
    ready.extend(epoll.wait(timeout)?.iter().map(|(token, _)| *token));
    Ok(())
}
