//! A file that is rotated by size (Supervisor 4.3 `loggers.py`, `RotatingFileHandler`; LOG-15..20).

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::fstat;

use crate::system::fds;
use crate::system::output::{Output, Short};

/// A log file. One of `maxbytes` or more is to make way for an empty one.
#[derive(Debug)]
pub struct RotatingFile {
    path: Arc<Path>,
    maxbytes: i64,
    backups: i64,
    output: Output,
    position: u64,
    /// It is a file with a name, which can be given to another.
    rotates: bool,
}

/// Where the end of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its device.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its length.
    pub size: u64,
}

impl AsFd for RotatingFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

impl RotatingFile {
    /// Goes on with a file that is open.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn resume(path: impl Into<Arc<Path>>, fd: OwnedFd, maxbytes: i64, backups: i64) -> io::Result<Self> {
        let path = path.into();
        let (output, position, rotates) = measured(&path, Output::resume(fd)?)?;
        Ok(Self { path, maxbytes, backups, output, position, rotates })
    }

    /// Bytes at which it is rotated, and how many rotated files are kept.
    #[must_use]
    pub fn limits(&self) -> (i64, i64) {
        (self.maxbytes, self.backups)
    }

    /// Opens for appending. `/dev/stdout`, `/dev/stderr` and `/dev/fd/N` are our own descriptors; they, pipes and devices
    /// are never rotated.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: impl Into<Arc<Path>>, maxbytes: i64, backups: i64) -> io::Result<Self> {
        let path = path.into();
        let (output, position, rotates) = open_at_end(&path, None)?;
        Ok(Self { path, maxbytes, backups, output, position, rotates })
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

    /// Appends.
    ///
    /// # Errors
    /// Those of write(2), with what was written all the same.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Short> {
        let outcome = self.output.write(bytes);
        let written = outcome.as_ref().map_or_else(|short| short.written, |()| bytes.len());
        self.position += u64::try_from(written).unwrap_or(0);
        outcome
    }

    /// Where the next bytes go; `None`: that cannot be found again.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        let found = fstat(&self.output).ok().filter(|_| self.rotates)?;
        Some(Mark { device: found.st_dev, inode: found.st_ino, size: u64::try_from(found.st_size).ok()? })
    }

    /// It is time to rotate.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let limit = u64::try_from(self.maxbytes).unwrap_or(0);
        self.rotates && limit > 0 && self.position >= limit
    }

    /// Bytes until it is full; 0: it is, or is no file.
    #[must_use]
    pub fn room(&self) -> usize {
        let limit = u64::try_from(self.maxbytes).ok().filter(|limit| *limit > 0);
        let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.position));
        if self.rotates { usize::try_from(left).unwrap_or(usize::MAX) } else { 0 }
    }

    /// Makes way for an empty file, unless others have emptied it. When that fails nothing is lost: the file grows.
    ///
    /// # Errors
    /// Those of rename(2), open(2) and ftruncate(2).
    pub fn rotate(&mut self) -> io::Result<()> {
        let own = self.output.metadata()?;
        self.position = own.len();
        if !self.is_full() {
            return Ok(());
        }
        if self.backups <= 0 {
            self.output.truncate()?;
            self.position = 0;
            return Ok(());
        }
        // Not what others have put there; nor what a rotation that stopped half-way has moved already.
        if fs::metadata(&self.path).is_ok_and(|named| same(&own, &named)) {
            // A gap, which a rotation that was cut off has left, is filled: what is behind it makes no way.
            let gap = (1..self.backups).find(|i| !taken(&numbered(&self.path, *i))).unwrap_or(self.backups);
            // Replaced by a rename, it would be a reason for the kernel to write out first what is renamed, while we wait.
            unless_missing(fs::remove_file(numbered(&self.path, gap)))?;
            for i in (1..gap).rev() {
                unless_missing(fs::rename(numbered(&self.path, i), numbered(&self.path, i + 1)))?;
            }
            unless_missing(fs::rename(&self.path, numbered(&self.path, 1)))?;
        }
        self.open_again(Some(mode_of(&own)))
    }

    /// Looks whether the file was removed, or another one was put in its place: then the log goes on there. True if so.
    /// A file that was only moved is written on, until it is reopened or another one has its name.
    ///
    /// # Errors
    /// Those of open(2); the old file stays in use.
    pub fn follow(&mut self) -> io::Result<bool> {
        if !self.rotates {
            return Ok(false);
        }
        let Ok(own) = self.output.metadata() else {
            self.open_again(None)?;
            return Ok(true);
        };
        let replaced = match fs::metadata(&self.path) {
            Ok(named) => !same(&own, &named),
            Err(_) => own.nlink() == 0,
        };
        if !replaced {
            // Others may have emptied it.
            self.position = own.len();
            return Ok(false);
        }
        self.open_again(Some(mode_of(&own)))?;
        Ok(true)
    }

    /// No name leads to it any more: what is written is lost when it is closed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.rotates && self.output.metadata().is_ok_and(|own| own.nlink() == 0)
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

    fn open_again(&mut self, mode: Option<u32>) -> io::Result<()> {
        (self.output, self.position, self.rotates) = open_at_end(&self.path, mode)?;
        Ok(())
    }

    fn mode(&self) -> Option<u32> {
        self.output.metadata().ok().map(|own| mode_of(&own))
    }
}

fn mode_of(file: &fs::Metadata) -> u32 {
    file.permissions().mode() & 0o7777
}

fn same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
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
    open_at_end(path, Some(mode_of(&found))).map(|_| ())
}

/// The file, its size, and whether it can be rotated. A file that did not exist gets `mode`, if there is one.
fn open_at_end(path: &Path, mode: Option<u32>) -> io::Result<(Output, u64, bool)> {
    measured(path, Output::open(path, mode)?)
}

fn measured(path: &Path, output: Output) -> io::Result<(Output, u64, bool)> {
    let found = output.metadata()?;
    let rotates = found.is_file() && fds::own_descriptor(path).is_none();
    Ok((output, if rotates { found.len() } else { 0 }, rotates))
}

/// `base.1`
fn numbered(base: &Path, number: i64) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
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

    /// As the sink does it.
    fn write(log: &mut RotatingFile, bytes: &[u8]) {
        log.write(bytes).unwrap();
        if log.is_full() {
            log.rotate().unwrap();
        }
    }

    fn sizes(dir: &Path, names: &[&str]) -> Vec<Option<u64>> {
        names.iter().map(|n| fs::metadata(dir.join(n)).ok().map(|m| m.len())).collect()
    }

    #[test]
    fn a_full_file_makes_way_after_the_write_that_filled_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::open(dir.path().join("l"), 100, 2).unwrap();
        let names = ["l", "l.1", "l.2", "l.3"];
        write(&mut log, &[b'x'; 60]);
        assert_eq!(sizes(dir.path(), &names), [Some(60), None, None, None]);
        write(&mut log, &[b'x'; 60]);
        assert_eq!(sizes(dir.path(), &names), [Some(0), Some(120), None, None]);
        write(&mut log, &[b'x'; 100]);
        assert_eq!(sizes(dir.path(), &names), [Some(0), Some(100), Some(120), None]);
        write(&mut log, &[b'x'; 101]);
        assert_eq!(sizes(dir.path(), &names), [Some(0), Some(101), Some(100), None]);
    }

    #[test]
    fn a_rotation_that_was_cut_off_costs_no_backup() {
        let names = ["l", "l.1", "l.2", "l.3"];
        // A daemon was killed after it had made so many steps of: .3 away, .2 to .3, .1 to .2, the log to .1.
        for steps in 0..=4_usize {
            let dir = tempfile::tempdir().unwrap();
            let file = |name: &str| dir.path().join(name);
            for (name, size) in [("l", 10), ("l.1", 1), ("l.2", 2), ("l.3", 3)] {
                fs::write(file(name), vec![b'x'; size]).unwrap();
            }
            if steps > 0 {
                fs::remove_file(file("l.3")).unwrap();
            }
            for step in 0..steps.saturating_sub(1) {
                fs::rename(file(names[2 - step]), file(names[3 - step])).unwrap();
            }
            let mut log = RotatingFile::open(file("l"), 10, 3).unwrap();
            if log.is_full() {
                log.rotate().unwrap();
            }
            assert_eq!(sizes(dir.path(), &names), [Some(0), Some(10), Some(1), Some(2)], "{steps} steps");
        }
    }

    #[test]
    fn without_backups_the_file_is_emptied_and_without_a_limit_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let mut log = RotatingFile::open(&*path, 10, 0).unwrap();
        write(&mut log, &[b'x'; 10]);
        assert_eq!(sizes(dir.path(), &["l", "l.1"]), [Some(0), None]);
        for limit in [0, -1] {
            log.set_limits(limit, 3);
            write(&mut log, &[b'x'; 20]);
        }
        assert_eq!(sizes(dir.path(), &["l", "l.1"]), [Some(40), None]);
    }

    #[test]
    fn what_was_there_counts_and_the_mode_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        fs::write(&path, "12345678").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut log = RotatingFile::open(&*path, 10, 1).unwrap();
        write(&mut log, b"ab");
        assert_eq!(sizes(dir.path(), &["l", "l.1"]), [Some(0), Some(10)]);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        write(&mut log, b"x");
        log.clear().unwrap();
        assert_eq!((mode(), sizes(dir.path(), &["l", "l.1"])), (0o600, vec![Some(0), Some(10)]));
        write(&mut log, b"y");
        clear_closed(&path).unwrap();
        assert_eq!((mode(), fs::read(&path).unwrap()), (0o600, Vec::new()));
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_on_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let mut log = RotatingFile::open(&*path, 0, 0).unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        write(&mut log, b"1");
        log.reopen().unwrap();
        write(&mut log, b"22");
        assert_eq!(sizes(dir.path(), &["old", "l"]), [Some(1), Some(2)]);
    }

    #[test]
    fn devices_do_not_rotate() {
        let mut log = RotatingFile::open(Path::new("/dev/null"), 1, 1).unwrap();
        write(&mut log, b"abc");
        log.clear().unwrap();
        assert!(!Path::new("/dev/null.1").exists());
    }

    #[test]
    fn a_file_that_was_removed_or_replaced_is_followed_and_one_that_was_moved_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("l"), dir.path().join("moved"));
        let mut log = RotatingFile::open(&*path, 0, 0).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!log.follow().unwrap());
        fs::remove_file(&path).unwrap();
        assert!(log.is_removed() && log.follow().unwrap() && !log.is_removed());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::rename(&path, &moved).unwrap();
        assert!(!log.follow().unwrap() && !log.is_removed());
        write(&mut log, b"1");
        fs::write(&path, "22").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(log.follow().unwrap());
        write(&mut log, b"3");
        assert_eq!((fs::read(&moved).unwrap(), fs::read(&path).unwrap()), (b"1".to_vec(), b"223".to_vec()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640,
            "whoever made it chose it"
        );
    }

    #[test]
    fn what_others_emptied_is_not_full() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let mut log = RotatingFile::open(&*path, 10, 1).unwrap();
        write(&mut log, b"123456789");
        fs::File::create(&path).unwrap();
        write(&mut log, b"1");
        assert_eq!(sizes(dir.path(), &["l", "l.1"]), [Some(1), None]);
    }

    #[test]
    fn a_rotation_that_stops_half_way_moves_no_backup_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/l");
        fs::create_dir(dir.path().join("sub")).unwrap();
        let mut log = RotatingFile::open(&*path, 10, 3).unwrap();
        write(&mut log, b"first......");
        log.write(b"second......").unwrap();
        // Its name is taken by what cannot be opened.
        fs::rename(&path, dir.path().join("sub/l.moved")).unwrap();
        fs::create_dir(&path).unwrap();
        for _ in 0..3 {
            log.rotate().unwrap_err();
        }
        assert!(log.is_full(), "it grows, and is tried again");
        fs::remove_dir(&path).unwrap();
        log.rotate().unwrap();
        assert_eq!(fs::read(dir.path().join("sub/l.1")).unwrap(), b"first......");
        assert_eq!(sizes(dir.path(), &["sub/l", "sub/l.2"]), [Some(0), None]);
    }
}
