//! What clients are told of processes beyond Supervisor's fields (docs/extensions.md).
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use serde_json::json;
use supervisord::wire::xmlrpc::Value;
use support::{Daemon, Home, Subject};

fn details(daemon: &Daemon, name: &str, member: &str) -> Value {
    daemon.must("getProcessDetails", json!([name])).member(member).unwrap().clone()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Double(number) => *number,
        Value::Int(number) => f64::from(i32::try_from(*number).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// All fields, what it uses with its offspring, and its configuration.
#[test]
fn details_are_told_of_one_and_of_all() {
    let home = Home::with(
        Subject::Ours,
        "[program:tree]\ncommand=/bin/sh -c 'sleep 1000 & sleep 1000 & echo up; wait'\nstartsecs=0\nstopasgroup=true\nkillasgroup=true\n\
         [program:idle]\ncommand=/bin/cat\nautostart=false\ndirectory=/usr\nuser=root\nautorestart=true\npriority=7\n",
    );
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_log_of("tree", "up\n");
    daemon.answers(
        "getProcessDetails",
        json!(["idle"]),
        "{\"name\": \"idle\", \"group\": \"idle\", <ANY>, \"description\": \"Not started\", \"restarts\": 0, \
         \"cpu_seconds\": -1.0, \"memory_bytes\": -1.0, \"tasks\": -1, \"diagnosis\": \"\", \"stdout_dropped\": 0.0, \
         \"stderr_dropped\": 0.0, \"command\": \"/bin/cat\", \"directory\": \"/usr\", \"user\": \"root\", \
         \"autostart\": false, \"autorestart\": \"true\", \"priority\": 7}",
    );
    assert_eq!(number(&details(&daemon, "tree", "tasks")), 3.0, "a shell and two sleeps");
    assert!(number(&details(&daemon, "tree", "memory_bytes")) > 100_000.0);
    assert!(number(&details(&daemon, "tree", "cpu_seconds")) >= 0.0);
    let Value::Array(all) = daemon.must("getAllProcessDetails", json!([])) else { panic!("an array") };
    let names: Vec<_> = all.iter().map(|one| one.member("name").unwrap().as_str().unwrap()).collect();
    assert_eq!(names, ["idle", "tree"]);
    daemon.answers("getProcessDetails", json!(["no"]), "fault 10 BAD_NAME: no");
}

/// A program that fails says why, and how often it was tried.
#[test]
fn a_failure_is_in_the_details() {
    let daemon = Daemon::start(
        Subject::Ours,
        "[program:x]\ncommand=/bin/sh -c 'exit 3'\nstartretries=1\n[program:y]\ncommand=/missing\nstartretries=0\n",
    );
    daemon.await_state("x", "FATAL");
    daemon.await_state("y", "FATAL");
    assert_eq!(details(&daemon, "x", "restarts"), Value::Int(1));
    let diagnosis = details(&daemon, "x", "diagnosis");
    assert!(diagnosis.as_str().unwrap().starts_with("ended too quickly (exit status 3)"), "{diagnosis:?}");
    assert_eq!(details(&daemon, "y", "diagnosis").as_str(), Some("can't find command '/missing'"));
}
