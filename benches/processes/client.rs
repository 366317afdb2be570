//! An XML-RPC client that does no more than it must.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Waiting longer than this for an answer means that something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is kept.
pub struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Client {
    pub fn connect(socket: &Path) -> Self {
        let begun = Instant::now();
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    return Self { stream, buffer: vec![0; 1 << 16] };
                }
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{}: {error}", socket.display()),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The length of the answer's body.
    pub fn ask(&mut self, method: &str) -> usize {
        let body = format!(
            "<?xml version='1.0'?><methodCall><methodName>supervisor.{method}</methodName><params></params></methodCall>"
        );
        let request = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).unwrap();
        let (mut size, mut end) = (0, None);
        while end.is_none_or(|(_, end)| size < end) {
            if size == self.buffer.len() {
                self.buffer.resize(size * 2, 0);
            }
            let count = self.stream.read(&mut self.buffer[size..]).unwrap();
            assert_ne!(count, 0, "{:?}", String::from_utf8_lossy(&self.buffer[..size]));
            size += count;
            end = end.or_else(|| answer(&self.buffer[..size]));
        }
        let (body, end) = end.unwrap();
        end - body
    }
}

/// Where its body begins and ends.
fn answer(bytes: &[u8]) -> Option<(usize, usize)> {
    let body = 4 + bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..body]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some((body, body + length.unwrap().trim().parse::<usize>().unwrap()))
}
