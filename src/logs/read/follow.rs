//! A log, read as it grows (Supervisor 4.3 `http.py`, `tail_f_producer`).
//!
//! [`Tail`] blocks on the disk; [`Watcher`] does not.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::system::inotify::{Inotify, News, WatchId};

/// Bytes of a log that are in memory at a time, for each of its readers.
const CHUNK: u64 = 16 * 1024;

/// What a look at a log finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// What was added.
    Data(Vec<u8>),
    /// It has become shorter; it is read from its start.
    Truncated,
    /// Another file is there by that name; it is read from its start.
    Replaced,
    /// Nothing new.
    Quiet,
    /// Nothing new, and no file by that name.
    Missing,
}

/// Where to begin with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// That many bytes before its end.
    BeforeEnd(u64),
    /// At an offset; at its start, if it has become shorter than that.
    At(u64),
}

/// A log that is being followed, by its name: another file that takes its place is followed in its turn.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    position: u64,
}

impl Tail {
    /// Opens a log.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub fn open(path: &Path, begin: Begin) -> io::Result<Self> {
        let (file, size) = super::open(path)?;
        let position = match begin {
            Begin::BeforeEnd(bytes) => size.saturating_sub(bytes),
            Begin::At(offset) if offset > size => 0,
            Begin::At(offset) => offset,
        };
        Ok(Self { path: path.to_owned(), file, position })
    }

    /// When it was written to last.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    /// Looks once. A file is read to its end before the one that has taken its place.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn step(&mut self) -> io::Result<Step> {
        let now = self.file.metadata()?;
        if now.len() < self.position {
            self.position = 0;
            return Ok(Step::Truncated);
        }
        let mut added = Vec::new();
        self.file.seek(SeekFrom::Start(self.position))?;
        let count = (&mut self.file).take(CHUNK).read_to_end(&mut added)?;
        if count > 0 {
            self.position += u64::try_from(count).unwrap_or(0);
            return Ok(Step::Data(added));
        }
        match super::open(&self.path) {
            Ok((file, _)) if identity(&file.metadata()?) != identity(&now) => {
                (self.file, self.position) = (file, 0);
                Ok(Step::Replaced)
            }
            Ok(_) => Ok(Step::Quiet),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Step::Missing),
            Err(error) => Err(error),
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Tells the followers of files when something happens to them: one inotify for all, because a user has few.
#[derive(Debug)]
pub struct Watcher {
    inotify: Inotify,
    watched: Mutex<Watched>,
}

/// Who waits for news of a file.
type Watched = HashMap<WatchId, Vec<Arc<Notify>>>;

/// A follower's interest in one file; ends when dropped.
#[derive(Debug)]
pub struct Watch {
    watcher: Arc<Watcher>,
    file: WatchId,
    notify: Arc<Notify>,
}

impl Watcher {
    /// Begins; within a loop, in which [`Self::run`] must run.
    ///
    /// # Errors
    /// Those of [`Inotify::in_reactor`].
    pub fn new() -> io::Result<Self> {
        Ok(Self { inotify: Inotify::in_reactor()?, watched: Mutex::default() })
    }

    /// Tells, until the kernel has nothing more to tell.
    pub async fn run(&self) {
        while let Ok(news) = self.inotify.news().await {
            let watched = self.watched();
            for one in news {
                let told = watched.iter().filter(|(file, _)| one == News::Lost || one == News::Of(**file));
                told.flat_map(|(_, followers)| followers).for_each(|follower| follower.notify_one());
            }
        }
    }

    /// Watches the file that a tail is reading.
    ///
    /// # Errors
    /// Those of [`Inotify::watch`].
    pub fn watch(self: &Arc<Self>, tail: &Tail) -> io::Result<Watch> {
        let notify = Arc::new(Notify::new());
        // Held, so that the last follower of the file cannot take the watch away meanwhile.
        let mut watched = self.watched();
        let file = self.inotify.watch(&tail.file)?;
        watched.entry(file).or_default().push(Arc::clone(&notify));
        drop(watched);
        Ok(Watch { watcher: Arc::clone(self), file, notify })
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Resolves when something has happened to the file since the last time.
    pub async fn changed(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watcher.watched();
        let Some(followers) = watched.get_mut(&self.file) else { return };
        followers.retain(|follower| !Arc::ptr_eq(follower, &self.notify));
        if followers.is_empty() {
            watched.remove(&self.file);
            self.watcher.inotify.unwatch(self.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn data(bytes: &[u8]) -> Step {
        Step::Data(bytes.to_vec())
    }

    fn append(path: &Path, text: &str) {
        use std::io::Write as _;
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    #[test]
    fn a_log_is_followed_through_whatever_happens_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("log"), dir.path().join("log.1"));
        assert!(Tail::open(&path, Begin::BeforeEnd(5)).is_err());
        append(&path, "0123456789");
        for (begin, read) in [(Begin::At(3), &b"3456789"[..]), (Begin::At(11), b"0123456789")] {
            assert_eq!(Tail::open(&path, begin).unwrap().step().unwrap(), data(read));
        }
        assert_eq!(Tail::open(&path, Begin::At(10)).unwrap().step().unwrap(), Step::Quiet);
        let mut tail = Tail::open(&path, Begin::BeforeEnd(4)).unwrap();
        let mut next = || tail.step().unwrap();
        assert_eq!((next(), next()), (data(b"6789"), Step::Quiet));
        append(&path, "more");
        assert_eq!(next(), data(b"more"));
        append(&path, "last");
        fs::rename(&path, &old).unwrap();
        assert_eq!((next(), next()), (data(b"last"), Step::Missing));
        append(&path, "new");
        append(&old, "!");
        assert_eq!((next(), next(), next(), next()), (data(b"!"), Step::Replaced, data(b"new"), Step::Quiet));
        fs::write(&path, "s").unwrap();
        assert_eq!((next(), next(), next()), (Step::Truncated, data(b"s"), Step::Quiet));
        let size = usize::try_from(CHUNK).unwrap() + 1;
        append(&path, &"x".repeat(size));
        assert_eq!((next(), next(), next()), (data(&vec![b'x'; size - 1]), data(b"x"), Step::Quiet));
    }

    #[tokio::test]
    async fn followers_are_told_of_their_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| dir.path().join(name));
        let watcher = Arc::new(Watcher::new().unwrap());
        let task = Arc::clone(&watcher);
        tokio::spawn(async move { task.run().await });
        paths.iter().for_each(|path| append(path, "x"));
        let tails = [0, 1, 1].map(|which| Tail::open(&paths[which], Begin::BeforeEnd(0)).unwrap());
        let [a, b, same] = [0, 1, 2].map(|which| watcher.watch(&tails[which]).unwrap());
        append(&paths[1], "y");
        tokio::join!(b.changed(), same.changed());
        drop(b);
        fs::rename(&paths[1], dir.path().join("c")).unwrap();
        same.changed().await;
        append(&paths[0], "y");
        // What came before would have been told before.
        a.changed().await;
        fs::remove_file(&paths[0]).unwrap();
        a.changed().await;
        drop((a, same));
        assert!(watcher.watched().is_empty());
    }
}
