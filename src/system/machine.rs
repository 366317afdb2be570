//! The machine as the configuration sees it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{AccessFlags, Gid, Group, Uid, User as UnixUser, access};

use crate::config::machine::{Machine, User};

/// The largest configuration file, in bytes.
const FILE_LIMIT: usize = 64 << 20;
/// What is read at a time.
const CHUNK: usize = 64 << 10;
/// How long a pipe or a terminal may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// This machine.
#[derive(Debug, Clone, Default)]
pub struct OsMachine {
    /// What was in a file that can be read only once.
    kept: Option<(PathBuf, Arc<[u8]>)>,
}

impl OsMachine {
    /// This machine; of a configuration that is no regular file (`-c /dev/stdin`, `-c <(...)`, a FIFO) it keeps the text,
    /// because to read it again would find nothing, or wait for ever.
    ///
    /// # Errors
    /// Those of the file system, and too large a text.
    pub fn keeping(file: &Path) -> io::Result<Self> {
        let file = std::path::absolute(file)?;
        let passing = ["/dev", "/proc"].iter().any(|place| file.starts_with(place));
        let lasting =
            std::fs::metadata(&file).is_ok_and(|found| found.is_file() && !passing || found.is_dir());
        if lasting {
            return Ok(Self::default());
        }
        let text = whole(&file)?.into();
        Ok(Self { kept: Some((file, text)) })
    }

    /// This machine, with the text of a configuration that another binary has kept.
    #[must_use]
    pub fn having_kept(file: &Path, text: Option<Vec<u8>>) -> Self {
        Self { kept: text.map(|text| (file.to_owned(), text.into())) }
    }

    /// The text of the configuration, if it can be read only once.
    #[must_use]
    pub fn kept_text(&self) -> Option<Vec<u8>> {
        self.kept.as_ref().map(|(_, text)| text.to_vec())
    }
}

/// Everything that is in a file.
fn whole(file: &Path) -> io::Result<Vec<u8>> {
    whole_within(file, PATIENCE)
}

/// Everything that is in a file, if nobody who writes to a pipe or terminal is silent for too long.
fn whole_within(file: &Path, patience: Duration) -> io::Result<Vec<u8>> {
    if std::fs::metadata(file)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a socket, and no file"));
    }
    // With O_NONBLOCK a FIFO is opened before somebody writes to it.
    let mut opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(file)?;
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(opened.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => {
                let text = format!("nobody has written to it for {} seconds", patience.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(Errno::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match opened.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > FILE_LIMIT {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB"));
        }
    }
}

fn user(found: Result<Option<UnixUser>, nix::Error>) -> Option<User> {
    let user = found.ok().flatten()?;
    Some(User { uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir })
}

impl Machine for OsMachine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some((_, text)) = self.kept.as_ref().filter(|(kept, _)| kept == path) {
            return Ok(text.to_vec());
        }
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        whole(path)
    }

    fn glob(&self, pattern: &str) -> Vec<PathBuf> {
        super::glob::files(pattern)
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn current_dir(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn host_name(&self) -> String {
        nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn environment(&self) -> BTreeMap<String, String> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    fn user(&self, name: &str) -> Option<User> {
        user(UnixUser::from_name(name))
    }

    fn user_by_id(&self, uid: u32) -> Option<User> {
        user(UnixUser::from_uid(Uid::from_raw(uid)))
    }

    fn group(&self, name: &str) -> Option<u32> {
        Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    }

    fn has_group(&self, gid: u32) -> bool {
        matches!(Group::from_gid(Gid::from_raw(gid)), Ok(Some(_)))
    }

    fn own_uid(&self) -> u32 {
        Uid::effective().as_raw()
    }

    fn temporary_dir(&self) -> PathBuf {
        let told = ["TMPDIR", "TEMP", "TMP"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
        let usual = ["/tmp", "/var/tmp", "/usr/tmp"].into_iter().map(PathBuf::from);
        let all = told.filter(|dir| !dir.as_os_str().is_empty()).chain(usual);
        let places = AccessFlags::W_OK | AccessFlags::X_OK;
        let mut good = all.filter(|dir| dir.is_dir() && access(dir.as_path(), places).is_ok());
        good.next().unwrap_or_else(|| self.current_dir())
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_writes_to_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let error = whole_within(&fifo, Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.to_string(), "nobody has written to it for 0 seconds");
        let path = fifo.clone();
        let writer = std::thread::spawn(move || std::fs::write(path, "x".repeat(200_000)).unwrap());
        assert_eq!(whole_within(&fifo, PATIENCE).unwrap().len(), 200_000);
        writer.join().unwrap();
    }

    #[test]
    fn what_never_ends_is_too_large() {
        let error = whole(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 64 MiB");
    }
}
