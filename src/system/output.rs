//! Where logs are written to. What is no regular file is never waited for: whoever does not read his pipe or lets his
//! terminal stand must not stop the programs.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::fds;

/// What a pipe takes without waiting, once it can be written at all (`PIPE_BUF`).
const MORSEL: usize = 4096;

/// An open file, pipe, terminal or socket.
#[derive(Debug)]
pub struct Output {
    file: File,
    /// It may wait, and has to be asked each time.
    waits: bool,
}

/// A write that took less than it was given.
#[derive(Debug)]
pub struct Short {
    /// Bytes that were taken.
    pub written: usize,
    /// Why no more.
    pub error: io::Error,
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Output {
    /// One that is open already. What waits is asked each time, as what never waits may be as well.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn resume(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        let waits = !file.metadata()?.is_file();
        Ok(Self { file, waits })
    }

    /// Opens for appending; a file that was not there gets `mode`, if there is one. `/dev/stdout`, `/dev/stderr` and
    /// `/dev/fd/N` are our own descriptors.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        if let Some(number) = fds::own_descriptor(path) {
            return Self::own(number);
        }
        let mut options = OpenOptions::new();
        options.append(true);
        if let Ok(found) = std::fs::metadata(path)
            && !found.is_file()
        {
            // Neither opening nor writing may wait for a reader.
            options.read(found.file_type().is_fifo()).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        }
        let mut file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).open(path)?;
                if let Some(mode) = mode {
                    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
                }
                file
            }
            opened => opened?,
        };
        if file.metadata()?.is_file() {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(Self { file, waits: false })
    }

    /// Our own descriptor of that number.
    fn own(number: i32) -> io::Result<Self> {
        let file = File::from(fds::duplicate(number)?);
        let kind = file.metadata()?.file_type();
        if kind.is_file() {
            return Ok(Self { file, waits: false });
        }
        // A descriptor of its own does not wait, and leaves everybody else's as it is; sockets cannot be opened again.
        let again = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(format!("/proc/self/fd/{number}"));
        Ok(match again {
            Ok(file) => Self { file, waits: false },
            Err(_) => Self { file, waits: true },
        })
    }

    /// What it is.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Empties it.
    ///
    /// # Errors
    /// Those of ftruncate(2).
    pub fn truncate(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Writes everything, or as much as it takes.
    ///
    /// # Errors
    /// Those of write(2); `EAGAIN` where it would have to wait.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Short> {
        let mut written = 0;
        while written < bytes.len() {
            match self.write_some(&bytes[written..]) {
                Ok(0) => return Err(Short { written, error: io::ErrorKind::WriteZero.into() }),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Short { written, error }),
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.waits {
            return self.file.write(bytes);
        }
        let mut asked = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::OUT)];
        if poll(&mut asked, Some(&Timespec::default()))? == 0 {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        self.file.write(&bytes[..bytes.len().min(MORSEL)])
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn own(fd: &impl std::os::fd::AsRawFd) -> Output {
        Output::open(Path::new(&format!("/dev/fd/{}", fd.as_raw_fd())), None).unwrap()
    }

    fn fill(output: &mut Output) -> usize {
        let short = output.write(&[b'x'; 4 << 20]).unwrap_err();
        assert_eq!(short.error.raw_os_error(), Some(libc::EAGAIN));
        short.written
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for_and_stays_as_it_was() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut output = own(&write);
        let taken = fill(&mut output);
        assert!(taken >= MORSEL, "{taken}");
        assert!(!rustix::fs::fcntl_getfl(&write).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
        let mut all = vec![0; taken];
        let mut read = File::from(read);
        read.read_exact(&mut all).unwrap();
        assert!(output.write(b"again").is_ok());
    }

    #[test]
    fn a_socket_that_nobody_reads_is_not_waited_for() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut output = own(&ours);
        let taken = fill(&mut output);
        let mut all = vec![0; taken];
        theirs.read_exact(&mut all).unwrap();
        assert!(output.write(b"again").is_ok());
        assert!(ours.as_raw_fd() > 2);
    }

    #[test]
    fn a_full_device_says_so() {
        let short = Output::open(Path::new("/dev/full"), None).unwrap().write(b"abc").unwrap_err();
        assert_eq!((short.written, short.error.raw_os_error()), (0, Some(libc::ENOSPC)));
    }
}
