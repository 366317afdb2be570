//! Facts for programs: what event listeners, the service manager and live views are told.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::event_kind::EventKind;
use super::names::ProcessName;
use super::state::{ProcessState, SupervisorState};
use super::text::decoded;

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
    /// PROCESS_LOG_STDOUT or _STDERR: a process wrote something.
    ProcessLog {
        /// Who wrote, and where.
        from: Source,
        /// What.
        data: Vec<u8>,
    },
    /// PROCESS_COMMUNICATION_STDOUT or _STDERR: a process wrote something between the tokens of capture mode.
    ProcessCommunication {
        /// Who wrote, and where.
        from: Source,
        /// What.
        data: Vec<u8>,
    },
    /// TICK_5, TICK_60 or TICK_3600.
    Tick {
        /// Which: its period in seconds.
        period: Period,
        /// Seconds since the epoch, a multiple of the period.
        when: i64,
    },
}

/// A stream of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Whose.
    pub name: ProcessName,
    /// Process id.
    pub pid: i32,
    /// Which.
    pub channel: Channel,
}

/// For people: `stdout of 'web:a'`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of '{}'", self.channel.name(), self.name)
    }
}

/// One of the two streams that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Channel {
    /// `stdout` or `stderr`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// How often a tick is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Period {
    /// Five seconds.
    Tick5,
    /// A minute.
    Tick60,
    /// An hour.
    Tick3600,
}

impl Period {
    /// In the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Tick5, Self::Tick60, Self::Tick3600];

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Tick5 => 5,
            Self::Tick60 => 60,
            Self::Tick3600 => 3600,
        }
    }

    /// What listeners subscribe to.
    #[must_use]
    pub fn kind(self) -> EventKind {
        match self {
            Self::Tick5 => EventKind::Tick5,
            Self::Tick60 => EventKind::Tick60,
            Self::Tick3600 => EventKind::Tick3600,
        }
    }
}

impl Event {
    /// What it is; never an abstract kind.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        use EventKind as K;
        match self {
            Self::ProcessState { to, .. } => to.kind(),
            Self::SupervisorState(SupervisorState::Running) => K::SupervisorStateChangeRunning,
            Self::SupervisorState(_) => K::SupervisorStateChangeStopping,
            Self::GroupAdded(_) => K::ProcessGroupAdded,
            Self::GroupRemoved(_) => K::ProcessGroupRemoved,
            Self::RemoteCommunication { .. } => K::RemoteCommunication,
            Self::ProcessLog { from, .. } => match from.channel {
                Channel::Stdout => K::ProcessLogStdout,
                Channel::Stderr => K::ProcessLogStderr,
            },
            Self::ProcessCommunication { from, .. } => match from.channel {
                Channel::Stdout => K::ProcessCommunicationStdout,
                Channel::Stderr => K::ProcessCommunicationStderr,
            },
            Self::Tick { period, .. } => period.kind(),
        }
    }

    /// It carries what a program wrote.
    #[must_use]
    pub fn is_output(&self) -> bool {
        matches!(self, Self::ProcessLog { .. } | Self::ProcessCommunication { .. })
    }

    /// The named values at the head of its payload.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::ProcessState { name, from, to } => {
                let mut headers = named(name);
                headers.push(("from_state", from.name().to_owned()));
                headers.extend(to.extra());
                headers
            }
            Self::SupervisorState(_) => Vec::new(),
            Self::GroupAdded(name) | Self::GroupRemoved(name) => vec![("groupname", name.clone())],
            Self::RemoteCommunication { kind, .. } => vec![("type", kind.clone())],
            Self::ProcessLog { from, .. } => {
                let mut headers = from.headers();
                headers.push(("channel", from.channel.name().to_owned()));
                headers
            }
            Self::ProcessCommunication { from, .. } => from.headers(),
            Self::Tick { when, .. } => vec![("when", when.to_string())],
        }
    }

    /// What follows them; `None` when nothing ever does.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::ProcessState { .. } | Self::SupervisorState(_) | Self::Tick { .. } => None,
            Self::GroupAdded(_) | Self::GroupRemoved(_) => Some(Cow::Borrowed("")),
            Self::RemoteCommunication { data, .. } => Some(Cow::Borrowed(data)),
            Self::ProcessLog { data, .. } | Self::ProcessCommunication { data, .. } => {
                Some(Cow::Owned(decoded(data)))
            }
        }
    }

    /// What listeners are told of it (Supervisor 4.3 `events.py`, the `payload` methods).
    #[must_use]
    pub fn payload(&self) -> String {
        let headers: Vec<String> =
            self.headers().iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let head = headers.join(" ");
        match self.data() {
            Some(data) => format!("{head}\n{data}"),
            None => head,
        }
    }
}

fn named(name: &ProcessName) -> Vec<(&'static str, String)> {
    vec![("processname", name.process.to_string()), ("groupname", name.group.to_string())]
}

impl Source {
    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = named(&self.name);
        headers.push(("pid", self.pid.to_string()));
        headers
    }
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

    /// The process id that it carries.
    #[must_use]
    pub fn pid(self) -> Option<i32> {
        match self {
            Self::Running { pid }
            | Self::Stopping { pid }
            | Self::Exited { pid, .. }
            | Self::Stopped { pid } => Some(pid),
            Self::Starting { .. } | Self::Backoff { .. } | Self::Fatal | Self::Unknown => None,
        }
    }

    fn kind(self) -> EventKind {
        match self {
            Self::Starting { .. } => EventKind::ProcessStateStarting,
            Self::Running { .. } => EventKind::ProcessStateRunning,
            Self::Backoff { .. } => EventKind::ProcessStateBackoff,
            Self::Stopping { .. } => EventKind::ProcessStateStopping,
            Self::Exited { .. } => EventKind::ProcessStateExited,
            Self::Stopped { .. } => EventKind::ProcessStateStopped,
            Self::Fatal => EventKind::ProcessStateFatal,
            Self::Unknown => EventKind::ProcessStateUnknown,
        }
    }

    /// What follows `from_state` in the payload.
    fn extra(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Starting { tries } | Self::Backoff { tries } => vec![("tries", tries.to_string())],
            Self::Running { pid } | Self::Stopping { pid } | Self::Stopped { pid } => {
                vec![("pid", pid.to_string())]
            }
            Self::Exited { expected, pid } => {
                vec![("expected", i32::from(expected).to_string()), ("pid", pid.to_string())]
            }
            Self::Fatal | Self::Unknown => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_supervisors() {
        let name = ProcessName::new("g", "p");
        let state = |from, to| Event::ProcessState { name: name.clone(), from, to };
        let source = |channel| Source { name: name.clone(), pid: 7, channel };
        let cases = [
            (
                state(ProcessState::Stopped, StateChange::Starting { tries: 0 }),
                "PROCESS_STATE_STARTING",
                "processname:p groupname:g from_state:STOPPED tries:0",
            ),
            (
                state(ProcessState::Starting, StateChange::Running { pid: 7 }),
                "PROCESS_STATE_RUNNING",
                "processname:p groupname:g from_state:STARTING pid:7",
            ),
            (
                state(ProcessState::Running, StateChange::Exited { expected: false, pid: 7 }),
                "PROCESS_STATE_EXITED",
                "processname:p groupname:g from_state:RUNNING expected:0 pid:7",
            ),
            (
                state(ProcessState::Backoff, StateChange::Fatal),
                "PROCESS_STATE_FATAL",
                "processname:p groupname:g from_state:BACKOFF",
            ),
            (Event::SupervisorState(SupervisorState::Restarting), "SUPERVISOR_STATE_CHANGE_STOPPING", ""),
            (Event::GroupAdded("g".into()), "PROCESS_GROUP_ADDED", "groupname:g\n"),
            (
                Event::RemoteCommunication { kind: "t".into(), data: "d".into() },
                "REMOTE_COMMUNICATION",
                "type:t\nd",
            ),
            (
                Event::ProcessLog { from: source(Channel::Stderr), data: b"x\n".to_vec() },
                "PROCESS_LOG_STDERR",
                "processname:p groupname:g pid:7 channel:stderr\nx\n",
            ),
            (
                Event::ProcessCommunication { from: source(Channel::Stdout), data: b"\xff".to_vec() },
                "PROCESS_COMMUNICATION_STDOUT",
                "processname:p groupname:g pid:7\nUndecodable: b'\\xff'",
            ),
            (Event::Tick { period: Period::Tick60, when: 120 }, "TICK_60", "when:120"),
        ];
        for (event, kind, payload) in cases {
            assert_eq!((event.kind().name(), event.payload().as_str()), (kind, payload));
        }
    }
}
