//! Ctrl-C as something to wait for, beside the descriptors that somebody waits for anyway.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Holds SIGINT back, so that it ends nothing and can be waited for, until it is dropped.
#[derive(Debug)]
pub struct Interrupts {
    signals: SignalFd,
    held: SigSet,
    mask: SigSet,
    action: SigAction,
}

impl Interrupts {
    /// Starts to watch. There is one mask for each thread: only threads that are started later are watched too.
    /// Whoever started us with SIGINT ignored, as a shell starts what runs in the background, does not want it heeded.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn watch() -> io::Result<Self> {
        let mut interrupt = SigSet::empty();
        interrupt.add(Signal::SIGINT);
        let signals = SignalFd::with_flags(&interrupt, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let action =
            set_action(&SigAction::new(SigHandler::Handler(pass), SaFlags::empty(), SigSet::empty()))?;
        let ignored = matches!(action.handler(), SigHandler::SigIgn);
        if ignored {
            set_action(&action)?;
        }
        // What is held back is kept even where it is ignored.
        let held = if ignored { SigSet::empty() } else { interrupt };
        let mask = held.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { signals, held, mask, action })
    }

    /// Whether it came since this was last asked.
    #[must_use]
    pub fn take(&self) -> bool {
        // Several that come at once are one.
        matches!(self.signals.read_signal(), Ok(Some(_)))
    }

    /// Lets go while something runs that handles SIGINT itself. Where it does not yet, or no more, nothing comes of it.
    pub fn released<T>(&self, run: impl FnOnce() -> T) -> T {
        let _ = self.mask.thread_set_mask();
        let result = run();
        let _ = self.held.thread_block();
        result
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // What came and was not asked for ends nobody afterwards.
        let _ = self.take();
        let _ = set_action(&self.action);
        let _ = self.mask.thread_set_mask();
    }
}

extern "C" fn pass(_: libc::c_int) {}

#[allow(unsafe_code)]
fn set_action(action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the handler is `pass`, which does nothing, or one that was there before.
    unsafe { sigaction(Signal::SIGINT, action) }
}

/// Has SIGINT heeded, although whoever started the tests ignores it, as a shell does for what runs in the background.
#[cfg(test)]
pub fn heed_in_tests() {
    set_action(&SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty()))
        .expect("SIGINT is a signal whose action may be set");
}

/// What a wait brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    /// For each descriptor, whether it can be read, or was closed by the other side.
    Ready(Vec<bool>),
    /// Ctrl-C.
    Interrupted,
    /// Nothing came in time.
    Late,
}

/// Waits until a descriptor can be read, or Ctrl-C comes, or the patience is over (`None` is never).
///
/// # Errors
/// `ENOMEM`.
pub fn wait(
    descriptors: &[BorrowedFd<'_>],
    interrupts: Option<&Interrupts>,
    patience: Option<Duration>,
) -> io::Result<Woken> {
    let deadline = patience.map(|patience| Instant::now() + patience);
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN)).collect();
    if let Some(interrupts) = interrupts {
        polled.push(PollFd::new(interrupts.signals.as_fd(), PollFlags::POLLIN));
    }
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(PollTimeout::NONE, timeout);
        match poll(&mut polled, timeout) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(Woken::Late),
            Ok(0) => {}
            Ok(_) if interrupts.is_some_and(Interrupts::take) => return Ok(Woken::Interrupted),
            Ok(_) => {
                let ready = |polled: &PollFd<'_>| polled.any().unwrap_or(true);
                return Ok(Woken::Ready(polled[..descriptors.len()].iter().map(ready).collect()));
            }
        }
    }
}

/// Whole milliseconds, rounded up so that nobody wakes too early, at most what poll can be told.
fn timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn a_wait_is_ended_by_what_comes() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (_quiet, silent) = UnixStream::pair().unwrap();
        let both = [silent.as_fd(), far.as_fd()];
        assert_eq!(wait(&both, None, Some(Duration::ZERO)).unwrap(), Woken::Late);
        assert_eq!(wait(&both, None, Some(Duration::from_millis(1))).unwrap(), Woken::Late);
        near.write_all(b"x").unwrap();
        assert_eq!(wait(&both, None, None).unwrap(), Woken::Ready(vec![false, true]));
        drop(near);
        assert_eq!(wait(&[far.as_fd()], None, None).unwrap(), Woken::Ready(vec![true]));
    }

    #[test]
    fn ctrl_c_ends_a_wait_and_nothing_else() {
        heed_in_tests();
        let (_near, far) = UnixStream::pair().unwrap();
        let interrupts = Interrupts::watch().unwrap();
        // To this thread, as the tests have many.
        raise(Signal::SIGINT).unwrap();
        assert_eq!(wait(&[far.as_fd()], Some(&interrupts), None).unwrap(), Woken::Interrupted);
        assert_eq!(wait(&[far.as_fd()], Some(&interrupts), Some(Duration::ZERO)).unwrap(), Woken::Late);
        raise(Signal::SIGINT).unwrap();
        drop(interrupts);
    }
}
