//! Memory that outlives a process: a file without a name, mapped, which somebody keeps for whoever comes next. What is stored
//! here is there for the next one in the order in which it was stored (`system::mapping`).
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals};

use super::mapping::Mapping;

/// The words at its beginning; what follows them are bytes.
pub const WORDS: usize = 1024;
/// Where the bytes begin.
pub const BYTES: usize = WORDS * size_of::<u64>();

/// Nobody can take it away below a mapping.
const SIZE_STAYS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// The memory, as long as this lives; the file stays as long as anybody has its descriptor.
#[derive(Debug)]
pub struct Shared {
    fd: OwnedFd,
    mapping: Mapping,
}

impl Shared {
    /// New memory, all of it zero, with so many bytes behind its words.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`, `ENOSPC`.
    pub fn create(name: &CStr, bytes: usize) -> io::Result<Self> {
        let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let size = length(BYTES + bytes);
        let file = File::from(fd);
        file.set_len(size)?;
        // Its pages are there from now on: touching them cannot fail.
        fallocate(&file, FallocateFlags::empty(), 0, size)?;
        fcntl_add_seals(&file, SIZE_STAYS | SealFlags::SEAL)?;
        Self::open(file.into(), bytes)
    }

    /// The memory that another process has made.
    ///
    /// # Errors
    /// `InvalidData` when it is not such memory, or has another size; those of mmap(2).
    pub fn open(fd: OwnedFd, bytes: usize) -> io::Result<Self> {
        let size = BYTES + bytes;
        let sealed = fcntl_get_seals(&fd).is_ok_and(|seals| seals.contains(SIZE_STAYS));
        let file = File::from(fd);
        if !sealed || file.metadata()?.len() != length(size) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no memory of that size"));
        }
        let fd = OwnedFd::from(file);
        let mapping = Mapping::of(&fd, size)?;
        Ok(Self { fd, mapping })
    }

    /// Its word of that number.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn word(&self, number: usize) -> &AtomicU64 {
        assert!(number < WORDS, "no word {number}");
        self.mapping.word(number)
    }

    /// Some of its bytes.
    ///
    /// # Panics
    /// When there are not as many.
    #[must_use]
    pub fn bytes(&self, at: usize, length: usize) -> &[u8] {
        self.within(at, length);
        // SAFETY: within the mapping, whose size stays (sealed), and behind the words; bytes change only through `&mut self`, and no other process looks
        // at the file while one has this.
        unsafe { std::slice::from_raw_parts(self.mapping.start.as_ptr().add(BYTES + at), length) }
    }

    /// Puts some bytes there.
    ///
    /// # Panics
    /// When there are not as many.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        self.within(at, bytes.len());
        // SAFETY: as in `bytes`, and borrowed mutably.
        let place = unsafe {
            std::slice::from_raw_parts_mut(self.mapping.start.as_ptr().add(BYTES + at), bytes.len())
        };
        place.copy_from_slice(bytes);
    }

    /// Moves from a pipe what it has, without waiting: to the place that the word says, `length` bytes at most; the word
    /// then says where that has ended. The kernel stores it before a signal can end us, so that what was taken from the
    /// pipe and what the word says are never apart.
    ///
    /// # Errors
    /// Those of splice(2): `EAGAIN` where there is nothing, `EINVAL` where it is no pipe.
    ///
    /// # Panics
    /// When there is no such word, or not as many bytes.
    pub fn fill(&mut self, pipe: &impl AsFd, word: usize, length: usize) -> io::Result<usize> {
        let end = self.word(word);
        let at = usize::try_from(end.load(Ordering::SeqCst)).unwrap_or(usize::MAX);
        self.within(at.saturating_sub(BYTES), length);
        assert!(at >= BYTES, "words are no place for bytes");
        let (from, to) = (pipe.as_fd().as_raw_fd(), self.fd.as_raw_fd());
        let end = end.as_ptr().cast::<libc::loff_t>();
        // SAFETY: two descriptors that are open, and a pointer to a word of ours that is as long as the kernel wants; what the
        // kernel writes into the file is within the bytes (asserted above), which are borrowed mutably.
        let count =
            unsafe { libc::splice(from, std::ptr::null_mut(), to, end, length, libc::SPLICE_F_NONBLOCK) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    fn within(&self, at: usize, length: usize) {
        let end = at.checked_add(length).and_then(|end| end.checked_add(BYTES));
        assert!(end.is_some_and(|end| end <= self.mapping.size), "{length} bytes at {at} are not there");
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn length(size: usize) -> u64 {
    // A size in memory fits into one of a file.
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn what_one_has_stored_the_next_one_finds() {
        let mut first = Shared::create(c"test", 100).unwrap();
        first.word(7).store(5, Ordering::SeqCst);
        first.put(90, b"0123456789");
        let fd = first.as_fd().try_clone_to_owned().unwrap();
        drop(first);
        let second = Shared::open(fd, 100).unwrap();
        assert_eq!(second.word(7).load(Ordering::SeqCst), 5);
        assert_eq!(second.bytes(88, 12), b"\x00\x000123456789");
    }

    #[test]
    fn what_is_no_such_memory_is_refused() {
        let other = Shared::create(c"test", 100).unwrap();
        let fd = || other.as_fd().try_clone_to_owned().unwrap();
        assert_eq!(Shared::open(fd(), 101).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(File::from(fd()).set_len(0).is_err(), "its size stays");
        let unsealed = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
        unsealed.set_len(length(BYTES + 100)).unwrap();
        assert_eq!(Shared::open(unsealed.into(), 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (pipe, _write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        assert_eq!(Shared::open(pipe, 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_was_taken_from_a_pipe_is_there_and_counted() {
        let mut shared = Shared::create(c"test", 10).unwrap();
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut write = File::from(write);
        let end = |shared: &Shared| shared.word(3).load(Ordering::SeqCst) - length(BYTES);
        shared.word(3).store(length(BYTES + 2), Ordering::SeqCst);
        let error = shared.fill(&read, 3, 8).unwrap_err();
        assert_eq!((error.kind(), end(&shared)), (io::ErrorKind::WouldBlock, 2));
        write.write_all(b"abc").unwrap();
        assert_eq!((shared.fill(&read, 3, 8).unwrap(), end(&shared)), (3, 5));
        write.write_all(b"defghijk").unwrap();
        assert_eq!((shared.fill(&read, 3, 5).unwrap(), end(&shared)), (5, 10));
        assert_eq!(shared.bytes(0, 10), b"\0\0abcdefgh");
        drop(write);
        shared.word(3).store(length(BYTES), Ordering::SeqCst);
        assert_eq!(shared.fill(&read, 3, 10).unwrap(), 3, "what is left comes before the end");
        shared.word(3).store(length(BYTES), Ordering::SeqCst);
        assert_eq!(shared.fill(&read, 3, 10).unwrap(), 0);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(shared.fill(&file, 3, 10).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    #[should_panic(expected = "are not there")]
    fn nothing_is_put_behind_the_end() {
        Shared::create(c"test", 10).unwrap().put(1, &[0; 10]);
    }
}
