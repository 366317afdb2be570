//! doctor: what is off with the daemon, its unit and its surroundings.

mod checks;
mod facts;

use std::path::Path;

use checks::CHECKS;
use facts::Facts;

use super::client::CallError;
use super::session::{Session, exit, field, items, namespec, number};
use crate::wire::xmlrpc::Value;

pub(super) fn doctor(session: &mut Session<'_>, words: &[&str]) {
    if !words.is_empty() {
        return session.usage("doctor accepts no arguments", "doctor", exit::GENERIC);
    }
    let url = session.rpc.url().to_owned();
    let mut facts = Facts::of_this_machine(url.strip_prefix("unix://").map(Path::new));
    if ask(session, &url, &mut facts).is_err() {
        // Ctrl-C, or nobody to give a password.
        session.code = exit::GENERIC;
        return;
    }
    tell(session, &facts);
}

fn tell(session: &mut Session<'_>, facts: &Facts) {
    let mut sound = true;
    for check in CHECKS {
        let Some((problem, help)) = (check.find)(facts) else { continue };
        sound &= !check.fault;
        let kind = if check.fault { "" } else { "note: " };
        session.say(format_args!("{kind}{}: {problem}\n    {help}", check.name));
    }
    if sound {
        session.say(format_args!("Nothing is off."));
    } else {
        session.code = exit::GENERIC;
    }
}

/// What the daemon itself knows. One that does not answer is a finding; one of Supervisor's own knows less.
fn ask(session: &mut Session<'_>, url: &str, facts: &mut Facts) -> Result<(), CallError> {
    match session.call("getPID", Vec::new()) {
        Ok(Value::Int(pid)) => facts.daemon_pid = Some(pid),
        Ok(_) => {}
        Err(error @ (CallError::Interrupted | CallError::Unanswered)) => return Err(error),
        Err(error) => {
            facts.unreachable = Some(format!("{url} {error}"));
            return Ok(());
        }
    }
    let configured = session.call("getAllConfigInfo", Vec::new()).map(items).unwrap_or_default();
    let stops =
        configured.iter().map(|one| (u64::try_from(number(one, "stopwaitsecs")).unwrap_or(0), namespec(one)));
    facts.longest_stop = stops.max();
    let warnings = session.call("getConfigWarnings", Vec::new()).map(items).unwrap_or_default();
    facts.warnings = warnings.iter().map(warning).collect();
    Ok(())
}

fn warning(found: &Value) -> String {
    let problem = field(found, "problem");
    match (field(found, "section"), field(found, "option")) {
        ("", _) => problem.to_owned(),
        (section, "") => format!("[{section}] {problem}"),
        (section, option) => format!("[{section}] {option}: {problem}"),
    }
}
