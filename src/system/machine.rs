//! The machine as the configuration sees it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, Uid, User as UnixUser};

use crate::config::machine::{Machine, User};

/// The largest configuration file, in bytes.
const FILE_LIMIT: u64 = 64 << 20;

/// This machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsMachine;

fn user(found: Result<Option<UnixUser>, nix::Error>) -> Option<User> {
    let user = found.ok().flatten()?;
    Some(User { uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir })
}

impl Machine for OsMachine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let kind = std::fs::metadata(path)?.file_type();
        let ours = path.starts_with("/dev") || path.starts_with("/proc/self/fd");
        if !kind.is_file() && !ours {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_LIMIT) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB"));
        }
        Ok(bytes)
    }

    fn glob(&self, pattern: &str) -> Vec<PathBuf> {
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
        let Ok(found) = glob::glob_with(pattern, options) else { return Vec::new() };
        let mut found: Vec<PathBuf> = found.flatten().collect();
        found.sort();
        found
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

    fn temporary_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }
}
