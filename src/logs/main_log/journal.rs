//! The main log's entries in the journal.

use std::io;
use std::path::Path;

use tracing::dispatcher::{Dispatch, with_default};
use tracing_journald::{Layer, Priority, PriorityMappings};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::api::happening::Happening;
use crate::api::{Level, Notice, ProcessName, WaitStatus};

const IDENTIFIER: &str = "supervisord";

/// Sends what the main log tells, with fields. A journald that was restarted is found again.
#[derive(Debug)]
pub(super) struct Journal {
    usual: Dispatch,
    /// `tracing` knows nothing above an error.
    critical: Dispatch,
}

/// What an entry says besides its message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts<'n> {
    name: Option<&'n ProcessName>,
    pid: Option<i32>,
    status: Option<WaitStatus>,
    problem: Option<&'n str>,
}

/// An event of a level, with all fields that there are; those that are not known are left out.
macro_rules! event {
    ($level:ident, $notice:expr, $facts:expr) => {
        tracing::event!(
            target: "supervisord",
            tracing::Level::$level,
            message_id = Happening::of($notice).and_then(Happening::id),
            supervisor_process = $facts.name.map(|name| &*name.process),
            supervisor_group = $facts.name.map(|name| &*name.group),
            // Not OBJECT_PID: it is still us, before exec, and journald would remember what it sees there.
            supervisor_pid = $facts.pid,
            supervisor_status = $facts.status.map(|status| status.to_string()),
            supervisor_problem = $facts.problem,
            "{}",
            $notice
        )
    };
}

impl Journal {
    /// Looks for the journald that listens at `path`.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // The layer only knows the usual place, and says nothing of why it is not there.
        std::os::unix::net::UnixDatagram::unbound()?.connect(path)?;
        Ok(Self { usual: dispatch(Priority::Error)?, critical: dispatch(Priority::Critical)? })
    }

    pub(super) fn send(&self, notice: &Notice) {
        let facts = facts(notice);
        let dispatch = if notice.level() == Level::Critical { &self.critical } else { &self.usual };
        with_default(dispatch, || match notice.level() {
            Level::Critical | Level::Error => event!(ERROR, notice, facts),
            Level::Warn => event!(WARN, notice, facts),
            Level::Info => event!(INFO, notice, facts),
            Level::Debug => event!(DEBUG, notice, facts),
            Level::Trace | Level::Blather => event!(TRACE, notice, facts),
        });
    }
}

fn dispatch(error: Priority) -> io::Result<Dispatch> {
    let priorities = PriorityMappings {
        error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    let layer = Layer::new()?
        .with_field_prefix(None)
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_priority_mappings(priorities);
    Ok(Dispatch::new(Registry::default().with(layer)))
}

fn facts(notice: &Notice) -> Facts<'_> {
    match notice {
        Notice::Spawned { name, pid } => Facts { name: Some(name), pid: Some(*pid), ..Facts::default() },
        Notice::Success { name, .. } => Facts { name: Some(name), ..Facts::default() },
        Notice::GaveUp { name, problem } => {
            Facts { name: Some(name), problem: Some(problem), ..Facts::default() }
        }
        Notice::SpawnError { name, text } | Notice::ExecFailed { name, text } => {
            Facts { name: Some(name), problem: Some(text), ..Facts::default() }
        }
        Notice::Exited { name, status, .. } | Notice::Stopped { name, status, .. } => {
            Facts { name: Some(name), status: Some(*status), ..Facts::default() }
        }
        Notice::Refused { text } => Facts { problem: Some(text), ..Facts::default() },
        Notice::KillingHard { .. }
        | Notice::WaitingToStop { .. }
        | Notice::WaitingToDie { .. }
        | Notice::AlreadyRunning { .. }
        | Notice::Killing { .. }
        | Notice::Sending { .. }
        | Notice::KilledInBackoff { .. }
        | Notice::KillUnknown { .. }
        | Notice::SendUnknown { .. }
        | Notice::SignalReceived { .. }
        | Notice::SignalIgnored { .. }
        | Notice::ReopenedLogs
        | Notice::Output { .. }
        | Notice::Other { .. } => Facts::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::api::happening::HAPPENINGS;

    const CATALOG: &str = include_str!("../../../systemd/supervisord.catalog");

    /// Of each entry the text, by its id.
    fn catalog() -> BTreeMap<&'static str, &'static str> {
        let entries = CATALOG.split("\n-- ").skip(1);
        let texts: Vec<_> = entries.map(|entry| entry.split_once('\n').unwrap()).collect();
        let by_id: BTreeMap<_, _> = texts.iter().copied().collect();
        assert_eq!(by_id.len(), texts.len(), "an id stands there twice");
        by_id
    }

    /// The fields that a text speaks of: `@NAME@`.
    fn fields_in(text: &str) -> BTreeSet<&str> {
        text.split('@').skip(1).step_by(2).collect()
    }

    /// A line for each that the catalog explains.
    fn examples() -> Vec<Notice> {
        let name = || ProcessName::new("web", "web_00");
        let (status, text) = (WaitStatus::Exited(1), String::new());
        vec![
            Notice::Spawned { name: name(), pid: 1 },
            Notice::Success { name: name(), startsecs: 1 },
            Notice::SpawnError { name: name(), text: text.clone() },
            Notice::ExecFailed { name: name(), text: text.clone() },
            Notice::Stopped { name: name(), status, expected: true },
            Notice::Exited { name: name(), status, expected: true },
            Notice::Exited { name: name(), status, expected: false },
            Notice::GaveUp { name: name(), problem: text.clone() },
            Notice::Refused { text },
        ]
    }

    #[test]
    fn the_table_and_the_catalog_agree() {
        let in_table: BTreeSet<&str> = HAPPENINGS.iter().map(|(_, id)| *id).collect();
        let catalog = catalog();
        assert_eq!(in_table, catalog.keys().copied().collect());
        assert_eq!(in_table.len(), HAPPENINGS.len());
        let told: BTreeSet<Happening> = examples().iter().filter_map(Happening::of).collect();
        assert_eq!(told, HAPPENINGS.iter().map(|(happening, _)| *happening).collect());
        for (id, text) in catalog {
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            let head: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
            let heads: Vec<&str> = head.iter().map(|line| line.split(": ").next().unwrap()).collect();
            assert_eq!(heads, ["Subject", "Defined-By", "Documentation"], "{text}");
        }
    }

    #[test]
    fn the_catalog_speaks_of_what_the_entries_have() {
        for notice in examples() {
            let facts = facts(&notice);
            let has = [
                ("SUPERVISOR_PROCESS", facts.name.is_some()),
                ("SUPERVISOR_GROUP", facts.name.is_some()),
                ("SUPERVISOR_PID", facts.pid.is_some()),
                ("SUPERVISOR_STATUS", facts.status.is_some()),
                ("SUPERVISOR_PROBLEM", facts.problem.is_some()),
            ];
            let has: BTreeSet<&str> = has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
            let id = Happening::of(&notice).and_then(Happening::id).unwrap();
            let unknown: Vec<&str> = fields_in(catalog()[id]).difference(&has).copied().collect();
            assert!(unknown.is_empty(), "{notice:?}: {unknown:?}");
        }
    }

    #[test]
    fn without_a_journald_it_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let error = Journal::open(&dir.path().join("socket")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
