//! Signals, by number and by name, real-time ones included.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A signal number of Linux, 1..=64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal(i32);

/// Names and numbers; of several names for one number the last is the one that is written, as in Supervisor.
const NAMES: &[(&str, i32)] = &[
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGIOT", 6),
    ("SIGABRT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCLD", 17),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPOLL", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
    ("SIGRTMIN", 34),
    ("SIGRTMAX", 64),
];

impl Signal {
    /// SIGHUP.
    pub const HUP: Self = Self(1);
    /// SIGINT.
    pub const INT: Self = Self(2);
    /// SIGQUIT.
    pub const QUIT: Self = Self(3);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGUSR1.
    pub const USR1: Self = Self(10);
    /// SIGUSR2.
    pub const USR2: Self = Self(12);
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGCHLD.
    pub const CHLD: Self = Self(17);
    /// SIGCONT.
    pub const CONT: Self = Self(18);
    /// SIGSTOP.
    pub const STOP: Self = Self(19);

    /// The signal of that number, if the kernel can deliver one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=64).contains(&number).then_some(Self(number))
    }

    /// Reads what `stopsignal=` and `supervisorctl signal` accept (Supervisor 4.3 `datatypes.py`, `signal_number`): a
    /// number that has a name, or a name with or without `SIG`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse::<i32>() {
            return NAMES.iter().any(|(_, n)| *n == number).then_some(Self(number));
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        NAMES.iter().find(|(known, _)| known.strip_prefix("SIG") == Some(name)).map(|(_, n)| Self(*n))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// `SIGTERM`, if it has a name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().rev().find(|(_, n)| *n == self.0).map(|(name, _)| *name)
    }
}

/// `SIGTERM`, or `signal 40` where there is no name.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_sig_in_any_case() {
        for text in ["TERM", "SIGTERM", "sigterm", " term ", "15"] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        for text in ["", "0", "_IGN", "33", "65", "NOPE", "SIGSIGTERM"] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn of_two_names_the_usual_one_is_written() {
        assert_eq!(Signal(6).to_string(), "SIGABRT");
        assert_eq!(Signal(17).to_string(), "SIGCHLD");
        assert_eq!(Signal(34).to_string(), "SIGRTMIN");
        assert_eq!(Signal(40).to_string(), "signal 40");
    }
}
