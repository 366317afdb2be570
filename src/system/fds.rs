//! Descriptors that we already have.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

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
}
