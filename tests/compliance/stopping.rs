//! How programs are stopped and signalled, in which order, and what the main log says at info and debug.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Daemon, Home, Subject};

compliance!(
    a_stop_waits_for_the_program,
    a_stop_that_does_not_wait_answers_at_once,
    a_program_that_will_not_stop_is_killed,
    the_stop_signal_is_the_configured_one,
    stopasgroup_and_killasgroup_reach_the_whole_group,
    a_stop_without_stopasgroup_leaves_the_children,
    a_backoff_is_stopped_without_a_signal,
    programs_start_by_priority,
    everything_is_stopped_by_priority_at_the_end,
    the_debug_log_tells_of_signals_and_output,
    the_info_log_tells_of_neither,
    shutdown_waits_for_stubborn_programs_and_says_so,
);

/// A program that notes signals, and goes on until it is told otherwise.
const DEAF: &str = "#!/bin/sh\ntrap 'echo TERM >> got' TERM\ntrap 'echo INT >> got; exit 0' INT\necho up >> got\n\
                    while :; do sleep 0.02; done\n";

fn deaf(subject: Subject, options: &str) -> Daemon {
    let home = Home::with(subject, &format!("[program:x]\ncommand=%(here)s/deaf\nstartsecs=0\n{options}"));
    home.script("deaf", DEAF);
    let mut daemon = Daemon::start_in(home, &[]);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.await_file("got", "up\n");
    daemon
}

/// PRC-21, PRC-24, PRC-106, PRC-108.
fn a_stop_waits_for_the_program(subject: Subject) {
    let mut daemon = deaf(subject, "stopsignal=INT\n");
    let pid = daemon.pid_of("x");
    daemon.answers("stopProcess", json!(["x"]), "true");
    super::await_gone(&daemon, pid);
    daemon.logs(&["INFO stopped: x (exit status 0)"]);
    assert_eq!(daemon.home.read("got"), "up\nINT\n");
    daemon.answers("stopProcess", json!(["x"]), "fault 70 NOT_RUNNING: x");
    daemon.answers(
        "getProcessInfo",
        json!(["x"]),
        "{<ANY>\"state\": 0, \"statename\": \"STOPPED\", \"spawnerr\": \"\", \"exitstatus\": 0, <ANY>}",
    );
}

/// RPC-53: STOPPING is seen, and cannot be stopped again nor counted as running.
fn a_stop_that_does_not_wait_answers_at_once(subject: Subject) {
    let mut daemon = deaf(subject, "stopwaitsecs=600\n");
    daemon.answers("stopProcess", json!(["x", false]), "true");
    daemon.await_file("got", "up\nTERM\n");
    daemon.answers(
        "getProcessInfo",
        json!(["x"]),
        "{<ANY>\"state\": 40, \"statename\": \"STOPPING\", <ANY>, \"pid\": <PID>, \"description\": \"\"}",
    );
    daemon.answers("stopProcess", json!(["x"]), "fault 70 NOT_RUNNING: x");
    daemon.answers("stopAllProcesses", json!([]), "[]");
    daemon.answers("signalProcess", json!(["x", "SIGINT"]), "true");
    daemon.logs(&["INFO stopped: x (exit status 0)"]);
}

/// PRC-23, PRC-107.
fn a_program_that_will_not_stop_is_killed(subject: Subject) {
    let mut daemon = deaf(subject, "stopwaitsecs=1\n");
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.logs(&["WARN killing 'x' (<PID>) with SIGKILL", "WARN stopped: x (terminated by SIGKILL)"]);
    assert_eq!(daemon.home.read("got"), "up\nTERM\n");
    assert!(daemon.home.read("main.log").contains(" INFO waiting for x to stop\n"));
    daemon.answers(
        "getProcessInfo",
        json!(["x"]),
        "{<ANY>\"statename\": \"STOPPED\", \"spawnerr\": \"\", \"exitstatus\": -1, <ANY>}",
    );
}

/// TYP-5, PRC-106.
fn the_stop_signal_is_the_configured_one(subject: Subject) {
    let mut sections = String::new();
    let signals = [("hup", "HUP"), ("quit", "SIGQUIT"), ("usr", "usr1"), ("number", "10"), ("kill", "KILL")];
    for (name, value) in signals {
        sections += &format!(
            "[program:{name}]\ncommand=/bin/sh -c 'ulimit -c 0; exec cat'\nstartsecs=0\nstopsignal={value}\n"
        );
    }
    let mut daemon = Daemon::start(subject, &sections);
    for (name, _) in signals {
        daemon.await_state(name, "RUNNING");
        // Not while it still is a shell.
        crate::support::eventually("cat runs", || {
            let program = std::fs::read_to_string(format!("/proc/{}/comm", daemon.pid_of(name))).unwrap();
            crate::support::so(program == "cat\n", program)
        });
    }
    daemon.skip_log();
    for (name, said) in [
        ("hup", "SIGHUP"),
        ("quit", "SIGQUIT"),
        ("usr", "SIGUSR1"),
        ("number", "SIGUSR1"),
        ("kill", "SIGKILL"),
    ] {
        daemon.answers("stopProcess", json!([name]), "true");
        daemon.logs(&[&format!("WARN stopped: {name} (terminated by {said})")]);
    }
}

/// A shell that waits, and its child, whose pid is in a file.
const FAMILY: &str = "#!/bin/sh\nsleep 1000 &\necho $! > child.draft\nmv child.draft child\nwait\n";

fn family(subject: Subject, options: &str) -> (Daemon, i32) {
    let home = Home::with(
        subject,
        &format!("[program:x]\ncommand=%(here)s/family\nstartsecs=0\ndirectory=%(here)s\n{options}"),
    );
    home.script("family", FAMILY);
    let mut daemon = Daemon::start_in(home, &["-e", "debug"]);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.await_file("child", "<PID>\n");
    let child = daemon.home.read("child").trim().parse().unwrap();
    (daemon, child)
}

/// PRC-80, PRC-111.
fn stopasgroup_and_killasgroup_reach_the_whole_group(subject: Subject) {
    let (mut daemon, child) = family(subject, "stopasgroup=true\n");
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.await_line("DEBG killing x (pid <PID>) process group with signal SIGTERM");
    super::await_gone(&daemon, child);

    let (mut daemon, child) = family(subject, "stopsignal=WINCH\nstopwaitsecs=1\nkillasgroup=true\n");
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.await_line("DEBG killing x (pid <PID>) with signal SIGWINCH");
    daemon.await_line("WARN killing 'x' (<PID>) with SIGKILL");
    daemon.await_line("DEBG killing x (pid <PID>) process group with signal SIGKILL");
    super::await_gone(&daemon, child);
}

/// PRC-83.
fn a_stop_without_stopasgroup_leaves_the_children(subject: Subject) {
    let (mut daemon, child) = family(subject, "");
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.await_line("DEBG killing x (pid <PID>) with signal SIGTERM");
    daemon.await_state("x", "STOPPED");
    assert!(std::path::Path::new(&format!("/proc/{child}")).exists(), "it is nobody's business");
}

/// PRC-22, PRC-113.
fn a_backoff_is_stopped_without_a_signal(subject: Subject) {
    let sections = "[program:x]\ncommand=%(here)s/missing\nautostart=false\nstartretries=1000000\n";
    let mut daemon = Daemon::start_in(
        Home::with(subject, &format!("{sections}[program:y]\ncommand=%(here)s/gone\n")),
        &["-e", "debug"],
    );
    daemon.await_line("INFO spawnerr: can't find command '<DIR>/gone'");
    daemon.await_state("y", "BACKOFF");
    daemon.skip_log();
    daemon.answers("stopProcess", json!(["y"]), "true");
    daemon.await_line("DEBG Attempted to kill y, which is in BACKOFF state.");
    daemon.answers(
        "getProcessInfo",
        json!(["y"]),
        "{<ANY>\"statename\": \"STOPPED\", \"spawnerr\": \"can't find command '<DIR>/gone'\", <ANY>}",
    );
}

/// PRC-90, PRC-91.
fn programs_start_by_priority(subject: Subject) {
    let sections = "[program:last]\ncommand=/bin/cat\nstartsecs=60\npriority=1000\n\
                    [program:b]\ncommand=/bin/cat\nstartsecs=60\n[program:a]\ncommand=/bin/cat\nstartsecs=60\n\
                    [program:first]\ncommand=/bin/cat\nstartsecs=60\npriority=-5\n\
                    [program:member]\ncommand=/bin/cat\nstartsecs=60\npriority=2000\n[group:g]\nprograms=member\npriority=1\n";
    let mut daemon = Daemon::start(subject, sections);
    daemon.logs(&[
        "INFO spawned: 'first' with pid <PID>",
        "INFO spawned: 'member' with pid <PID>",
        "INFO spawned: 'a' with pid <PID>",
        "INFO spawned: 'b' with pid <PID>",
        "INFO spawned: 'last' with pid <PID>",
    ]);
    // By hand as well, and they stop in the same order.
    daemon.answers(
        "stopAllProcesses",
        json!([false]),
        "[{\"name\": \"first\", \"group\": \"first\", \"status\": 80, \"description\": \"OK\"}, \
          {\"name\": \"member\", \"group\": \"g\", \"status\": 80, \"description\": \"OK\"}, \
          {\"name\": \"a\", \"group\": \"a\", \"status\": 80, \"description\": \"OK\"}, \
          {\"name\": \"b\", \"group\": \"b\", \"status\": 80, \"description\": \"OK\"}, \
          {\"name\": \"last\", \"group\": \"last\", \"status\": 80, \"description\": \"OK\"}]",
    );
}

/// PRC-94, SIG-1, SIG-15.
fn everything_is_stopped_by_priority_at_the_end(subject: Subject) {
    let program =
        "#!/bin/sh\ntrap \"echo $1 >> order; exit 0\" TERM\necho $1 up >> up\nwhile :; do sleep 0.02; done\n";
    let sections = "[program:c]\ncommand=%(here)s/say c\nstartsecs=0\npriority=30\n\
                    [program:a]\ncommand=%(here)s/say a\nstartsecs=0\npriority=10\n\
                    [program:b]\ncommand=%(here)s/say b\nstartsecs=0\npriority=20\n";
    let home = Home::with(subject, sections);
    home.script("say", program);
    let mut daemon = Daemon::start_in(home, &[]);
    crate::support::eventually("three are up", || {
        let up = daemon.home.read("up");
        crate::support::so(up.lines().count() == 3, up)
    });
    for name in ["a", "b", "c"] {
        daemon.await_state(name, "RUNNING");
    }
    daemon.skip_log();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.await_end().success());
    assert_eq!(daemon.home.read("order"), "c\nb\na\n");
    let told: Vec<String> = daemon.log().into_iter().filter(|line| line.contains("stopped: ")).collect();
    assert_eq!(told, ["c", "b", "a"].map(|name| format!("INFO stopped: {name} (exit status 0)")));
    assert!(daemon.log().contains(&"WARN received SIGTERM indicating exit request".to_owned()));
}

/// PRC-112, PRC-118, LOG-3, SIG-6.
fn the_debug_log_tells_of_signals_and_output(subject: Subject) {
    let home = Home::with(subject, "[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\n");
    let mut daemon = Daemon::start_in(home, &["-e", "debug"]);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.tell("x", "echo hello");
    daemon.logs(&["DEBG 'x' stdout output:", "hello", ""]);
    daemon.tell("x", "echo oh >&2");
    daemon.logs(&["DEBG 'x' stderr output:", "oh", ""]);
    daemon.tell("x", "printf '\\377\\001\\t\\047x'");
    daemon.logs(&["DEBG 'x' stdout output:", "Undecodable: b\"\\xff\\x01\\t'x\""]);
    daemon.answers("signalProcess", json!(["x", "CONT"]), "true");
    daemon.logs(&["DEBG sending x (pid <PID>) sig SIGCONT"]);
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.logs(&["DEBG killing x (pid <PID>) with signal SIGTERM"]);
    daemon.await_line("WARN stopped: x (terminated by SIGTERM)");
    crate::support::eventually("SIGCHLD is told of", || {
        let log = daemon.log();
        crate::support::so(
            log.contains(&"DEBG received SIGCHLD indicating a child quit".to_owned()),
            log.join("\n"),
        )
    });
}

fn the_info_log_tells_of_neither(subject: Subject) {
    let mut daemon = Daemon::start(subject, "[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\n");
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.tell("x", "echo hello");
    daemon.await_log_of("x", "hello\n");
    daemon.answers("signalProcess", json!(["x", "CONT"]), "true");
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.logs(&["WARN stopped: x (terminated by SIGTERM)"]);
    daemon.logs_no_more();
}

/// PRC-109, SIG-3, SIG-16.
fn shutdown_waits_for_stubborn_programs_and_says_so(subject: Subject) {
    let mut daemon = deaf(subject, "stopwaitsecs=600\n");
    let pid = daemon.pid_of("x");
    daemon.signal(Signal::SIGQUIT);
    daemon.logs(&["WARN received SIGQUIT indicating exit request", "INFO waiting for x to die"]);
    daemon.answers("getAllProcessInfo", json!([]), "fault 6 SHUTDOWN_STATE");
    daemon.answers("getSupervisorVersion", json!([]), "fault 6 SHUTDOWN_STATE");
    daemon.answers("shutdown", json!([]), "fault 6 SHUTDOWN_STATE");
    daemon.answers("system.listMethods", json!([]), "[<ANY>]");
    daemon.signal(Signal::SIGHUP);
    daemon.await_line("WARN ignored SIGHUP indicating restart request (shutdown in progress)");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert!(daemon.await_end().success());
    assert!(!daemon.socket().exists() && !daemon.home.path("pid").exists());
}
