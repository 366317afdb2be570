//! Lines to syslog: facility user, ident `supervisord`, as Supervisor sends them (LOG-41).

use std::io::Write;
use std::os::unix::net::UnixDatagram;

/// The system's log. While nobody listens there, lines are dropped.
#[derive(Debug, Default)]
pub struct Syslog {
    socket: Option<UnixDatagram>,
    line: Vec<u8>,
}

/// user.info
const PRIORITY: u8 = 14;

impl Syslog {
    /// Sends each line of a chunk as `<name> <line>`, or as it is when there is no name.
    pub fn send(&mut self, name: Option<&str>, chunk: &[u8]) {
        let chunk = chunk.strip_suffix(b"\n").unwrap_or(chunk);
        for line in chunk.split(|b| *b == b'\n') {
            self.line.clear();
            // Writing into memory cannot fail.
            let _ = write!(self.line, "<{PRIORITY}>supervisord: ");
            if let Some(name) = name {
                self.line.extend_from_slice(name.as_bytes());
                self.line.push(b' ');
            }
            self.line.extend_from_slice(line);
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        for _ in 0..2 {
            let Some(socket) = self.socket.take().or_else(connect) else { return };
            match socket.send(&self.line) {
                Ok(_) => return self.socket = Some(socket),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return self.socket = Some(socket),
                // The listener was restarted: once more, on a new connection.
                Err(_) => {}
            }
        }
    }
}

fn connect() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect("/dev/log").ok()?;
    Some(socket)
}
