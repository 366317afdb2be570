//! What happens to open files.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// An inotify in a loop of tokio.
#[derive(Debug)]
pub struct Inotify(AsyncFd<OwnedFd>);

/// The kernel's number for a watched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchId(i32);

/// Where something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// To this file.
    Of(WatchId),
    /// Nobody knows to which: there was more than could be kept.
    Lost,
}

impl Inotify {
    /// A new one, within a loop.
    ///
    /// # Errors
    /// `EMFILE`: a user has only few of them.
    #[allow(unsafe_code)]
    pub fn in_reactor() -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // SAFETY: an `OwnedFd` is the same open descriptor from its making to its drop.
        unsafe { AsyncFd::register(fd) }.map(Self).map_err(io::Error::from)
    }

    /// Watches an open file for writes, for a change of its name and for the loss of one. Two watches of a file are one.
    ///
    /// # Errors
    /// `ENOSPC`: a user has only so many.
    pub fn watch(&self, file: &impl AsRawFd) -> io::Result<WatchId> {
        // The file itself, whatever has its name by now.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF;
        Ok(inotify::add_watch(&self.0, path, flags).map(WatchId)?)
    }

    /// Watches a file no longer.
    pub fn unwatch(&self, watch: WatchId) {
        // The kernel may have forgotten it already, with the file.
        let _ = inotify::remove_watch(&self.0, watch.0);
    }

    /// Waits for news.
    ///
    /// # Errors
    /// Those of read(2).
    pub async fn news(&self) -> io::Result<Vec<News>> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        loop {
            let mut ready = self.0.readable().await?;
            let mut reader = Reader::new(&self.0, &mut buffer);
            let mut news = Vec::new();
            loop {
                match reader.next() {
                    Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => news.push(News::Lost),
                    Ok(event) => news.push(News::Of(WatchId(event.wd()))),
                    Err(Errno::AGAIN) => {
                        ready.clear_ready();
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
                if reader.is_buffer_empty() {
                    return Ok(news);
                }
            }
        }
    }
}
