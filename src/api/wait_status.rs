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
    /// Reads the word that wait(2) tells.
    #[must_use]
    pub fn decoded(word: i32) -> Self {
        let (signal, core_dumped) = (word & 0x7f, word & 0x80 != 0);
        match Signal::from_number(signal) {
            _ if signal == 0 => Self::Exited((word >> 8) & 0xff),
            Some(signal) => Self::Signalled { signal, core_dumped },
            None => Self::Lost,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_wait_is_read() {
        let killed = |signal, core_dumped| WaitStatus::Signalled { signal, core_dumped };
        for (word, status) in [
            (0, WaitStatus::Exited(0)),
            (9472, WaitStatus::Exited(37)),
            (0xff00, WaitStatus::Exited(255)),
            (15, killed(Signal::TERM, false)),
            (0x8b, killed(Signal::from_number(11).unwrap(), true)),
            (64, killed(Signal::from_number(64).unwrap(), false)),
            (0x7f, WaitStatus::Lost),
        ] {
            assert_eq!(WaitStatus::decoded(word), status, "{word:#x}");
        }
    }
}
