//! A connection's life: half a head is given a limited time, an idle connection is not, unless its place is needed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

use hyper_util::rt::TokioIo;

/// How long a head may take to come when others wait for the place.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It waits for the next request, since then.
    Idle(Instant),
    /// A head is being read, or nothing ever came, since then.
    Head(Instant),
    /// A request is being answered.
    Busy,
}

/// What is known of a connection.
#[derive(Debug)]
pub struct Life {
    id: u64,
    phase: Mutex<Phase>,
    /// Told when the connection has to make room.
    pub leave: Notify,
}

impl Life {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request has yet to come: whoever leaves now takes nothing along.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(*self.phase(), Phase::Head(_))
    }

    /// A request is there; it is being answered until what is returned is dropped.
    #[must_use]
    pub fn busy(self: &Arc<Self>) -> Busy {
        *self.phase() = Phase::Busy;
        Busy(Arc::clone(self))
    }
}

/// A request is being answered.
#[derive(Debug)]
pub struct Busy(Arc<Life>);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.phase() = Phase::Idle(Instant::now());
    }
}

/// The connections of a listener.
#[derive(Debug, Default)]
pub struct Connections {
    next: AtomicU64,
    lives: Mutex<Vec<Arc<Life>>>,
}

impl Connections {
    fn lives(&self) -> MutexGuard<'_, Vec<Arc<Life>>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection.
    pub fn enter(&self) -> Arc<Life> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let life =
            Arc::new(Life { id, phase: Mutex::new(Phase::Head(Instant::now())), leave: Notify::new() });
        self.lives().push(Arc::clone(&life));
        life
    }

    /// Forgets a connection.
    pub fn leave(&self, life: &Life) {
        self.lives().retain(|known| known.id != life.id);
    }

    /// Asks the connection that has been idle for longest to leave; if none is, the one whose first request has been awaited
    /// for longest, so that those who only connect keep nobody out.
    pub fn make_room(&self) {
        let lives = self.lives();
        let oldest = |since: fn(Phase) -> Option<Instant>| {
            let all = lives.iter().filter_map(|life| Some((since(*life.phase())?, life)));
            all.min_by_key(|(since, _)| *since)
        };
        let idle = oldest(|phase| if let Phase::Idle(since) = phase { Some(since) } else { None });
        let waiting = || {
            let oldest = oldest(|phase| if let Phase::Head(since) = phase { Some(since) } else { None });
            oldest.filter(|(since, _)| since.elapsed() >= PATIENCE)
        };
        if let Some((_, life)) = idle.or_else(waiting) {
            life.leave.notify_one();
        }
    }
}

/// A socket whose reads fail when a head takes too long.
pub struct Guarded<S> {
    io: TokioIo<S>,
    life: Arc<Life>,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    /// Guards a socket.
    pub fn new(socket: S, life: Arc<Life>, limit: Duration) -> Self {
        Self { io: TokioIo::new(socket), life, limit, timer: None }
    }
}

impl<S: AsyncRead + Unpin> Read for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        let head = {
            let mut phase = self.life.phase();
            if read.is_ready() && matches!(*phase, Phase::Idle(_)) {
                *phase = Phase::Head(Instant::now());
            }
            matches!(*phase, Phase::Head(_))
        };
        if !head {
            self.timer = None;
            return read;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Write for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }
}
