//! Bodies of answers: whole, or streamed as fast as the client reads.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

use super::life::Busy;
use super::socket::Socket;

/// Chunks that wait for a client to read them.
const CHUNKS: usize = 1;

/// What a handler answers with.
#[derive(Debug)]
pub enum Body {
    /// All of it; empty once it was taken.
    Whole(Bytes),
    /// What comes from a [`Feed`].
    Streamed(mpsc::Receiver<Bytes>),
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(content: T) -> Self {
        Self::Whole(content.into())
    }
}

/// The end of a streamed body that a task writes to. Dropped, the body ends.
#[derive(Debug)]
pub struct Feed(mpsc::Sender<Bytes>);

/// The client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left;

/// A body that ends when its feed is dropped.
#[must_use]
pub fn streamed() -> (Feed, Body) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    (Feed(sender), Body::Streamed(receiver))
}

impl Feed {
    /// Sends a chunk, after those before it were taken up: a client that does not read is waited for.
    ///
    /// # Errors
    /// When the client has left.
    pub async fn send(&self, chunk: impl Into<Bytes>) -> Result<(), Left> {
        self.0.send(chunk.into()).await.map_err(|_| Left)
    }

    /// Resolves when the client has left.
    pub async fn left(&self) {
        self.0.closed().await;
    }
}

/// A body on its way; the connection counts as busy as long as it is there.
pub struct Answer {
    body: Body,
    left: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _busy: Busy,
}

impl Answer {
    /// Sends a body over a socket.
    #[must_use]
    pub fn new(body: Body, busy: Busy, socket: Socket) -> Self {
        let left: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = match body {
            Body::Whole(_) => None,
            Body::Streamed(_) => {
                busy.endless();
                Some(Box::pin(socket.left()))
            }
        };
        Self { body, left, _busy: busy }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("body", &self.body).finish_non_exhaustive()
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let chunk = match &mut self.body {
            Body::Whole(content) if content.is_empty() => return Poll::Ready(None),
            Body::Whole(content) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(content))))),
            Body::Streamed(chunks) => chunks.poll_recv(context),
        };
        if let Poll::Ready(chunk) = chunk {
            return Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))));
        }
        let Some(left) = &mut self.left else { return Poll::Pending };
        left.as_mut().poll(context).map(|()| Some(Err(io::ErrorKind::ConnectionReset.into())))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.body, Body::Whole(content) if content.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Body::Whole(content) => SizeHint::with_exact(u64::try_from(content.len()).unwrap_or(u64::MAX)),
            Body::Streamed(_) => SizeHint::default(),
        }
    }
}
