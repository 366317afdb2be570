//! The control thread: every server in one loop of its own, which never touches the engine.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http::gate::Gate;
use super::http::origin::{Names, Strangers};
use super::http::refusals::Refusals;
use super::http::room::Rooms;
use super::http::route::Site;
use super::http::tail::Followers;
use super::http::{Listener, places, serve};
use super::web::serve::Web;
use super::xmlrpc::Interface;
use crate::config::spec::{ServerAddress, ServerSpec};
use crate::logs::read::follow::Watcher;
use crate::runtime::handle::{Arrived, Left, Parting, Supervisor};

/// Writes a warning to the main log; may wait for its disk.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// How long answers that cannot be given by another binary may hold up its takeover.
const SETTLING: Duration = Duration::from_secs(5);
/// How long the last answers may take to be read when it takes over.
const GRACE: Duration = Duration::from_secs(1);
/// Threads that wait for disks.
const BLOCKING_THREADS: usize = 32;

/// What shares the thread with the servers, and ends when it is told to close.
pub type Neighbour = Box<dyn FnOnce(watch::Receiver<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What the servers work with.
pub struct Means {
    /// XML-RPC, and the supervisor.
    pub interface: Interface,
    /// Says who is refused.
    pub warn: Warn,
    /// Files that the daemon can have open.
    pub files: u64,
    /// What else is done there.
    pub neighbour: Option<Neighbour>,
}

/// Serves the listeners, and clients that have arrived already, from when it is told to open until nobody can tell it
/// anything any more.
///
/// # Errors
/// When there is no thread, no epoll or no random number to be had.
pub fn start(
    listeners: Vec<(Listener, ServerSpec)>,
    arrived: Vec<Arrived>,
    means: Means,
    opened: oneshot::Receiver<()>,
    partings: mpsc::UnboundedReceiver<Parting>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
    let web = Web::new(means.interface.supervisor.clone())?;
    let serve_all = move || {
        runtime.block_on(async move {
            if opened.await.is_err() {
                return;
            }
            let (close, closing) = watch::channel(());
            let rooms: Vec<Arc<Rooms>> = listeners.iter().map(|_| Arc::default()).collect();
            let sites = listeners.into_iter().zip(rooms.iter().cloned()).collect();
            let servers = servers(sites, arrived, &means, &web, &closing);
            let neighbour = means.neighbour.map(|begin| tokio::spawn(begin(closing.clone())));
            Partings { rooms, supervisor: means.interface.supervisor.clone() }.obey(partings).await;
            drop(close);
            for server in servers {
                // A server that ended before has said why to its clients; the others went on.
                let _ = server.await;
            }
            if let Some(neighbour) = neighbour {
                let _ = neighbour.await;
            }
        });
        // A disk that hangs keeps nobody from ending.
        runtime.shutdown_background();
    };
    thread::Builder::new().name("control".to_owned()).spawn(serve_all)
}

fn servers(
    sites: Vec<((Listener, ServerSpec), Arc<Rooms>)>,
    mut arrived: Vec<Arrived>,
    means: &Means,
    web: &Arc<Web>,
    closing: &watch::Receiver<()>,
) -> Vec<JoinHandle<io::Result<()>>> {
    // Without it, followers look from time to time.
    let watcher = Watcher::new().ok().map(Arc::new);
    if let Some(watcher) = watcher.clone() {
        tokio::spawn(async move { watcher.run().await });
    }
    let places = places(sites.len(), means.files);
    let serve = |(number, ((listener, server), rooms)): (usize, ((Listener, ServerSpec), Arc<Rooms>))| {
        let warn = Arc::clone(&means.warn);
        let refusals = Refusals::new(move |line| warn(line));
        let site = Site {
            names: names(&server),
            gate: server.auth.map(|auth| Gate::new(auth, refusals)),
            places,
            rooms,
            readonly: server.readonly,
            interface: means.interface.clone(),
            web: Arc::clone(web),
            followers: Followers::new(watcher.clone()),
            closing: closing.clone(),
        };
        let clients = arrived.extract_if(.., |client| client.server == number).collect();
        tokio::spawn(serve(listener, site, clients))
    };
    sites.into_iter().enumerate().map(serve).collect()
}

/// What becomes of clients when another binary takes over.
struct Partings {
    rooms: Vec<Arc<Rooms>>,
    supervisor: Supervisor,
}

impl Partings {
    /// Does what it is told, until the daemon ends.
    async fn obey(&self, mut partings: mpsc::UnboundedReceiver<Parting>) {
        let mut hold: Option<JoinHandle<()>> = None;
        while let Some(parting) = partings.recv().await {
            match parting {
                Parting::Settle(settled) => {
                    self.set_hold(true);
                    let (answered, all_answered) = oneshot::channel();
                    hold = Some(tokio::spawn(begin_none(self.supervisor.clone(), answered)));
                    let settling = async {
                        let _ = all_answered.await;
                        self.at_rest(|id| self.supervisor.is_waiting(id)).await;
                    };
                    let _ = timeout(SETTLING, settling).await;
                    // Whoever has asked and no longer wants to know tells so himself.
                    let _ = settled.send(());
                }
                Parting::Leave(waiting, left) => {
                    let spared = |id: u64| waiting.contains(&id);
                    let last_answers = async {
                        self.supervisor.take_leave().await;
                        self.at_rest(spared).await;
                    };
                    let _ = timeout(GRACE, last_answers).await;
                    let _ = left.send(self.left(spared));
                }
                Parting::Stay => {
                    self.set_hold(false);
                    if let Some(hold) = hold.take() {
                        hold.abort();
                    }
                }
            }
        }
    }

    fn set_hold(&self, hold: bool) {
        self.rooms.iter().for_each(|rooms| rooms.known.set_hold(hold));
    }

    async fn at_rest(&self, spared: impl Fn(u64) -> bool) {
        for rooms in &self.rooms {
            rooms.known.at_rest(&spared).await;
        }
    }

    fn left(&self, spared: impl Fn(u64) -> bool) -> Vec<Left> {
        let of_server = |(server, rooms): (usize, &Arc<Rooms>)| {
            let left = move |(connection, fd)| Left { connection, server, fd };
            rooms.known.copies(&spared).into_iter().map(left).collect::<Vec<_>>()
        };
        self.rooms.iter().enumerate().flat_map(of_server).collect()
    }
}

/// Lets nothing begin that another binary could not answer, until this is aborted; tells when all that has begun is answered.
async fn begin_none(supervisor: Supervisor, answered: oneshot::Sender<()>) {
    let _held = supervisor.all_answered().await;
    // Whoever has waited long enough goes on all the same.
    let _ = answered.send(());
    pending::<()>().await;
}

/// By which names browsers may call a server.
fn names(server: &ServerSpec) -> Names {
    match &server.address {
        ServerAddress::Unix { .. } => Names::none(),
        ServerAddress::Inet { host, .. } => {
            let own = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
            let known = server.hosts.iter().cloned().chain(own).chain([host.clone()]);
            let strangers = match &server.auth {
                Some(_) => Strangers::Welcome,
                None if server.address.is_local() => Strangers::Refused,
                None => Strangers::NoBrowsers,
            };
            Names::new(known, strangers)
        }
    }
}
