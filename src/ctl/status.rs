//! status.

use super::client::CallError;
use super::flags::Told;
use super::json;
use super::patterns::expand_among;
use super::processes::{is_group, shown};
use super::session::{Session, exit, field, items, namespec};
use crate::api::Target;
use crate::wire::xmlrpc::Value;

const UNKNOWN_METHOD: i64 = 1;

const STOPPED_STATES: [&str; 4] = ["STOPPED", "EXITED", "FATAL", "UNKNOWN"];

pub(super) fn status(session: &mut Session<'_>, words: &[&str]) {
    let told = Told::read("status", words);
    let for_programs = told.has("--json");
    if let Some(all) = processes(session, for_programs) {
        let lines = select(session, &all, &told.words, exit::STATUS_UNKNOWN);
        if for_programs {
            session.complain_instead();
            session.out.push_str(&json::array(json::STATUS, &lines));
        } else {
            show(session, &lines);
        }
        if lines.iter().any(|info| is_stopped(info)) {
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
    if !session.is_up() {
        if session.code != exit::GENERIC {
            session.code = exit::STATUS_UNKNOWN;
        }
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
                field(info, "group") == name.group && field(info, "name") == name.process
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

fn show(session: &mut Session<'_>, infos: &[&Value]) {
    let names: Vec<String> = infos.iter().map(|info| namespec(info)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(30) + 3;
    for (name, info) in names.iter().zip(infos) {
        let (state, description) = (field(info, "statename"), field(info, "description"));
        session.say(format_args!("{name:<width$}{state:<10}{description}"));
    }
}
