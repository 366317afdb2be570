//! Leaving the terminal.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};

/// The parent still waits: it exits 0 once [`Ready::signal`] is called, and with our status if we end before.
#[derive(Debug)]
#[must_use = "the parent waits until this is signalled"]
pub struct Ready(File);

impl Ready {
    /// Leaves stdin, stdout and stderr for `/dev/null`, and lets the parent go.
    ///
    /// # Errors
    /// When `/dev/null` cannot be opened.
    pub fn signal(mut self) -> io::Result<()> {
        stdio_to_null()?;
        // A parent that was killed meanwhile has nobody to tell.
        let _ = self.0.write_all(b"1");
        Ok(())
    }
}

/// Forks, and goes on in the child, in a session of its own. Errors can still be written to the terminal until
/// [`Ready::signal`]. To be called before any thread is started.
///
/// # Errors
/// Those of pipe(2), fork(2) and setsid(2).
pub fn daemonize() -> io::Result<Ready> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: no other thread runs yet (documented above), so the child may do anything that we may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(ours);
            rustix::process::setsid()?;
            Ok(Ready(File::from(theirs)))
        }
        pid => {
            drop(theirs);
            std::process::exit(wait_until_ready(ours, pid))
        }
    }
}

/// Points stdin, stdout and stderr to `/dev/null`.
///
/// # Errors
/// When it cannot be opened.
pub fn stdio_to_null() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}

/// 0 when the child says that it is ready, its exit status when it ends first.
fn wait_until_ready(pipe: OwnedFd, pid: i32) -> i32 {
    let mut byte = [0];
    if File::from(pipe).read(&mut byte).is_ok_and(|n| n == 1) {
        return 0;
    }
    let mut status = 0;
    // SAFETY: `status` is a valid, writable int for the length of the call.
    let reaped = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    if reaped == pid && libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 }
}
