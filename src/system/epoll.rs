//! Waiting for many descriptors at once.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use tokio::io::unix::AsyncFd;

/// What to wait for, and what has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// Something can be read, or the other side has closed.
    pub readable: bool,
    /// Something can be written, or the other side has closed.
    pub writable: bool,
    /// Something exceptional, which is told as readable.
    pub priority: bool,
    /// It is told once, and again only after [`Epoll::modify`].
    pub once: bool,
}

impl Interest {
    /// Only that the other side has closed, which is always told.
    pub const END: Self = Self { readable: false, writable: false, priority: false, once: false };
    /// Reading only.
    pub const READ: Self = Self { readable: true, ..Self::END };
    /// Writing only.
    pub const WRITE: Self = Self { writable: true, ..Self::END };
    /// What is exceptional only.
    pub const PRIORITY: Self = Self { priority: true, ..Self::END };
    /// Reading only, once.
    pub const READ_ONCE: Self = Self { once: true, ..Self::READ };
    /// Only that the other side has closed, once.
    pub const END_ONCE: Self = Self { once: true, ..Self::END };

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, self.readable);
        flags.set(epoll::EventFlags::OUT, self.writable);
        flags.set(epoll::EventFlags::PRI, self.priority);
        flags.set(epoll::EventFlags::ONESHOT, self.once);
        flags
    }
}

/// A set of descriptors, level-triggered; itself readable when one of them is ready.
pub struct Epoll {
    fd: OwnedFd,
    ready: Vec<(u64, Interest)>,
}

/// How many events one wait can bring.
const BATCH: usize = 256;

impl Epoll {
    /// An empty set that a tokio task can wait for: one descriptor in its reactor, however many children there are.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`, `ENOSPC`.
    #[allow(unsafe_code)]
    pub fn in_reactor() -> io::Result<AsyncFd<Self>> {
        // SAFETY: `as_raw_fd` gives the descriptor that the set owns from its making to its drop, always the same.
        unsafe { AsyncFd::register(Self::new()?) }.map_err(io::Error::from)
    }

    /// An empty set.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: epoll::create(epoll::CreateFlags::CLOEXEC)?, ready: Vec::with_capacity(BATCH) })
    }

    /// The same set, for whoever adds to it elsewhere.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn share(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, ready: Vec::new() })
    }

    /// Adds a descriptor; its events carry `token`.
    ///
    /// # Errors
    /// `EEXIST`, or `EPERM` for a regular file.
    pub fn add(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.fd, fd, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Changes what is waited for.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn modify(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.fd, fd, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Takes a descriptor out of the set.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn remove(&self, fd: &impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.fd, fd)?)
    }

    /// Waits until something is ready (`None`: for ever; zero: not at all), and tells the tokens.
    ///
    /// # Errors
    /// Those of epoll_wait(2); an interrupted wait is an empty answer.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<&[(u64, Interest)]> {
        self.wait_for(BATCH, timeout)
    }

    /// The same, for so many of them at most: what is not told now is told by the next wait.
    ///
    /// # Errors
    /// Those of [`Self::wait`].
    pub fn wait_for(&mut self, most: usize, timeout: Option<Duration>) -> io::Result<&[(u64, Interest)]> {
        let timeout = timeout.map(|t| Timespec {
            tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        self.ready.clear();
        let mut space = [const { MaybeUninit::<epoll::Event>::uninit() }; BATCH];
        let space = &mut space[..most.clamp(1, BATCH)];
        let events = match epoll::wait(&self.fd, space, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(&[]),
            Err(error) => return Err(error.into()),
        };
        let closed = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        self.ready.extend(events.iter().map(|event| {
            let (flags, data) = (event.flags, event.data);
            let readable = flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::PRI | closed);
            let writable = flags.intersects(epoll::EventFlags::OUT | closed);
            (data.u64(), Interest { readable, writable, ..Interest::END })
        }));
        Ok(&self.ready)
    }

    /// Waits until something is ready, which is not told, for a time that may be shorter than a millisecond; `false`: nothing is.
    #[must_use]
    pub fn is_ready_within(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).ok();
        let mut asked = [PollFd::new(&self.fd, PollFlags::IN)];
        matches!(poll(&mut asked, timeout.as_ref()), Ok(1))
    }
}

impl std::fmt::Debug for Epoll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Epoll").field(&self.fd).finish()
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn what_is_told_once_is_told_by_the_wait_that_has_room_for_it() {
        let mut poll = Epoll::new().unwrap();
        let pipes: Vec<_> = (0..5).map(|_| pipe_with(PipeFlags::CLOEXEC).unwrap()).collect();
        for (token, (read, write)) in (0..).zip(&pipes) {
            poll.add(read, token, Interest::READ_ONCE).unwrap();
            rustix::io::write(write, b"x").unwrap();
        }
        let mut told = Vec::new();
        for expected in [2, 2, 1, 0] {
            let ready = poll.wait_for(2, Some(Duration::ZERO)).unwrap();
            assert_eq!(ready.len(), expected);
            told.extend(ready.iter().map(|(token, _)| *token));
        }
        told.sort_unstable();
        assert_eq!(told, [0, 1, 2, 3, 4]);
        poll.modify(&pipes[3].0, 3, Interest::READ_ONCE).unwrap();
        assert_eq!(poll.wait(Some(Duration::ZERO)).unwrap(), [(3, Interest::READ)]);
    }
}
