//! The table: rows, targets, and what has been measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::subject::Subject;

/// What is made of the samples of a row.
#[derive(Clone, Copy, Debug)]
pub enum Statistic {
    Median,
    P99,
}

/// What issue 7 wants of ours.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtMost(f64),
    /// Times what the floor takes.
    AtMostFloor(f64),
    /// Times what the floor does.
    AtLeastFloor(f64),
    /// Less than it takes.
    Ahead(Subject),
}

#[derive(Debug)]
pub struct Row {
    pub figure: &'static str,
    pub unit: &'static str,
    pub statistic: Statistic,
    /// More is better.
    pub more: bool,
    /// Nobody waits longer.
    pub cap: f64,
    pub goals: &'static [Goal],
}

impl Row {
    pub const fn new(figure: &'static str, unit: &'static str, goals: &'static [Goal]) -> Self {
        Self { figure, unit, statistic: Statistic::Median, more: false, cap: f64::INFINITY, goals }
    }

    pub const fn p99(self) -> Self {
        Self { statistic: Statistic::P99, ..self }
    }

    pub const fn more(self) -> Self {
        Self { more: true, ..self }
    }

    pub const fn cap(self, cap: f64) -> Self {
        Self { cap, ..self }
    }
}

/// For each subject the samples of each round.
pub type Figures = BTreeMap<Subject, Vec<Vec<f64>>>;

pub fn quantile(mut samples: Vec<f64>, part: f64) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the place in a short list")]
    let at = ((samples.len() as f64 - 1.0) * part).round() as usize;
    samples.get(at).copied()
}

pub fn median(samples: Vec<f64>) -> Option<f64> {
    quantile(samples, 0.5)
}

impl Row {
    fn statistic(&self, samples: Vec<f64>) -> Option<f64> {
        match self.statistic {
            Statistic::Median => median(samples),
            Statistic::P99 => quantile(samples, 0.99),
        }
    }

    fn of(&self, figures: &Figures, subject: Subject) -> Option<f64> {
        self.statistic(figures.get(&subject)?.concat())
    }

    /// The median, over the rounds that both were in, of how many times the second's figure the first's is.
    fn ratio(&self, figures: &Figures, of: Subject, to: Subject) -> Option<f64> {
        self.ratio_of(figures.get(&of)?, figures.get(&to)?)
    }

    fn ratio_of(&self, of: &[Vec<f64>], to: &[Vec<f64>]) -> Option<f64> {
        let rounds = of.iter().zip(to);
        let ratio = |(of, to): (&Vec<f64>, &Vec<f64>)| {
            Some(self.statistic(of.clone())? / self.statistic(to.clone())?)
        };
        median(rounds.filter_map(ratio).filter(|ratio| ratio.is_finite()).collect())
    }

    fn best_peer(&self, figures: &Figures) -> Option<Subject> {
        let there = Subject::PEERS.into_iter().filter(|peer| self.of(figures, *peer).is_some());
        let by = |a: &Subject, b: &Subject| {
            let order = self.of(figures, *a).unwrap().total_cmp(&self.of(figures, *b).unwrap());
            if self.more { order.reverse() } else { order }
        };
        there.min_by(by)
    }

    fn is_met(&self, goal: Goal, figures: &Figures) -> Option<bool> {
        let ratio = |to| self.ratio(figures, Subject::Ours, to);
        Some(match goal {
            Goal::AtMost(most) => self.of(figures, Subject::Ours)? <= most,
            Goal::AtMostFloor(most) => ratio(Subject::Floor)? <= most,
            Goal::AtLeastFloor(least) => ratio(Subject::Floor)? >= least,
            Goal::Ahead(of) => ratio(of)? < 1.0,
        })
    }

    fn target(&self, goal: Goal) -> String {
        match goal {
            Goal::AtMost(most) => format!("≤ {} {}", short(most), self.unit),
            Goal::AtMostFloor(most) => format!("≤ {} × floor", short(most)),
            Goal::AtLeastFloor(least) => format!("≥ {} × floor", short(least)),
            Goal::Ahead(of) => format!("ahead of {}", of.key()),
        }
    }

    fn cell(&self, value: Option<f64>) -> String {
        match value {
            None => "–".to_owned(),
            Some(value) if value >= self.cap => format!("> {} {}", short(self.cap), self.unit),
            Some(value) => format!("{} {}", short(value), self.unit),
        }
    }

    /// The line of the table.
    pub fn line(&self, figures: &Figures, subjects: &[Subject]) -> String {
        let mut line = format!("| {}", self.figure);
        for subject in subjects {
            write!(line, " | {}", self.cell(self.of(figures, *subject))).unwrap();
        }
        let ratio = |to| self.ratio(figures, Subject::Ours, to).map_or("–".to_owned(), short);
        let peer = self.best_peer(figures).map_or("–".to_owned(), |peer| {
            format!(
                "{} ({})",
                self.ratio(figures, Subject::Ours, peer).map_or("–".to_owned(), short),
                peer.key()
            )
        });
        write!(line, " | {} | {peer}", ratio(Subject::Floor)).unwrap();
        if subjects.contains(&Subject::Other) {
            write!(
                line,
                " | {}",
                self.ratio(figures, Subject::Other, Subject::Ours).map_or("–".to_owned(), short)
            )
            .unwrap();
        }
        line.push_str(&self.verdict(figures, self.goals));
        line
    }

    /// What is wanted, and whether it is so.
    fn verdict(&self, figures: &Figures, goals: &[Goal]) -> String {
        let targets: Vec<_> = goals.iter().map(|goal| self.target(*goal)).collect();
        let met: Option<Vec<_>> = goals.iter().map(|goal| self.is_met(*goal, figures)).collect();
        let met = match met.as_deref() {
            None | Some([]) => "",
            Some(met) if met.iter().all(|met| *met) => "yes",
            Some(_) => "**no**",
        };
        format!(" | {} | {met} |", targets.join(", "))
    }

    /// The line of the table of what the record costs; peers keep none.
    pub fn kept_line(&self, without: &Figures, with: &Figures) -> String {
        let cell = |figures, subject| self.cell(self.of(figures, subject));
        let cells = [cell(with, Subject::Floor), cell(without, Subject::Ours), cell(with, Subject::Ours)];
        let price = with.get(&Subject::Ours).zip(without.get(&Subject::Ours));
        let price = price.and_then(|(with, without)| self.ratio_of(with, without));
        let ratios = [price, self.ratio(with, Subject::Ours, Subject::Floor)];
        let ratios = ratios.map(|ratio| ratio.map_or("–".to_owned(), short));
        let goals: Vec<Goal> =
            self.goals.iter().copied().filter(|goal| !matches!(goal, Goal::Ahead(_))).collect();
        let verdict = self.verdict(with, &goals);
        format!("| {} | {} | {}{verdict}", self.figure, cells.join(" | "), ratios.join(" | "))
    }
}

/// The first lines of the table of what the record costs.
pub fn kept_head() -> String {
    let columns = ["floor", "ours without", "with the record", "with ÷ without", "with ÷ floor"];
    let rule = "---:|".repeat(columns.len());
    format!("\n| the cost of the record | {} | target | met |\n|---|{rule}---|---|\n", columns.join(" | "))
}

/// The table's first two lines.
pub fn head(subjects: &[Subject]) -> String {
    let mut columns: Vec<_> = subjects.iter().map(|subject| subject.heading().to_owned()).collect();
    columns.extend(["ours ÷ floor".to_owned(), "ours ÷ best peer".to_owned()]);
    if subjects.contains(&Subject::Other) {
        columns.push("b ÷ ours".to_owned());
    }
    let rule = "---:|".repeat(columns.len());
    format!("| figure | {} | target | met |\n|---|{rule}---|---|", columns.join(" | "))
}

/// Three digits, where that says anything.
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        small if small < 0.1 => 3,
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    part.map_or(grouped.clone(), |part| format!("{grouped}.{part}"))
}
