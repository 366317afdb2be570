//! tail, maintail, clear.

use super::client::CallError;
use super::follow;
use super::patterns::expand;
use super::session::{Session, exit, field, items, namespec, number, text};
use crate::api::Target;
use crate::wire::xmlrpc::Value;

/// Bytes that are shown unless told.
const DEFAULT_BYTES: i64 = 1600;

/// `-N`: how many bytes. `None`: no such option.
fn bytes(option: &str) -> Option<i64> {
    option.strip_prefix('-')?.parse().ok()
}

fn print(session: &mut Session<'_>, answer: Result<Value, CallError>, name: &str, unknown: &str) {
    let why = match answer {
        Ok(text) => return session.say(format_args!("{}", text.as_str().unwrap_or_default())),
        Err(CallError::Fault(20, _)) => "no log file",
        Err(CallError::Fault(30, _)) => "unknown error reading log",
        Err(CallError::Fault(10, _)) => unknown,
        Err(error) => return session.problem(&error),
    };
    session.say(format_args!("{name}: ERROR ({why})"));
    session.code = exit::GENERIC;
}

pub(super) fn tail(session: &mut Session<'_>, words: &[&str]) {
    if !session.is_up() {
        return;
    }
    let (option, rest) = match words {
        [first, rest @ ..] if first.starts_with('-') => (Some(*first), rest),
        rest => (None, rest),
    };
    let (name, channel) = match rest {
        [] if option.is_some() => {
            session.say(format_args!("Error: tail requires process name"));
            session.code = exit::GENERIC;
            return;
        }
        [] => return session.usage("too few arguments", "tail", exit::GENERIC),
        _ if words.len() > 3 => return session.usage("too many arguments", "tail", exit::GENERIC),
        [name] => (*name, "stdout".to_owned()),
        // A third word between the two is passed over, as in Supervisor.
        [name, .., channel] => (*name, channel.to_lowercase()),
    };
    let method = match channel.as_str() {
        "stdout" => "readProcessStdoutLog",
        "stderr" => "readProcessStderrLog",
        other => {
            session.say(format_args!("Error: bad channel '{other}'"));
            session.code = exit::GENERIC;
            return;
        }
    };
    if option == Some("-f") {
        let Some(name) = the_one(session, name) else { return };
        return follow::follow(session, &follow::path_of(&name, &channel));
    }
    let Some(count) = count(session, option) else { return };
    let Some(name) = the_one(session, name) else { return };
    let answer = session.call(method, vec![text(&name), Value::Int(-count), Value::Int(0)]);
    print(session, answer, &name, "no such process name");
}

/// The one process that a pattern matches; any other name as it is.
fn the_one(session: &mut Session<'_>, name: &str) -> Option<String> {
    let mut found = expand(session, &[name], exit::GENERIC);
    if found.len() > 1 {
        let found = found.join(", ");
        session.say(format_args!("Error: '{name}' matches {found}; name one of them"));
        session.code = exit::GENERIC;
        return None;
    }
    found.pop()
}

fn count(session: &mut Session<'_>, option: Option<&str>) -> Option<i64> {
    match option {
        None => Some(DEFAULT_BYTES),
        Some(option) => {
            let count = bytes(option);
            if count.is_none() {
                session.say(format_args!("Error: bad argument {option}"));
                session.code = exit::GENERIC;
            }
            count
        }
    }
}

pub(super) fn maintail(session: &mut Session<'_>, words: &[&str]) {
    if !session.is_up() {
        return;
    }
    if words.len() > 1 {
        return session.usage("too many arguments", "maintail", exit::GENERIC);
    }
    if words == ["-f"] {
        return follow::follow(session, "/mainlogtail");
    }
    let Some(count) = count(session, words.first().copied()) else { return };
    let answer = session.call("readLog", vec![Value::Int(-count), Value::Int(0)]);
    print(session, answer, "supervisord", "no log file");
}

pub(super) fn clear(session: &mut Session<'_>, names: &[&str]) {
    if !session.is_up() {
        return;
    }
    if names.is_empty() {
        return session.usage("clear requires a process name", "clear", exit::GENERIC);
    }
    if names.contains(&"all") {
        return match session.call("clearAllProcessLogs", Vec::new()) {
            Ok(results) => {
                for result in items(results) {
                    cleared(session, &namespec(&result), number(&result, "status"));
                }
            }
            Err(error) => session.problem(&error),
        };
    }
    for name in &expand(session, names, exit::GENERIC) {
        for name in members(session, name) {
            match session.call("clearProcessLogs", vec![text(&name)]) {
                Ok(_) => cleared(session, &name, 80),
                Err(CallError::Fault(code, _)) => cleared(session, &name, code),
                Err(error) => session.problem(&error),
            }
        }
    }
}

/// The processes of a group form; any other name as it is.
fn members(session: &mut Session<'_>, name: &str) -> Vec<String> {
    let Target::Group(group) = Target::from_namespec(name) else { return vec![name.to_owned()] };
    let infos = session.call("getAllProcessInfo", Vec::new()).map(items).unwrap_or_default();
    let found: Vec<_> = infos.iter().filter(|info| field(info, "group") == group).map(namespec).collect();
    if found.is_empty() { vec![group] } else { found }
}

fn cleared(session: &mut Session<'_>, name: &str, code: i64) {
    match code {
        80 => return session.say(format_args!("{name}: cleared")),
        10 => session.say(format_args!("{name}: ERROR (no such process)")),
        _ => session.say(format_args!("{name}: ERROR (failed)")),
    }
    session.code = exit::GENERIC;
}
