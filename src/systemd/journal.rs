//! journald's two doors: entries with fields as datagrams, and a stream that a program writes its lines to.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, connect, sendmsg,
    setsockopt, shutdown, socket, sockopt,
};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// Where entries are sent.
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// Where streams are opened.
pub const STREAM: &str = "/run/systemd/journal/stdout";

/// What a socket may hold, if the kernel lets it; as systemd's own clients ask.
const SEND_BUFFER: usize = 8 << 20;
/// How long one entry may wait to be taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// Adds a field: `NAME=value`, or with its length where the value has several lines.
pub fn field(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

/// Sends entries. Finds a journald that was restarted, because it looks for it each time.
#[derive(Debug)]
pub struct Sender {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Sender {
    /// To the journald that listens there.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn to(path: impl Into<PathBuf>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // As large as is allowed.
        let _ = setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER);
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { path: path.into(), socket })
    }

    /// Sends an entry, made of [`field`]s; one that is too large for a datagram in sealed memory.
    ///
    /// # Errors
    /// `WouldBlock` when it is not taken for a second; those of sendmsg(2) and memfd_create(2).
    pub fn send(&self, entry: &[u8]) -> io::Result<()> {
        match self.socket.send_to(entry, &self.path) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS)) => {
                self.send_memory(entry)
            }
            sent => sent.map(|_| ()),
        }
    }

    fn send_memory(&self, entry: &[u8]) -> io::Result<()> {
        let memory = memfd_create("supervisord-entry", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut memory = File::from(memory);
        memory.write_all(entry)?;
        // journald only reads what can no longer change.
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        let to = UnixAddr::new(&self.path)?;
        let descriptors = [memory.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(&[])], &rights, MsgFlags::empty(), Some(&to))?;
        Ok(())
    }
}

/// A stream that belongs to a program: journald gives each line the pid of whoever writes it. `unit` is only heeded when
/// root asks.
///
/// # Errors
/// When nobody takes it at once.
pub fn stream(at: &Path, identifier: &str, unit: &str, priority: u8) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let _ = setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER);
    connect(socket.as_raw_fd(), &UnixAddr::new(at)?)?;
    shutdown(socket.as_raw_fd(), Shutdown::Read)?;
    let line = |text: &str| text.replace('\n', " ");
    // Identifier, unit, priority, whether lines may bring their own; not to syslog, the kernel's log or the console.
    let head = format!("{}\n{}\n{priority}\n1\n0\n0\n0\n", line(identifier), line(unit));
    let mut socket = File::from(socket);
    socket.write_all(head.as_bytes())?;
    // Its programs know nothing of descriptors that do not wait.
    let flags = rustix::fs::fcntl_getfl(&socket)?;
    rustix::fs::fcntl_setfl(&socket, flags - rustix::fs::OFlags::NONBLOCK)?;
    Ok(socket.into())
}

/// Whether what is written there comes to the journal by itself: the service manager has said which of our outputs do.
#[must_use]
pub fn is_stream(output: impl AsFd) -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(output).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, IoSliceMut, Read as _};
    use std::os::unix::net::UnixListener;

    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    #[test]
    fn a_value_of_several_lines_has_its_length() {
        let mut entry = Vec::new();
        field(&mut entry, "A", b"b\x00\xff=c");
        field(&mut entry, "D", b"e\nf");
        assert_eq!(entry, b"A=b\x00\xff=c\nD\n\x03\0\0\0\0\0\0\0e\nf\n");
    }

    #[test]
    fn an_entry_is_a_datagram_and_a_large_one_sealed_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let sender = Sender::to(&path).unwrap();
        sender.send(b"MESSAGE=short\n").unwrap();
        let mut buffer = [0; 64];
        let length = journald.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"MESSAGE=short\n");

        let mut entry = Vec::new();
        field(&mut entry, "MESSAGE", &vec![b'x'; SEND_BUFFER * 2]);
        sender.send(&entry).unwrap();
        let mut space = nix::cmsg_space!([i32; 1]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let told = recvmsg::<()>(journald.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty());
        let told = told.unwrap();
        assert_eq!(told.bytes, 0);
        let Some(ControlMessageOwned::ScmRights(rights)) = told.cmsgs().unwrap().next() else { panic!() };
        let mut memory = File::open(format!("/proc/self/fd/{}", rights[0])).unwrap();
        assert!(rustix::fs::fcntl_get_seals(&memory).unwrap().contains(SealFlags::WRITE | SealFlags::SEAL));
        let mut all = Vec::new();
        memory.read_to_end(&mut all).unwrap();
        assert!(all == entry);
    }

    #[test]
    fn a_stream_begins_with_its_head_and_then_waits_as_programs_expect() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout");
        let journald = UnixListener::bind(&path).unwrap();
        let socket = stream(&path, "web", "supervisord.service", 6).unwrap();
        assert!(!rustix::fs::fcntl_getfl(&socket).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
        File::from(socket).write_all(b"a line\n").unwrap();
        let lines: Vec<String> =
            BufReader::new(journald.accept().unwrap().0).lines().map(Result::unwrap).collect();
        assert_eq!(lines, ["web", "supervisord.service", "6", "1", "0", "0", "0", "a line"]);
        drop(journald);
        let error = stream(&path, "web", "", 6).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    }
}
