//! `fg`: what a process writes is shown, and what is typed is given to it, line by line.

use super::client::CallError;
use super::console::Unanswered;
use super::follow::{Followed, path_of};
use super::session::{Session, exit, number, text};

const NOT_RUNNING: i64 = 70;
const BAD_NAME: i64 = 10;
/// The state RUNNING.
const RUNNING: i64 = 20;

pub(super) fn fg(session: &mut Session<'_>, names: &[&str]) {
    if !session.is_up() {
        return;
    }
    let name = match names {
        [] => {
            refuse(session, "no process name supplied");
            return session.help("fg");
        }
        [name] => *name,
        _ => return refuse(session, "too many process names supplied"),
    };
    match session.call("getProcessInfo", vec![text(name)]) {
        Ok(info) if number(&info, "state") == RUNNING => {}
        Ok(_) => return refuse(session, "process not running"),
        Err(CallError::Fault(BAD_NAME, _)) => return refuse(session, "bad process name supplied"),
        Err(fault @ CallError::Fault(..)) => return session.say(format_args!("ERROR: {fault}")),
        Err(error) => return session.problem(&error),
    }
    session.say(format_args!("==> Press Ctrl-C to exit <=="));
    session.heed_interrupts();
    connect(session, name);
    session.say(format_args!("Exiting foreground"));
}

fn refuse(session: &mut Session<'_>, why: &str) {
    session.say(format_args!("ERROR: {why}"));
    session.code = exit::GENERIC;
}

/// Shows and gives, until Ctrl-C, the end of input, or the end of the process.
fn connect(session: &mut Session<'_>, name: &str) {
    let mut logs: Vec<Followed> = ["stdout", "stderr"]
        .iter()
        .filter_map(|channel| Followed::open(session, &path_of(name, channel)))
        .collect();
    loop {
        session.flush();
        let streams: Vec<_> = logs.iter().map(Followed::as_fd).collect();
        let heard = match session.console.hear(&streams, true) {
            Ok(heard) => heard,
            Err(error) => return refuse(session, &error.to_string()),
        };
        let mut ready = heard.ready.into_iter();
        logs.retain_mut(|log| ready.next() != Some(true) || log.print(session));
        match heard.typed {
            None => {}
            Some(Ok(line)) if give(session, name, &line) => {}
            Some(Ok(_) | Err(Unanswered::End | Unanswered::Interrupted)) => return,
        }
    }
}

/// Gives a line to the process; whether it took it and still runs.
fn give(session: &mut Session<'_>, name: &str, line: &str) -> bool {
    match session.call("sendProcessStdin", vec![text(name), text(&format!("{line}\n"))]) {
        Ok(_) => {}
        Err(CallError::Fault(NOT_RUNNING, _)) => {
            session.say(format_args!("Process got killed"));
            return false;
        }
        Err(fault @ CallError::Fault(..)) => {
            session.say(format_args!("ERROR: {fault}"));
            return false;
        }
        Err(error) => {
            session.problem(&error);
            return false;
        }
    }
    match session.call("getProcessInfo", vec![text(name)]) {
        Ok(info) if number(&info, "state") == RUNNING => true,
        Ok(_) => {
            session.say(format_args!("Process got killed"));
            false
        }
        Err(error) => {
            session.problem(&error);
            false
        }
    }
}
