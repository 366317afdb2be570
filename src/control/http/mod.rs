//! HTTP/1.1 on the control sockets.
//!
//! *May import:* api, wire, runtime::handle, config::spec, control::xmlrpc. *Invariants:* connections, heads, bodies and the
//! time that they take are bounded; idle connections live on until their place is needed, because clients keep theirs for
//! days. *Tested:* beside each file; `tests.rs` drives a server with raw bytes.

pub mod ask;
pub mod auth;
pub mod bind;
pub mod body;
mod call;
pub mod gate;
pub mod guard;
mod late;
pub mod life;
pub mod origin;
pub mod page;
pub mod passed;
pub mod refusals;
pub mod route;
pub mod socket;
pub mod tail;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use self::body::Answer;
use self::guard::Guarded;
use self::life::{Connections, Life, until};
use self::route::Site;
use self::socket::{Ear, Socket};
use crate::api::Surface;
use crate::config::spec::ServerAddress;
use crate::runtime::handle::Arrived;

/// Connections that a listener has at a time.
const CONNECTION_LIMIT: usize = 256;
/// Bytes that the head of a request may have.
const HEAD_LIMIT: usize = 16 * 1024;
/// How long a head may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection that has to leave may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the last answers may take when the server closes.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait when there are no descriptors left, or no connection is idle.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// `[unix_http_server]`
    Unix(std::os::unix::net::UnixListener),
    /// `[inet_http_server]`
    Inet(std::net::TcpListener),
}

impl Listener {
    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn copy(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Unix(listener) => listener.as_fd().try_clone_to_owned(),
            Self::Inet(listener) => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// One that listens already.
    #[must_use]
    pub fn of(address: &ServerAddress, fd: OwnedFd) -> Self {
        match address {
            ServerAddress::Unix { .. } => Self::Unix(fd.into()),
            ServerAddress::Inet { .. } => Self::Inet(fd.into()),
        }
    }
}

/// Serves a control socket, until the site closes; answers under way are still given.
///
/// # Errors
/// When the socket cannot be registered with the loop.
pub async fn serve(listener: Listener, site: Site, arrived: Vec<Arrived>) -> io::Result<()> {
    serve_within(listener, site, arrived, HEAD_TIMEOUT).await
}

async fn serve_within(
    listener: Listener,
    site: Site,
    arrived: Vec<Arrived>,
    head_timeout: Duration,
) -> io::Result<()> {
    let ear = Ear::new(listener)?;
    let mut closing = site.closing.clone();
    let door = Door {
        known: Arc::clone(&site.known),
        site: Arc::new(site),
        places: Arc::new(Semaphore::new(CONNECTION_LIMIT)),
        head_timeout,
    };
    for client in arrived {
        door.welcome(&ear, client).await;
    }
    tokio::select! {
        () = door.keep(&ear) => {}
        _ = closing.changed() => {}
    }
    drop(ear);
    let _ = timeout(GRACE, door.known.settled()).await;
    Ok(())
}

struct Door {
    site: Arc<Site>,
    places: Arc<Semaphore>,
    known: Arc<Connections>,
    head_timeout: Duration,
}

impl Door {
    /// Lets clients in.
    async fn keep(&self, ear: &Ear) {
        let (mut hold, mut held) = (self.known.hold(), self.known.hold());
        loop {
            until(&mut hold, false).await;
            tokio::select! {
                biased;
                () = until(&mut held, true) => {}
                accepted = ear.accept() => match accepted {
                    Ok((socket, surface)) => self.let_in(socket, surface).await,
                    Err(_) => sleep(PAUSE).await,
                }
            }
        }
    }

    /// Goes on with a client of the binary before us.
    async fn welcome(&self, ear: &Ear, client: Arrived) {
        let Arrived { connection, fd, waits, .. } = client;
        // One that cannot be adopted sees its connection end.
        let Ok((socket, surface)) = ear.adopt(fd) else { return };
        let Some((answer, given)) = waits else { return self.let_in(socket, surface).await };
        let (known, site) = (Arc::clone(&self.known), Arc::clone(&self.site));
        let life = known.enter_as(connection);
        life.goes_over(socket.clone());
        let busy = life.busy();
        tokio::spawn(async move {
            late::answer(&site.interface, connection, answer, given, socket).await;
            drop(busy);
            known.leave(&life);
        });
    }

    /// Serves a connection in a task of its own, when there is a place for it.
    async fn let_in(&self, socket: Socket, surface: Surface) {
        let Some(place) = self.place().await else { return };
        let (site, known) = (Arc::clone(&self.site), Arc::clone(&self.known));
        let head_timeout = self.head_timeout;
        // At once, so that it is known when somebody looks who is there.
        let life = known.enter();
        life.goes_over(socket.clone());
        tokio::spawn(async move {
            connection(socket, surface, site, &known, life, head_timeout).await;
            drop(place);
        });
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return Some(place);
            }
            self.known.make_room();
            match timeout(PAUSE, Arc::clone(&self.places).acquire_owned()).await {
                Ok(place) => return place.ok(),
                Err(_) => continue,
            }
        }
    }
}

async fn connection(
    socket: Socket,
    surface: Surface,
    site: Arc<Site>,
    known: &Connections,
    life: Arc<Life>,
    head_timeout: Duration,
) {
    let service = service_fn(|request| {
        let (site, life, socket) = (Arc::clone(&site), Arc::clone(&life), socket.clone());
        let busy = life.busy();
        async move {
            let response = route::answer(&site, request, surface, life).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| Answer::new(body, busy, socket)))
        }
    });
    let io = Guarded::new(socket.clone(), Arc::clone(&life), head_timeout);
    let mut connection = pin!(http1::Builder::new().max_buf_size(HEAD_LIMIT).serve_connection(io, service));
    // How a connection ends is the client's affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = life.leave.notified() => {
            connection.as_mut().graceful_shutdown();
            if !life.is_expendable() {
                let _ = timeout(FAREWELL, connection.as_mut()).await;
            }
        }
    }
    known.leave(&life);
}
