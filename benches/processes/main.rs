//! Whole daemons side by side: ours, Python Supervisor 4.3.0, s6, runit, and a floor that makes only the system calls.
//!
//! `make bench` prints one Markdown table and keeps it in `docs/performance.md`. Each row's subjects take turns, some rounds of
//! them, within seconds on the same machine; a figure is the median over all rounds, a ratio the median of the rounds' ratios.
//! Only the ratios mean anything elsewhere. Each row says in its own file how it is taken (`rows/`).
//!
//! Everybody starts the same C programs (`benches/programs`), which say through a FIFO when they began. The CPU of a daemon is that of
//! all its processes but the programs. dinit, which is the nearest peer in some of these rows, is not in Debian 12.
//!
//! `cargo bench --bench processes -- --help` for how to run less, or two builds against each other.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a bench stops at the first surprise, prints, counts little, and is nobody's library"
)]

mod client;
mod daemon;
mod machine;
mod manager;
mod options;
mod page;
mod programs;
mod rows;
mod scene;
mod stamps;
mod subject;
mod table;
mod usage;

use std::collections::BTreeMap;
use std::sync::Mutex;

use nix::sys::prctl;

use options::Options;
use programs::Programs;
use rows::Scenario;
use subject::Subject;
use table::Figures;

/// What every measurement needs.
#[derive(Debug)]
pub struct Bench {
    pub programs: Programs,
    pub options: Options,
    /// How long the answer of ours is, and what its supervisorctl prints, for so many programs.
    pub sizes: Mutex<BTreeMap<usize, (usize, usize)>>,
}

fn main() {
    let options = Options::parse();
    if options.list {
        for scenario in rows::SCENARIOS {
            println!(
                "{:10} {}",
                scenario.key,
                scenario.rows.iter().map(|row| row.figure).collect::<Vec<_>>().join("; ")
            );
        }
        return;
    }
    // What a daemon leaves behind is ours to reap.
    prctl::set_child_subreaper(true).unwrap();
    let load = machine::load();
    let subjects = options.subjects();
    let bench = Bench { programs: Programs::compile(), options, sizes: Mutex::default() };
    if bench.options.is_whole() {
        let missing = Subject::PEERS.iter().find(|peer| !peer.is_there());
        assert!(missing.is_none(), "{missing:?} is not installed: run `make bench-deps`");
    }
    let mut table = table::head(&subjects);
    for scenario in rows::SCENARIOS.iter().filter(|scenario| bench.options.wants(scenario.key)) {
        let figures = take_turns(&bench, scenario, &subjects);
        for (row, figures) in scenario.rows.iter().zip(&figures) {
            let line = row.line(figures, &subjects);
            eprintln!("{line}");
            table.push('\n');
            table.push_str(&line);
        }
    }
    table.push('\n');
    if bench.options.wants("record") && subjects.contains(&Subject::Ours) {
        table.push_str(&rows::record::table(&bench));
    }
    println!("{table}\n{}", machine::described(&load));
    if bench.options.is_whole() {
        page::keep(&table, &load);
    }
}

/// For each row its figures.
fn take_turns(bench: &Bench, scenario: &Scenario, subjects: &[Subject]) -> Vec<Figures> {
    let mut figures: Vec<Figures> = scenario.rows.iter().map(|_| Figures::new()).collect();
    for round in 0..bench.options.rounds.unwrap_or(scenario.rounds) {
        for subject in subjects.iter().filter(|subject| scenario.subjects.contains(subject)) {
            let last = if Subject::PEERS.contains(subject) { scenario.peers } else { usize::MAX };
            if round >= last {
                continue;
            }
            let measured = (scenario.measure)(bench, *subject);
            assert_eq!(measured.len(), scenario.rows.len());
            for (samples, figures) in measured.into_iter().zip(&mut figures) {
                if !samples.is_empty() {
                    figures.entry(*subject).or_default().push(samples);
                }
            }
        }
    }
    figures
}
