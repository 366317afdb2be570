//! A file that is rotated by size (Supervisor 4.3 `loggers.py`, `RotatingFileHandler`; LOG-15..20).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::system::fds;

/// A log file. After each write, a file of `maxbytes` or more makes way for an empty one.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    maxbytes: i64,
    backups: i64,
    file: File,
    position: u64,
    rotates: bool,
}

impl RotatingFile {
    /// Opens for appending. `/dev/stdout`, `/dev/stderr` and `/dev/fd/N` are our own descriptors; they, pipes and devices
    /// are never rotated.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path, maxbytes: i64, backups: i64) -> io::Result<Self> {
        let (file, position, rotates) = open_at_end(path, None)?;
        Ok(Self { path: path.to_owned(), maxbytes, backups, file, position, rotates })
    }

    /// The file as named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on other limits.
    pub fn set_limits(&mut self, maxbytes: i64, backups: i64) {
        (self.maxbytes, self.backups) = (maxbytes, backups);
    }

    /// Appends, and rotates when it is time. A rotation that fails loses nothing: the file grows, and the next write tries
    /// again.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.position += u64::try_from(bytes.len()).unwrap_or(0);
        let limit = u64::try_from(self.maxbytes).unwrap_or(0);
        if self.rotates && limit > 0 && self.position >= limit {
            // Better a log that is too long than one that is lost.
            let _ = self.rotate();
        }
        Ok(())
    }

    /// Opens the file again by its name: somebody has moved it away.
    ///
    /// # Errors
    /// Those of open(2); the old file stays in use.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.open_again(None)
    }

    /// Starts with an empty file of the same mode; backups stay.
    ///
    /// # Errors
    /// Those of unlink(2) and open(2).
    pub fn clear(&mut self) -> io::Result<()> {
        if !self.rotates {
            return Ok(());
        }
        let mode = self.mode();
        unless_missing(fs::remove_file(&self.path))?;
        self.open_again(mode)
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.backups <= 0 {
            self.file.set_len(0)?;
            self.position = 0;
            return Ok(());
        }
        let mode = self.mode();
        for i in (1..self.backups).rev() {
            unless_missing(fs::rename(numbered(&self.path, i), numbered(&self.path, i + 1)))?;
        }
        unless_missing(fs::rename(&self.path, numbered(&self.path, 1)))?;
        self.open_again(mode)
    }

    fn open_again(&mut self, mode: Option<u32>) -> io::Result<()> {
        (self.file, self.position, self.rotates) = open_at_end(&self.path, mode)?;
        Ok(())
    }

    fn mode(&self) -> Option<u32> {
        self.file.metadata().ok().map(|m| m.permissions().mode() & 0o7777)
    }
}

/// Removes the contents of a log that nobody has open: the file stays, with its mode; a missing one stays missing.
///
/// # Errors
/// Those of unlink(2) and open(2).
pub fn clear_closed(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if !found.is_file() || fds::own_descriptor(path).is_some() {
        return Ok(());
    }
    unless_missing(fs::remove_file(path))?;
    open_at_end(path, Some(found.permissions().mode() & 0o7777)).map(|_| ())
}

/// The file, its size, and whether it can be rotated. A file that did not exist gets `mode`, if there is one.
fn open_at_end(path: &Path, mode: Option<u32>) -> io::Result<(File, u64, bool)> {
    if let Some(number) = fds::own_descriptor(path) {
        return Ok((File::from(fds::duplicate(number)?), 0, false));
    }
    let fifo = fs::metadata(path).is_ok_and(|m| m.file_type().is_fifo());
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    if fifo {
        // Neither opening nor writing may wait for a reader.
        options.read(true).custom_flags(libc::O_NONBLOCK);
    }
    let mut file = options.open(path)?;
    let regular = file.metadata()?.is_file();
    let position = if regular { file.seek(SeekFrom::End(0))? } else { 0 };
    if let Some(mode) = mode.filter(|_| regular && position == 0) {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    Ok((file, position, regular))
}

/// `base.1`
fn numbered(base: &Path, number: i64) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(dir: &Path, names: &[&str]) -> Vec<Option<u64>> {
        names.iter().map(|n| fs::metadata(dir.join(n)).ok().map(|m| m.len())).collect()
    }

    #[test]
    fn a_full_file_makes_way_after_the_write_that_filled_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::open(&dir.path().join("l"), 100, 2).unwrap();
        let names = ["l", "l.1", "l.2", "l.3"];
        log.write(&[b'x'; 60]).unwrap();
        assert_eq!(sizes(dir.path(), &names), [Some(60), None, None, None]);
        log.write(&[b'x'; 60]).unwrap();
        assert_eq!(sizes(dir.path(), &names), [Some(0), Some(120), None, None]);
        log.write(&[b'x'; 100]).unwrap();
        assert_eq!(sizes(dir.path(), &names), [Some(0), Some(100), Some(120), None]);
        log.write(&[b'x'; 101]).unwrap();
        assert_eq!(sizes(dir.path(), &names), [Some(0), Some(101), Some(100), None]);
    }

    #[test]
    fn without_backups_the_file_is_emptied_and_without_a_limit_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let mut log = RotatingFile::open(&path, 10, 0).unwrap();
        log.write(&[b'x'; 10]).unwrap();
        assert_eq!(sizes(dir.path(), &["l", "l.1"]), [Some(0), None]);
        for limit in [0, -1] {
            log.set_limits(limit, 3);
            log.write(&[b'x'; 20]).unwrap();
        }
        assert_eq!(sizes(dir.path(), &["l", "l.1"]), [Some(40), None]);
    }

    #[test]
    fn what_was_there_counts_and_the_mode_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        fs::write(&path, "12345678").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut log = RotatingFile::open(&path, 10, 1).unwrap();
        log.write(b"ab").unwrap();
        assert_eq!(sizes(dir.path(), &["l", "l.1"]), [Some(0), Some(10)]);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        log.write(b"x").unwrap();
        log.clear().unwrap();
        assert_eq!((mode(), sizes(dir.path(), &["l", "l.1"])), (0o600, vec![Some(0), Some(10)]));
        log.write(b"y").unwrap();
        clear_closed(&path).unwrap();
        assert_eq!((mode(), fs::read(&path).unwrap()), (0o600, Vec::new()));
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_on_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let mut log = RotatingFile::open(&path, 0, 0).unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        log.write(b"1").unwrap();
        log.reopen().unwrap();
        log.write(b"22").unwrap();
        assert_eq!(sizes(dir.path(), &["old", "l"]), [Some(1), Some(2)]);
    }

    #[test]
    fn devices_do_not_rotate() {
        let mut log = RotatingFile::open(Path::new("/dev/null"), 1, 1).unwrap();
        log.write(b"abc").unwrap();
        log.clear().unwrap();
        assert!(!Path::new("/dev/null.1").exists());
    }
}
