//! What the command line asks for besides a life: a look at the configuration, a password's hash; and what of it goes on to
//! one.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Invocation, say, usage_error};
use crate::cli;
use crate::config::load::{self, Overrides};
use crate::config::{check, error};
use crate::control::http::auth;
use crate::system::terminal::Hidden;

/// `--password-hash`: a salted hash of the line that is typed or piped in.
pub(super) fn password_hash() -> io::Result<String> {
    let stdin = io::stdin();
    let hidden = if stdin.is_terminal() { Some(Hidden::open()?) } else { None };
    if hidden.is_some() {
        let _ = io::stderr().write_all(b"Password: ");
    }
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    if hidden.is_some() {
        let _ = io::stderr().write_all(b"\n");
    }
    let password = line.strip_suffix('\n').unwrap_or(&line);
    if password.is_empty() {
        return Err(io::Error::other("there is no password on standard input"));
    }
    Ok(auth::hash(password)?.to_string())
}

/// `--check`: tells what would go wrong, and starts nothing.
pub(super) fn examine(
    program: &str,
    args: &[String],
    invocation: &Invocation,
    format: Option<&str>,
) -> Result<ExitCode, String> {
    let Invocation { machine, file, overrides, .. } = invocation;
    let found = check::examine(machine, file, overrides);
    if wrong_option(invocation, &found).is_some() {
        return Err(complaint(program, args, invocation, &found));
    }
    let text = match format {
        Some("json") => error::json(&found),
        None | Some("text") => {
            format!("{}\n{}: {}", error::render(&found), file.display(), error::counts(&found))
        }
        Some(other) => {
            let problem = format!("invalid value for --format '{other}': use text or json");
            return Err(usage_error(program, &problem));
        }
    };
    say(&mut io::stdout(), text.trim_start());
    Ok(match found.iter().map(|found| found.severity).max() {
        None => ExitCode::SUCCESS,
        Some(error::Severity::Warning) => ExitCode::from(1),
        Some(error::Severity::Error) => ExitCode::from(2),
    })
}

/// What is wrong: with the command line in Supervisor's words, with a file as compilers tell it.
pub(super) fn complaint(
    program: &str,
    args: &[String],
    invocation: &Invocation,
    errors: &[error::Diagnostic],
) -> String {
    match wrong_option(invocation, errors) {
        // Supervisor resolves the user later, where the option is no longer known.
        Some(("user", _, problem)) => usage_error(program, problem),
        Some((option, value, problem)) => {
            let option = cli::spelled(cli::SUPERVISORD, args, option);
            usage_error(program, &format!("invalid value for {option} '{value}': {problem}"))
        }
        None => error::render(errors),
    }
}

/// The option of the command line that is wrong, its value, and what is wrong with it.
fn wrong_option<'a>(
    invocation: &'a Invocation,
    errors: &'a [error::Diagnostic],
) -> Option<(&'a str, &'a String, &'a String)> {
    errors.iter().find_map(|diagnostic| {
        let given = diagnostic.file == Path::new(load::COMMAND_LINE);
        let option = diagnostic.source.as_ref().filter(|_| given)?.split('=').next()?;
        Some((option, invocation.overrides.get(option)?, &diagnostic.problem))
    })
}

pub(super) fn overrides(parsed: &cli::Parsed) -> Overrides {
    let not_ours = ["configuration", "help", "version", "profile_options", "check", "format", "takeover"];
    let given = parsed.options.iter().filter(|(option, _)| !not_ours.contains(option));
    let is_flag = |long: &str| cli::SUPERVISORD.iter().any(|opt| opt.long == long && opt.value.is_none());
    let text = |(option, value): &(&'static str, String)| {
        ((*option).to_owned(), if is_flag(option) { "true".to_owned() } else { value.clone() })
    };
    given.map(text).collect()
}

pub(super) fn config_file(program: &str, given: Option<&str>) -> Result<PathBuf, String> {
    if let Some(given) = given {
        let path = Path::new(given);
        if !path.exists() {
            return Err(format!("could not find config file {given}"));
        }
        return std::path::absolute(path)
            .map_err(|error| format!("could not read config file {given}: {error}"));
    }
    let paths = load::search_paths(program);
    let found = paths.iter().find(|path| path.exists());
    found.and_then(|path| std::path::absolute(path).ok()).ok_or_else(|| {
        let tried = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        format!(
            "No config file found at default paths ({tried}); use the -c option to specify a config file at a different path"
        )
    })
}
