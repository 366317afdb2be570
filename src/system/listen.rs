//! Listening sockets for programs. Blocks, briefly: a name of a host is looked up.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::socket::{Backlog, listen};

/// A socket that listens; its file goes when it is dropped, unless another has taken its place.
#[derive(Debug)]
pub struct ListeningSocket {
    /// The socket. It blocks, as programs expect it, and is closed on exec.
    pub fd: OwnedFd,
    file: Option<SocketFile>,
}

/// The name of a socket's file, and what tells it from another of that name.
pub type SocketFile = (PathBuf, (u64, u64));

impl ListeningSocket {
    /// One that listens already.
    #[must_use]
    pub fn of(fd: OwnedFd, file: Option<SocketFile>) -> Self {
        Self { fd, file }
    }

    /// Its file, if it has one.
    #[must_use]
    pub fn file(&self) -> Option<&SocketFile> {
        self.file.as_ref()
    }
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        if let Some((path, identity)) = &self.file
            && identity_of(path).is_ok_and(|found| found == *identity)
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// A socket's file that is there.
#[must_use]
pub fn file_at(path: &Path) -> Option<SocketFile> {
    Some((path.to_owned(), identity_of(path).ok()?))
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn with_backlog(fd: OwnedFd, backlog: Option<u16>) -> io::Result<OwnedFd> {
    let backlog = backlog.map_or(Backlog::MAXCONN, |count| Backlog::new(count).unwrap_or(Backlog::MAXCONN));
    listen(&fd.as_fd(), backlog)?;
    Ok(fd)
}

/// Listens on TCP, IPv4 first.
///
/// # Errors
/// When the host is unknown, or the kernel refuses.
pub fn listen_tcp(host: &str, port: u16, backlog: Option<u16>) -> io::Result<ListeningSocket> {
    let found: Vec<SocketAddr> =
        (if host.is_empty() || host == "*" { "0.0.0.0" } else { host }, port).to_socket_addrs()?.collect();
    let address = found.iter().find(|address| address.is_ipv4()).or(found.first());
    let address =
        address.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))?;
    // The standard library sets SO_REUSEADDR.
    let fd = with_backlog(TcpListener::bind(address)?.into(), backlog)?;
    Ok(ListeningSocket { fd, file: None })
}

/// Listens on a unix socket, in the place of one that may be there already. It gets its owner and its mode under another name,
/// so that nobody can connect before, and a symbolic link in its place is never followed.
///
/// # Errors
/// When something else than a socket is there, or the kernel refuses.
pub fn listen_unix(
    path: &Path,
    mode: u32,
    owner: (Option<u32>, Option<u32>),
    backlog: Option<u16>,
) -> io::Result<ListeningSocket> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file, and it is no socket"));
    }
    let mut name = OsString::from(path);
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    if fs::symlink_metadata(&temporary).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(&temporary)?;
    }
    let listener = UnixListener::bind(&temporary)?;
    let placed = place(&temporary, path, mode, owner);
    if placed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    placed?;
    let fd = with_backlog(listener.into(), backlog)?;
    Ok(ListeningSocket { fd, file: Some((path.to_owned(), identity_of(path)?)) })
}

fn place(temporary: &Path, path: &Path, mode: u32, (uid, gid): (Option<u32>, Option<u32>)) -> io::Result<()> {
    let telling = |what: &str, error: &io::Error| {
        io::Error::new(error.kind(), format!("Could not change {what} of socket file: {error}"))
    };
    std::os::unix::fs::lchown(temporary, uid, gid).map_err(|error| telling("ownership", &error))?;
    fs::set_permissions(temporary, fs::Permissions::from_mode(mode))
        .map_err(|error| telling("permissions", &error))?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_takes_the_place_of_a_socket_but_of_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let socket = listen_unix(&path, 0o660, (None, None), Some(5)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(socket);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::write(&path, "mine").unwrap();
        assert!(listen_unix(&path, 0o700, (None, None), None).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_port_in_use_is_refused() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        assert_eq!(listen_tcp("localhost", port, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
