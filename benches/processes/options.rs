//! What is asked for on the command line.

use crate::subject::Subject;

const USAGE: &str = "\
cargo bench --bench processes -- [--only KEY,…] [--subjects NAME,…] [--rounds N] [--list]
  --only       rows whose key begins so (see --list)
  --subjects   floor, ours, b, supervisor, s6, runit
  --rounds     instead of those of each row
SUPERVISORD_UNDER_BENCH and SUPERVISORD_B are paths of daemons to measure as `ours` and `b`, with their supervisorctl beside them.
Whole runs, and only they, are kept in docs/performance.md.";

#[derive(Debug)]
pub struct Options {
    pub only: Vec<String>,
    pub subjects: Vec<Subject>,
    pub rounds: Option<usize>,
    pub list: bool,
}

impl Options {
    /// Ends the process where they cannot be read.
    pub fn parse() -> Self {
        let mut options = Self { only: Vec::new(), subjects: Vec::new(), rounds: None, list: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| refuse(&argument));
            match argument.as_str() {
                // cargo says it to every bench.
                "--bench" => {}
                "--list" => options.list = true,
                "--only" => options.only = value().split(',').map(str::to_owned).collect(),
                "--rounds" => options.rounds = Some(value().parse().unwrap_or_else(|_| refuse("--rounds"))),
                "--subjects" => options.subjects = value().split(',').map(subject).collect(),
                _ => refuse(&argument),
            }
        }
        options
    }

    /// Everything was asked for.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.subjects.is_empty() && self.rounds.is_none()
    }

    pub fn wants(&self, key: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| key.starts_with(start.as_str()))
    }

    /// The subjects that are asked for; all that are there when nobody was named.
    pub fn subjects(&self) -> Vec<Subject> {
        let wanted = |subject: &Subject| {
            if self.subjects.is_empty() { subject.is_there() } else { self.subjects.contains(subject) }
        };
        let subjects: Vec<_> = Subject::ALL.into_iter().filter(wanted).collect();
        for subject in &subjects {
            assert!(subject.is_there(), "{} is not there: {:?}", subject.key(), subject.program());
        }
        subjects
    }
}

fn subject(name: &str) -> Subject {
    Subject::ALL.into_iter().find(|subject| subject.key() == name).unwrap_or_else(|| refuse(name))
}

fn refuse(what: &str) -> ! {
    eprintln!("{what}?\n{USAGE}");
    std::process::exit(2)
}
