//! Whom a process runs as.

use std::ffi::CString;

use nix::unistd::{Gid, Uid, User, getgrouplist, setgid, setgroups, setuid};

/// A user with its groups, looked up before a fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// All its groups, the primary one first.
    pub groups: Vec<u32>,
    /// Its name.
    pub name: String,
}

/// Looks a user up by number.
///
/// # Errors
/// The sentence of Supervisor 4.3 (`options.py`, `drop_privileges`).
pub fn identity_of(uid: u32) -> Result<Identity, String> {
    let missing = || format!("Can't find uid {uid}");
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten().ok_or_else(missing)?;
    let name = CString::new(user.name.as_str()).map_err(|_| missing())?;
    let gid = user.gid.as_raw();
    let mut groups = vec![gid];
    let listed = getgrouplist(&name, user.gid).unwrap_or_default();
    groups.extend(listed.into_iter().map(Gid::as_raw).filter(|g| *g != gid));
    Ok(Identity { uid, gid, groups, name: user.name })
}

/// Becomes that user, for good. Returns the line that the main log gets.
///
/// # Errors
/// The sentence of Supervisor 4.3 (`options.py`, `drop_privileges`).
pub fn drop_privileges(uid: u32) -> Result<String, String> {
    let message = format!("Set uid to user {uid} succeeded");
    let identity = identity_of(uid)?;
    if Uid::current().as_raw() == uid {
        return Ok(message);
    }
    if !Uid::current().is_root() {
        return Err("Can't drop privilege as nonroot user".to_owned());
    }
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(|_| "Could not set groups of effective user".to_owned())?;
    setgid(Gid::from_raw(identity.gid)).map_err(|_| "Could not set group id of effective user".to_owned())?;
    setuid(Uid::from_raw(uid)).map_err(|_| "Could not set user id of effective user".to_owned())?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nobody_else_at_the_far_end() {
        let root = identity_of(0).unwrap();
        assert_eq!((root.gid, root.groups[0], root.name.as_str()), (0, 0, "root"));
        assert_eq!(identity_of(4_000_000_001).unwrap_err(), "Can't find uid 4000000001");
    }

    #[test]
    fn becoming_who_we_are_changes_nothing() {
        let uid = Uid::current().as_raw();
        assert_eq!(drop_privileges(uid), Ok(format!("Set uid to user {uid} succeeded")));
    }
}
