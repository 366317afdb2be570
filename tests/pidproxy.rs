//! What our pidproxy does better than Supervisor's: rows CLI-101 to CLI-105 and RE-45 of `docs/compat.md`.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::proxy::Proxy;
use support::{Daemon, Home, Subject, eventually, so};

fn run(home: Home, args: &[&str]) -> support::home::Outcome {
    Proxy::start(home, args).outcome()
}

/// Whether a pid is a process's that has not ended; the dead may wait for whoever adopted them.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn home() -> Home {
    let home = Home::new(Subject::Ours);
    home.daemonize();
    home
}

#[test]
fn the_status_of_the_command_is_kept() {
    let begun = Instant::now();
    run(home(), &["pid", "sh", "-c", "exit 3"]).says(3, "");
    run(home(), &["pid", "sh", "-c", "kill -9 $$"]).says(137, "");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn a_command_is_looked_for_here_and_then_in_the_path() {
    run(home(), &["pid", "echo", "from", "PATH"]).says(0, "from PATH\n");
    let home = home();
    home.script("echo", "#!/bin/sh\nprintf 'from here\\n'\n");
    run(home, &["pid", "echo"]).says(0, "from here\n");
}

#[test]
fn a_command_that_cannot_run_is_told() {
    run(home(), &["pid", "no-such-thing"])
        .complains(127, "pidproxy: can't run no-such-thing: no such file or directory\n");
    run(home(), &["pid", "/etc/passwd"])
        .complains(126, "pidproxy: can't run /etc/passwd: permission denied\n");
}

/// The signals that Supervisor's loses end the command.
#[test]
fn a_signal_that_has_no_daemon_goes_to_the_command() {
    let told = |pidfile: Option<&str>| {
        let home = home();
        if let Some(text) = pidfile {
            home.write("pid", text);
        }
        let mut proxy = Proxy::start(home, &["pid", "sh", "-c", "echo >up; exec sleep 1000"]);
        proxy.await_file("up", "\n");
        proxy.signal(Signal::SIGTERM);
        proxy.outcome()
    };
    told(None).says(143, "Can't read child pidfile pid!\n");
    told(Some("1\n")).says(143, "Can't read child pidfile pid!\n");
    told(Some("999999999\n")).says(143, "Can't signal pid 999999999 of pidfile pid: no such process\n");
}

#[test]
fn it_stays_until_the_daemon_is_gone() {
    let home = home();
    home.write("slow", "");
    home.script("starter", "#!/bin/sh\n./daemon &\nwhile [ ! -s heard ]; do sleep 0.02; done\nexit 4\n");
    let mut proxy = Proxy::start(home, &["pid", "./starter"]);
    proxy.await_file("pid", "<N>\n");
    proxy.signal(Signal::SIGTERM);
    proxy.await_file("heard", "TERM\n");
    eventually("the command has ended", || so(proxy.children().is_empty(), proxy.children()));
    assert!(!proxy.has_ended());
    proxy.home.write("go", "");
    proxy.outcome().says(4, "");
    assert!(!is_alive(proxy.home.read("pid").trim()));
}

#[test]
fn a_command_that_outlives_its_daemon_is_told_too() {
    let mut proxy = Proxy::start(home(), &["pid", "sh", "-c", "./daemon & exec sleep 1000"]);
    proxy.await_file("pid", "<N>\n");
    proxy.signal(Signal::SIGTERM);
    proxy.outcome().says(143, "");
}

/// A stop that waits has waited for the daemon.
#[test]
fn stopped_means_that_the_daemon_is_gone() {
    let home = home();
    home.write("slow", "");
    let program = Subject::Ours.program("pidproxy");
    let sections = format!(
        "[supervisord]\npidfile=%(here)s/supervisord.pid\n\
         [program:x]\ncommand={} pid ./wrapper\ndirectory=%(here)s\nstartsecs=0\n",
        program.display()
    );
    home.configure(&sections);
    let mut daemon = Daemon::start_in(home, &[]);
    daemon.await_file("pid", "<N>\n");
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    let socket = daemon.socket();
    let stop = std::thread::spawn(move || {
        support::rpc::shown(&support::rpc::call(&socket, "supervisor.stopProcess", &serde_json::json!(["x"])))
    });
    daemon.await_file("heard", "TERM\n");
    daemon.answers("getProcessInfo", serde_json::json!(["x"]), "{<ANY>\"statename\": \"STOPPING\", <ANY>}");
    daemon.home.write("go", "");
    assert_eq!(stop.join().unwrap(), "true");
    assert!(!is_alive(daemon.home.read("pid").trim()));
}
