//! A log file that never makes its writer fail.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::api::{Level, Notice};
use crate::logs::rotate::RotatingFile;
use crate::system::io_errno_name;

/// A log file. While it cannot be written, what comes is dropped and counted; that is said once, and so is its end.
#[derive(Debug)]
pub struct FileSink {
    file: RotatingFile,
    trouble: Option<Trouble>,
}

/// What became of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// How many were dropped.
    pub dropped: u64,
    /// What is to be said about that.
    pub said: Option<Notice>,
}

#[derive(Debug)]
struct Trouble {
    dropped: u64,
    retry_at: Instant,
}

/// How long a file that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);

impl FileSink {
    /// Opens for appending.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path, maxbytes: i64, backups: i64) -> io::Result<Self> {
        Ok(Self { file: RotatingFile::open(path, maxbytes, backups)?, trouble: None })
    }

    /// The file itself.
    pub fn file(&mut self) -> &mut RotatingFile {
        &mut self.file
    }

    /// Appends, or drops.
    pub fn write(&mut self, bytes: &[u8]) -> Written {
        let size = u64::try_from(bytes.len()).unwrap_or(0);
        if let Some(trouble) = &mut self.trouble {
            let now = Instant::now();
            if now < trouble.retry_at || self.file.reopen().is_err() || self.file.write(bytes).is_err() {
                trouble.dropped += size;
                if now >= trouble.retry_at {
                    trouble.retry_at = now + RETRY;
                }
                return Written { dropped: size, said: None };
            }
            let dropped = trouble.dropped;
            self.trouble = None;
            let path = self.file.path().display();
            let text = format!("writing to '{path}' works again, {dropped} bytes were dropped");
            return Written { dropped: 0, said: Some(Notice::other(Level::Warn, text)) };
        }
        let Err(error) = self.file.write(bytes) else { return Written::default() };
        self.trouble = Some(Trouble { dropped: size, retry_at: Instant::now() + RETRY });
        let (path, name) = (self.file.path().display(), io_errno_name(&error));
        let text = format!("cannot write to '{path}', dropping output: {name}");
        Written { dropped: size, said: Some(Notice::other(Level::Error, text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_once() {
        let mut sink = FileSink::open(Path::new("/dev/full"), 0, 0).unwrap();
        let written = sink.write(b"abc");
        assert_eq!(written.said.unwrap().to_string(), "cannot write to '/dev/full', dropping output: ENOSPC");
        assert_eq!(sink.write(b"abc"), Written { dropped: 3, said: None });
        assert_eq!(sink.trouble.unwrap().dropped, 6);
    }
}
