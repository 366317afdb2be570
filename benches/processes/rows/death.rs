//! From just before kill(2) with SIGKILL to the successor's stamp. 50 programs are killed one after the other, 22 ms apart, so that
//! each has lived for longer than a second: s6 and runit hold back what has lived less.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::{ALL, Scenario};
use crate::Bench;
use crate::daemon::{Daemon, millis};
use crate::scene::Scene;
use crate::stamps::mono;
use crate::subject::Subject;
use crate::table::{Goal, Row};

const FIGURE: &str = "death (SIGKILL) → successor's first instruction, p50";
const PROGRAMS: usize = 50;
const PACE: Duration = Duration::from_millis(22);
const KILLS: usize = 120;
/// Of Supervisor and s6, which take a second for each.
const SLOW_KILLS: usize = 6;

pub const SCENARIO: Scenario = Scenario {
    key: "death",
    subjects: ALL,
    rounds: 3,
    peers: 2,
    rows: &[
        Row::new(FIGURE, "ms", &[Goal::AtMostFloor(2.0), Goal::Ahead(Subject::Runit)]),
        Row::new("same, p99", "ms", &[Goal::AtMost(6.0)]).p99(),
    ],
    measure: |bench, subject| measure(bench, subject, false),
};

/// Milliseconds from a death to the successor's stamp.
pub fn measure(bench: &Bench, subject: Subject, kept: bool) -> Vec<Vec<f64>> {
    let scene = Scene { count: PROGRAMS, options: "startsecs=0", kept, ..Scene::default() };
    let daemon = Daemon::start(bench, subject, scene);
    let mut programs: std::collections::VecDeque<_> = daemon.stamps.collect(PROGRAMS).into();
    std::thread::sleep(Duration::from_millis(1200));
    let kills = if matches!(subject, Subject::Supervisor | Subject::S6) { SLOW_KILLS } else { KILLS };
    let once = |_| {
        let begun = Instant::now();
        let oldest = programs.pop_front().unwrap();
        let killed = mono();
        kill(oldest.pid, Signal::SIGKILL).unwrap();
        let successor = daemon.stamps.next();
        programs.push_back(successor);
        std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
        millis(killed, successor.at)
    };
    let times: Vec<f64> = (0..kills).map(once).collect();
    vec![times.clone(), times]
}
