//! Supervisor's own code, asked questions: `python_config.py`, kept for all of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value as Json;

/// A Python that reads configurations.
pub struct Python {
    process: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    /// Starts it. It ends when its standard input does, with the test at the latest.
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/theirs/bin/python");
        assert!(python.exists(), "Python Supervisor is not installed: run `make deps`");
        let mut process = Command::new(python)
            .arg(root.join("tests/support/python_config.py"))
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, ask, answers }
    }

    /// Asks a question.
    pub fn ask(&mut self, question: &Json) -> Json {
        self.ask.as_mut().unwrap().write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {question} brought {answer:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.ask.take());
        let _ = self.process.wait();
    }
}
