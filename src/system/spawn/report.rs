//! What children tell before exec: which step failed, and how. All of them tell it in one pipe, by the number of their birth, so
//! that a birth that goes well costs nothing for it. The pipe may outlive us: whoever goes on with our children goes on with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::DupFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::{ExecFailure, Step};
use crate::system::clock;
use crate::system::fds::duplicate_from;

/// So many that nobody has asked for yet are remembered: of some nobody ever will.
const UNHEARD: usize = 4096;

static REPORTS: Mutex<Option<Reports>> = Mutex::new(None);

struct Reports {
    read: OwnedFd,
    /// Where children find it; 10 or more.
    write: OwnedFd,
    births: u64,
    unheard: BTreeMap<u64, ExecFailure>,
}

/// What one child tells.
#[derive(Debug)]
pub enum Report {
    /// In the pipe of all: the number of its birth.
    Birth(u64),
    /// In a pipe of its own: a supervisord before us has started it.
    Own(File),
}

impl Report {
    /// What failed; `None` when nothing did, or nothing has yet. Final once the child has ended. To be asked once.
    #[must_use]
    pub fn read(&self) -> Option<ExecFailure> {
        match self {
            Self::Birth(birth) => reports().as_mut()?.ask(*birth),
            Self::Own(file) => {
                let mut message = [0; 8];
                (&*file).read_exact(&mut message).ok()?;
                let [step, a, b, c, d, ..] = message;
                Some(ExecFailure { step: Step::from_code(step)?, errno: i32::from_ne_bytes([a, b, c, d]) })
            }
        }
    }

    /// Its birth, by which whoever comes after us asks.
    #[must_use]
    pub fn birth(&self) -> Option<u64> {
        match self {
            Self::Birth(birth) => Some(*birth),
            Self::Own(_) => None,
        }
    }

    /// Its own pipe, which whoever comes after us needs.
    #[must_use]
    pub fn own(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Birth(_) => None,
            Self::Own(file) => Some(file.as_fd()),
        }
    }
}

impl From<OwnedFd> for Report {
    fn from(fd: OwnedFd) -> Self {
        Self::Own(File::from(fd))
    }
}

/// What a child needs in order to tell something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Teller {
    /// The number of its birth.
    pub(super) birth: u64,
    /// Where it finds the pipe.
    pub(super) pipe: RawFd,
}

/// The next birth.
///
/// # Errors
/// `EMFILE`, when the pipe is still to be made.
pub(super) fn next_birth() -> io::Result<Teller> {
    let mut reports = reports();
    let reports = made(&mut reports)?;
    reports.births += 1;
    Ok(Teller { birth: reports.births, pipe: reports.write.as_raw_fd() })
}

/// Where children find the pipe.
///
/// # Errors
/// `EMFILE`, when it is still to be made.
pub(super) fn number() -> io::Result<RawFd> {
    made(&mut reports()).map(|reports| reports.write.as_raw_fd())
}

/// Does something with the two ends of the pipe; that where it is read comes first.
///
/// # Errors
/// `EMFILE`, when the pipe is still to be made; what is done may have others.
pub fn with_report_ends<T>(what: impl FnOnce([BorrowedFd<'_>; 2]) -> io::Result<T>) -> io::Result<T> {
    let mut reports = reports();
    let Reports { read, write, .. } = made(&mut reports)?;
    what([read.as_fd(), write.as_fd()])
}

/// Goes on with the pipe of whoever was before us, at the numbers that ours has. To be called before any birth.
///
/// # Errors
/// `EMFILE`, when ours is still to be made.
pub fn go_on_with_reports(ends: &[OwnedFd; 2]) -> io::Result<()> {
    let mut reports = reports();
    let reports = made(&mut reports)?;
    for (from, to) in ends.iter().zip([&mut reports.read, &mut reports.write]) {
        rustix::io::dup3(from.as_fd(), to, DupFlags::CLOEXEC)?;
    }
    Ok(())
}

/// What a child writes, in one piece: the number of its birth, and what failed.
pub(super) fn message(birth: u64, step: Step, errno: i32) -> [[u8; 8]; 2] {
    [birth, u64::from(step.code()) << 32 | u64::from(errno.cast_unsigned())].map(u64::to_ne_bytes)
}

fn understood(message: &[[u8; 8]; 2]) -> Option<(u64, ExecFailure)> {
    let [birth, failure] = message.map(u64::from_ne_bytes);
    let step = Step::from_code(u8::try_from(failure >> 32).ok()?)?;
    let errno = u32::try_from(failure & u64::from(u32::MAX)).ok()?.cast_signed();
    Some((birth, ExecFailure { step, errno }))
}

fn reports() -> MutexGuard<'static, Option<Reports>> {
    REPORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn made(reports: &mut Option<Reports>) -> io::Result<&mut Reports> {
    match reports {
        Some(reports) => Ok(reports),
        None => Ok(reports.insert(Reports::make()?)),
    }
}

impl Reports {
    fn make() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let write = duplicate_from(write.as_raw_fd(), 10)?;
        // Whoever has lived before us since the machine was started had lower numbers: births take longer than nanoseconds.
        Ok(Self { read, write, births: clock::now().mono.0, unheard: BTreeMap::new() })
    }

    fn ask(&mut self, birth: u64) -> Option<ExecFailure> {
        self.listen();
        self.unheard.remove(&birth)
    }

    fn listen(&mut self) {
        let mut messages = [[[0; 8]; 2]; 64];
        while let Ok(count @ 1..) =
            rustix::io::read(&self.read, messages.as_flattened_mut().as_flattened_mut())
        {
            let whole = &messages[..count / size_of_val(&messages[0])];
            self.unheard.extend(whole.iter().filter_map(understood));
        }
        while self.unheard.len() > UNHEARD {
            self.unheard.pop_first();
        }
    }
}
