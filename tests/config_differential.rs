//! Random configurations, read by Supervisor 4.3.0's own code and by ours: both must find the same.
//!
//! A few, since it is part of every run; `DIFFERENTIAL_FILES=20000` reads more. A failure names the seed and shows the files.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

#[path = "differential/dice.rs"]
mod dice;
#[path = "differential/lines.rs"]
mod lines;
mod support;
#[path = "differential/values.rs"]
mod values;
#[path = "differential/whole.rs"]
mod whole;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use supervisord::config::ini;

use support::python::Python;
use support::reading::{Place, Reader, Reading, Reason};

fn how_many(usually: u64) -> u64 {
    std::env::var("DIFFERENTIAL_FILES").map_or(usually, |count| count.parse().unwrap())
}

fn sections(text: &str) -> Json {
    let Ok(sections) = ini::read(text) else { return Json::Null };
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for section in sections {
        let options = found.entry(section.name).or_default();
        options.extend(section.entries.into_iter().map(|entry| (entry.key, entry.value)));
    }
    found.retain(|name, options| name != "DEFAULT" || !options.is_empty());
    json!(found)
}

#[test]
fn both_readers_find_the_same() {
    let files = how_many(2_000);
    let mut python = Python::start();
    let (mut read, mut refused) = (0, 0);
    for seed in 0..files {
        let text = lines::file(seed);
        let (wanted, found) = (python.ask(&json!({"text": text})), sections(&text));
        assert_eq!(found, wanted, "seed {seed}, left is ours:\n{text:?}");
        if wanted.is_null() { refused += 1 } else { read += 1 }
    }
    println!("{read} files read alike, {refused} refused alike");
    assert!(
        read > files / 10 && refused > files / 10,
        "both kinds must be tried: {read} read, {refused} refused"
    );
}

/// Whether both readings are one, but for what the ledger says. Of several things that are wrong Supervisor tells one, and
/// it must be among ours.
fn agree(ours: &Reading, theirs: &Reading) -> bool {
    match (ours, theirs) {
        (Reading::Settings(ours), Reading::Settings(theirs)) => ours == theirs,
        (Reading::Refused(ours), Reading::Refused(theirs)) => {
            let theirs = as_ours_says_it(&theirs[0].words);
            is_about_lines(&theirs) && ours.iter().any(|reason| is_about_lines(&reason.words))
                || ours.iter().any(|reason| as_ours_says_it(&reason.words) == theirs)
                || refuses_what_theirs_takes(ours)
        }
        (Reading::Refused(ours), Reading::Settings(_)) => refuses_what_theirs_takes(ours),
        (Reading::Settings(_), Reading::Refused(_)) => false,
    }
}

/// Lines that mean nothing have words of our own (CFG-1); that they are the same is the matter of the test above.
fn is_about_lines(words: &str) -> bool {
    ["expected ", "Source contains parsing errors", "File contains no section headers."]
        .iter()
        .any(|start| words.starts_with(start))
}

/// A format without a name takes all names and values in theirs (INI-40), a NUL ends theirs later (CFG-3), and everybody
/// may come in there (HTTP-7).
fn refuses_what_theirs_takes(ours: &[Reason]) -> bool {
    let ours_alone = [
        " needs a name, as in ",
        "there is a NUL character here",
        " would let everybody who can reach this machine run programs",
    ];
    ours.iter().any(|reason| ours_alone.iter().any(|words| reason.words.contains(words)))
}

/// Without what Python makes of an error about a socket (OPT-80), and without the section of a group, which theirs gets wrong
/// (RE-58).
fn as_ours_says_it(words: &str) -> String {
    if let Some(at) = words.find("] names unknown program or fcgi-program") {
        return words[at..].to_owned();
    }
    let tuple = || {
        let (format, rest) = words.strip_prefix("('")?.split_once("', '")?;
        let (value, rest) = rest.split_once("')")?;
        Some(format.replace("%s", value) + rest)
    };
    tuple().unwrap_or_else(|| words.to_owned())
}

/// A place with a few directories, and an environment to be expanded.
fn place(dir: &Path) -> Place {
    for name in ["sub", "conf.d"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    let variables = [
        ("HOME", dir.to_str().unwrap()),
        ("N", "7"),
        ("P", "50%"),
        ("Q", "a b"),
        ("SLASH", "a/b:c"),
        ("U", "\u{fc}"),
        ("X", "ex"),
    ];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Place { directory: dir.to_path_buf(), environment }
}

#[test]
fn both_make_the_same_of_a_configuration() {
    let files = how_many(500);
    let mut python = Python::start();
    let dir = tempfile::Builder::new().prefix("sv").tempdir().unwrap();
    let place = place(dir.path());
    let (mut read, mut refused) = (0, 0);
    for seed in 0..files {
        let written = whole::files(seed);
        for (name, text) in &written {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let theirs = place.theirs(Reader::Daemon, "main.conf", &mut python);
        let ours = place.ours(Reader::Daemon, "main.conf");
        for (name, _) in &written {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        if !agree(&ours, &theirs) {
            let texts: Vec<String> =
                written.iter().map(|(name, text)| format!("--- {name}\n{text}")).collect();
            let (ours, theirs) = (shown(&ours, &theirs), shown(&theirs, &ours));
            panic!("seed {seed}\n{}\n--- ours:\n{ours}\n--- theirs:\n{theirs}", texts.concat());
        }
        match theirs {
            Reading::Settings(_) => read += 1,
            Reading::Refused(_) => refused += 1,
        }
    }
    println!("{read} configurations mean the same, {refused} are refused alike");
    assert!(
        read > files / 10 && refused > files / 10,
        "both kinds must be tried: {read} read, {refused} refused"
    );
}

/// A reading, without what is equal in the other.
fn shown(one: &Reading, other: &Reading) -> String {
    match (one, other) {
        (Reading::Settings(one), Reading::Settings(other)) => difference("", one, other),
        (one, _) => format!("{one:?}"),
    }
}

fn difference(at: &str, one: &Json, other: &Json) -> String {
    match (one, other) {
        (Json::Object(members), Json::Object(_)) => members
            .iter()
            .filter(|(name, value)| other.get(name) != Some(value))
            .map(|(name, value)| {
                difference(&format!("{at}/{name}"), value, other.get(name).unwrap_or(&Json::Null))
            })
            .collect(),
        (Json::Array(items), Json::Array(others)) if items.len() == others.len() => items
            .iter()
            .zip(others)
            .enumerate()
            .filter(|(_, (one, other))| one != other)
            .map(|(index, (one, other))| difference(&format!("{at}/{index}"), one, other))
            .collect(),
        _ => format!("{at}={one} "),
    }
}
