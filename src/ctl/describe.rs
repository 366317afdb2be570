//! describe: all that is known of a process, for people.

use jiff::{Timestamp, tz::TimeZone};

use super::client::CallError;
use super::session::{Session, exit, field, namespec, number, text};
use super::status::{is_stopped, processes, select};
use crate::wire::xmlrpc::Value;

/// How many lines of each log are shown.
const LINES: usize = 10;

/// How much of a log is asked for, to find them.
const BYTES: i64 = 4096;

/// A line: its label, and what it says; `None`: nothing is known.
type Row = (&'static str, fn(&Value) -> Option<String>);

const ROWS: &[Row] = &[
    ("state", |info| Some(state(info))),
    ("problem", problem),
    ("pid", |info| Some(number(info, "pid")).filter(|pid| *pid != 0).map(|pid| pid.to_string())),
    ("started", |info| moment(info, "start")),
    ("ended", ended),
    ("command", |info| said(info, "command")),
    ("directory", |info| said(info, "directory")),
    ("user", |info| said(info, "user")),
    ("autostart", |info| yes_or_no(info, "autostart")),
    ("autorestart", |info| said(info, "autorestart")),
    ("priority", |info| info.member("priority").map(|_| number(info, "priority").to_string())),
    ("restarts", |info| info.member("restarts").map(|_| number(info, "restarts").to_string())),
    ("cpu time", |info| measured(info, "cpu_seconds").map(|seconds| format!("{seconds:.2} s"))),
    ("memory", |info| measured(info, "memory_bytes").map(bytes)),
    ("tasks", |info| Some(number(info, "tasks")).filter(|tasks| *tasks > 0).map(|tasks| tasks.to_string())),
    ("stdout log", |info| log(info, "stdout_logfile", "stdout_dropped")),
    ("stderr log", |info| log(info, "stderr_logfile", "stderr_dropped")),
];

/// The channels, and how their logs are read.
const CHANNELS: [(&str, &str, &str); 2] = [
    ("stdout", "stdout_logfile", "readProcessStdoutLog"),
    ("stderr", "stderr_logfile", "readProcessStderrLog"),
];

pub(super) fn describe(session: &mut Session<'_>, names: &[&str]) {
    let Some(all) = processes(session, true) else { return };
    if names.is_empty() {
        return session.usage("describe requires a process name", "describe", exit::GENERIC);
    }
    let selected = select(session, &all, names, exit::STATUS_UNKNOWN);
    for (at, info) in selected.iter().enumerate() {
        if at > 0 {
            session.say(format_args!(""));
        }
        describe_one(session, info);
    }
    if selected.iter().any(|info| is_stopped(info)) {
        session.code = exit::STATUS_NOT_RUNNING;
    }
}

fn describe_one(session: &mut Session<'_>, info: &Value) {
    session.say(format_args!("{}", namespec(info)));
    for (label, read) in ROWS {
        if let Some(text) = read(info) {
            session.say(format_args!("  {:<12} {text}", format!("{label}:")));
        }
    }
    for (channel, file, method) in CHANNELS {
        if !field(info, file).is_empty() {
            last_lines(session, info, channel, method);
        }
    }
}

fn last_lines(session: &mut Session<'_>, info: &Value, channel: &str, method: &str) {
    let answer = session.call(method, vec![text(&namespec(info)), Value::Int(-BYTES), Value::Int(0)]);
    let read = match &answer {
        Ok(read) => read.as_str().unwrap_or_default(),
        // It has not been written yet.
        Err(CallError::Fault(20, _)) => return,
        Err(error) => return session.say(format_args!("  last lines of {channel}: {error}")),
    };
    if read.is_empty() {
        return;
    }
    // The first line is cut off where there is more before it.
    let cut = i64::try_from(read.len()).unwrap_or(i64::MAX) >= BYTES;
    let lines: Vec<&str> = read.lines().skip(usize::from(cut && read.contains('\n'))).collect();
    session.say(format_args!("  last lines of {channel}:"));
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        session.say(format_args!("    {line}"));
    }
}

/// `RUNNING, for 0:01:40`
fn state(info: &Value) -> String {
    let (start, now) = (number(info, "start"), number(info, "now"));
    let state = field(info, "statename");
    if start == 0 || number(info, "pid") == 0 {
        return state.to_owned();
    }
    let seconds = (now - start).max(0);
    let clock = format!("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match seconds / 86_400 {
        0 => format!("{state}, for {clock}"),
        1 => format!("{state}, for 1 day, {clock}"),
        days => format!("{state}, for {days} days, {clock}"),
    }
}

/// In the time of this machine.
fn moment(info: &Value, name: &str) -> Option<String> {
    let at = Some(number(info, name)).filter(|at| *at != 0)?;
    let at = Timestamp::from_second(at).ok()?.to_zoned(TimeZone::system());
    Some(at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
}

/// Its last end, and how it came.
fn ended(info: &Value) -> Option<String> {
    let at = moment(info, "stop")?;
    let how = match (field(info, "statename"), number(info, "exitstatus")) {
        ("EXITED" | "STOPPED", -1) => ", by a signal".to_owned(),
        ("EXITED" | "STOPPED", status) => format!(", with exit status {status}"),
        _ => String::new(),
    };
    Some(at + &how)
}

fn said(info: &Value, name: &str) -> Option<String> {
    Some(field(info, name).to_owned()).filter(|text| !text.is_empty())
}

fn yes_or_no(info: &Value, name: &str) -> Option<String> {
    match info.member(name) {
        Some(Value::Bool(yes)) => Some(yes.to_string()),
        _ => None,
    }
}

/// A measure that is known.
fn measured(info: &Value, name: &str) -> Option<f64> {
    match info.member(name) {
        Some(Value::Double(number)) if *number >= 0.0 => Some(*number),
        _ => None,
    }
}

fn log(info: &Value, file: &str, dropped: &str) -> Option<String> {
    let path = said(info, file)?;
    match measured(info, dropped) {
        Some(lost) if lost > 0.0 => Some(format!("{path} ({} could not be written)", bytes(lost))),
        _ => Some(path),
    }
}

/// The diagnosis, or what Supervisor's daemon knows.
fn problem(info: &Value) -> Option<String> {
    said(info, "diagnosis").or_else(|| said(info, "spawnerr"))
}

/// Bytes in the unit that suits them.
fn bytes(count: f64) -> String {
    let (mut count, mut units) = (count, ["bytes", "KB", "MB", "GB", "TB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if count < 1024.0 {
            break;
        }
        (count, unit) = (count / 1024.0, next);
    }
    if unit == "bytes" { format!("{count:.0} {unit}") } else { format!("{count:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_suits_them() {
        for (count, expected) in [
            (0.0, "0 bytes"),
            (1023.0, "1023 bytes"),
            (1536.0, "1.5 KB"),
            (10.0 * 1024.0 * 1024.0, "10.0 MB"),
            (1e18, "909494.7 TB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn what_is_not_known_has_no_line() {
        let info = |members: Vec<(&'static str, Value)>| {
            Value::Struct(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
        };
        let lines = |info: Value| {
            ROWS.iter()
                .filter_map(|(label, read)| Some(format!("{label}: {}", read(&info)?)))
                .collect::<Vec<_>>()
        };
        let never = info(vec![
            ("statename", text("STOPPED")),
            ("cpu_seconds", Value::Double(-1.0)),
            ("tasks", Value::Int(-1)),
        ]);
        assert_eq!(lines(never), ["state: STOPPED"]);
        let failed = info(vec![
            ("statename", text("FATAL")),
            ("spawnerr", text("spawnerr")),
            ("diagnosis", text("diagnosis")),
            ("stderr_logfile", text("/e")),
            ("stderr_dropped", Value::Double(7.0)),
        ]);
        assert_eq!(
            lines(failed),
            ["state: FATAL", "problem: diagnosis", "stderr log: /e (7 bytes could not be written)"]
        );
        let up = info(vec![
            ("statename", text("RUNNING")),
            ("start", Value::Int(1)),
            ("now", Value::Int(90_000)),
            ("pid", Value::Int(7)),
        ]);
        assert_eq!(lines(up)[..2], ["state: RUNNING, for 1 day, 0:59:59", "pid: 7"]);
    }
}
