//! Random configuration files, read by Supervisor 4.3.0's own reader and by ours: both must find the same.
//!
//! 2,000 files; `DIFFERENTIAL_FILES=20000` reads more. A failure names the seed and shows the file.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use supervisord::config::ini;

type Found = Option<BTreeMap<String, BTreeMap<String, String>>>;

/// Python, kept for all files.
struct Theirs {
    process: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Theirs {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/theirs/bin/python");
        assert!(python.exists(), "Python Supervisor is not installed: run `make deps`");
        let mut process = Command::new(python)
            .arg(root.join("tests/support/python_config.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, ask, answers }
    }

    fn read(&mut self, text: &str) -> Found {
        let mut question = serde_json::to_string(text).unwrap();
        question.push('\n');
        self.ask.as_mut().unwrap().write_all(question.as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        drop(self.ask.take());
        let _ = self.process.wait();
    }
}

fn ours(text: &str) -> Found {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for section in ini::read(text).ok()? {
        let options = found.entry(section.name).or_default();
        options.extend(section.entries.into_iter().map(|entry| (entry.key, entry.value)));
    }
    found.retain(|name, options| name != "DEFAULT" || !options.is_empty());
    Some(found)
}

/// A small generator of our own (xorshift64*): the same seed is the same file for ever.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.throw().is_multiple_of(count)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.throw()).unwrap_or(0) % from.len()]
    }

    fn some(&mut self, most: u64, from: &[&str]) -> String {
        (0..self.throw() % (most + 1)).map(|_| self.pick(from)).collect()
    }
}

const SPACES: &[&str] =
    &["", "", "", "", " ", "  ", "\t", " \t", "\u{a0}", "\u{3000}", "\u{b}", "\u{c}", "\u{1f}"];
const NAMES: &[&str] = &[
    "supervisord",
    "program:x",
    "program:x",
    "group:g",
    "include",
    "DEFAULT",
    "default",
    "a b",
    "x]y",
    "",
    " x ",
    "x;y",
    "x#y",
    "ü",
    "[x",
    "program: x",
    "eventlistener:e",
];
const KEYS: &[&str] = &[
    "command", "Command", "files", "a b", "key;x", "key ;x", "#key", ";key", "ключ", "x=y", "x:y", "[key",
    "key]", "İ", "ẞ", "rem", "REM x", "", "key#x",
];
const WORDS: &[&str] = &[
    "/bin/cat",
    " ",
    "=",
    ":",
    ";",
    "#",
    " ;",
    " #",
    "\t;",
    "%(here)s",
    "%%",
    "%(ENV_X)s",
    "\"",
    "'",
    "\\",
    "\\n",
    "ü",
    "\u{a0}",
    "\u{2028}",
    "\u{85}",
    "\u{1c}",
    "x",
    "0",
    "true",
    "[x]",
    "]",
    "{",
    "\u{feff}",
    "😀",
    "a=b",
    "a:b",
    "\u{b};",
];
const ENDS: &[&str] = &["\n", "\n", "\n", "\n", "\n", "\r\n", "\r", "\n\n", ""];

/// One line, most often one that means something.
fn line(dice: &mut Dice) -> String {
    let indent = if dice.one_in(3) { dice.pick(SPACES) } else { "" };
    let after = dice.some(1, SPACES);
    match dice.throw() % 10 {
        0 | 1 => {
            let rest = dice.some(2, WORDS);
            let close = if dice.one_in(12) { "" } else { "]" };
            format!("{indent}[{}{close}{after}{rest}", dice.pick(NAMES))
        }
        2 => format!("{indent}{}{}", dice.pick(&[";", "#", " ;", "rem "]), dice.some(4, WORDS)),
        3 => format!("{}{}", dice.pick(SPACES), dice.some(4, WORDS)),
        4 => indent.to_owned(),
        _ => {
            let between = dice.some(1, SPACES);
            let sign = dice.pick(&["=", "=", "=", ":", "", "==", "=:"]);
            format!("{indent}{}{between}{sign}{after}{}", dice.pick(KEYS), dice.some(6, WORDS))
        }
    }
}

fn file(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let lines = 1 + dice.throw() % 9;
    let mut text = if dice.one_in(4) { String::new() } else { "[supervisord]\n".to_owned() };
    for _ in 0..lines {
        text.push_str(&line(&mut dice));
        text.push_str(dice.pick(ENDS));
    }
    text
}

#[test]
fn both_readers_find_the_same() {
    let files = std::env::var("DIFFERENTIAL_FILES").map_or(2_000, |count| count.parse().unwrap());
    let mut theirs = Theirs::start();
    let (mut read, mut refused) = (0, 0);
    for seed in 0..files {
        let text = file(seed);
        let (wanted, found) = (theirs.read(&text), ours(&text));
        assert_eq!(found, wanted, "seed {seed}, left is ours:\n{text:?}");
        if wanted.is_some() { read += 1 } else { refused += 1 }
    }
    println!("{read} files read alike, {refused} refused alike");
    assert!(
        read > files / 10 && refused > files / 10,
        "both kinds must be tried: {read} read, {refused} refused"
    );
}
