//! Another supervisor's process: held still, looked into, and ended. It goes on when we let go of it.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::pidfd::PidFd;
use super::stranger::Stat;
use crate::api::Signal;

/// How long a process may take to be stopped, or gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks: the kernel tells nobody but its parent that a process was stopped.
const PAUSE: Duration = Duration::from_millis(1);

/// What a daemon calls that waits for its descriptors.
const WAITS: &[i64] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    libc::SYS_pselect6,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
];

/// One that another process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is, as `/proc` names it: `pipe:[123]`.
    pub what: String,
    /// It was opened for writing only.
    pub writes: bool,
}

/// A process that does nothing until it is let go.
#[derive(Debug)]
pub struct Frozen {
    /// Its number.
    pub pid: i32,
    pidfd: PidFd,
    stopped: bool,
}

impl Frozen {
    /// Stops a process where it waits for its descriptors, so that it holds nothing that it has read.
    ///
    /// # Errors
    /// When it may not be stopped or seen, or never waits.
    pub fn hold(pid: i32) -> io::Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let mut frozen = Self { pid, pidfd: PidFd::open(pid)?, stopped: false };
        loop {
            frozen.pidfd.signal(Signal::STOP)?;
            frozen.stopped = true;
            while !Stat::of(pid).ok_or_else(gone)?.stopped {
                if Instant::now() > deadline {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                std::thread::sleep(PAUSE);
            }
            if waits(&fs::read_to_string(format!("/proc/{pid}/syscall"))?) {
                return Ok(frozen);
            }
            frozen.go_on();
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it is never at rest"));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn go_on(&mut self) {
        if std::mem::take(&mut self.stopped) {
            // One that is gone needs no more.
            let _ = self.pidfd.signal(Signal::CONT);
        }
    }

    /// What it has open.
    ///
    /// # Errors
    /// `EACCES` when it is another user's.
    pub fn descriptors(&self) -> io::Result<BTreeMap<i32, Descriptor>> {
        descriptors(self.pid)
    }

    /// Opens a pipe that it has open, for what it has it open for; ours does not block.
    ///
    /// # Errors
    /// `ENXIO` when nobody reads what would be written.
    pub fn open_pipe(&self, number: i32, writes: bool) -> io::Result<OwnedFd> {
        let path = format!("/proc/{}/fd/{number}", self.pid);
        let mut how = OpenOptions::new();
        how.read(!writes).write(writes).custom_flags(libc::O_NONBLOCK);
        Ok(how.open(path)?.into())
    }

    /// Makes a descriptor of its ours as well: the same file, with the same flags.
    ///
    /// # Errors
    /// `EPERM` when it is another user's.
    pub fn share(&self, number: i32) -> io::Result<OwnedFd> {
        // SAFETY: pidfd_getfd takes numbers only, and refuses what is not open.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, self.pidfd.as_raw_fd(), number, 0_u32) };
        let fd = i32::try_from(fd).unwrap_or(-1);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made `fd` for us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Its children.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn children(&self) -> io::Result<BTreeMap<i32, Stat>> {
        Ok(everybody()?.into_iter().filter(|(_, stat)| stat.parent == self.pid).collect())
    }

    /// Another process, below one of these, that has this open.
    #[must_use]
    pub fn held_below(&self, above: &[i32], what: &str) -> Option<i32> {
        let holds = |pid: i32| {
            descriptors(pid).is_ok_and(|open| open.values().any(|descriptor| descriptor.what == what))
        };
        above.iter().flat_map(|pid| family(*pid)).find(|pid| holds(*pid))
    }

    /// Ends it, and waits until it has let go of everything.
    ///
    /// # Errors
    /// When it may not be killed, or is not gone in time.
    pub fn end(mut self) -> io::Result<()> {
        self.pidfd.signal(Signal::KILL)?;
        self.stopped = false;
        let wait = Timespec { tv_sec: 10, tv_nsec: 0 };
        match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&wait)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            ended => ended.map(|_| ()).map_err(io::Error::from),
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.go_on();
    }
}

fn everybody() -> io::Result<BTreeMap<i32, Stat>> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let pids = fs::read_dir("/proc")?.flatten().filter_map(number);
    Ok(pids.filter_map(|pid| Some((pid, Stat::of(pid)?))).collect())
}

/// A process, with its children and theirs.
#[must_use]
pub fn family(pid: i32) -> Vec<i32> {
    let all = everybody().unwrap_or_default();
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        let children = all.iter().filter(|(child, stat)| stat.parent == parent && !family.contains(child));
        let children: Vec<i32> = children.map(|(child, _)| *child).collect();
        family.extend(children);
        at += 1;
    }
    family
}

fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::ESRCH)
}

/// It is in one of the calls that wait: proc_pid_syscall(5).
fn waits(syscall: &str) -> bool {
    let number = syscall.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    number.is_some_and(|number: i64| WAITS.contains(&number))
}

/// What a process has open.
///
/// # Errors
/// `EACCES` when it is another user's.
pub fn descriptors(pid: i32) -> io::Result<BTreeMap<i32, Descriptor>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let (Ok(what), Some(flags)) = (fs::read_link(format!("/proc/{pid}/fd/{number}")), flags(pid, number))
        else {
            continue;
        };
        let writes = flags & libc::O_ACCMODE == libc::O_WRONLY;
        all.insert(number, Descriptor { what: what.display().to_string(), writes });
    }
    Ok(all)
}

fn flags(pid: i32, number: i32) -> Option<i32> {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    i32::from_str_radix(flags.trim(), 8).ok()
}

/// The cgroup of a process by which systemd knows its service, of whatever hierarchy.
#[must_use]
pub fn service_cgroup(pid: i32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.filter(|path| path.split('/').any(|part| part.ends_with(".service"))).map(PathBuf::from).next()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    /// Waits in poll for as long as there is nothing to read.
    const WAITER: &str =
        "import select, os\np = select.poll(); p.register(0)\np.poll(); os.write(1, os.read(0, 9))";

    #[test]
    fn a_process_is_held_looked_into_and_let_go() {
        let mut command = Command::new("/usr/bin/python3");
        let mut child =
            command.args(["-c", WAITER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let frozen = Frozen::hold(pid).unwrap();
        assert!(Stat::of(pid).unwrap().stopped);
        let open = frozen.descriptors().unwrap();
        assert!(open[&0].what.starts_with("pipe:") && !open[&0].writes && open[&1].writes, "{open:?}");
        // What it would read, it leaves to us.
        child.stdin.as_mut().unwrap().write_all(b"one").unwrap();
        let mut text = [0; 3];
        File::from(frozen.open_pipe(0, false).unwrap()).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"one");
        File::from(frozen.share(1).unwrap()).write_all(b"two ").unwrap();
        assert!(frozen.children().unwrap().is_empty());
        drop(frozen);
        child.stdin.take().unwrap().write_all(b"three").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"two three");
    }

    #[test]
    fn a_process_is_ended() {
        let mut child =
            Command::new("/usr/bin/python3").args(["-c", WAITER]).stdin(Stdio::piped()).spawn().unwrap();
        let frozen = Frozen::hold(i32::try_from(child.id()).unwrap()).unwrap();
        frozen.end().unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_call_that_waits_is_known() {
        assert!(waits(&format!("{} 0x1 0x2", libc::SYS_ppoll)));
        for text in [format!("{} 0x1", libc::SYS_read), "running".to_owned(), "-1 0x7f 0x1".to_owned()] {
            assert!(!waits(&text), "{text}");
        }
    }
}
