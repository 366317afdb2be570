//! What is measured, in the order of the table.

mod answers;
mod crowd;
mod deaf;
mod death;
mod logs;
mod many;
pub mod record;
mod size;
mod start;
mod storm;

use crate::Bench;
use crate::subject::Subject;
use crate::table::Row;

/// Some rows that one measurement fills.
#[derive(Debug)]
pub struct Scenario {
    /// For `--only`.
    pub key: &'static str,
    pub subjects: &'static [Subject],
    pub rounds: usize,
    /// How many of them the peers take part in, of whom some take long.
    pub peers: usize,
    pub rows: &'static [Row],
    /// For each row its samples; none where a subject has none.
    pub measure: fn(&Bench, Subject) -> Vec<Vec<f64>>,
}

/// All but those that have no such thing.
const ALL: &[Subject] = &Subject::ALL;
const NOT_S6: &[Subject] =
    &[Subject::Floor, Subject::Ours, Subject::Other, Subject::Supervisor, Subject::Runit];
/// Where s6 and runit wait for a second, or have no such thing.
const SUPERVISORS: &[Subject] = &[Subject::Floor, Subject::Ours, Subject::Other, Subject::Supervisor];

pub const SCENARIOS: &[Scenario] = &[
    death::SCENARIO,
    start::SCENARIO,
    deaf::SCENARIO,
    size::HUNDRED,
    size::THOUSAND,
    logs::LINES_ROWS,
    logs::BLOCKS_ROWS,
    answers::HUNDRED,
    answers::THOUSAND,
    crowd::SCENARIO,
    storm::SCENARIO,
    many::SCENARIO,
];
