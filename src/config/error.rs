//! What is wrong with a configuration: where, what, and how to mend it.

use std::fmt;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// It works, but perhaps not as it was meant.
    Warning,
    /// It does not work.
    Error,
}

/// One thing that is wrong, or odd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Supervisor has this warning too, and operators grep for it: the main log has its words and no more.
    pub verbatim: bool,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The section.
    pub section: Option<String>,
    /// The option.
    pub option: Option<String>,
    /// What is wrong, in Supervisor's words where it has some.
    pub problem: String,
    /// How to mend it.
    pub help: Option<String>,
    /// The line as it stands.
    pub source: Option<String>,
}

/// Every problem of a load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct LoadError(pub Vec<Diagnostic>);

impl Diagnostic {
    /// On one line, with the remedy: for the main log.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.help {
            _ if self.verbatim => self.problem.clone(),
            Some(help) => format!("{self}: {help}"),
            None => self.to_string(),
        }
    }
}

/// On one line: for the main log and for CANT_REREAD.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        if let Some(section) = &self.section {
            write!(f, " in section '{section}'")?;
        }
        match self.line {
            Some(line) => write!(f, " (file: '{}', line {line})", self.file.display()),
            None => write!(f, " (file: '{}')", self.file.display()),
        }
    }
}

/// How many of each there are: `2 errors, 1 warning`.
#[must_use]
pub fn counts(diagnostics: &[Diagnostic]) -> String {
    let count = |severity: Severity, word: &str| {
        let number = diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let plural = if number == 1 { "" } else { "s" };
        (number > 0).then(|| format!("{number} {word}{plural}"))
    };
    let counts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "nothing is wrong".to_owned() } else { counts.join(", ") }
}

/// For programs: an object with `errors` and `warnings`, the counts, and `findings`.
#[must_use]
pub fn json(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|found| found.severity == severity).count();
    let one = |found: &Diagnostic| {
        serde_json::json!({
            "severity": if found.severity == Severity::Error { "error" } else { "warning" },
            "file": found.file.display().to_string(),
            "line": found.line,
            "section": found.section,
            "option": found.option,
            "problem": found.problem,
            "help": found.help,
        })
    };
    let whole = serde_json::json!({
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "findings": diagnostics.iter().map(one).collect::<Vec<_>>(),
    });
    format!("{whole:#}")
}

/// For a terminal: file, line, the line itself and the remedy.
#[must_use]
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let one = |diagnostic: &Diagnostic| {
        let level = match diagnostic.severity {
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let path = diagnostic.file.display().to_string();
        let title = level.primary_title(&diagnostic.problem);
        let mut group = match &diagnostic.source {
            Some(source) => title.element(
                Snippet::source(source)
                    .path(&path)
                    .line_start(diagnostic.line.unwrap_or(1))
                    .annotation(AnnotationKind::Primary.span(0..source.len())),
            ),
            None => title.element(Origin::path(&path)),
        };
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::plain().render(&[group])
    };
    diagnostics.iter().map(one).collect::<Vec<_>>().join("\n")
}
