//! The control thread: every server in one loop of its own, which never touches the engine.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::http::route::Site;
use super::http::{Listener, serve};
use super::xmlrpc::Interface;
use crate::config::spec::ServerSpec;

/// Serves the listeners from when it is told to open until it is told to close; whoever drops the senders tells so too.
///
/// # Errors
/// When there is no thread or no epoll to be had.
pub fn start(
    listeners: Vec<(Listener, ServerSpec)>,
    interface: Interface,
    opened: oneshot::Receiver<()>,
    closed: oneshot::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let serve_all = move || {
        runtime.block_on(async move {
            if opened.await.is_err() {
                return;
            }
            let servers = listeners.into_iter().map(|(listener, server)| {
                let site =
                    Site { auth: server.auth, readonly: server.readonly, interface: interface.clone() };
                tokio::spawn(serve(listener, site))
            });
            let servers = servers.collect::<Vec<_>>();
            let all = async {
                for server in servers {
                    // A server that ends has said why to its clients; the others go on.
                    let _ = server.await;
                }
            };
            tokio::select! {
                () = all => {}
                _ = closed => {}
            }
        });
    };
    std::thread::Builder::new().name("control".to_owned()).spawn(serve_all)
}
