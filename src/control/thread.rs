//! The control thread: every server in one loop of its own, which never touches the engine.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::http::gate::Gate;
use super::http::origin::{Names, Strangers};
use super::http::refusals::Refusals;
use super::http::route::Site;
use super::http::tail::Followers;
use super::http::{Listener, serve};
use super::web::serve::Web;
use super::xmlrpc::Interface;
use crate::config::spec::{ServerAddress, ServerSpec};
use crate::logs::read::follow::Watcher;

/// Writes a warning to the main log; may wait for its disk.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// Threads that wait for disks.
const BLOCKING_THREADS: usize = 32;

/// What shares the thread with the servers, and ends when it is told to close.
pub type Neighbour = Box<dyn FnOnce(watch::Receiver<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Serves the listeners from when it is told to open until it is told to close; whoever drops the senders tells so too.
///
/// # Errors
/// When there is no thread, no epoll or no random number to be had.
pub fn start(
    listeners: Vec<(Listener, ServerSpec)>,
    interface: Interface,
    warn: Warn,
    neighbour: Option<Neighbour>,
    opened: oneshot::Receiver<()>,
    closed: oneshot::Receiver<()>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
    let web = Web::new(interface.supervisor.clone())?;
    let serve_all = move || {
        runtime.block_on(async move {
            if opened.await.is_err() {
                return;
            }
            let (close, closing) = watch::channel(());
            let servers = servers(listeners, &interface, &warn, &web, &closing);
            let neighbour = neighbour.map(|begin| tokio::spawn(begin(closing.clone())));
            // Whatever it is told: the daemon ends.
            let _ = closed.await;
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
    listeners: Vec<(Listener, ServerSpec)>,
    interface: &Interface,
    warn: &Warn,
    web: &Arc<Web>,
    closing: &watch::Receiver<()>,
) -> Vec<JoinHandle<io::Result<()>>> {
    // Without it, followers look from time to time.
    let watcher = Watcher::new().ok().map(Arc::new);
    if let Some(watcher) = watcher.clone() {
        tokio::spawn(async move { watcher.run().await });
    }
    let serve = |(listener, server): (Listener, ServerSpec)| {
        let warn = Arc::clone(warn);
        let refusals = Refusals::new(move |line| warn(line));
        let site = Site {
            names: names(&server),
            gate: server.auth.map(|auth| Gate::new(auth, refusals)),
            readonly: server.readonly,
            interface: interface.clone(),
            web: Arc::clone(web),
            followers: Followers::new(watcher.clone()),
            closing: closing.clone(),
        };
        tokio::spawn(serve(listener, site))
    };
    listeners.into_iter().map(serve).collect()
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
