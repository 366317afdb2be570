//! sd_listen_fds(3): descriptors that the service manager has opened for us.

use std::io;
use std::os::fd::OwnedFd;

use crate::system::fds;

/// A descriptor, and what the service manager calls it (`FileDescriptorName=`).
#[derive(Debug)]
pub struct Passed {
    /// Its name.
    pub name: String,
    /// Ours now, and closed on exec.
    pub fd: OwnedFd,
}

/// Takes what was passed to this very process. To be called once.
///
/// # Errors
/// When the environment says what cannot be.
pub fn take() -> io::Result<Vec<Passed>> {
    let passed = sd_notify::listen_fds_with_names()?;
    passed.map(|(number, name)| Ok(Passed { name, fd: fds::adopt(number)? })).collect()
}
