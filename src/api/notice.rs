//! Lines for people: what operators grep for in the main log, with Supervisor's exact wording.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::names::ProcessName;
use super::signal::Signal;
use super::wait_status::WaitStatus;

/// How much a line of the main log matters (Supervisor 4.3 `loggers.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// 3, `BLAT`.
    Blather,
    /// 5, `TRAC`.
    Trace,
    /// 10, `DEBG`.
    Debug,
    /// 20, `INFO`.
    Info,
    /// 30, `WARN`.
    Warn,
    /// 40, `ERRO`.
    Error,
    /// 50, `CRIT`.
    Critical,
}

impl Level {
    /// The four letters in a log line.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Blather => "BLAT",
            Self::Trace => "TRAC",
            Self::Debug => "DEBG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERRO",
            Self::Critical => "CRIT",
        }
    }

    /// Reads `loglevel=`: `critical error warn info debug trace blather`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "blather" => Self::Blather,
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "critical" => Self::Critical,
            _ => return None,
        })
    }
}

/// A line of the main log, which says the bare process name, as in Supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the wording in `Display` is the documentation of each row")]
pub enum Notice {
    Spawned {
        name: ProcessName,
        pid: i32,
    },
    Success {
        name: ProcessName,
        startsecs: i64,
    },
    SpawnError {
        name: ProcessName,
        text: String,
    },
    GaveUp {
        name: ProcessName,
        problem: String,
    },
    Exited {
        name: ProcessName,
        status: WaitStatus,
        expected: bool,
    },
    Stopped {
        name: ProcessName,
        status: WaitStatus,
        expected: bool,
    },
    KillingHard {
        name: Arc<str>,
        pid: i32,
    },
    WaitingToStop {
        name: Arc<str>,
    },
    WaitingToDie {
        names: Vec<Arc<str>>,
    },
    AlreadyRunning {
        name: Arc<str>,
    },
    Killing {
        name: Arc<str>,
        pid: i32,
        signal: Signal,
        group: bool,
    },
    Sending {
        name: Arc<str>,
        pid: i32,
        signal: Signal,
    },
    KilledInBackoff {
        name: Arc<str>,
    },
    KillUnknown {
        name: Arc<str>,
        pid: i32,
        problem: String,
    },
    SendUnknown {
        name: Arc<str>,
        pid: i32,
        problem: String,
    },
    ExecFailed {
        name: ProcessName,
        text: String,
    },
    /// A client that was not let in, or may not do what it asked for.
    Refused {
        text: String,
    },
    SignalReceived {
        signal: Signal,
    },
    SignalIgnored {
        signal: Signal,
    },
    ReopenedLogs,
    Output {
        name: Arc<str>,
        channel: Cow<'static, str>,
        text: String,
    },
    /// A line that only one place writes.
    Other {
        level: Level,
        text: String,
    },
}

impl Notice {
    /// A line that only one place writes.
    pub fn other(level: Level, text: impl Into<String>) -> Self {
        Self::Other { level, text: text.into() }
    }

    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Spawned { .. }
            | Self::Success { .. }
            | Self::SpawnError { .. }
            | Self::GaveUp { .. }
            | Self::WaitingToStop { .. }
            | Self::WaitingToDie { .. }
            | Self::ReopenedLogs => Level::Info,
            Self::Exited { expected, .. } | Self::Stopped { expected, .. } => {
                if *expected {
                    Level::Info
                } else {
                    Level::Warn
                }
            }
            Self::KillingHard { .. }
            | Self::AlreadyRunning { .. }
            | Self::ExecFailed { .. }
            | Self::Refused { .. }
            | Self::SignalIgnored { .. } => Level::Warn,
            Self::Killing { .. }
            | Self::Sending { .. }
            | Self::KilledInBackoff { .. }
            | Self::Output { .. } => Level::Debug,
            Self::KillUnknown { .. } | Self::SendUnknown { .. } => Level::Critical,
            Self::SignalReceived { signal } => match *signal {
                Signal::CHLD => Level::Debug,
                Signal::USR2 | Signal::USR1 => Level::Info,
                _ => Level::Warn,
            },
            Self::Other { level, .. } => *level,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawned { name, pid } => write!(f, "spawned: '{}' with pid {pid}", name.process),
            Self::Success { name, startsecs } => write!(
                f,
                "success: {} entered RUNNING state, process has stayed up for > than {startsecs} seconds (startsecs)",
                name.process
            ),
            Self::SpawnError { text, .. } => write!(f, "spawnerr: {text}"),
            Self::GaveUp { name, .. } => {
                write!(f, "gave up: {} entered FATAL state, too many start retries too quickly", name.process)
            }
            Self::Exited { name, status, expected } => {
                let not = if *expected { "" } else { "not " };
                write!(f, "exited: {} ({status}; {not}expected)", name.process)
            }
            Self::Stopped { name, status, .. } => write!(f, "stopped: {} ({status})", name.process),
            Self::KillingHard { name, pid } => write!(f, "killing '{name}' ({pid}) with SIGKILL"),
            Self::WaitingToStop { name } => write!(f, "waiting for {name} to stop"),
            Self::WaitingToDie { names } => write!(f, "waiting for {} to die", names.join(", ")),
            Self::AlreadyRunning { name } => write!(f, "process '{name}' already running"),
            Self::Killing { name, pid, signal, group } => {
                let whom = if *group { " process group" } else { "" };
                write!(f, "killing {name} (pid {pid}){whom} with signal {signal}")
            }
            Self::Sending { name, pid, signal } => write!(f, "sending {name} (pid {pid}) sig {signal}"),
            Self::KilledInBackoff { name } => {
                write!(f, "Attempted to kill {name}, which is in BACKOFF state.")
            }
            Self::KillUnknown { name, pid, problem } => {
                write!(f, "unknown problem killing {name} ({pid}): {problem}")
            }
            Self::SendUnknown { name, pid, problem } => {
                write!(f, "unknown problem sending sig {name} ({pid}): {problem}")
            }
            Self::ExecFailed { text, .. } | Self::Refused { text } | Self::Other { text, .. } => {
                f.write_str(text)
            }
            Self::SignalReceived { signal } => match *signal {
                Signal::HUP => write!(f, "received {signal} indicating restart request"),
                Signal::USR2 => write!(f, "received {signal} indicating log reopen request"),
                Signal::CHLD => write!(f, "received {signal} indicating a child quit"),
                Signal::TERM | Signal::INT | Signal::QUIT => {
                    write!(f, "received {signal} indicating exit request")
                }
                _ => write!(f, "received {signal}, which means nothing to supervisord"),
            },
            Self::SignalIgnored { signal } => {
                write!(f, "ignored {signal} indicating restart request (shutdown in progress)")
            }
            Self::ReopenedLogs => f.write_str("supervisord logreopen"),
            Self::Output { name, channel, text } => write!(f, "'{name}' {channel} output:\n{text}"),
        }
    }
}
