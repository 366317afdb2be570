//! The control thread: every server in one loop of its own, which never touches the engine.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::http::route::Site;
use super::http::tail::Followers;
use super::http::{Listener, serve};
use super::web::serve::Web;
use super::xmlrpc::Interface;
use crate::config::spec::ServerSpec;
use crate::logs::read::follow::Watcher;

/// Threads that wait for disks.
const BLOCKING_THREADS: usize = 32;

/// Serves the listeners from when it is told to open until it is told to close; whoever drops the senders tells so too.
///
/// # Errors
/// When there is no thread, no epoll or no random number to be had.
pub fn start(
    listeners: Vec<(Listener, ServerSpec)>,
    interface: Interface,
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
            let servers = servers(listeners, &interface, &web, &closing);
            // Whatever it is told: the daemon ends.
            let _ = closed.await;
            drop(close);
            for server in servers {
                // A server that ended before has said why to its clients; the others went on.
                let _ = server.await;
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
    web: &Arc<Web>,
    closing: &watch::Receiver<()>,
) -> Vec<JoinHandle<io::Result<()>>> {
    // Without it, followers look from time to time.
    let watcher = Watcher::new().ok().map(Arc::new);
    if let Some(watcher) = watcher.clone() {
        tokio::spawn(async move { watcher.run().await });
    }
    let serve = |(listener, server): (Listener, ServerSpec)| {
        let site = Site {
            auth: server.auth,
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
