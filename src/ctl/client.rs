//! XML-RPC to a daemon, one connection, one call at a time; and logs that are followed, each on a connection of its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::connection::{Broken, Connection, Place};
use super::http::Answer;
use crate::system::interrupt::Interrupts;
use crate::wire::xmlrpc::{Call, Value, decode_response, encode_call};

/// The largest answer to a call, in bytes.
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
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Who was asked for a password is gone.
    #[error("no password")]
    Unanswered,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<Broken> for CallError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Interrupted => Self::Interrupted,
            Broken::Io(error) if error.kind() == io::ErrorKind::NotFound => Self::NoFile,
            Broken::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            other => Self::Other(other.to_string()),
        }
    }
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

    /// Turns to another daemon.
    fn open(&mut self, url: &str);

    /// Says from now on who calls.
    fn authenticate(&mut self, username: &str, password: &str);

    /// Gives up a wait on Ctrl-C from now on.
    fn heed(&mut self, interrupts: &Rc<Interrupts>);

    /// The same daemon on a connection of its own, for whoever needs an answer within that time or none.
    fn aside(&self, patience: Duration) -> Box<dyn Rpc>;

    /// Asks for a log that grows.
    ///
    /// # Errors
    /// It cannot be connected to.
    fn follow(&self, path: &str) -> Result<Tail, Broken>;
}

/// The daemon behind a server URL.
pub struct Client {
    url: String,
    authorization: String,
    connection: Option<Connection>,
    interrupts: Option<Rc<Interrupts>>,
    /// How long an answer may take to begin; `None` where it waits for programs.
    patience: Option<Duration>,
}

impl Client {
    /// A client; connects at the first call.
    #[must_use]
    pub fn new(url: String, username: Option<&str>, password: Option<&str>) -> Self {
        let authorization = username.filter(|name| !name.is_empty());
        let authorization = authorization.map(|name| authorization_of(name, password.unwrap_or_default()));
        let authorization = authorization.unwrap_or_default();
        Self { url, authorization, connection: None, interrupts: None, patience: None }
    }

    fn head(&self, place: &Place, line: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n{}", place.host(), self.authorization)
    }

    fn exchange(&mut self, body: &str) -> Result<Answer, Broken> {
        let place = Place::parse(&self.url)?;
        let mut connection = match self.connection.take() {
            // A call is never sent twice: a connection that was closed meanwhile is found out before.
            Some(kept) if kept.is_quiet() => kept,
            _ => Connection::open(&place)?,
        };
        let head = self.head(&place, "POST /RPC2");
        let rest = format!("Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        connection.send((head + &rest).as_bytes())?;
        let answer = connection.read(self.interrupts.as_deref(), self.patience, ANSWER_LIMIT)?;
        if answer.keeps() {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

fn authorization_of(username: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{username}:{password}")))
}

impl Rpc for Client {
    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, CallError> {
        let body = encode_call(&Call { method: method.to_owned(), params });
        let answer = self.exchange(&body)?;
        match answer.head().map_or(0, |head| head.code) {
            200 => match decode_response(answer.body()) {
                Ok(Ok(value)) => Ok(value),
                Ok(Err((code, text))) => Err(CallError::Fault(code, text)),
                Err(error) => Err(CallError::Other(format!("the answer cannot be read: {error}"))),
            },
            401 => Err(CallError::Unauthorized),
            code => Err(CallError::Other(format!("the server answered HTTP {code}"))),
        }
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn open(&mut self, url: &str) {
        url.clone_into(&mut self.url);
        self.connection = None;
    }

    fn authenticate(&mut self, username: &str, password: &str) {
        self.authorization = authorization_of(username, password);
    }

    fn heed(&mut self, interrupts: &Rc<Interrupts>) {
        self.interrupts = Some(Rc::clone(interrupts));
    }

    fn aside(&self, patience: Duration) -> Box<dyn Rpc> {
        Box::new(Self {
            url: self.url.clone(),
            authorization: self.authorization.clone(),
            connection: None,
            interrupts: None,
            patience: Some(patience),
        })
    }

    fn follow(&self, path: &str) -> Result<Tail, Broken> {
        let place = Place::parse(&self.url)?;
        let mut connection = Connection::open(&place)?;
        connection.send((self.head(&place, &format!("GET {path}")) + "\r\n").as_bytes())?;
        Ok(Tail { connection, answer: Answer::default() })
    }
}

/// A log that is followed: to be polled, and then read.
#[derive(Debug)]
pub struct Tail {
    connection: Connection,
    answer: Answer,
}

/// What came of a log.
#[derive(Debug, PartialEq, Eq)]
pub enum Grown {
    /// These bytes, perhaps none.
    By(Vec<u8>),
    /// These bytes, and the server says no more.
    Last(Vec<u8>),
    /// There is no such log: the status of HTTP.
    Refused(u16),
}

impl Tail {
    /// Reads what has come; waits if nothing has.
    ///
    /// # Errors
    /// What came is no answer.
    pub fn read(&mut self) -> Result<Grown, Broken> {
        let more = self.connection.take(&mut self.answer)?;
        match self.answer.head() {
            Some(head) if head.code != 200 => Ok(Grown::Refused(head.code)),
            Some(_) if !more => Ok(Grown::Last(self.answer.take_body())),
            Some(_) | None => Ok(Grown::By(self.answer.take_body())),
        }
    }
}

impl AsFd for Tail {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
