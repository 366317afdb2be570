//! Replays what fuzzing kept (`fuzz/corpus`) through its targets, so that what was found once stays mended.
//!
//! `make fuzz` looks for more.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use targets::{TARGETS, named};

/// What a checkout has to carry.
const SIZE_LIMIT: u64 = 200_000;

#[test]
fn what_was_found_stays_mended() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut size = 0;
    for (name, target) in TARGETS {
        let inputs: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            size += u64::try_from(bytes.len()).unwrap();
            assert!(catch_unwind(|| target(&bytes)).is_ok(), "{}", input.display());
        }
    }
    assert!(size <= SIZE_LIMIT, "the corpus has {size} bytes");
    for entry in fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(named(&name).is_some(), "fuzz/corpus/{name} is of no target");
    }
}

#[test]
fn no_input_is_too_short() {
    for (_, target) in TARGETS {
        target(b"");
        target(&[0; 3]);
    }
}
