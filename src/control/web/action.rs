//! What the page can do, in the words of Supervisor's (4.3 `web.py`), and how it says what came of it.

use jiff::{Timestamp, tz::TimeZone};

use super::form::Form;
use super::html::leaving;
use crate::api::{Asker, Fault, FaultCode, ProcessResult, Reply, Request, SupervisorState, Target, WallSecs};
use crate::runtime::handle::Supervisor;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what it says")]
pub enum Verb {
    Start,
    Stop,
    Restart,
    ClearLog,
}

impl Verb {
    /// In the order of the page.
    pub const ALL: [Self; 4] = [Self::Start, Self::Restart, Self::Stop, Self::ClearLog];

    /// The value of `action=`; with `all` behind it, it is for every process.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::ClearLog => "clearlog",
        }
    }

    /// What a button says.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Restart => "Restart",
            Self::ClearLog => "Clear log",
        }
    }

    fn past(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
            Self::ClearLog => "cleared",
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing; the page is only to be shown anew.
    Refresh,
    /// Something, for all.
    All(Verb),
    /// Something, for whom a namespec names: a process, or `group:*`.
    Named(Verb, String),
}

/// There is no such action, or it lacks its `processname`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadAction;

impl Action {
    /// Reads `action=` and `processname=`; the buttons of our pages say both in one, `do=stop web:a`.
    ///
    /// # Errors
    /// When there is no such action.
    pub fn read(form: &Form) -> Result<Option<Self>, BadAction> {
        let (word, name) = match form.get("do") {
            Some(both) => both.split_once(' ').map_or((both, None), |(word, name)| (word, Some(name))),
            None => match form.get("action") {
                Some(word) => (word, form.get("processname")),
                None => return Ok(None),
            },
        };
        if word == "refresh" {
            return Ok(Some(Self::Refresh));
        }
        let verb = |word: &str| Verb::ALL.into_iter().find(|verb| verb.word() == word);
        if let Some(verb) = word.strip_suffix("all").and_then(verb) {
            return Ok(Some(Self::All(verb)));
        }
        match (verb(word), name) {
            (Some(verb), Some(name)) => Ok(Some(Self::Named(verb, name.to_owned()))),
            _ => Err(BadAction),
        }
    }

    /// What is asked before it is done.
    #[must_use]
    pub fn question(&self) -> String {
        let of_whom = |name: &String| match Target::from_namespec(name) {
            Target::Group(group) => format!("every program of the group {group}"),
            _ => name.clone(),
        };
        let (verb, whom) = match self {
            Self::Refresh => return "Refresh the page?".to_owned(),
            Self::All(verb) => (verb, "every program".to_owned()),
            Self::Named(verb, name) => (verb, of_whom(name)),
        };
        match verb {
            Verb::Start => format!("Start {whom}?"),
            Verb::Stop => format!("Stop {whom}?"),
            Verb::Restart => format!("Restart {whom}?"),
            Verb::ClearLog => format!("Clear the log of {whom}?"),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// It was done.
    pub ok: bool,
    /// In words.
    pub message: String,
}

/// Does it, and waits until it is done.
pub async fn perform(supervisor: &Supervisor, asker: &Asker, action: Action) -> Outcome {
    let at = || ctime(supervisor.now().wall, &TimeZone::system());
    match action {
        Action::Refresh => Outcome { ok: true, message: format!("Page refreshed at {}", at()) },
        Action::All(verb) => {
            let done = carry_out(supervisor, asker, verb, Target::All).await;
            let what = match verb {
                Verb::ClearLog => "All logs cleared".to_owned(),
                _ => format!("All {}", verb.past()),
            };
            told(done, verb, "all", &format!("{what} at {}", at()))
        }
        Action::Named(verb, name) => {
            let target = Target::from_namespec(&name);
            let message = match (&target, verb) {
                (Target::Group(group), Verb::ClearLog) => format!("Logs of group {group} cleared"),
                (Target::Group(group), _) => format!("Group {group} {}", verb.past()),
                (_, Verb::ClearLog) => format!("Log for {name} cleared"),
                (..) => format!("Process {name} {}", verb.past()),
            };
            told(carry_out(supervisor, asker, verb, target).await, verb, &name, &message)
        }
    }
}

async fn carry_out(
    supervisor: &Supervisor,
    asker: &Asker,
    verb: Verb,
    target: Target,
) -> Result<Reply, Fault> {
    let start = |target| Request::Start { target, wait: true };
    let stop = |target| Request::Stop { target, wait: true };
    match verb {
        Verb::Start => supervisor.call(asker, start(target)).await,
        Verb::Stop => supervisor.call(asker, stop(target)).await,
        Verb::ClearLog => supervisor.call(asker, Request::ClearLogs(target)).await,
        Verb::Restart => {
            match supervisor.call(asker, stop(target.clone())).await {
                Err(fault) if fault.code != FaultCode::NotRunning => return Err(fault),
                _ => {}
            }
            supervisor.call(asker, start(target)).await
        }
    }
}

fn told(done: Result<Reply, Fault>, verb: Verb, name: &str, message: &str) -> Outcome {
    let bad = |message| Outcome { ok: false, message };
    match done {
        Ok(Reply::Results(results)) => match failures(&results, verb) {
            None => Outcome { ok: true, message: message.to_owned() },
            Some(list) => bad(format!("ERROR: {list}")),
        },
        Ok(_) => Outcome { ok: true, message: message.to_owned() },
        Err(fault) => bad(refusal(&fault, verb, name)),
    }
}

/// How many of those that failed are named.
const NAMED: usize = 5;

fn failures(results: &[ProcessResult], verb: Verb) -> Option<String> {
    let failed = results.iter().filter_map(|result| {
        let fault = result.outcome.as_ref().err()?;
        Some(format!("{}: {}", result.name, reason(fault, verb)))
    });
    let failed: Vec<String> = failed.collect();
    let more = failed.len().saturating_sub(NAMED);
    let named = failed[..failed.len() - more].join("; ");
    match (failed.len(), more) {
        (0, _) => None,
        (_, 0) => Some(named),
        _ => Some(format!("{named}; and {more} more")),
    }
}

fn refusal(fault: &Fault, verb: Verb, name: &str) -> String {
    match (fault.code, verb) {
        (FaultCode::BadName, _) => match Target::from_namespec(name) {
            Target::Group(group) => format!("No such group named {group}"),
            _ => format!("No such process named {name}"),
        },
        (FaultCode::ShutdownState, _) => {
            format!("ERROR: {}", leaving(SupervisorState::Shutdown))
        }
        (_, Verb::Start | Verb::Restart) => format!("ERROR: Process {name}: {}", reason(fault, verb)),
        _ => reason(fault, verb),
    }
}

fn reason(fault: &Fault, verb: Verb) -> String {
    let known = match fault.code {
        FaultCode::NoFile => "no such file",
        FaultCode::NotExecutable => "file not executable",
        FaultCode::AlreadyStarted => "already started",
        FaultCode::SpawnError => "spawn error",
        FaultCode::AbnormalTermination => "abnormal termination",
        _ => "",
    };
    match verb {
        Verb::Start | Verb::Restart if !known.is_empty() => known.to_owned(),
        _ => format!("unexpected rpc fault [{}] {fault}", fault.code.code()),
    }
}

/// As C's `ctime` writes it.
fn ctime(at: WallSecs, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone.clone()).strftime("%a %b %e %H:%M:%S %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ProcessName;

    fn read(query: &str) -> Result<Option<Action>, BadAction> {
        Action::read(&Form::read(query, b""))
    }

    #[test]
    fn actions_are_read() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("action=refresh"), Ok(Some(Action::Refresh)));
        assert_eq!(read("action=stopall"), Ok(Some(Action::All(Verb::Stop))));
        assert_eq!(read("action=clearlogall"), Ok(Some(Action::All(Verb::ClearLog))));
        assert_eq!(read("do=startall"), Ok(Some(Action::All(Verb::Start))));
        let named = Action::Named(Verb::Restart, "web:a".into());
        assert_eq!(read("do=restart+web:a"), Ok(Some(named.clone())));
        assert_eq!(read("action=restart&processname=web:a"), Ok(Some(named)));
        for bad in
            ["do=stop", "action=stop", "action=nope", "action=all&processname=a", "action=nope&processname=a"]
        {
            assert_eq!(read(bad), Err(BadAction), "{bad}");
        }
    }

    #[test]
    fn faults_are_told_as_supervisor_tells_them() {
        let told = |verb, code| refusal(&Fault::new(code, "x"), verb, "x");
        for (verb, code, text) in [
            (Verb::Start, FaultCode::NoFile, "ERROR: Process x: no such file"),
            (Verb::Start, FaultCode::NotExecutable, "ERROR: Process x: file not executable"),
            (Verb::Start, FaultCode::AlreadyStarted, "ERROR: Process x: already started"),
            (Verb::Restart, FaultCode::SpawnError, "ERROR: Process x: spawn error"),
            (Verb::Start, FaultCode::AbnormalTermination, "ERROR: Process x: abnormal termination"),
            (Verb::Start, FaultCode::Failed, "ERROR: Process x: unexpected rpc fault [30] FAILED: x"),
            (Verb::Stop, FaultCode::NotRunning, "unexpected rpc fault [70] NOT_RUNNING: x"),
            (Verb::ClearLog, FaultCode::Failed, "unexpected rpc fault [30] FAILED: x"),
            (Verb::Stop, FaultCode::BadName, "No such process named x"),
        ] {
            assert_eq!(told(verb, code), text);
        }
    }

    #[test]
    fn of_many_failures_some_are_named() {
        let result =
            |n: usize, outcome| ProcessResult { name: ProcessName::new("g", n.to_string()), outcome };
        let failed = |n| result(n, Err(Fault::new(FaultCode::SpawnError, "x")));
        let mut results = vec![result(0, Ok(()))];
        assert_eq!(failures(&results, Verb::Start), None);
        results.push(failed(1));
        assert_eq!(failures(&results, Verb::Start).unwrap(), "g:1: spawn error");
        results.extend((2..9).map(failed));
        assert!(failures(&results, Verb::Start).unwrap().ends_with("g:5: spawn error; and 3 more"));
    }

    #[test]
    fn times_are_written_as_c_writes_them() {
        assert_eq!(ctime(WallSecs(0), &TimeZone::UTC), "Thu Jan  1 00:00:00 1970");
    }

    #[test]
    fn questions_name_whom_they_are_about() {
        for (query, text) in [
            ("action=stopall", "Stop every program?"),
            ("action=restart&processname=a", "Restart a?"),
            ("action=clearlog&processname=g:*", "Clear the log of every program of the group g?"),
        ] {
            assert_eq!(read(query).unwrap().unwrap().question(), text);
        }
    }
}
