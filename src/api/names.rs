//! Names of processes and groups, as people write them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The full name of a process: its group and its own name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessName {
    /// The group it belongs to; a program outside a `[group:x]` is a group of its own name.
    pub group: Arc<str>,
    /// The name within the group.
    pub process: Arc<str>,
}

impl ProcessName {
    /// A name of two parts.
    pub fn new(group: impl Into<Arc<str>>, process: impl Into<Arc<str>>) -> Self {
        Self { group: group.into(), process: process.into() }
    }
}

/// The namespec: `group:process`, or just `name` when both are equal (Supervisor 4.3 `options.py`, `make_namespec`).
impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group == self.process {
            f.write_str(&self.process)
        } else {
            write!(f, "{}:{}", self.group, self.process)
        }
    }
}

/// Whom a verb is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// One process.
    Process(ProcessName),
    /// Every process of a group.
    Group(String),
    /// Every process.
    All,
}

impl Target {
    /// Reads a namespec (Supervisor 4.3 `options.py`, `split_namespec`): `name`, `group:name`, `group:*`, `group:`.
    /// Never fails: a name that means nothing is found out by whoever looks it up. Never gives [`Target::All`],
    /// because `all` is supervisorctl's word and not a namespec.
    #[must_use]
    pub fn from_namespec(text: &str) -> Self {
        match text.split_once(':') {
            None => Self::Process(ProcessName::new(text, text)),
            Some((group, "" | "*")) => Self::Group(group.to_owned()),
            Some((group, process)) => Self::Process(ProcessName::new(group, process)),
        }
    }
}

/// As it would be written for supervisorctl.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(name) => name.fmt(f),
            Self::Group(group) => write!(f, "{group}:*"),
            Self::All => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespecs_read_as_supervisor_reads_them() {
        assert_eq!(Target::from_namespec("web"), Target::Process(ProcessName::new("web", "web")));
        assert_eq!(Target::from_namespec("web:a:b"), Target::Process(ProcessName::new("web", "a:b")));
        assert_eq!(Target::from_namespec("web:"), Target::Group("web".into()));
        assert_eq!(Target::from_namespec("web:*"), Target::Group("web".into()));
    }

    #[test]
    fn a_name_equal_to_its_group_is_written_once() {
        assert_eq!(ProcessName::new("web", "web").to_string(), "web");
        assert_eq!(ProcessName::new("web", "w1").to_string(), "web:w1");
    }
}
