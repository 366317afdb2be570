//! The names that event listeners subscribe to (Supervisor 4.3 `events.py`, `EventTypes`).

use serde::{Deserialize, Serialize};

use EventKind as K;

/// What an event is. Seven kinds are abstract: subscribing to one delivers all kinds below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names in the table are the documentation")]
pub enum EventKind {
    Event,
    ProcessState,
    ProcessStateStopped,
    ProcessStateExited,
    ProcessStateStarting,
    ProcessStateStopping,
    ProcessStateBackoff,
    ProcessStateFatal,
    ProcessStateRunning,
    ProcessStateUnknown,
    ProcessCommunication,
    ProcessCommunicationStdout,
    ProcessCommunicationStderr,
    ProcessLog,
    ProcessLogStdout,
    ProcessLogStderr,
    RemoteCommunication,
    SupervisorStateChange,
    SupervisorStateChangeRunning,
    SupervisorStateChangeStopping,
    Tick,
    Tick5,
    Tick60,
    Tick3600,
    ProcessGroup,
    ProcessGroupAdded,
    ProcessGroupRemoved,
}

/// Each kind, its name, and the kind above it.
const TABLE: [(EventKind, &str, EventKind); 27] = [
    (K::Event, "EVENT", K::Event),
    (K::ProcessState, "PROCESS_STATE", K::Event),
    (K::ProcessStateStopped, "PROCESS_STATE_STOPPED", K::ProcessState),
    (K::ProcessStateExited, "PROCESS_STATE_EXITED", K::ProcessState),
    (K::ProcessStateStarting, "PROCESS_STATE_STARTING", K::ProcessState),
    (K::ProcessStateStopping, "PROCESS_STATE_STOPPING", K::ProcessState),
    (K::ProcessStateBackoff, "PROCESS_STATE_BACKOFF", K::ProcessState),
    (K::ProcessStateFatal, "PROCESS_STATE_FATAL", K::ProcessState),
    (K::ProcessStateRunning, "PROCESS_STATE_RUNNING", K::ProcessState),
    (K::ProcessStateUnknown, "PROCESS_STATE_UNKNOWN", K::ProcessState),
    (K::ProcessCommunication, "PROCESS_COMMUNICATION", K::Event),
    (K::ProcessCommunicationStdout, "PROCESS_COMMUNICATION_STDOUT", K::ProcessCommunication),
    (K::ProcessCommunicationStderr, "PROCESS_COMMUNICATION_STDERR", K::ProcessCommunication),
    (K::ProcessLog, "PROCESS_LOG", K::Event),
    (K::ProcessLogStdout, "PROCESS_LOG_STDOUT", K::ProcessLog),
    (K::ProcessLogStderr, "PROCESS_LOG_STDERR", K::ProcessLog),
    (K::RemoteCommunication, "REMOTE_COMMUNICATION", K::Event),
    (K::SupervisorStateChange, "SUPERVISOR_STATE_CHANGE", K::Event),
    (K::SupervisorStateChangeRunning, "SUPERVISOR_STATE_CHANGE_RUNNING", K::SupervisorStateChange),
    (K::SupervisorStateChangeStopping, "SUPERVISOR_STATE_CHANGE_STOPPING", K::SupervisorStateChange),
    (K::Tick, "TICK", K::Event),
    (K::Tick5, "TICK_5", K::Tick),
    (K::Tick60, "TICK_60", K::Tick),
    (K::Tick3600, "TICK_3600", K::Tick),
    (K::ProcessGroup, "PROCESS_GROUP", K::Event),
    (K::ProcessGroupAdded, "PROCESS_GROUP_ADDED", K::ProcessGroup),
    (K::ProcessGroupRemoved, "PROCESS_GROUP_REMOVED", K::ProcessGroup),
];

impl EventKind {
    /// Every kind, in the table's order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(kind, ..)| *kind)
    }

    /// Reads `events=`: a name in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = TABLE.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        named.map(|(kind, ..)| *kind)
    }

    /// Its name in `events=` and in `eventname:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Who subscribed to `self` wants `kind`: it is the same, or below it.
    #[must_use]
    pub fn covers(self, kind: Self) -> bool {
        let mut at = kind;
        loop {
            if at == self {
                return true;
            }
            let above = at.row().2;
            if above == at {
                return false;
            }
            at = above;
        }
    }

    fn row(self) -> &'static (Self, &'static str, Self) {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for (at, (kind, name, above)) in TABLE.iter().enumerate() {
            assert_eq!(*kind as usize, at, "{name}");
            assert!(above.covers(*kind) && K::Event.covers(*kind));
            assert_eq!(EventKind::parse(&name.to_lowercase()), Some(*kind));
        }
        assert_eq!(EventKind::parse("TICK_7"), None);
    }

    #[test]
    fn a_kind_covers_what_is_below_it_only() {
        assert!(K::Tick.covers(K::Tick60));
        assert!(!K::Tick60.covers(K::Tick));
        assert!(!K::ProcessState.covers(K::ProcessLogStdout));
    }
}
