//! The lives of programs, as the main log tells them and as clients see them.

use serde_json::json;

use crate::support::{Daemon, Subject};

compliance!(
    a_program_that_stays_is_running,
    without_startsecs_it_runs_at_once,
    a_program_that_exits_too_quickly_is_given_up,
    an_exit_that_is_expected_ends_a_program,
    an_exit_that_is_not_expected_restarts_it,
    a_death_by_signal_is_never_expected,
    autorestart_true_restarts_after_any_exit,
    autorestart_false_never_restarts,
    retries_belong_to_starts_whatever_autorestart_says,
    a_program_by_hand_starts_by_hand_only,
    a_restarted_program_keeps_its_stop_time,
    numprocs_makes_a_group_of_processes,
    the_states_have_their_names_and_codes,
);

/// PRC-16, PRC-100, PRC-101.
fn a_program_that_stays_is_running(subject: Subject) {
    let mut daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nstartsecs=1\n");
    daemon.logs(&[
        "INFO spawned: 'x' with pid <PID>",
        "INFO success: x entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
    ]);
    daemon.await_state("x", "RUNNING");
    daemon.logs_no_more();
}

/// PRC-32.
fn without_startsecs_it_runs_at_once(subject: Subject) {
    let mut daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    daemon.logs(&[
        "INFO spawned: 'x' with pid <PID>",
        "INFO success: x entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)",
    ]);
}

/// PRC-13, PRC-17, PRC-30, PRC-31, PRC-102, PRC-103, PRC-105.
fn a_program_that_exits_too_quickly_is_given_up(subject: Subject) {
    let mut daemon = Daemon::start(
        subject,
        "[program:x]\ncommand=/bin/sh -c 'echo >> runs'\ndirectory=%(here)s\nstartsecs=30\nstartretries=2\n",
    );
    daemon.logs(&["INFO spawned: 'x' with pid <PID>", "WARN exited: x (exit status 0; not expected)"]);
    daemon.await_state("x", "BACKOFF");
    daemon.answers(
        "getProcessInfo",
        json!(["x"]),
        "{\"name\": \"x\", \"group\": \"x\", \"start\": <N>, \"stop\": <N>, \"now\": <N>, \"state\": 30, \
         \"statename\": \"BACKOFF\", \"spawnerr\": \"Exited too quickly (process log may have details)\", \
         \"exitstatus\": 0, \"logfile\": \"<DIR>/x-stdout---supervisor-<ANY>.log\", \
         \"stdout_logfile\": \"<DIR>/x-stdout---supervisor-<ANY>.log\", \
         \"stderr_logfile\": \"<DIR>/x-stderr---supervisor-<ANY>.log\", \"pid\": 0, \
         \"description\": \"Exited too quickly (process log may have details)\"}",
    );
    daemon.logs(&[
        "INFO spawned: 'x' with pid <PID>",
        "WARN exited: x (exit status 0; not expected)",
        "INFO spawned: 'x' with pid <PID>",
        "WARN exited: x (exit status 0; not expected)",
        "INFO gave up: x entered FATAL state, too many start retries too quickly",
    ]);
    daemon.await_state("x", "FATAL");
    assert_eq!(daemon.home.read("runs"), "\n".repeat(3), "startretries and one more");
    daemon.ctl("status").says(
        3,
        "x                                FATAL     Exited too quickly (process log may have details)\n",
    );
    // Given up is not for ever.
    daemon.skip_log();
    daemon.answers("startProcess", json!(["x", false]), "true");
    daemon.logs(&["INFO spawned: 'x' with pid <PID>"]);
}

const PUPPET: &str = "[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\n";

/// A puppet that runs; the log is read up to there.
fn running(subject: Subject, options: &str) -> Daemon {
    let mut daemon = Daemon::start(subject, &format!("{PUPPET}{options}"));
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon
}

/// PRC-19, PRC-104.
fn an_exit_that_is_expected_ends_a_program(subject: Subject) {
    let mut daemon = running(subject, "exitcodes=0,2\n");
    daemon.tell("x", "exit 2");
    daemon.logs(&["INFO exited: x (exit status 2; expected)"]);
    daemon.await_state("x", "EXITED");
    daemon.answers(
        "getProcessInfo",
        json!(["x"]),
        "{<ANY>\"state\": 100, \"statename\": \"EXITED\", \"spawnerr\": \"\", \"exitstatus\": 2, <ANY>, \"pid\": 0, \
         \"description\": \"<WHEN>\"}",
    );
    daemon.logs_no_more();
}

/// PRC-11, PRC-20.
fn an_exit_that_is_not_expected_restarts_it(subject: Subject) {
    let mut daemon = running(subject, "exitcodes=0,2\n");
    let first = daemon.pid_of("x");
    daemon.tell("x", "exit 3");
    daemon.logs(&[
        "WARN exited: x (exit status 3; not expected)",
        "INFO spawned: 'x' with pid <PID>",
        "INFO success: x entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)",
    ]);
    assert_ne!(daemon.pid_of("x"), first);
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>\"spawnerr\": \"\", \"exitstatus\": 0, <ANY>}");
}

/// PRC-33, PRC-120.
fn a_death_by_signal_is_never_expected(subject: Subject) {
    let mut daemon = running(subject, "exitcodes=0,255\nautorestart=false\n");
    daemon.tell("x", "kill -KILL $$");
    daemon.logs(&["WARN exited: x (terminated by SIGKILL; not expected)"]);
    daemon.await_state("x", "EXITED");
    daemon.answers(
        "getProcessInfo",
        json!(["x"]),
        "{<ANY>\"statename\": \"EXITED\", \"spawnerr\": \"Bad exit code -1\", \"exitstatus\": -1, <ANY>}",
    );
    for name in ["ABRT", "CHLD", "POLL", "USR1"] {
        daemon.answers("startProcess", json!(["x"]), "true");
        daemon.skip_log();
        // Without the core that some of them leave.
        daemon.tell("x", &format!("ulimit -c 0; exec python3 -c 'import os, signal; s = signal.SIG{name}; os.kill(os.getpid(), s); os._exit(0)'"));
        let said = if name == "CHLD" {
            "INFO exited: x (exit status 0; expected)".to_owned()
        } else {
            format!("WARN exited: x (terminated by SIG{name}; not expected)")
        };
        daemon.logs(&[&said]);
        daemon.await_state("x", "EXITED");
    }
}

fn autorestart_true_restarts_after_any_exit(subject: Subject) {
    let mut daemon = running(subject, "autorestart=true\n");
    daemon.tell("x", "exit 0");
    daemon.logs(&["INFO exited: x (exit status 0; expected)", "INFO spawned: 'x' with pid <PID>"]);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.tell("x", "exit 7");
    daemon.logs(&["WARN exited: x (exit status 7; not expected)", "INFO spawned: 'x' with pid <PID>"]);
}

fn autorestart_false_never_restarts(subject: Subject) {
    let mut daemon = running(subject, "autorestart=false\n");
    daemon.tell("x", "exit 7");
    daemon.logs(&["WARN exited: x (exit status 7; not expected)"]);
    daemon.await_state("x", "EXITED");
    daemon.answers(
        "getProcessInfo",
        json!(["x"]),
        "{<ANY>\"statename\": \"EXITED\", \"spawnerr\": \"Bad exit code 7\", \"exitstatus\": 7, <ANY>}",
    );
    daemon.logs_no_more();
}

/// PRC-34.
fn retries_belong_to_starts_whatever_autorestart_says(subject: Subject) {
    let sections = "[program:x]\ncommand=%(here)s/puppet\nautostart=false\nautorestart=false\nstartsecs=30\nstartretries=1\n";
    let mut daemon = Daemon::start(subject, sections);
    daemon.answers("startProcess", json!(["x", false]), "true");
    for _ in 0..2 {
        daemon.logs(&["INFO spawned: 'x' with pid <PID>"]);
        daemon.tell("x", "exit 0");
        daemon.logs(&["WARN exited: x (exit status 0; not expected)"]);
    }
    daemon.logs(&["INFO gave up: x entered FATAL state, too many start retries too quickly"]);
}

/// PRC-10.
fn a_program_by_hand_starts_by_hand_only(subject: Subject) {
    let sections = format!("{PUPPET}[program:hand]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n");
    let mut daemon = Daemon::start(subject, &sections);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.answers(
        "getProcessInfo",
        json!(["hand"]),
        "{\"name\": \"hand\", \"group\": \"hand\", \"start\": 0, \"stop\": 0, \"now\": <N>, \"state\": 0, \
         \"statename\": \"STOPPED\", \"spawnerr\": \"\", \"exitstatus\": 0, <ANY>, \"pid\": 0, \
         \"description\": \"Not started\"}",
    );
    daemon.answers("startProcess", json!(["hand"]), "true");
    daemon.logs(&[
        "INFO spawned: 'hand' with pid <PID>",
        "INFO success: hand entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)",
    ]);
    // Stopped by hand, it stays so.
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.logs(&["WARN stopped: x (terminated by SIGTERM)"]);
    daemon.await_state("x", "STOPPED");
    daemon.logs_no_more();
}

/// INF-2.
fn a_restarted_program_keeps_its_stop_time(subject: Subject) {
    let daemon = running(subject, "");
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>\"stop\": 0, <ANY>}");
    daemon.answers("stopProcess", json!(["x"]), "true");
    let stop = daemon.info("x", "stop");
    assert_ne!(stop, supervisord::wire::xmlrpc::Value::Int(0));
    daemon.answers("startProcess", json!(["x"]), "true");
    assert_eq!(daemon.info("x", "stop"), stop);
}

/// PRC-92, INI-50.
fn numprocs_makes_a_group_of_processes(subject: Subject) {
    let sections = "[program:w]\ncommand=/bin/sh -c 'echo %(process_num)d of %(numprocs)d in %(group_name)s; cat'\nstartsecs=0\n\
                    process_name=%(program_name)s_%(process_num)02d\nnumprocs=11\nnumprocs_start=1\n";
    let daemon = Daemon::start(subject, sections);
    daemon.await_log_of("w:w_01", "1 of 11 in w\n");
    daemon.await_log_of("w:w_11", "11 of 11 in w\n");
    let names = daemon.ctl("status").stdout;
    let names: Vec<&str> = names.lines().filter_map(|line| line.split(' ').next()).collect();
    let expected: Vec<String> = (1..=11).map(|number| format!("w:w_{number:02}")).collect();
    assert_eq!(names, expected);
    daemon.ctl("status w").says(4, "w: ERROR (no such process)\n");
}

/// PRC-1 to PRC-7.
fn the_states_have_their_names_and_codes(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:a]\ncommand=/bin/cat\nstartsecs=0\n[program:b]\ncommand=/bin/cat\nstartsecs=900\n\
         [program:c]\ncommand=%(here)s/missing\nstartretries=0\n[program:d]\ncommand=/bin/cat\nautostart=false\n",
    );
    for (name, state, code) in
        [("a", "RUNNING", 20), ("b", "STARTING", 10), ("c", "FATAL", 200), ("d", "STOPPED", 0)]
    {
        daemon.await_state(name, state);
        let pattern = format!("{{<ANY>\"state\": {code}, \"statename\": \"{state}\", <ANY>}}");
        daemon.answers("getProcessInfo", json!([name]), &pattern);
    }
    daemon.answers("getState", json!([]), r#"{"statecode": 1, "statename": "RUNNING"}"#);
}
