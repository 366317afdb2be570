//! Words of a file in memory, as they are in this process: to store one is no system call, and it outlives us where the file
//! does. What is stored is there for the next one in the order in which it was stored, whatever ends this process: a death comes
//! between two instructions, and the memory is the kernel's. (Losing the machine loses it.)
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};

/// The beginning of a file in memory that nobody can take away below it.
#[derive(Debug)]
pub struct Mapping {
    pub(super) start: NonNull<u8>,
    pub(super) size: usize,
}

// SAFETY: the mapping belongs to this value alone, and to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// So many bytes of it.
    ///
    /// # Errors
    /// `InvalidData` when it has fewer, or may come to have fewer; those of mmap(2).
    pub fn of(file: &impl AsFd, size: usize) -> io::Result<Self> {
        let fd = file.as_fd();
        let stays = fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
        let has = usize::try_from(fstat(fd)?.st_size).unwrap_or(0);
        if !stays || has < size {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no memory of that size"));
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, where the kernel chooses, of a descriptor that is open.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), size, access, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, size })
    }

    /// Its word of that number.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn word(&self, number: usize) -> &AtomicU64 {
        assert!(number < self.size / size_of::<u64>(), "no word {number}");
        // SAFETY: within the mapping, which lives as long as `self`, is aligned (a page is) and does not shrink (sealed);
        // words are never lent as anything but atomics.
        unsafe { self.start.cast::<AtomicU64>().add(number).as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `of` for this value, and nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::system::memfd::MemFd;

    #[test]
    fn what_is_stored_is_in_the_file_when_it_is_mapped_no_more() {
        let memory = MemFd::create(c"test", 4096).unwrap();
        let mapping = Mapping::of(&memory, 4096).unwrap();
        memory.write_at(&7_u64.to_le_bytes(), 24).unwrap();
        assert_eq!(mapping.word(3).load(Ordering::SeqCst), 7);
        mapping.word(511).store(9, Ordering::SeqCst);
        drop(mapping);
        assert_eq!(memory.read_at(511 * 8, 8).unwrap(), 9_u64.to_ne_bytes());
    }

    #[test]
    fn what_may_shrink_is_not_mapped() {
        let small = MemFd::create(c"test", 4095).unwrap();
        assert_eq!(Mapping::of(&small, 4096).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let unsealed = MemFd::of(crate::system::reexec::in_memory(&[0; 4096]).unwrap());
        assert_eq!(Mapping::of(&unsealed, 4096).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    #[should_panic(expected = "no word 512")]
    fn nothing_is_stored_behind_the_end() {
        let memory = MemFd::create(c"test", 4096).unwrap();
        Mapping::of(&memory, 4096).unwrap().word(512).store(1, Ordering::SeqCst);
    }
}
