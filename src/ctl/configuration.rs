//! reread, update, add, remove, avail, reexec, reload, shutdown, version.

use super::client::CallError;
use super::flags::{self, Told};
use super::json;
use super::session::{Session, exit, field, items, namespec, number, text};
use super::waiting::{self, Patience};
use crate::config::error::{Diagnostic, Severity, render};
use crate::wire::xmlrpc::Value;

const SHUTDOWN_STATE: i64 = 6;
const BAD_NAME: i64 = 10;
const FAILED: i64 = 30;
const ALREADY_ADDED: i64 = 90;
const STILL_RUNNING: i64 = 91;
const CANT_REREAD: i64 = 92;

fn fail(session: &mut Session<'_>, line: std::fmt::Arguments<'_>) {
    session.say(line);
    session.code = exit::GENERIC;
}

fn takes_nothing(session: &mut Session<'_>, words: &[&str], command: &str) -> bool {
    if let Some(first) = words.first() {
        let text = match first.strip_prefix("--").and(flags::of(command).next()) {
            Some(_) => format!("{command} accepts no argument '{first}'"),
            None => format!("{command} accepts no arguments"),
        };
        session.usage(&text, command, exit::GENERIC);
    }
    words.is_empty()
}

/// Added, changed and removed groups; `None` when it was refused, which was said.
fn changes(session: &mut Session<'_>, shutting_down: &str) -> Option<[Vec<String>; 3]> {
    let names = |value: &Value| {
        items(value.clone()).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    match session.call("reloadConfig", Vec::new()) {
        Ok(answer) => {
            let sets = items(items(answer).into_iter().next()?);
            let [added, changed, removed] = sets.as_slice() else { return None };
            Some([names(added), names(changed), names(removed)])
        }
        Err(CallError::Fault(SHUTDOWN_STATE, _)) => {
            fail(session, format_args!("ERROR: {shutting_down}"));
            None
        }
        Err(CallError::Fault(CANT_REREAD, words)) => {
            fail(session, format_args!("ERROR: {words}"));
            None
        }
        Err(error) => {
            session.problem(&error);
            None
        }
    }
}

pub(super) fn reread(session: &mut Session<'_>, words: &[&str]) {
    if !takes_nothing(session, words, "reread") {
        return;
    }
    let Some([added, changed, removed]) = changes(session, "supervisor shutting down") else { return };
    let said = |names: Vec<String>, word: &'static str| names.into_iter().map(move |name| (name, word));
    let mut lines: Vec<_> = said(added, "available")
        .chain(said(changed, "changed"))
        .chain(said(removed, "disappeared"))
        .collect();
    lines.sort();
    if lines.is_empty() {
        session.say(format_args!("No config updates to processes"));
    }
    for (name, word) in lines {
        session.say(format_args!("{name}: {word}"));
    }
    warn(session);
}

/// What would go wrong with the new configuration. A daemon that cannot tell is Supervisor's own.
fn warn(session: &mut Session<'_>) {
    let Ok(found) = session.call("getConfigWarnings", Vec::new()) else { return };
    let found: Vec<Diagnostic> = items(found).iter().map(finding).collect();
    if !found.is_empty() {
        session.warn(&render(&found));
    }
}

fn finding(found: &Value) -> Diagnostic {
    let text = |name: &str| Some(field(found, name).to_owned()).filter(|text| !text.is_empty());
    Diagnostic {
        verbatim: false,
        // It is no error that the configuration was not taken over: it was.
        severity: Severity::Warning,
        file: field(found, "file").into(),
        line: usize::try_from(number(found, "line")).ok().filter(|line| *line > 0),
        section: text("section"),
        option: text("option"),
        problem: field(found, "problem").to_owned(),
        help: text("help"),
        source: text("source"),
    }
}

pub(super) fn add(session: &mut Session<'_>, names: &[&str]) {
    for name in names {
        match session.call("addProcessGroup", vec![text(name)]) {
            Ok(_) => session.say(format_args!("{name}: added process group")),
            Err(CallError::Fault(SHUTDOWN_STATE, _)) => fail(session, format_args!("ERROR: shutting down")),
            Err(CallError::Fault(ALREADY_ADDED, _)) => {
                session.say(format_args!("ERROR: process group already active"));
            }
            Err(CallError::Fault(BAD_NAME, _)) => {
                fail(session, format_args!("ERROR: no such process/group: {name}"));
            }
            Err(error) => session.problem(&error),
        }
    }
}

pub(super) fn remove(session: &mut Session<'_>, names: &[&str]) {
    for name in names {
        match session.call("removeProcessGroup", vec![text(name)]) {
            Ok(_) => session.say(format_args!("{name}: removed process group")),
            Err(CallError::Fault(STILL_RUNNING, _)) => {
                fail(session, format_args!("ERROR: process/group still running: {name}"));
            }
            Err(CallError::Fault(BAD_NAME, _)) => {
                fail(session, format_args!("ERROR: no such process/group: {name}"));
            }
            Err(error) => session.problem(&error),
        }
    }
}

pub(super) fn update(session: &mut Session<'_>, words: &[&str]) {
    let Some([added, changed, removed]) = changes(session, "already shutting down") else { return };
    let everything = words.is_empty() || words.contains(&"all");
    if !everything {
        let Some(active) = active_groups(session) else { return };
        for name in words {
            if !active.iter().any(|group| group == name) && !added.iter().any(|group| group == name) {
                fail(session, format_args!("ERROR: no such group: {name}"));
            }
        }
    }
    let wanted = |name: &String| everything || words.contains(&name.as_str());
    for name in removed.iter().filter(|name| wanted(name)) {
        if stop_group(session, name) && group_call(session, "removeProcessGroup", name) {
            session.say(format_args!("{name}: removed process group"));
        }
    }
    for name in changed.iter().filter(|name| wanted(name)) {
        if stop_group(session, name)
            && group_call(session, "removeProcessGroup", name)
            && group_call(session, "addProcessGroup", name)
        {
            session.say(format_args!("{name}: updated process group"));
        }
    }
    for name in added.iter().filter(|name| wanted(name)) {
        if group_call(session, "addProcessGroup", name) {
            session.say(format_args!("{name}: added process group"));
        }
    }
}

fn active_groups(session: &mut Session<'_>) -> Option<Vec<String>> {
    match session.call("getAllProcessInfo", Vec::new()) {
        Ok(infos) => Some(items(infos).iter().map(|info| field(info, "group").to_owned()).collect()),
        Err(error) => {
            session.problem(&error);
            None
        }
    }
}

fn stop_group(session: &mut Session<'_>, name: &str) -> bool {
    match session.call("stopProcessGroup", vec![text(name)]) {
        Ok(answer) => {
            session.say(format_args!("{name}: stopped"));
            if items(answer).iter().any(|result| number(result, "status") == FAILED) {
                fail(session, format_args!("{name}: has problems; not removing"));
                return false;
            }
            true
        }
        Err(error) => {
            session.problem(&error);
            false
        }
    }
}

fn group_call(session: &mut Session<'_>, method: &str, name: &str) -> bool {
    session.call(method, vec![text(name)]).map_err(|error| session.problem(&error)).is_ok()
}

pub(super) fn avail(session: &mut Session<'_>, words: &[&str]) {
    let told = Told::read("avail", words);
    if !takes_nothing(session, &told.words, "avail") {
        return;
    }
    match session.call("getAllConfigInfo", Vec::new()) {
        Ok(configs) if told.has("--json") => {
            let configs = items(configs);
            let all: Vec<&Value> = configs.iter().collect();
            return session.out.push_str(&json::array(json::AVAIL, &all));
        }
        Ok(configs) => {
            let is = |config: &Value, name: &str| matches!(config.member(name), Some(Value::Bool(true)));
            for config in items(configs) {
                let used = if is(&config, "inuse") { "in use" } else { "avail" };
                let start = if is(&config, "autostart") { "auto" } else { "manual" };
                let (group, own) = (number(&config, "group_prio"), number(&config, "process_prio"));
                let name = namespec(&config);
                session.say(format_args!("{name:<32} {used:<9} {start:<9} {group}:{own}"));
            }
        }
        Err(CallError::Fault(SHUTDOWN_STATE, _)) => {
            fail(session, format_args!("ERROR: supervisor shutting down"));
        }
        Err(error) => session.problem(&error),
    }
    if told.has("--json") {
        session.complain_instead();
    }
}

pub(super) fn reload(session: &mut Session<'_>, words: &[&str]) {
    const QUESTION: &str = "Really restart the remote supervisord process y/N? ";
    if !takes_nothing(session, words, "reload") || !session.is_sure(QUESTION) {
        return;
    }
    match session.call("restart", Vec::new()) {
        Ok(_) => session.say(format_args!("Restarted supervisord")),
        Err(CallError::Fault(SHUTDOWN_STATE, _)) => {
            fail(session, format_args!("ERROR: already shutting down"));
        }
        Err(CallError::Fault(CANT_REREAD, words)) => fail(session, format_args!("ERROR: {words}")),
        Err(error) => session.problem(&error),
    }
}

pub(super) fn reexec(session: &mut Session<'_>, words: &[&str]) {
    if !takes_nothing(session, words, "reexec") || !session.is_up() {
        return;
    }
    // Whoever answers has taken over, or tells why not.
    match session.call("reexec", Vec::new()) {
        Ok(_) => {}
        Err(CallError::Fault(SHUTDOWN_STATE, _)) => {
            return fail(session, format_args!("ERROR: already shutting down"));
        }
        Err(CallError::Fault(FAILED, words)) => {
            let why = words.strip_prefix("FAILED: ").unwrap_or(&words);
            return fail(session, format_args!("ERROR: not taken over, everything goes on as it was: {why}"));
        }
        Err(error) => return session.problem(&error),
    }
    let version = session.call("getSupervisorVersion", Vec::new());
    match (version, session.call("getPID", Vec::new())) {
        (Ok(version), Ok(Value::Int(pid))) => {
            let version = version.as_str().unwrap_or_default();
            session.say(format_args!("Taken over: supervisord {version} (pid {pid})"));
        }
        (Err(error), _) | (_, Err(error)) => session.problem(&error),
        (Ok(_), Ok(_)) => session.code = exit::GENERIC,
    }
}

pub(super) fn shutdown(session: &mut Session<'_>, words: &[&str]) {
    const QUESTION: &str = "Really shut the remote supervisord process down y/N? ";
    let told = Told::read("shutdown", words);
    let Ok(patience) = Patience::among(session, &told) else { return };
    if !takes_nothing(session, &told.words, "shutdown") || !session.is_sure(QUESTION) {
        return;
    }
    match session.call("shutdown", Vec::new()) {
        Ok(_) => session.say(format_args!("Shut down")),
        Err(CallError::Fault(SHUTDOWN_STATE, _)) => {
            session.say(format_args!("ERROR: already shutting down"));
        }
        Err(error @ (CallError::Refused | CallError::NoFile)) => {
            let url = session.rpc.url().to_owned();
            return fail(session, format_args!("ERROR: {url} {error} (already shut down?)"));
        }
        Err(error) => return session.problem(&error),
    }
    if let Some(patience) = patience {
        waiting::for_the_end(session, patience);
    }
}

pub(super) fn version(session: &mut Session<'_>, words: &[&str]) {
    if !takes_nothing(session, words, "version") || !session.is_up() {
        return;
    }
    match session.call("getSupervisorVersion", Vec::new()) {
        Ok(version) => session.say(format_args!("{}", version.as_str().unwrap_or_default())),
        Err(error) => session.problem(&error),
    }
}
