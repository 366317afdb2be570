//! XML-RPC to a daemon, over a unix socket or TCP: one connection, one call at a time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::wire::xmlrpc::{Call, Value, decode_response, encode_call};

/// The largest answer, in bytes.
const ANSWER_LIMIT: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The daemon refused.
    #[error("<Fault {0}: '{1}'>")]
    Fault(i64, String),
    /// There is no socket file.
    #[error("no such file")]
    NoFile,
    /// Nobody listens.
    #[error("refused connection")]
    Refused,
    /// Password wanted.
    #[error("Server requires authentication")]
    Unauthorized,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Somebody who answers calls; tests bring their own.
pub trait Rpc {
    /// Calls a method.
    ///
    /// # Errors
    /// See [`CallError`].
    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, CallError>;
    /// Where it is, for messages.
    fn url(&self) -> &str;
}

/// The daemon behind a server URL.
pub struct Client {
    url: String,
    credentials: Option<String>,
    connection: Option<Box<dyn Stream>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Client {
    /// A client; connects at the first call.
    #[must_use]
    pub fn new(url: String, username: Option<&str>, password: Option<&str>) -> Self {
        let credentials = username.filter(|name| !name.is_empty()).map(|name| {
            let both = format!("{name}:{}", password.unwrap_or_default());
            format!("Authorization: Basic {}\r\n", BASE64.encode(both))
        });
        Self { url, credentials, connection: None }
    }

    fn connect(&self) -> Result<Box<dyn Stream>, CallError> {
        let opened: io::Result<Box<dyn Stream>> = if let Some(path) = self.url.strip_prefix("unix://") {
            UnixStream::connect(path).map(|stream| Box::new(stream) as Box<dyn Stream>)
        } else if let Some(rest) = self.url.strip_prefix("http://") {
            let host = rest.split('/').next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
            TcpStream::connect(address).map(|stream| Box::new(stream) as Box<dyn Stream>)
        } else {
            return Err(CallError::Other(format!("Unknown protocol for serverurl {}", self.url)));
        };
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CallError::NoFile,
            io::ErrorKind::ConnectionRefused => CallError::Refused,
            _ => CallError::Other(error.to_string()),
        })
    }

    fn exchange(&mut self, body: &str) -> Result<(u16, Vec<u8>), CallError> {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let credentials = self.credentials.as_deref().unwrap_or_default();
        let head = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{credentials}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let other = |error: io::Error| CallError::Other(error.to_string());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).map_err(other)?;
        let (code, answer, keep) = read_answer(stream.as_mut()).map_err(other)?;
        if keep {
            self.connection = Some(stream);
        }
        Ok((code, answer))
    }
}

impl Rpc for Client {
    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, CallError> {
        let body = encode_call(&Call { method: method.to_owned(), params });
        match self.exchange(&body)? {
            (200, answer) => match decode_response(&answer) {
                Ok(Ok(value)) => Ok(value),
                Ok(Err((code, text))) => Err(CallError::Fault(code, text)),
                Err(error) => Err(CallError::Other(format!("the answer cannot be read: {error}"))),
            },
            (401, _) => Err(CallError::Unauthorized),
            (code, _) => Err(CallError::Other(format!("the server answered HTTP {code}"))),
        }
    }

    fn url(&self) -> &str {
        &self.url
    }
}

/// Status, body, and whether the connection can be used again.
fn read_answer(stream: &mut dyn Stream) -> io::Result<(u16, Vec<u8>, bool)> {
    let bad = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let mut bytes = Vec::with_capacity(16 << 10);
    let mut chunk = [0; 16 << 10];
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(bad("the server closed the connection"));
        }
        bytes.extend_from_slice(&chunk[..count]);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&bytes).map_err(|error| bad(&error.to_string()))?;
        let httparse::Status::Complete(head) = parsed else { continue };
        let code = response.code.unwrap_or(0);
        let header = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::to_owned)
        };
        let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let length = header("content-length").and_then(|value| value.trim().parse::<usize>().ok());
        let mut body = bytes.split_off(head);
        let limit = length.unwrap_or(ANSWER_LIMIT);
        if limit > ANSWER_LIMIT {
            return Err(bad("the answer is too large"));
        }
        while body.len() < limit {
            let count = stream.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..count]);
        }
        if length.is_some_and(|length| body.len() < length) {
            return Err(bad("the answer was cut off"));
        }
        return Ok((code, body, length.is_some() && !closes));
    }
}
