//! Facts for programs: what event listeners, the service manager and live views are told.

use serde::{Deserialize, Serialize};

use super::names::ProcessName;
use super::state::{ProcessState, SupervisorState};

/// Something that happened (Supervisor 4.3 `events.py`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// PROCESS_STATE_*: a process is in another state now.
    ProcessState {
        /// Whose.
        name: ProcessName,
        /// The state that it left.
        from: ProcessState,
        /// The state that it is in, with what is told of it.
        to: StateChange,
    },
    /// SUPERVISOR_STATE_CHANGE_RUNNING or _STOPPING.
    SupervisorState(SupervisorState),
    /// PROCESS_GROUP_ADDED.
    GroupAdded(String),
    /// PROCESS_GROUP_REMOVED.
    GroupRemoved(String),
    /// REMOTE_COMMUNICATION: somebody sent something to the listeners.
    RemoteCommunication {
        /// The sender's word for what it is.
        kind: String,
        /// The message.
        data: String,
    },
}

/// The state that a process entered, with the values that its event carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateChange {
    /// PROCESS_STATE_STARTING, with the failures so far.
    Starting {
        /// Failures so far.
        tries: u32,
    },
    /// PROCESS_STATE_RUNNING.
    Running {
        /// Process id.
        pid: i32,
    },
    /// PROCESS_STATE_BACKOFF, with the failures so far, this one included.
    Backoff {
        /// Failures so far.
        tries: u32,
    },
    /// PROCESS_STATE_STOPPING.
    Stopping {
        /// Process id.
        pid: i32,
    },
    /// PROCESS_STATE_EXITED.
    Exited {
        /// The exit code is among `exitcodes`.
        expected: bool,
        /// Process id.
        pid: i32,
    },
    /// PROCESS_STATE_STOPPED; the pid is 0 when it was in BACKOFF.
    Stopped {
        /// Process id.
        pid: i32,
    },
    /// PROCESS_STATE_FATAL.
    Fatal,
    /// PROCESS_STATE_UNKNOWN.
    Unknown,
}

impl StateChange {
    /// The state that was entered.
    #[must_use]
    pub fn state(self) -> ProcessState {
        match self {
            Self::Starting { .. } => ProcessState::Starting,
            Self::Running { .. } => ProcessState::Running,
            Self::Backoff { .. } => ProcessState::Backoff,
            Self::Stopping { .. } => ProcessState::Stopping,
            Self::Exited { .. } => ProcessState::Exited,
            Self::Stopped { .. } => ProcessState::Stopped,
            Self::Fatal => ProcessState::Fatal,
            Self::Unknown => ProcessState::Unknown,
        }
    }
}
