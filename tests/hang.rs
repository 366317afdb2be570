//! A disk that hangs: a file that somebody has taken a lease of, whose opening for writing waits until he lets go of it, or
//! until the kernel loses patience (`/proc/sys/fs/lease-break-time`, 45 s).
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use support::{Daemon, Subject, eventually, so};

/// What comes later than that may have come because the kernel lost patience.
const HELD: Duration = Duration::from_secs(40);

const HOLDER: &str = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)
print('held', flush=True)
sys.stdin.read()
";

/// A file that nobody can open for writing; whoever reads it is served.
struct Held {
    holder: Child,
    since: Instant,
}

impl Held {
    fn new(path: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", HOLDER]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let since = Instant::now();
        let mut holder = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self { holder, since }
    }

    fn for_sure(&self) -> bool {
        self.since.elapsed() < HELD
    }

    fn let_go(mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
    }
}

const PROGRAM: &str = "[program:x]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";

/// A daemon whose main log is on a disk that hangs.
fn stuck() -> (Daemon, Held) {
    let daemon = Daemon::start(Subject::Ours, PROGRAM);
    let log = daemon.home.path("main.log");
    fs::rename(&log, daemon.home.path("old.log")).unwrap();
    fs::write(&log, "").unwrap();
    let held = Held::new(&log);
    daemon.signal(Signal::SIGUSR2);
    // Its last line in the old file; from here on its thread waits in open(2).
    eventually("the log is reopened", || {
        let old = daemon.home.read("old.log");
        so(old.contains("received SIGUSR2 indicating log reopen request\n"), old)
    });
    (daemon, held)
}

#[test]
fn a_main_log_on_a_disk_that_hangs_stops_nobody() {
    let (daemon, held) = stuck();
    for _ in 0..100 {
        daemon.answers("startProcess", json!(["x"]), "true");
        daemon.answers("stopProcess", json!(["x"]), "true");
    }
    assert!(daemon.ctl("status").stdout.contains("STOPPED"));
    let log = || daemon.home.read("main.log");
    let meanwhile = log();
    assert!(!held.for_sure() || meanwhile.is_empty(), "it was written all the time: {meanwhile}");
    held.let_go();
    eventually("every line is written", || so(log().matches("stopped: x (").count() == 100, log()));
    assert_eq!(log().matches("spawned: 'x' with pid ").count(), 100);
    let stamps: Vec<String> = log().lines().map(|line| line.chars().take(23).collect()).collect();
    assert!(stamps.is_sorted(), "in order: {stamps:#?}");
}

#[test]
fn a_daemon_ends_though_the_disk_of_its_main_log_hangs() {
    let (mut daemon, held) = stuck();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.await_end().success());
    assert!(!daemon.home.path("pid").exists(), "it has cleaned up");
    held.let_go();
}
