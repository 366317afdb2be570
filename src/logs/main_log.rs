//! The main log (LOG-1..6).

mod journal;
mod queue;
mod targets;

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use self::queue::{Line, Order, Queue};
use self::targets::Targets;
use crate::api::{Level, Notice};

/// Where the main log goes.
#[derive(Debug, Clone)]
pub struct MainLogSpec {
    /// What is written.
    pub level: Level,
    /// The file; `None`: syslog, unless it goes to the journal.
    pub file: Option<PathBuf>,
    /// To the journal.
    pub journal: bool,
    /// Bytes at which it is rotated; 0 or less: never.
    pub maxbytes: i64,
    /// How many rotated files are kept.
    pub backups: i64,
    /// Repeat it on stdout: in the foreground, unless silent.
    pub stdout: bool,
    /// We stay with our stderr.
    pub stays: bool,
}

/// The main log. Any thread may write to it, and none waits for its disk: a thread of its own does.
#[derive(Debug)]
pub struct MainLog {
    level: Level,
    path: Option<PathBuf>,
    journal: bool,
    queue: Arc<Queue>,
}

/// How long the end of the daemon waits for the last lines.
const END: Duration = Duration::from_secs(2);
/// Bytes that most lines do not exceed.
const USUAL: usize = 160;
/// How long an answer waits for the lines before it, so that whoever is told finds them there.
const MOMENT: Duration = Duration::from_millis(50);

impl MainLog {
    /// Opens it for appending.
    ///
    /// # Errors
    /// Those of open(2), and of making a thread.
    pub fn open(spec: &MainLogSpec) -> io::Result<Self> {
        let targets = Targets::open(spec)?;
        let queue = Arc::new(Queue::default());
        let taken = Arc::clone(&queue);
        std::thread::Builder::new().name("main log".to_owned()).spawn(move || targets.run(&taken))?;
        Ok(Self { level: spec.level, path: spec.file.clone(), journal: spec.journal, queue })
    }

    /// The file, for those who read it; `None`: there is none.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What is written.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Writes a line, if it matters enough.
    pub fn note(&self, notice: &Notice) {
        if notice.level() >= self.level {
            let notice_too = self.journal.then(|| notice.clone());
            self.queue.line(Line { text: line(notice), notice: notice_too });
        }
    }

    /// Writes a line that only one place writes.
    pub fn line(&self, level: Level, text: impl Into<String>) {
        self.note(&Notice::other(level, text));
    }

    /// Opens the file again by its name, behind the lines that were said before.
    pub fn reopen(&self) {
        // One that finds no room has others before it that were not done yet.
        let _ = self.queue.put(Order::Reopen);
    }

    /// Starts with an empty file, and tells how that went: `NotFound` when there is none to clear. Its last line is told to
    /// the old one, as in Supervisor.
    pub fn clear(&self, told: impl FnOnce(io::Result<()>) + Send + 'static) {
        if let Err(Order::Clear(told)) = self.queue.put(Order::Clear(Box::new(told))) {
            told(Err(io::Error::new(io::ErrorKind::WouldBlock, "the main log does not keep up")));
        }
    }

    /// Waits a moment for what was said so far to be written; once a second at the most, if it is stuck.
    pub fn settle(&self) {
        self.queue.settle(MOMENT);
    }

    /// Writes out what was said so far, and nothing that is said later. A disk that hangs is given up.
    pub fn end(&self) {
        self.queue.end(END);
    }
}

impl Drop for MainLog {
    fn drop(&mut self) {
        self.end();
    }
}

fn line(notice: &Notice) -> Vec<u8> {
    let mut line = Vec::with_capacity(USUAL);
    // Writing into memory cannot fail.
    let _ = format_line(&mut line, Timestamp::now(), notice);
    line
}

thread_local! {
    /// The last second that was looked up, and how a line of it begins.
    static SECOND: RefCell<(Option<i64>, String)> = const { RefCell::new((None, String::new())) };
}

/// `YYYY-MM-DD HH:MM:SS,mmm LEVL message`, where the machine is. What is before the comma is the same for a whole second.
fn format_line(out: &mut Vec<u8>, now: Timestamp, notice: &Notice) -> io::Result<()> {
    let (second, milli) = (now.as_second(), now.subsec_millisecond());
    SECOND.with_borrow_mut(|(known, begin)| {
        if *known != Some(second) {
            (*known, *begin) = (Some(second), begin_of(now.to_zoned(TimeZone::system()).datetime()));
        }
        out.extend_from_slice(begin.as_bytes());
    });
    writeln!(out, ",{milli:03} {} {notice}", notice.level().code())
}

/// `YYYY-MM-DD HH:MM:SS`
fn begin_of(now: DateTime) -> String {
    let (date, time) = (now.date(), now.time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::mpsc::channel;

    fn spec(file: PathBuf) -> MainLogSpec {
        MainLogSpec {
            level: Level::Info,
            file: Some(file),
            journal: false,
            maxbytes: 0,
            backups: 0,
            stdout: false,
            stays: true,
        }
    }

    #[test]
    fn a_line_is_supervisors() {
        let here = |time: &str| {
            let time: DateTime = time.parse().unwrap();
            time.to_zoned(TimeZone::system()).unwrap().timestamp()
        };
        for (time, begin) in [
            ("2026-11-24T02:03:04.005", "2026-11-24 02:03:04,005"),
            ("2026-11-24T02:03:04.999", "2026-11-24 02:03:04,999"),
            ("2026-11-24T02:03:05.000", "2026-11-24 02:03:05,000"),
            ("2026-01-01T00:00:00.070", "2026-01-01 00:00:00,070"),
        ] {
            let mut line = Vec::new();
            format_line(&mut line, here(time), &Notice::ReopenedLogs).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), format!("{begin} INFO supervisord logreopen\n"));
        }
    }

    #[test]
    fn lines_that_are_written_together_are_rotated_as_each_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("main");
        // A line of a hundred bytes; the third fills the file.
        let text = |i: usize| format!("{i:03} {}", "x".repeat(100 - 24 - 5 - 5));
        let log = MainLog::open(&MainLogSpec { maxbytes: 250, backups: 50, ..spec(path.clone()) }).unwrap();
        (0..100).for_each(|i| log.line(Level::Info, text(i)));
        drop(log);
        let files = (1..).map(|i| dir.path().join(format!("main.{i}"))).take_while(|file| file.exists());
        let mut texts: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
        assert!(texts.iter().all(|text| text.len() == 300), "{texts:?}");
        texts.reverse();
        texts.push(fs::read_to_string(&path).unwrap());
        let all = texts.concat();
        assert_eq!(all.lines().count(), 100);
        assert!(all.lines().enumerate().all(|(i, line)| line.ends_with(&text(i))), "{all}");
    }

    #[test]
    fn what_matters_less_is_left_out_and_clearing_empties() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("main");
        let log = MainLog::open(&spec(path.clone())).unwrap();
        log.line(Level::Debug, "no");
        log.line(Level::Warn, "yes");
        log.queue.settle(Duration::from_secs(60));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(" WARN yes\n") && text.lines().count() == 1, "{text}");
        let (tell, told) = channel();
        log.clear(move |outcome| tell.send(outcome).unwrap());
        told.recv().unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        log.line(Level::Info, "again");
        drop(log);
        assert!(fs::read_to_string(&path).unwrap().ends_with(" INFO again\n"));
    }

    #[test]
    fn lines_before_a_reopening_are_in_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("main"), dir.path().join("old"));
        let log = MainLog::open(&spec(path.clone())).unwrap();
        fs::rename(&path, &old).unwrap();
        log.line(Level::Info, "before");
        log.reopen();
        log.line(Level::Info, "after");
        drop(log);
        assert!(fs::read_to_string(&old).unwrap().ends_with(" INFO before\n"));
        assert!(fs::read_to_string(&path).unwrap().ends_with(" INFO after\n"));
    }
}
