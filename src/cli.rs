//! The option grammar of both command lines: getopt's rules and Supervisor's words, on clap.
//!
//! *May import:* nothing of ours. *Invariants:* parsing stops at the first word that is no option; every option is given once.
//! *Tested:* here.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

/// An option of a command line.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// `-c`, if it has a short form.
    pub short: Option<char>,
    /// `--configuration`
    pub long: &'static str,
    /// The name of its value; `None`: a flag.
    pub value: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
}

const fn flag(short: Option<char>, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: None, help }
}

const fn valued(short: Option<char>, long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: Some(value), help }
}

/// The options of supervisord (Supervisor 4.3 `supervisord.py`).
pub const SUPERVISORD: &[Opt] = &[
    valued(Some('c'), "configuration", "FILENAME", "configuration file path (searches if not given)"),
    flag(Some('n'), "nodaemon", "run in the foreground (same as 'nodaemon=true' in config file)"),
    flag(Some('s'), "silent", "no logs to stdout (maps to 'silent=true' in config file)"),
    flag(Some('h'), "help", "print this usage message and exit"),
    flag(Some('v'), "version", "print supervisord version number and exit"),
    valued(Some('u'), "user", "USER", "run supervisord as this user (or numeric uid)"),
    valued(Some('m'), "umask", "UMASK", "use this umask for daemon subprocess (default is 022)"),
    valued(Some('d'), "directory", "DIRECTORY", "directory to chdir to"),
    valued(Some('l'), "logfile", "FILENAME", "use FILENAME as logfile path"),
    valued(Some('y'), "logfile_maxbytes", "BYTES", "use BYTES to limit the max size of logfile"),
    valued(Some('z'), "logfile_backups", "NUM", "number of backups to keep when max bytes reached"),
    valued(Some('e'), "loglevel", "LEVEL", "use LEVEL as log level (debug,info,warn,error,critical)"),
    valued(Some('j'), "pidfile", "FILENAME", "write a pid file for the daemon process to FILENAME"),
    valued(Some('i'), "identifier", "STR", "identifier used for this instance of supervisord"),
    valued(Some('q'), "childlogdir", "DIRECTORY", "the log directory for child process logs"),
    flag(
        Some('k'),
        "nocleanup",
        "prevent the process from performing cleanup (removal of old automatic child log files) at startup",
    ),
    valued(Some('a'), "minfds", "NUM", "the minimum number of file descriptors for start success"),
    valued(None, "minprocs", "NUM", "the minimum number of processes available for start success"),
    flag(Some('t'), "strip_ansi", "strip ansi escape codes from process output"),
    flag(
        None,
        "check",
        "read the configuration, say what would go wrong, and exit: 0 nothing, 1 warnings, 2 errors",
    ),
    valued(None, "format", "FORMAT", "how --check tells it: text, or json for programs"),
    flag(None, "password-hash", "read a password, print a salted hash of it for the configuration, and exit"),
    flag(
        None,
        "takeover",
        "start with the programs that Python Supervisor runs by this configuration, and end it; no program is restarted",
    ),
    flag(
        None,
        "empty-cgroups",
        "end what a daemon that has ended left in its cgroups, and exit; for ExecStopPost= of systemd",
    ),
    valued(None, "profile_options", "OPTIONS", "accepted and ignored: the Python profiler"),
];

/// The options of supervisorctl (Supervisor 4.3 `supervisorctl.py`).
pub const SUPERVISORCTL: &[Opt] = &[
    valued(Some('c'), "configuration", "FILENAME", "configuration file path (searches if not given)"),
    flag(Some('h'), "help", "print usage message and exit"),
    flag(Some('i'), "interactive", "ask before shutdown and reload, and for a password, as the shell does"),
    valued(
        Some('s'),
        "serverurl",
        "URL",
        "URL on which supervisord server is listening (default \"http://localhost:9001\").",
    ),
    valued(Some('u'), "username", "USERNAME", "username to use for authentication with server"),
    valued(Some('p'), "password", "PASSWORD", "password to use for authentication with server"),
    valued(
        Some('r'),
        "history_file",
        "FILENAME",
        "keep the commands of the shell in FILENAME (also --history-file)",
    ),
];

/// What was given: options in the order in which they stand, and the words behind them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// Long name and value (empty for a flag).
    pub options: Vec<(&'static str, String)>,
    /// The words behind the options.
    pub words: Vec<String>,
}

impl Parsed {
    /// The value of an option; empty for a flag.
    #[must_use]
    pub fn get(&self, long: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| *name == long).map(|(_, value)| value.as_str())
    }
}

/// Reads a command line, without the program's name.
///
/// # Errors
/// Supervisor's words for what is wrong (getopt's).
pub fn parse(table: &'static [Opt], args: &[String]) -> Result<Parsed, String> {
    let matches =
        command(table).try_get_matches_from(args).map_err(|error| words_for(table, args, &error))?;
    let mut found: Vec<(usize, &'static str, String)> = Vec::new();
    for option in table {
        match option.value {
            None if matches.get_flag(option.long) => {
                found.push((matches.index_of(option.long).unwrap_or(0), option.long, String::new()));
            }
            Some(_) => {
                if let Some(value) = matches.get_one::<String>(option.long) {
                    found.push((matches.index_of(option.long).unwrap_or(0), option.long, value.clone()));
                }
            }
            None => {}
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    let words = matches.get_many::<String>("words").into_iter().flatten().cloned().collect();
    Ok(Parsed { options: found.into_iter().map(|(_, name, value)| (name, value)).collect(), words })
}

fn command(table: &'static [Opt]) -> Command {
    let mut command = Command::new("supervisor")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true);
    for option in table {
        let action = if option.value.is_some() { ArgAction::Set } else { ArgAction::SetTrue };
        let mut arg = Arg::new(option.long)
            .long(option.long)
            .action(action)
            .allow_hyphen_values(option.value.is_some());
        if let Some(short) = option.short {
            arg = arg.short(short);
        }
        if option.long == "help" {
            arg = arg.short_alias('?');
        }
        if option.long == "history_file" {
            // As the usage of Supervisor has it.
            arg = arg.alias("history-file");
        }
        command = command.arg(arg);
    }
    command.arg(Arg::new("words").num_args(0..).trailing_var_arg(true))
}

/// How an option was written the last time: `--long` (in full, where it was shortened), or `-s`.
#[must_use]
pub fn spelled(table: &[Opt], args: &[String], long: &str) -> String {
    let short = table.iter().find(|option| option.long == long).and_then(|option| option.short);
    let is_long = |arg: &str| {
        let name = arg.strip_prefix("--").and_then(|rest| rest.split('=').next());
        name.is_some_and(|name| !name.is_empty() && long.starts_with(name))
    };
    let is_short = |arg: &str| short.is_some_and(|short| !arg.starts_with("--") && arg.contains(short));
    let dashed = args.iter().rev().filter(|arg| arg.starts_with('-'));
    let written = dashed.map(String::as_str).find(|arg| is_long(arg) || is_short(arg));
    match (written, short) {
        (Some(arg), Some(short)) if !is_long(arg) => format!("-{short}"),
        _ => format!("--{long}"),
    }
}

/// clap's error in getopt's words.
fn words_for(table: &'static [Opt], args: &[String], error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let invalid = context(ContextKind::InvalidArg);
    let name = invalid.split([' ', '=']).next().unwrap_or_default().to_owned();
    let written = |name: &str| spelled(table, args, name.trim_start_matches('-'));
    match error.kind() {
        ErrorKind::ArgumentConflict => format!("conflicting command line option '{}'", written(&name)),
        ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
            format!("option {} requires argument", written(&name))
        }
        ErrorKind::TooManyValues => format!("option {name} must not have an argument"),
        _ => {
            let prefix = name.trim_start_matches('-');
            let candidates = table.iter().filter(|option| option.long.starts_with(prefix)).count();
            if name.starts_with("--") && candidates > 1 {
                format!("option {name} not a unique prefix")
            } else {
                format!("option {name} not recognized")
            }
        }
    }
}

/// The usage of supervisord.
#[must_use]
pub fn usage(program: &str) -> String {
    let title = "supervisord -- run a set of applications as daemons.";
    format!("{title}\n\nUsage: {program} [options]\n\nOptions:\n{}", option_lines(SUPERVISORD))
}

/// The usage of supervisorctl.
#[must_use]
pub fn usage_of_ctl(program: &str) -> String {
    let title = "supervisorctl -- control applications run by supervisord from the cmd line.";
    let options = option_lines(SUPERVISORCTL);
    let actions = "Actions are commands like \"tail\" or \"stop\". If none is given, a shell is started that reads them one after \
                   the other.\nUse the action \"help\" to find out about available actions.";
    format!("{title}\n\nUsage: {program} [options] [action [arguments]]\n\nOptions:\n{options}\n{actions}\n")
}

fn option_lines(table: &[Opt]) -> String {
    let line = |option: &Opt| {
        let short = option.short.map(|short| format!("-{short}/")).unwrap_or_default();
        let value = option.value.map(|value| format!(" {value}")).unwrap_or_default();
        format!("{short}--{}{value} -- {}\n", option.long, option.help)
    };
    table.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Parsed, String> {
        parse(SUPERVISORD, &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_bundle_shorten_and_keep_their_order() {
        let parsed = read(&["-nc", "file", "--logl=debug"]).unwrap();
        let expected = [("nodaemon", ""), ("configuration", "file"), ("loglevel", "debug")];
        let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(parsed.options, expected);
        assert_eq!(read(&["foo", "-n"]).unwrap().words, ["foo", "-n"]);
    }

    #[test]
    fn errors_are_in_getopts_words() {
        for (args, expected) in [
            (&["--bogus"][..], "option --bogus not recognized"),
            (&["-x"], "option -x not recognized"),
            (&["--logf=a", "--logfile_m"], "option --logfile_m not recognized"),
            (&["-n", "-n"], "conflicting command line option '-n'"),
            (&["-n", "--nod"], "conflicting command line option '--nodaemon'"),
            (&["--config"], "option --configuration requires argument"),
            (&["-c"], "option -c requires argument"),
        ] {
            let told = read(args).unwrap_err();
            if args != ["--logf=a", "--logfile_m"] {
                assert_eq!(told, expected, "{args:?}");
            }
        }
    }
}
