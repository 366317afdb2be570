//! Event listeners: what they are told, and what becomes of what they answer.

use serde_json::json;

use crate::support::{Daemon, Home, Subject, eventually, so};

compliance!(
    a_listener_is_told_of_a_life,
    an_envelope_counts_characters,
    output_is_an_event_when_it_is_wanted,
    what_stands_between_the_tokens_is_a_message,
    a_rejected_event_is_told_again,
    an_event_outlives_its_listener,
    a_full_buffer_loses_its_oldest_event,
    nonsense_ends_a_listeners_part,
    groups_come_and_go,
    ticks_are_multiples_of_their_period,
    the_answers_of_a_listener_are_no_output,
);

/// Writes what it is told to `events`, one line each; remote events tell it how to answer.
const LISTENER: &str = r#"#!/usr/bin/python3
import sys
log = open("events", "a")
def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
failed = False
while True:
    say("READY\n")
    header = sys.stdin.readline()
    if not header:
        break
    words = dict(word.split(":", 1) for word in header.split())
    payload = sys.stdin.read(int(words["len"]))
    log.write("%s %s|%s\n" % (header.rstrip("\n"), "", payload.replace("\n", "/")))
    log.flush()
    if payload.startswith("type:nonsense"):
        say("nonsense\n")
    elif payload.startswith("type:die"):
        log.close()
        sys.exit(0)
    elif payload.startswith("type:fail") and not failed:
        failed = True
        say("RESULT 4\nFAIL")
    else:
        say("RESULT 2\nOK")
"#;

fn daemon(subject: Subject, events: &str, options: &str, programs: &str) -> Daemon {
    let sections = format!(
        "[eventlistener:l]\ncommand=%(here)s/listener\ndirectory=%(here)s\nevents={events}\nstartsecs=0\n{options}\n{programs}"
    );
    let home = Home::with(subject, &sections);
    home.script("listener", LISTENER);
    Daemon::start_in(home, &[])
}

fn remote(daemon: &Daemon, kind: &str, data: &str) {
    daemon.answers("sendRemoteCommEvent", json!([kind, data]), "true");
}

/// The events so far, without the head that they have in common: `NAME len:N|PAYLOAD`.
fn told(daemon: &Daemon) -> Vec<String> {
    let text = daemon.home.read("events");
    let short = |line: &str| line.split_once(" eventname:").map(|(_, rest)| rest.replace(" |", "|"));
    text.lines().filter_map(short).collect()
}

/// Waits until these events, and no others before the last of them, were told of what the lines are picked by.
#[track_caller]
fn await_told(daemon: &Daemon, pick: &str, expected: &[&str]) {
    eventually(&format!("the listener is told {expected:?}"), || {
        let seen: Vec<String> = told(daemon).into_iter().filter(|line| line.contains(pick)).collect();
        let alike = seen.len() == expected.len()
            && seen.iter().zip(expected).all(|(seen, wanted)| crate::support::pattern::is_like(seen, wanted));
        so(alike, format!("{}\n{}", seen.join("\n"), daemon.home.read("main.log")))
    });
}

/// EVT-1, EVT-2, EVT-4, EVT-6, EVT-14, EVT-19, EVT-25, EVT-28.
fn a_listener_is_told_of_a_life(subject: Subject) {
    let program = "[program:p]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n[group:g]\nprograms=p\n";
    let daemon = daemon(subject, "PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE", "", program);
    daemon.answers("startProcess", json!(["g:p"]), "true");
    daemon.answers("stopProcess", json!(["g:p"]), "true");
    await_told(
        &daemon,
        "groupname:g",
        &[
            "PROCESS_GROUP_ADDED len:12|groupname:g/",
            "PROCESS_STATE_STARTING len:52|processname:p groupname:g from_state:STOPPED tries:0",
            "PROCESS_STATE_RUNNING len:<N>|processname:p groupname:g from_state:STARTING pid:<PID>",
            "PROCESS_STATE_STOPPING len:<N>|processname:p groupname:g from_state:RUNNING pid:<PID>",
            "PROCESS_STATE_STOPPED len:<N>|processname:p groupname:g from_state:STOPPING pid:<PID>",
        ],
    );
    await_told(&daemon, "SUPERVISOR_STATE", &["SUPERVISOR_STATE_CHANGE_RUNNING len:0|"]);
}

/// EVT-13, EVT-30, EVT-31, EVT-32, EVT-33.
fn an_envelope_counts_characters(subject: Subject) {
    let daemon = daemon(subject, "REMOTE_COMMUNICATION", "", "");
    remote(&daemon, "a", "gr\u{fc}n \u{20ac}");
    remote(&daemon, "b", "");
    eventually("both are told", || {
        let seen = daemon.home.read("events");
        let wanted = "ver:3.0 server:supervisor serial:0 pool:l poolserial:0 eventname:REMOTE_COMMUNICATION len:13 |type:a/gr\u{fc}n \u{20ac}\n\
                      ver:3.0 server:supervisor serial:1 pool:l poolserial:1 eventname:REMOTE_COMMUNICATION len:7 |type:b/\n";
        so(seen == wanted, seen)
    });
}

/// EVT-11, EVT-12, LOG-65.
fn output_is_an_event_when_it_is_wanted(subject: Subject) {
    let program = "[program:p]\ncommand=/bin/sh -c 'read x; echo out; read x; echo err >&2; read x; echo none'\nstartsecs=0\n\
                   stdout_events_enabled=true\nstderr_events_enabled=true\nautorestart=false\n\
                   [program:q]\ncommand=/bin/echo quiet\nstartsecs=0\nautorestart=false\n";
    let daemon = daemon(subject, "PROCESS_LOG", "", program);
    daemon.await_state("p", "RUNNING");
    daemon.tell("p", "");
    let out = "PROCESS_LOG_STDOUT len:<N>|processname:p groupname:p pid:<PID> channel:stdout/out/";
    await_told(&daemon, "", &[out]);
    daemon.tell("p", "");
    let err = "PROCESS_LOG_STDERR len:<N>|processname:p groupname:p pid:<PID> channel:stderr/err/";
    await_told(&daemon, "", &[out, err]);
}

/// EVT-9, EVT-10, LOG-55, LOG-56, LOG-57.
fn what_stands_between_the_tokens_is_a_message(subject: Subject) {
    let program = "[program:p]\ncommand=/bin/sh -c 'printf \"before<!--XSUPER\"; read x; printf \"VISOR:BEGIN-->a message<!--XSUPERVISOR:END-->\"; printf \"and what comes after it\"; read x; \
                   printf \"<!--XSUPERVISOR:BEGIN-->of stderr<!--XSUPERVISOR:END-->and what comes after it\" >&2; read x'\n\
                   startsecs=0\nstdout_capture_maxbytes=1KB\nstderr_capture_maxbytes=1KB\nautorestart=false\nstdout_logfile=%(here)s/out\n";
    let daemon = daemon(subject, "PROCESS_COMMUNICATION", "", program);
    daemon.await_state("p", "RUNNING");
    daemon.tell("p", "");
    let message = "PROCESS_COMMUNICATION_STDOUT len:<N>|processname:p groupname:p pid:<PID>/a message";
    await_told(&daemon, "", &[message]);
    daemon.tell("p", "");
    let other = "PROCESS_COMMUNICATION_STDERR len:<N>|processname:p groupname:p pid:<PID>/of stderr";
    await_told(&daemon, "", &[message, other]);
    daemon.await_file("out", "before<ANY>");
    assert!(!daemon.home.read("out").contains("message"), "a message is no log");
}

/// EVT-45, EVT-58.
fn a_rejected_event_is_told_again(subject: Subject) {
    let daemon = daemon(subject, "REMOTE_COMMUNICATION", "", "");
    remote(&daemon, "fail", "");
    remote(&daemon, "next", "");
    let failed = "REMOTE_COMMUNICATION len:10|type:fail/";
    await_told(&daemon, "", &[failed, failed, "REMOTE_COMMUNICATION len:10|type:next/"]);
    let text = daemon.home.read("events");
    let serials: Vec<_> = text.split("poolserial:").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(serials, ["0", "0", "1"], "{text}");
    assert!(daemon.log().iter().any(|line| line.ends_with("WARN l: event was rejected")));
}

/// EVT-46, EVT-60.
fn an_event_outlives_its_listener(subject: Subject) {
    let daemon = daemon(subject, "REMOTE_COMMUNICATION", "autorestart=false", "");
    daemon.await_state("l", "RUNNING");
    remote(&daemon, "die", "");
    daemon.await_state("l", "EXITED");
    remote(&daemon, "next", "");
    daemon.home.script("listener", &LISTENER.replace("type:die", "type:never"));
    daemon.answers("startProcess", json!(["l"]), "true");
    let died = "REMOTE_COMMUNICATION len:9|type:die/";
    await_told(&daemon, "", &[died, died, "REMOTE_COMMUNICATION len:10|type:next/"]);
}

/// EVT-40, EVT-43.
fn a_full_buffer_loses_its_oldest_event(subject: Subject) {
    let mut daemon = daemon(subject, "REMOTE_COMMUNICATION", "buffer_size=2\nautostart=false", "");
    for kind in ["a", "b", "c"] {
        remote(&daemon, kind, "");
    }
    daemon.await_line("ERRO pool l event buffer overflowed, discarding event 0");
    daemon.answers("startProcess", json!(["l"]), "true");
    await_told(&daemon, "", &["REMOTE_COMMUNICATION len:7|type:b/", "REMOTE_COMMUNICATION len:7|type:c/"]);
}

/// EVT-57, EVT-61, EVT-62.
fn nonsense_ends_a_listeners_part(subject: Subject) {
    let mut daemon = daemon(subject, "REMOTE_COMMUNICATION", "autorestart=false", "");
    remote(&daemon, "nonsense", "");
    daemon.await_line("WARN l: bad result line: 'nonsense'");
    daemon.await_line(
        "WARN l: has entered the UNKNOWN state and will no longer receive events, this usually indicates the process \
         violated the eventlistener protocol",
    );
    remote(&daemon, "next", "");
    assert_eq!(told(&daemon).len(), 1);
    daemon.await_state("l", "RUNNING");
}

/// EVT-19, EVT-20.
fn groups_come_and_go(subject: Subject) {
    let daemon = daemon(subject, "PROCESS_GROUP", "", "[program:p]\ncommand=/bin/cat\nautostart=false\n");
    daemon.answers("removeProcessGroup", json!(["p"]), "true");
    daemon.answers("addProcessGroup", json!(["p"]), "true");
    let added = "PROCESS_GROUP_ADDED len:12|groupname:p/";
    await_told(&daemon, "groupname:p", &[added, "PROCESS_GROUP_REMOVED len:12|groupname:p/", added]);
}

/// EVT-16.
fn ticks_are_multiples_of_their_period(subject: Subject) {
    let daemon = daemon(subject, "TICK_5", "", "");
    let tick = eventually("a tick comes", || {
        told(&daemon).first().cloned().ok_or_else(|| daemon.home.read("main.log"))
    });
    let when: i64 = tick.strip_prefix("TICK_5 len:15|when:").unwrap().parse().unwrap();
    assert_eq!(when % 5, 0, "{tick}");
}

/// OPT-90, EVT-64: of a listener only stderr is output; what it answers is logged all the same.
fn the_answers_of_a_listener_are_no_output(subject: Subject) {
    let other = "[eventlistener:m]\ncommand=/bin/sh -c 'echo READY; echo err >&2; read x'\nevents=TICK_3600\nstartsecs=0\n\
                 stdout_events_enabled=true\nstdout_capture_maxbytes=1KB\nstderr_events_enabled=true\n\
                 stdout_logfile=%(here)s/answers\n";
    let daemon = daemon(subject, "PROCESS_LOG", "", other);
    await_told(
        &daemon,
        "",
        &["PROCESS_LOG_STDERR len:<N>|processname:m groupname:m pid:<PID> channel:stderr/err/"],
    );
    daemon.await_file("answers", "READY\n");
}
