//! A log file that never makes its writer fail.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::outage::{Outage, OutageRecord, Written};
use crate::api::Level;
use crate::logs::cell::Cell;
use crate::logs::rotate::RotatingFile;
use crate::system::errno::errno_words;
use crate::system::output::Short;

/// How often it is looked whether the file still has its name; no line costs that.
const LOOK: Duration = Duration::from_secs(5);
/// How long a rotation that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// A log file. While it cannot be written, what comes is dropped and counted; that is said once, and so is its end. Where
/// bytes are missing a line says how many.
#[derive(Debug)]
pub struct FileSink {
    file: RotatingFile,
    outage: Outage,
    look_at: Instant,
    /// When a rotation that failed is tried again.
    rotate_at: Option<Instant>,
    /// What was taken in last, and what was written last, was the end of a line.
    whole: (bool, bool),
}

/// What another binary has to know to go on with a file that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkRecord {
    /// Bytes at which it is rotated.
    pub maxbytes: i64,
    /// How many rotated files are kept.
    pub backups: i64,
    #[serde(default)]
    outage: OutageRecord,
    #[serde(default = "at_line_ends")]
    whole: (bool, bool),
}

fn at_line_ends() -> (bool, bool) {
    (true, true)
}

impl AsFd for FileSink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl FileSink {
    /// What is known of it.
    #[must_use]
    pub fn record(&self) -> SinkRecord {
        let (maxbytes, backups) = self.file.limits();
        SinkRecord { maxbytes, backups, outage: self.outage.record(), whole: self.whole }
    }

    /// Goes on with a file that is open.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn go_on(path: impl Into<Arc<Path>>, fd: OwnedFd, record: SinkRecord) -> io::Result<Self> {
        let SinkRecord { maxbytes, backups, outage, whole } = record;
        let file = RotatingFile::resume(path, fd, maxbytes, backups)?;
        Ok(Self { outage: Outage::resume(outage), whole, ..Self::of(file) })
    }

    fn of(file: RotatingFile) -> Self {
        Self {
            file,
            outage: Outage::default(),
            look_at: Instant::now() + LOOK,
            rotate_at: None,
            whole: (true, true),
        }
    }

    /// Opens for appending.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: impl Into<Arc<Path>>, maxbytes: i64, backups: i64) -> io::Result<Self> {
        Ok(Self::of(RotatingFile::open(path, maxbytes, backups)?))
    }

    /// From now on other limits.
    pub fn set_limits(&mut self, maxbytes: i64, backups: i64) {
        self.file.set_limits(maxbytes, backups);
    }

    /// Opens the file again by its name.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn reopen(&mut self) -> io::Result<()> {
        self.outage.retry(Instant::now());
        self.file.reopen()
    }

    /// Starts with an empty file of the same mode; backups stay.
    ///
    /// # Errors
    /// Those of unlink(2) and open(2).
    pub fn clear(&mut self) -> io::Result<()> {
        self.outage.retry(Instant::now());
        self.file.clear()
    }

    /// Bytes that can be written at once as well as one by one: what is no file takes none, and a file none that come after
    /// those that fill it.
    #[must_use]
    pub fn room(&self) -> usize {
        self.file.room()
    }

    /// Appends, or drops.
    pub fn write(&mut self, bytes: &[u8]) -> Written {
        self.write_from(bytes, None)
    }

    /// Appends, or drops, what is a part of the chunk in a cell.
    pub fn write_from(&mut self, bytes: &[u8], cell: Option<&Cell>) -> Written {
        let (now, mut written) = (Instant::now(), Written::default());
        if now >= self.look_at {
            self.look_at = now + LOOK;
            self.look(now, &mut written);
        }
        if self.outage.is_left_alone(now) {
            self.outage.drop(count(bytes), &mut written);
        } else if self.outage.is_on() {
            self.resume(now, bytes, cell, &mut written);
        } else {
            self.append(now, bytes, cell, &mut written);
        }
        if let Some(last) = bytes.last() {
            self.whole.0 = *last == b'\n';
        }
        if self.file.is_full() && self.rotate_at.is_none_or(|at| at <= now) {
            self.rotate(now, &mut written);
        }
        written
    }

    fn append(&mut self, now: Instant, bytes: &[u8], cell: Option<&Cell>, written: &mut Written) {
        if let Some(cell) = cell {
            cell.writing(self.file.mark());
        }
        let outcome = self.file.write(bytes);
        let taken = outcome.as_ref().map_or_else(|short| short.written, |()| bytes.len());
        if let Some(cell) = cell {
            cell.wrote(taken);
        }
        if let Some(last) = bytes[..taken].last() {
            self.whole.1 = *last == b'\n';
        }
        let Err(Short { error, .. }) = outcome else { return };
        self.outage.fail(&name_of(&self.file), now, &error, count(&bytes[taken..]), written);
    }

    /// Tries again: goes on with a whole line, behind one that says what is missing.
    fn resume(&mut self, now: Instant, bytes: &[u8], cell: Option<&Cell>, written: &mut Written) {
        let skipped = if self.whole.0 { Some(0) } else { memchr::memchr(b'\n', bytes).map(|at| at + 1) };
        let Some(skipped) = skipped else { return self.outage.drop(count(bytes), written) };
        match self.file.follow() {
            Ok(elsewhere) => self.whole.1 |= elsewhere,
            Err(error) if self.file.is_removed() => {
                return self.outage.fail(&name_of(&self.file), now, &error, count(bytes), written);
            }
            Err(_) => {}
        }
        let (dropped, words) = self.outage.missing();
        let missing = dropped + count(&bytes[..skipped]);
        let end = if self.whole.1 { "" } else { "\n" };
        let line = format!("{end}supervisord: {missing} bytes of output are missing here: {words}\n");
        if let Err(Short { written: taken, error }) = self.file.write(line.as_bytes()) {
            self.whole.1 &= taken == 0;
            return self.outage.fail(&name_of(&self.file), now, &error, count(bytes), written);
        }
        self.whole.1 = true;
        self.outage.drop(count(&bytes[..skipped]), written);
        self.outage.end(&name_of(&self.file), written);
        if let Some(cell) = cell {
            cell.wrote(skipped);
        }
        self.append(now, &bytes[skipped..], cell, written);
    }

    /// Looks whether the file is still the one of that name.
    fn look(&mut self, now: Instant, written: &mut Written) {
        match self.file.follow() {
            Ok(false) => {}
            Ok(true) => {
                self.outage.retry(now);
                self.whole.1 = true;
                let text = format!(
                    "{} was removed or replaced: its output goes on in a new file",
                    name_of(&self.file)
                );
                written.say(Level::Info, text);
            }
            Err(error) if self.file.is_removed() && !self.outage.is_on() => {
                self.outage.fail(&name_of(&self.file), now, &error, 0, written);
            }
            Err(_) => {}
        }
    }

    fn rotate(&mut self, now: Instant, written: &mut Written) {
        let Err(error) = self.file.rotate() else { return self.rotate_at = None };
        if self.rotate_at.is_none() {
            let why = error.raw_os_error().map_or_else(|| error.to_string(), errno_words);
            written.say(Level::Error, format!("cannot rotate {}, which grows: {why}", name_of(&self.file)));
        }
        self.rotate_at = Some(now + PAUSE);
    }
}

/// For people: `'/var/log/x'`.
fn name_of(file: &RotatingFile) -> String {
    format!("'{}'", file.path().display())
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;

    /// A log that is read, and whose reader may be slow.
    fn fifo() -> (tempfile::TempDir, FileSink, fs::File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let sink = FileSink::open(&*path, 0, 0).unwrap();
        let reader = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        (dir, sink, reader)
    }

    fn read(reader: &mut fs::File) -> String {
        let mut all = Vec::new();
        // Ends with EAGAIN, because the sink holds the other end.
        let _ = reader.read_to_end(&mut all);
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_full_disk_is_said_once() {
        let mut sink = FileSink::open(Path::new("/dev/full"), 0, 0).unwrap();
        let written = sink.write(b"abc");
        let said = written.said[0].to_string();
        assert_eq!(said, "cannot write to '/dev/full', dropping output: no space left on device");
        assert_eq!(sink.write(b"abc"), Written { dropped: 3, said: vec![] });
        assert_eq!(sink.outage.missing().0, 6);
    }

    #[test]
    fn what_was_written_in_part_is_not_written_again_and_what_is_missing_is_said_there() {
        let (_dir, mut sink, mut reader) = fifo();
        let lines: String = (0..10_000).map(|n| format!("line {n:010}\n")).collect();
        let written = sink.write(lines.as_bytes());
        let taken = lines.len() - usize::try_from(written.dropped).unwrap();
        assert!(taken > 0 && written.dropped > 0 && written.said.len() == 1, "{written:?}");
        assert_eq!(sink.write(b"dropped, and cut of").dropped, 19);
        assert_eq!(read(&mut reader), lines[..taken]);
        let written = sink.write(b"f here\nwhole\n");
        assert_eq!((written.dropped, written.said.len()), (7, 1), "{written:?}");
        let missing = lines.len() - taken + 26;
        let end = if lines[..taken].ends_with('\n') { "" } else { "\n" };
        let why = "its reader does not keep up";
        assert_eq!(
            read(&mut reader),
            format!("{end}supervisord: {missing} bytes of output are missing here: {why}\nwhole\n")
        );
        assert_eq!(sink.write(b"more\n"), Written::default());
    }

    #[test]
    fn a_log_whose_directory_is_gone_goes_on_when_it_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        fs::create_dir(&logs).unwrap();
        let mut sink = FileSink::open(logs.join("x"), 0, 0).unwrap();
        sink.write(b"one\n");
        fs::remove_dir_all(&logs).unwrap();
        sink.look_at = Instant::now();
        let written = sink.write(b"two\n");
        assert_eq!((written.dropped, written.said.len()), (4, 1), "{written:?}");
        sink.outage.retry(Instant::now());
        assert_eq!(sink.write(b"three\n").dropped, 6);
        fs::create_dir(&logs).unwrap();
        sink.outage.retry(Instant::now());
        let written = sink.write(b"four\n");
        assert_eq!(
            written.said[0].to_string(),
            format!("writing to {} works again, 10 bytes were dropped", name_of(&sink.file))
        );
        let why = "supervisord: 10 bytes of output are missing here: no such file or directory";
        assert_eq!(fs::read_to_string(logs.join("x")).unwrap(), format!("{why}\nfour\n"));
    }

    #[test]
    fn a_rotation_that_fails_is_said_once_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut sink = FileSink::open(&*path, 4, 1).unwrap();
        fs::create_dir(dir.path().join("x.1")).unwrap();
        let written = sink.write(b"one\n");
        let said = format!("cannot rotate {}, which grows: is a directory", name_of(&sink.file));
        assert_eq!(written.said[0].to_string(), said);
        sink.rotate_at = Some(Instant::now());
        assert_eq!(sink.write(b"two\n"), Written::default());
        fs::remove_dir(dir.path().join("x.1")).unwrap();
        sink.rotate_at = Some(Instant::now());
        sink.write(b"three\n");
        assert_eq!(fs::read_to_string(dir.path().join("x.1")).unwrap(), "one\ntwo\nthree\n");
    }
}
