//! The plane at rest: what it holds, so that another binary can go on with it, between two reads.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::channel::Channel;
use super::thread::Worker;
use super::{ChannelId, ChannelSpec, Command, FileSink, Plane, SharedFile};
use crate::api::{Dropped, Level, Notice, ProcessName};
use crate::logs::ansi::Stripper;
use crate::logs::capture::Capture;
use crate::logs::last_words::LastWords;
use crate::logs::sink::Journal;
use crate::logs::sink::file::SinkRecord;
use crate::logs::sink::journal::LinesRecord;
use crate::system::io_errno_name;
use crate::system::reexec::Inheritance;

/// How long what is on its way to the journal may take.
const SETTLING: Duration = Duration::from_secs(1);

/// All that the plane holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaneRecord {
    /// The log files.
    pub files: Vec<FileRecord>,
    /// The streams.
    pub channels: Vec<ChannelRecord>,
    /// What was said last on streams that are closed already.
    pub last_words: Vec<(ChannelId, LastWords)>,
    /// What could not be written.
    pub dropped: Vec<(ProcessName, Dropped)>,
}

/// A log file that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its name.
    pub path: Arc<Path>,
    /// Its descriptor.
    pub fd: RawFd,
    /// What is known of it.
    #[serde(flatten)]
    pub sink: SinkRecord,
}

/// A stream, as it stands between two reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRecord {
    /// Its number.
    pub id: ChannelId,
    /// Its descriptor.
    pub fd: RawFd,
    /// Where it goes.
    pub spec: ChannelSpec,
    /// Where in an escape it stands.
    #[serde(default)]
    pub stripper: Option<Stripper>,
    /// What is held back of it, and the message that it is in.
    #[serde(default)]
    pub capture: Option<Capture>,
    /// What was said there last.
    #[serde(default)]
    pub last_words: LastWords,
    /// Events that found no room on their way.
    #[serde(default)]
    pub lost: u64,
    /// What of it is on its way to the journal.
    #[serde(default)]
    pub journal: LinesRecord,
}

/// A stream to go on with.
pub(super) struct Stream {
    record: ChannelRecord,
    fd: OwnedFd,
    file: Option<SharedFile>,
    journal: Option<Arc<Journal>>,
}

/// The plane rests until this is dropped.
#[derive(Debug)]
pub struct Paused {
    /// What it holds meanwhile.
    pub record: PlaneRecord,
    _resume: Sender<Infallible>,
}

impl Plane {
    /// Lets the thread rest as soon as it has done what it was told before; a disk that hangs, or a journal that
    /// does, lets nobody rest. Dropping the
    /// receiver takes the wish back.
    ///
    /// # Errors
    /// When too much waits to be done.
    pub fn pause(&self) -> io::Result<oneshot::Receiver<Paused>> {
        let (told, paused) = oneshot::channel();
        if self.send(Command::Pause(told)) { Ok(paused) } else { Err(super::overloaded()) }
    }

    /// Goes on where another plane has rested. What of it is missing is told.
    pub fn resume(&self, record: PlaneRecord, inheritance: &mut Inheritance) -> Vec<Notice> {
        let mut missing = Vec::new();
        let mut files: HashMap<Arc<Path>, SharedFile> = HashMap::new();
        for FileRecord { path, fd, sink } in record.files {
            let opened = inheritance.give(fd).and_then(|fd| FileSink::go_on(Arc::clone(&path), fd, sink));
            match opened {
                Ok(file) => {
                    let file = Arc::new(Mutex::new(file));
                    self.share(&path, &file);
                    files.insert(path, file);
                }
                Err(error) => missing.push(lost(&format!("log {}", path.display()), &error)),
            }
        }
        for channel in record.channels {
            let name = &channel.spec.source.name.process;
            let whose = format!("{} of '{name}'", channel.spec.source.channel.name());
            let file = channel.spec.target.as_ref().and_then(|path| files.get(path).cloned());
            let told = inheritance.give(channel.fd).and_then(|fd| {
                let journal = channel.spec.journal.then(|| self.journal()).transpose()?;
                let told =
                    self.send(Command::Resume(Box::new(Stream { record: channel, fd, file, journal })));
                if told { Ok(()) } else { Err(super::overloaded()) }
            });
            missing.extend(told.err().map(|error| lost(&whose, &error)));
        }
        self.drops().count_on(record.dropped);
        self.send(Command::Recall(record.last_words));
        missing
    }
}

fn lost(what: &str, error: &io::Error) -> Notice {
    let text = format!("the {what} was lost when this supervisord took over: {}", io_errno_name(error));
    Notice::other(Level::Critical, text)
}

impl Worker {
    /// Rests, unless whoever asked for that no longer waits, or the journal does not keep up.
    pub(super) fn pause(&self, told: oneshot::Sender<Paused>) {
        if !self.channels.values().all(|channel| channel.settle(SETTLING)) {
            return;
        }
        let (resume, resumed) = channel::<Infallible>();
        if told.send(Paused { record: self.record(), _resume: resume }).is_ok() {
            // Nothing ever comes: it ends when what was told is dropped.
            let _ = resumed.recv();
        }
    }

    fn record(&self) -> PlaneRecord {
        let mut files: HashMap<&Arc<Path>, FileRecord> = HashMap::new();
        for channel in self.channels.values() {
            let (Some(file), Some(path)) = (channel.file(), channel.path()) else { continue };
            files.entry(path).or_insert_with(|| {
                let file = file.lock().unwrap_or_else(PoisonError::into_inner);
                FileRecord { path: path.clone(), fd: file.as_fd().as_raw_fd(), sink: file.record() }
            });
        }
        let closed = self.closed();
        let words = self.last_words.iter().chain(closed.iter()).map(|(id, words)| (*id, words.clone()));
        PlaneRecord {
            files: files.into_values().collect(),
            channels: self.channels.iter().map(|(id, channel)| channel.record(*id)).collect(),
            last_words: words.collect(),
            dropped: self.output.drops().all(),
        }
    }

    /// Goes on with a stream.
    pub(super) fn resume(&mut self, Stream { record, fd, file, journal }: Stream) {
        let id = record.id;
        match self.listen(&fd, id, &record.spec) {
            Ok(()) => {
                let stream = self.output.buffer.stream_of(&fd);
                let mut channel = Channel::resume(record, fd, stream, file, journal);
                self.recall(&mut channel);
                self.channels.insert(id, Box::new(channel));
            }
            Err(error) => self.unreadable(&record.spec, &error),
        }
    }
}
