//! Log files, read for clients (Supervisor 4.3 `options.py`, `readFile` and `tailFile`).
//!
//! These block on the disk: call them where blocking is allowed.

pub mod follow;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

use crate::api::{Fault, FaultCode};

/// Bytes that one answer may have.
pub const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

/// What `tail` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last bytes.
    pub text: String,
    /// The size of the file.
    pub offset: i64,
    /// The file had grown beyond what was asked for.
    pub overflow: bool,
}

/// Reads from a log: the last `-offset` bytes, or from `offset` on at most `length` bytes (0: to the end); never more than
/// [`ANSWER_LIMIT`].
///
/// # Errors
/// NO_FILE when there is none, BAD_ARGUMENTS for a negative length or an offset from the end with a length, FAILED when it
/// cannot be read.
pub fn read(path: Option<&Path>, offset: i64, length: i64) -> Result<String, Fault> {
    let Some(path) = path else { return Err(Fault::bare(FaultCode::NoFile)) };
    if !path.exists() {
        return Err(Fault::new(FaultCode::NoFile, path.display().to_string()));
    }
    if (offset < 0 && length != 0) || length < 0 {
        return Err(Fault::bare(FaultCode::BadArguments));
    }
    let read = || {
        let (mut file, size) = open(path)?;
        let asked = match length.unsigned_abs() {
            _ if offset < 0 => offset.unsigned_abs(),
            0 => u64::MAX,
            length => length,
        };
        let count = asked.min(ANSWER_LIMIT);
        let start = if offset < 0 { size.saturating_sub(count) } else { offset.unsigned_abs() };
        slice(&mut file, start, count)
    };
    read().map_err(|_: io::Error| Fault::bare(FaultCode::Failed))
}

/// Reads the end of a log: at most `length` bytes and [`ANSWER_LIMIT`]. A log that is not there is empty.
#[must_use]
pub fn tail(path: Option<&Path>, offset: i64, length: i64) -> Tail {
    let empty = |offset| Tail { text: String::new(), offset, overflow: false };
    let Some(path) = path.filter(|path| path.exists()) else { return empty(0) };
    tail_of(path, offset, length).unwrap_or_else(|_| empty(offset))
}

fn tail_of(path: &Path, asked_offset: i64, asked_length: i64) -> io::Result<Tail> {
    let (mut file, bytes) = open(path)?;
    let size = i64::try_from(bytes).unwrap_or(i64::MAX);
    let (mut offset, mut length) = (asked_offset, asked_length);
    let overflow = size > offset.saturating_add(length);
    if overflow {
        offset = size.saturating_sub(1);
    }
    if offset.saturating_add(length) > size {
        if offset > size.saturating_sub(1) {
            length = 0;
        }
        offset = size.saturating_sub(length);
    }
    let start = offset.max(0).unsigned_abs();
    let end = start.saturating_add(length.max(0).unsigned_abs()).min(bytes);
    let start = start.max(end.saturating_sub(ANSWER_LIMIT));
    let text = slice(&mut file, start, end.saturating_sub(start))?;
    Ok(Tail { text, offset: size, overflow })
}

/// Opens a regular file for reading, never waiting for whoever has the other end of something else; its size.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    Ok((file, metadata.len()))
}

fn slice(file: &mut File, start: u64, count: u64) -> io::Result<String> {
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(count.min(size.saturating_sub(start))).unwrap_or(0));
    file.take(count).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn reads_as_supervisor_reads() {
        let file = log(b"123456789");
        let ask = |offset, length| read(Some(file.path()), offset, length);
        let bad = || Err(Fault::bare(FaultCode::BadArguments));
        for (offset, length, answer) in [
            (0, 0, Ok("123456789".to_owned())),
            (3, 0, Ok("456789".to_owned())),
            (3, 2, Ok("45".to_owned())),
            (-4, 0, Ok("6789".to_owned())),
            (-40, 0, Ok("123456789".to_owned())),
            (40, 0, Ok(String::new())),
            (-4, 1, bad()),
            (0, -1, bad()),
        ] {
            assert_eq!(ask(offset, length), answer, "{offset} {length}");
        }
        assert_eq!(read(None, 0, 0), Err(Fault::bare(FaultCode::NoFile)));
        assert_eq!(read(Some(Path::new("/")), 0, 0), Err(Fault::bare(FaultCode::Failed)));
        assert_eq!(read(Some(log(b"\xff\xc3").path()), 0, 0), Ok("\u{fffd}\u{fffd}".to_owned()));
    }

    #[test]
    fn tails_as_supervisor_tails() {
        let file = log(b"123456789");
        for (offset, length, text, overflow) in [
            (0, 100, "123456789", false),
            (0, 3, "789", true),
            (3, 100, "123456789", false),
            (100, 100, "", false),
            (-5, 100, "123456789", false),
            (0, 0, "", true),
            (0, 1, "9", true),
            (6, 3, "789", false),
            (i64::MAX, i64::MAX, "", false),
            (0, i64::MIN, "", true),
        ] {
            let expected = Tail { text: text.to_owned(), offset: 9, overflow };
            assert_eq!(tail(Some(file.path()), offset, length), expected, "{offset} {length}");
        }
        assert_eq!(tail(None, 7, 7), Tail { text: String::new(), offset: 0, overflow: false });
    }
}
