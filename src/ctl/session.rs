//! One run of supervisorctl: a daemon to talk to, what was printed, and the exit code so far.

use std::fmt::Write as _;

use super::client::{CallError, Rpc};
use super::commands::{self, Listed};
use super::console::{Console, Unanswered};
use super::progress::{Progress, TICK};
use super::{flags, shell};
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
    /// As shells tell of those that SIGINT has ended.
    pub const INTERRUPTED: u8 = 130;
}

/// One run.
pub struct Session<'r> {
    pub(super) rpc: &'r mut dyn Rpc,
    pub(super) console: &'r mut dyn Console,
    /// Whether questions are asked before what cannot be undone, and where a password is wanted.
    pub(super) interactive: bool,
    /// Whether the shell is to be left.
    pub(super) leaving: bool,
    /// What goes to stdout, and is shown before the next wait.
    pub(super) out: String,
    /// What goes to stderr.
    warnings: String,
    /// Ctrl-C came: nothing more is asked of the daemon by this command.
    interrupted: bool,
    /// Somebody wrote a word with two dashes, right or wrong.
    tried_flags: bool,
    /// The exit code; each problem assigns.
    pub code: u8,
}

impl<'r> Session<'r> {
    /// A run against a daemon.
    pub fn new(rpc: &'r mut dyn Rpc, console: &'r mut dyn Console, interactive: bool) -> Self {
        Self {
            rpc,
            console,
            interactive,
            leaving: false,
            out: String::new(),
            warnings: String::new(),
            interrupted: false,
            tried_flags: false,
            code: 0,
        }
    }

    /// Runs one line, and shows what it says.
    pub fn execute(&mut self, line: &str) {
        let line = line.trim();
        let line = match line.strip_prefix('?') {
            Some(topic) => format!("help {topic}"),
            None => line.to_owned(),
        };
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let words: Vec<&str> = rest.split_whitespace().collect();
        self.tried_flags = words.iter().any(|word| word.starts_with("--"));
        match commands::find(name) {
            Some(command) => (command.run)(self, &words),
            None if line.is_empty() => {}
            None if name == "EOF" => shell::quit(self, &words),
            None => {
                self.say(format_args!("*** Unknown syntax: {line}"));
                self.code = exit::GENERIC;
            }
        }
        if std::mem::take(&mut self.interrupted) {
            self.say(format_args!(""));
            self.code = exit::INTERRUPTED;
        }
        self.flush();
    }

    /// Shows what was said.
    pub(super) fn flush(&mut self) {
        if !self.out.is_empty() {
            // A reader that is gone has seen enough.
            let _ = self.console.print(std::mem::take(&mut self.out).as_bytes());
        }
        if !self.warnings.is_empty() {
            self.console.complain(&std::mem::take(&mut self.warnings));
        }
    }

    /// From now on Ctrl-C ends waits, and nothing else.
    pub(super) fn heed_interrupts(&mut self) {
        // Without it Ctrl-C ends us, as it ends others.
        if let Ok(interrupts) = self.console.interrupts() {
            self.rpc.heed(&interrupts);
        }
    }

    /// Ctrl-C was the end of a command that has no other.
    pub(super) fn forget_interrupt(&mut self) {
        self.interrupted = false;
    }

    /// Ctrl-C came while this command waited by itself.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Asks a question. Who answers with Ctrl-C wants nothing more of this command.
    pub(super) fn ask(&mut self, question: &str) -> Option<String> {
        self.flush();
        let answer = self.console.ask(question);
        self.answered(answer)
    }

    fn answered(&mut self, answer: Result<String, Unanswered>) -> Option<String> {
        match answer {
            Ok(answer) => return Some(answer),
            Err(Unanswered::Interrupted) => self.interrupted = true,
            Err(Unanswered::End) => {
                self.say(format_args!("error: EOF when reading a line"));
                self.code = exit::GENERIC;
            }
        }
        None
    }

    /// Whether that which cannot be undone is to be done.
    pub(super) fn is_sure(&mut self, question: &str) -> bool {
        !self.interactive || self.ask(question).is_some_and(|answer| answer.to_lowercase().starts_with('y'))
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

    /// Calls a method; where a password is wanted and somebody is there to be asked, asks until it is the right one.
    pub(super) fn call(&mut self, method: &str, mut params: Vec<Value>) -> Result<Value, CallError> {
        let method = format!("supervisor.{method}");
        loop {
            if self.interrupted {
                return Err(CallError::Interrupted);
            }
            self.flush();
            let again = self.interactive.then(|| params.clone());
            match (self.wait_for(&method, params), again) {
                (Err(CallError::Unauthorized), Some(same)) => {
                    self.log_in()?;
                    params = same;
                }
                (answer, _) => {
                    self.interrupted = answer == Err(CallError::Interrupted);
                    return answer;
                }
            }
        }
    }

    /// One call; what it waits for is shown to whoever sees it.
    fn wait_for(&mut self, method: &str, params: Vec<Value>) -> Result<Value, CallError> {
        if !self.console.shows_progress() {
            return self.rpc.call(method, params);
        }
        let mut progress = Progress::new(self.rpc);
        let (console, mut told) = (&mut *self.console, false);
        let mut tell = || {
            console.progress(Some(&progress.text()));
            told = true;
        };
        let answer = self.rpc.call_waiting(method, params, (TICK, &mut tell));
        if told {
            self.console.progress(None);
        }
        answer
    }

    fn log_in(&mut self) -> Result<(), CallError> {
        self.say(format_args!("{}", CallError::Unauthorized));
        let unanswered = |session: &Self| {
            // The end of input was told of.
            if session.interrupted { CallError::Interrupted } else { CallError::Unanswered }
        };
        let Some(username) = self.ask("Username:") else { return Err(unanswered(self)) };
        let password = self.console.ask_hidden("Password:");
        let Some(password) = self.answered(password) else { return Err(unanswered(self)) };
        self.say(format_args!(""));
        self.rpc.authenticate(&username, &password);
        Ok(())
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
            // Was told of.
            CallError::Interrupted | CallError::Unanswered => {}
        }
        self.code = exit::GENERIC;
    }

    /// A usage problem, with the help of the command.
    pub(super) fn usage(&mut self, text: &str, command: &str, code: u8) {
        self.say(format_args!("Error: {text}"));
        self.help(command);
        self.code = code;
    }

    /// The help of a command.
    pub(super) fn help(&mut self, command: &str) {
        if let Some(command) = commands::find(command) {
            // As Supervisor has it, unless more than that was tried.
            let ours = self.tried_flags || command.listed == Listed::More;
            let flags = if ours { flags::help(command.name) } else { String::new() };
            self.say(format_args!("{}{flags}", command.help));
        }
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
