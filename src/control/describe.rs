//! What is known and configured, as clients read it (Supervisor 4.3 `rpcinterface.py`, `getProcessInfo` and
//! `getAllConfigInfo`).

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};

use crate::api::{
    ConfigInfo, ListenerState, Now, ProcessDetails, ProcessInfo, ProcessResult, ProcessState, RereadResult,
    WallSecs,
};
use crate::config::error::{Diagnostic, Severity};
use crate::config::spec::{LogSpec, LogTarget, ProcessSpec, ToJournal};
use crate::wire::xmlrpc::Value;

/// The sentence about a process: its uptime, why it failed, or when it stopped.
#[must_use]
pub fn description(info: &ProcessInfo, now: Now) -> String {
    match info.state {
        ProcessState::Running => {
            let since = info.since.unwrap_or(now.mono);
            let mut text = format!("pid {}, uptime {}", info.pid, uptime(now.mono.since(since).as_secs()));
            if info.listener == Some(ListenerState::Unknown) {
                text.push_str(", broke the event listener protocol (UNKNOWN)");
            }
            text
        }
        ProcessState::Fatal | ProcessState::Backoff if info.spawnerr.is_empty() => {
            format!("unknown error (try \"tail {}\")", info.name.process)
        }
        ProcessState::Fatal | ProcessState::Backoff => info.spawnerr.clone(),
        ProcessState::Stopped | ProcessState::Exited => match info.start {
            None => "Not started".to_owned(),
            Some(_) => local_time(info.stop.unwrap_or_default(), &TimeZone::system()),
        },
        ProcessState::Starting | ProcessState::Stopping | ProcessState::Unknown => String::new(),
    }
}

/// As Python writes a `timedelta`.
#[must_use]
pub fn uptime(seconds: u64) -> String {
    let clock = format!("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match seconds / 86_400 {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

fn local_time(at: WallSecs, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone.clone()).strftime("%b %d %I:%M %p").to_string()
}

/// `getProcessInfo`: fourteen fields, in the order of Supervisor's.
#[must_use]
pub fn process_info(info: &ProcessInfo, now: Now) -> Value {
    structure(info_fields(info, now))
}

/// `getProcessDetails`: the fields of `getProcessInfo`, and thirteen of our own. -1 is unknown.
#[must_use]
pub fn process_details(details: &ProcessDetails, now: Now) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 bytes nobody counts them")]
    let bytes = |count: u64| Value::Double(count as f64);
    let usage = details.usage;
    let tasks = usage.map_or(-1, |usage| i64::try_from(usage.tasks).unwrap_or(i64::MAX));
    let ours = [
        ("restarts", Value::Int(i64::try_from(details.restarts).unwrap_or(i64::MAX))),
        ("cpu_seconds", Value::Double(usage.map_or(-1.0, |usage| usage.cpu.as_secs_f64()))),
        ("memory_bytes", usage.map_or(Value::Double(-1.0), |usage| bytes(usage.memory))),
        ("tasks", Value::Int(tasks)),
        ("diagnosis", Value::string(&details.diagnosis)),
        ("stdout_dropped", bytes(details.dropped.stdout)),
        ("stderr_dropped", bytes(details.dropped.stderr)),
        ("command", Value::string(&details.command)),
        ("directory", path(details.directory.as_deref(), "")),
        ("user", Value::string(details.user.clone().unwrap_or_default())),
        ("autostart", Value::Bool(details.autostart)),
        ("autorestart", Value::string(details.autorestart.name())),
        ("priority", Value::Int(details.priority)),
    ];
    let fields = info_fields(&details.info, now).into_iter().chain(ours);
    Value::Struct(fields.map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

fn info_fields(info: &ProcessInfo, now: Now) -> [(&'static str, Value); 14] {
    let time = |at: Option<WallSecs>| Value::Int(at.map_or(0, |at| at.0));
    let stdout = path(info.stdout_logfile.as_deref(), "");
    [
        ("name", Value::string(&*info.name.process)),
        ("group", Value::string(&*info.name.group)),
        ("start", time(info.start)),
        ("stop", time(info.stop)),
        ("now", Value::Int(now.wall.0)),
        ("state", Value::Int(info.state.code().into())),
        ("statename", Value::string(info.state.name())),
        ("spawnerr", Value::string(&info.spawnerr)),
        ("exitstatus", Value::Int(info.exitstatus.into())),
        ("logfile", stdout.clone()),
        ("stdout_logfile", stdout),
        ("stderr_logfile", path(info.stderr_logfile.as_deref(), "")),
        ("pid", Value::Int(info.pid.into())),
        ("description", Value::string(description(info, now))),
    ]
}

/// `getAllConfigInfo`: twenty-nine fields for each process, sorted by its own name alone.
#[must_use]
pub fn config_infos(configs: &[ConfigInfo<Arc<ProcessSpec>>]) -> Value {
    let mut sorted: Vec<_> = configs.iter().collect();
    sorted.sort_by(|a, b| a.name.process.cmp(&b.name.process));
    Value::Array(sorted.into_iter().map(config_info).collect())
}

fn config_info(info: &ConfigInfo<Arc<ProcessSpec>>) -> Value {
    let spec = &info.spec;
    let (out, err) = (&spec.stdout, &spec.stderr);
    let user = spec.user.as_ref().map_or_else(|| Value::string("none"), |user| Value::Int(user.uid.into()));
    let codes = spec.exitcodes.iter().map(|code| Value::Int((*code).into())).collect();
    structure([
        ("autostart", Value::Bool(spec.autostart)),
        ("directory", path(spec.directory.as_deref(), "none")),
        ("uid", user),
        ("command", Value::string(&spec.command)),
        ("exitcodes", Value::Array(codes)),
        ("group", Value::string(&*info.name.group)),
        ("group_prio", Value::Int(info.group_priority)),
        ("inuse", Value::Bool(info.in_use)),
        ("killasgroup", Value::Bool(spec.killasgroup)),
        ("name", Value::string(&*info.name.process)),
        ("process_prio", Value::Int(spec.priority)),
        ("redirect_stderr", Value::Bool(spec.redirect_stderr)),
        ("startretries", Value::Int(spec.startretries)),
        ("startsecs", Value::Int(spec.startsecs)),
        ("stdout_capture_maxbytes", Value::Int(out.capture_maxbytes)),
        ("stdout_events_enabled", Value::Bool(out.events_enabled)),
        ("stdout_logfile", log_target(out)),
        ("stdout_logfile_backups", Value::Int(out.backups)),
        ("stdout_logfile_maxbytes", Value::Int(out.maxbytes)),
        ("stdout_syslog", Value::Bool(out.syslog)),
        ("stopsignal", Value::Int(spec.stopsignal.number().into())),
        ("stopwaitsecs", Value::Int(spec.stopwaitsecs)),
        ("stderr_capture_maxbytes", Value::Int(err.capture_maxbytes)),
        ("stderr_events_enabled", Value::Bool(err.events_enabled)),
        ("stderr_logfile", log_target(err)),
        ("stderr_logfile_backups", Value::Int(err.backups)),
        ("stderr_logfile_maxbytes", Value::Int(err.maxbytes)),
        ("stderr_syslog", Value::Bool(err.syslog)),
        ("serverurl", Value::string(spec.serverurl.as_deref().unwrap_or("none"))),
    ])
}

/// The outcome for each of several processes.
#[must_use]
pub fn results(results: &[ProcessResult]) -> Value {
    let row = |result: &ProcessResult| {
        let description = result.outcome.as_ref().err().map_or_else(|| "OK".to_owned(), ToString::to_string);
        structure([
            ("name", Value::string(&*result.name.process)),
            ("group", Value::string(&*result.name.group)),
            ("status", Value::Int(result.status().code().into())),
            ("description", Value::String(description)),
        ])
    };
    Value::Array(results.iter().map(row).collect())
}

/// `reloadConfig`: an array around three arrays of names.
#[must_use]
pub fn reread(result: &RereadResult) -> Value {
    let names = |names: &[String]| Value::Array(names.iter().map(Value::string).collect());
    let lists = [&result.added, &result.changed, &result.removed].map(|list| names(list));
    Value::Array(vec![Value::Array(lists.into())])
}

/// A struct of fields that we name.
#[must_use]
pub fn structure<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Struct(fields.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

/// `getConfigWarnings`: eight fields for each finding.
#[must_use]
pub fn findings(found: &[Diagnostic]) -> Value {
    let text = |text: Option<&String>| Value::string(text.cloned().unwrap_or_default());
    let one = |found: &Diagnostic| {
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        structure([
            ("severity", Value::string(severity)),
            ("file", path(Some(&found.file), "")),
            ("line", Value::Int(found.line.and_then(|line| i64::try_from(line).ok()).unwrap_or(0))),
            ("section", text(found.section.as_ref())),
            ("option", text(found.option.as_ref())),
            ("problem", Value::string(&found.problem)),
            ("help", text(found.help.as_ref())),
            ("source", text(found.source.as_ref())),
        ])
    };
    Value::Array(found.iter().map(one).collect())
}

fn path(path: Option<&Path>, unset: &str) -> Value {
    Value::String(path.map_or_else(|| unset.to_owned(), |path| path.to_string_lossy().into_owned()))
}

fn log_target(log: &LogSpec) -> Value {
    match (&log.target, log.journal) {
        (_, ToJournal::Stream) => Value::string("journal-stream"),
        (LogTarget::Auto, ToJournal::Lines) => Value::string("journal"),
        (LogTarget::None, _) => Value::string("none"),
        (LogTarget::Auto, ToJournal::No) => Value::string("auto"),
        (LogTarget::File(file), _) => path(Some(file), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_and_times_are_written_as_python_writes_them() {
        assert_eq!(uptime(0), "0:00:00");
        assert_eq!(uptime(86_399), "23:59:59");
        assert_eq!(uptime(86_400 + 61), "1 day, 0:01:01");
        assert_eq!(uptime(10 * 86_400), "10 days, 0:00:00");
        assert_eq!(local_time(WallSecs(1_700_000_000), &TimeZone::UTC), "Nov 14 10:13 PM");
    }
}
