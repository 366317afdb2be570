//! Descriptors that we already have.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::rlimit;

/// The number of our own descriptor that `path` names: `/dev/stdout`, `/dev/stderr`, `/dev/stdin`, `/dev/fd/N` or
/// `/proc/self/fd/N`.
#[must_use]
pub fn own_descriptor(path: &Path) -> Option<i32> {
    let text = path.to_str()?;
    match text {
        "/dev/stdin" => Some(0),
        "/dev/stdout" => Some(1),
        "/dev/stderr" => Some(2),
        _ => {
            let number = text.strip_prefix("/dev/fd/").or_else(|| text.strip_prefix("/proc/self/fd/"))?;
            number.parse().ok().filter(|n| *n >= 0)
        }
    }
}

/// A second descriptor, close-on-exec, for our descriptor of that number.
///
/// # Errors
/// `EBADF` when there is none.
pub fn duplicate(number: i32) -> io::Result<OwnedFd> {
    duplicate_from(number, 3)
}

/// Like [`duplicate`], numbered `lowest` or more.
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub fn duplicate_from(number: i32, lowest: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes any number, and refuses those that are not open.
    let fd = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, lowest) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made `fd` for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Has the kernel make our table of descriptors large enough for so many, or for as many as we may have. Whenever it grows while
/// threads share it, whoever wants one more waits for all processors; before there are threads, for nobody.
pub fn make_room(count: usize) {
    let most = rlimit::files_soft().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(count);
    let last = i32::try_from(count.min(most).saturating_sub(1)).unwrap_or(i32::MAX);
    // Without room it grows when it must.
    let _ = File::open("/dev/null").and_then(|any| duplicate_from(any.as_raw_fd(), last));
}

/// Takes a descriptor that we were started with. To be called once for a number.
///
/// # Errors
/// `EBADF` when there is none.
pub fn adopt(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes any number, and refuses those that are not open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open since before we began, so nothing of ours got this number; the caller takes each but once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Reads and writes of `fd` no longer wait.
///
/// # Errors
/// Those of fcntl(2).
pub fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_descriptors_are_recognised_by_path() {
        for (path, number) in
            [("/dev/stdout", Some(1)), ("/dev/fd/7", Some(7)), ("/tmp/x", None), ("/dev/fd/x", None)]
        {
            assert_eq!(own_descriptor(Path::new(path)), number, "{path}");
        }
        assert!(duplicate(-1).is_err());
    }

    #[test]
    fn there_is_room_for_as_many_as_were_asked_for() {
        let wanted = rlimit::files_soft().unwrap().min(600);
        make_room(600);
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        assert!(size.trim().parse::<u64>().unwrap() >= wanted, "{size} of {wanted}");
    }
}
