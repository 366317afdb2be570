//! Lines to the systemd journal, as entries with fields, sent by a thread of their own.

mod lines;
mod queue;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::lines::{Lines, LinesRecord};
use self::queue::{Entry, Queue};
use crate::api::{Level, Notice};
use crate::logs::plane::Drops;
use crate::system::errno::errno_words;
use crate::system::mask;
use crate::systemd::journal::{Sender, field};

/// How long nothing is said of a journald that does not answer: a restart takes less.
const QUIET: Duration = Duration::from_secs(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// How it says what goes wrong; called on its thread.
pub type Say = Arc<dyn Fn(Notice) + Send + Sync>;

/// The journal, for every stream that goes there. Nobody waits for it.
pub struct Journal {
    queue: Arc<Queue>,
}

impl Journal {
    /// Starts the thread that sends to the journald at `path`.
    ///
    /// # Errors
    /// When there is no socket or no thread to be had.
    pub fn start(path: &Path, drops: Drops, say: Say) -> io::Result<Self> {
        let sender = Sender::to(path)?;
        let queue = Arc::new(Queue::default());
        let worker = Worker {
            sender,
            queue: Arc::clone(&queue),
            drops,
            say,
            name: path.display().to_string(),
            entry: Vec::new(),
            trouble: None,
        };
        let thread = std::thread::Builder::new().name("journal".to_owned());
        mask::aside(|| thread.spawn(move || worker.run()))?;
        Ok(Self { queue })
    }

    /// Waits until all is sent that was taken so far; `false`: that takes too long.
    pub fn settle(&self, limit: Duration) -> bool {
        self.queue.settle(Instant::now() + limit)
    }

    /// Sends what waits, and takes nothing more; `false`: that took too long, and was given up.
    pub fn end(&self, limit: Duration) -> bool {
        self.queue.end(Instant::now() + limit)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// The thread.
struct Worker {
    sender: Sender,
    queue: Arc<Queue>,
    drops: Drops,
    say: Say,
    name: String,
    entry: Vec<u8>,
    trouble: Option<Trouble>,
}

/// journald does not take what it is sent.
struct Trouble {
    since: Instant,
    said: bool,
}

impl Worker {
    fn run(mut self) {
        while let Some(entries) = self.queue.take() {
            for entry in entries {
                self.send(&entry);
                self.queue.finish(&entry);
            }
        }
    }

    /// Sends an entry, however long that takes; until the end.
    fn send(&mut self, entry: &Entry) {
        self.entry.clear();
        self.entry.extend_from_slice(&entry.writer.fields);
        field(&mut self.entry, "PRIORITY", &[b'0' + entry.priority]);
        field(&mut self.entry, "MESSAGE", &entry.message);
        loop {
            let Err(error) = self.sender.send(&self.entry) else { return self.works() };
            if is_passing(&error) {
                self.fails(&error);
                if self.queue.pause(PAUSE) {
                    continue;
                }
            } else {
                self.tell(Level::Error, format!("the journal refuses a line: {}", words(&error)));
            }
            if entry.writer.alone {
                self.drops.count(&entry.writer.source, entry.size());
            }
            return;
        }
    }

    fn fails(&mut self, error: &io::Error) {
        self.queue.is_stuck(Some(words(error)));
        let trouble = self.trouble.get_or_insert(Trouble { since: Instant::now(), said: false });
        if !trouble.said && trouble.since.elapsed() > QUIET {
            trouble.said = true;
            let text = format!("cannot write to the journal ({}), lines wait: {}", self.name, words(error));
            self.tell(Level::Error, text);
        }
    }

    fn works(&mut self) {
        let Some(trouble) = self.trouble.take() else { return };
        self.queue.is_stuck(None);
        if trouble.said {
            self.tell(Level::Warn, "the journal takes lines again".to_owned());
        }
    }

    fn tell(&self, level: Level, text: String) {
        (self.say)(Notice::other(level, text));
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "it does not keep up".to_owned(),
        _ => error.raw_os_error().map_or_else(|| error.to_string(), errno_words),
    }
}

/// journald is restarted, or busy, or the system is short of something for now.
fn is_passing(error: &io::Error) -> bool {
    let passing = [
        libc::EAGAIN,
        libc::EINTR,
        libc::ECONNREFUSED,
        libc::ENOENT,
        libc::ECONNRESET,
        libc::ENOTCONN,
        libc::ENOBUFS,
        libc::ENOMEM,
        libc::EMFILE,
        libc::ENFILE,
        libc::EACCES,
    ];
    error.raw_os_error().is_none_or(|number| passing.contains(&number))
}

#[cfg(test)]
mod tests;
