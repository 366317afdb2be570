//! Children: reaped and signalled by descriptor, so that a number that is used again does no harm.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::api::{Signal, WaitStatus};

/// A process that stays itself even when its number is used again. Readable once it has ended.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Takes a descriptor that [`super::spawn()`] or [`PidFd::open`] gave.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// The process that has this number now; free of races for a child that is not reaped.
    ///
    /// # Errors
    /// `ESRCH`, `EMFILE`.
    pub fn open(pid: i32) -> io::Result<Self> {
        let pid =
            rustix::process::Pid::from_raw(pid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        let fd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
        Ok(Self(fd))
    }

    /// Takes the status of a child that has ended; `None` while it runs.
    ///
    /// # Errors
    /// `ECHILD` when it is not our child, or was reaped.
    pub fn try_reap(&self) -> io::Result<Option<WaitStatus>> {
        let id = libc::id_t::try_from(self.0.as_raw_fd()).unwrap_or_default();
        Ok(wait(libc::P_PIDFD, id, libc::WEXITED | libc::WNOHANG)?.map(|(_, status)| status))
    }

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    /// `ESRCH` when it is gone, `EPERM` when it is not ours to signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let none: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: a live descriptor, a number, no siginfo and no flags: nothing is read or written through a pointer.
        let done = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal.number(), none, 0_u32)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The process as a tokio task can wait for it: readable once it has ended.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn in_reactor(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: `as_raw_fd` gives the descriptor that is owned from its making to its drop, always the same.
        unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }.map_err(io::Error::from)
    }

    /// The descriptor.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for PidFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Whether the process of that descriptor has not ended.
#[must_use]
pub fn is_running(pidfd: &impl AsFd) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [rustix::event::PollFd::new(pidfd, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut asked, Some(&now)) == Ok(0)
}

/// Sends a signal to every process of a group.
///
/// # Errors
/// `ESRCH` when nobody is left, `EPERM` when none may be signalled.
pub fn kill_group(leader: i32, signal: Signal) -> io::Result<()> {
    if leader <= 1 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: kill takes numbers only; `leader` > 1, so that this is neither everybody nor our own group.
    if unsafe { libc::kill(-leader, signal.number()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reaps the ended children that `known` does not know: orphans that came to us as PID 1 or as subreaper. Stops at the
/// first known one, whose status belongs to its pidfd: call again once that one is reaped.
pub fn reap_strangers(known: &dyn Fn(i32) -> bool) -> Vec<(i32, WaitStatus)> {
    let mut reaped = Vec::new();
    let peek = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    while let Ok(Some((pid, _))) = wait(libc::P_ALL, 0, peek) {
        if known(pid) {
            break;
        }
        let id = libc::id_t::try_from(pid).unwrap_or_default();
        match wait(libc::P_PID, id, libc::WEXITED | libc::WNOHANG) {
            Ok(Some(child)) => reaped.push(child),
            _ => break,
        }
    }
    reaped
}

/// Orphans below us become our children.
///
/// # Errors
/// Those of prctl(2).
pub fn set_child_subreaper() -> io::Result<()> {
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    Ok(())
}

/// waitid(2), which alone tells real-time signals and cores apart.
fn wait(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> io::Result<Option<(i32, WaitStatus)>> {
    // SAFETY: an all-zero siginfo_t is a valid one.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` is a valid, writable siginfo_t for the length of the call.
        if unsafe { libc::waitid(kind, id, &raw mut info, flags) } == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: waitid has filled in the fields of SIGCHLD, or left them zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let how = match info.si_code {
        libc::CLD_EXITED => WaitStatus::Exited(status),
        code => match Signal::from_number(status) {
            Some(signal) => WaitStatus::Signalled { signal, core_dumped: code == libc::CLD_DUMPED },
            None => WaitStatus::Lost,
        },
    };
    Ok(Some((pid, how)))
}
