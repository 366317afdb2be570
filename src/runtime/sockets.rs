//! The listening sockets that programs share: opened for the first, closed when none runs or is about to.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use super::record::SocketRecord;
use crate::api::{Level, Notice};
use crate::config::spec::{SocketAddress, SocketSpec};
use crate::system::errno::io_errno_words;
use crate::system::listen::{ListeningSocket, listen_tcp, listen_unix};
use crate::system::reexec::Inheritance;

/// The shared sockets that are open.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: BTreeMap<SocketSpec, ListeningSocket>,
    said: Vec<Notice>,
}

fn open(spec: &SocketSpec) -> io::Result<ListeningSocket> {
    match &spec.address {
        SocketAddress::Tcp { host, port } => listen_tcp(host, *port, spec.backlog),
        SocketAddress::Unix { path, mode, uid, gid } => listen_unix(path, *mode, (*uid, *gid), spec.backlog),
    }
}

impl Sockets {
    /// A descriptor of the socket, for a child.
    ///
    /// # Errors
    /// Supervisor's sentence for `spawnerr`.
    pub(super) fn share(&mut self, spec: &SocketSpec) -> Result<OwnedFd, String> {
        let problem = |error: io::Error| {
            let words = io_errno_words(&error);
            format!("Could not create FastCGI socket {}: {words}", spec.address)
        };
        if !self.open.contains_key(spec) {
            self.said.push(Notice::other(Level::Info, format!("Creating socket {}", spec.address)));
            self.open.insert(spec.clone(), open(spec).map_err(problem)?);
        }
        self.open[spec].fd.try_clone().map_err(problem)
    }

    /// What another binary has to know of them.
    pub(super) fn record(&self) -> Vec<SocketRecord> {
        let one = |(spec, socket): (&SocketSpec, &ListeningSocket)| SocketRecord {
            spec: spec.clone(),
            fd: socket.fd.as_raw_fd(),
            file: socket.file().cloned(),
        };
        self.open.iter().map(one).collect()
    }

    /// Goes on with those that are open. One that is missing is opened again when it is needed.
    pub(super) fn resume(&mut self, record: Vec<SocketRecord>, inheritance: &mut Inheritance) {
        for SocketRecord { spec, fd, file } in record {
            if let Ok(fd) = inheritance.give(fd) {
                self.open.insert(spec, ListeningSocket::of(fd, file));
            }
        }
    }

    /// Closes what nobody wants any more.
    pub(super) fn keep(&mut self, wanted: impl Fn(&SocketSpec) -> bool) {
        let said = &mut self.said;
        self.open.retain(|spec, _| {
            let keep = wanted(spec);
            if !keep {
                said.push(Notice::other(Level::Info, format!("Closing socket {}", spec.address)));
            }
            keep
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// What the main log is to be told.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.said)
    }
}
