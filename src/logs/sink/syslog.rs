//! Lines to syslog: facility user, ident `supervisord`, as Supervisor sends them (LOG-41).

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Instant;

use jiff::Zoned;

use super::outage::{Outage, Written};

/// The system's log. While nobody listens there, lines are dropped and counted.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    line: Vec<u8>,
    outage: Outage,
}

/// user.info
const PRIORITY: u8 = 14;
/// A longer line is sent in pieces: no receiver takes more for granted.
const PIECE: usize = 8192;
const NAME: &str = "syslog";

impl Default for Syslog {
    fn default() -> Self {
        Self::at("/dev/log")
    }
}

impl Syslog {
    /// The log that listens there.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), socket: None, line: Vec::new(), outage: Outage::default() }
    }

    /// Sends each line of a chunk as `<name> <line>`, or as it is when there is no name.
    pub fn send(&mut self, name: Option<&str>, chunk: &[u8]) -> Written {
        let (now, mut written) = (Instant::now(), Written::default());
        for line in chunk.split_inclusive(|byte| *byte == b'\n') {
            let size = u64::try_from(line.len()).unwrap_or(0);
            if self.outage.is_left_alone(now) {
                self.outage.drop(size, &mut written);
                continue;
            }
            match self.send_line(name, line.strip_suffix(b"\n").unwrap_or(line)) {
                Ok(()) => self.outage.end(NAME, &mut written),
                Err(error) => self.outage.fail(NAME, now, &error, size, &mut written),
            }
        }
        written
    }

    fn send_line(&mut self, name: Option<&str>, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        loop {
            let (piece, more) = rest.split_at(rest.len().min(PIECE));
            self.line.clear();
            write!(self.line, "<{PRIORITY}>{} supervisord: ", Zoned::now().strftime("%b %e %H:%M:%S"))?;
            if let Some(name) = name {
                self.line.extend_from_slice(name.as_bytes());
                self.line.push(b' ');
            }
            self.line.extend_from_slice(piece);
            self.deliver()?;
            if more.is_empty() {
                return Ok(());
            }
            rest = more;
        }
    }

    fn deliver(&mut self) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match socket.send(&self.line) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // The listener was restarted: once more, on a new connection.
                Err(_) => self.socket = None,
            }
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        socket.send(&self.line)?;
        self.socket = Some(socket);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 2 * PIECE];
        let length = listener.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        // `<14>Nov 24 22:09:30 `
        format!("{}{}", &text[..4], &text[20..])
    }

    #[test]
    fn every_line_is_sent_with_its_name_and_a_long_one_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixDatagram::bind(dir.path().join("log")).unwrap();
        let mut syslog = Syslog::at(dir.path().join("log"));
        assert_eq!(syslog.send(Some("cat"), b"one\ntwo"), Written::default());
        assert_eq!(heard(&listener), "<14>supervisord: cat one");
        assert_eq!(heard(&listener), "<14>supervisord: cat two");
        syslog.send(None, &[b'x'; PIECE + 1]);
        assert_eq!(heard(&listener).len(), "<14>supervisord: ".len() + PIECE);
        assert_eq!(heard(&listener), "<14>supervisord: x");
    }

    #[test]
    fn while_nobody_listens_lines_are_dropped_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut syslog = Syslog::at(&path);
        let written = syslog.send(None, b"one\ntwo\n");
        assert_eq!((written.dropped, written.said.len()), (8, 1), "{written:?}");
        let listener = UnixDatagram::bind(&path).unwrap();
        syslog.outage.retry(Instant::now());
        let written = syslog.send(None, b"three\n");
        assert_eq!(written.said[0].to_string(), "writing to syslog works again, 8 bytes were dropped");
        assert_eq!(heard(&listener), "<14>supervisord: three");
    }

    #[test]
    fn a_listener_that_was_restarted_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut syslog = Syslog::at(&path);
        let listener = UnixDatagram::bind(&path).unwrap();
        syslog.send(None, b"one");
        drop(listener);
        std::fs::remove_file(&path).unwrap();
        let listener = UnixDatagram::bind(&path).unwrap();
        assert_eq!(syslog.send(None, b"two"), Written::default());
        assert_eq!(heard(&listener), "<14>supervisord: two");
    }
}
