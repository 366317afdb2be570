//! `getAllProcessInfo` over a kept connection to the unix socket, from the request's write to the last byte of the answer; and a status
//! command from spawn to exit, its output to /dev/null: `supervisorctl status`, `sv status` with all services. The floor is a server that
//! has as many bytes ready as ours answers, and a client in C.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{NOT_S6, Scenario};
use crate::Bench;
use crate::client::Client;
use crate::daemon::{Daemon, millis};
use crate::scene::Scene;
use crate::stamps::mono;
use crate::subject::Subject;
use crate::table::{Goal, Row};

const INFO: &str = "getAllProcessInfo";
const SECOND: Duration = Duration::from_secs(1);

pub const HUNDRED: Scenario = Scenario {
    key: "info100",
    subjects: NOT_S6,
    rounds: 3,
    peers: 2,
    rows: &[
        Row::new("`getAllProcessInfo`, kept connection, 100 programs", "ms", &[Goal::AtMost(0.3)]),
        Row::new("`supervisorctl status`, whole process, 100 programs", "ms", &[Goal::AtMost(3.0)]),
    ],
    measure: |bench, subject| measure(bench, subject, 100),
};

pub const THOUSAND: Scenario = Scenario {
    key: "info1000",
    subjects: NOT_S6,
    rounds: 3,
    peers: 1,
    rows: &[
        Row::new("`getAllProcessInfo`, kept connection, 1,000 programs", "ms", &[Goal::AtMost(2.0)]),
        Row::new("`supervisorctl status`, whole process, 1,000 programs", "ms", &[Goal::AtMost(6.0)]),
    ],
    measure: |bench, subject| measure(bench, subject, 1000),
};

fn measure(bench: &Bench, subject: Subject, count: usize) -> Vec<Vec<f64>> {
    if subject == Subject::Floor {
        return floor(bench, count);
    }
    let daemon = running(bench, subject, count);
    let mut asked = Vec::new();
    if subject.is_supervisor() {
        let mut client = Client::connect(&daemon.socket());
        client.ask(INFO);
        asked = repeat(|| {
            client.ask(INFO);
        });
    }
    let status = repeat(|| {
        let mut command = status(&daemon);
        assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{command:?}");
    });
    vec![asked, status]
}

/// A daemon whose programs are all RUNNING.
pub fn running(bench: &Bench, subject: Subject, count: usize) -> Daemon<'_> {
    let daemon = Daemon::start(bench, subject, Scene { count, options: "startsecs=0", ..Scene::default() });
    daemon.stamps.collect(count);
    std::thread::sleep(SECOND);
    daemon
}

/// Milliseconds: at most a hundred times, at most for a second, at least once.
pub fn repeat(mut once: impl FnMut()) -> Vec<f64> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || times.len() < 100 && begun.elapsed() < SECOND {
        let before = mono();
        once();
        times.push(millis(before, mono()));
    }
    times
}

/// The command that tells how all programs are.
pub fn status(daemon: &Daemon<'_>) -> Command {
    if daemon.subject == Subject::Runit {
        let mut command = Command::new("sv");
        let services = daemon.home().join("services");
        command
            .arg("status")
            .args((0..daemon.scene.count).map(|number| services.join(format!("{number:05}"))));
        return command;
    }
    let mut command = Command::new(daemon.subject.control());
    command.arg("-c").arg(daemon.configuration()).arg("status");
    command
}

/// How many bytes ours answers, and prints.
fn sizes(bench: &Bench, count: usize) -> (usize, usize) {
    let measure = || {
        let daemon = running(bench, Subject::Ours, count);
        (Client::connect(&daemon.socket()).ask(INFO), status(&daemon).output().unwrap().stdout.len())
    };
    *bench.sizes.lock().unwrap().entry(count).or_insert_with(measure)
}

fn floor(bench: &Bench, count: usize) -> Vec<Vec<f64>> {
    let (size, printed) = sizes(bench, count);
    with_floor(bench, size, |socket| {
        let mut client = Client::connect(socket);
        let asked = repeat(|| assert_eq!(client.ask(INFO), size));
        let mut ask = Command::new(bench.programs.path("ask"));
        ask.arg(socket).arg(printed.to_string()).stdout(Stdio::null());
        let status = repeat(|| assert!(ask.status().unwrap().success()));
        vec![asked, status]
    })
}

/// Runs something beside a server that answers so many bytes.
pub fn with_floor<T>(bench: &Bench, size: usize, run: impl FnOnce(&Path) -> T) -> T {
    with_floor_process(bench, size, |socket, _| run(socket))
}

/// The same, with its pid.
pub fn with_floor_process<T>(bench: &Bench, size: usize, run: impl FnOnce(&Path, u32) -> T) -> T {
    let home = tempfile::tempdir_in(crate::programs::home()).unwrap();
    let socket = home.path().join("sock");
    let mut command = Command::new(bench.programs.path("serve"));
    let mut server = command.arg(&socket).arg(size.to_string()).spawn().unwrap();
    let result = run(&socket, server.id());
    server.kill().unwrap();
    server.wait().unwrap();
    result
}

/// How many bytes ours answers for so many programs.
pub fn size_of_answer(bench: &Bench, count: usize) -> usize {
    sizes(bench, count).0
}
