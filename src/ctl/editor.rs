//! The line in which commands are typed on a terminal: editing, completion and history.

use std::cell::RefCell;
use std::path::PathBuf;

use rustyline::completion::{Completer, Pair};
use rustyline::config::BellStyle;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Helper};

use super::candidates::{Names, candidates};
use super::console::Unanswered;
use super::history;

/// How many commands can be gone back to.
const HISTORY_LIMIT: usize = 1000;

/// Reads lines from the terminal at stdin.
pub(super) struct Editor {
    line: rustyline::Editor<Candidates, MemHistory>,
    history: Option<PathBuf>,
}

/// What the word under the cursor can become; `None` where no command is typed.
struct Candidates(RefCell<Option<Names>>);

impl Helper for Candidates {}
impl Hinter for Candidates {
    type Hint = String;
}
impl Highlighter for Candidates {}
impl Validator for Candidates {}

impl Completer for Candidates {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let mut names = self.0.borrow_mut();
        let Some(names) = names.as_mut() else { return Ok((at, Vec::new())) };
        let (start, words) = candidates(line, at, || names.get());
        let pair = |word: String| Pair { replacement: format!("{word} "), display: word };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

impl Editor {
    /// An editor on the terminal; `None` where it cannot be had.
    pub(super) fn open(file: Option<PathBuf>) -> Option<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .bell_style(BellStyle::None)
            .history_ignore_dups(true)
            .ok()?
            .max_history_size(HISTORY_LIMIT)
            .ok()?
            .build();
        let memory = MemHistory::with_config(&config);
        let mut line = rustyline::Editor::with_history(config, memory).ok()?;
        line.set_helper(Some(Candidates(RefCell::new(None))));
        for command in file.iter().flat_map(|file| history::read(file, HISTORY_LIMIT)) {
            let _ = line.add_history_entry(command);
        }
        Some(Self { line, history: file })
    }

    /// Reads a command.
    pub(super) fn command(&mut self, prompt: &str, names: Names) -> Result<String, Unanswered> {
        self.offer(Some(names));
        let command = self.ask(prompt);
        self.offer(None);
        if let Ok(command) = &command {
            // What is pasted may have several lines.
            for line in command.lines() {
                self.remember(line);
            }
        }
        command
    }

    /// Reads an answer.
    pub(super) fn ask(&mut self, prompt: &str) -> Result<String, Unanswered> {
        self.line.readline(prompt).map_err(|error| match error {
            ReadlineError::Interrupted => Unanswered::Interrupted,
            _ => Unanswered::End,
        })
    }

    fn offer(&mut self, names: Option<Names>) {
        if let Some(candidates) = self.line.helper() {
            candidates.0.replace(names);
        }
    }

    /// Blanks are not remembered, nor what was typed just before.
    fn remember(&mut self, command: &str) {
        let is_new = !command.trim().is_empty() && self.line.add_history_entry(command).unwrap_or(false);
        if let Some(file) = self.history.as_deref().filter(|_| is_new) {
            history::append(file, command);
        }
    }
}
