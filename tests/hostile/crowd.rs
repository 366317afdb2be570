//! Many connections at once, to either socket of a daemon.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use supervisord::wire::xmlrpc::{Call, Value, encode_call};

/// A connection of either kind.
pub trait Stream: Read + Write + Send {
    fn limit(&self, patience: Option<Duration>) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn limit(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)?;
        self.set_write_timeout(patience)
    }
}

impl Stream for UnixStream {
    fn limit(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)?;
        self.set_write_timeout(patience)
    }
}

/// Where a daemon listens.
#[derive(Debug, Clone)]
pub enum Place {
    Unix(PathBuf),
    Inet(SocketAddr),
}

impl Place {
    pub fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path)?),
            Self::Inet(address) => Box::new(TcpStream::connect(address)?),
        })
    }

    /// So many connections, each of which sends these bytes as far as the server takes them, and keeps still.
    pub fn crowd(&self, count: usize, bytes: &[u8]) -> Vec<Box<dyn Stream>> {
        (0..count)
            .map(|_| {
                let mut stream = self.connect().unwrap();
                stream.limit(Some(Duration::from_millis(200))).unwrap();
                // Who is sent away may find the door closed.
                let _ = stream.write_all(bytes);
                stream
            })
            .collect()
    }
}

/// A call as a request.
pub fn post(method: &str, params: Vec<Value>) -> Vec<u8> {
    let document = encode_call(&Call { method: method.into(), params });
    posted(document.as_bytes())
}

/// A document as a request.
pub fn posted(document: &[u8]) -> Vec<u8> {
    let head =
        format!("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", document.len());
    [head.as_bytes(), document].concat()
}
