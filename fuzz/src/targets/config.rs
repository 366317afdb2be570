//! A whole configuration: files, includes, every option, and the check of what would go wrong.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use supervisord::config::check::{all, examine};
use supervisord::config::error::{Diagnostic, Severity, json, render};
use supervisord::config::load::{Overrides, load, load_ctl};
use supervisord::config::machine::{Access, Ground, Look, Machine, User};

/// Between the files of an input; no file of text has it.
const BETWEEN_FILES: u8 = 0x1d;
const MAIN: &str = "/etc/supervisord.conf";
const ENOENT: i32 = 2;
const EACCES: i32 = 13;

/// A configuration reads the same twice, and whatever is wrong with it can be told: with a line that is there, for people and
/// for programs.
pub fn run(bytes: &[u8]) {
    if has_many_processes(bytes) {
        return;
    }
    let machine = Paper { files: bytes.split(|byte| *byte == BETWEEN_FILES).collect() };
    let path = Path::new(MAIN);
    let loaded = load(&machine, path, &Overrides::new());
    assert_eq!(loaded, load(&machine, path, &Overrides::new()));
    match &loaded {
        Err(error) => machine.can_be_told(&error.0),
        Ok(loaded) => {
            let found = all(loaded, &machine);
            let of_check = &found[loaded.warnings.len()..];
            assert!(of_check.iter().all(|found| found.help.is_some()), "without a remedy: {of_check:?}");
        }
    }
    let found = examine(&machine, path, &Overrides::new());
    machine.can_be_told(&found);
    assert!(loaded.is_ok() || found.iter().any(|found| found.severity == Severity::Error));
    if let Err(error) = load_ctl(&machine, path) {
        machine.can_be_told(&error.0);
    }
}

/// Thousands of processes are allowed, and take their time.
fn has_many_processes(bytes: &[u8]) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let asks = lower.windows(8).any(|window| window == b"numprocs");
    asks && bytes.split(|byte| !byte.is_ascii_digit() && *byte != b'_').any(|number| number.len() > 2)
}

/// A machine of paper. What its names begin with decides what may be done with them.
struct Paper<'a> {
    files: Vec<&'a [u8]>,
}

impl Paper<'_> {
    fn path(number: usize) -> PathBuf {
        if number == 0 { MAIN.into() } else { format!("/etc/conf.d/{number}.conf").into() }
    }

    fn file(&self, path: &Path) -> Option<&[u8]> {
        let number = (0..self.files.len()).find(|number| Self::path(*number) == path)?;
        self.files.get(number).copied()
    }

    fn can_be_told(&self, diagnostics: &[Diagnostic]) {
        for found in diagnostics {
            let lines =
                self.file(&found.file).map(|text| text.split(|byte| matches!(byte, b'\n' | b'\r')).count());
            if let Some((line, lines)) = found.line.zip(lines) {
                assert!((1..=lines).contains(&line), "{found:?}");
            }
            assert!(!found.line().is_empty());
        }
        assert!(render(diagnostics).is_empty() == diagnostics.is_empty());
        let told: serde_json::Value = serde_json::from_str(&json(diagnostics)).expect("it is JSON");
        assert_eq!(told["findings"].as_array().map(Vec::len), Some(diagnostics.len()));
    }
}

impl Machine for Paper<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.file(path).map(<[u8]>::to_vec).ok_or_else(|| io::Error::from_raw_os_error(ENOENT))
    }
    fn glob(&self, pattern: &str) -> Vec<PathBuf> {
        let matches = |path: &PathBuf| pattern.ends_with('*') || path == Path::new(pattern);
        (1..self.files.len()).map(Self::path).filter(matches).collect()
    }
    fn is_dir(&self, path: &Path) -> bool {
        ["/", "/etc", "/run", "/tmp"].iter().any(|known| path == Path::new(known))
    }
    fn current_dir(&self) -> PathBuf {
        "/".into()
    }
    fn host_name(&self) -> String {
        "paper".into()
    }
    fn environment(&self) -> BTreeMap<String, String> {
        [("PATH", "/bin"), ("HOME", "/root"), ("ODD", "%(here)s;\"x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }
    fn user(&self, name: &str) -> Option<User> {
        (name == "www").then(|| User { uid: 33, gid: 33, home: "/srv".into() })
    }
    fn user_by_id(&self, uid: u32) -> Option<User> {
        (uid < 100).then(|| User { uid, gid: uid, home: "/srv".into() })
    }
    fn group(&self, name: &str) -> Option<u32> {
        (name == "www").then_some(33)
    }
    fn has_group(&self, gid: u32) -> bool {
        gid < 100
    }
    fn own_uid(&self) -> u32 {
        0
    }
    fn temporary_dir(&self) -> PathBuf {
        "/tmp".into()
    }
}

impl Ground for Paper<'_> {
    fn resolve(
        &self,
        command: &str,
        _: Option<&str>,
        _: Option<&Path>,
    ) -> Result<(PathBuf, Vec<String>), String> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        match words.first() {
            Some(word) if word.starts_with("no") => Err(format!("can't find command '{word}'")),
            Some(word) => Ok((Path::new("/bin").join(word), words)),
            None => Err("command is empty".to_owned()),
        }
    }
    fn look(&self, path: &Path) -> io::Result<Look> {
        if path.starts_with("/gone") {
            return Err(io::Error::from_raw_os_error(ENOENT));
        }
        let is_dir = self.is_dir(path);
        Ok(Look { is_dir, is_file: !is_dir, listing: "drwx------ root root".into() })
    }
    fn may(&self, user: Option<u32>, path: &Path, _: Access) -> io::Result<()> {
        match user {
            _ if path.starts_with("/gone") => Err(io::Error::from_raw_os_error(ENOENT)),
            Some(_) if path.starts_with("/root") => Err(io::Error::from_raw_os_error(EACCES)),
            _ => Ok(()),
        }
    }
    fn head(&self, path: &Path) -> io::Result<Vec<u8>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(match name.as_bytes() {
            [b'e', ..] => b"#!/usr/bin/env python3\n".to_vec(),
            [b'r', ..] => b"#!/bin/sh\r\n".to_vec(),
            [b't', ..] => b"text".to_vec(),
            _ => b"\x7fELF\0".to_vec(),
        })
    }
    fn is_member(&self, user: Option<u32>, group: u32) -> bool {
        user == Some(group)
    }
}
