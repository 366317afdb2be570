//! status --watch: the status as it changes, until Ctrl-C.

use std::fmt::Write as _;
use std::time::Duration;

use super::client::CallError;
use super::session::{Session, exit, field, items, namespec};
use super::status::{lines, select};
use crate::system::interrupt::Woken;
use crate::system::terminal::Size;
use crate::wire::xmlrpc::Value;

/// Between two looks.
const GLANCE: Duration = Duration::from_secs(1);

/// Shows the status until Ctrl-C: on a terminal always the same lines, elsewhere a line for whatever is new.
pub(super) fn watch(session: &mut Session<'_>, names: &[&str]) {
    session.heed_interrupts();
    let (mut drawn, mut known) = (0, Vec::new());
    while let Some(now) = look(session, names) {
        let shown = match session.console.screen() {
            Some(size) => redrawn(&now, size, &mut drawn),
            None => news(&now, &known),
        };
        known = now;
        if !shown.is_empty() && session.console.print(shown.as_bytes()).is_err() {
            return;
        }
        match session.console.rest(&[], Some(GLANCE)) {
            Ok(Woken::Late | Woken::Ready(_)) => {}
            Ok(Woken::Interrupted) | Err(_) => break,
        }
    }
    session.forget_interrupt();
    if session.console.screen().is_some() {
        session.say(format_args!(""));
    }
    session.code = 0;
}

/// A line, and what must be other in it to be news: an uptime is not.
type Line = (String, String);

/// The status now; in place of it, why there is none. `None` after Ctrl-C.
fn look(session: &mut Session<'_>, names: &[&str]) -> Option<Vec<Line>> {
    let mut looked = Vec::new();
    match session.call("getAllProcessInfo", Vec::new()) {
        Ok(infos) => {
            let all = items(infos);
            let selected = select(session, &all, names, exit::STATUS_UNKNOWN);
            looked = lines(&selected).into_iter().zip(selected.iter().map(|info| matter(info))).collect();
        }
        Err(CallError::Interrupted) => return None,
        Err(error) => session.problem(&error),
    }
    let told = std::mem::take(&mut session.out);
    let told = told.lines().map(|line| (line.to_owned(), line.to_owned()));
    Some(told.chain(looked).collect())
}

/// What is worth a line when it changes: who has come to which state, as which process, and why.
fn matter(info: &Value) -> String {
    let (state, description) = (field(info, "statename"), field(info, "description"));
    // `pid 17, uptime 0:01:40`
    let still = description.split(", uptime").next().unwrap_or_default();
    format!("{} {state} {still}", namespec(info))
}

/// The lines that are new.
fn news(now: &[Line], known: &[Line]) -> String {
    let is_new = |line: &&Line| !known.iter().any(|(_, matter)| *matter == line.1);
    now.iter().filter(is_new).map(|(line, _)| format!("{line}\n")).collect()
}

/// The lines in place of those that were drawn before.
fn redrawn(now: &[Line], size: Size, drawn: &mut usize) -> String {
    let mut text = String::new();
    if *drawn > 0 {
        let _ = write!(text, "\x1b[{drawn}A");
    }
    // The cursor stands in the line below.
    let room = size.rows.saturating_sub(1).max(1);
    let (shown, left) = if now.len() > room { (room - 1, now.len() + 1 - room) } else { (now.len(), 0) };
    let more = (left > 0).then(|| format!("and {left} more"));
    for line in now[..shown].iter().map(|(line, _)| line).chain(&more) {
        let line: String = line.chars().take(size.columns).collect();
        let _ = writeln!(text, "{line}\x1b[K");
    }
    text.push_str("\x1b[J");
    *drawn = shown + usize::from(left > 0);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        (text.to_owned(), text.to_owned())
    }

    #[test]
    fn a_terminal_shows_what_it_has_room_for() {
        let now = ["one", "two", "three"].map(line);
        let mut drawn = 0;
        let size = |columns, rows| Size { columns, rows };
        let first = redrawn(&now, size(4, 10), &mut drawn);
        assert_eq!((first.as_str(), drawn), ("one\x1b[K\ntwo\x1b[K\nthre\x1b[K\n\x1b[J", 3));
        let less = redrawn(&now, size(80, 3), &mut drawn);
        assert_eq!((less.as_str(), drawn), ("\x1b[3Aone\x1b[K\nand 2 more\x1b[K\n\x1b[J", 2));
        let tiny = redrawn(&now, size(80, 0), &mut drawn);
        assert_eq!((tiny.as_str(), drawn), ("\x1b[2Aand 3 more\x1b[K\n\x1b[J", 1));
        assert_eq!((redrawn(&[], size(80, 24), &mut drawn).as_str(), drawn), ("\x1b[1A\x1b[J", 0));
    }

    #[test]
    fn an_uptime_is_no_news() {
        let info = |state: &str, description: &str| {
            let members = [("group", "x"), ("name", "x"), ("statename", state), ("description", description)];
            Value::Struct(members.map(|(name, text)| (name.into(), Value::string(text))).to_vec())
        };
        let up = matter(&info("RUNNING", "pid 17, uptime 0:00:01"));
        assert_eq!(up, matter(&info("RUNNING", "pid 17, uptime 1 day, 0:00:02")));
        assert_ne!(up, matter(&info("RUNNING", "pid 18, uptime 0:00:01")));
        assert_ne!(up, matter(&info("STOPPING", "")));
        let (old, new) = ([line("a"), line("b")], [line("a"), line("c")]);
        assert_eq!(news(&new, &old), "c\n");
        assert_eq!(news(&new, &[]), "a\nc\n");
    }
}
