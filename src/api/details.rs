//! What is known of a process beyond Supervisor's fourteen fields.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::info::ProcessInfo;

/// All that people want to see of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetails {
    /// What Supervisor tells as well.
    pub info: ProcessInfo,
    /// How often it was started again by itself, since somebody or `autostart=` started it.
    pub restarts: u64,
    /// Why it failed, in plain words; empty when all is well.
    pub diagnosis: String,
    /// What it uses; `None`: unknown.
    pub usage: Option<Usage>,
    /// Bytes of its output that no log could take.
    pub dropped: Dropped,
    /// `command=`, expanded.
    pub command: String,
    /// `directory=`
    pub directory: Option<PathBuf>,
    /// `user=`, as written.
    pub user: Option<String>,
    /// `autostart=`
    pub autostart: bool,
    /// `autorestart=`
    pub autorestart: AutoRestart,
    /// `priority=`
    pub priority: i64,
}

/// What a process and its offspring use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, of offspring that has ended too.
    pub cpu: Duration,
    /// Bytes in memory; what several processes share is counted for each.
    pub memory: u64,
    /// Threads.
    pub tasks: u64,
}

/// Bytes of output that could not be written, since the daemon started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Of stdout.
    pub stdout: u64,
    /// Of stderr.
    pub stderr: u64,
}

/// `autorestart=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoRestart {
    /// `false`
    Never,
    /// `unexpected`: when the exit code is not among `exitcodes`.
    Unexpected,
    /// `true`
    Always,
}

impl AutoRestart {
    /// As it is written in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "false",
            Self::Unexpected => "unexpected",
            Self::Always => "true",
        }
    }
}
