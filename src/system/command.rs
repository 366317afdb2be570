//! A command line: split into words, its program found (Supervisor 4.3 `process.py`, `get_execv_args`; PRC-55..58).

use std::fmt;
use std::path::{Path, PathBuf};

/// What to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The file.
    pub program: PathBuf,
    /// The words, the first as written.
    pub argv: Vec<String>,
}

/// What kind of trouble a command is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandErrorKind {
    /// There is no such file.
    NotFound,
    /// There is one, and it cannot be executed.
    NotExecutable,
    /// It cannot be split into words, or has none.
    Unparsable,
}

/// Why a command cannot be started, in Supervisor's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// The kind, for the fault code.
    pub kind: CommandErrorKind,
    text: String,
}

impl CommandError {
    fn new(kind: CommandErrorKind, text: String) -> Self {
        Self { kind, text }
    }

    /// The fault is NO_FILE.
    #[must_use]
    pub fn is_no_file(&self) -> bool {
        self.kind == CommandErrorKind::NotFound
    }

    /// The fault is NOT_EXECUTABLE.
    #[must_use]
    pub fn is_not_executable(&self) -> bool {
        self.kind == CommandErrorKind::NotExecutable
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CommandError {}

/// Where programs are searched when there is no PATH at all.
const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// Splits a command and finds its program: with a `/` in it as it is, relative to `directory`; otherwise in
/// `configured_path` (PATH of `environment=`), or in `own_path` (supervisord's own), if that is not empty.
///
/// # Errors
/// Supervisor's sentence.
pub fn resolve(
    command: &str,
    configured_path: Option<&str>,
    own_path: Option<&str>,
    directory: Option<&Path>,
) -> Result<Resolved, CommandError> {
    use CommandErrorKind::Unparsable;
    let argv = split(command).map_err(|reason| {
        CommandError::new(Unparsable, format!("can't parse command {}: {reason}", quoted(command)))
    })?;
    let Some(word) = argv.first() else {
        return Err(CommandError::new(Unparsable, "command is empty".to_owned()));
    };
    if word.contains('/') {
        let seen = directory.map_or_else(|| PathBuf::from(word), |d| d.join(word));
        check(&seen, word)?;
        let program = PathBuf::from(word);
        return Ok(Resolved { program, argv });
    }
    let path = configured_path.or(own_path.filter(|p| !p.is_empty())).unwrap_or(DEFAULT_PATH);
    let found = path.split(':').map(|dir| Path::new(dir).join(word)).find(|file| file.metadata().is_ok());
    let program = found.unwrap_or_else(|| PathBuf::from(word));
    check(&program, &program.to_string_lossy())?;
    Ok(Resolved { program, argv })
}

/// Whether `file` can be executed by us; `shown` is its name in the error.
fn check(file: &Path, shown: &str) -> Result<(), CommandError> {
    use std::os::unix::fs::PermissionsExt;
    let shown = quoted(shown);
    let refused = |text: String| Err(CommandError::new(CommandErrorKind::NotExecutable, text));
    let Ok(found) = file.metadata() else {
        return Err(CommandError::new(CommandErrorKind::NotFound, format!("can't find command {shown}")));
    };
    if found.is_dir() {
        return refused(format!("command at {shown} is a directory"));
    }
    if found.permissions().mode() & 0o111 == 0 {
        return refused(format!("command at {shown} is not executable"));
    }
    if rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_err() {
        return refused(format!("no permission to run command {shown}"));
    }
    Ok(())
}

/// Splits as Python's `shlex.split` does: words, quotes and backslashes; `#` is not a comment.
///
/// # Errors
/// `No closing quotation`, `No escaped character`.
pub fn split(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    // No word grows while it is read.
    let begun = || String::with_capacity(command.len());
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let text = word.get_or_insert_with(begun);
                loop {
                    match chars.next().ok_or("No closing quotation")? {
                        '\'' => break,
                        inner => text.push(inner),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_with(begun))?,
            '\\' => word.get_or_insert_with(begun).push(chars.next().ok_or("No escaped character")?),
            plain => word.get_or_insert_with(begun).push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Within double quotes a backslash escapes only itself and the quote.
fn double_quoted(chars: &mut std::str::Chars<'_>, text: &mut String) -> Result<(), &'static str> {
    loop {
        match chars.next().ok_or("No closing quotation")? {
            '"' => return Ok(()),
            '\\' => {
                let escaped = chars.next().ok_or("No escaped character")?;
                if !matches!(escaped, '"' | '\\') {
                    text.push('\\');
                }
                text.push(escaped);
            }
            inner => text.push(inner),
        }
    }
}

/// As Python's `%r` writes a string.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c == quote || c == '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: &str) -> String {
        resolve(command, Some("/nowhere:/bin"), None, None).unwrap_err().to_string()
    }

    #[test]
    fn words_are_split_as_a_posix_shell_splits_them() {
        for (command, words) in [
            ("/bin/sh -c 'a b' \"c d\"", vec!["/bin/sh", "-c", "a b", "c d"]),
            ("a # b", vec!["a", "#", "b"]),
            ("a\n\tb\\ c ''", vec!["a", "b c", ""]),
            (r#"x "a\"b\\c\d""#, vec!["x", r#"a"b\c\d"#]),
            ("pre'fix'ed", vec!["prefixed"]),
        ] {
            assert_eq!(split(command).unwrap(), words, "{command}");
        }
        assert_eq!(split("a 'b"), Err("No closing quotation"));
        assert_eq!(split("a \\"), Err("No escaped character"));
    }

    #[test]
    fn a_program_is_found_in_the_path() {
        let resolved = resolve("true -x", Some("/nowhere:/bin"), None, None).unwrap();
        assert_eq!(resolved.program, Path::new("/bin/true"));
        assert_eq!(resolved.argv, ["true", "-x"]);
        assert!(resolve("true", None, Some(""), None).is_ok());
    }

    #[test]
    fn a_relative_program_is_looked_up_in_its_directory() {
        let resolved = resolve("bin/true", None, None, Some(Path::new("/usr"))).unwrap();
        assert_eq!(resolved.program, Path::new("bin/true"));
        assert!(resolve("bin/true", None, None, Some(Path::new("/etc"))).unwrap_err().is_no_file());
    }

    #[test]
    fn errors_are_supervisors() {
        assert_eq!(text(""), "command is empty");
        assert_eq!(text("a \"b"), "can't parse command 'a \"b': No closing quotation");
        assert_eq!(text("no-such-thing"), "can't find command 'no-such-thing'");
        assert_eq!(text("/etc"), "command at '/etc' is a directory");
        assert_eq!(text("/etc/passwd"), "command at '/etc/passwd' is not executable");
    }
}
