//! Start: from just before the daemon's fork to the last of 1,000 stamps, no logs. Stop: from the signal to the daemon (SIGTERM; SIGHUP
//! for runsvdir) until it and all programs are gone.

use std::time::Duration;

use super::{ALL, Scenario};
use crate::Bench;
use crate::daemon::{Daemon, millis};
use crate::scene::Scene;
use crate::stamps::PATIENCE;
use crate::subject::Subject;
use crate::table::{Goal, Row};

const PROGRAMS: usize = 1000;
const FIGURE: &str = "exec of the daemon → last of 1,000 programs runs";

pub const SCENARIO: Scenario = Scenario {
    key: "start",
    subjects: ALL,
    rounds: 3,
    peers: 2,
    rows: &[
        Row::new(FIGURE, "ms", &[Goal::AtMostFloor(2.0)]),
        Row::new("stop of 1,000", "ms", &[Goal::AtMostFloor(2.0)]),
    ],
    measure: |bench, subject| measure(bench, subject, false),
};

pub fn measure(bench: &Bench, subject: Subject, kept: bool) -> Vec<Vec<f64>> {
    let mut daemon = Daemon::start(bench, subject, Scene { count: PROGRAMS, kept, ..Scene::default() });
    let start = millis(daemon.started, daemon.stamps.last_of(PROGRAMS));
    // Until `startsecs` is over for all.
    std::thread::sleep(Duration::from_millis(1500));
    vec![vec![start], vec![daemon.stop(PATIENCE)]]
}
