//! 5,000 programs, or $BENCH_MANY, without logs, stderr with stdout: as in the other rows. None, where descriptors do not suffice.

use std::time::Duration;

use super::answers::{repeat, status};
use super::{Scenario, size};
use crate::Bench;
use crate::daemon::{Daemon, millis};
use crate::scene::Scene;
use crate::stamps::{PATIENCE, last};
use crate::subject::Subject;
use crate::table::{Goal, Row};

const PROGRAMS: usize = 5000;

pub const SCENARIO: Scenario = Scenario {
    key: "many",
    subjects: &[Subject::Floor, Subject::Ours, Subject::Other],
    rounds: 1,
    peers: 0,
    rows: &[
        Row::new("5,000 programs: start", "ms", &[Goal::AtMost(3000.0)]),
        Row::new("same: PSS", "MiB", &[Goal::AtMost(22.0)]),
        Row::new("same: `supervisorctl status`", "ms", &[Goal::AtMost(30.0)]),
        Row::new("same: stop", "ms", &[]),
    ],
    measure,
};

fn measure(bench: &Bench, subject: Subject) -> Vec<Vec<f64>> {
    let many = std::env::var("BENCH_MANY").map_or(PROGRAMS, |text| text.parse().unwrap());
    let scene = Scene { count: many, options: "startsecs=0\nredirect_stderr=true", ..Scene::default() };
    let mut daemon = Daemon::start(bench, subject, scene);
    let stamps = daemon.stamps.try_collect(many, Duration::from_secs(20));
    if stamps.len() < many {
        eprintln!("{}: {} of {many} programs have begun", subject.key(), stamps.len());
        return vec![Vec::new(); SCENARIO.rows.len()];
    }
    let start = millis(daemon.started, last(&stamps));
    std::thread::sleep(size::SETTLED);
    let pss = size::pss(&daemon);
    let mut asked = Vec::new();
    if subject != Subject::Floor {
        asked = repeat(|| {
            status(&daemon).stdout(std::process::Stdio::null()).status().unwrap();
        });
    }
    vec![vec![start], vec![pss], asked, vec![daemon.stop(PATIENCE)]]
}
