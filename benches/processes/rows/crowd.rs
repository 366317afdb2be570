//! 50 clients with a connection each ask for `getAllProcessInfo` of 100 programs every half second, 100 requests a second in all, while
//! each program logs ten lines of 100 bytes a second. An answer takes from its write to its last byte; CPU per answer is what the daemon
//! took beyond what it takes for as long without clients.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::answers::{size_of_answer, with_floor_process};
use super::{SUPERVISORS, Scenario};
use crate::Bench;
use crate::client::Client;
use crate::daemon::{Daemon, millis};
use crate::scene::{Logs, Program, Scene};
use crate::stamps::mono;
use crate::subject::Subject;
use crate::table::{Goal, Row};
use crate::usage;

const PROGRAMS: usize = 100;
const CLIENTS: u32 = 50;
const PERIOD: Duration = Duration::from_millis(500);
const TURNS: u32 = 6;

pub const SCENARIO: Scenario = Scenario {
    key: "crowd",
    subjects: SUPERVISORS,
    rounds: 3,
    peers: 2,
    rows: &[
        Row::new("50 clients polling 100 a second while children log: p99", "ms", &[Goal::AtMost(3.0)]).p99(),
        Row::new("same: CPU per answer", "ms", &[Goal::AtMost(0.2)]),
    ],
    measure,
};

fn measure(bench: &Bench, subject: Subject) -> Vec<Vec<f64>> {
    if subject == Subject::Floor {
        return with_floor_process(bench, size_of_answer(bench, PROGRAMS), |socket, pid| {
            ask(socket, Pid::from_raw(i32::try_from(pid).unwrap()))
        });
    }
    let scene = Scene {
        program: Program::Chatter(10),
        count: PROGRAMS,
        logs: Logs::Both,
        options: "startsecs=0",
        ..Scene::default()
    };
    let daemon = Daemon::start(bench, subject, scene);
    daemon.stamps.collect(PROGRAMS);
    std::thread::sleep(Duration::from_millis(500));
    ask(&daemon.socket(), daemon.pid())
}

fn ask(socket: &Path, daemon: Pid) -> Vec<Vec<f64>> {
    let before = usage::cpu(daemon);
    std::thread::sleep(PERIOD * TURNS / 2);
    let between = usage::cpu(daemon);
    let begin = Instant::now() + Duration::from_millis(100);
    let client = |number: u32| {
        let mut client = Client::connect(socket);
        let turn = |turn: u32| {
            let at = begin + PERIOD * turn + PERIOD * number / CLIENTS;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            let before = mono();
            client.ask("getAllProcessInfo");
            millis(before, mono())
        };
        (0..TURNS).map(turn).collect::<Vec<_>>()
    };
    let times: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let after = usage::cpu(daemon);
    let idle = (between - before) as f64 * 2.0;
    let cpu = ((after - between) as f64 - idle) / 1e6 / f64::from(CLIENTS * TURNS);
    vec![times, vec![cpu]]
}
