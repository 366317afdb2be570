//! What it costs that programs outlive the daemon: ours without and with a service manager that takes what it is told, so that
//! everything is written down before it is done; and whether it does what is wanted of it with that.

use super::{Scenario, death, start, storm};
use crate::Bench;
use crate::subject::Subject;
use crate::table::{Figures, kept_head};

type Measure = fn(&Bench, Subject, bool) -> Vec<Vec<f64>>;

const COMPARED: [(&Scenario, Measure); 3] = [
    (&death::SCENARIO, death::measure),
    (&start::SCENARIO, start::measure),
    (&storm::SCENARIO, storm::measure),
];

pub fn table(bench: &Bench) -> String {
    let mut table = kept_head();
    for (scenario, measure) in COMPARED {
        let rows = scenario.rows.len();
        let [mut without, mut with] = [(); 2].map(|()| vec![Figures::new(); rows]);
        for _ in 0..bench.options.rounds.unwrap_or(scenario.rounds) {
            let take = |figures: &mut [Figures], of: Subject, measured: &[Vec<f64>]| {
                for (figures, samples) in
                    figures.iter_mut().zip(measured).filter(|(_, samples)| !samples.is_empty())
                {
                    figures.entry(of).or_default().push(samples.clone());
                }
            };
            let floor = measure(bench, Subject::Floor, false);
            [&mut without, &mut with].into_iter().for_each(|figures| take(figures, Subject::Floor, &floor));
            take(&mut without, Subject::Ours, &measure(bench, Subject::Ours, false));
            take(&mut with, Subject::Ours, &measure(bench, Subject::Ours, true));
        }
        for ((row, without), with) in scenario.rows.iter().zip(&without).zip(&with) {
            let line = row.kept_line(without, with);
            eprintln!("{line}");
            table.push_str(&line);
            table.push('\n');
        }
    }
    table
}
