//! The service manager's file descriptor store (systemd.service(5), `FileDescriptorStoreMax=`): what it keeps for us while the
//! service is started anew. It comes back with what is passed to us, under the names that it was kept by.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sd_notify::NotifyState;

use super::listen::Passed;

/// How long the service manager may take to have understood what we have said.
const PATIENCE: Duration = Duration::from_secs(3);

/// Has a descriptor kept, whatever becomes of its other end.
///
/// # Errors
/// Those of sendmsg(2). Nothing tells whether it is kept.
pub fn keep(name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
    let words = [NotifyState::FdStore, NotifyState::Custom("FDPOLL=0"), NotifyState::FdName(name)];
    sd_notify::notify_with_fds(&words, &[fd])
}

/// Whatever is kept by that name is needed no more.
pub fn let_go(name: &str) {
    // A manager that does not listen keeps it.
    let _ = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

/// Waits until the service manager has understood all that was said before: what is said by somebody who is dead when it
/// listens, it does not (sd_notify_barrier(3)).
///
/// # Errors
/// `TimedOut`; those of pipe(2) and sendmsg(2).
pub fn settle() -> io::Result<()> {
    let (theirs, ours) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[ours.as_fd()])?;
    drop(ours);
    let limit = Timespec { tv_sec: i64::try_from(PATIENCE.as_secs()).unwrap_or(1), tv_nsec: 0 };
    match poll(&mut [PollFd::new(&theirs, PollFlags::empty())], Some(&limit)) {
        Ok(0) => Err(io::ErrorKind::TimedOut.into()),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes what was kept by that name out of what was passed to us; of several the last.
pub fn take(passed: &mut Vec<Passed>, name: &str) -> Option<OwnedFd> {
    passed.extract_if(.., |passed| passed.name == name).last().map(|passed| passed.fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_taken_out_of_what_is_passed() {
        let fd = || rustix::pipe::pipe().unwrap().0;
        let named = |name: &str| Passed { name: name.to_owned(), fd: fd() };
        let mut passed = vec![named("control"), named("record"), named("record")];
        assert!(take(&mut passed, "record").is_some());
        assert!(take(&mut passed, "record").is_none());
        assert_eq!(passed.len(), 1);
    }
}
