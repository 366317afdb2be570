//! Control sockets, bound before the loops start (Supervisor 4.3 `http.py`, `supervisor_af_unix_http_server`). Blocks.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, connect, listen, socket};
use nix::unistd::{Uid, User};

use super::Listener;
use crate::config::spec::{ServerAddress, bare};

/// Connections that may wait at a unix socket until they are accepted; whoever comes then waits outside, and whoever does not
/// wait is told so. A flood that has filled this queue is let in, and sent away again, within milliseconds: whoever comes
/// behind it has to wait for that.
const QUEUE: i32 = 128;

/// Between removing a stale socket and trying again.
const STALE_PAUSE: Duration = Duration::from_millis(300);

/// Why a control socket could not be opened, in Supervisor's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error(
        "Another program is already listening on a port that one of our HTTP servers is configured to use.  \
         Shut this program down first before starting supervisord."
    )]
    InUse,
    /// Anything else.
    #[error("Cannot open an HTTP server: socket.error reported errno.{0:?} ({n})", n = *.0 as i32)]
    Socket(Errno),
    /// The name of the host means nothing.
    #[error(
        "Could not determine IP address for hostname {0}, please try setting an explicit IP address in the \"port\" \
         setting of your [inet_http_server] section.  For example, instead of \"port = 9001\", try \
         \"port = 127.0.0.1:9001.\""
    )]
    Host(String),
    /// The socket may not be given away like that.
    #[error(
        "Not permitted to chown {path} to uid/gid ({uid}, {gid}); adjust \"sockchown\" value in config file or on command \
         line to values that the current user ({user}) can successfully chown"
    )]
    Chown {
        /// The socket.
        path: String,
        /// To whom; -1: unchanged.
        uid: i64,
        /// To which group; -1: unchanged.
        gid: i64,
        /// Whom we run as.
        user: String,
    },
}

impl BindError {
    fn chown(path: &Path, uid: Option<u32>, gid: Option<u32>, error: io::Error) -> Self {
        if error.raw_os_error() != Some(libc::EPERM) {
            return error.into();
        }
        let own = Uid::effective();
        let user = User::from_uid(own).ok().flatten().map_or_else(|| own.to_string(), |user| user.name);
        let number = |id: Option<u32>| id.map_or(-1, i64::from);
        Self::Chown { path: path.display().to_string(), uid: number(uid), gid: number(gid), user }
    }
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        // Only a path that is too long for a socket fails without a number.
        let number = error.raw_os_error().unwrap_or(Errno::ENAMETOOLONG as i32);
        match Errno::from_raw(number) {
            Errno::EADDRINUSE => Self::InUse,
            errno => Self::Socket(errno),
        }
    }
}

/// A control socket, bound.
#[derive(Debug)]
pub struct Bound {
    /// Give it to [`super::serve`].
    pub listener: Listener,
    /// The file to remove at the end.
    pub file: Option<SocketFile>,
    /// A notice for the operator: `Unlinking stale socket <FILE>`.
    pub notice: Option<String>,
}

/// A socket file of ours: removed when dropped, unless another has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    armed: bool,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()), armed: true })
    }

    /// One that another binary has made for us.
    #[must_use]
    pub fn of((path, identity): (PathBuf, (u64, u64))) -> Self {
        Self { path, identity, armed: true }
    }

    /// Its name, and what tells it from another of that name.
    #[must_use]
    pub fn parts(&self) -> (PathBuf, (u64, u64)) {
        (self.path.clone(), self.identity)
    }

    /// Removes it now.
    pub fn remove(self) {}

    /// Leaves it to a successor, or to another process that has this guard as well.
    pub fn forget(mut self) {
        self.armed = false;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if self.armed && fs::symlink_metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds a control socket.
///
/// # Errors
/// When somebody listens there, or the kernel refuses.
pub fn bind(address: &ServerAddress) -> Result<Bound, BindError> {
    match address {
        ServerAddress::Unix { path, mode, uid, gid } => bind_unix(path, *mode, *uid, *gid),
        ServerAddress::Inet { host, port } => {
            let listener = Listener::Inet(bind_inet(host, *port)?);
            Ok(Bound { listener, file: None, notice: None })
        }
    }
}

fn bind_inet(host: &str, port: u16) -> Result<TcpListener, BindError> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let unknown = || BindError::Host(host.to_owned());
    let mut found = (bare(host), port).to_socket_addrs().map_err(|_| unknown())?;
    // A name is served where Supervisor serves it: on IPv4, if it can.
    let first = found.next().ok_or_else(unknown)?;
    let address = if first.is_ipv4() { first } else { found.find(SocketAddr::is_ipv4).unwrap_or(first) };
    // The standard library sets SO_REUSEADDR.
    Ok(TcpListener::bind(address)?)
}

fn bind_unix(path: &Path, mode: u32, uid: Option<u32>, gid: Option<u32>) -> Result<Bound, BindError> {
    let mut name = OsString::from(path);
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    if fs::symlink_metadata(&temporary).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(&temporary)?;
    }
    let listener = UnixListener::bind(&temporary)?;
    // The standard library takes as many as the kernel lets it: four thousand.
    Backlog::new(QUEUE).and_then(|queue| listen(&listener, queue)).map_err(BindError::Socket)?;
    let temporary = SocketFile::new(&temporary)?;
    fs::set_permissions(&temporary.path, fs::Permissions::from_mode(mode))?;
    std::os::unix::fs::chown(&temporary.path, uid, gid)
        .map_err(|error| BindError::chown(path, uid, gid, error))?;
    let mut notice = None;
    for _ in 0..5 {
        match fs::hard_link(&temporary.path, path) {
            Ok(()) => {
                let file = SocketFile::new(path)?;
                return Ok(Bound { listener: Listener::Unix(listener), file: Some(file), notice });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        let Ok(found) = fs::symlink_metadata(path) else { continue };
        if !found.file_type().is_socket() {
            return Err(BindError::Socket(Errno::EEXIST));
        }
        if is_alive(path)? {
            return Err(BindError::InUse);
        }
        notice = Some(format!("Unlinking stale socket {}", path.display()));
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => std::thread::sleep(STALE_PAUSE),
        }
    }
    Err(BindError::Socket(Errno::EEXIST))
}

/// Somebody listens at a socket. Whether and how fast it answers does not matter: what dies takes its queue along.
fn is_alive(path: &Path) -> Result<bool, BindError> {
    let fd =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
            .map_err(BindError::Socket)?;
    let address = UnixAddr::new(path).map_err(BindError::Socket)?;
    // EAGAIN: its queue is full; EACCES, EPERM: it is not ours to ask.
    let connected = connect(fd.as_raw_fd(), &address);
    Ok(matches!(connected, Ok(()) | Err(Errno::EAGAIN | Errno::EACCES | Errno::EPERM)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: PathBuf) -> ServerAddress {
        ServerAddress::Unix { path, mode: 0o700, uid: None, gid: None }
    }

    #[test]
    fn a_socket_is_bound_and_its_file_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let bound = bind(&unix(path.clone())).unwrap();
        assert_eq!(bound.notice, None);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_what_is_no_socket_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let bound = bind(&unix(path.clone())).unwrap();
        assert_eq!(bound.notice, Some(format!("Unlinking stale socket {}", path.display())));
        drop(bound);
        fs::write(&path, "mine").unwrap();
        let error = bind(&unix(path.clone())).unwrap_err();
        assert_eq!(error.to_string(), "Cannot open an HTTP server: socket.error reported errno.EEXIST (17)");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_socket_with_a_listener_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let other = UnixListener::bind(&path).unwrap();
        assert_eq!(bind(&unix(path.clone())).unwrap_err(), BindError::InUse);
        drop(other);
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let taken = bind(&ServerAddress::Inet { host: "127.0.0.1".into(), port });
        assert_eq!(taken.unwrap_err(), BindError::InUse);
    }
}
