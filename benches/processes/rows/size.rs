//! PSS of smaps_rollup, of all of a daemon's processes, while programs with two logs each run (one for s6 and runit). Idle: context
//! switches of all threads, voluntary and not, and CPU, over four seconds. PSS is that of the steady state, five seconds after the last
//! program has begun.

use std::time::{Duration, Instant};

use super::{ALL, Scenario};
use crate::Bench;
use crate::daemon::Daemon;
use crate::scene::{Logs, Scene};
use crate::subject::Subject;
use crate::table::{Goal, Row};
use crate::usage;

const IDLE: Duration = Duration::from_secs(4);
/// After which nobody has anything left to do: programs have been up for a second, and what a start needed was given back.
pub const SETTLED: Duration = Duration::from_secs(5);

pub const HUNDRED: Scenario = Scenario {
    key: "pss100",
    subjects: ALL,
    rounds: 2,
    peers: 1,
    rows: &[
        Row::new("PSS with 100 logged programs; ours with D-Bus connected", "MiB", &[Goal::AtMost(3.5)]),
        Row::new("same, without D-Bus", "MiB", &[]),
    ],
    measure: |bench, subject| {
        let [with, without, _, _] = measure(bench, subject, 100);
        vec![with, without]
    },
};

pub const THOUSAND: Scenario = Scenario {
    key: "pss1000",
    subjects: ALL,
    rounds: 2,
    peers: 1,
    rows: &[
        Row::new("PSS with 1,000 logged programs; ours with D-Bus connected", "MiB", &[Goal::AtMost(6.0)]),
        Row::new("same, without D-Bus", "MiB", &[]),
        Row::new("idle with 1,000 programs: context switches", "/s", &[Goal::AtMost(0.0)]),
        Row::new("same: CPU", "ms/s", &[Goal::AtMost(0.0)]),
    ],
    measure: |bench, subject| measure(bench, subject, 1000).into(),
};

fn measure(bench: &Bench, subject: Subject, count: usize) -> [Vec<f64>; 4] {
    let ours = matches!(subject, Subject::Ours | Subject::Other);
    let mut without = Vec::new();
    if ours {
        without.push(pss(&settled(bench, subject, count, false)));
    }
    let daemon = settled(bench, subject, count, ours);
    let with = pss(&daemon);
    if count < 1000 {
        return [vec![with], without, Vec::new(), Vec::new()];
    }
    let own = daemon.own();
    let used = || own.iter().fold((0, 0), |(s, c), pid| (s + usage::switches(*pid), c + usage::cpu(*pid)));
    let (begun, before) = (Instant::now(), used());
    std::thread::sleep(IDLE);
    let after = used();
    let a_second = |from: u64, to: u64| (to - from) as f64 / begun.elapsed().as_secs_f64();
    [vec![with], without, vec![a_second(before.0, after.0)], vec![a_second(before.1, after.1) / 1e6]]
}

/// What the start itself leaves to be done must not count.
fn settled(bench: &Bench, subject: Subject, count: usize, bus: bool) -> Daemon<'_> {
    let scene = Scene { count, logs: Logs::Both, bus, ..Scene::default() };
    let daemon = Daemon::start(bench, subject, scene);
    daemon.stamps.collect(count);
    if bus {
        daemon.await_bus();
    }
    std::thread::sleep(SETTLED);
    daemon
}

pub fn pss(daemon: &Daemon<'_>) -> f64 {
    let kib: u64 = daemon.own().into_iter().map(|pid| usage::memory(pid, "Pss:")).sum();
    kib as f64 / 1024.0
}
