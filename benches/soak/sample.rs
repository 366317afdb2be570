//! What the daemon takes, now and then.

use std::fmt::Write as _;
use std::time::Duration;

use nix::unistd::Pid;

use crate::usage;

#[derive(Debug)]
pub struct Sample {
    /// Since the start.
    pub at: Duration,
    /// MiB.
    pub rss: f64,
    pub pss: f64,
    pub anonymous: f64,
    pub descriptors: usize,
    pub threads: usize,
    /// Nanoseconds since the start.
    pub cpu: u64,
    /// Of programs, since the start.
    pub incarnations: u64,
}

impl Sample {
    pub fn take(pid: Pid, at: Duration, incarnations: u64) -> Self {
        let memory = |name: &str| usage::memory(pid, name) as f64 / 1024.0;
        Self {
            at,
            rss: memory("Rss:"),
            pss: memory("Pss:"),
            anonymous: memory("Pss_Anon:"),
            descriptors: usage::entries(pid, "fd"),
            threads: usage::entries(pid, "task"),
            cpu: usage::cpu(pid),
            incarnations,
        }
    }
}

/// What changes in a second, from each sample to the next.
pub fn a_second(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> Vec<f64> {
    let step = |pair: &[Sample]| (of(&pair[1]) - of(&pair[0])) / (pair[1].at - pair[0].at).as_secs_f64();
    samples.windows(2).map(step).collect()
}

/// Quarters of the time beside each other: what grows, shows.
pub fn table(samples: &[Sample]) -> String {
    let mut table =
        "| mean in quarter | 1 | 2 | 3 | 4 | least | most |\n|---|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    let mut row = |name: &str, values: Vec<f64>| {
        write!(table, "| {name} |").unwrap();
        let quarter = values.len().div_ceil(4).max(1);
        for part in values.chunks(quarter) {
            write!(table, " {:.1} |", part.iter().sum::<f64>() / part.len() as f64).unwrap();
        }
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        writeln!(table, " {least:.1} | {most:.1} |").unwrap();
    };
    let each = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
    row("RSS, MiB", each(|sample| sample.rss));
    row("PSS, MiB", each(|sample| sample.pss));
    row("PSS, anonymous, MiB", each(|sample| sample.anonymous));
    row("descriptors", each(|sample| sample.descriptors as f64));
    row("threads", each(|sample| sample.threads as f64));
    row("CPU, ms/s", a_second(samples, |sample| sample.cpu as f64 / 1e6));
    row("starts of programs, /s", a_second(samples, |sample| sample.incarnations as f64));
    table
}
