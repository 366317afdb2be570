//! A file in memory: it outlives us where somebody else holds it too.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};
use rustix::fs::{SealFlags, fcntl_add_seals, fstat};

/// A file in memory, read and written at places.
#[derive(Debug)]
pub struct MemFd(OwnedFd);

impl MemFd {
    /// One with so many bytes, all of them zero, that are there to be touched, and that nobody can take away.
    ///
    /// # Errors
    /// `ENOMEM`, `ENOSPC`, `EMFILE`.
    pub fn create(name: &std::ffi::CStr, bytes: u64) -> io::Result<Self> {
        let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        fallocate(&fd, FallocateFlags::empty(), 0, i64::try_from(bytes).unwrap_or(i64::MAX))?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self(fd))
    }

    /// One that somebody has kept.
    #[must_use]
    pub fn of(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Bytes up to its end.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(fstat(&self.0)?.st_size).unwrap_or(0))
    }

    /// Writes all of it there.
    ///
    /// # Errors
    /// `ENOMEM`, `ENOSPC`: nothing or a part of it was written.
    pub fn write_at(&self, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = match rustix::io::pwrite(&self.0, bytes, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            bytes = &bytes[count..];
            at += count as u64;
        }
        Ok(())
    }

    /// What is from there on: at most so many bytes, fewer at the end.
    ///
    /// # Errors
    /// Those of pread(2).
    pub fn read_at(&self, at: u64, limit: usize) -> io::Result<Vec<u8>> {
        let available = usize::try_from(self.length()?.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; available.min(limit)];
        let mut filled = 0;
        while filled < bytes.len() {
            match rustix::io::pread(&self.0, &mut bytes[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Gives the memory of a part back; it is zero from then on.
    pub fn punch(&self, from: u64, to: u64) {
        let (Ok(from), Ok(length)) = (i64::try_from(from), i64::try_from(to.saturating_sub(from))) else {
            return;
        };
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        // Where that is not possible it costs memory.
        let _ = fallocate(&self.0, flags, from, length);
    }
}

impl AsFd for MemFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_until_it_is_given_back() {
        let memory = MemFd::create(c"test", 100).unwrap();
        assert_eq!(memory.read_at(0, 200).unwrap(), [0; 100]);
        memory.write_at(b"hello", 10_000).unwrap();
        assert_eq!(memory.length().unwrap(), 10_005);
        assert_eq!(memory.read_at(10_000, 100).unwrap(), b"hello");
        assert_eq!(memory.read_at(10_003, 1).unwrap(), b"l");
        assert!(memory.read_at(20_000, 1).unwrap().is_empty());
        memory.punch(8192, 12_288);
        assert_eq!(memory.read_at(10_000, 5).unwrap(), [0; 5]);
        assert!(nix::unistd::ftruncate(&memory, 0).is_err(), "it does not shrink");
    }
}
