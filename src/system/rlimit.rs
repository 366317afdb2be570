//! Limits that must be high enough.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `minfds`.
    Files,
    /// `minprocs`.
    Processes,
}

impl Limit {
    fn resource(self) -> (Resource, &'static str) {
        match self {
            Self::Files => (Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE"),
            Self::Processes => (Resource::RLIMIT_NPROC, "RLIMIT_NPROC"),
        }
    }

    /// Supervisor 4.3's sentence (`options.py`, `set_rlimits_or_exit`), with the real hard limit.
    fn refusal(self, wanted: u64, hard: u64) -> String {
        match self {
            Self::Files => format!(
                "The minimum number of file descriptors required to run this process is {wanted} as per the \
                 \"minfds\" command-line argument or config file setting. The current environment will only allow \
                 you to open {hard} file descriptors.  Either raise the number of usable file descriptors in your \
                 environment (see README.rst) or lower the minfds setting in the config file to allow the process \
                 to start."
            ),
            Self::Processes => format!(
                "The minimum number of available processes required to run this program is {wanted} as per the \
                 \"minprocs\" command-line argument or config file setting. The current environment will only \
                 allow you to open {hard} processes.  Either raise the number of usable processes in your \
                 environment (see README.rst) or lower the minprocs setting in the config file to allow the \
                 program to start."
            ),
        }
    }
}

/// Raises a limit that is lower than `wanted`; never lowers one. Returns the line that the main log gets, if it was raised.
///
/// # Errors
/// The sentence for the usage error.
pub fn ensure(limit: Limit, wanted: i64) -> Result<Option<String>, String> {
    let wanted = u64::try_from(wanted).unwrap_or(0);
    let (resource, name) = limit.resource();
    let Ok((soft, hard)) = getrlimit(resource) else { return Ok(None) };
    if soft >= wanted {
        return Ok(None);
    }
    setrlimit(resource, wanted, hard.max(wanted)).map_err(|_| limit.refusal(wanted, hard))?;
    Ok(Some(format!("Increased {name} limit to {wanted}")))
}

/// Lets us open as many files as we may.
pub fn raise_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // What cannot be raised stays as it is.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// What programs that use select(2) can do with.
const USUAL_FILES: u64 = 1024;

/// The soft limit of open files for a child: ours, as we were given it or as `minfds` has raised it. A service manager gives us
/// more than a child should have, because a descriptor of 1024 or more breaks select(2): there it is the usual one, or `minfds`.
#[must_use]
pub fn files_for_a_child(given: u64, minfds: i64, from_service_manager: bool) -> u64 {
    let wanted = u64::try_from(minfds).unwrap_or(0);
    let raised = given.max(wanted);
    if from_service_manager { raised.min(wanted.max(USUAL_FILES)) } else { raised }
}

/// The soft limit of open files, as we inherited it.
#[must_use]
pub fn files_soft() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_gets_what_supervisor_would_give_it_and_of_a_service_managers_gift_the_usual() {
        assert_eq!(files_for_a_child(1024, 1024, false), 1024);
        assert_eq!(files_for_a_child(4096, 1024, false), 4096);
        assert_eq!(files_for_a_child(1024, 65_536, false), 65_536);
        assert_eq!(files_for_a_child(524_288, 1024, true), 1024);
        assert_eq!(files_for_a_child(524_288, 65_536, true), 65_536);
        assert_eq!(files_for_a_child(256, 100, true), 256);
    }

    #[test]
    fn enough_is_enough() {
        assert_eq!(ensure(Limit::Files, 3), Ok(None));
        assert_eq!(ensure(Limit::Processes, -1), Ok(None));
    }

    #[test]
    fn too_much_is_refused_with_the_real_limit() {
        let text = Limit::Files.refusal(5000, 1024);
        assert!(text.contains("process is 5000 as per the \"minfds\""), "{text}");
        assert!(text.contains("open 1024 file descriptors.  Either"), "{text}");
    }
}
