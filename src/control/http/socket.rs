//! Sockets of both kinds, behind one type.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nix::sys::socket::Shutdown;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::Listener;
use crate::api::Surface;

/// A listening socket, known to the loop.
#[derive(Debug)]
pub enum Ear {
    /// `[unix_http_server]`
    Unix(UnixListener),
    /// `[inet_http_server]`
    Inet(TcpListener),
}

impl Ear {
    /// Makes a bound socket known to the loop.
    ///
    /// # Errors
    /// When the loop cannot take it.
    pub fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Self::Unix)
            }
            Listener::Inet(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Self::Inet)
            }
        }
    }

    /// A connection that was made before, and who is at its other end.
    ///
    /// # Errors
    /// When the loop cannot take it, and those of asking who it is.
    pub fn adopt(&self, fd: OwnedFd) -> io::Result<(Socket, Surface)> {
        match self {
            Self::Unix(_) => {
                let stream = std::os::unix::net::UnixStream::from(fd);
                stream.set_nonblocking(true)?;
                Self::known(UnixStream::from_std(stream)?)
            }
            Self::Inet(_) => {
                let stream = std::net::TcpStream::from(fd);
                stream.set_nonblocking(true)?;
                let address = stream.peer_addr()?;
                let stream = TcpStream::from_std(stream)?;
                Ok((Socket(Arc::new(Stream::Inet(stream))), Surface::Inet { address }))
            }
        }
    }

    fn known(stream: UnixStream) -> io::Result<(Socket, Surface)> {
        let peer = stream.peer_cred()?;
        let surface = Surface::Unix { pid: peer.pid(), uid: peer.uid(), gid: peer.gid() };
        Ok((Socket(Arc::new(Stream::Unix(stream))), surface))
    }

    /// The next connection, and who is at its other end.
    ///
    /// # Errors
    /// Those of accept(2), and of asking who it is.
    pub async fn accept(&self) -> io::Result<(Socket, Surface)> {
        match self {
            Self::Unix(listener) => Self::known(listener.accept().await?.0),
            Self::Inet(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Socket(Arc::new(Stream::Inet(stream))), Surface::Inet { address }))
            }
        }
    }
}

/// A connection; its clones are the same connection.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Stream>);

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Inet(TcpStream),
}

impl Socket {
    /// Another descriptor of the same connection.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn copy(&self) -> io::Result<OwnedFd> {
        match &*self.0 {
            Stream::Unix(stream) => stream.as_fd().try_clone_to_owned(),
            Stream::Inet(stream) => stream.as_fd().try_clone_to_owned(),
        }
    }

    /// Resolves when the other end will send nothing more: clients who do that have left.
    ///
    /// An HTTP server only sees it when it reads, and a server that has bytes left of a request reads no more while it
    /// answers: Supervisor's followers send a line end too many.
    pub async fn left(self) {
        // The end of reading belongs to this interest as well, and nothing else that can come.
        let interest = Interest::PRIORITY;
        let ready = match &*self.0 {
            Stream::Unix(stream) => stream.ready(interest).await,
            Stream::Inet(stream) => stream.ready(interest).await,
        };
        // A loop that has ended has no clients.
        drop(ready);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let read = match &*self.0 {
                Stream::Unix(stream) => {
                    ready!(stream.poll_read_ready(context))?;
                    stream.try_read(buffer.initialize_unfilled())
                }
                Stream::Inet(stream) => {
                    ready!(stream.poll_read_ready(context))?;
                    stream.try_read(buffer.initialize_unfilled())
                }
            };
            match read {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = match &*self.0 {
                Stream::Unix(stream) => {
                    ready!(stream.poll_write_ready(context))?;
                    stream.try_write_vectored(slices)
                }
                Stream::Inet(stream) => {
                    ready!(stream.poll_write_ready(context))?;
                    stream.try_write_vectored(slices)
                }
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let fd = match &*self.0 {
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::Inet(stream) => stream.as_raw_fd(),
        };
        Poll::Ready(nix::sys::socket::shutdown(fd, Shutdown::Write).map_err(io::Error::from))
    }
}
