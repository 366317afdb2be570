//! The composition root of supervisorctl: arguments → configuration → client → commands.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::cli;
use crate::config::load;
use crate::config::spec::CtlSpec;
use crate::ctl;
use crate::ctl::client::Client;
use crate::ctl::complete;
use crate::ctl::console::Streams;
use crate::system::machine::OsMachine;

/// How long somebody who has pressed Tab waits for the daemon.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs supervisorctl; the first argument is the program's name.
#[must_use]
pub fn run(args: &[String]) -> ExitCode {
    let program = args.first().map_or("supervisorctl", String::as_str);
    match start(program, args.get(1..).unwrap_or_default()) {
        Ok(code) => ExitCode::from(code),
        Err(text) => {
            // A terminal that is gone has nobody to tell.
            let _ = writeln!(io::stderr(), "Error: {text}\nFor help, use {program} -h");
            ExitCode::from(2)
        }
    }
}

fn start(program: &str, args: &[String]) -> Result<u8, String> {
    let parsed = cli::parse(cli::SUPERVISORCTL, args)?;
    if parsed.get("help").is_some() {
        let _ = write!(io::stdout(), "{}", cli::usage_of_ctl(program));
        return Ok(0);
    }
    let mut spec = configured(program, parsed.get("configuration"))?;
    if let Some(url) = parsed.get("serverurl") {
        if !is_url(url) {
            let option = cli::spelled(cli::SUPERVISORCTL, args, "serverurl");
            return Err(format!("invalid value for {option} '{url}': value '{url}' is not a URL"));
        }
        url.clone_into(&mut spec.serverurl);
    }
    let given =
        |option: &str, configured: Option<String>| parsed.get(option).map(str::to_owned).or(configured);
    let username = given("username", spec.username.take());
    let password = given("password", spec.password.take());
    if let [word, kind] = parsed.words.as_slice()
        && word == complete::WORD
    {
        let client = move || Client::new(spec.serverurl, username.as_deref(), password.as_deref());
        return Ok(complete_names(client, kind.clone()));
    }
    let mut client = Client::new(spec.serverurl, username.as_deref(), password.as_deref());
    let history = parsed.get("history_file").map(PathBuf::from).or(spec.history_file);
    let mut streams = if parsed.words.is_empty() { Streams::for_shell(history) } else { Streams::default() };
    let style = ctl::Style { interactive: parsed.get("interactive").is_some(), prompt: spec.prompt };
    Ok(ctl::run(&mut client, &mut streams, &parsed.words, &style))
}

/// Names for a shell that completes words; nothing where they cannot be had, or not soon.
fn complete_names(client: impl FnOnce() -> Client + Send + 'static, kind: String) -> u8 {
    let (sender, receiver) = mpsc::channel();
    // A daemon that hangs keeps the thread, and not the shell.
    thread::spawn(move || sender.send(complete::names(&mut client(), &kind)));
    let Ok(Some(names)) = receiver.recv_timeout(PATIENCE) else { return 1 };
    let text: String = names.into_iter().map(|name| name + "\n").collect();
    u8::from(io::stdout().write_all(text.as_bytes()).is_err())
}

/// Whether it has a scheme, and something behind it.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        && !rest.trim_start_matches('/').is_empty()
}

/// What the configuration says; the defaults where there is none.
fn configured(program: &str, given: Option<&str>) -> Result<CtlSpec, String> {
    let path = match given {
        Some(given) if !PathBuf::from(given).exists() => {
            return Err(format!("could not find config file {given}"));
        }
        Some(given) => Some(PathBuf::from(given)),
        None => load::search_paths(program).into_iter().find(|path| path.exists()),
    };
    let Some(path) = path else { return Ok(CtlSpec::default()) };
    let machine = OsMachine::keeping(&path)
        .map_err(|error| format!("could not read config file {}: {error}", path.display()))?;
    let (spec, warnings) = load::load_ctl(&machine, &path).map_err(|error| error.problems())?;
    for warning in warnings {
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    Ok(spec)
}
