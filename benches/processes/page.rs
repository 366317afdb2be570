//! `docs/performance.md`.

use std::fs;
use std::path::Path;

use crate::machine;

const PREFACE: &str = "\
# Speed and size

`make bench` measures ours, Python Supervisor, s6, runit and a floor in turn, in one run, and keeps its table here. Machines differ: the
ratios are what counts. `floor` is a C program that makes only the system calls (`benches/programs`); `benches/processes` says how
each figure is taken. A figure is the median over all rounds (or the 99th percentile), a ratio the median of the rounds' ratios.
dinit, which has no package in Debian 12, is not measured.
";

/// Keeps a whole run's table.
pub fn keep(table: &str, load_before: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    // What is told by hand stays.
    let old = fs::read_to_string(&path).unwrap_or_default();
    let by_hand = old.find("\n## ").map_or("", |at| &old[at..]);
    let page = format!("{PREFACE}\n{table}\n{}\n{by_hand}", machine::described(load_before));
    fs::write(path, page).unwrap();
}
