//! What a command waits for, told on a terminal when it takes long.

use std::time::{Duration, Instant};

use super::client::Rpc;
use super::session::{field, items, namespec};
use crate::wire::xmlrpc::Value;

/// After how long a wait is told of, and how often.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How long the daemon may take to tell for whom it waits.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many processes are named.
const NAMED: usize = 3;

/// A wait that has begun.
pub(super) struct Progress {
    began: Instant,
    rpc: Box<dyn Rpc>,
}

impl Progress {
    /// Begins; asks the daemon on a connection of its own.
    pub(super) fn new(rpc: &dyn Rpc) -> Self {
        Self { began: Instant::now(), rpc: rpc.aside(PATIENCE) }
    }

    /// For whom it waits now.
    pub(super) fn text(&mut self) -> String {
        let infos = self.rpc.call("supervisor.getAllProcessInfo", Vec::new()).map(items).unwrap_or_default();
        let in_between =
            |info: &&Value| matches!(field(info, "statename"), "STARTING" | "BACKOFF" | "STOPPING");
        told(&infos.iter().filter(in_between).collect::<Vec<_>>(), self.began.elapsed())
    }
}

/// `waiting for web:web_00 (STOPPING), web:web_01 (STOPPING), 4 s`
pub(super) fn told(infos: &[&Value], since: Duration) -> String {
    let mut names: Vec<String> = infos
        .iter()
        .take(NAMED)
        .map(|info| format!("{} ({})", namespec(info), field(info, "statename")))
        .collect();
    if names.is_empty() {
        names.push("supervisord".to_owned());
    }
    let more = infos.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("waiting for {}{more}, {} s", names.join(", "), since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_named() {
        let info = |name: &str| {
            let members = [("group", name), ("name", name), ("statename", "STOPPING")];
            Value::Struct(members.map(|(name, text)| (name.into(), Value::string(text))).to_vec())
        };
        let infos = ["a", "b", "c", "d", "e"].map(info);
        let all: Vec<&Value> = infos.iter().collect();
        let four = Duration::from_millis(4900);
        assert_eq!(told(&[], four), "waiting for supervisord, 4 s");
        assert_eq!(told(&all[..2], four), "waiting for a (STOPPING), b (STOPPING), 4 s");
        assert_eq!(told(&all, four), "waiting for a (STOPPING), b (STOPPING), c (STOPPING) and 2 more, 4 s");
    }
}
