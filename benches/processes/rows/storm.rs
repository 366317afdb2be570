//! 200 programs that end at once, `startsecs=0`, over three seconds: stamps a second; the daemon's own CPU for each (that of its forked
//! children is not its own); and, asked every 10 ms meanwhile, how long `getState` takes. s6 and runit start nothing again within a second.

use std::time::{Duration, Instant};

use super::{SUPERVISORS, Scenario};
use crate::Bench;
use crate::client::Client;
use crate::daemon::{Daemon, millis};
use crate::scene::{Program, Scene};
use crate::stamps::mono;
use crate::subject::Subject;
use crate::table::{Goal, Row};
use crate::usage;

const PROGRAMS: usize = 200;
const WINDOW: Duration = Duration::from_secs(3);
const PACE: Duration = Duration::from_millis(10);

pub const SCENARIO: Scenario = Scenario {
    key: "storm",
    subjects: SUPERVISORS,
    rounds: 3,
    peers: 2,
    rows: &[
        Row::new("200 programs that exit at once, startsecs=0: respawns", "/s", &[Goal::AtLeastFloor(0.6)])
            .more(),
        Row::new("same: own CPU per respawn", "µs", &[Goal::AtMost(100.0)]),
        Row::new("same: `getState` meanwhile, p99", "ms", &[Goal::AtMost(5.0)]).p99(),
    ],
    measure: |bench, subject| measure(bench, subject, false),
};

/// Respawns a second, microseconds of CPU for each, and what `getState` takes in milliseconds.
pub fn measure(bench: &Bench, subject: Subject, kept: bool) -> Vec<Vec<f64>> {
    let scene =
        Scene { program: Program::Brief, count: PROGRAMS, options: "startsecs=0", kept, ..Scene::default() };
    let daemon = Daemon::start(bench, subject, scene);
    daemon.stamps.collect(PROGRAMS);
    let mut client = subject.is_supervisor().then(|| Client::connect(&daemon.socket()));
    std::thread::sleep(Duration::from_millis(200));
    daemon.stamps.take();
    let (cpu, begun) = (usage::cpu(daemon.pid()), Instant::now());
    let (mut respawns, mut waits) = (0, Vec::new());
    while begun.elapsed() < WINDOW {
        if let Some(client) = &mut client {
            let before = mono();
            client.ask("getState");
            waits.push(millis(before, mono()));
        }
        respawns += daemon.stamps.take().len();
        std::thread::sleep(PACE);
    }
    respawns += daemon.stamps.take().len();
    let seconds = begun.elapsed().as_secs_f64();
    let used = (usage::cpu(daemon.pid()) - cpu) as f64 / 1e3;
    vec![vec![respawns as f64 / seconds], vec![used / respawns as f64], waits]
}
