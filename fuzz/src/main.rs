//! libFuzzer's side of the targets: the one that `FUZZ_TARGET` names (`fuzz/run` sets it).
#![no_main]

mod targets;

use std::sync::LazyLock;

use targets::{Target, named};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    named(&name).unwrap_or_else(|| panic!("FUZZ_TARGET={name}: there is no such target"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
