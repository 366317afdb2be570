//! The words of the commands, against a daemon of paper.

use std::collections::HashMap;

use super::client::{CallError, Rpc};
use super::session::Session;
use crate::wire::xmlrpc::Value;

struct Paper(HashMap<&'static str, Result<Value, CallError>>);

impl Rpc for Paper {
    fn call(&mut self, method: &str, _: Vec<Value>) -> Result<Value, CallError> {
        let method = method.trim_start_matches("supervisor.");
        let version = (method == "getVersion").then(|| Ok(Value::String("3.0".into())));
        self.0.get(method).cloned().or(version).unwrap_or(Err(CallError::Fault(1, "UNKNOWN_METHOD".into())))
    }

    fn url(&self) -> &str {
        "unix:///s"
    }
}

fn run(line: &str, answers: &[(&'static str, Result<Value, CallError>)]) -> (String, u8) {
    let mut paper = Paper(answers.iter().cloned().collect());
    let mut session = Session::new(&mut paper);
    session.execute(line);
    (session.take_output(), session.code)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn info(group: &str, name: &str, state: &str, description: &str) -> Value {
    Value::Struct(vec![
        ("group".into(), text(group)),
        ("name".into(), text(name)),
        ("statename".into(), text(state)),
        ("description".into(), text(description)),
        ("pid".into(), Value::Int(17)),
    ])
}

#[test]
fn status_stands_in_supervisors_columns() {
    let infos = Value::Array(vec![
        info("myprogram", "myprogram_00", "RUNNING", "pid 17, uptime 0:01:40"),
        info("z", "z", "EXITED", "Nov 22 10:54 AM"),
    ]);
    let answers = [("getAllProcessInfo", Ok(infos))];
    let (out, code) = run("status", &answers);
    let first = "myprogram:myprogram_00           RUNNING   pid 17, uptime 0:01:40\n";
    let second = "z                                EXITED    Nov 22 10:54 AM\n";
    assert_eq!((out, code), (format!("{first}{second}"), 3));
    assert_eq!(run("status myprogram:*", &answers), (first.to_owned(), 0));
    assert_eq!(run("status nope", &answers), ("nope: ERROR (no such process)\n".to_owned(), 4));
    assert_eq!(run("status no:*", &answers), ("no: ERROR (no such group)\n".to_owned(), 4));
}

#[test]
fn faults_have_their_words_and_codes() {
    for (code, line, exit) in [
        (10, "x: ERROR (no such process)\n", 1),
        (20, "x: ERROR (no such file)\n", 1),
        (21, "x: ERROR (file is not executable)\n", 1),
        (40, "x: ERROR (abnormal termination)\n", 7),
        (50, "x: ERROR (spawn error)\n", 7),
        (60, "x: ERROR (already started)\n", 0),
    ] {
        let answer = [("startProcess", Err(CallError::Fault(code, String::new())))];
        assert_eq!(run("start x", &answer), (line.to_owned(), exit));
    }
    let failed = [("stopProcess", Err(CallError::Fault(30, "FAILED: unknown problem".to_owned())))];
    assert_eq!(run("stop x", &failed), ("FAILED: unknown problem\n".to_owned(), 1));
    let shutting_down = [("startProcess", Err(CallError::Fault(6, String::new())))];
    assert_eq!(run("start x", &shutting_down), ("error: Unknown result code 6 for x\n".to_owned(), 1));
    assert_eq!(run("stop x", &[("stopProcess", Ok(Value::Bool(true)))]), ("x: stopped\n".to_owned(), 0));
}

#[test]
fn a_daemon_that_is_not_there_is_told_of_once() {
    let gone = [("getVersion", Err(CallError::NoFile)), ("shutdown", Err(CallError::NoFile))];
    assert_eq!(run("start x", &gone), ("unix:///s no such file\n".to_owned(), 7));
    assert_eq!(run("status", &gone), ("unix:///s no such file\n".to_owned(), 4));
    let shut = "ERROR: unix:///s no such file (already shut down?)\n".to_owned();
    assert_eq!(run("shutdown", &gone), (shut, 1));
    assert_eq!(run("bogus it", &gone), ("*** Unknown syntax: bogus it\n".to_owned(), 1));
}

#[test]
fn update_does_what_reread_found() {
    let names = |name: &str| Value::Array(vec![text(name)]);
    let found = Value::Array(vec![Value::Array(vec![names("new"), names("edited"), names("gone")])]);
    let yes = || Ok(Value::Bool(true));
    let answers = [
        ("reloadConfig", Ok(found)),
        ("stopProcessGroup", Ok(Value::Array(vec![]))),
        ("removeProcessGroup", yes()),
        ("addProcessGroup", yes()),
    ];
    assert_eq!(run("reread", &answers).0, "edited: changed\ngone: disappeared\nnew: available\n");
    let expected = "gone: stopped\ngone: removed process group\nedited: stopped\nedited: updated process group\nnew: added process group\n";
    assert_eq!(run("update", &answers), (expected.to_owned(), 0));
}
