//! From the signal to the daemon until 100 programs of their own that ignore SIGTERM are gone, and it; `stopwaitsecs=2`. s6 kills them
//! with `timeout-kill`, runit with `sv -w 2 force-shutdown`.

use std::time::Duration;

use super::{ALL, Scenario};
use crate::daemon::Daemon;
use crate::scene::{Program, Scene};
use crate::table::{Goal, Row};

const PROGRAMS: usize = 100;
const CAP: Duration = Duration::from_secs(60);

pub const SCENARIO: Scenario = Scenario {
    key: "deaf",
    subjects: ALL,
    rounds: 2,
    peers: 1,
    rows: &[Row::new(
        "100 programs that ignore SIGTERM, stopwaitsecs=2: shutdown",
        "s",
        &[Goal::AtMost(2.05)],
    )
    .cap(60.0)],
    measure: |bench, subject| {
        let options = "startsecs=0\nstopwaitsecs=2";
        let scene =
            Scene { program: Program::Deaf, count: PROGRAMS, apart: true, options, ..Scene::default() };
        let mut daemon = Daemon::start(bench, subject, scene);
        daemon.stamps.collect(PROGRAMS);
        std::thread::sleep(Duration::from_millis(500));
        vec![vec![daemon.stop_deaf(CAP) / 1e3]]
    },
};
