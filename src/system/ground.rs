//! The machine as checking sees it: who may do what, asked of the kernel in that user's place.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, getgroups};

use super::command;
use super::machine::OsMachine;
use super::user::{Identity, identity_of};
use crate::config::machine::{Access, Ground, Look};

/// Enough for an interpreter line (`BINPRM_BUF_SIZE`).
const HEAD: u64 = 256;

impl Ground for OsMachine {
    fn resolve(
        &self,
        text: &str,
        path: Option<&str>,
        directory: Option<&Path>,
    ) -> Result<(PathBuf, Vec<String>), String> {
        let own = std::env::var("PATH").ok();
        let found = command::resolve(text, path, own.as_deref(), directory);
        found.map(|found| (found.program, found.argv)).map_err(|error| error.to_string())
    }

    fn look(&self, path: &Path) -> io::Result<Look> {
        let found = fs::metadata(path)?;
        let (uid, gid) = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
        let owner = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
        let group = Group::from_gid(gid).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name);
        let listing = format!("{} {owner} {group}", mode_words(found.is_dir(), found.mode()));
        Ok(Look { is_dir: found.is_dir(), is_file: found.is_file(), listing })
    }

    fn may(&self, user: Option<u32>, path: &Path, access: Access) -> io::Result<()> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let own = Uid::effective();
        let Some(uid) = user.filter(|uid| *uid != own.as_raw()) else { return permitted(&path, access) };
        // Who is not root cannot take another's place; that he cannot is told elsewhere.
        let Some(identity) = Some(uid).filter(|_| own.is_root()).and_then(|uid| identity_of(uid).ok()) else {
            return Ok(());
        };
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| if take_place(&identity) { permitted(&path, access) } else { Ok(()) });
            asked.join().unwrap_or(Ok(()))
        })
    }

    fn head(&self, path: &Path) -> io::Result<Vec<u8>> {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut head = Vec::new();
        fs::File::open(path)?.take(HEAD).read_to_end(&mut head)?;
        Ok(head)
    }

    fn is_member(&self, user: Option<u32>, group: u32) -> bool {
        let group = Gid::from_raw(group);
        match user {
            Some(uid) => identity_of(uid).is_ok_and(|who| who.groups.contains(&group.as_raw())),
            None => Gid::effective() == group || getgroups().is_ok_and(|own| own.contains(&group)),
        }
    }
}

/// As `ls -l` begins a line.
fn mode_words(is_dir: bool, mode: u32) -> String {
    let mut words = String::from(if is_dir { "d" } else { "-" });
    for bit in (0..9).rev() {
        let letter = ["x", "w", "r"][bit % 3];
        words.push_str(if mode & (1 << bit) == 0 { "-" } else { letter });
    }
    if is_dir && mode & 0o1000 != 0 {
        words.pop();
        words.push_str(if mode & 1 == 0 { "T" } else { "t" });
    }
    words
}

#[allow(unsafe_code, reason = "faccessat2 has no safe face that asks with the effective ids")]
/// The kernel's answer for the calling thread (access(2), with the effective ids).
fn permitted(path: &CString, access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Read => libc::R_OK,
        Access::Write => libc::W_OK,
        Access::Execute => libc::X_OK,
    };
    // SAFETY: the path is a C string that lives through the call; nothing is written.
    let answer =
        unsafe { libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) };
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // A kernel before 5.8 cannot say, and nothing is found.
    if error.raw_os_error() == Some(libc::ENOSYS) { Ok(()) } else { Err(error) }
}

#[allow(unsafe_code, reason = "credentials of one thread alone have no safe face")]
/// Gives this thread, and no other, the groups and the file system ids of a user (setfsuid(2), credentials(7)); whether
/// that worked. The thread must end soon, because there is no way back.
fn take_place(identity: &Identity) -> bool {
    let (uid, gid) = (identity.uid, identity.gid);
    // SAFETY: system calls upon the calling thread alone; the list of groups lives through the call. libc's own
    // `setgroups` would change every thread.
    unsafe {
        let groups = identity.groups.as_ptr();
        if libc::syscall(libc::SYS_setgroups, identity.groups.len(), groups) != 0 {
            return false;
        }
        libc::syscall(libc::SYS_setfsgid, gid);
        libc::syscall(libc::SYS_setfsuid, uid);
        // Answers what it was before: an impossible id changes nothing.
        libc::syscall(libc::SYS_setfsuid, u32::MAX) == libc::c_long::from(uid)
            && libc::syscall(libc::SYS_setfsgid, u32::MAX) == libc::c_long::from(gid)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn modes_are_written_as_ls_writes_them() {
        assert_eq!(mode_words(true, 0o700), "drwx------");
        assert_eq!(mode_words(false, 0o644), "-rw-r--r--");
        assert_eq!(mode_words(true, 0o1777), "drwxrwxrwt");
    }

    #[test]
    fn the_kernel_is_asked_in_the_place_of_a_user() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(OsMachine::default().may(None, &path, Access::Read).is_ok());
        assert!(OsMachine::default().may(None, &path, Access::Execute).is_err());
        let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        if Uid::effective().is_root() {
            assert!(OsMachine::default().may(Some(nobody), &path, Access::Read).is_err());
            assert!(OsMachine::default().may(Some(nobody), dir.path(), Access::Execute).is_ok());
            assert!(OsMachine::default().may(None, &path, Access::Read).is_ok(), "we ourselves have changed");
        }
    }
}
