//! What clients are told of processes beyond Supervisor's fields (docs/extensions.md).
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use supervisord::wire::xmlrpc::Value;
use support::pattern::assert_like;
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
    let home = Home::with(
        Subject::Ours,
        "[program:x]\ncommand=/bin/sh -c 'echo trying; echo no luck >&2; exit 3'\nstartretries=1\n\
         [program:y]\ncommand=missing\nstartretries=0\nenvironment=PATH=/nowhere\n\
         [program:z]\ncommand=/bin/sh %(here)s/missing.sh\nstartretries=0\n\
         [program:w]\ncommand=/bin/true\nstartretries=0\n\
         [program:s]\ncommand=%(here)s/script\nstartretries=0\n",
    );
    home.script("script", "#!/no/such/interpreter\n");
    let daemon = Daemon::start_in(home, &[]);
    for (name, expected) in [
        ("x", "ended too quickly (exit status 3), within startsecs=1; it last wrote: no luck"),
        (
            "y",
            "can't find command 'missing'; PATH is /nowhere: write the whole path of the program, or set PATH in environment=",
        ),
        (
            "z",
            "ended too quickly (exit status <N>), within startsecs=1; can't read script <DIR>/missing.sh: no such file or \
             directory; write its whole path, or set directory= to where it is; it last wrote: <ANY>",
        ),
        (
            "w",
            "ended too quickly (exit status 0), within startsecs=1; a program must stay in the foreground; if it is meant to \
             end, set startsecs=0",
        ),
        (
            "s",
            "can't execute /no/such/interpreter: no such file or directory; install it, or correct the interpreter line of \
             <DIR>/script",
        ),
    ] {
        daemon.await_state(name, "FATAL");
        let diagnosis = daemon.home.neutral(details(&daemon, name, "diagnosis").as_str().unwrap().as_bytes());
        assert_like(&diagnosis, expected, name);
    }
    assert_eq!(details(&daemon, "x", "restarts"), Value::Int(1));
}

/// Whoever may not enter the directory is named with what keeps him out: in `status`, in the main log, and with the remedy in the
/// details.
#[test]
fn who_is_kept_out_of_a_directory_is_told_by_what() {
    if !nix::unistd::Uid::effective().is_root() {
        return support::skipped("only root runs programs as somebody else");
    }
    let home = Home::with(
        Subject::Ours,
        "[program:x]\ncommand=/bin/cat\ndirectory=%(here)s/private\nuser=nobody\nstartretries=0\n",
    );
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::create_dir(home.path("private")).unwrap();
    mode(&home.path(""), 0o755);
    mode(&home.path("private"), 0o700);
    let mut daemon = Daemon::start_in(home, &[]);
    let why = "can't enter directory <DIR>/private as nobody: permission denied (drwx------ root root <DIR>/private)";
    daemon.await_line(&format!("WARN spawnerr: x: {why}"));
    daemon.await_state("x", "FATAL");
    daemon.ctl("status").says(3, &format!("x                                FATAL     {why}\n"));
    let diagnosis = daemon.home.neutral(details(&daemon, "x", "diagnosis").as_str().unwrap().as_bytes());
    assert_eq!(diagnosis, format!("{why}; let nobody through: chmod o+x, or chgrp and chmod g+x"));
}
