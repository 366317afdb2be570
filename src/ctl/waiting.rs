//! `--wait=SECS`: start, stop, restart and shutdown that wait so long and no longer, and tell what became of it.

use std::time::{Duration, Instant};

use super::client::CallError;
use super::flags::Told;
use super::processes::{STOP, Verb, is_group, no_group, outcome, shown};
use super::progress::{TICK, told};
use super::session::{Session, exit, field, items, namespec, number, text};
use crate::api::ProcessState;
use crate::system::interrupt::Woken;
use crate::wire::xmlrpc::Value;

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(50);

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// The fault that says why.
    Failed(i64),
    Open,
}

/// How long to wait: the time, and how it was written.
#[derive(Clone, Copy)]
pub(super) struct Patience<'w> {
    time: Duration,
    written: &'w str,
}

impl<'w> Patience<'w> {
    /// What `--wait=` says, if it was given.
    ///
    /// # Errors
    /// It is no time, which was said.
    pub(super) fn among(session: &mut Session<'_>, told: &Told<'w>) -> Result<Option<Self>, ()> {
        let Some(written) = told.get("--wait=") else { return Ok(None) };
        match written.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Some(time) => Ok(Some(Self { time, written })),
            None => {
                session.say(format_args!("Error: bad argument --wait={written}; use a number of seconds"));
                session.code = exit::GENERIC;
                Err(())
            }
        }
    }

    /// Whether the time is over, for a wait that has begun then.
    fn is_over(self, began: Instant) -> bool {
        began.elapsed() >= self.time
    }
}

/// Waits until nobody answers any more.
pub(super) fn for_the_end(session: &mut Session<'_>, patience: Patience<'_>) {
    let began = Instant::now();
    loop {
        match session.call("getState", Vec::new()) {
            Err(CallError::NoFile | CallError::Refused) => break,
            Err(CallError::Interrupted) => return,
            // It is about to end, and says so or does not.
            Ok(_) | Err(_) => {}
        }
        if patience.is_over(began) {
            session.say(format_args!("ERROR: supervisord has not ended within {} s", patience.written));
            session.code = exit::GENERIC;
            return;
        }
        if !pause(session, began, &[]) {
            return;
        }
    }
    session.console.progress(None);
}

/// A moment between two looks; who sees it is told for whom it is. False after Ctrl-C.
fn pause(session: &mut Session<'_>, began: Instant, infos: &[&Value]) -> bool {
    if began.elapsed() >= TICK && session.console.shows_progress() {
        session.flush();
        session.console.progress(Some(&told(infos, began.elapsed())));
    }
    match session.console.rest(&[], Some(GLANCE)) {
        Ok(Woken::Late | Woken::Ready(_)) => return true,
        Ok(Woken::Interrupted) => session.interrupt(),
        Err(error) => session.problem(&CallError::Other(error.to_string())),
    }
    false
}

/// Asks for everything at once, and then looks how it goes.
pub(super) fn run(session: &mut Session<'_>, verb: &Verb, names: &[String], patience: Patience<'_>) {
    let began = Instant::now();
    let mut open: Vec<String> = Vec::new();
    if names.iter().any(|name| name == "all") {
        let answer = session.call(verb.all, vec![Value::Bool(false)]);
        begun(session, verb, answer, "all", &mut open);
    } else {
        for name in names {
            let (method, asked) =
                if is_group(name) { (verb.group, shown(name)) } else { (verb.one, name.clone()) };
            let answer = session.call(method, vec![text(&asked), Value::Bool(false)]);
            begun(session, verb, answer, name, &mut open);
        }
    }
    loop {
        let infos = match session.call("getAllProcessInfo", Vec::new()) {
            Ok(infos) => items(infos),
            Err(error) => return session.problem(&error),
        };
        open.retain(|name| !is_settled(session, verb, &infos, name));
        if open.is_empty() {
            return;
        }
        if patience.is_over(began) {
            return late(session, verb, &infos, &open, patience);
        }
        let waited_for = infos.iter().filter(|info| open.iter().any(|name| is_called(info, name)));
        if !pause(session, began, &waited_for.collect::<Vec<_>>()) {
            return;
        }
    }
}

/// Notes for whom to wait, and tells of those who were refused.
fn begun(
    session: &mut Session<'_>,
    verb: &Verb,
    answer: Result<Value, CallError>,
    asked: &str,
    open: &mut Vec<String>,
) {
    match answer {
        Ok(Value::Array(results)) => {
            for result in results {
                match number(&result, "status") {
                    80 => open.push(namespec(&result)),
                    code => outcome(session, verb, &namespec(&result), code, field(&result, "description")),
                }
            }
        }
        Ok(_) => open.push(asked.to_owned()),
        Err(CallError::Fault(10, _)) if is_group(asked) => no_group(session, verb, asked),
        Err(CallError::Fault(code, words)) => outcome(session, verb, &shown(asked), code, &words),
        Err(error) => session.problem(&error),
    }
}

/// Tells of a process that has come to what was wanted, or cannot any more.
fn is_settled(session: &mut Session<'_>, verb: &Verb, infos: &[Value], name: &str) -> bool {
    let code = match infos
        .iter()
        .find(|info| is_called(info, name))
        .map_or(Fate::Failed(10), |info| fate(verb, info))
    {
        Fate::Open => return false,
        Fate::Done => 80,
        Fate::Failed(code) => code,
    };
    outcome(session, verb, &shown(name), code, "");
    true
}

fn is_called(info: &Value, name: &str) -> bool {
    namespec(info) == shown(name)
}

fn fate(verb: &Verb, info: &Value) -> Fate {
    let state = ProcessState::ALL.into_iter().find(|state| state.name() == field(info, "statename"));
    // A state that we do not know is none to stay in.
    let Some(state) = state else { return Fate::Open };
    if verb.name == STOP.name {
        return if state.is_stopped() { Fate::Done } else { Fate::Open };
    }
    match state {
        // It was up, or it could not have ended so.
        ProcessState::Running | ProcessState::Exited => Fate::Done,
        // It is tried again; or is started when it has stopped.
        ProcessState::Starting | ProcessState::Backoff | ProcessState::Stopping => Fate::Open,
        ProcessState::Fatal => Fate::Failed(50),
        ProcessState::Stopped | ProcessState::Unknown => Fate::Failed(40),
    }
}

/// Tells of those for whom the time was too short.
fn late(session: &mut Session<'_>, verb: &Verb, infos: &[Value], open: &[String], patience: Patience<'_>) {
    for name in open {
        let info = infos.iter().find(|info| is_called(info, name));
        let state = info.map_or("", |info| field(info, "statename"));
        let why = info.map_or("", |info| field(info, "spawnerr"));
        let why = if why.is_empty() { String::new() } else { format!(", {why}") };
        let (name, done, written) = (shown(name), verb.done, patience.written);
        session.say(format_args!("{name}: ERROR (not {done} within {written} s: {state}{why})"));
        session.code = exit::GENERIC;
    }
}

#[cfg(test)]
mod tests {
    use super::super::processes::START;
    use super::*;

    #[test]
    fn some_states_are_the_end_of_a_wait() {
        for (state, started, stopped) in [
            ("STOPPED", Fate::Failed(40), Fate::Done),
            ("STARTING", Fate::Open, Fate::Open),
            ("RUNNING", Fate::Done, Fate::Open),
            ("BACKOFF", Fate::Open, Fate::Open),
            ("STOPPING", Fate::Open, Fate::Open),
            ("EXITED", Fate::Done, Fate::Done),
            ("FATAL", Fate::Failed(50), Fate::Done),
            ("UNKNOWN", Fate::Failed(40), Fate::Done),
            ("DREAMING", Fate::Open, Fate::Open),
        ] {
            let info = Value::Struct(vec![("statename".into(), text(state))]);
            assert_eq!((fate(&START, &info), fate(&STOP, &info)), (started, stopped), "{state}");
        }
    }
}
