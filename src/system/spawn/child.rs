//! Between fork and exec: nothing here allocates, locks or takes what was not prepared.
#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::null;

use libc::{c_char, c_int};
use nix::errno::Errno;

use super::{ProcessLimit, SpawnPlan, Step, TheirEnds};

/// Where the child keeps its end of the gate and of the report.
const GATE: c_int = 3;
const REPORT: c_int = 4;

/// What the child reads, made before the fork.
pub(super) struct Prepared<'a> {
    plan: &'a SpawnPlan,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    /// What goes to 0, 1, 2, [`GATE`] and [`REPORT`]; each is 10 or more.
    ends: [c_int; 5],
    /// Beginnings of sentences, without the errno.
    couldnt_setuid: Vec<u8>,
    couldnt_chdir: Vec<u8>,
    couldnt_exec: Vec<u8>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(plan: &'a SpawnPlan, ends: &TheirEnds) -> Self {
        let pointers = |texts: &[std::ffi::CString]| {
            texts.iter().map(|t| t.as_ptr()).chain([null()]).collect::<Vec<*const c_char>>()
        };
        let sentence =
            |what: &str, whom: &[u8]| [b"supervisor: couldn't ", what.as_bytes(), b" ", whom, b": "].concat();
        let uid = plan.identity.as_ref().map_or_else(String::new, |i| i.uid.to_string());
        let directory = plan.directory.as_ref().map_or(&b""[..], |d| d.as_bytes());
        let first = plan.argv.first().unwrap_or(&plan.program).as_bytes();
        Self {
            plan,
            argv: pointers(&plan.argv),
            envp: pointers(&plan.envp),
            ends: [
                ends.stdin.as_raw_fd(),
                ends.stdout.as_raw_fd(),
                ends.stderr.as_raw_fd(),
                ends.gate.as_raw_fd(),
                ends.report.as_raw_fd(),
            ],
            couldnt_setuid: sentence("setuid to", uid.as_bytes()),
            couldnt_chdir: sentence("chdir to", directory),
            couldnt_exec: sentence("exec", first),
        }
    }
}

/// Forks, with every signal blocked meanwhile, so that none of our handlers runs in the child. Says whether the child was
/// born into the cgroup of its plan.
pub(super) fn fork(prepared: &Prepared<'_>) -> io::Result<(i32, bool)> {
    // SAFETY: an all-zero sigset_t is a valid one; both are filled in by the calls below.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: both sets are valid and writable.
    unsafe {
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
    }
    let born = prepared.plan.cgroup.as_ref().map(|cgroup| fork_into(cgroup.as_raw_fd()));
    let in_cgroup = born.is_some_and(|pid| pid >= 0);
    // A kernel before 5.7, or a cgroup that takes nobody: it may be moved there later.
    let elsewhere = || {
        // SAFETY: the child calls `run` alone, which does only what is allowed after the fork of a program with threads.
        unsafe { libc::fork() }
    };
    let pid = born.filter(|pid| *pid >= 0).unwrap_or_else(elsewhere);
    if pid == 0 {
        run(prepared);
    }
    let error = io::Error::last_os_error();
    // SAFETY: `before` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    if pid < 0 {
        return Err(error);
    }
    // The child does the same: whoever comes first, the group is there before anybody signals it.
    // SAFETY: takes numbers only; fails harmlessly when the child was first.
    unsafe { libc::setpgid(pid, pid) };
    Ok((pid, in_cgroup))
}

/// clone3(2) as fork(2), but that the child begins in a cgroup: moving it there later costs milliseconds.
fn fork_into(cgroup: c_int) -> i32 {
    // libc's own constant does not fit the type that it has.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: an all-zero clone_args is a valid one.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP;
    args.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    args.cgroup = u64::from(cgroup.unsigned_abs());
    // SAFETY: the arguments live through the call. No memory is shared: the child has a copy of everything, as after fork,
    // and calls `run` alone, which allocates nothing and uses nothing of libc's that a thread could have left locked.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    i32::try_from(pid).unwrap_or(-1)
}

/// Takes the status of a child that ends at its gate.
pub(super) fn reap(pid: i32) {
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

/// The child.
fn run(prepared: &Prepared<'_>) -> ! {
    take_descriptors(prepared);
    reset_signals();
    wait_at_gate();
    let (step, errno) = become_program(prepared);
    tell(prepared, step, errno);
    // SAFETY: ends the child without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// 0, 1, 2, the gate and the report; everything else is closed.
fn take_descriptors(prepared: &Prepared<'_>) {
    let [stdin, stdout, stderr, gate, report] = prepared.ends;
    // SAFETY: numbers only; the sources are 10 or more, so no target is a source that is still needed. The fork copied the
    // table of descriptors, so nothing is closed for the parent.
    unsafe {
        libc::setpgid(0, 0);
        libc::dup2(stdin, 0);
        libc::dup2(stdout, 1);
        libc::dup2(stderr, 2);
        libc::dup3(gate, GATE, libc::O_CLOEXEC);
        libc::dup3(report, REPORT, libc::O_CLOEXEC);
        if libc::syscall(libc::SYS_close_range, 5_u32, u32::MAX, 0_u32) != 0 {
            // Kernels before 5.9; all of ours are close-on-exec anyway.
            for fd in 5..1024 {
                libc::close(fd);
            }
        }
    }
}

/// Default dispositions, nothing blocked.
fn reset_signals() {
    // SAFETY: all-zero values are valid: SIG_DFL without flags, and an empty set. sigaction refuses the numbers that
    // cannot be set, which is harmless.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        for number in 1..=64 {
            libc::sigaction(number, &raw const default, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Waits for one byte; the end of the file means that the parent is gone, or wants no child.
fn wait_at_gate() {
    let mut byte = 0_u8;
    loop {
        // SAFETY: one writable byte.
        let n = unsafe { libc::read(GATE, (&raw mut byte).cast(), 1) };
        if n == 1 {
            return;
        }
        if n < 0 && Errno::last_raw() == libc::EINTR {
            continue;
        }
        report(Step::Gate, 0);
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(127) };
    }
}

fn report(step: Step, errno: c_int) {
    let [a, b, c, d] = errno.to_ne_bytes();
    let message = [step.code(), a, b, c, d, 0, 0, 0];
    // SAFETY: a pointer with the length of what it points to.
    unsafe { libc::send(REPORT, message.as_ptr().cast(), message.len(), libc::MSG_NOSIGNAL) };
}

/// Returns only when something failed.
fn become_program(prepared: &Prepared<'_>) -> (Step, c_int) {
    let plan = prepared.plan;
    // First, since only root may raise them.
    for limit in &plan.limits {
        if let Err(errno) = set_limit(limit) {
            return (Step::Limit, errno);
        }
    }
    if let Some(failed) = switch_user(prepared) {
        return failed;
    }
    if let Some(directory) = &plan.directory {
        // SAFETY: a string that ends in NUL and lives as long as the plan.
        if unsafe { libc::chdir(directory.as_ptr()) } != 0 {
            return (Step::Chdir, Errno::last_raw());
        }
    }
    if let Some(umask) = plan.umask {
        // SAFETY: a number; cannot fail.
        unsafe { libc::umask(umask) };
    }
    // SAFETY: arrays of strings that end in NUL, ended by null pointers, all of them alive in `prepared`.
    unsafe { libc::execve(plan.program.as_ptr(), prepared.argv.as_ptr(), prepared.envp.as_ptr()) };
    (Step::Exec, Errno::last_raw())
}

fn set_limit(wanted: &ProcessLimit) -> Result<(), c_int> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid and writable.
    unsafe {
        if libc::getrlimit(wanted.resource, &raw mut limit) != 0 {
            return Err(Errno::last_raw());
        }
        limit.rlim_max = wanted.hard.unwrap_or(limit.rlim_max);
        limit.rlim_cur = wanted.soft.min(limit.rlim_max);
        if libc::setrlimit(wanted.resource, &raw const limit) != 0 {
            return Err(Errno::last_raw());
        }
    }
    Ok(())
}

/// Groups, group, user, and a look whether that was all. Nothing to do for whoever we are already.
fn switch_user(prepared: &Prepared<'_>) -> Option<(Step, c_int)> {
    let identity = prepared.plan.identity.as_ref()?;
    let (uid, gid) = (identity.uid, identity.gid);
    // SAFETY: numbers, and a list that lives as long as the plan.
    unsafe {
        if libc::getuid() == uid && libc::geteuid() == uid {
            return None;
        }
        if libc::setgroups(identity.groups.len(), identity.groups.as_ptr()) != 0 {
            return Some((Step::Groups, Errno::last_raw()));
        }
        if libc::setgid(gid) != 0 {
            return Some((Step::Gid, Errno::last_raw()));
        }
        if libc::setuid(uid) != 0 {
            return Some((Step::Uid, Errno::last_raw()));
        }
    }
    let (mut u, mut g) = ([0; 3], [0; 3]);
    let ([u0, u1, u2], [g0, g1, g2]) = (&mut u, &mut g);
    // SAFETY: six distinct writable numbers.
    unsafe {
        libc::getresuid(u0, u1, u2);
        libc::getresgid(g0, g1, g2);
    }
    (u != [uid; 3] || g != [gid; 3]).then_some((Step::Verify, libc::EPERM))
}

/// Supervisor's sentence to stderr (4.3 `process.py`, `_spawn_as_child`), then (step, errno) to the parent.
fn tell(prepared: &Prepared<'_>, step: Step, errno: c_int) {
    let mut words = Words::default();
    // SAFETY: takes nothing.
    let root = unsafe { libc::geteuid() } == 0;
    let (begin, reason) = match step {
        Step::Groups | Step::Gid if !root => {
            (&prepared.couldnt_setuid[..], Some("Can't drop privilege as nonroot user"))
        }
        Step::Groups => (&prepared.couldnt_setuid[..], Some("Could not set groups of effective user")),
        Step::Gid => (&prepared.couldnt_setuid[..], Some("Could not set group id of effective user")),
        Step::Uid | Step::Verify => (&prepared.couldnt_setuid[..], None),
        Step::Chdir => (&prepared.couldnt_chdir[..], None),
        Step::Umask | Step::Limit => (&b"supervisor: couldn't set limits: "[..], None),
        Step::Gate | Step::Exec => (&prepared.couldnt_exec[..], None),
    };
    // Writing into `Words` cuts off and never fails.
    let _ = match reason {
        Some(reason) => words.write_str(reason),
        None => write!(words, "{:?}", Errno::from_raw(errno)),
    };
    // First: writing to a stderr that nobody reads any more ends us by SIGPIPE.
    report(step, errno);
    // SAFETY: every pointer comes with the length of what it points to.
    unsafe {
        for part in [begin, words.as_bytes(), b"\nsupervisor: child process was not spawned\n"] {
            libc::write(2, part.as_ptr().cast(), part.len());
        }
    }
}

/// A short text without allocation.
struct Words {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Words {
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl Words {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::fmt::Write for Words {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for (slot, byte) in self.bytes[self.len..].iter_mut().zip(text.bytes()) {
            *slot = byte;
            self.len += 1;
        }
        Ok(())
    }
}
