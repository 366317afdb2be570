//! The control thread: every server in one loop of its own, which never touches the engine.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::http::route::Site;
use super::http::{Listener, serve};
use super::web::serve::Web;
use super::xmlrpc::Interface;
use crate::config::spec::ServerSpec;

/// Serves the listeners from when it is told to open until it is told to close; whoever drops the senders tells so too.
///
/// # Errors
/// When there is no thread, no epoll or no random number to be had.
pub fn start(
    listeners: Vec<(Listener, ServerSpec)>,
    interface: Interface,
    opened: oneshot::Receiver<()>,
    closed: oneshot::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let web = Web::new(interface.supervisor.clone())?;
    let serve_all = move || {
        runtime.block_on(async move {
            if opened.await.is_err() {
                return;
            }
            let servers = listeners.into_iter().map(|(listener, server)| {
                let (interface, web) = (interface.clone(), Arc::clone(&web));
                let site = Site { auth: server.auth, readonly: server.readonly, interface, web };
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
