//! start, stop, restart, signal, pid.

use super::client::CallError;
use super::flags::Told;
use super::patterns::expand;
use super::session::{Session, exit, field, items, namespec, number, text};
use super::waiting::{self, Patience};
use crate::api::Target;
use crate::wire::xmlrpc::Value;

/// Names to print for what was asked: the group alone for a group form.
pub(super) fn shown(name: &str) -> String {
    match Target::from_namespec(name) {
        Target::Group(group) => group,
        Target::Process(name) => name.to_string(),
        Target::All => "all".to_owned(),
    }
}

pub(super) fn is_group(name: &str) -> bool {
    matches!(Target::from_namespec(name), Target::Group(_))
}

/// A verb: its methods, and its words.
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) one: &'static str,
    pub(super) group: &'static str,
    pub(super) all: &'static str,
    pub(super) done: &'static str,
    /// The fault that is no failure.
    ignored: i64,
    bad_group: u8,
}

pub(super) const START: Verb = Verb {
    name: "start",
    one: "startProcess",
    group: "startProcessGroup",
    all: "startAllProcesses",
    done: "started",
    ignored: 60,
    bad_group: exit::INVALID_ARGS,
};
pub(super) const STOP: Verb = Verb {
    name: "stop",
    one: "stopProcess",
    group: "stopProcessGroup",
    all: "stopAllProcesses",
    done: "stopped",
    ignored: 70,
    bad_group: exit::GENERIC,
};
const SIGNAL: Verb = Verb {
    name: "signal",
    one: "signalProcess",
    group: "signalProcessGroup",
    all: "signalAllProcesses",
    done: "signalled",
    ignored: 80,
    bad_group: exit::GENERIC,
};

pub(super) fn start(session: &mut Session<'_>, words: &[&str]) {
    begin(session, "start", words, exit::INVALID_ARGS, &[&START]);
}

pub(super) fn stop(session: &mut Session<'_>, words: &[&str]) {
    begin(session, "stop", words, exit::GENERIC, &[&STOP]);
}

pub(super) fn restart(session: &mut Session<'_>, words: &[&str]) {
    begin(session, "restart", words, exit::GENERIC, &[&STOP, &START]);
}

/// Does one thing after the other with the processes that are named.
fn begin(session: &mut Session<'_>, command: &str, words: &[&str], nobody: u8, verbs: &[&Verb]) {
    let told = Told::read(command, words);
    if !session.is_up() {
        return;
    }
    if told.words.is_empty() {
        return session.usage(&format!("{command} requires a process name"), command, nobody);
    }
    let Ok(patience) = Patience::among(session, &told) else { return };
    let names = expand(session, &told.words, exit::GENERIC);
    for verb in verbs {
        match patience {
            Some(patience) => waiting::run(session, verb, &names, patience),
            None => act(session, verb, &names, &[]),
        }
    }
}

pub(super) fn signal(session: &mut Session<'_>, words: &[&str]) {
    if session.is_up() {
        match words {
            [signal, names @ ..] if !names.is_empty() => {
                let names = expand(session, names, exit::GENERIC);
                act(session, &SIGNAL, &names, &[text(signal)]);
            }
            _ => session.usage("signal requires a signal name and a process name", "signal", exit::GENERIC),
        }
    }
}

fn act(session: &mut Session<'_>, verb: &Verb, names: &[String], more: &[Value]) {
    if names.iter().any(|name| name == "all") {
        let answer = session.call(verb.all, more.to_vec());
        return results(session, verb, answer, "all");
    }
    for name in names {
        let mut params = vec![text(&shown(name))];
        params.extend_from_slice(more);
        if is_group(name) {
            let answer = session.call(verb.group, params);
            results(session, verb, answer, name);
        } else {
            params[0] = text(name);
            match session.call(verb.one, params) {
                Ok(_) => session.say(format_args!("{}: {}", shown(name), verb.done)),
                Err(CallError::Fault(code, words)) => outcome(session, verb, &shown(name), code, &words),
                Err(error) => session.problem(&error),
            }
        }
    }
}

fn results(session: &mut Session<'_>, verb: &Verb, answer: Result<Value, CallError>, asked: &str) {
    match answer {
        Ok(answer) => {
            for result in items(answer) {
                let words = field(&result, "description").to_owned();
                outcome(session, verb, &namespec(&result), number(&result, "status"), &words);
            }
        }
        Err(CallError::Fault(10, _)) => no_group(session, verb, asked),
        Err(CallError::Fault(code, words)) => outcome(session, verb, asked, code, &words),
        Err(error) => session.problem(&error),
    }
}

pub(super) fn no_group(session: &mut Session<'_>, verb: &Verb, asked: &str) {
    session.say(format_args!("{}: ERROR (no such group)", shown(asked)));
    session.code = verb.bad_group;
}

pub(super) fn outcome(session: &mut Session<'_>, verb: &Verb, name: &str, code: i64, words: &str) {
    let why = match code {
        80 => return session.say(format_args!("{name}: {}", verb.done)),
        10 => "no such process",
        11 => "bad signal name",
        20 => "no such file",
        21 => "file is not executable",
        40 => "abnormal termination",
        50 => "spawn error",
        60 => "already started",
        70 => "not running",
        30 if verb.name != "start" => {
            session.say(format_args!("{words}"));
            session.code = exit::GENERIC;
            return;
        }
        _ => {
            session.say(format_args!("error: Unknown result code {code} for {name}"));
            session.code = exit::GENERIC;
            return;
        }
    };
    session.say(format_args!("{name}: ERROR ({why})"));
    if code != verb.ignored {
        session.code = if matches!(code, 40 | 50 | 70) { exit::NOT_RUNNING } else { exit::GENERIC };
    }
}

pub(super) fn pid(session: &mut Session<'_>, names: &[&str]) {
    if !session.is_up() {
        return;
    }
    if names.is_empty() {
        return match session.call("getPID", Vec::new()) {
            Ok(Value::Int(pid)) => session.say(format_args!("{pid}")),
            Ok(_) => session.code = exit::GENERIC,
            Err(error) => session.problem(&error),
        };
    }
    if names.contains(&"all") {
        return match session.call("getAllProcessInfo", Vec::new()) {
            Ok(infos) => {
                for info in items(infos) {
                    session.say(format_args!("{}", number(&info, "pid")));
                }
            }
            Err(error) => session.problem(&error),
        };
    }
    for name in &expand(session, names, exit::GENERIC) {
        match session.call("getProcessInfo", vec![text(name)]) {
            Ok(info) => {
                let pid = number(&info, "pid");
                session.say(format_args!("{pid}"));
                if pid == 0 {
                    session.code = exit::NOT_RUNNING;
                }
            }
            Err(CallError::Fault(10, _)) => {
                session.say(format_args!("No such process {name}"));
                session.code = exit::GENERIC;
            }
            Err(error) => session.problem(&error),
        }
    }
}
