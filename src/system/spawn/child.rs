//! Between birth and exec: nothing here allocates, locks, panics or takes what was not prepared; and nothing is written but to
//! this stack and to a word that waits for it, since the memory may be the parent's ([`super::nursery`]).
#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::io::{self, IoSlice};
use std::ptr::null;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_char, c_int};
use nix::errno::Errno;

use super::report::{self, Teller};
use super::{SpawnPlan, Step, calls};

/// Where the child keeps its end of the gate and of the report.
const GATE: c_int = 3;
const REPORT: c_int = 4;

/// What a child hears at its gate: that it may become its program, or must not. The end of the pipe means the latter.
pub(super) const GO: u8 = b'1';
pub(super) const STAY: u8 = b'0';

/// What tells a parent that its descriptors are its own again.
pub(super) const APART: u32 = 2;

/// What the child reads, made before it is born. It lives until the child is a program, or gone.
pub(super) struct Prepared {
    plan: Box<SpawnPlan>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    ends: Ends,
    /// Of a child that shares our memory and our descriptors.
    shared: Option<Shared>,
    /// Signals whose dispositions are to be the default ones.
    dispositions: Arc<[c_int]>,
}

/// Where the child finds its ends.
pub(super) struct Ends {
    /// What goes to 0, 1, 2 and [`GATE`]; each is 10 or more, and so is that of the report.
    pub(super) numbers: [c_int; 4],
    /// Which of the first three are of pipes whose ends do not block yet.
    pub(super) piped: [bool; 3],
    /// What goes to [`REPORT`].
    pub(super) teller: Teller,
}

/// What a child needs in order to leave its parent's table of descriptors.
pub(super) struct Shared {
    /// It needs none from there on.
    pub(super) first: c_int,
    /// Says [`APART`] when it has done that.
    pub(super) word: &'static AtomicU32,
}

impl Prepared {
    pub(super) fn new(
        plan: Box<SpawnPlan>,
        ends: Ends,
        shared: Option<Shared>,
        dispositions: Arc<[c_int]>,
    ) -> Self {
        Self {
            // They point to what the strings own, which stays where it is when they move.
            argv: plan.argv.iter().map(|text| text.as_ptr()).chain([null()]).collect(),
            envp: plan.envp.iter().map(|text| text.as_ptr()).chain([null()]).collect(),
            ends,
            shared,
            dispositions,
            plan,
        }
    }

    pub(super) fn into_plan(self) -> Box<SpawnPlan> {
        self.plan
    }
}

/// Has every signal but those blocked meanwhile, so that none of our handlers runs in a child that is born.
pub(super) fn with_signals_blocked<T>(but: &[c_int], bear: impl FnOnce() -> T) -> T {
    // SAFETY: an all-zero sigset_t is a valid one; both are filled in by the calls below.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: both sets are valid and writable.
    unsafe {
        libc::sigfillset(&raw mut all);
        for signal in but {
            libc::sigdelset(&raw mut all, *signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
    }
    let born = bear();
    // SAFETY: `before` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    born
}

/// Forks: the child has a copy of our memory. Says whether it was born into the cgroup of its plan.
pub(super) fn fork(prepared: &Prepared, cgroup: Option<c_int>) -> io::Result<(i32, bool)> {
    let (pid, error, in_cgroup) = with_signals_blocked(&[], || {
        let born = cgroup.map(fork_into);
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
        (pid, io::Error::last_os_error(), in_cgroup)
    });
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
    // SAFETY: an all-zero clone_args is a valid one.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = super::CLONE_INTO_CGROUP;
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

/// Ends a child that waits at its gate.
pub(super) fn end(pid: i32) {
    // SAFETY: a number of a child that is not reaped.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    reap(pid);
}

/// The child. Every signal that could matter is blocked, until there is nothing of the parent's any more that a handler, or
/// whoever dumps core, could meet.
pub(super) fn run(prepared: &Prepared) -> ! {
    calls::lead_a_group();
    leave_table(prepared);
    take_descriptors(prepared);
    for signal in &*prepared.dispositions {
        calls::reset(*signal);
    }
    wait_at_gate(prepared);
    let (step, errno) = become_program(prepared);
    tell(prepared, step, errno);
    calls::end()
}

/// From here on descriptors are opened and closed for us alone.
fn leave_table(prepared: &Prepared) {
    let Some(shared) = &prepared.shared else { return };
    if let Err(errno) = calls::leave_table(shared.first) {
        report(prepared.ends.teller, Step::Exec, errno);
        calls::end();
    }
    shared.word.store(APART, Ordering::Release);
}

/// 0, 1, 2, the gate and the report; everything else is closed.
fn take_descriptors(prepared: &Prepared) {
    // The sources are 10 or more, so no target is a source that is still needed.
    let [stdin, stdout, stderr, gate] = prepared.ends.numbers;
    calls::put(stdin, 0, 0);
    calls::put(stdout, 1, 0);
    calls::put(stderr, 2, 0);
    calls::put(gate, GATE, libc::O_CLOEXEC);
    calls::put(prepared.ends.teller.pipe, REPORT, libc::O_CLOEXEC);
    calls::close_from(REPORT + 1);
    for (fd, is_piped) in (0..).zip(prepared.ends.piped) {
        if is_piped {
            calls::block(fd);
        }
    }
}

/// Waits for the word; the end of the file means that the parent is gone.
fn wait_at_gate(prepared: &Prepared) {
    loop {
        match calls::read_byte(GATE) {
            Ok(Some(GO)) => return,
            Err(libc::EINTR) => {}
            _ => {
                report(at_its_place(prepared), Step::Gate, 0);
                calls::end();
            }
        }
    }
}

/// From where descriptors were taken on.
fn at_its_place(prepared: &Prepared) -> Teller {
    Teller { pipe: REPORT, ..prepared.ends.teller }
}

fn report(teller: Teller, step: Step, errno: c_int) {
    calls::write(teller.pipe, report::message(teller.birth, step, errno).as_flattened());
}

/// Returns only when something failed.
fn become_program(prepared: &Prepared) -> (Step, c_int) {
    let plan = &prepared.plan;
    // First, since only root may raise them.
    for limit in &plan.limits {
        if let Err(errno) = calls::set_limit(limit) {
            return (Step::Limit, errno);
        }
    }
    if let Some(failed) = switch_user(prepared) {
        return failed;
    }
    if let Some(directory) = &plan.directory
        && let Err(errno) = calls::enter(directory)
    {
        return (Step::Chdir, errno);
    }
    if let Some(umask) = plan.umask {
        calls::set_umask(umask);
    }
    calls::unblock();
    // SAFETY: arrays of strings that end in NUL, ended by null pointers, all of them alive in `prepared`.
    let errno = unsafe { calls::execute(&plan.program, prepared.argv.as_ptr(), prepared.envp.as_ptr()) };
    (Step::Exec, errno)
}

/// Groups, group, user, and a look whether that was all. Nothing to do for whoever we are already.
fn switch_user(prepared: &Prepared) -> Option<(Step, c_int)> {
    let identity = prepared.plan.identity.as_ref()?;
    let (uid, gid) = (identity.uid, identity.gid);
    let ([real, effective, _], _) = calls::identity();
    if real == uid && effective == uid {
        return None;
    }
    if let Err(errno) = calls::set_groups(&identity.groups) {
        return Some((Step::Groups, errno));
    }
    if let Err(errno) = calls::set_group(gid) {
        return Some((Step::Gid, errno));
    }
    if let Err(errno) = calls::set_user(uid) {
        return Some((Step::Uid, errno));
    }
    (calls::identity() != ([uid; 3], [gid; 3])).then_some((Step::Verify, libc::EPERM))
}

/// Supervisor's sentence to stderr (4.3 `process.py`, `_spawn_as_child`), then (step, errno) to the parent.
fn tell(prepared: &Prepared, step: Step, errno: c_int) {
    let plan = &prepared.plan;
    let (mut uid, mut reason) = (Words::default(), Words::default());
    // Writing into `Words` cuts off and never fails.
    let _ = write!(uid, "{}", plan.identity.as_ref().map_or(0, |identity| identity.uid));
    let (what, whom) = match step {
        Step::Groups | Step::Gid | Step::Uid | Step::Verify => ("setuid to ", uid.as_bytes()),
        Step::Chdir => ("chdir to ", plan.directory.as_ref().map_or(&b""[..], |it| it.as_bytes())),
        Step::Umask | Step::Limit => ("set limits", &b""[..]),
        Step::Gate | Step::Exec => ("exec ", plan.argv.first().unwrap_or(&plan.program).as_bytes()),
    };
    let root = calls::effective_user() == 0;
    let _ = match step {
        Step::Groups | Step::Gid if !root => reason.write_str("Can't drop privilege as nonroot user"),
        Step::Groups => reason.write_str("Could not set groups of effective user"),
        Step::Gid => reason.write_str("Could not set group id of effective user"),
        _ => write!(reason, "{:?}", Errno::from_raw(errno)),
    };
    // First: writing to a stderr that nobody reads any more ends us by SIGPIPE.
    report(at_its_place(prepared), step, errno);
    let end = b"\nsupervisor: child process was not spawned\n";
    let sentence = [b"supervisor: couldn't ", what.as_bytes(), whom, b": ", reason.as_bytes(), end];
    calls::write_parts(2, sentence.map(IoSlice::new));
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
