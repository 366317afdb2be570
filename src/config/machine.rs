//! What loading needs to know of the world, as an interface: this room looks at nothing itself.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// More files of one pattern than anybody can mean: directories with links to themselves have no end.
pub const MOST_FILES: usize = 100_000;

/// A user of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// What loading needs to know of the world.
pub trait Machine {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Those of the file system, and a refusal of what is no regular file or too large.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The files that a pattern matches, sorted; no more than one beyond [`MOST_FILES`].
    fn glob(&self, pattern: &str) -> Vec<PathBuf>;
    /// It is a directory.
    fn is_dir(&self, path: &Path) -> bool;
    /// The current directory.
    fn current_dir(&self) -> PathBuf;
    /// `uname -n`.
    fn host_name(&self) -> String;
    /// Our environment.
    fn environment(&self) -> BTreeMap<String, String>;
    /// A user by name.
    fn user(&self, name: &str) -> Option<User>;
    /// A user by number.
    fn user_by_id(&self, uid: u32) -> Option<User>;
    /// The number of a group.
    fn group(&self, name: &str) -> Option<u32>;
    /// Whether a group has this number.
    fn has_group(&self, gid: u32) -> bool;
    /// Whom we run as.
    fn own_uid(&self) -> u32;
    /// Where temporary files go.
    fn temporary_dir(&self) -> PathBuf;
}

/// What somebody wants to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read it.
    Read,
    /// Write it, or make files in it.
    Write,
    /// Execute it, or go into it.
    Execute,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// A directory.
    pub is_dir: bool,
    /// A regular file.
    pub is_file: bool,
    /// Mode and owner, as `ls -ld` writes them: `drwx------ root root`.
    pub listing: String,
}

/// What checking needs to know of the world beyond [`Machine`]: it looks, and runs nothing.
pub trait Ground: Machine {
    /// The file and the words of a command, as it would be spawned with this PATH in this directory.
    ///
    /// # Errors
    /// The sentence of `spawnerr`.
    fn resolve(
        &self,
        command: &str,
        path: Option<&str>,
        directory: Option<&Path>,
    ) -> Result<(PathBuf, Vec<String>), String>;
    /// What a file is; symbolic links are followed.
    ///
    /// # Errors
    /// Those of the file system.
    fn look(&self, path: &Path) -> io::Result<Look>;
    /// Whether a user may do that, with all its groups; `None`: we ourselves.
    ///
    /// # Errors
    /// The kernel's verdict.
    fn may(&self, user: Option<u32>, path: &Path, access: Access) -> io::Result<()>;
    /// The first bytes of a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn head(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Whether a user is in a group; `None`: we ourselves.
    fn is_member(&self, user: Option<u32>, group: u32) -> bool;
}
