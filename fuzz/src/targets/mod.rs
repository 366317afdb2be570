//! The targets: each takes bytes and panics when what was read is not as it must be.
//!
//! They name only what is public in the library. `tests/fuzz_corpus.rs` includes this file and replays the kept corpus, so
//! that what was found once is held without libFuzzer.

mod answer;
mod basic;
mod capture;
mod cell;
mod command;
mod config;
mod environment;
mod expand;
mod http;
mod ini;
mod listener;
mod record;
mod request;

/// Takes some input.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("answer", answer::run),
    ("basic", basic::run),
    ("capture", capture::run),
    ("cell", cell::run),
    ("command", command::run),
    ("config", config::run),
    ("environment", environment::run),
    ("expand", expand::run),
    ("http", http::run),
    ("ini", ini::run),
    ("listener", listener::run),
    ("record", record::run),
    ("request", request::run),
];

/// The target of that name.
pub fn named(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// Takes the first byte as a length from 1 on, by which the rest is cut into chunks; 0 means one chunk.
fn chunks(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes.split_first() {
        Some((0, rest)) => (rest.len().max(1), rest),
        Some((cut, rest)) => (usize::from(*cut), rest),
        None => (1, bytes),
    }
}
