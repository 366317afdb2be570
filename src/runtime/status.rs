//! The status line: how many processes are in which state.

use crate::api::{Census, ProcessName, ProcessState, SupervisorState};

/// Names behind the colon, at most.
const NAMED: usize = 5;

/// `9 running, 1 backoff: web_03`: every state that has a process, and the names of those in trouble.
#[must_use]
pub fn line<'a, N: Iterator<Item = &'a ProcessName>>(
    mood: SupervisorState,
    census: &Census,
    names_in: impl Fn(ProcessState) -> N,
) -> String {
    let present = ProcessState::ALL.into_iter().filter(|state| census.of(*state) > 0);
    let counts = present.map(|state| {
        let number = census.of(state);
        let count = format!("{number} {}", state.name().to_lowercase());
        if !in_trouble(state) {
            return count;
        }
        let shown = names_in(state).take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let more = if number > NAMED { " …" } else { "" };
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
        let names: Vec<_> = (0..9).map(|n| ProcessName::new("web", format!("web_{n}"))).collect();
        let said = |mood, counts: &[(ProcessState, usize)]| {
            let census = Census::new(counts.iter().copied());
            line(mood, &census, |state| names.iter().skip(3).take(census.of(state)))
        };
        let running = |counts| said(SupervisorState::Running, counts);
        assert_eq!(
            running(&[(ProcessState::Stopped, 1), (ProcessState::Running, 9)]),
            "9 running, 1 stopped"
        );
        assert_eq!(
            running(&[(ProcessState::Running, 9), (ProcessState::Backoff, 1)]),
            "9 running, 1 backoff: web:web_3"
        );
        assert_eq!(
            running(&[(ProcessState::Fatal, 6)]),
            "6 fatal: web:web_3 web:web_4 web:web_5 web:web_6 web:web_7 …"
        );
        assert_eq!(said(SupervisorState::Shutdown, &[]), "shutting down: no programs");
    }
}
