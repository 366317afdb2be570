//! The C programs of `benches/programs`: what daemons start, and the floor. Compiled when a run begins.
#![allow(dead_code, reason = "each bench needs some of it")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Which `-l…` and `-f…` they need beside `-O2 -static`.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("stamp", &["-nostdlib", "-ffreestanding", "-fno-stack-protector"]),
    ("talk", &[]),
    ("crash", &[]),
    ("keep", &[]),
    ("hold", &[]),
    ("log", &[]),
    ("serve", &[]),
    ("ask", &[]),
];

/// The compiled programs.
#[derive(Debug)]
pub struct Programs {
    directory: tempfile::TempDir,
}

impl Programs {
    pub fn compile() -> Self {
        let directory = tempfile::tempdir_in(home()).unwrap();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/programs");
        for (name, flags) in PROGRAMS {
            let status = Command::new("cc")
                .args(["-O2", "-static", "-Wall", "-Wextra", "-Werror"])
                .args(*flags)
                .arg("-o")
                .arg(directory.path().join(name))
                .arg(sources.join(name).with_extension("c"))
                .status()
                .unwrap();
            assert!(status.success(), "cc {name}.c");
        }
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Where daemons have their files: where temporary ones go, or in $BENCH_HOME. What is written there is removed before a disk is
/// bothered with it.
pub fn home() -> PathBuf {
    std::env::var_os("BENCH_HOME").map_or_else(std::env::temp_dir, PathBuf::from)
}
