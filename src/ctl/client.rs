//! XML-RPC to a daemon, one connection, one call at a time; and logs that are followed, each on a connection of its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::connection::{Broken, CONNECT_PATIENCE, Connection, Place};
use super::http::{Answer, Malformed};
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

/// What is done while an answer does not come, and how often.
pub type Waiting<'w> = (Duration, &'w mut dyn FnMut());

/// Somebody who answers calls; tests bring their own.
pub trait Rpc {
    /// Calls a method.
    ///
    /// # Errors
    /// See [`CallError`].
    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, CallError>;

    /// The same; as long as the answer does not come, `waiting` is called every so often.
    ///
    /// # Errors
    /// See [`CallError`].
    fn call_waiting(
        &mut self,
        method: &str,
        params: Vec<Value>,
        waiting: Waiting<'_>,
    ) -> Result<Value, CallError> {
        let _ = waiting;
        self.call(method, params)
    }

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

    fn exchange(&mut self, body: &str, waiting: Option<Waiting<'_>>) -> Result<Answer, Broken> {
        let place = Place::parse(&self.url)?;
        let mut connection = match self.connection.take() {
            // A call is never sent twice: a connection that was closed meanwhile is found out before.
            Some(kept) if kept.is_quiet() => kept,
            _ => Connection::open(&place, self.patience.unwrap_or(CONNECT_PATIENCE))?,
        };
        let head = self.head(&place, "POST /RPC2");
        let rest = format!("Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        connection.send((head + &rest).as_bytes())?;
        if let Some((interval, told)) = waiting {
            while !connection.has_come(self.interrupts.as_deref(), interval)? {
                told();
            }
        }
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

/// What one answer to a call says.
fn result_of(answer: &Answer) -> Result<Value, CallError> {
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

impl Rpc for Client {
    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, CallError> {
        let body = encode_call(&Call { method: method.to_owned(), params });
        result_of(&self.exchange(&body, None)?)
    }

    fn call_waiting(
        &mut self,
        method: &str,
        params: Vec<Value>,
        waiting: Waiting<'_>,
    ) -> Result<Value, CallError> {
        let body = encode_call(&Call { method: method.to_owned(), params });
        result_of(&self.exchange(&body, Some(waiting))?)
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
        let mut connection = Connection::open(&place, CONNECT_PATIENCE)?;
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
        let more = match self.connection.take(&mut self.answer) {
            // A log has no end: that of the daemon is as good as any.
            Err(Broken::Malformed(Malformed::CutOff)) if self.answer.head().is_some() => false,
            other => other?,
        };
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::thread::{self, JoinHandle};

    use nix::sys::signal::{Signal, raise};
    use tempfile::TempDir;

    use crate::system::interrupt::{heed_in_tests, wait};

    use super::*;

    /// A server that gives its answers one after the other, and a new connection for each that says so; it returns the heads
    /// of the requests.
    struct Server {
        dir: TempDir,
        thread: JoinHandle<Vec<String>>,
    }

    /// An answer, and whether the connection is closed behind it.
    type Given = (String, bool);

    impl Server {
        fn start(answers: Vec<Given>) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(dir.path().join("s")).unwrap();
            let thread = thread::spawn(move || {
                let (mut heads, mut kept) = (Vec::new(), None);
                for (answer, close) in answers {
                    let mut stream = kept.take().unwrap_or_else(|| listener.accept().unwrap().0);
                    let (mut request, mut piece) = (String::new(), [0; 4096]);
                    while !request.contains("</methodCall>") && !request.starts_with("GET") {
                        let count = stream.read(&mut piece).unwrap();
                        assert!(count > 0, "half a request: {request}");
                        request.push_str(std::str::from_utf8(&piece[..count]).unwrap());
                    }
                    heads.push(request.split("\r\n\r\n").next().unwrap().to_owned());
                    stream.write_all(answer.as_bytes()).unwrap();
                    kept = (!close).then_some(stream);
                }
                heads
            });
            Self { dir, thread }
        }

        fn client(&self) -> Client {
            Client::new(format!("unix://{}", self.dir.path().join("s").display()), None, None)
        }

        fn heads(self) -> Vec<String> {
            self.thread.join().unwrap()
        }
    }

    fn of(head: &str, body: &str) -> String {
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn value(text: &str) -> String {
        of("200 OK", &crate::wire::xmlrpc::encode_response(&Value::string(text)))
    }

    fn asked(client: &mut dyn Rpc) -> Result<Value, CallError> {
        client.call("supervisor.getVersion", Vec::new())
    }

    #[test]
    fn a_connection_is_kept_and_replaced_when_the_server_has_closed_it() {
        let server = Server::start(vec![(value("1"), false), (value("2"), true), (value("3"), true)]);
        let mut client = server.client();
        assert_eq!(asked(&mut client), Ok(Value::string("1")));
        assert_eq!(asked(&mut client), Ok(Value::string("2")));
        let kept = client.connection.as_ref().unwrap();
        wait(&[kept.as_fd()], None, None).unwrap();
        assert_eq!(asked(&mut client), Ok(Value::string("3")));
        assert_eq!(server.heads().len(), 3);
    }

    #[test]
    fn nonsense_is_told_in_plain_words() {
        for (answer, words) in [
            ("SSH-2.0-OpenSSH\r\n".to_owned(), "the server does not speak HTTP: invalid HTTP version"),
            (String::new(), "the server closed the connection without an answer"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<meth".to_owned(),
                "the server closed the connection in the middle of its answer",
            ),
            (of("502 Bad Gateway", "oops"), "the server answered HTTP 502"),
        ] {
            let server = Server::start(vec![(answer, true)]);
            assert_eq!(asked(&mut server.client()), Err(CallError::Other(words.to_owned())));
        }
        let server = Server::start(vec![(of("200 OK", "<html>Welcome</html>"), true)]);
        let told = asked(&mut server.client()).unwrap_err().to_string();
        assert!(told.starts_with("the answer cannot be read: "), "{told}");
    }

    #[test]
    fn a_name_and_a_password_are_sent() {
        let server = Server::start(vec![(of("401 Unauthorized", ""), false), (value("1"), true)]);
        let mut client = server.client();
        assert_eq!(asked(&mut client), Err(CallError::Unauthorized));
        client.authenticate("me", "se:cret");
        assert_eq!(asked(&mut client), Ok(Value::string("1")));
        let heads = server.heads();
        assert!(!heads[0].contains("Authorization"), "{heads:?}");
        assert!(heads[1].contains("\r\nAuthorization: Basic bWU6c2U6Y3JldA==\r\n"), "{heads:?}");
    }

    #[test]
    fn nobody_there_has_two_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mut client = Client::new(format!("unix://{}", path.display()), None, None);
        assert_eq!(asked(&mut client), Err(CallError::NoFile));
        drop(UnixListener::bind(path).unwrap());
        assert_eq!(asked(&mut client), Err(CallError::Refused));
    }

    #[test]
    fn a_wait_is_given_up_on_ctrl_c_and_when_patience_ends() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let mut client = Client::new(format!("unix://{}", dir.path().join("s").display()), None, None);
        let told = asked(client.aside(Duration::from_millis(1)).as_mut());
        assert_eq!(told, Err(CallError::Other("the server has said nothing for 1ms".to_owned())));
        heed_in_tests();
        let interrupts = Rc::new(Interrupts::watch().unwrap());
        client.heed(&interrupts);
        raise(Signal::SIGINT).unwrap();
        assert_eq!(asked(&mut client), Err(CallError::Interrupted));
        drop(listener);
    }

    #[test]
    fn a_log_is_followed_in_pieces() {
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n";
        let server = Server::start(vec![(chunks.to_owned(), true), (of("404 Not Found", ""), true)]);
        let client = server.client();
        let mut tail = client.follow("/logtail/x/stdout").unwrap();
        let mut text = Vec::new();
        loop {
            match tail.read().unwrap() {
                Grown::By(bytes) => text.extend(bytes),
                // A daemon that ends does not end its answer.
                Grown::Last(bytes) => break text.extend(bytes),
                Grown::Refused(code) => panic!("{code}"),
            }
        }
        assert_eq!(text, b"one two");
        let mut tail = client.follow("/logtail/y/stdout").unwrap();
        assert_eq!(tail.read().unwrap(), Grown::Refused(404));
        assert!(server.heads()[0].starts_with("GET /logtail/x/stdout HTTP/1.1\r\nHost: localhost\r\n"));
    }
}
