//! status.

use super::client::CallError;
use super::flags::Told;
use super::json;
use super::patterns::expand_among;
use super::processes::{is_group, shown};
use super::session::{Session, exit, field, items, namespec};
use super::watch::watch;
use crate::api::Target;
use crate::wire::xmlrpc::Value;

const UNKNOWN_METHOD: i64 = 1;

const STOPPED_STATES: [&str; 4] = ["STOPPED", "EXITED", "FATAL", "UNKNOWN"];

pub(super) fn status(session: &mut Session<'_>, words: &[&str]) {
    let told = Told::read("status", words);
    let for_programs = told.has("--json");
    if told.has("--watch") {
        if for_programs {
            return session.usage("--json and --watch exclude each other", "status", exit::GENERIC);
        }
        if is_up(session) {
            watch(session, &told.words);
        }
        return;
    }
    if let Some(all) = processes(session, for_programs) {
        let selected = select(session, &all, &told.words, exit::STATUS_UNKNOWN);
        if for_programs {
            session.complain_instead();
            session.out.push_str(&json::array(json::STATUS, &selected));
        } else {
            for line in lines(&selected) {
                session.say(format_args!("{line}"));
            }
        }
        if selected.iter().any(|info| is_stopped(info)) {
            session.code = exit::STATUS_NOT_RUNNING;
        }
    } else if for_programs {
        session.complain_instead();
    }
}

pub(super) fn is_stopped(info: &Value) -> bool {
    STOPPED_STATES.contains(&field(info, "statename"))
}

/// What the daemon tells of all processes; in detail, if it can. `None`: nothing, and why was said.
pub(super) fn processes(session: &mut Session<'_>, in_detail: bool) -> Option<Vec<Value>> {
    if !is_up(session) {
        return None;
    }
    let infos = match all_infos(session, in_detail) {
        Ok(infos) => infos,
        Err(error) => {
            session.problem(&error);
            return None;
        }
    };
    Some(items(infos))
}

fn is_up(session: &mut Session<'_>) -> bool {
    let is_up = session.is_up();
    if !is_up && session.code != exit::GENERIC {
        session.code = exit::STATUS_UNKNOWN;
    }
    is_up
}

/// What is known of all processes. Supervisor's daemon knows no details.
fn all_infos(session: &mut Session<'_>, in_detail: bool) -> Result<Value, CallError> {
    if in_detail {
        match session.call("getAllProcessDetails", Vec::new()) {
            Err(CallError::Fault(UNKNOWN_METHOD, _)) => {}
            answer => return answer,
        }
    }
    session.call("getAllProcessInfo", Vec::new())
}

/// Those that were asked for, in the order of the words. Who is not known is told, with this exit code.
pub(super) fn select<'i>(
    session: &mut Session<'_>,
    all: &'i [Value],
    names: &[&str],
    unknown: u8,
) -> Vec<&'i Value> {
    if names.is_empty() || names.contains(&"all") {
        return all.iter().collect();
    }
    let mut selected: Vec<&Value> = Vec::new();
    for name in &expand_among(session, all, names, unknown) {
        let target = Target::from_namespec(name);
        let wanted = |info: &&Value| match &target {
            Target::Group(group) => field(info, "group") == group,
            Target::Process(name) => {
                field(info, "group") == &*name.group && field(info, "name") == &*name.process
            }
            Target::All => true,
        };
        let before = selected.len();
        selected.extend(all.iter().filter(wanted));
        if selected.len() == before {
            let (name, kind) =
                if is_group(name) { (shown(name), "group") } else { (name.clone(), "process") };
            session.say(format_args!("{name}: ERROR (no such {kind})"));
            session.code = unknown;
        }
    }
    selected
}

/// A line for each, in Supervisor's columns.
pub(super) fn lines(infos: &[&Value]) -> Vec<String> {
    let names: Vec<String> = infos.iter().map(|info| namespec(info)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(30) + 3;
    let line = |(name, info): (&String, &&Value)| {
        let (state, description) = (field(info, "statename"), field(info, "description"));
        format!("{name:<width$}{state:<10}{description}")
    };
    names.iter().zip(infos).map(line).collect()
}
