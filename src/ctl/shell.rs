//! One command line, or the shell that reads one after the other.

use std::time::Duration;

use super::candidates::Names;
use super::client::Rpc;
use super::console::{Console, Unanswered};
use super::session::{Session, exit};

/// How long somebody who completes a word may be kept waiting for the daemon.
const COMPLETION_PATIENCE: Duration = Duration::from_secs(2);

/// How supervisorctl was asked to behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// Ask before what cannot be undone, and for a password.
    pub interactive: bool,
    /// What stands before each command of the shell, without its `> `.
    pub prompt: String,
}

/// Runs one command line, or a shell where there are no words; gives the exit code.
pub fn run(rpc: &mut dyn Rpc, console: &mut dyn Console, words: &[String], style: &Style) -> u8 {
    let shell = words.is_empty();
    let mut session = Session::new(rpc, console, shell || style.interactive);
    if session.interactive {
        session.heed_interrupts();
    }
    if shell {
        converse(&mut session, &format!("{}> ", style.prompt));
        return 0;
    }
    session.execute(&words.join(" "));
    session.code
}

/// Reads commands and runs them, until it is left.
fn converse(session: &mut Session<'_>, prompt: &str) {
    session.execute("status");
    while !session.leaving {
        let names = Names::of(session.rpc.aside(COMPLETION_PATIENCE));
        match session.console.command(prompt, names) {
            Ok(line) => session.execute(&line),
            Err(Unanswered::End | Unanswered::Interrupted) => break,
        }
    }
}

pub(super) fn quit(session: &mut Session<'_>, _: &[&str]) {
    session.say(format_args!(""));
    session.leaving = true;
}

/// Turns to another daemon, and shows what it runs.
pub(super) fn open(session: &mut Session<'_>, words: &[&str]) {
    let url = words.join(" ");
    let scheme = url.split(':').next().unwrap_or_default();
    if !url.contains(':') || !["http", "unix"].contains(&scheme) {
        session.say(format_args!("ERROR: url must be http:// or unix://"));
        session.code = exit::GENERIC;
        return;
    }
    session.rpc.open(&url);
    let before = std::mem::take(&mut session.code);
    super::status::status(session, &[]);
    // A daemon that is not there, or programs that do not run, are no failure of this command.
    if session.code != exit::GENERIC {
        session.code = before;
    }
}
