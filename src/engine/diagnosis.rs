//! Why a program failed, in words for people.

use super::Evidence;
use crate::api::WaitStatus;

/// A problem, and what would help.
pub(super) fn with(problem: String, help: &str) -> String {
    if help.is_empty() { problem } else { format!("{problem}; {help}") }
}

/// It ended before it counted as started.
pub(super) fn too_quick(status: WaitStatus, startsecs: i64, evidence: &Evidence) -> String {
    let usual = match status {
        WaitStatus::Exited(0) => {
            "a program must stay in the foreground; if it is meant to end, set startsecs=0"
        }
        WaitStatus::Exited(_) | WaitStatus::Signalled { .. } | WaitStatus::Lost => "",
    };
    told(format!("ended too quickly ({status}), within startsecs={startsecs}"), usual, evidence)
}

/// It ended in a way that `exitcodes=` does not name.
pub(super) fn unexpected(status: WaitStatus, exitcodes: &[i32], evidence: &Evidence) -> String {
    let codes: Vec<String> = exitcodes.iter().map(ToString::to_string).collect();
    let what = match status {
        WaitStatus::Exited(_) => format!("{status} is not among exitcodes={}", codes.join(",")),
        WaitStatus::Signalled { .. } | WaitStatus::Lost => status.to_string(),
    };
    told(what, "", evidence)
}

fn told(what: String, usual: &str, evidence: &Evidence) -> String {
    let advice = evidence.advice.as_deref().unwrap_or(usual);
    if let Some(failure) = &evidence.failure {
        return with(failure.clone(), advice);
    }
    let told = with(what, advice);
    match &evidence.last_words {
        Some(words) => format!("{told}; it last wrote: {words}"),
        None => told,
    }
}
