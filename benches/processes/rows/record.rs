//! What it costs that programs outlive the daemon: ours without and with a service manager that takes what it is told, so that
//! everything is written down before it is done.

use std::fmt::Write as _;

use super::{death, start, storm};
use crate::Bench;
use crate::subject::Subject;
use crate::table::{median, short};

const ROUNDS: usize = 2;

pub fn table(bench: &Bench) -> String {
    let mut table =
        "\n| the cost of the record, median | without | with | with ÷ without |\n|---|---:|---:|---:|\n"
            .to_owned();
    let rounds = bench.options.rounds.unwrap_or(ROUNDS);
    let mut compare = |rows: &[(&str, &str)], measure: &dyn Fn(bool) -> Vec<f64>| {
        let pairs: Vec<_> = (0..rounds).map(|_| (measure(false), measure(true))).collect();
        for (row, (figure, unit)) in rows.iter().enumerate() {
            let of_row = pairs.iter().map(|(without, with)| (without[row], with[row]));
            let ratio = median(of_row.clone().map(|(without, with)| with / without).collect()).unwrap();
            let (without, with) = of_row.unzip();
            let [without, with] = [without, with].map(|figures| short(median(figures).unwrap()));
            writeln!(table, "| {figure} | {without} {unit} | {with} {unit} | {} |", short(ratio)).unwrap();
        }
    };
    compare(&[("death (SIGKILL) → successor's first instruction", "ms")], &|kept| {
        vec![median(death::measure(bench, Subject::Ours, kept)).unwrap()]
    });
    compare(&[(start::FIGURE, "ms"), ("stop of 1,000", "ms")], &|kept| {
        let (start, stop) = start::measure(bench, Subject::Ours, kept);
        vec![start, stop]
    });
    compare(&[("200 programs that exit at once: respawns", "/s"), ("own CPU per respawn", "µs")], &|kept| {
        let (rate, cpu, _) = storm::measure(bench, Subject::Ours, 200, kept);
        vec![rate, cpu]
    });
    table
}
