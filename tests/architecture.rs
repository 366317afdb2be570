//! Holds the directions between the rooms of the house: who may import whom, who may be
//! `unsafe`, and who must not look at the clock or the disk.
//!
//! A test (a file `tests.rs`, or what follows `mod tests {`) may import anything.

#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the paths below `crate::` that it may name besides its own.
const ROOMS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("wire", &[]),
    ("cli", &[]),
    ("config", &["api"]),
    ("engine", &["api", "config::spec", "config::diff"]),
    ("system", &["api", "config::machine"]),
    ("logs", &["api", "system", "config::spec", "systemd::journal"]),
    ("systemd", &["api", "system"]),
    ("runtime", &["engine", "logs", "system", "systemd", "config", "api"]),
    ("control", &["api", "wire", "runtime::handle", "config::error", "config::spec", "logs::read"]),
    ("dbus", &["api", "runtime::handle", "config::spec", "logs::read"]),
    ("docs", &["api", "cli", "config::options", "ctl::commands", "ctl::flags"]),
    (
        "ctl",
        &["api", "wire", "cli", "config::error", "config::spec", "system::interrupt", "system::terminal"],
    ),
    ("pidproxy", &["api", "system"]),
];

/// Files that may name every room.
const EVERYTHING: &[&str] = &["lib", "daemon", "control_command", "bin"];

/// Rooms that neither look, wait nor act.
const PURE: &[&str] = &["engine", "config"];

/// What the pure rooms must not name.
const IMPURE: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::net",
    "tokio",
];

/// A source file: its room, its path for people, and its code without comments and tests.
struct Source {
    room: String,
    path: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    assert!(!files.is_empty());
    files
        .iter()
        .filter(|file| file.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|file| {
            let inner = file.strip_prefix(&root).unwrap();
            let first = inner.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
            Source {
                room: first.trim_end_matches(".rs").to_owned(),
                path: format!("src/{}", inner.display()),
                code: code_of(&fs::read_to_string(file).unwrap()),
            }
        })
        .collect()
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The text without line comments, and up to its tests.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("mod tests {") {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// Every path below `crate::` that the code names, with `{…}` written out.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            expand("", &code[at + "crate::".len()..], &mut found);
        }
    }
    found
}

/// Reads one path at the head of `text`: `a::b` or `a::{b, c::d}`.
fn expand(prefix: &str, text: &str, found: &mut Vec<String>) {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('{') {
        for part in members(inside) {
            expand(prefix, part, found);
        }
        return;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.is_empty() {
        if !prefix.is_empty() {
            found.push(prefix.to_owned());
        }
        return;
    }
    let path = if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
    match rest.strip_prefix("::") {
        Some(rest) => expand(&path, rest, found),
        None => found.push(path),
    }
}

/// The members of a `{…}` whose opening brace has been read.
fn members(inside: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&inside[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Whether `path` is `of`, or lies below it.
fn within(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether `code` has `word` as a whole, not as a part of another.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(part)
            && !code[at + word.len()..].chars().next().is_some_and(part)
    })
}

#[test]
fn no_arrow_points_up() {
    let mut wrong = Vec::new();
    for source in sources() {
        if EVERYTHING.contains(&source.room.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room) else {
            wrong.push(format!("{}: no such room; give it a row in ROOMS", source.path));
            continue;
        };
        for path in paths(&source.code) {
            let fine = within(&path, &source.room) || allowed.iter().any(|of| within(&path, of));
            if !fine {
                wrong.push(format!("{}: `{}` must not name `crate::{path}`", source.path, source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn unsafe_lives_in_one_room() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.room != "system" && names(&source.code, "unsafe"))
        .map(|source| source.path)
        .collect();
    assert!(wrong.is_empty(), "`unsafe` outside of src/system: {wrong:?}");
}

#[test]
fn the_pure_rooms_neither_look_nor_wait() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room.as_str())) {
        // `use std::{fs, time::Instant}` names `std::fs` and `std::time::Instant` as well.
        let mut found = Vec::new();
        for (at, _) in source.code.match_indices("std::") {
            expand("std", &source.code[at + "std::".len()..], &mut found);
        }
        let code = format!("{}\n{}", source.code, found.join("\n"));
        for word in IMPURE.iter().filter(|word| names(&code, word)) {
            wrong.push(format!("{}: {word}", source.path));
        }
    }
    assert!(wrong.is_empty(), "a pure room names\n{}\n", wrong.join("\n"));
}

#[test]
fn this_test_reads_imports() {
    let code = "use crate::{api::{Fault, Now}, config::spec::ProcessSpec};\nfn f() { crate::wire::g() }\n";
    assert_eq!(paths(code), ["api::Fault", "api::Now", "config::spec::ProcessSpec", "wire::g"]);
    assert!(within("config::spec::ProcessSpec", "config::spec"));
    assert!(!within("config::special", "config::spec"));
    assert!(names("use std::fs;", "std::fs") && !names("unsafe_code", "unsafe"));
}
