//! One run of supervisorctl: a daemon to talk to, what was printed, and the exit code so far.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use super::client::{CallError, Rpc};
use super::{commands, flags};
use crate::api::API_VERSION;
use crate::wire::xmlrpc::Value;

/// Exit codes (LSB).
pub mod exit {
    /// Anything that has no code of its own.
    pub const GENERIC: u8 = 1;
    /// Wrong arguments.
    pub const INVALID_ARGS: u8 = 2;
    /// The daemon does not know the namespace; of `status`: something does not run.
    pub const UNIMPLEMENTED: u8 = 3;
    /// Of `status`: something does not run.
    pub const STATUS_NOT_RUNNING: u8 = 3;
    /// Nobody listens; of `status`: unknown.
    pub const INSUFFICIENT_PRIVILEGES: u8 = 4;
    /// Of `status`: unknown.
    pub const STATUS_UNKNOWN: u8 = 4;
    /// Another API.
    pub const NOT_INSTALLED: u8 = 5;
    /// It does not run.
    pub const NOT_RUNNING: u8 = 7;
}

/// One run.
pub struct Session<'r> {
    pub(super) rpc: &'r mut dyn Rpc,
    pub(super) out: String,
    /// What goes to stderr.
    warnings: String,
    /// The exit code; each problem assigns.
    pub code: u8,
}

/// Runs one command line, or a shell on stdin where there are no words; gives the exit code.
pub fn run(rpc: &mut dyn Rpc, words: &[String], prompt: &str) -> u8 {
    let mut session = Session::new(rpc);
    if words.is_empty() {
        session.shell(prompt);
        return 0;
    }
    session.execute(&words.join(" "));
    session.flush();
    session.code
}

impl<'r> Session<'r> {
    /// A run against a daemon.
    pub fn new(rpc: &'r mut dyn Rpc) -> Self {
        Self { rpc, out: String::new(), warnings: String::new(), code: 0 }
    }

    /// Runs one line.
    pub fn execute(&mut self, line: &str) {
        let line = line.trim();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match commands::find(name) {
            Some(command) => (command.run)(self, &words),
            None if line.is_empty() => {}
            None => {
                self.say(format_args!("*** Unknown syntax: {line}"));
                self.code = exit::GENERIC;
            }
        }
    }

    /// What was printed since it was last taken.
    pub fn take_output(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    fn flush(&mut self) {
        let text = self.take_output();
        let mut out = io::stdout().lock();
        // A reader that is gone has seen enough.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        let _ = io::stderr().write_all(std::mem::take(&mut self.warnings).as_bytes());
    }

    fn shell(&mut self, prompt: &str) {
        self.execute("status");
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            self.out.push_str(prompt);
            self.out.push_str("> ");
            if matches!(line.trim(), "quit" | "exit" | "EOF") {
                break;
            }
            self.execute(&line);
            self.flush();
        }
        self.out.push('\n');
        self.flush();
    }

    /// For people, and not for what reads our output.
    pub(super) fn warn(&mut self, text: &str) {
        let _ = writeln!(self.warnings, "{text}");
    }

    /// What was said so far goes to stderr: what reads stdout expects something else.
    pub(super) fn complain_instead(&mut self) {
        let told = std::mem::take(&mut self.out);
        self.warnings.push_str(&told);
    }

    pub(super) fn say(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.out, "{line}");
    }

    pub(super) fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, CallError> {
        self.rpc.call(&format!("supervisor.{method}"), params)
    }

    /// A problem that has no words of its own.
    pub(super) fn problem(&mut self, error: &CallError) {
        match error {
            CallError::Unauthorized => self.say(format_args!("{error}")),
            CallError::NoFile | CallError::Refused => {
                let url = self.rpc.url().to_owned();
                self.say(format_args!("error: {url} {error}"));
            }
            CallError::Fault(..) | CallError::Other(_) => self.say(format_args!("error: {error}")),
        }
        self.code = exit::GENERIC;
    }

    /// A usage problem, with the help of the command.
    pub(super) fn usage(&mut self, text: &str, command: &str, code: u8) {
        self.say(format_args!("Error: {text}"));
        if let Some(command) = commands::find(command) {
            self.say(format_args!("{}{}", command.help, flags::help(command.name)));
        }
        self.code = code;
    }

    /// Whether the daemon answers, and speaks our language; says so if not.
    pub(super) fn is_up(&mut self) -> bool {
        let url = self.rpc.url().to_owned();
        match self.call("getVersion", Vec::new()) {
            Ok(version) if version.as_str() == Some(API_VERSION) => return true,
            Ok(version) => {
                let remote = version.as_str().unwrap_or("unknown").to_owned();
                self.say(format_args!(
                    "Sorry, this version of supervisorctl expects to talk to a server with API version {API_VERSION}, but the remote version is {remote}."
                ));
                self.code = exit::NOT_INSTALLED;
            }
            Err(CallError::NoFile) => {
                self.say(format_args!("{url} no such file"));
                self.code = exit::NOT_RUNNING;
            }
            Err(CallError::Refused) => {
                self.say(format_args!("{url} refused connection"));
                self.code = exit::INSUFFICIENT_PRIVILEGES;
            }
            Err(CallError::Fault(1, _)) => {
                self.say(format_args!(
                    "Sorry, supervisord responded but did not recognize the supervisor namespace commands that supervisorctl uses to control it.  Please check that the [rpcinterface:supervisor] section is enabled in the configuration file (see sample.conf)."
                ));
                self.code = exit::UNIMPLEMENTED;
            }
            Err(error) => self.problem(&error),
        }
        false
    }
}

pub(super) fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

/// A string of a struct; empty where it is missing.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> &'v str {
    value.member(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number of a struct; 0 where it is missing.
pub(super) fn number(value: &Value, name: &str) -> i64 {
    match value.member(name) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    }
}

pub(super) fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// `group:name`, or the name alone where both are equal.
pub(super) fn namespec(value: &Value) -> String {
    let (group, name) = (field(value, "group"), field(value, "name"));
    if group == name { name.to_owned() } else { format!("{group}:{name}") }
}
