//! How a process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::signal::Signal;

/// How a process ended, as wait(2) tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WaitStatus {
    /// By exit(2), with this status (0..=255).
    Exited(i32),
    /// By a signal.
    Signalled {
        /// Which one.
        signal: Signal,
        /// A core was written.
        core_dumped: bool,
    },
    /// It is gone, and nobody can tell how: it died while we were away, on a kernel that does not keep the status.
    Lost,
}

impl WaitStatus {
    /// Supervisor's `exitstatus`: the exit code, or -1 when there was none.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled { .. } | Self::Lost => -1,
        }
    }
}

/// The words of Supervisor's main log (4.3 `options.py`, `decode_wait_status`).
impl fmt::Display for WaitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signalled { signal, core_dumped } => {
                write!(f, "terminated by {signal}{}", if *core_dumped { " (core dumped)" } else { "" })
            }
            Self::Lost => f.write_str("exit status unknown"),
        }
    }
}
