//! Lines from a descriptor, read so that none is ever lost: what is typed ahead waits here for whoever asks next.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

/// A longer line is given in pieces.
const LINE_LIMIT: usize = 1 << 20;

/// How much is read at once.
const PIECE: usize = 16 << 10;

/// What has been read and was not asked for yet.
#[derive(Debug, Default)]
pub struct Lines {
    whole: VecDeque<String>,
    begun: Vec<u8>,
}

impl Lines {
    /// Whether a line is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.whole.is_empty()
    }

    /// The next line that is there.
    pub fn next(&mut self) -> Option<String> {
        self.whole.pop_front()
    }

    /// Lines that came in another way, before all that is yet to be read.
    pub fn push(&mut self, lines: impl IntoIterator<Item = String>) {
        self.whole.extend(lines);
    }

    /// Reads what has come, or waits for it; `false` at the end of input, where a line that was begun counts as one.
    ///
    /// # Errors
    /// It cannot be read from.
    pub fn fill(&mut self, from: BorrowedFd<'_>) -> io::Result<bool> {
        let mut piece = [0; PIECE];
        let count = loop {
            match nix::unistd::read(from, &mut piece) {
                Err(Errno::EINTR) => {}
                // Somebody else who has it open wants it so; we look again when something has come.
                Err(Errno::EAGAIN) => return Ok(true),
                other => break other?,
            }
        };
        self.take(&piece[..count]);
        Ok(count > 0 || self.is_ready())
    }

    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") || self.begun.len() > LINE_LIMIT {
                self.end_line();
            }
        }
        if bytes.is_empty() && !self.begun.is_empty() {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.begun);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.whole.push_back(String::from_utf8_lossy(line).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn lines_come_whole_and_in_order() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut lines = Lines::default();
        near.write_all("one\r\ntwo\n\nthr".as_bytes()).unwrap();
        assert!(lines.fill(far.as_fd()).unwrap());
        let taken: Vec<_> = std::iter::from_fn(|| lines.next()).collect();
        assert_eq!(taken, ["one", "two", ""]);
        near.write_all(b"ee").unwrap();
        assert!(lines.fill(far.as_fd()).unwrap() && !lines.is_ready());
        drop(near);
        assert!(lines.fill(far.as_fd()).unwrap(), "a line that was begun counts");
        assert_eq!(lines.next().as_deref(), Some("three"));
        assert!(!lines.fill(far.as_fd()).unwrap());
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn a_line_has_a_limit() {
        let mut lines = Lines::default();
        lines.take(&vec![b'x'; LINE_LIMIT + 10]);
        assert_eq!(lines.next().map(|line| line.len()), Some(LINE_LIMIT + 10));
        assert!(lines.begun.is_empty());
    }
}
