//! What programs say when they begin, through a FIFO.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use supervisord::system::clock;

/// Waiting longer than this for a program means that something is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: usize = 16;

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn mono() -> u64 {
    clock::now().mono.0
}

/// When a program began, and its pid.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub at: u64,
    pub pid: Pid,
}

#[derive(Debug)]
pub struct Stamps {
    reader: File,
    /// Without it the FIFO's end would come before the first program.
    writer: Option<File>,
    path: PathBuf,
}

impl Stamps {
    pub fn new(directory: &Path) -> Self {
        let path = directory.join("stamps");
        nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        let reader =
            OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path).unwrap();
        let writer = Some(OpenOptions::new().write(true).open(&path).unwrap());
        // Room for those of a storm that is not read for a while.
        nix::fcntl::fcntl(reader.as_fd(), nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
        Self { reader, writer, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn wait(&self, flags: PollFlags, patience: Duration) -> PollFlags {
        let mut fds = [PollFd::new(self.reader.as_fd(), flags)];
        let timeout = PollTimeout::try_from(patience).unwrap();
        poll(&mut fds, timeout).unwrap();
        fds[0].revents().unwrap()
    }

    /// The next one, as soon as it is there.
    pub fn next(&self) -> Stamp {
        let events = self.wait(PollFlags::POLLIN, PATIENCE);
        assert!(events.contains(PollFlags::POLLIN), "no program has begun for {PATIENCE:?}");
        let mut message = [0; SIZE];
        (&self.reader).read_exact(&mut message).unwrap();
        parse(&message)
    }

    /// Those that are there.
    pub fn take(&self) -> Vec<Stamp> {
        let mut buffer = vec![0; 1 << 20];
        match (&self.reader).read(&mut buffer) {
            Ok(size) => buffer[..size].chunks_exact(SIZE).map(parse).collect(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// As many, without being woken for each of them.
    pub fn collect(&self, count: usize) -> Vec<Stamp> {
        let stamps = self.try_collect(count, PATIENCE);
        assert_eq!(stamps.len(), count, "so many programs have begun");
        stamps
    }

    /// The same, or fewer, when no more have come within the patience.
    pub fn try_collect(&self, count: usize, patience: Duration) -> Vec<Stamp> {
        let begun = Instant::now();
        let mut stamps = Vec::new();
        while stamps.len() < count && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(2));
            stamps.extend(self.take());
        }
        stamps.truncate(count);
        stamps
    }

    /// The last of as many first ones.
    pub fn last_of(&self, count: usize) -> u64 {
        last(&self.collect(count))
    }

    /// Waits until no program that has said something is left; says whether that was so.
    pub fn gone(&mut self, patience: Duration) -> bool {
        self.writer = None;
        self.wait(PollFlags::empty(), patience).contains(PollFlags::POLLHUP)
    }
}

fn parse(message: &[u8]) -> Stamp {
    let number = |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().unwrap());
    Stamp { at: number(0), pid: Pid::from_raw(i32::try_from(number(8)).unwrap()) }
}

/// When the last of them began.
pub fn last(stamps: &[Stamp]) -> u64 {
    stamps.iter().map(|stamp| stamp.at).max().unwrap()
}
