//! Pipes that nobody reads, and waits that cost nothing.

use std::fs;

use serde_json::json;

use super::support::rpc::Refusal;
use super::support::{Daemon, Home, Subject};

fn start(sections: &str) -> Daemon {
    Daemon::start_in(Home::with(Subject::Ours, sections), &[])
}

/// RE-39: the event stays with the listener, and the daemon with everybody else.
#[test]
fn a_listener_that_reads_nothing_costs_nobody_anything() {
    let mut daemon = start(
        "[eventlistener:deaf]\ncommand=/bin/sh -c 'echo READY; exec sleep 1000'\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n\
         [program:x]\ncommand=/bin/cat\nstartsecs=0\n[supervisord]\nloglevel=debug\n",
    );
    daemon.await_line("DEBG deaf: ACKNOWLEDGED -> READY");
    let large = "x".repeat(200_000);
    for _ in 0..3 {
        daemon.answers("sendRemoteCommEvent", json!(["kind", large]), "true");
    }
    daemon.await_line("DEBG event 0 sent to listener deaf");
    daemon.await_state("x", "RUNNING");
    daemon.must("stopProcess", json!(["x"]));
    daemon.answers("getState", json!([]), "{\"statecode\": 1, \"statename\": \"RUNNING\"}");
    daemon.await_state("deaf", "RUNNING");
}

/// RE-29: what the pipe does not take waits, up to a limit, and the limit is told.
#[test]
fn a_stdin_that_is_full_is_told() {
    let daemon = start("[program:x]\ncommand=/bin/sleep 1000\nstartsecs=0\n");
    daemon.await_state("x", "RUNNING");
    let chunk = "x".repeat(300_000);
    let send = || daemon.call("sendProcessStdin", &json!(["x", chunk]));
    let refused = (0..10).find_map(|_| send().err()).expect("there is a limit");
    let Refusal::Fault(30, text) = refused else { panic!("{refused:?}") };
    let waiting = text
        .strip_prefix("FAILED: stdin is full: ")
        .and_then(|text| text.strip_suffix(" bytes wait to be read"));
    let waiting: usize = waiting.expect(&text).parse().unwrap();
    assert!((700_000..=1 << 20).contains(&waiting), "{text}");
    daemon.must("stopProcess", json!(["x"]));
}

/// Processor time that the daemon has used, in ticks of 10 ms.
fn ticks(daemon: &Daemon) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid)).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// RE-25: Supervisor uses a whole processor while it waits.
#[test]
fn a_stop_that_waits_uses_no_processor() {
    let daemon = start(
        "[program:x]\ncommand=/bin/sh -c \"trap '' TERM; echo up; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=2\n\
         killasgroup=true\n",
    );
    daemon.await_log_of("x", "up\n");
    let before = ticks(&daemon);
    daemon.must("stopProcess", json!(["x"]));
    let used = ticks(&daemon) - before;
    assert!(used < 30, "{used} ticks of 200");
}

/// PRC-18: what runs for a moment only has run.
#[test]
fn a_program_that_runs_for_a_moment_has_run() {
    let mut daemon = start("[program:x]\ncommand=/bin/true\nstartsecs=0\nautorestart=false\n");
    daemon.logs(&[
        "INFO spawned: 'x' with pid <PID>",
        "INFO success: x entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)",
        "INFO exited: x (exit status 0; expected)",
    ]);
}
