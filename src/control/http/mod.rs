//! HTTP/1.1 on the control sockets.
//!
//! *May import:* api, wire, runtime::handle, config::spec, control::xmlrpc. *Invariants:* connections, the memory and the time
//! that they take are bounded (`room.rs`); idle connections live on until their place is needed, because clients keep theirs for
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
pub mod room;
pub mod route;
pub mod socket;
pub mod source;
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
use self::guard::{Guarded, Limits};
use self::life::{Life, until};
use self::route::Site;
use self::socket::{Ear, Socket};
use crate::api::Surface;
use crate::config::spec::ServerAddress;
use crate::runtime::handle::Arrived;

/// Connections that a listener has at a time, at most.
const CONNECTION_LIMIT: usize = 256;
/// Bytes that the head of a request may have.
const HEAD_LIMIT: usize = 16 * 1024;
/// How long a connection that has to leave may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the last answers may take when the server closes: nobody waits for clients that do not read theirs.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks who can be spared.
const GLANCE: Duration = Duration::from_millis(5);

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

/// How many connections each of several listeners may have, where so many files can be open: half of them are for the programs.
#[must_use]
pub fn places(listeners: usize, files: u64) -> usize {
    let share = usize::try_from(files).unwrap_or(usize::MAX) / 2 / listeners.max(1);
    share.clamp(8, CONNECTION_LIMIT)
}

/// Serves a control socket, until the site closes; answers under way are still given.
///
/// # Errors
/// When the socket cannot be registered with the loop.
pub async fn serve(listener: Listener, site: Site, arrived: Vec<Arrived>) -> io::Result<()> {
    serve_within(listener, site, arrived, Limits::USUAL).await
}

async fn serve_within(
    listener: Listener,
    site: Site,
    arrived: Vec<Arrived>,
    limits: Limits,
) -> io::Result<()> {
    let ear = Ear::new(listener)?;
    let mut closing = site.closing.clone();
    let places = Arc::new(Semaphore::new(site.places));
    let door = Door { site: Arc::new(site), places, limits };
    for client in arrived {
        door.welcome(&ear, client).await;
    }
    tokio::select! {
        () = door.keep(&ear) => {}
        _ = closing.changed() => {}
    }
    door.let_in_the_last(&ear).await;
    drop(ear);
    let _ = timeout(GRACE, door.site.rooms.known.settled()).await;
    Ok(())
}

struct Door {
    site: Arc<Site>,
    places: Arc<Semaphore>,
    limits: Limits,
}

impl Door {
    /// Lets clients in.
    async fn keep(&self, ear: &Ear) {
        let (mut hold, mut held) = (self.site.rooms.known.hold(), self.site.rooms.known.hold());
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
        let site = Arc::clone(&self.site);
        let life = site.rooms.known.enter_as(connection, surface);
        life.goes_over(socket.clone());
        let busy = life.busy();
        tokio::spawn(async move {
            late::answer(&site.interface, connection, answer, given, socket).await;
            drop(busy);
            site.rooms.known.leave(&life);
        });
    }

    /// Serves a connection in a task of its own, when there is a place for it.
    async fn let_in(&self, socket: Socket, surface: Surface) {
        if let Some(place) = self.place().await {
            self.serve(socket, surface, place);
        }
    }

    /// Whoever has connected already is told that it is too late, as far as there is place.
    async fn let_in_the_last(&self, ear: &Ear) {
        // The kernel is asked meanwhile who that is.
        tokio::task::yield_now().await;
        loop {
            let accepted = tokio::select! {
                biased;
                accepted = ear.accept() => accepted,
                () = std::future::ready(()) => return,
            };
            let Ok((socket, surface)) = accepted else { return };
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
            self.serve(socket, surface, place);
        }
    }

    fn serve(&self, socket: Socket, surface: Surface, place: OwnedSemaphorePermit) {
        let (site, limits) = (Arc::clone(&self.site), self.limits);
        // At once, so that it is known when somebody looks who is there.
        let life = site.rooms.known.enter(surface);
        life.goes_over(socket.clone());
        tokio::spawn(async move {
            connection(socket, surface, &site, &life, limits).await;
            site.rooms.known.leave(&life);
            drop(place);
        });
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return Some(place);
            }
            self.site.rooms.known.make_room();
            match timeout(GLANCE, Arc::clone(&self.places).acquire_owned()).await {
                Ok(place) => return place.ok(),
                Err(_) => continue,
            }
        }
    }
}

async fn connection(socket: Socket, surface: Surface, site: &Arc<Site>, life: &Arc<Life>, limits: Limits) {
    let service = service_fn(|request| {
        let (site, life, socket) = (Arc::clone(site), Arc::clone(life), socket.clone());
        let busy = life.busy();
        async move {
            let response = route::answer(&site, request, surface, life).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| Answer::new(body, busy, socket)))
        }
    });
    let io = Guarded::new(socket.clone(), Arc::clone(life), limits);
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
}
