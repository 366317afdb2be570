//! What a surface can ask of the supervisor, and what it is answered.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::details::ProcessDetails;
use super::info::{ProcessInfo, ProcessResult, RereadResult};
use super::names::{ProcessName, Target};
use super::signal::Signal;

/// A wish. One variant a verb: a new verb is one variant here and a row in each surface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// What is known of one process. → [`Reply::Info`]
    Info(ProcessName),
    /// What is known of all, by group and name. → [`Reply::Infos`]
    Infos,
    /// All that people want to see of one process. → [`Reply::Details`]
    Details(ProcessName),
    /// The same of all, by group and name. → [`Reply::AllDetails`]
    AllDetails,
    /// Start; a process that is stopping is started when it has stopped. → [`Reply::Done`] for one process, else
    /// [`Reply::Results`]
    Start {
        /// Whom.
        target: Target,
        /// Answer when it runs (after `startsecs`), not when it was spawned.
        wait: bool,
    },
    /// Stop. → as for start
    Stop {
        /// Whom.
        target: Target,
        /// Answer when it has stopped, not when it was told to.
        wait: bool,
    },
    /// Send a signal, changing no state. → as for start
    Signal {
        /// Whom.
        target: Target,
        /// What.
        signal: Signal,
    },
    /// Read the configuration and say what differs from what is active; changes nothing. → [`Reply::Reread`]
    Reread,
    /// Activate a group of the configuration read last. → [`Reply::Done`]
    AddGroup(String),
    /// Forget a stopped group. → [`Reply::Done`]
    RemoveGroup(String),
    /// Empty the logs of processes. → as for start
    ClearLogs(Target),
    /// Empty the main log. → [`Reply::Done`]
    ClearMainLog,
    /// Write to a process's stdin. → [`Reply::Done`]
    SendStdin {
        /// Whom.
        name: ProcessName,
        /// What.
        data: Vec<u8>,
    },
    /// Tell the event listeners something. → [`Reply::Done`]
    RemoteEvent {
        /// The sender's word for what it is.
        kind: String,
        /// The message.
        data: String,
    },
    /// Reopen every log file. → [`Reply::Done`]
    ReopenLogs,
    /// Stop every program, then end. Answered at once. → [`Reply::Done`]
    Shutdown,
    /// Check the configuration, then stop every program and start from it. Answered when it was found good. →
    /// [`Reply::Done`]
    Restart,
    /// Let the binary that is installed now take over, and every program go on. Answered by the one that has taken over, or
    /// by us if it cannot. → [`Reply::Done`]
    Reexec,
}

/// Characters of a name that a line of the main log repeats.
const TOLD: usize = 100;

impl Request {
    /// What it would change, in words; `None` for what only looks.
    #[must_use]
    pub fn change(&self) -> Option<String> {
        Some(match self {
            Self::Info(_) | Self::Infos | Self::Details(_) | Self::AllDetails => return None,
            Self::Start { target, .. } => format!("start of {}", quoted(target)),
            Self::Stop { target, .. } => format!("stop of {}", quoted(target)),
            Self::Signal { target, signal } => format!("signal {signal} to {}", quoted(target)),
            Self::Reread => "reread of the configuration".to_owned(),
            Self::AddGroup(name) => format!("addition of group {}", quoted(name)),
            Self::RemoveGroup(name) => format!("removal of group {}", quoted(name)),
            Self::ClearLogs(target) => format!("clearing of the logs of {}", quoted(target)),
            Self::ClearMainLog => "clearing of the main log".to_owned(),
            Self::SendStdin { name, data } => {
                format!("{} bytes to the stdin of {}", data.len(), quoted(name))
            }
            Self::RemoteEvent { kind, .. } => format!("remote event {}", quoted(kind)),
            Self::ReopenLogs => "reopening of the logs".to_owned(),
            Self::Shutdown => "shutdown".to_owned(),
            Self::Restart => "restart of supervisord".to_owned(),
            Self::Reexec => "takeover by the installed supervisord".to_owned(),
        })
    }
}

/// A text of a client: on one line, and not long.
fn quoted(text: &impl Display) -> String {
    let text = text.to_string();
    let mut told: String = text.chars().take(TOLD).flat_map(char::escape_debug).collect();
    if text.chars().nth(TOLD).is_some() {
        told.push('…');
    }
    format!("'{told}'")
}

/// The answer to a [`Request`] that was not refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It was done.
    Done,
    /// One process.
    Info(Box<ProcessInfo>),
    /// All processes, by group and name (byte order).
    Infos(Vec<ProcessInfo>),
    /// One process, with all that people want to see.
    Details(Box<ProcessDetails>),
    /// All processes, by group and name (byte order), with all that people want to see.
    AllDetails(Vec<ProcessDetails>),
    /// The outcome for each of several, in the order in which they were decided.
    Results(Vec<ProcessResult>),
    /// What differs.
    Reread(RereadResult),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_on_one_line() {
        let start = |name: &str| Request::Start { target: Target::from_namespec(name), wait: true };
        assert_eq!(start("web:*").change().unwrap(), "start of 'web:*'");
        assert_eq!(start("a\nb").change().unwrap(), "start of 'a\\nb'");
        let long = Request::AddGroup("x".repeat(5000)).change().unwrap();
        assert_eq!(long, format!("addition of group '{}…'", "x".repeat(TOLD)));
        assert_eq!(Request::Infos.change(), None);
    }
}
