//! What loading needs to know of the world, as an interface: this room looks at nothing itself.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

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
    /// The files that a pattern matches, sorted.
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
    /// Where temporary files go.
    fn temporary_dir(&self) -> PathBuf;
}
