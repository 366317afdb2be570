//! Why a program failed that was run, in words for people.

use crate::api::WaitStatus;

/// It ended before it counted as started.
pub(super) fn too_quick(status: WaitStatus, startsecs: i64) -> String {
    let remedy = match status {
        WaitStatus::Exited(0) => {
            "a program must stay in the foreground; if it is meant to end, set startsecs=0"
        }
        WaitStatus::Exited(_) | WaitStatus::Signalled { .. } | WaitStatus::Lost => "its log may say why",
    };
    format!("ended too quickly ({status}), within startsecs={startsecs}: {remedy}")
}

/// It ended in a way that `exitcodes=` does not name.
pub(super) fn unexpected(status: WaitStatus, exitcodes: &[i32]) -> String {
    let codes: Vec<String> = exitcodes.iter().map(ToString::to_string).collect();
    match status {
        WaitStatus::Exited(_) => format!("{status} is not among exitcodes={}", codes.join(",")),
        WaitStatus::Signalled { .. } | WaitStatus::Lost => status.to_string(),
    }
}
