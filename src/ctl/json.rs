//! `--json`: what is known, for programs. `docs/extensions.md` has the schema.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::session::{field, namespec, number};
use crate::wire::xmlrpc::Value;

/// A member of each object: its name, and how it is read from what the daemon tells. All of them are always there; what is not
/// known is null.
pub type Member = (&'static str, fn(&Value, &str) -> Json);

/// What `status --json` tells of a process.
pub const STATUS: &[Member] = &[
    ("namespec", |info, _| namespec(info).into()),
    ("group", as_it_is),
    ("name", as_it_is),
    ("state", |info, _| as_it_is(info, "statename")),
    ("state_code", |info, _| as_it_is(info, "state")),
    ("pid", not_zero),
    ("start", time),
    ("start_epoch", |info, _| not_zero(info, "start")),
    ("stop", time),
    ("stop_epoch", |info, _| not_zero(info, "stop")),
    ("uptime_seconds", uptime),
    ("exitstatus", exit_status),
    ("spawnerr", not_empty),
    ("description", as_it_is),
    ("stdout_logfile", not_empty),
    ("stderr_logfile", not_empty),
    ("restarts", as_it_is),
    ("cpu_seconds", not_negative),
    ("memory_bytes", not_negative),
    ("tasks", not_negative),
    ("diagnosis", not_empty),
    ("stdout_dropped", as_it_is),
    ("stderr_dropped", as_it_is),
    ("command", not_empty),
    ("directory", not_empty),
    ("user", not_empty),
    ("autostart", as_it_is),
    ("autorestart", as_it_is),
    ("priority", as_it_is),
];

/// What `avail --json` tells of a process: its name, and the members of `getAllConfigInfo`.
pub const AVAIL: &[Member] = &[
    ("namespec", |config, _| namespec(config).into()),
    ("group", as_it_is),
    ("name", as_it_is),
    ("inuse", as_it_is),
    ("autostart", as_it_is),
    ("group_prio", as_it_is),
    ("process_prio", as_it_is),
    ("command", as_it_is),
    ("directory", not_none),
    ("uid", not_none),
    ("exitcodes", as_it_is),
    ("startsecs", as_it_is),
    ("startretries", as_it_is),
    ("stopsignal", as_it_is),
    ("stopwaitsecs", as_it_is),
    ("killasgroup", as_it_is),
    ("redirect_stderr", as_it_is),
    ("stdout_logfile", not_none),
    ("stdout_logfile_maxbytes", as_it_is),
    ("stdout_logfile_backups", as_it_is),
    ("stdout_capture_maxbytes", as_it_is),
    ("stdout_events_enabled", as_it_is),
    ("stdout_syslog", as_it_is),
    ("stderr_logfile", not_none),
    ("stderr_logfile_maxbytes", as_it_is),
    ("stderr_logfile_backups", as_it_is),
    ("stderr_capture_maxbytes", as_it_is),
    ("stderr_events_enabled", as_it_is),
    ("stderr_syslog", as_it_is),
    ("serverurl", not_none),
];

/// An array of objects, each in a line of its own.
pub(super) fn array(members: &[Member], infos: &[&Value]) -> String {
    let mut text = "[".to_owned();
    for (at, info) in infos.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        for (at, (name, read)) in members.iter().enumerate() {
            let head = if at == 0 { "{" } else { ", " };
            let _ = write!(text, "{head}\"{name}\": {}", read(info, name));
        }
        text.push('}');
    }
    text + if infos.is_empty() { "]\n" } else { "\n]\n" }
}

/// Nothing where the daemon does not tell it.
fn as_it_is(info: &Value, name: &str) -> Json {
    info.member(name).map_or(Json::Null, plain)
}

/// A count or a time: 0 is none.
fn not_zero(info: &Value, name: &str) -> Json {
    if number(info, name) == 0 { Json::Null } else { as_it_is(info, name) }
}

fn not_empty(info: &Value, name: &str) -> Json {
    if field(info, name).is_empty() { Json::Null } else { as_it_is(info, name) }
}

/// Supervisor writes `none` for what is not set.
fn not_none(info: &Value, name: &str) -> Json {
    if field(info, name) == "none" { Json::Null } else { as_it_is(info, name) }
}

/// What is measured: -1 is unknown.
fn not_negative(info: &Value, name: &str) -> Json {
    let measured = as_it_is(info, name);
    if measured.as_f64().is_some_and(|number| number < 0.0) { Json::Null } else { measured }
}

/// RFC 3339, in UTC.
fn time(info: &Value, name: &str) -> Json {
    let at = number(info, name);
    let at = if at == 0 { None } else { Timestamp::from_second(at).ok() };
    at.map_or(Json::Null, |at| at.to_string().into())
}

/// Since its start, while it has a pid.
fn uptime(info: &Value, _: &str) -> Json {
    let (start, now) = (number(info, "start"), number(info, "now"));
    if start == 0 || number(info, "pid") == 0 { Json::Null } else { (now - start).max(0).into() }
}

/// Of its last end, where that is what it has come to.
fn exit_status(info: &Value, name: &str) -> Json {
    let ended = matches!(field(info, "statename"), "EXITED" | "STOPPED") && number(info, "stop") != 0;
    if ended { as_it_is(info, name) } else { Json::Null }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Int(number) => (*number).into(),
        Value::Bool(is) => (*is).into(),
        Value::String(text) => text.as_str().into(),
        Value::Double(number) => shortest(*number),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Struct(members) => {
            members.iter().map(|(name, value)| (name.to_string(), plain(value))).collect()
        }
    }
}

/// Without a point where it is whole.
fn shortest(number: f64) -> Json {
    match number.to_string().parse::<i64>() {
        Ok(whole) => whole.into(),
        Err(_) => number.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(members: &[(&'static str, Value)]) -> Value {
        Value::Struct(members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
    }

    fn read(members: &[(&'static str, Value)]) -> Json {
        let text = array(STATUS, &[&info(members)]);
        let all: Vec<Json> = serde_json::from_str(&text).unwrap();
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(one.as_object().unwrap().len(), STATUS.len());
        one.clone()
    }

    #[test]
    fn what_is_not_known_is_null() {
        let known = ["namespec", "group", "name", "state", "state_code", "description"];
        let without_details = read(&[
            ("group", Value::string("web")),
            ("name", Value::string("w\"1\u{7}")),
            ("statename", Value::string("STOPPED")),
            ("state", Value::Int(0)),
            ("description", Value::string("")),
            ("start", Value::Int(0)),
            ("stop", Value::Int(0)),
            ("now", Value::Int(5)),
            ("pid", Value::Int(0)),
            ("exitstatus", Value::Int(0)),
            ("spawnerr", Value::string("")),
        ]);
        for (name, value) in without_details.as_object().unwrap() {
            assert_eq!(value.is_null(), !known.contains(&name.as_str()), "{name}");
        }
        assert_eq!(without_details["namespec"], "web:w\"1\u{7}");
    }

    #[test]
    fn times_and_measures_are_in_the_units_of_programs() {
        let running = read(&[
            ("statename", Value::string("RUNNING")),
            ("start", Value::Int(1_700_000_000)),
            ("now", Value::Int(1_700_000_100)),
            ("pid", Value::Int(17)),
            ("memory_bytes", Value::Double(1e6)),
            ("cpu_seconds", Value::Double(0.25)),
            ("tasks", Value::Int(-1)),
            ("priority", Value::Int(-1)),
        ]);
        for (name, expected) in [
            ("start", Json::from("2023-11-14T22:13:20Z")),
            ("start_epoch", 1_700_000_000.into()),
            ("uptime_seconds", 100.into()),
            ("memory_bytes", 1_000_000.into()),
            ("cpu_seconds", 0.25.into()),
            ("tasks", Json::Null),
            ("priority", (-1).into()),
            ("exitstatus", Json::Null),
        ] {
            assert_eq!(running[name], expected, "{name}");
        }
        let killed = read(&[
            ("statename", Value::string("EXITED")),
            ("stop", Value::Int(1)),
            ("exitstatus", Value::Int(-1)),
        ]);
        assert_eq!((&killed["exitstatus"], &killed["stop"]), (&(-1).into(), &"1970-01-01T00:00:01Z".into()));
    }

    #[test]
    fn nobody_is_an_empty_array_and_the_schema_is_described() {
        assert_eq!(array(STATUS, &[]), "[]\n");
        let described = include_str!("../../docs/extensions.md");
        for (name, _) in STATUS.iter().chain(AVAIL) {
            assert!(described.contains(&format!("`{name}`")), "{name} has no words in docs/extensions.md");
        }
    }
}
