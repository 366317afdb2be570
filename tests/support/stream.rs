//! A log that is followed over HTTP.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// The answer to a GET, as far as it has come.
pub struct Stream {
    socket: UnixStream,
    raw: Vec<u8>,
    /// The server has closed.
    pub ended: bool,
}

impl Stream {
    /// Asks with a whole head.
    pub fn ask(socket: &Path, request: &str) -> Self {
        let mut socket = UnixStream::connect(socket).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        Self { socket, raw: Vec::new(), ended: false }
    }

    /// Asks with HTTP/1.1.
    pub fn get(socket: &Path, uri: &str) -> Self {
        Self::ask(socket, &format!("GET {uri} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// The head, and the body as far as it has come, without the frames of chunks.
    pub fn parts(&self) -> (String, Vec<u8>) {
        let end = self.raw.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { return (String::new(), Vec::new()) };
        let head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
        let body = &self.raw[end + 4..];
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        (head, if chunked { unchunked(body) } else { body.to_vec() })
    }

    /// Reads what comes until then.
    fn read_until(&mut self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(left)).unwrap();
        let mut buffer = [0; 65536];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.raw.extend_from_slice(&buffer[..count]),
            Err(_) => {}
        }
    }

    /// Waits until the body so far is this.
    #[track_caller]
    pub fn await_body(&mut self, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.parts().1 != expected.as_bytes() {
            let late = self.ended || Instant::now() >= deadline;
            assert!(!late, "{:?} instead of {expected:?}", self.shown());
            self.read_until(deadline);
        }
    }

    /// Waits for the head.
    #[track_caller]
    pub fn await_head(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while self.parts().0.is_empty() {
            assert!(!self.ended && Instant::now() < deadline, "{:?}", self.shown());
            self.read_until(deadline);
        }
        self.parts().0
    }

    /// Waits until the server closes, and gives the body.
    #[track_caller]
    pub fn await_end(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !self.ended {
            assert!(Instant::now() < deadline, "{:?}", self.shown());
            self.read_until(deadline);
        }
        String::from_utf8_lossy(&self.parts().1).into_owned()
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = body.get(end + 2..end + 2 + size);
        let Some(chunk) = chunk else { break };
        content.extend_from_slice(chunk);
        body = body.get(end + 4 + size..).unwrap_or_default();
    }
    content
}
