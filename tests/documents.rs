//! The manual pages and the completions in `docs/`, held against those who read them: mandoc, and the shells.
#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path)
}

/// What a program says, with its complaints.
#[track_caller]
fn output(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run `make deps`"));
    String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
}

#[test]
fn readers_of_manuals_find_nothing_wrong() {
    for page in std::fs::read_dir(docs("man")).unwrap() {
        let page = page.unwrap().path();
        let found = output(Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(&page));
        // A version has a number and no date.
        let wrong: Vec<&str> = found.lines().filter(|line| !line.contains("missing date")).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn the_manual_of_supervisorctl_has_every_command() {
    let text =
        output(Command::new("mandoc").args(["-Tutf8", "-Owidth=200"]).arg(docs("man/supervisorctl.1")));
    // mandoc prints bold letters twice, with a backspace between them.
    let text: Vec<char> = text.chars().collect();
    let text: String = text
        .iter()
        .enumerate()
        .filter(|(at, letter)| **letter != '\u{8}' && text.get(at + 1) != Some(&'\u{8}'))
        .map(|(_, letter)| letter)
        .collect();
    for line in [
        "       status gname:*",
        "       tail [-f] name [stdout|stderr] (default stdout)",
        "       -c, --configuration FILENAME",
    ] {
        assert!(text.lines().any(|read| read.trim_end() == line), "{line:?} in {text}");
    }
}
