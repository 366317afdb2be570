//! `journal-stream`: outputs that lead past us.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::api::ProcessName;
use crate::config::check::Trouble;
use crate::config::spec::{LogSpec, ToJournal};
use crate::system::errno::io_errno_words;
use crate::systemd::journal::{STREAM, stream};

/// Of lines that bring none: info.
const PRIORITY: u8 = 6;

/// The output that a process gets for itself; `None`: it writes to us.
pub(super) fn own(name: &ProcessName, channel: &str, log: &LogSpec) -> Result<Option<OwnedFd>, Trouble> {
    if log.journal != ToJournal::Stream {
        return Ok(None);
    }
    // Without it, journald looks up each writer's unit, and some are gone by then.
    let unit = std::fs::read_to_string("/proc/self/cgroup").ok();
    let unit = unit.as_deref().and_then(unit_of).unwrap_or_default();
    let opened = stream(Path::new(STREAM), &name.process, unit, PRIORITY);
    opened.map(Some).map_err(|error| trouble(channel, &error))
}

fn trouble(channel: &str, error: &io::Error) -> Trouble {
    Trouble {
        problem: format!("can't open a journal stream for {channel} at {STREAM}: {}", io_errno_words(error)),
        help: format!("start systemd-journald, or give {channel}_logfile another value"),
    }
}

/// The unit that owns a process, of `/proc/PID/cgroup`.
fn unit_of(cgroups: &str) -> Option<&str> {
    let own = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    own.split('/').rfind(|part| part.ends_with(".service") || part.ends_with(".scope"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_found_above_our_own_cgroups() {
        let unit = "0::/system.slice/supervisord.service/supervisor\n";
        assert_eq!(unit_of(unit), Some("supervisord.service"));
        assert_eq!(unit_of("1:name=systemd:/x\n0::/\n"), None);
    }
}
