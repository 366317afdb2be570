//! Starting a program: birth, a gate, exec.
//!
//! Everything is prepared before the child is born, in our memory ([`nursery`]) or by fork. The child waits at the gate until it is let through; if we die first it ends
//! there, so that no program runs that nobody knows of. What fails in the child comes back as (step, errno).

use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};

use super::errno::{errno_name, errno_words};
use super::fds::duplicate_from;
use super::pidfd::PidFd;
use super::user::Identity;

pub use nursery::{prepare, tidy};
pub use report::{Report, go_on_with_reports, with_report_ends};

mod calls;
mod child;
mod nursery;
mod report;

use child::Ends;
use nursery::Born;
use report::Teller;

/// libc's own constant does not fit the type that it has.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Everything that the child needs between its birth and exec.
#[derive(Debug, Default)]
pub struct SpawnPlan {
    /// The file to execute.
    pub program: CString,
    /// Its arguments, `argv[0]` first.
    pub argv: Vec<CString>,
    /// Its whole environment, as `NAME=value`.
    pub envp: Vec<Arc<CStr>>,
    /// Where it runs.
    pub directory: Option<CString>,
    /// Its umask.
    pub umask: Option<u32>,
    /// Whom it runs as.
    pub identity: Option<Identity>,
    /// Its stdin; `None`: a pipe from us.
    pub stdin: Option<OwnedFd>,
    /// Its stdout; `None`: a pipe to us.
    pub stdout: Option<OwnedFd>,
    /// Its stderr; `None`: a pipe to us.
    pub stderr: Option<OwnedFd>,
    /// Its stderr goes where its stdout goes.
    pub redirect_stderr: bool,
    /// What it may use, when that should not be what we may.
    pub limits: Vec<ProcessLimit>,
    /// The cgroup that it is born into.
    pub cgroup: Option<OwnedFd>,
    /// Its cgroup may end it for want of memory, or let it wait for a processor: it must have nothing of ours.
    pub apart: bool,
}

/// A limit of setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimit {
    /// `RLIMIT_…`
    pub resource: u32,
    /// What holds; no more than the hard limit.
    pub soft: u64,
    /// `None`: unchanged.
    pub hard: Option<u64>,
}

/// A child that waits at its gate. Our ends do not block, but for that of the gate, and are closed on exec.
#[derive(Debug)]
pub struct Spawned {
    /// Its number, and that of its process group.
    pub pid: i32,
    /// The child itself; readable once it has ended.
    pub pidfd: PidFd,
    /// It was born into the cgroup of the plan.
    pub in_cgroup: bool,
    /// Lets it through.
    pub gate: Gate,
    /// Tells what failed between the gate and exec.
    pub report: Report,
    /// To its stdin; `None` when the plan brought one.
    pub stdin: Option<OwnedFd>,
    /// From its stdout; `None` when the plan brought one.
    pub stdout: Option<OwnedFd>,
    /// From its stderr; `None` with `redirect_stderr`, or when the plan brought one.
    pub stderr: Option<OwnedFd>,
}

/// Holds a child back until it is recorded. Dropped unopened, the child ends without having run anything.
#[derive(Debug)]
#[must_use = "a gate that is dropped ends its child"]
pub struct Gate {
    pipe: Arc<OwnedFd>,
    is_open: bool,
}

impl Gate {
    fn new(pipe: Arc<OwnedFd>) -> Self {
        Self { pipe, is_open: false }
    }

    /// Lets the child through.
    pub fn open(mut self) {
        self.is_open = true;
        self.say(child::GO);
    }

    fn say(&self, word: u8) {
        // A child that was killed at its gate is told of by its pidfd.
        let _ = rustix::io::write(&self.pipe, &[word]);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Where nobody else has it, its end says the same.
        if !self.is_open && Arc::strong_count(&self.pipe) > 1 {
            self.say(child::STAY);
        }
    }
}

/// Takes a child back: it ends at its gate, and leaves nothing.
pub fn abandon(pid: i32, gate: Gate) {
    drop(gate);
    child::reap(pid);
}

impl From<OwnedFd> for Gate {
    fn from(fd: OwnedFd) -> Self {
        Self::new(Arc::new(fd))
    }
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// What the child does between its gate and its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waiting to be let through: whoever should have done that is gone.
    Gate,
    /// setgroups(2).
    Groups,
    /// setgid(2).
    Gid,
    /// setuid(2).
    Uid,
    /// Looking whether that was all.
    Verify,
    /// chdir(2).
    Chdir,
    /// umask(2).
    Umask,
    /// setrlimit(2).
    Limit,
    /// execve(2).
    Exec,
}

impl Step {
    const ALL: [Self; 9] = [
        Self::Gate,
        Self::Groups,
        Self::Gid,
        Self::Uid,
        Self::Verify,
        Self::Chdir,
        Self::Umask,
        Self::Limit,
        Self::Exec,
    ];

    fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.code() == code)
    }

    /// `enter directory`: what could not be done.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Gate => "begin",
            Self::Groups => "set the groups",
            Self::Gid => "set the group",
            Self::Uid => "become the user",
            Self::Verify => "verify the user",
            Self::Chdir => "enter directory",
            Self::Umask => "set the umask",
            Self::Limit => "set the limits",
            Self::Exec => "execute",
        }
    }
}

/// Why a child never became its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecFailure {
    /// What failed.
    pub step: Step,
    /// How.
    pub errno: i32,
}

impl ExecFailure {
    /// `can't enter directory /x as www-data: permission denied`
    #[must_use]
    pub fn describe(&self, directory: Option<&Path>, user: Option<&str>, program: &str) -> String {
        let mut text = format!("can't {}", self.step.words());
        match self.step {
            Step::Chdir => text.extend(directory.map(|d| format!(" {}", d.display()))),
            Step::Exec => text.push_str(&format!(" {program}")),
            _ => {}
        }
        if let Some(user) = user {
            let joint = if matches!(self.step, Step::Chdir | Step::Exec) { "as" } else { "of" };
            let joint = if self.step == Step::Uid { "" } else { joint };
            text.push_str(&format!(" {joint}{}{user}", if joint.is_empty() { "" } else { " " }));
        }
        text.push_str(": ");
        text.push_str(&errno_words(self.errno));
        text
    }
}

/// Why there is no child.
#[derive(Debug)]
pub enum SpawnError {
    /// Its pipes could not be made.
    Pipes(io::Error),
    /// fork(2) failed.
    Fork(io::Error),
}

impl SpawnError {
    /// Supervisor's sentence about that process (4.3 `process.py`, `spawn`).
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let number = |e: &io::Error| e.raw_os_error().unwrap_or(libc::EIO);
        match self {
            Self::Pipes(error) => dispatcher_problem(name, error),
            Self::Fork(error) if number(error) == libc::EAGAIN => {
                format!("Too many processes in process table to spawn '{name}'")
            }
            Self::Fork(error) => {
                format!("unknown error during fork for '{name}': {}", errno_name(number(error)))
            }
        }
    }
}

/// Supervisor's sentence when the pipes or the log files of a process cannot be opened.
#[must_use]
pub fn dispatcher_problem(name: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EMFILE) => format!("too many open files to spawn '{name}'"),
        _ => format!("unknown error making dispatchers for '{name}': {}", super::io_errno_name(error)),
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipes(error) => write!(f, "making pipes: {error}"),
            Self::Fork(error) => write!(f, "fork: {error}"),
        }
    }
}

impl std::error::Error for SpawnError {}

/// The child's ends.
struct TheirEnds {
    stdin: OwnedFd,
    stdout: OwnedFd,
    /// `None`: goes where stdout goes.
    stderr: Option<OwnedFd>,
    /// Which of its first three descriptors are of pipes of ours, whose ends do not block yet.
    piped: [bool; 3],
}

/// Our ends.
struct OurEnds {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// Starts a child, which waits at its gate. Its ends may stay open here for a moment, until [`tidy`] finds that it has them.
///
/// # Errors
/// When pipes cannot be made, or a process.
pub fn spawn(mut plan: SpawnPlan) -> Result<Spawned, SpawnError> {
    let cgroup = plan.cgroup.take();
    let cgroup = cgroup.as_ref().map(AsRawFd::as_raw_fd);
    let teller = report::next_birth().map_err(SpawnError::Pipes)?;
    let (ours, theirs) = make_ends(&mut plan).map_err(SpawnError::Pipes)?;
    let Born { pid, pidfd, in_cgroup, gate } = match nursery::bear(Box::new(plan), cgroup, &theirs, teller) {
        Ok(born) => born,
        Err(plan) => fork(plan, cgroup, &theirs, teller)?,
    };
    Ok(Spawned {
        pid,
        pidfd: PidFd::new(pidfd),
        in_cgroup,
        gate,
        report: Report::Birth(teller.birth),
        stdin: ours.stdin,
        stdout: ours.stdout,
        stderr: ours.stderr,
    })
}

/// A child with a copy of all that we have.
fn fork(
    plan: Box<SpawnPlan>,
    cgroup: Option<i32>,
    ends: &TheirEnds,
    teller: Teller,
) -> Result<Born, SpawnError> {
    let (gate, ours) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| SpawnError::Pipes(error.into()))?;
    let piped = ends.piped;
    let stderr = ends.stderr.as_ref().unwrap_or(&ends.stdout);
    let ends = [&ends.stdin, &ends.stdout, stderr, &gate];
    // So that none stands where another is to go.
    let high = |end: &OwnedFd| duplicate_from(end.as_raw_fd(), 10);
    let high = ends.into_iter().map(high).collect::<io::Result<Vec<_>>>().map_err(SpawnError::Pipes)?;
    let mut numbers = [0; 4];
    numbers.iter_mut().zip(&high).for_each(|(number, end)| *number = end.as_raw_fd());
    let prepared = child::Prepared::new(plan, Ends { numbers, piped, teller }, None, (1..=64).collect());
    let (pid, in_cgroup) = child::fork(&prepared, cgroup).map_err(SpawnError::Fork)?;
    match PidFd::open(pid) {
        Ok(pidfd) => Ok(Born { pid, pidfd: pidfd.into_fd(), in_cgroup, gate: Gate::from(ours) }),
        Err(error) => {
            child::end(pid);
            Err(SpawnError::Pipes(error))
        }
    }
}

/// A pipe that blocks neither end; the child sees to its own, so that it costs us nothing.
fn unblocked_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

fn make_ends(plan: &mut SpawnPlan) -> io::Result<(OurEnds, TheirEnds)> {
    let output = |given: Option<OwnedFd>| -> io::Result<(Option<OwnedFd>, OwnedFd)> {
        if let Some(given) = given {
            return Ok((None, given));
        }
        unblocked_pipe().map(|(read, write)| (Some(read), write))
    };
    let (our_stdin, stdin) = match plan.stdin.take() {
        Some(given) => (None, given),
        None => unblocked_pipe().map(|(read, write)| (Some(write), read))?,
    };
    let (our_stdout, stdout) = output(plan.stdout.take())?;
    let (our_stderr, stderr) = match plan.redirect_stderr {
        true => (None, None),
        false => output(plan.stderr.take()).map(|(ours, theirs)| (ours, Some(theirs)))?,
    };
    let piped = [our_stdin.is_some(), our_stdout.is_some(), our_stderr.is_some()];
    let theirs = TheirEnds { stdin, stdout, stderr, piped };
    let ours = OurEnds { stdin: our_stdin, stdout: our_stdout, stderr: our_stderr };
    Ok((ours, theirs))
}

#[cfg(test)]
mod tests;
