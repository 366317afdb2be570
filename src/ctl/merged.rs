//! logs: the logs of several processes at once, by lines.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::flags::Told;
use super::follow::{encoded, path_of};
use super::session::{Session, exit, field, items, namespec};
use super::source::{Source, last_lines};
use super::status::select;
use crate::system::interrupt::Woken;
use crate::wire::xmlrpc::Value;

/// How many lines of each log are shown unless told.
const LINES: usize = 10;

/// How long a stream may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// The colours of names, one after the other.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 96];

/// The mark of a line of stderr.
const RED: u8 = 31;

pub(super) fn logs(session: &mut Session<'_>, words: &[&str]) {
    let told = Told::read("logs", words);
    let lines = match told.get("-n").map(str::parse) {
        None => LINES,
        Some(Ok(lines)) => lines,
        Some(Err(_)) => {
            session.say(format_args!("Error: bad argument -n; use a number of lines"));
            session.code = exit::GENERIC;
            return;
        }
    };
    if !session.is_up() {
        return;
    }
    if told.words.is_empty() {
        return session.usage("logs requires a process name", "logs", exit::GENERIC);
    }
    let all = match session.call("getAllProcessInfo", Vec::new()) {
        Ok(infos) => items(infos),
        Err(error) => return session.problem(&error),
    };
    let selected = select(session, &all, &told.words, exit::GENERIC);
    let mut sources = sources(session, &selected);
    if told.has("-f") {
        follow(session, &mut sources, lines);
    } else {
        for source in &sources {
            show_end(session, source, lines);
        }
    }
}

/// The logs of these processes, each once. Who has none is told.
fn sources(session: &mut Session<'_>, infos: &[&Value]) -> Vec<Source> {
    let width = infos.iter().map(|info| namespec(info).chars().count()).max().unwrap_or(0);
    let colourful = session.console.is_colourful();
    let mut sources: Vec<Source> = Vec::new();
    for info in infos {
        let name = namespec(info);
        if sources.iter().any(|source| source.name == name) {
            continue;
        }
        let before = sources.len();
        let colour = COLOURS[before % COLOURS.len()];
        for (channel, mark, file) in [("stdout", '|', "stdout_logfile"), ("stderr", '!', "stderr_logfile")] {
            if field(info, file).is_empty() {
                continue;
            }
            let label = match (colourful, channel) {
                (false, _) => format!("{name:<width$} {mark} "),
                (true, "stderr") => format!("\x1b[{colour}m{name:<width$} \x1b[{RED}m{mark}\x1b[0m "),
                (true, _) => format!("\x1b[{colour}m{name:<width$} {mark}\x1b[0m "),
            };
            sources.push(Source::new(name.clone(), channel, label));
        }
        if sources.len() == before {
            session.say(format_args!("{name}: ERROR (no log file)"));
            session.code = exit::GENERIC;
        }
    }
    sources
}

fn show_end(session: &mut Session<'_>, source: &Source, lines: usize) {
    match source.end(session, lines) {
        Ok(end) => {
            let shown = source.labelled(last_lines(&end, lines).as_bytes());
            session.out.push_str(&String::from_utf8_lossy(&shown));
        }
        Err(error) => {
            let (name, channel) = (&source.name, source.channel);
            session.warn(&format!("{name} {channel}: cannot be read: {error}"));
            session.code = exit::GENERIC;
        }
    }
}

/// Shows the last lines of each, and then every line as it comes, until Ctrl-C or the daemon's end.
fn follow(session: &mut Session<'_>, sources: &mut [Source], lines: usize) {
    session.heed_interrupts();
    for source in &mut *sources {
        let path = encoded(&path_of(&source.name, source.channel));
        if let Err(error) = source.open(session, &path) {
            complain(session, source, &format!("error: {error}"));
        }
    }
    if begin(session, sources) {
        for source in &mut *sources {
            let begun = source.begun(session, lines);
            let shown = source.labelled(last_lines(&begun, lines).as_bytes());
            session.out.push_str(&String::from_utf8_lossy(&shown));
        }
        session.flush();
        while sources.iter().any(|source| source.as_fd().is_some()) && go_on(session, sources) {}
    }
}

/// Waits until each stream has begun; false after Ctrl-C.
fn begin(session: &mut Session<'_>, sources: &mut [Source]) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while sources.iter().any(Source::is_owed) {
        let left = deadline.saturating_duration_since(Instant::now());
        match take(session, sources, Source::is_owed, Some(left)) {
            Some(0) => break,
            Some(_) => {}
            None => return false,
        }
    }
    true
}

/// Shows what comes next; false after Ctrl-C, and when nobody reads it.
fn go_on(session: &mut Session<'_>, sources: &mut [Source]) -> bool {
    if take(session, sources, |_| true, None).is_none() {
        return false;
    }
    let shown: Vec<u8> = sources.iter_mut().flat_map(Source::lines).collect();
    session.flush();
    shown.is_empty() || session.console.print(&shown).is_ok()
}

/// Waits for some of the streams and takes what has come: from how many, `None` after Ctrl-C.
fn take(
    session: &mut Session<'_>,
    sources: &mut [Source],
    wanted: fn(&Source) -> bool,
    patience: Option<Duration>,
) -> Option<usize> {
    let waiting: Vec<usize> =
        (0..sources.len()).filter(|at| sources[*at].as_fd().is_some() && wanted(&sources[*at])).collect();
    let streams: Vec<BorrowedFd<'_>> = waiting.iter().filter_map(|at| sources[*at].as_fd()).collect();
    let ready = match session.console.rest(&streams, patience) {
        Ok(Woken::Ready(ready)) => ready,
        Ok(Woken::Late) => return Some(0),
        Ok(Woken::Interrupted) => {
            session.say(format_args!(""));
            return None;
        }
        Err(error) => {
            session.say(format_args!("error: {error}"));
            session.code = exit::GENERIC;
            return None;
        }
    };
    let ready: Vec<usize> =
        waiting.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(at, _)| at).collect();
    for at in &ready {
        if let Err(wrong) = sources[*at].take() {
            complain(session, &sources[*at], &wrong);
        }
    }
    Some(ready.len())
}

fn complain(session: &mut Session<'_>, source: &Source, wrong: &str) {
    session.warn(&format!("{} {}: cannot be followed, {wrong}", source.name, source.channel));
    session.code = exit::GENERIC;
}
