//! The sockets of all servers: bound by us, or opened by the service manager before us.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use super::adopt::Adoption;
use crate::config::spec::{DaemonSpec, ServerAddress, ServerSpec};
use crate::control::http::bind::{Bound, SocketFile, bind};
use crate::control::http::{Listener, passed};
use crate::systemd::listen::Passed;

/// What was opened before the loops start, to be closed when they have ended.
pub(super) struct Opened {
    pub(super) listeners: Vec<(Listener, ServerSpec)>,
    pub(super) files: Vec<SocketFile>,
    pub(super) notices: Vec<String>,
}

/// Opens what is configured. What was passed stays open for the next life.
pub(super) fn open(
    spec: &DaemonSpec,
    passed: &[Passed],
    adoption: Option<&Adoption>,
) -> Result<Opened, String> {
    let mut opened = Opened { listeners: Vec::new(), files: Vec::new(), notices: Vec::new() };
    for server in &spec.servers {
        let bound = match adoption.and_then(|adoption| adoption.socket(server)) {
            Some(fd) => of_another(server, fd).map_err(|error| error.to_string())?,
            None => open_one(server, passed)?,
        };
        opened.files.extend(bound.file);
        opened.notices.extend(bound.notice);
        opened.listeners.push((bound.listener, server.clone()));
    }
    Ok(opened)
}

/// A socket that another supervisor has opened. Its file is ours to remove from now on.
fn of_another(server: &ServerSpec, fd: io::Result<OwnedFd>) -> io::Result<Bound> {
    let file = match &server.address {
        ServerAddress::Unix { path, .. } => {
            let found = fs::symlink_metadata(path)?;
            Some(SocketFile::of((path.clone(), (found.dev(), found.ino()))))
        }
        ServerAddress::Inet { .. } => None,
    };
    Ok(Bound { listener: Listener::of(&server.address, fd?), file, notice: None })
}

fn open_one(server: &ServerSpec, passed: &[Passed]) -> Result<Bound, String> {
    let name = passed::name_for(&server.section);
    let Some(socket) = passed.iter().find(|socket| socket.name == name) else {
        return bind(&server.address).map_err(|error| error.to_string());
    };
    let fd = socket.fd.try_clone().map_err(|error| error.to_string())?;
    passed::adopt(fd, &server.address).map_err(|why| {
        format!("the socket '{name}' of the service manager cannot be that of [{}]: {why}", server.section)
    })
}

/// Lines for sockets that were passed, and that nobody asks for.
pub(super) fn unasked(spec: &DaemonSpec, passed: &[Passed]) -> Vec<String> {
    let names: Vec<String> = spec.servers.iter().map(|server| passed::name_for(&server.section)).collect();
    let unasked = passed.iter().filter(|socket| !names.contains(&socket.name));
    unasked
        .map(|socket| {
            format!(
                "the service manager has passed a socket '{}', which no server is configured for",
                socket.name
            )
        })
        .collect()
}
