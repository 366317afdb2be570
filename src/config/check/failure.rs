//! The same questions, asked of one process that has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Check, Program, Who};
use crate::config::error::Severity;
use crate::config::load::Origins;
use crate::config::machine::Ground;
use crate::config::section::Section;
use crate::config::spec::ProcessSpec;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed<'a> {
    /// Becoming its user.
    User,
    /// Going into its directory.
    Directory,
    /// Finding or executing its program.
    Command,
    /// Opening this log of it.
    Log(&'a Path),
    /// The program itself, which ran.
    Program,
}

/// What is wrong, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// With path, user and the kernel's words.
    pub problem: String,
    /// The remedy.
    pub help: String,
}

/// What is wrong with a process in that respect, as far as the machine tells now.
#[must_use]
pub fn trouble(ground: &dyn Ground, spec: &ProcessSpec, failed: Failed<'_>) -> Option<Trouble> {
    let (origins, nowhere) = (Origins::default(), Path::new(""));
    let section = Section::new(String::new(), PathBuf::new(), 0);
    let ourselves = Who { uid: None, name: None };
    let mut check = Check {
        ground,
        origins: &origins,
        daemon: ourselves.clone(),
        base: ground.current_dir(),
        own_path: ground.environment().remove("PATH"),
        temporary: nowhere,
        unit: None,
        verdicts: BTreeMap::new(),
        found: Vec::new(),
        told: BTreeSet::new(),
    };
    let program = Program { section: &section, spec, user: check.user_of(spec) };
    match failed {
        Failed::User => check.programs_user(&program),
        Failed::Directory => check.directory(&program),
        Failed::Command => {
            check.runnable(&program);
        }
        Failed::Log(path) => {
            let path = check.base.join(path);
            check.writable(&section, "", &path, &ourselves, "the log");
        }
        Failed::Program => check.command(&program),
    }
    let (errors, warnings): (Vec<_>, Vec<_>) =
        check.found.into_iter().partition(|found| found.severity == Severity::Error);
    // What ran may have stumbled over what is only odd; what did not run has not.
    let odd = warnings.into_iter().filter(|_| failed == Failed::Program);
    let found = errors.into_iter().chain(odd).next()?;
    Some(Trouble { problem: found.problem, help: found.help.unwrap_or_default() })
}
