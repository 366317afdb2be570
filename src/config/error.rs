//! What is wrong with a configuration: where, what, and how to mend it.

use std::borrow::Cow;
use std::cmp::Reverse;
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
#[error("{}", in_measure(.0, MOST_ON_A_LINE, "; ", ToString::to_string))]
pub struct LoadError(pub Vec<Diagnostic>);

impl LoadError {
    /// What is wrong, without the places: where there is one place alone.
    #[must_use]
    pub fn problems(&self) -> String {
        in_measure(&self.0, MOST_ON_A_LINE, "; ", |found| found.problem.clone())
    }
}

/// Diagnostics that people are told at once; what is beyond is counted.
pub const MOST_TOLD: usize = 1000;
/// The same of one line.
const MOST_ON_A_LINE: usize = 100;
/// Characters that are shown of a text.
const SHOWN: usize = 2000;

/// The first of the diagnostics, of too many errors before warnings, and how many there are besides.
fn in_measure(
    all: &[Diagnostic],
    most: usize,
    between: &str,
    tell: impl Fn(&Diagnostic) -> String,
) -> String {
    let mut chosen: Vec<&Diagnostic> = all.iter().collect();
    if all.len() > most {
        chosen.sort_by_key(|diagnostic| Reverse(diagnostic.severity));
    }
    let mut told: Vec<String> = chosen.into_iter().take(most).map(tell).collect();
    if all.len() > most {
        told.push(format!("… and {} more", all.len() - most));
    }
    told.join(between)
}

/// What is shown of a text that a file may have at any length: the middle of a long one is left out.
#[must_use]
pub fn glimpse(text: &str) -> Cow<'_, str> {
    shortened(text, SHOWN)
}

/// The same, of so many characters.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let start = text.char_indices().nth(most / 2).map_or(text.len(), |(at, _)| at);
    let end = text.char_indices().nth_back(most / 2).map_or(0, |(at, _)| at);
    if end <= start {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…{}", &text[..start], &text[end..]))
}

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
    in_measure(diagnostics, MOST_TOLD, "\n", one)
}
