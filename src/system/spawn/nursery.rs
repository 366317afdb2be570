//! Where children are until they are programs: they share our memory and, at first, our table of descriptors. So a birth costs
//! the same, however much memory we have and however many descriptors; a fork copies the tables of both.
//!
//! What makes that safe:
//!
//! * A child has a stack of its own and what was prepared for it, which stay as they are until the kernel says that it has left
//!   our memory, by exec or by its end (`CLONE_CHILD_CLEARTID`).
//! * It writes to that stack and to one word. It makes its system calls without libc, whose errno, locks and lists of threads
//!   are ours ([`super::calls`]); it neither allocates nor panics.
//! * None of our handlers runs in it (`CLONE_CLEAR_SIGHAND`), and every signal is blocked until exec, as in posix_spawn(3), but
//!   for one that does nothing then (`UNHEEDED`). Before Linux 5.16 whoever dumps core ends those who share his memory: that
//!   could happen between the last two calls.
//! * It opens and closes nothing before its table is its own, which it says in its word. Its ends wait for it at low numbers,
//!   so that it copies those alone; only then these are given back.
//! * When we die, it goes on with the memory until the end of its gate ends it. When we exec, it keeps the memory.
//! * The OOM killer ends all who share a memory. Whoever may be ended in a cgroup of its own for want of memory is not born
//!   here (`SpawnPlan::apart`); nor who might have to wait for a processor while he has our descriptors.
//! * Once it has become another user, the kernel lets that user look into no memory of ours: it cannot be dumped any more. Where
//!   the kernel is told to let users debug such processes (`fs.suid_dumpable=1`, proc_sys_fs(5)), nobody is born here.
//!
//! Each place keeps the pipe of its gate. It is nobody else's before the gate of the child before is opened or given up, and what
//! that child has not read is taken back.
//!
//! Where all that cannot be had, or all places stay taken, children are forked.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd as _, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use libc::c_int;
use rustix::io::{DupFlags, ioctl_fionread};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::futex;

use super::child::{self, Ends, Prepared, Shared};
use super::report::{self, Teller};
use super::{Gate, SpawnPlan, TheirEnds};
use crate::system::fds::duplicate_from;

/// How many may be there at a time.
const PLACES: usize = 16;
/// Of each: more than `run` takes, by far.
const STACK: usize = 64 << 10;
/// How long a birth waits for a place. A child that was let through needs it for as long as exec takes, and a fork costs more.
const PATIENCE: Duration = Duration::from_millis(1);

/// Signals that are not blocked at a birth: a child has no handler, and without one they do nothing. While this thread blocks
/// SIGCHLD, the kernel wakes another thread of ours at each end of a child, only to drop it.
pub(super) const UNHEEDED: [c_int; 1] = [libc::SIGCHLD];

/// What a word says of its place: the kernel has stored that nobody is there.
const FREE: u32 = 0;
/// The child has our descriptors.
const BORN: u32 = 1;

static WORDS: [AtomicU32; PLACES] = [const { AtomicU32::new(FREE) }; PLACES];
/// Places whose descriptors were not given back.
static LENT: AtomicUsize = AtomicUsize::new(0);
static NURSERY: Mutex<State> = Mutex::new(State::Unmade);

enum State {
    Unmade,
    Made(Nursery),
    /// This machine has none.
    Impossible,
}

struct Nursery {
    places: Vec<Place>,
    /// What stands at their numbers while nobody needs them.
    stopgap: OwnedFd,
    /// All of their numbers are lower.
    first: c_int,
    /// Signals that are ignored, as children must not inherit.
    ignored: Arc<[c_int]>,
}

struct Place {
    /// The highest address of the stack.
    top: NonNull<u8>,
    /// Where the ends of a child wait for it, but for that of its gate.
    ends: [OwnedFd; 3],
    lent: bool,
    gate: Pipe,
    /// Which birth it was.
    birth: u64,
    /// It was waited for in vain: exec hangs.
    is_stuck: bool,
    /// What the child may still read.
    prepared: Option<Box<Prepared>>,
}

/// The gate of a place.
struct Pipe {
    theirs: OwnedFd,
    /// The gate of a child holds it until it is opened or given up.
    ours: Arc<OwnedFd>,
}

// SAFETY: the stack belongs to the place alone, and what is prepared is read only.
unsafe impl Send for Nursery {}

/// A child that waits at its gate.
pub(super) struct Born {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) in_cgroup: bool,
    pub(super) gate: Gate,
}

/// Bears a child; `Err`: it is to be forked.
pub(super) fn bear(
    plan: Box<SpawnPlan>,
    cgroup: Option<c_int>,
    ends: &TheirEnds,
    teller: Teller,
) -> Result<Born, Box<SpawnPlan>> {
    if plan.apart {
        return Err(plan);
    }
    let mut state = state();
    state.be_made();
    let State::Made(nursery) = &mut *state else { return Err(plan) };
    let born = nursery.bear(plan, cgroup, ends, teller);
    if born.as_ref().is_err_and(|(_, error)| is_lasting(error)) {
        *state = State::Impossible;
    }
    born.map_err(|(plan, _)| plan)
}

/// Takes what births need, as the first birth would: its numbers should be low, since a child copies all that are lower. To be
/// called before many descriptors come from elsewhere.
pub fn prepare() {
    state().be_made();
}

/// Takes back what children need no more of ours; whether some still do.
pub fn tidy() -> bool {
    if LENT.load(Ordering::Relaxed) == 0 {
        return false;
    }
    if let State::Made(nursery) = &mut *state() {
        nursery.tidy();
    }
    LENT.load(Ordering::Relaxed) > 0
}

fn state() -> MutexGuard<'static, State> {
    NURSERY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the kernel has said that nobody is there.
fn is_free_in_time(word: &AtomicU32) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = word.load(Ordering::Acquire);
        let left = end.saturating_duration_since(Instant::now());
        if seen == FREE || left.is_zero() {
            return seen == FREE;
        }
        let Ok(left) = futex::Timespec::try_from(left) else { return false };
        // Not a private one, since it is the kernel that wakes us.
        let _ = futex::wait(word, futex::Flags::empty(), seen, Some(&left));
    }
}

/// An old kernel, or somebody who forbids such calls.
fn is_lasting(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::EPERM))
}

impl State {
    fn be_made(&mut self) {
        if matches!(self, Self::Unmade) && cfg!(target_arch = "x86_64") {
            *self = Nursery::make().map_or(Self::Impossible, Self::Made);
        }
    }
}

impl Nursery {
    fn make() -> io::Result<Self> {
        if users_may_look() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let stopgap = OwnedFd::from(std::fs::File::open("/dev/null")?);
        let stopgap = duplicate_from(stopgap.as_raw_fd(), 10)?;
        let end = || duplicate_from(stopgap.as_raw_fd(), 10);
        let report = report::number()?;
        let mut places = Vec::with_capacity(PLACES);
        let mut gates = Vec::with_capacity(PLACES);
        for _ in 0..PLACES {
            let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
            let theirs = duplicate_from(theirs.as_raw_fd(), 10)?;
            places.push((stack()?, [end()?, end()?, end()?], theirs));
            gates.push(ours);
        }
        let numbers =
            places.iter().flat_map(|(_, ends, gate)| ends.iter().chain([gate])).map(AsRawFd::as_raw_fd);
        let first = numbers.chain([report]).max().unwrap_or(0) + 1;
        let place = |((top, ends, theirs), ours): ((_, _, OwnedFd), OwnedFd)| {
            // No child has it: else a child would hold its own gate open.
            let ours = Arc::new(duplicate_from(ours.as_raw_fd(), first)?);
            Ok(Place {
                top,
                ends,
                lent: false,
                gate: Pipe { theirs, ours },
                birth: 0,
                is_stuck: false,
                prepared: None,
            })
        };
        let places = places.into_iter().zip(gates).map(place).collect::<io::Result<_>>()?;
        Ok(Self { places, stopgap, first, ignored: ignored() })
    }

    fn tidy(&mut self) {
        for (place, word) in self.places.iter_mut().zip(&WORDS) {
            let word = word.load(Ordering::Acquire);
            if place.lent && word != BORN {
                place.take_back(&self.stopgap);
            }
            if word == FREE {
                place.prepared = None;
            }
        }
    }

    /// A place with nobody there; waits a little for one if there is none, but for nobody twice.
    fn free_place(&mut self) -> Option<usize> {
        self.look_for_place().or_else(|| {
            let places = self.places.iter_mut().zip(&WORDS);
            let awaited = places.filter(|(place, _)| place.is_gate_settled() && !place.is_stuck);
            let (oldest, word) = awaited.min_by_key(|(place, _)| place.birth)?;
            oldest.is_stuck = !is_free_in_time(word);
            self.look_for_place()
        })
    }

    fn look_for_place(&self) -> Option<usize> {
        let mut places = self.places.iter().zip(&WORDS);
        places.position(|(place, word)| word.load(Ordering::Acquire) == FREE && place.is_gate_settled())
    }

    fn bear(
        &mut self,
        plan: Box<SpawnPlan>,
        cgroup: Option<c_int>,
        ends: &TheirEnds,
        teller: Teller,
    ) -> Result<Born, (Box<SpawnPlan>, io::Error)> {
        let Some(index) = self.free_place() else { return Err((plan, io::ErrorKind::WouldBlock.into())) };
        let (place, word) = (&mut self.places[index], &WORDS[index]);
        if let Err(error) = place.lend(ends) {
            place.take_back(&self.stopgap);
            return Err((plan, error));
        }
        (place.birth, place.is_stuck) = (teller.birth, false);
        let [stdin, stdout, stderr] = place.ends.each_ref().map(AsRawFd::as_raw_fd);
        let numbers = [stdin, stdout, stderr, place.gate.theirs.as_raw_fd()];
        let ends = Ends { numbers, piped: ends.piped, teller };
        let shared = Shared { first: self.first, word };
        let prepared = Box::new(Prepared::new(plan, ends, Some(shared), Arc::clone(&self.ignored)));
        word.store(BORN, Ordering::Release);
        let born = child::with_signals_blocked(&UNHEEDED, || {
            let there = cgroup.map(|cgroup| clone(&prepared, place.top, word, Some(cgroup)));
            match there {
                Some(Ok(born)) => Ok((born, true)),
                // A kernel before 5.7, or a cgroup that takes nobody: it may be moved there later.
                _ => clone(&prepared, place.top, word, None).map(|born| (born, false)),
            }
        });
        match born {
            Ok(((pid, pidfd), in_cgroup)) => {
                place.prepared = Some(prepared);
                Ok(Born { pid, pidfd, in_cgroup, gate: Gate::new(Arc::clone(&place.gate.ours)) })
            }
            Err(error) => {
                word.store(FREE, Ordering::Release);
                place.take_back(&self.stopgap);
                Err((prepared.into_plan(), error))
            }
        }
    }
}

impl Place {
    /// Whoever was here last has been let through, or never will be.
    fn is_gate_settled(&self) -> bool {
        Arc::strong_count(&self.gate.ours) == 1
    }

    /// Puts the ends of a child where it finds them.
    fn lend(&mut self, ends: &TheirEnds) -> io::Result<()> {
        if !std::mem::replace(&mut self.lent, true) {
            LENT.fetch_add(1, Ordering::Relaxed);
        }
        self.gate.empty()?;
        let stderr = ends.stderr.as_ref().unwrap_or(&ends.stdout);
        let theirs = [&ends.stdin, &ends.stdout, stderr];
        self.ends.iter_mut().zip(theirs).try_for_each(|(number, end)| put(end, number))
    }

    fn take_back(&mut self, stopgap: &OwnedFd) {
        for number in &mut self.ends {
            // Fails for no reason that we could do something about; the number stays taken.
            let _ = put(stopgap, number);
        }
        self.lent = false;
        LENT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipe {
    /// Takes out what a child has not read, because it ended before: the next would be let through by that.
    fn empty(&self) -> io::Result<()> {
        if ioctl_fionread(&self.theirs)? > 0 {
            rustix::io::read(&self.theirs, &mut [0; 16])?;
        }
        Ok(())
    }
}

fn put(fd: &OwnedFd, number: &mut OwnedFd) -> io::Result<()> {
    Ok(rustix::io::dup3(fd.as_fd(), number, DupFlags::CLOEXEC)?)
}

/// Whoever has become a user could be traced by that user, with our memory.
fn users_may_look() -> bool {
    std::fs::read_to_string("/proc/sys/fs/suid_dumpable").is_ok_and(|setting| setting.trim() == "1")
}

/// A stack, whose lowest page nobody may touch; for as long as we live. Its highest address.
fn stack() -> io::Result<NonNull<u8>> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at a place that the kernel chooses.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), STACK, access, kind | libc::MAP_STACK, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the lowest page of a mapping that is ours alone.
    if unsafe { libc::mprotect(start, 4096, libc::PROT_NONE) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: one past the end of the mapping.
    let top = unsafe { start.cast::<u8>().add(STACK) };
    NonNull::new(top).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// The signals that we ignore: some whoever started us, others Rust.
fn ignored() -> Arc<[c_int]> {
    let is_ignored = |number: &c_int| {
        // SAFETY: an all-zero sigaction is a valid one.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: asks only, and fills in `action`.
        let asked = unsafe { libc::sigaction(*number, std::ptr::null(), &raw mut action) };
        asked == 0 && action.sa_sigaction == libc::SIG_IGN
    };
    (1..=64).filter(is_ignored).collect()
}

/// Bears a child that shares our memory and our table of descriptors: its number and its pidfd.
fn clone(
    prepared: &Prepared,
    top: NonNull<u8>,
    word: &'static AtomicU32,
    cgroup: Option<c_int>,
) -> io::Result<(i32, OwnedFd)> {
    // libc's own constants do not all fit the type that it has.
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD | libc::CLONE_CHILD_CLEARTID;
    let mut pidfd: c_int = -1;
    // SAFETY: an all-zero clone_args is a valid one.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.unsigned_abs()) | CLONE_CLEAR_SIGHAND;
    args.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    args.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    args.child_tid = word.as_ptr().expose_provenance() as u64;
    args.stack = (top.as_ptr().expose_provenance() - STACK) as u64;
    args.stack_size = STACK as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= super::CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.unsigned_abs());
    }
    // SAFETY: the arguments live through the call. The child has the stack alone, since its place was free, and `prepared` and
    // the word for as long as it shares our memory: the place keeps them until the kernel has stored FREE.
    let pid = unsafe { clone_to(&args, prepared) }.map_err(io::Error::from_raw_os_error)?;
    // SAFETY: the kernel has just made `pidfd` for us alone.
    Ok((i32::try_from(pid).unwrap_or(-1), unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// clone3(2), where the child goes to [`begin`].
///
/// # Safety
/// The arguments have a stack that is the child's alone, and `prepared` lives for as long as the child shares our memory.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_to(args: &libc::clone_args, prepared: &Prepared) -> super::calls::Outcome {
    let result: i64;
    // SAFETY: the kernel changes rax, rcx and r11. In the child it has set the stack, which is empty, and left the other registers
    // as they were: the child calls `begin`, which does not return, and never comes to what follows here.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") prepared,
            in("r13") begin as extern "C" fn(&Prepared) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    super::calls::outcome(result)
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn clone_to(_: &libc::clone_args, _: &Prepared) -> super::calls::Outcome {
    Err(libc::ENOSYS)
}

#[cfg(target_arch = "x86_64")]
extern "C" fn begin(prepared: &Prepared) -> ! {
    child::run(prepared)
}
