//! Processes that are not our children: what `/proc` tells of them, and how they ended.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;

use super::pidfd::PidFd;
use crate::api::WaitStatus;

/// What proc_pid_stat(5) tells of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// It has ended, and its parent has not taken its status.
    pub zombie: bool,
    /// It was stopped by a signal.
    pub stopped: bool,
    /// Its parent.
    pub parent: i32,
    /// When it was started, in ticks of the machine's time: with its number a name that is never used again.
    pub start: u64,
    /// How it ended, as wait(2) has it; meant only when it has.
    word: i32,
}

impl Stat {
    /// What is told of the process of that number; `None`: nobody has it.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
    }

    /// A name may contain anything; what counts stands behind its last parenthesis.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // Numbered from 1 in the manual, where the state is the third.
        let field = |nth: usize| fields.get(nth - 3).copied();
        Some(Self {
            zombie: field(3)? == "Z",
            stopped: field(3)? == "T",
            parent: field(4)?.parse().ok()?,
            start: field(22)?.parse().ok()?,
            word: field(52)?.parse().ok()?,
        })
    }
}

/// `/proc` shows how a process ended only to those who may look closer; to others everybody ended well.
fn may_be_seen(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/ns/user")).is_ok()
}

impl PidFd {
    /// How a process ended that is not our child; to be asked when the descriptor is readable, with the number of the
    /// process. `None`: it has ended, but the kernel tells how only when its parent has taken that in; it hangs up then.
    /// `Lost`: nobody will ever tell.
    ///
    /// Who has ended keeps its number until its parent has taken that in, and `/proc` tells how it ended. Later only the
    /// descriptor does, since Linux 6.15.
    #[must_use]
    pub fn status_of_stranger(&self, pid: i32) -> Option<WaitStatus> {
        if let Some(stat) = Stat::of(pid).filter(|stat| stat.zombie)
            && self.is_there()
            && may_be_seen(pid)
        {
            return Some(WaitStatus::decoded(stat.word));
        }
        match self.exit_word() {
            Ok(word) => word.map(WaitStatus::decoded),
            Err(_) => Some(WaitStatus::Lost),
        }
    }

    /// It still has its number, though it may have ended.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let none: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: a live descriptor, no signal, no siginfo and no flags: nothing is read or written through a pointer.
        let found =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.as_raw_fd(), 0_i32, none, 0_u32) };
        found == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
    }

    /// What wait(2) would have told its parent; `None`: its parent was not told yet.
    fn exit_word(&self) -> io::Result<Option<i32>> {
        // SAFETY: an all-zero pidfd_info is a valid one.
        let mut info: libc::pidfd_info = unsafe { std::mem::zeroed() };
        info.mask = libc::PIDFD_INFO_EXIT.into();
        // SAFETY: a live descriptor, and a valid, writable pidfd_info, whose size is in the number of the request.
        if unsafe { libc::ioctl(self.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((info.mask & u64::from(libc::PIDFD_INFO_EXIT) != 0).then_some(info.exit_code))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
    use std::time::Duration;

    use nix::sys::wait::{WaitPidFlag, waitpid};
    use nix::unistd::Pid;

    use super::*;
    use crate::api::Signal;
    use crate::system::epoll::{Epoll, Interest};

    const TERMINATED: WaitStatus = WaitStatus::Signalled { signal: Signal::TERM, core_dumped: false };

    /// A parent that we tell what to do, line by line.
    struct Parent {
        child: Child,
        orders: ChildStdin,
        words: BufReader<ChildStdout>,
    }

    impl Parent {
        fn new() -> Self {
            let mut shell = Command::new("/bin/sh");
            let mut child = shell.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (orders, words) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
            Self { child, orders, words }
        }

        fn says(&mut self, order: &str) -> String {
            writeln!(self.orders, "{order}").unwrap();
            let mut line = String::new();
            self.words.read_line(&mut line).unwrap();
            line.trim().to_owned()
        }

        /// It does nothing until the guard is dropped.
        fn stop(&self) -> Stopped {
            let pid = i32::try_from(self.child.id()).unwrap();
            let pidfd = PidFd::open(pid).unwrap();
            pidfd.signal(Signal::STOP).unwrap();
            waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WUNTRACED)).unwrap();
            Stopped(pidfd)
        }

        /// Starts somebody who is not our child.
        fn starts(&mut self, how: &str) -> (i32, PidFd) {
            let pid = self.says(&format!("{how} & echo $!")).parse().unwrap();
            (pid, PidFd::open(pid).unwrap())
        }
    }

    struct Stopped(PidFd);

    impl Drop for Stopped {
        fn drop(&mut self) {
            self.0.signal(Signal::CONT).unwrap();
        }
    }

    impl Drop for Parent {
        fn drop(&mut self) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }

    /// Waits for what an interest brings.
    fn wait(poll: &mut Epoll) -> Vec<u64> {
        let ready = poll.wait(Some(Duration::from_secs(60))).unwrap();
        ready.iter().map(|(token, _)| *token).collect()
    }

    /// The kernel's number is not lower.
    fn kernel_has(major: u32, minor: u32) -> bool {
        let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut parts = text.split(['.', '-']).map_while(|part| part.trim().parse().ok());
        (parts.next().unwrap(), parts.next().unwrap()) >= (major, minor)
    }

    #[test]
    fn a_stranger_that_has_ended_is_waited_for_until_its_parent_knows() {
        let mut parent = Parent::new();
        let (pid, pidfd) = parent.starts("sleep 1000");
        assert!(pidfd.try_reap().is_err());
        let stopped = parent.stop();
        pidfd.signal(Signal::TERM).unwrap();
        let mut poll = Epoll::new().unwrap();
        poll.add(&pidfd, 7, Interest::READ).unwrap();
        assert_eq!(wait(&mut poll), [7]);
        // Nobody has asked yet: its number tells.
        assert_eq!(pidfd.status_of_stranger(pid), Some(TERMINATED));
        if !kernel_has(6, 15) {
            return;
        }
        assert_eq!(pidfd.exit_word().unwrap(), None);
        poll.modify(&pidfd, 7, Interest::END).unwrap();
        assert!(poll.wait(Some(Duration::ZERO)).unwrap().is_empty());
        drop(stopped);
        assert_eq!(parent.says("wait; echo reaped"), "reaped");
        assert_eq!(wait(&mut poll), [7]);
        assert_eq!(Stat::of(pid), None);
        assert_eq!(pidfd.status_of_stranger(pid), Some(TERMINATED));
    }

    #[test]
    fn of_a_stranger_that_is_gone_the_kernel_tells_how_or_nobody_does() {
        let mut parent = Parent::new();
        let (pid, pidfd) = parent.starts("sleep 1000");
        assert!(pidfd.is_there());
        pidfd.signal(Signal::TERM).unwrap();
        assert_eq!(parent.says("wait; echo reaped"), "reaped");
        assert!(!pidfd.is_there());
        let known = if kernel_has(6, 15) { TERMINATED } else { WaitStatus::Lost };
        assert_eq!(pidfd.status_of_stranger(pid), Some(known));
    }

    #[test]
    fn a_line_is_read_whatever_the_name_of_the_process_is() {
        let fields: Vec<String> = (4..=52).map(|field: u32| field.to_string()).collect();
        let stat = format!("7 (a) Z ) Z {}\n", fields.join(" "));
        let read = Stat { zombie: true, stopped: false, parent: 4, start: 22, word: 52 };
        assert_eq!(Stat::parse(&stat), Some(read));
        assert_eq!(Stat::parse("7 (a) Z 1"), None);
        let own = Stat::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(!own.zombie && own.start > 0 && own.word == 0);
    }
}
