//! The listening sockets that programs share: opened for the first, closed when none runs or is about to.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use super::kept::{self, Label};
use super::record::SocketRecord;
use crate::api::{Level, Notice};
use crate::config::spec::{SocketAddress, SocketSpec};
use crate::system::bag::Bag;
use crate::system::errno::io_errno_words;
use crate::system::listen::{ListeningSocket, listen_tcp, listen_unix};
use crate::system::reexec::Inheritance;

/// The shared sockets that are open.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: BTreeMap<SocketSpec, ListeningSocket>,
    /// Of each its item in the bag.
    items: BTreeMap<SocketSpec, u64>,
    /// There are others than were last written down.
    changed: bool,
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
    pub(super) fn share(&mut self, spec: &SocketSpec, bag: Option<&mut Bag>) -> Result<OwnedFd, String> {
        let problem = |error: io::Error| {
            let words = io_errno_words(&error);
            format!("Could not create FastCGI socket {}: {words}", spec.address)
        };
        if !self.open.contains_key(spec) {
            self.said.push(Notice::other(Level::Info, format!("Creating socket {}", spec.address)));
            let socket = open(spec).map_err(problem)?;
            // Where it cannot be kept, it is opened anew after a crash.
            let item = bag.and_then(|bag| kept::put(bag, &Label::Socket, &[socket.fd.as_fd()]).ok());
            self.items.extend(item.map(|item| (spec.clone(), item)));
            self.open.insert(spec.clone(), socket);
            self.changed = true;
        }
        self.open[spec].fd.try_clone().map_err(problem)
    }

    /// Puts those into the bag that whoever was before us had in none.
    pub(super) fn put_inherited(record: &mut [SocketRecord], bag: &mut Bag, inheritance: &Inheritance) {
        for socket in record.iter_mut().filter(|socket| socket.item.is_none()) {
            let fd = inheritance.get(socket.fd);
            socket.item = fd.and_then(|fd| kept::put(bag, &Label::Socket, &[fd]).ok());
        }
    }

    /// What another binary has to know of them.
    pub(super) fn record(&self) -> Vec<SocketRecord> {
        let one = |(spec, socket): (&SocketSpec, &ListeningSocket)| SocketRecord {
            spec: spec.clone(),
            fd: socket.fd.as_raw_fd(),
            file: socket.file().cloned(),
            item: self.items.get(spec).copied(),
        };
        self.open.iter().map(one).collect()
    }

    /// Goes on with those that are open. One that is missing is opened again when it is needed.
    pub(super) fn resume(&mut self, record: Vec<SocketRecord>, inheritance: &mut Inheritance) {
        self.changed = true;
        for SocketRecord { spec, fd, file, item } in record {
            if let Ok(fd) = inheritance.give(fd) {
                self.items.extend(item.map(|item| (spec.clone(), item)));
                self.open.insert(spec, ListeningSocket::of(fd, file));
            }
        }
    }

    /// Closes what nobody wants any more; its items in the bag are wanted no more either.
    pub(super) fn keep(&mut self, wanted: impl Fn(&SocketSpec) -> bool) -> Vec<u64> {
        let (said, changed) = (&mut self.said, &mut self.changed);
        self.open.retain(|spec, _| {
            let keep = wanted(spec);
            if !keep {
                said.push(Notice::other(Level::Info, format!("Closing socket {}", spec.address)));
                *changed = true;
            }
            keep
        });
        let open = &self.open;
        self.items.extract_if(.., |spec, _| !open.contains_key(spec)).map(|(_, item)| item).collect()
    }

    /// Whether there are others than when this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// What the main log is to be told.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_another_supervisor_is_kept_from_now_on() {
        let address = SocketAddress::Tcp { host: "127.0.0.1".to_owned(), port: 0 };
        let spec = SocketSpec { address, backlog: None };
        let fd = open(&spec).unwrap().fd.try_clone().unwrap();
        let mut bag = Bag::new().unwrap();
        let mut record = [SocketRecord { spec, fd: 7, file: None, item: None }];
        let inheritance = Inheritance::from_parts([(7, fd)]);
        for _ in 0..2 {
            Sockets::put_inherited(&mut record, &mut bag, &inheritance);
            assert_eq!(record[0].item, Some(1), "once");
        }
        let [into, out] = bag.ends().map(|end| end.try_clone_to_owned().unwrap());
        let (_, items) = Bag::open(into, out).unwrap();
        let [item] = &items[..] else { panic!("{items:?}") };
        assert_eq!((item.number, item.fds.len()), (1, 1));
        assert_eq!(serde_json::from_slice::<Label>(&item.label).unwrap(), Label::Socket);
    }
}
