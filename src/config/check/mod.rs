//! What would go wrong with a configuration that reads well. It asks the [`Ground`], as the user that each program runs
//! as, and runs nothing.

mod command;
mod failure;
mod paths;
mod sense;
mod unit;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Diagnostic, MOST_TOLD, Severity};
use super::load::{self, Loaded, Origins, Overrides};
use super::machine::{Access, Ground};
use super::section::Section;
use super::spec::{DaemonSpec, ProcessSpec};
use crate::api::ProcessName;

pub use failure::{Failed, Trouble, trouble};

/// All that is wrong with a configuration, all that is odd about it, and all that would go wrong with it, by file and line.
/// What cannot be read hides nothing of the rest.
#[must_use]
pub fn examine(ground: &dyn Ground, path: &Path, overrides: &Overrides) -> Vec<Diagnostic> {
    let (loaded, errors) = load::survey(ground, path, overrides);
    let found = loaded.map(|loaded| all(&loaded, ground)).unwrap_or_default();
    // Of an option that could not be read anything might be said.
    let broken: BTreeSet<_> = errors.iter().map(|error| (&error.section, &error.option)).collect();
    let sections: BTreeSet<_> = errors.iter().map(|error| &error.section).collect();
    let stands = |found: &Diagnostic| match found.option {
        Some(_) => !broken.contains(&(&found.section, &found.option)),
        None => !sections.contains(&found.section),
    };
    let found: Vec<Diagnostic> = found.into_iter().filter(stands).collect();
    sorted(errors.into_iter().chain(found).collect())
}

/// All that was odd when a configuration was read, and then all that would go wrong with it.
#[must_use]
pub fn all(loaded: &Loaded, ground: &dyn Ground) -> Vec<Diagnostic> {
    loaded.warnings.iter().cloned().chain(sorted(check(loaded, ground))).collect()
}

/// The same, as far as clients and logs can be told, errors before warnings; what is beyond is counted.
#[must_use]
pub fn summary(loaded: &Loaded, ground: &dyn Ground) -> Vec<Diagnostic> {
    let mut found = all(loaded, ground);
    let more = found.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        found.sort_by_key(|found| Reverse(found.severity));
        found.truncate(MOST_TOLD);
    }
    if let Some(last) = found.last().filter(|_| more > 0) {
        let problem = format!("{more} more findings are not told here");
        let help = Some("supervisord --check --format=json tells all".to_owned());
        let severity = Severity::Warning;
        let (line, section, option, source) = (None, None, None, None);
        let file = last.file.clone();
        found.push(Diagnostic {
            verbatim: false,
            severity,
            file,
            line,
            section,
            option,
            problem,
            help,
            source,
        });
    }
    found
}

fn sorted(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by(|a, b| (&a.file, a.line, &a.problem).cmp(&(&b.file, b.line, &b.problem)));
    found
}

/// What would go wrong.
fn check(loaded: &Loaded, ground: &dyn Ground) -> Vec<Diagnostic> {
    let mut check = Check::new(loaded, ground);
    check.daemon_paths(&loaded.daemon);
    let mut seen = BTreeSet::new();
    for group in &loaded.groups {
        for spec in &group.processes {
            let name = ProcessName::new(group.name.as_str(), spec.name.clone());
            let Some(section) = loaded.origins.section_of(&name) else { continue };
            let program = Program { section, spec, user: check.user_of(spec) };
            // Processes of one section mostly differ in nothing that matters here.
            if seen.insert((&section.name, &spec.command, &spec.directory)) {
                check.programs_user(&program);
                check.directory(&program);
                check.command(&program);
                check.restarts(&program);
                check.stop_timeout(&program);
            }
            check.logs(&program);
            check.socket(&program);
        }
    }
    check.shared_logs(loaded);
    check.found
}

/// Somebody, as the kernel and as people know him.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    /// `None`: whoever we are.
    uid: Option<u32>,
    name: Option<String>,
}

impl Who {
    /// ` as www-data`, or nothing for ourselves.
    fn suffix(&self) -> String {
        self.name.as_ref().map(|name| format!(" as {name}")).unwrap_or_default()
    }

    fn called(&self) -> &str {
        self.name.as_deref().unwrap_or("supervisord")
    }
}

struct Program<'a> {
    section: &'a Section,
    spec: &'a ProcessSpec,
    user: Who,
}

struct Check<'a> {
    ground: &'a dyn Ground,
    origins: &'a Origins,
    /// Whom the daemon runs as once it has started.
    daemon: Who,
    /// Against what relative paths of programs are meant.
    base: PathBuf,
    own_path: Option<String>,
    temporary: &'a Path,
    unit: Option<unit::Unit>,
    verdicts: BTreeMap<(Option<u32>, PathBuf, Access), Result<(), i32>>,
    found: Vec<Diagnostic>,
    /// Section, option and problem of what was found.
    told: BTreeSet<(Option<String>, Option<String>, String)>,
}

impl<'a> Check<'a> {
    fn new(loaded: &'a Loaded, ground: &'a dyn Ground) -> Self {
        let spec: &DaemonSpec = &loaded.daemon;
        let user = spec.user.as_ref();
        let other = user.filter(|user| user.uid != ground.own_uid());
        Self {
            ground,
            origins: &loaded.origins,
            daemon: Who { uid: other.map(|user| user.uid), name: user.map(|user| user.name.clone()) },
            base: spec.directory.clone().unwrap_or_else(|| ground.current_dir()),
            own_path: ground.environment().remove("PATH"),
            temporary: &spec.childlogdir,
            unit: unit::Unit::find(ground),
            verdicts: BTreeMap::new(),
            found: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    /// Whom a program runs as.
    fn user_of(&self, spec: &ProcessSpec) -> Who {
        spec.user.as_ref().map_or_else(
            || self.daemon.clone(),
            |user| Who {
                uid: Some(user.uid).filter(|uid| *uid != self.ground.own_uid()),
                name: Some(user.name.clone()),
            },
        )
    }

    /// Whether somebody may do that: asked once.
    fn may(&mut self, who: &Who, path: &Path, access: Access) -> io::Result<()> {
        let ground = self.ground;
        let ask = || {
            let answer = ground.may(who.uid, path, access);
            answer.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
        };
        let verdict = self.verdicts.entry((who.uid, path.to_path_buf(), access)).or_insert_with(ask);
        verdict.map_err(io::Error::from_raw_os_error)
    }

    fn error(&mut self, section: &Section, option: &str, problem: String, help: String) {
        self.find(section.finding(Severity::Error, option, problem, help));
    }

    fn warn(&mut self, section: &Section, option: &str, problem: String, help: String) {
        self.find(section.finding(Severity::Warning, option, problem, help));
    }

    /// What is the same for several processes of a section is told once.
    fn find(&mut self, diagnostic: Diagnostic) {
        let Diagnostic { section, option, problem, .. } = &diagnostic;
        if self.told.insert((section.clone(), option.clone(), problem.clone())) {
            self.found.push(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests;
