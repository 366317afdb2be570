//! The machine as the configuration sees it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{AccessFlags, Gid, Group, Uid, User as UnixUser, access};

use crate::config::machine::{Machine, User};

/// The largest configuration file, in bytes.
const FILE_LIMIT: u64 = 64 << 20;

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
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_LIMIT) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB"));
    }
    Ok(bytes)
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
