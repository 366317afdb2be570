//! Control sockets that the service manager has opened before us (systemd.socket(5)). They stay open when we end, so that
//! nobody is turned away meanwhile.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::socket::sockopt::{AcceptConn, SockType as Kind};
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt,
};

use super::Listener;
use super::bind::Bound;
use crate::config::spec::ServerAddress;

/// The name (`FileDescriptorName=`) of the socket for a section: `control` for `[unix_http_server]`, `inet` for
/// `[inet_http_server]`; one with a name of its own, as `[inet_http_server:admin]`, has it behind a dot.
#[must_use]
pub fn name_for(section: &str) -> String {
    let (kind, own) = section.split_once(':').map_or((section, None), |(kind, own)| (kind, Some(own)));
    let kind = if kind == "unix_http_server" { "control" } else { "inet" };
    own.map_or_else(|| kind.to_owned(), |own| format!("{kind}.{own}"))
}

/// Takes a socket for the server at this address.
///
/// # Errors
/// Why it cannot be that server's.
pub fn adopt(fd: OwnedFd, address: &ServerAddress) -> Result<Bound, String> {
    let family = listening(&fd)?;
    let listener = match (address, family) {
        (ServerAddress::Unix { path, .. }, AddressFamily::Unix) => {
            let listener = UnixListener::from(fd);
            is_at(&listener, path)?;
            Listener::Unix(listener)
        }
        (ServerAddress::Inet { port, .. }, AddressFamily::Inet | AddressFamily::Inet6) => {
            let listener = TcpListener::from(fd);
            let own = listener.local_addr().map_err(|error| error.to_string())?;
            if own.port() != *port {
                return Err(format!("it listens at {own}, and not at port {port}"));
            }
            // What the configuration shows to this machine alone may have no password.
            if address.is_local() && !own.ip().is_loopback() {
                return Err(format!(
                    "it listens at {own}, which others reach, and the configuration says otherwise"
                ));
            }
            Listener::Inet(listener)
        }
        _ => return Err("it is of another family".to_owned()),
    };
    Ok(Bound { listener, file: None, notice: None })
}

/// The family of a socket that listens for connections.
fn listening(fd: &OwnedFd) -> Result<AddressFamily, String> {
    let kind = getsockopt(fd, Kind).map_err(|_| "it is no socket".to_owned())?;
    if kind != SockType::Stream || !getsockopt(fd, AcceptConn).unwrap_or(false) {
        return Err("it does not listen for connections".to_owned());
    }
    let name: SockaddrStorage = getsockname(fd.as_fd().as_raw_fd()).map_err(|error| error.to_string())?;
    name.family().ok_or_else(|| "it has no address".to_owned())
}

/// By whatever path: `/var/run` is `/run`.
fn is_at(listener: &UnixListener, path: &Path) -> Result<(), String> {
    let own = listener.local_addr().map_err(|error| error.to_string())?;
    let Some(own) = own.as_pathname() else { return Err("it has no path".to_owned()) };
    let file = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    if own == path || file(own).is_some_and(|one| file(path) == Some(one)) {
        return Ok(());
    }
    Err(format!("it listens at {}, and not at {}", own.display(), path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(host: &str, port: u16) -> ServerAddress {
        ServerAddress::Inet { host: host.into(), port }
    }

    fn unix(path: &Path) -> ServerAddress {
        ServerAddress::Unix { path: path.to_owned(), mode: 0o700, uid: None, gid: None }
    }

    #[test]
    fn each_section_has_its_name() {
        let sections = ["unix_http_server", "inet_http_server", "inet_http_server:admin"];
        assert_eq!(sections.map(name_for), ["control", "inet", "inet.admin"]);
    }

    #[test]
    fn a_unix_socket_must_be_the_one_that_is_configured() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("s"), dir.path().join("link"));
        let listener = UnixListener::bind(&path).unwrap();
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        let take =
            |address| adopt(listener.try_clone().unwrap().into(), &address).map(|bound| bound.file.is_none());
        assert_eq!(take(unix(&path)), Ok(true), "its file is not ours to remove");
        assert_eq!(take(unix(&link.join("s"))), Ok(true));
        let elsewhere = take(unix(Path::new("/nowhere/s"))).unwrap_err();
        assert_eq!(elsewhere, format!("it listens at {}, and not at /nowhere/s", path.display()));
        assert_eq!(take(inet("127.0.0.1", 1)), Err("it is of another family".to_owned()));
    }

    #[test]
    fn a_port_must_be_the_one_that_is_configured() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let take = |address| adopt(listener.try_clone().unwrap().into(), &address).map(|_| ());
        assert_eq!(take(inet("localhost", port)), Ok(()));
        assert!(take(inet("127.0.0.1", port.wrapping_add(1).max(1))).is_err());
        let open = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = open.local_addr().unwrap().port();
        let refused = adopt(open.into(), &inet("127.0.0.1", port)).map(|_| ()).unwrap_err();
        assert!(refused.contains("which others reach"), "{refused}");
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let file = fs::File::open("/dev/null").unwrap();
        assert_eq!(adopt(file.into(), &inet("", 1)).map(|_| ()), Err("it is no socket".to_owned()));
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let refused = adopt(one.into(), &inet("", 1)).map(|_| ());
        assert_eq!(refused, Err("it does not listen for connections".to_owned()));
    }
}
