//! Another binary in our place: the same process, with the same children, and the descriptors that it is to have.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Bytes of what a binary says that is tried.
const SAYING: usize = 16 * 1024;

/// A text in memory, as a file.
///
/// # Errors
/// `ENOMEM`, `EMFILE`.
pub fn in_memory(text: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(c"supervisord-record", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into())
}

/// Takes a variable out of our environment, where no child may find it. To be called before any thread is started.
#[must_use]
pub fn take_variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    // SAFETY: no other thread runs yet (documented above), so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// Where the binary is found that was started under this name: as the file is called, whatever is put there later.
#[must_use]
pub fn own_binary(argument: &OsStr) -> PathBuf {
    let running = fs::metadata("/proc/self/exe").map(|found| (found.dev(), found.ino()));
    let is_running = |path: &PathBuf| {
        let found = fs::metadata(path).map(|found| (found.dev(), found.ino()));
        found.is_ok_and(|found| running.as_ref().is_ok_and(|running| *running == found))
    };
    let named = if argument.as_bytes().contains(&b'/') {
        std::path::absolute(argument).into_iter().collect()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(argument)).collect::<Vec<_>>()
    };
    let link = || fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from(argument));
    named.into_iter().find(is_running).unwrap_or_else(link)
}

/// Runs a binary with one argument, and a file as its stdin, for as long as it is given; what it says, and on which of the
/// two streams it said it. Its number is told while it runs.
///
/// # Errors
/// When it cannot be run, or does not end in time.
pub fn try_out(
    binary: &Path,
    argument: &str,
    stdin: OwnedFd,
    limit: Duration,
    pid: &Arc<AtomicI32>,
) -> io::Result<(String, String)> {
    let mut command = Command::new(binary);
    command.arg(argument).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    pid.store(i32::try_from(child.id()).unwrap_or(0), Ordering::Release);
    let deadline = Instant::now() + limit;
    let told = child.stdout.take().zip(child.stderr.take()).map(|(stdout, stderr)| {
        let stdout = until(deadline, File::from(OwnedFd::from(stdout)))?;
        Ok((stdout, until(deadline, File::from(OwnedFd::from(stderr)))?))
    });
    // It has ended, or is to end; whoever reaps orphans may have been faster.
    let _ = child.kill();
    let _ = child.wait();
    pid.store(0, Ordering::Release);
    told.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))
}

fn until(deadline: Instant, mut pipe: File) -> io::Result<String> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut asked = [PollFd::new(&pipe, PollFlags::IN)];
        match poll(&mut asked, Some(&wait)) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            ready => ready?,
        };
        match pipe.read(&mut buffer)? {
            0 => return Ok(String::from_utf8_lossy(&said).into_owned()),
            count if said.len() < SAYING => said.extend_from_slice(&buffer[..count]),
            _ => {}
        }
    }
}

/// Becomes another binary, with our arguments, our environment and one variable more, and with those of our descriptors.
/// Returns only when that fails; everything is as it was then.
pub fn become_binary(
    binary: &Path,
    arguments: &[OsString],
    variable: (&str, String),
    descriptors: &[RawFd],
) -> io::Error {
    let (name, value) = variable;
    let kept = std::env::vars_os().filter(|(own, _)| own != name);
    let own = kept.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    let environment: Result<Vec<CString>, _> =
        own.chain([format!("{name}={value}").into_bytes()]).map(CString::new).collect();
    let arguments: Result<Vec<CString>, _> =
        arguments.iter().map(|argument| CString::new(argument.clone().into_vec())).collect();
    let prepared = arguments
        .and_then(|arguments| Ok((CString::new(binary.as_os_str().as_bytes())?, arguments, environment?)));
    let (path, arguments, environment) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return error.into(),
    };
    descriptors.iter().for_each(|fd| inherited_by_exec(*fd, true));
    let Err(error) = nix::unistd::execve(&path, &arguments, &environment);
    descriptors.iter().for_each(|fd| inherited_by_exec(*fd, false));
    error.into()
}

fn inherited_by_exec(fd: RawFd, inherited: bool) {
    // SAFETY: fcntl takes any number and refuses those that are not open; only the flag of a descriptor is changed.
    unsafe { libc::fcntl(fd, libc::F_SETFD, if inherited { 0 } else { libc::FD_CLOEXEC }) };
}

/// Descriptors that the binary before us has left for us, by their numbers.
#[derive(Debug, Default)]
pub struct Inheritance(BTreeMap<RawFd, OwnedFd>);

impl Inheritance {
    /// Takes those that are really there: open, and not closed on exec as all that we open ourselves. To be called before
    /// anything else is started.
    #[must_use]
    pub fn take(numbers: impl IntoIterator<Item = RawFd>) -> Self {
        let mut taken = BTreeMap::new();
        for number in numbers {
            if number > 2
                && !taken.contains_key(&number)
                && let Some(fd) = own(number)
            {
                taken.insert(number, fd);
            }
        }
        Self(taken)
    }

    /// Those that somebody else has brought here, by numbers of his.
    pub fn from_parts(parts: impl IntoIterator<Item = (RawFd, OwnedFd)>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// One of them, for whoever needs another hand on it.
    #[must_use]
    pub fn get(&self, number: RawFd) -> Option<BorrowedFd<'_>> {
        self.0.get(&number).map(AsFd::as_fd)
    }

    /// Gives one of them out.
    ///
    /// # Errors
    /// `EBADF` when it is not there, or was given out.
    pub fn give(&mut self, number: RawFd) -> io::Result<OwnedFd> {
        self.0.remove(&number).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }
}

/// The descriptor of that number, which is nobody's yet.
fn own(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: fcntl takes any number, and refuses those that are not open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } != 0 {
        return None;
    }
    // SAFETY: it is open, as just seen. What this program opens is close-on-exec, so that this one, which is not, came
    // through exec, and nobody has taken it: the caller takes each number once.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&fd, fcntl_getfd(&fd).ok()? | FdFlags::CLOEXEC).ok()?;
    Some(fd)
}

/// The file in memory that the binary before us has left, read from its beginning.
///
/// # Errors
/// `EBADF` when there is none; those of read(2).
pub fn inherited_text(number: RawFd) -> io::Result<Vec<u8>> {
    let fd = if number > 2 { own(number) } else { None };
    read_whole(&fd.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?)
}

/// Everything in a file, from its beginning where it has one.
///
/// # Errors
/// Those of read(2).
pub fn read_whole(fd: &impl AsFd) -> io::Result<Vec<u8>> {
    let mut file = File::from(fd.as_fd().try_clone_to_owned()?);
    // A pipe has only what comes.
    let _ = file.seek(SeekFrom::Start(0));
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// The machine's name for the time since it was started last.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_text_in_memory_is_read_again() {
        let fd = in_memory(b"hello").unwrap();
        assert_eq!(read_whole(&fd).unwrap(), b"hello");
        assert_eq!(read_whole(&fd).unwrap(), b"hello");
    }

    #[test]
    fn only_what_came_through_exec_is_inherited() {
        let ours = in_memory(b"").unwrap();
        let mut taken = Inheritance::take([ours.as_raw_fd(), 0, 1, 2, -1, 999_999]);
        assert!(taken.0.is_empty());
        assert_eq!(taken.give(7).unwrap_err().raw_os_error(), Some(libc::EBADF));
        let number = ours.as_raw_fd();
        inherited_by_exec(number, true);
        // Its number stays open for the one who takes it.
        std::mem::forget(ours);
        let mut taken = Inheritance::take([number, number]);
        assert_eq!(read_whole(&taken.give(number).unwrap()).unwrap(), b"");
        assert!(taken.give(number).is_err());
    }

    #[test]
    fn a_binary_is_tried_for_as_long_as_it_is_given() {
        let pid = Arc::default();
        let run = |binary: &str, argument: &str, limit| {
            let input = in_memory(b"echo out; echo err >&2; sleep $0").unwrap();
            try_out(Path::new(binary), argument, input, limit, &pid)
        };
        let (out, err) = run("/bin/sh", "-s", Duration::from_secs(60)).unwrap_or_default();
        assert_eq!((out.as_str(), err.lines().next()), ("out\n", Some("err")));
        assert_eq!(
            run("/nowhere", "x", Duration::from_secs(60)).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let slow = in_memory(b"exec sleep 1000").unwrap();
        let tried = try_out(Path::new("/bin/sh"), "-s", slow, Duration::from_millis(50), &pid);
        assert_eq!(tried.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(pid.load(Ordering::Acquire), 0);
    }

    #[test]
    fn what_cannot_be_executed_changes_nothing() {
        let fd = in_memory(b"x").unwrap();
        let error = become_binary(Path::new("/nowhere"), &[], ("X", "1".to_owned()), &[fd.as_raw_fd()]);
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
    }

    #[test]
    fn our_own_binary_is_found_by_any_name() {
        let own = fs::read_link("/proc/self/exe").unwrap();
        assert_eq!(own_binary(own.as_os_str()), own);
        assert_eq!(own_binary(OsStr::new("no-such-name")), own);
    }
}
