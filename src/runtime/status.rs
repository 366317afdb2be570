//! The status line: how many processes are in which state.

use crate::api::{ProcessState, SupervisorState};

/// Names behind the colon, at most.
const NAMED: usize = 5;

/// `9 running, 1 backoff: web_03`: every state that has a process, and the names of those in trouble.
#[must_use]
pub fn line(mood: SupervisorState, census: &[(ProcessState, Vec<String>)]) -> String {
    let counts = census.iter().map(|(state, names)| {
        let count = format!("{} {}", names.len(), state.name().to_lowercase());
        if !in_trouble(*state) {
            return count;
        }
        let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(" ");
        let more = if names.len() > NAMED { " …" } else { "" };
        format!("{count}: {shown}{more}")
    });
    // Running first: it is what people look for.
    let mut counts: Vec<String> = counts.collect();
    counts.sort_by_key(|count| !count.contains(" running"));
    let counts = if counts.is_empty() { "no programs".to_owned() } else { counts.join(", ") };
    match mood {
        SupervisorState::Running => counts,
        SupervisorState::Restarting => format!("restarting: {counts}"),
        SupervisorState::Shutdown => format!("shutting down: {counts}"),
    }
}

fn in_trouble(state: ProcessState) -> bool {
    matches!(state, ProcessState::Backoff | ProcessState::Fatal | ProcessState::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_the_running_and_names_those_in_trouble() {
        let names = |count: usize| (0..count).map(|n| format!("web_{n:02}")).collect::<Vec<_>>();
        let census = [(ProcessState::Stopped, names(1)), (ProcessState::Running, names(9))];
        assert_eq!(line(SupervisorState::Running, &census), "9 running, 1 stopped");
        let census = [(ProcessState::Running, names(9)), (ProcessState::Backoff, vec!["web_03".into()])];
        assert_eq!(line(SupervisorState::Running, &census), "9 running, 1 backoff: web_03");
        assert_eq!(line(SupervisorState::Shutdown, &[]), "shutting down: no programs");
    }
}
