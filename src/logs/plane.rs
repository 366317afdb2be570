//! The data plane: one thread that moves what the children write into their logs.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::cell::{Cell, Finished};
use super::last_words::LastWords;
use super::sink::{FileSink, Journal};
pub use budget::{Budget, Claim};
pub use drops::Drops;
pub use pause::{ChannelRecord, FileRecord, Paused, PlaneRecord};
use queue::{Commands, queue};

use crate::api::event::Source;
use crate::api::{Event, Notice};
use crate::system::epoll::{Epoll, Interest};
use crate::systemd::journal::SOCKET;

mod budget;
mod buffer;
mod channel;
pub mod drops;
mod pace;
mod pause;
mod queue;
mod thread;

/// A stream of one child, as its owner numbers it; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChannelId(pub u64);

/// Where a stream goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSpec {
    /// Whose stream, and which.
    pub source: Source,
    /// What is made of it.
    pub purpose: Purpose,
    /// The file; `None`: none.
    pub target: Option<Arc<Path>>,
    /// Bytes at which it is rotated; 0 or less: never.
    pub maxbytes: i64,
    /// How many rotated files are kept.
    pub backups: i64,
    /// Remove ANSI escapes.
    pub strip_ansi: bool,
    /// Send its lines to syslog.
    pub syslog: bool,
    /// Send its lines to the journal.
    #[serde(default)]
    pub journal: bool,
    /// The file only holds the last lines, for those who ask us: what is written nowhere else is lost.
    #[serde(default)]
    pub window: bool,
    /// The main log repeats it (`loglevel=debug`).
    pub repeat: bool,
}

/// What is made of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A log.
    Program {
        /// Bytes of a message in capture mode; 0: no captures.
        capture: usize,
        /// Every read is an event.
        events: bool,
    },
    /// The stdout of an event listener: a protocol, and a log. With its owner's number for it.
    Listener(u64),
}

/// What the data plane tells.
#[derive(Debug)]
pub enum PlaneEvent {
    /// The channels of that drain are written out and closed; what was last said there.
    Drained(u64, Option<String>),
    /// The logs of that clear are empty, or one could not be emptied.
    Cleared(u64, Result<(), String>),
    /// A process wrote something that event listeners may want to know.
    Observed(Event, Claim),
    /// An event listener said something.
    Listener(u64, Vec<u8>, Claim),
    /// An event listener said more than could be taken in.
    Flooded(u64),
    /// A line for the main log.
    Note(Notice),
}

/// How events get back; called on the data plane's thread, or on the caller's when the plane does not keep up. Must not wait.
pub type Notify = Arc<dyn Fn(PlaneEvent) + Send + Sync>;

/// A file that all channels of the same path share, so that they agree on its rotation.
type SharedFile = Arc<Mutex<FileSink>>;

/// A log that is open, and waits for its stream.
#[derive(Debug)]
pub struct Prepared {
    /// What was asked for; whose stream it is may be said later.
    pub spec: ChannelSpec,
    file: Option<SharedFile>,
    journal: Option<Arc<Journal>>,
}

enum Command {
    Open { id: ChannelId, fd: OwnedFd, log: Prepared },
    Drain { ids: Vec<ChannelId>, token: u64 },
    Close(Vec<OwnedFd>),
    Reopen,
    Clear { paths: Vec<Arc<Path>>, token: u64 },
    Pause(oneshot::Sender<Paused>),
    Resume(Box<pause::Stream>),
    Recall(Vec<(ChannelId, LastWords)>),
}

/// Streams that have come to their end and have told all, with what was last said there.
type Closed = Arc<Mutex<HashMap<ChannelId, LastWords>>>;

/// Streams that may be opened before the thread takes them in, as long as nothing comes from them.
const UNHEEDED: usize = 256;
/// How long the end waits for the last output to be written.
const END: Duration = Duration::from_secs(5);
/// The same for the journal.
const JOURNAL_END: Duration = Duration::from_secs(2);

/// The handle of the thread. No call here waits for it, except [`Plane::stop`].
pub struct Plane {
    /// `None`: the thread is to end.
    commands: Option<Commands>,
    wake: Arc<OwnedFd>,
    /// What the thread waits for, but for what event listeners say.
    streams: Epoll,
    /// Streams that were opened, and the thread was not woken for.
    unheeded: AtomicUsize,
    closed: Closed,
    notify: Notify,
    drops: Drops,
    files: Mutex<HashMap<Arc<Path>, Weak<Mutex<FileSink>>>>,
    /// Started when the first stream wants it.
    journal: Mutex<Option<Arc<Journal>>>,
    /// Disconnected when the thread has ended.
    running: Receiver<Infallible>,
}

impl Plane {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there are no descriptors or no thread to be had.
    pub fn start(notify: Box<dyn Fn(PlaneEvent) + Send + Sync>) -> io::Result<Self> {
        Self::start_with(notify, None)
    }

    /// Starts the thread with a cell, in which what was read and not yet written is kept for whoever comes next. What the one
    /// before us has left there is written first, on this thread; its stream, once it is opened, tells it to everybody else.
    ///
    /// # Errors
    /// When there are no descriptors or no thread to be had.
    pub fn start_with(
        notify: Box<dyn Fn(PlaneEvent) + Send + Sync>,
        mut cell: Option<Cell>,
    ) -> io::Result<Self> {
        let notify: Notify = Arc::from(notify);
        let Finished { said, echo } = cell.as_mut().map(Cell::finish).unwrap_or_default();
        said.into_iter().for_each(|notice| notify(PlaneEvent::Note(notice)));
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (commands, queue) = queue();
        let drops = Drops::default();
        let worker =
            thread::Worker::new(queue, Arc::clone(&wake), Arc::clone(&notify), drops.clone(), cell, echo)?;
        let (streams, closed) = (worker.streams()?, Arc::clone(&worker.closed));
        let (runs, running) = channel();
        std::thread::Builder::new().name("logs".to_owned()).spawn(move || {
            let _runs: Sender<Infallible> = runs;
            worker.run();
        })?;
        Ok(Self {
            commands: Some(commands),
            wake,
            streams,
            unheeded: AtomicUsize::new(0),
            closed,
            notify,
            drops,
            files: Mutex::default(),
            journal: Mutex::default(),
            running,
        })
    }

    /// What could not be written: counted on, whoever holds it.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.drops.clone()
    }

    /// Opens the log of a channel, whose stream may follow.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn prepare(&self, spec: ChannelSpec) -> io::Result<Prepared> {
        let file = spec.target.as_ref().map(|path| self.shared(path, &spec)).transpose()?;
        let journal = spec.journal.then(|| self.journal()).transpose()?;
        Ok(Prepared { spec, file, journal })
    }

    /// Moves what comes from `fd` (which must not block) into its log until its end.
    ///
    /// # Errors
    /// When the thread does not keep up: no channel then.
    pub fn open(&self, id: ChannelId, fd: OwnedFd, log: Prepared) -> io::Result<()> {
        let listens = matches!(log.spec.purpose, Purpose::Listener(_));
        if !listens {
            // Whatever comes from it wakes the thread, which takes it in then.
            self.streams.add(&fd, id.0, Interest::READ)?;
        }
        if !self.put(Command::Open { id, fd, log }) {
            return Err(overloaded());
        }
        if listens || self.unheeded.fetch_add(1, Ordering::Relaxed) >= UNHEEDED {
            self.wake();
        }
        Ok(())
    }

    /// What was last said on these channels, if all of them have come to their end and have told all that there is to tell;
    /// otherwise they are to be drained.
    #[must_use]
    pub fn drained(&self, ids: &[ChannelId]) -> Option<Option<String>> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if !ids.iter().all(|id| closed.contains_key(id)) {
            return None;
        }
        let words: Vec<LastWords> = ids.iter().filter_map(|id| closed.remove(id)).collect();
        Some(words.iter().rev().find_map(LastWords::text))
    }

    /// Writes out what the channels still hold, closes them, then tells [`PlaneEvent::Drained`], with the last words of the
    /// last channel that has any.
    pub fn drain(&self, ids: Vec<ChannelId>, token: u64) {
        if !self.send(Command::Drain { ids, token }) {
            // They stay open until their end, and nobody waits for a disk that hangs.
            (self.notify)(PlaneEvent::Drained(token, None));
        }
    }

    /// Closes what the caller has no use for; at once, when the thread does not keep up.
    pub fn close(&self, spent: Vec<OwnedFd>) {
        if self.commands.as_ref().is_some_and(Commands::is_short) {
            self.send(Command::Close(spent));
        }
    }

    /// Opens every log again by its name.
    pub fn reopen_all(&self) {
        self.send(Command::Reopen);
    }

    /// Empties logs, open or not, then tells [`PlaneEvent::Cleared`]. Their backups stay.
    pub fn clear(&self, paths: Vec<Arc<Path>>, token: u64) {
        if !self.send(Command::Clear { paths, token }) {
            (self.notify)(PlaneEvent::Cleared(token, Err(overloaded().to_string())));
        }
    }

    /// Writes out what every channel holds, and ends the thread; `false`: a disk hangs, and the thread with it.
    pub fn stop(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        self.commands = None;
        self.wake();
        let written = !matches!(self.running.recv_timeout(END), Err(RecvTimeoutError::Timeout));
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner).take();
        journal.is_none_or(|journal| journal.end(JOURNAL_END)) && written
    }

    fn send(&self, command: Command) -> bool {
        let sent = self.put(command);
        self.wake();
        sent
    }

    fn put(&self, command: Command) -> bool {
        self.commands.as_ref().is_some_and(|commands| commands.give(command))
    }

    fn wake(&self) {
        self.unheeded.store(0, Ordering::Relaxed);
        // Full means that it is awake already.
        let _ = rustix::io::write(self.wake.as_fd(), &1_u64.to_ne_bytes());
    }

    fn journal(&self) -> io::Result<Arc<Journal>> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(journal) = &*journal {
            return Ok(Arc::clone(journal));
        }
        let notify = Arc::clone(&self.notify);
        let say = Arc::new(move |notice| notify(PlaneEvent::Note(notice)));
        let started = Arc::new(Journal::start(Path::new(SOCKET), self.drops(), say)?);
        Ok(Arc::clone(journal.insert(started)))
    }

    fn shared(&self, path: &Arc<Path>, spec: &ChannelSpec) -> io::Result<SharedFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&**path).and_then(Weak::upgrade) {
            return Ok(file);
        }
        files.retain(|_, file| file.strong_count() > 0);
        let file = Arc::new(Mutex::new(FileSink::open(Arc::clone(path), spec.maxbytes, spec.backups)?));
        files.insert(Arc::clone(path), Arc::downgrade(&file));
        Ok(file)
    }

    fn share(&self, path: &Arc<Path>, file: &SharedFile) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(Arc::clone(path), Arc::downgrade(file));
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if self.commands.is_some() {
            self.end();
        }
    }
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").finish_non_exhaustive()
    }
}

fn overloaded() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the logs do not keep up")
}

#[cfg(test)]
mod tests;
