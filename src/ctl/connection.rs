//! A connection to a daemon: a unix socket or TCP, with limits on every wait.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::http::{Answer, Malformed};
use crate::system::interrupt::{Interrupts, Woken, wait};

/// How long a connection may take to be made.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// How long a server may take nothing of a request.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// How long an answer that has begun may pause.
const PAUSE_PATIENCE: Duration = Duration::from_secs(60);

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// Why a connection cannot be made, or brings no answer.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The operating system says so.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came is no answer.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// No such URL.
    #[error("Unknown protocol for serverurl {0}")]
    Protocol(String),
    /// The answer has more bytes than it may.
    #[error("the answer is too large: more than {0} bytes")]
    TooLarge(usize),
    /// The server is silent.
    #[error("the server has said nothing for {0:?}")]
    Silent(Duration),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Where a daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The path of a unix socket.
    Unix(String),
    /// `host:port`, as the head of a request says it, and with the port that it leaves out.
    Tcp { host: String, address: String },
}

impl Place {
    /// Reads `unix://PATH` or `http://HOST[:PORT][/…]`. A user and a password in it are passed over, as is the path.
    ///
    /// # Errors
    /// Another protocol.
    pub fn parse(url: &str) -> Result<Self, Broken> {
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok(Self::Unix(path.to_owned()));
        }
        let Some(rest) = url.strip_prefix("http://") else { return Err(Broken::Protocol(url.to_owned())) };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let behind_brackets = host.rsplit(']').next().unwrap_or_default();
        let address = if behind_brackets.contains(':') { host.to_owned() } else { format!("{host}:80") };
        Ok(Self::Tcp { host: host.to_owned(), address })
    }

    /// What a request says as `Host`.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp { host, .. } => host,
        }
    }
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens, or nobody answers in time.
    pub fn open(place: &Place, patience: Duration) -> Result<Self, Broken> {
        let socket = match place {
            Place::Unix(path) => Socket::Unix(connect_unix(path, patience)?),
            Place::Tcp { address, .. } => Socket::Tcp(connect_tcp(address, patience)?),
        };
        Ok(Self { socket })
    }

    /// Whether the other side has neither closed nor said anything unasked.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(wait(&[self.as_fd()], None, Some(Duration::ZERO)), Ok(Woken::Late))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// The connection is closed, or the server takes nothing.
    pub fn send(&mut self, request: &[u8]) -> Result<(), Broken> {
        let sent = match &mut self.socket {
            Socket::Unix(socket) => socket.write_all(request),
            Socket::Tcp(socket) => socket.write_all(request),
        };
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Broken::Silent(WRITE_PATIENCE),
            _ => Broken::Io(error),
        })
    }

    /// Waits for the next bytes and gives them to an answer; whether there may be more.
    ///
    /// # Errors
    /// Nothing came within the patience, or what came is no answer.
    pub fn receive(
        &mut self,
        answer: &mut Answer,
        interrupts: Option<&Interrupts>,
        patience: Option<Duration>,
    ) -> Result<bool, Broken> {
        match wait(&[self.as_fd()], interrupts, patience)? {
            Woken::Ready(_) => self.take(answer),
            Woken::Interrupted => Err(Broken::Interrupted),
            Woken::Late => Err(Broken::Silent(patience.unwrap_or_default())),
        }
    }

    /// Gives what has come to an answer; whether there may be more.
    ///
    /// # Errors
    /// What came is no answer.
    pub fn take(&mut self, answer: &mut Answer) -> Result<bool, Broken> {
        let mut piece = [0; PIECE];
        let count = match &mut self.socket {
            Socket::Unix(socket) => socket.read(&mut piece)?,
            Socket::Tcp(socket) => socket.read(&mut piece)?,
        };
        if count == 0 {
            answer.close()?;
        } else {
            answer.feed(&piece[..count])?;
        }
        Ok(!answer.is_whole())
    }

    /// Waits so long for something to come; whether it has.
    ///
    /// # Errors
    /// Ctrl-C.
    pub fn has_come(&self, interrupts: Option<&Interrupts>, patience: Duration) -> Result<bool, Broken> {
        match wait(&[self.as_fd()], interrupts, Some(patience))? {
            Woken::Ready(_) => Ok(true),
            Woken::Late => Ok(false),
            Woken::Interrupted => Err(Broken::Interrupted),
        }
    }

    /// Waits for the whole answer. It may be long in coming (a program stops), but not pause.
    ///
    /// # Errors
    /// As of [`Self::receive`]; the answer is too large.
    pub fn read(
        &mut self,
        interrupts: Option<&Interrupts>,
        patience: Option<Duration>,
        limit: usize,
    ) -> Result<Answer, Broken> {
        let mut answer = Answer::default();
        let mut more = self.receive(&mut answer, interrupts, patience)?;
        while more {
            if answer.body().len() > limit {
                return Err(Broken::TooLarge(limit));
            }
            more = self.receive(&mut answer, interrupts, Some(PAUSE_PATIENCE))?;
        }
        Ok(answer)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

/// A full backlog makes a connect wait, for as long as the socket may wait to send.
fn connect_unix(path: &str, patience: Duration) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let limit =
        |patience: Duration| TimeVal::milliseconds(patience.as_millis().try_into().unwrap_or(i64::MAX));
    setsockopt(&socket, sockopt::SendTimeout, &limit(patience))?;
    connect(socket.as_raw_fd(), &address).map_err(|error| match error {
        nix::errno::Errno::EAGAIN => io::ErrorKind::TimedOut.into(),
        other => io::Error::from(other),
    })?;
    setsockopt(&socket, sockopt::SendTimeout, &limit(WRITE_PATIENCE))?;
    Ok(UnixStream::from(socket))
}

fn connect_tcp(address: &str, patience: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::other(format!("{address} has no address"));
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_write_timeout(Some(WRITE_PATIENCE))?;
                // A stop may take an hour: a server that is gone meanwhile must be noticed.
                setsockopt(&socket, sockopt::KeepAlive, &true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{Backlog, bind, listen};

    use super::*;

    #[test]
    fn a_server_that_takes_nobody_in_is_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s").to_str().unwrap().to_owned();
        let server = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(server.as_raw_fd(), &UnixAddr::new(path.as_str()).unwrap()).unwrap();
        listen(&server, Backlog::new(0).unwrap()).unwrap();
        let place = Place::Unix(path);
        let mut waiting = Vec::new();
        let refusal = loop {
            match Connection::open(&place, Duration::from_millis(20)) {
                Ok(connection) if waiting.len() < 8 => waiting.push(connection),
                Ok(_) => panic!("everybody is taken in"),
                Err(error) => break error,
            }
        };
        assert!(matches!(refusal, Broken::Io(error) if error.kind() == io::ErrorKind::TimedOut));
    }

    #[test]
    fn a_url_is_a_place() {
        let tcp = |url: &str| match Place::parse(url) {
            Ok(Place::Tcp { host, address }) => (host, address),
            other => panic!("{other:?}"),
        };
        let both = |host: &str, address: &str| (host.to_owned(), address.to_owned());
        assert_eq!(Place::parse("unix:///run/s").unwrap(), Place::Unix("/run/s".to_owned()));
        assert_eq!(tcp("http://h:9001"), both("h:9001", "h:9001"));
        assert_eq!(tcp("http://h"), both("h", "h:80"));
        assert_eq!(tcp("http://me:secret@h:1/RPC2?x#y"), both("h:1", "h:1"));
        assert_eq!(tcp("http://[::1]/"), both("[::1]", "[::1]:80"));
        assert_eq!(tcp("http://[::1]:9001"), both("[::1]:9001", "[::1]:9001"));
        for url in ["https://h", "ftp://h", "h:1", "unix:/s", ""] {
            assert!(matches!(Place::parse(url), Err(Broken::Protocol(_))), "{url}");
        }
    }
}
