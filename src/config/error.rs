//! What is wrong with a configuration: where, what, and how to mend it.

use std::fmt;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One thing that is wrong, or odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The section.
    pub section: Option<String>,
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

/// For a terminal: file, line, the line itself and the remedy.
#[must_use]
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let one = |diagnostic: &Diagnostic| {
        let path = diagnostic.file.display().to_string();
        let source = diagnostic.source.clone().unwrap_or_default();
        let mut snippet = Snippet::source(&source).path(&path).line_start(diagnostic.line.unwrap_or(1));
        if !source.is_empty() {
            snippet = snippet.annotation(AnnotationKind::Primary.span(0..source.len()));
        }
        let mut group = Level::ERROR.primary_title(&diagnostic.problem).element(snippet);
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::plain().render(&[group])
    };
    diagnostics.iter().map(one).collect::<Vec<_>>().join("\n")
}
