//! The main log (LOG-1..6).

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Zoned;
use jiff::civil::DateTime;

use super::sink::{FileSink, Syslog};
use crate::api::{Level, Notice};
use crate::system::fds;

/// Where the main log goes.
#[derive(Debug, Clone)]
pub struct MainLogSpec {
    /// What is written.
    pub level: Level,
    /// The file; `None`: syslog.
    pub file: Option<PathBuf>,
    /// Bytes at which it is rotated; 0 or less: never.
    pub maxbytes: i64,
    /// How many rotated files are kept.
    pub backups: i64,
    /// Repeat it on stdout: in the foreground, unless silent.
    pub stdout: bool,
}

/// The main log. Any thread may write to it.
#[derive(Debug)]
pub struct MainLog {
    level: Level,
    path: Option<PathBuf>,
    targets: Mutex<Targets>,
}

#[derive(Debug)]
struct Targets {
    file: Option<FileSink>,
    syslog: Option<Syslog>,
    stdout: Option<FileSink>,
    line: Vec<u8>,
}

impl MainLog {
    /// Opens it for appending.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(spec: &MainLogSpec) -> io::Result<Self> {
        let file =
            spec.file.as_deref().map(|f| FileSink::open(f, spec.maxbytes, spec.backups)).transpose()?;
        let own = spec.file.as_deref().and_then(fds::own_descriptor);
        // What goes to stdout as a file is not repeated there; a stdout that is closed has nobody to tell.
        let repeat = spec.stdout && own != Some(1);
        let stdout = repeat.then(|| stream("/dev/stdout")).flatten();
        let targets =
            Targets { syslog: file.is_none().then(Syslog::default), file, stdout, line: Vec::new() };
        Ok(Self { level: spec.level, path: spec.file.clone(), targets: Mutex::new(targets) })
    }

    /// The file, for those who read it; `None`: syslog.
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
            self.with(|targets| targets.write(notice));
        }
    }

    /// Writes a line that only one place writes.
    pub fn line(&self, level: Level, text: impl Into<String>) {
        self.note(&Notice::other(level, text));
    }

    /// Opens the file again by its name.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn reopen(&self) -> io::Result<()> {
        self.with(|targets| targets.file.as_mut().map_or(Ok(()), FileSink::reopen))
    }

    /// Starts with an empty file; its last line is told to the old one, as in Supervisor.
    ///
    /// # Errors
    /// `NotFound` when there is no file to clear; those of unlink(2) and open(2).
    pub fn clear(&self) -> io::Result<()> {
        if !self.path.as_deref().is_some_and(Path::exists) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.line(Level::Info, "reopening log file");
        self.with(|targets| targets.file.as_mut().map_or(Ok(()), FileSink::clear))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Targets) -> T) -> T {
        act(&mut self.targets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of our own descriptors, as a log.
fn stream(name: &str) -> Option<FileSink> {
    FileSink::open(Path::new(name), 0, 0).ok()
}

impl Targets {
    fn write(&mut self, notice: &Notice) {
        for trouble in self.put(notice) {
            // A line like others, which may lead to more of its kind: those are not said.
            self.put(&trouble);
            // And to whoever started us, because the log that fails cannot tell.
            // It is opened now: a copy that was kept would hold his terminal or pipe open when we have left it.
            if trouble.level() >= Level::Warn
                && let Some(mut stderr) = stream("/dev/stderr")
            {
                stderr.write(&self.line);
            }
        }
    }

    /// Writes a line; what the targets say to that.
    fn put(&mut self, notice: &Notice) -> Vec<Notice> {
        self.line.clear();
        // Writing into memory cannot fail.
        let _ = format_line(&mut self.line, Zoned::now().datetime(), notice);
        let mut said = Vec::new();
        for sink in self.file.iter_mut().chain(&mut self.stdout) {
            said.extend(sink.write(&self.line).said);
        }
        if let Some(syslog) = &mut self.syslog {
            said.extend(syslog.send(None, &self.line).said);
        }
        said
    }
}

/// `YYYY-MM-DD HH:MM:SS,mmm LEVL message`
fn format_line(out: &mut Vec<u8>, now: DateTime, notice: &Notice) -> io::Result<()> {
    writeln!(
        out,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02},{:03} {} {notice}",
        now.year(),
        now.month(),
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond(),
        notice.level().code(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn spec(file: PathBuf) -> MainLogSpec {
        MainLogSpec { level: Level::Info, file: Some(file), maxbytes: 0, backups: 0, stdout: false }
    }

    #[test]
    fn a_line_is_supervisors() {
        let now: DateTime = "2026-11-24T02:03:04.005".parse().unwrap();
        let mut line = Vec::new();
        format_line(&mut line, now, &Notice::ReopenedLogs).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), "2026-11-24 02:03:04,005 INFO supervisord logreopen\n");
    }

    #[test]
    fn what_matters_less_is_left_out_and_clearing_empties() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("main");
        let log = MainLog::open(&spec(path.clone())).unwrap();
        log.line(Level::Debug, "no");
        log.line(Level::Warn, "yes");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(" WARN yes\n") && text.lines().count() == 1, "{text}");
        log.clear().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        log.line(Level::Info, "again");
        assert!(fs::read_to_string(&path).unwrap().ends_with(" INFO again\n"));
    }

    #[test]
    fn stdout_is_written_once_when_it_is_the_file() {
        let log = MainLog::open(&MainLogSpec { stdout: true, ..spec("/dev/stdout".into()) }).unwrap();
        assert!(log.with(|targets| targets.stdout.is_none()));
    }
}
