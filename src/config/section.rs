//! One section, with the origin of each of its values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Diagnostic, Severity, glimpse, shortened};
use super::ini::RawEntry;
use super::remedy::remedy;

/// Characters of a problem: more than Supervisor's longest sentences with a usual environment.
const LONGEST_PROBLEM: usize = 10_000;
/// How far the end of a line is looked for.
const FAR: usize = 64 << 10;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: String,
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// A section, merged over all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) line: usize,
    entries: BTreeMap<String, Entry>,
    /// `[DEFAULT]`, which all sections share.
    default: Option<Arc<Self>>,
}

impl Section {
    pub(super) fn new(name: String, file: PathBuf, line: usize) -> Self {
        Self { name, file, line, entries: BTreeMap::new(), default: None }
    }

    /// Sets an option; what it was before.
    pub(super) fn set(&mut self, file: &Path, raw: RawEntry) -> Option<Entry> {
        self.entries.insert(raw.key, Entry { value: raw.value, file: file.to_path_buf(), line: raw.line })
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key).or_else(|| self.default.as_ref()?.get(key))
    }

    pub(super) fn fall_back_on(&mut self, default: &Arc<Self>) {
        self.default = Some(Arc::clone(default));
    }

    /// Puts a directory in the place of `%(here)s`, in what it has of its own and in what it falls back on.
    pub(super) fn replace_here(&mut self, here: &str, default: Option<&Self>) {
        for (key, entry) in default.iter().flat_map(|default| &default.entries) {
            if with_here(&entry.value, here) != entry.value {
                self.entries.entry(key.clone()).or_insert_with(|| entry.clone());
            }
        }
        for entry in self.entries.values_mut() {
            entry.value = with_here(&entry.value, here);
        }
    }

    /// A problem of an option of this section, or of the section.
    #[allow(clippy::needless_pass_by_value, reason = "it has just been made, for this")]
    pub(super) fn problem(&self, problem: String, option: Option<&str>) -> Diagnostic {
        let entry = option.and_then(|option| self.get(option).map(|entry| (option, entry)));
        let (file, line, source) = match entry {
            Some((option, entry)) => {
                (entry.file.clone(), entry.line, format!("{}={}", glimpse(option), first_line(&entry.value)))
            }
            None => (self.file.clone(), self.line, format!("[{}]", glimpse(&self.name))),
        };
        let (line, section) = (Some(line), Some(glimpse(&self.name).into_owned()));
        let problem = shortened(&problem, LONGEST_PROBLEM).into_owned();
        let help = remedy(&self.name, option.unwrap_or_default(), &problem);
        Diagnostic {
            verbatim: false,
            severity: Severity::Error,
            file,
            line,
            section,
            option: option.map(|option| glimpse(option).into_owned()),
            problem,
            help,
            source: Some(source),
        }
    }

    /// What is odd about an option of this section, or about the section.
    pub(super) fn warning(&self, problem: String, option: Option<&str>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, help: None, ..self.problem(problem, option) }
    }

    /// What checking found.
    pub(super) fn finding(
        &self,
        severity: Severity,
        option: &str,
        problem: String,
        help: String,
    ) -> Diagnostic {
        // An option that is left out has no line; the section has.
        let option = Some(option).filter(|option| self.get(option).is_some());
        Diagnostic { severity, help: Some(help), ..self.problem(problem, option) }
    }

    /// A warning in Supervisor's words.
    pub(super) fn warning_of_theirs(&self, problem: String, option: &str) -> Diagnostic {
        Diagnostic { verbatim: true, ..self.warning(problem, Some(option)) }
    }
}

/// The first line of a value, in measure.
fn first_line(value: &str) -> String {
    let end = value.bytes().take(FAR).position(|byte| byte == b'\n').unwrap_or(value.len());
    glimpse(&value[..end]).lines().next().unwrap_or_default().to_owned()
}

/// `%%(here)s` is a literal per cent sign, and stays.
fn with_here(value: &str, here: &str) -> String {
    let parts = value.split("%%").map(|part| part.replace("%(here)s", here));
    parts.collect::<Vec<_>>().join("%%")
}
