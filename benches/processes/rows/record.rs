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
    let mut compare = |figure: &str, unit: &str, measure: &dyn Fn(bool) -> f64| {
        let pairs: Vec<_> = (0..rounds).map(|_| (measure(false), measure(true))).collect();
        let ratio = median(pairs.iter().map(|(without, with)| with / without).collect()).unwrap();
        let (without, with) = pairs.into_iter().unzip();
        let [without, with] = [without, with].map(|figures| short(median(figures).unwrap()));
        writeln!(table, "| {figure} | {without} {unit} | {with} {unit} | {} |", short(ratio)).unwrap();
    };
    let death = "death (SIGKILL) → successor's first instruction";
    compare(death, "ms", &|kept| median(death::measure(bench, Subject::Ours, kept)).unwrap());
    compare("50 programs that end at once: respawns", "/s", &|kept| {
        storm::measure(bench, Subject::Ours, 50, kept).0
    });
    compare(start::FIGURE, "ms", &|kept| start::measure(bench, Subject::Ours, kept).0);
    table
}
