//! The words of the commands, against a daemon of paper.

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use super::candidates::Names;
use super::client::{CallError, Rpc, Tail};
use super::connection::Broken;
use super::console::{Console, Heard, Unanswered};
use super::http::Malformed;
use super::session::Session;
use super::shell::{self, Style};
use crate::system::interrupt::{Interrupts, Woken};
use crate::system::terminal::Size;
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

    fn open(&mut self, _: &str) {}

    fn authenticate(&mut self, username: &str, password: &str) {
        if (username, password) == ("me", "secret") {
            self.0.retain(|_, answer| !matches!(answer, Err(CallError::Unauthorized)));
        }
    }

    fn heed(&mut self, _: &Rc<Interrupts>) {}

    fn aside(&self, _: Duration) -> Box<dyn Rpc> {
        Box::new(Self(self.0.clone()))
    }

    fn follow(&self, _: &str) -> Result<Tail, Broken> {
        Err(Broken::Malformed(Malformed::NoAnswer))
    }
}

/// Somebody who types these lines, and a record of what they see.
#[derive(Default)]
struct Desk {
    typed: Vec<&'static str>,
    seen: String,
}

impl Console for Desk {
    fn print(&mut self, text: &[u8]) -> io::Result<()> {
        self.seen.push_str(std::str::from_utf8(text).unwrap());
        Ok(())
    }

    fn complain(&mut self, text: &str) {
        self.seen.push_str(text);
    }

    fn ask(&mut self, prompt: &str) -> Result<String, Unanswered> {
        self.seen.push_str(prompt);
        if self.typed.is_empty() {
            return Err(Unanswered::End);
        }
        match self.typed.remove(0) {
            "^C" => Err(Unanswered::Interrupted),
            line => Ok(line.to_owned()),
        }
    }

    fn command(&mut self, prompt: &str, _: Names) -> Result<String, Unanswered> {
        self.ask(prompt).inspect_err(|_| self.seen.push('\n'))
    }

    fn ask_hidden(&mut self, prompt: &str) -> Result<String, Unanswered> {
        self.ask(prompt)
    }

    fn interrupts(&mut self) -> io::Result<Rc<Interrupts>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn hear(&mut self, _: &[BorrowedFd<'_>], _: bool) -> io::Result<Heard> {
        Ok(Heard::default())
    }

    fn rest(&mut self, _: &[BorrowedFd<'_>], _: Option<Duration>) -> io::Result<Woken> {
        Ok(Woken::Late)
    }

    fn is_colourful(&self) -> bool {
        false
    }

    fn shows_progress(&self) -> bool {
        true
    }

    fn progress(&mut self, text: Option<&str>) {
        self.seen.push_str(text.unwrap_or_default());
    }

    fn screen(&self) -> Option<Size> {
        None
    }
}

fn run(line: &str, answers: &[(&'static str, Result<Value, CallError>)]) -> (String, u8) {
    let mut paper = Paper(answers.iter().cloned().collect());
    let mut desk = Desk::default();
    let mut session = Session::new(&mut paper, &mut desk, false);
    session.execute(line);
    let code = session.code;
    (desk.seen, code)
}

/// What somebody sees who types these lines into the shell.
fn converse(typed: &[&'static str], answers: &[(&'static str, Result<Value, CallError>)]) -> String {
    let mut paper = Paper(answers.iter().cloned().collect());
    let mut desk = Desk { typed: typed.to_vec(), seen: String::new() };
    let style = Style { interactive: false, prompt: "p".to_owned() };
    assert_eq!(shell::run(&mut paper, &mut desk, &[], &style), 0);
    desk.seen
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
    let going = [("shutdown", Err(CallError::Fault(6, String::new()))), ("getState", Ok(Value::Int(0)))];
    let (already, late) = ("ERROR: already shutting down\n", "ERROR: supervisord has not ended within 0 s\n");
    assert_eq!(run("shutdown", &going), (already.to_owned(), 0));
    assert_eq!(run("shutdown --wait=0", &going), (format!("{already}{late}"), 1), "waited for all the same");
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

#[test]
fn the_shell_shows_the_status_and_then_does_what_it_is_told() {
    let infos = [("getAllProcessInfo", Ok(Value::Array(vec![info("x", "x", "RUNNING", "")])))];
    let line = "x                                RUNNING   \n";
    let expected =
        format!("{line}p> {line}p> p> *** Unknown syntax: bogus x\np> *** Unknown syntax: !ls\np> \n");
    assert_eq!(converse(&["status x", "  ", "bogus x", "!ls", "EOF", "never"], &infos), expected);
    assert_eq!(converse(&["exit now"], &infos), format!("{line}p> \n"));
    assert_eq!(converse(&[], &infos), format!("{line}p> \n"));
    assert_eq!(converse(&["^C"], &infos), format!("{line}p> \n"));
    let syntax = "version\t\t\tShow the version of the remote supervisord process\n";
    assert_eq!(converse(&["?version"], &infos), format!("{line}p> {syntax}p> \n"));
}

#[test]
fn what_cannot_be_undone_is_asked_for() {
    let answers = [("getAllProcessInfo", Ok(Value::Array(vec![]))), ("shutdown", Ok(Value::Bool(true)))];
    let question = "Really shut the remote supervisord process down y/N? ";
    let seen = converse(&["shutdown", "no", "shutdown", "Yes", "shutdown", "^C", "shutdown"], &answers);
    let expected = format!(
        "p> {question}p> {question}Shut down\np> {question}\np> {question}error: EOF when reading a line\np> \n"
    );
    assert_eq!(seen, expected);
}

#[test]
fn a_password_is_asked_for_until_it_is_the_right_one() {
    let answers = [
        ("getVersion", Err(CallError::Unauthorized)),
        ("getAllProcessInfo", Ok(Value::Array(vec![info("x", "x", "RUNNING", "")]))),
    ];
    let seen = converse(&["me", "guess", "me", "secret", "quit"], &answers);
    let asked = "Server requires authentication\nUsername:Password:\n";
    assert_eq!(seen, format!("{asked}{asked}x                                RUNNING   \np> \n"));
    let (seen, code) = run("status", &answers);
    assert_eq!((seen.as_str(), code), ("Server requires authentication\n", 1));
}
