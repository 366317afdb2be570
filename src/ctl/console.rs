//! Where commands are heard and answered: the person, or the files, at the standard streams.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::candidates::Names;
use super::editor::Editor;
use super::lines::Lines;
use crate::system::interrupt::{Interrupts, Woken, wait};
use crate::system::terminal::{Hidden, Size, size};

/// Why there is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The end of input.
    End,
    /// Ctrl-C.
    Interrupted,
}

/// What came while somebody listened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// For each stream, whether it can be read.
    pub ready: Vec<bool>,
    /// What was typed.
    pub typed: Option<Result<String, Unanswered>>,
}

/// Prints, asks and listens; tests bring their own.
pub trait Console {
    /// Prints to standard output, at once.
    ///
    /// # Errors
    /// Nobody reads it.
    fn print(&mut self, text: &[u8]) -> io::Result<()>;

    /// Prints to standard error, at once.
    fn complain(&mut self, text: &str);

    /// Asks something, and waits for a line.
    ///
    /// # Errors
    /// See [`Unanswered`].
    fn ask(&mut self, prompt: &str) -> Result<String, Unanswered>;

    /// Reads a command, in which names can be completed. When there is none, the cursor stands at the start of a line.
    ///
    /// # Errors
    /// See [`Unanswered`].
    fn command(&mut self, prompt: &str, names: Names) -> Result<String, Unanswered>;

    /// Asks for something that must not be seen.
    ///
    /// # Errors
    /// See [`Unanswered`].
    fn ask_hidden(&mut self, prompt: &str) -> Result<String, Unanswered>;

    /// Ctrl-C from now on ends waits, and nothing else.
    ///
    /// # Errors
    /// There are too many open files.
    fn interrupts(&mut self) -> io::Result<Rc<Interrupts>>;

    /// Waits until a stream can be read or, where somebody types, a line comes. Ctrl-C is heard in any case.
    ///
    /// # Errors
    /// There is not enough memory.
    fn hear(&mut self, streams: &[BorrowedFd<'_>], typing: bool) -> io::Result<Heard>;

    /// Waits until a stream can be read, or Ctrl-C comes, or the patience is over.
    ///
    /// # Errors
    /// There is not enough memory.
    fn rest(&mut self, streams: &[BorrowedFd<'_>], patience: Option<Duration>) -> io::Result<Woken>;

    /// Whether what is printed may have colours.
    fn is_colourful(&self) -> bool;

    /// Whether somebody sees what a command waits for.
    fn shows_progress(&self) -> bool;

    /// Shows what a command waits for, in place of what it waited for before; until something is printed, or nothing is shown.
    fn progress(&mut self, text: Option<&str>);

    /// The screen on which it is printed; `None`: there is none, or none that can be drawn on.
    fn screen(&self) -> Option<Size>;
}

/// The standard streams.
#[derive(Default)]
pub struct Streams {
    lines: Lines,
    /// Where somebody types on a terminal.
    editor: Option<Editor>,
    interrupts: Option<Rc<Interrupts>>,
    /// The line that tells what a command waits for, where there is one.
    waiting: Option<String>,
}

impl Streams {
    /// For a shell: on a terminal with a line to edit, and commands kept in this file.
    #[must_use]
    pub fn for_shell(history: Option<PathBuf>) -> Self {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !is_poor();
        Self { editor: if terminal { Editor::open(history) } else { None }, ..Self::default() }
    }

    /// Has the editor read, which handles Ctrl-C itself.
    fn edit(
        &mut self,
        read: impl FnOnce(&mut Editor) -> Result<String, Unanswered>,
    ) -> Option<Result<String, Unanswered>> {
        if self.lines.is_ready() {
            return None;
        }
        let editor = self.editor.as_mut()?;
        let typed = match &self.interrupts {
            Some(interrupts) => interrupts.released(|| read(editor)),
            None => read(editor),
        };
        Some(typed.map(|text| self.first_of(&text)))
    }

    /// What is pasted may have several lines: the others wait until they are asked for.
    fn first_of(&mut self, text: &str) -> String {
        let mut lines = text.split('\n').map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        self.lines.push(lines);
        first
    }

    fn line(&mut self) -> Result<String, Unanswered> {
        loop {
            match self.hear(&[], true).map(|heard| heard.typed) {
                Ok(Some(typed)) => return typed,
                Ok(None) => {}
                Err(_) => return Err(Unanswered::End),
            }
        }
    }
}

impl Console for Streams {
    fn print(&mut self, text: &[u8]) -> io::Result<()> {
        self.progress(None);
        let mut out = io::stdout().lock();
        out.write_all(text)?;
        out.flush()
    }

    fn complain(&mut self, text: &str) {
        self.progress(None);
        // Where nobody listens to complaints, there are none.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn ask(&mut self, prompt: &str) -> Result<String, Unanswered> {
        if let Some(answer) = self.edit(|editor| editor.ask(prompt)) {
            return answer;
        }
        let _ = self.print(prompt.as_bytes());
        self.line()
    }

    fn command(&mut self, prompt: &str, names: Names) -> Result<String, Unanswered> {
        if let Some(command) = self.edit(|editor| editor.command(prompt, names)) {
            return command;
        }
        let command = self.ask(prompt);
        match &command {
            // What was pasted and waited here is shown where it takes effect.
            Ok(line) if self.editor.is_some() => drop(self.print(format!("{line}\n").as_bytes())),
            Ok(_) => {}
            Err(_) => drop(self.print(b"\n")),
        }
        command
    }

    fn ask_hidden(&mut self, prompt: &str) -> Result<String, Unanswered> {
        let Ok(mut terminal) = Hidden::open() else {
            // No terminal, so nothing is shown.
            self.complain(prompt);
            return self.line();
        };
        let _ = terminal.write_all(prompt.as_bytes());
        let mut lines = Lines::default();
        let answer = loop {
            if let Some(line) = lines.next() {
                break Ok(line);
            }
            match wait(&[terminal.as_fd()], self.interrupts.as_deref(), None) {
                Ok(Woken::Interrupted) => break Err(Unanswered::Interrupted),
                Ok(_) if matches!(lines.fill(terminal.as_fd()), Ok(true)) => {}
                _ => break Err(Unanswered::End),
            }
        };
        let _ = terminal.write_all(b"\n");
        answer
    }

    fn interrupts(&mut self) -> io::Result<Rc<Interrupts>> {
        if let Some(interrupts) = &self.interrupts {
            return Ok(Rc::clone(interrupts));
        }
        let interrupts = Rc::new(Interrupts::watch()?);
        self.interrupts = Some(Rc::clone(&interrupts));
        Ok(interrupts)
    }

    fn hear(&mut self, streams: &[BorrowedFd<'_>], typing: bool) -> io::Result<Heard> {
        let stdin = io::stdin();
        let waiting = typing && !self.lines.is_ready();
        let mut descriptors = streams.to_vec();
        if waiting {
            descriptors.push(stdin.as_fd());
        }
        let patience = (typing && !waiting).then_some(Duration::ZERO);
        let mut ready = match wait(&descriptors, self.interrupts.as_deref(), patience)? {
            Woken::Ready(ready) => ready,
            Woken::Late => vec![false; streams.len()],
            Woken::Interrupted => {
                let ready = vec![false; streams.len()];
                return Ok(Heard { ready, typed: Some(Err(Unanswered::Interrupted)) });
            }
        };
        let mut typed = None;
        if waiting && ready.pop() == Some(true) && !self.lines.fill(stdin.as_fd()).unwrap_or(false) {
            typed = Some(Err(Unanswered::End));
        }
        if typing && typed.is_none() {
            typed = self.lines.next().map(Ok);
        }
        Ok(Heard { ready, typed })
    }

    fn rest(&mut self, streams: &[BorrowedFd<'_>], patience: Option<Duration>) -> io::Result<Woken> {
        wait(streams, self.interrupts.as_deref(), patience)
    }

    fn is_colourful(&self) -> bool {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        self.screen().is_some() && !unwanted
    }

    fn shows_progress(&self) -> bool {
        !is_poor() && io::stderr().is_terminal()
    }

    fn progress(&mut self, text: Option<&str>) {
        if self.waiting.as_deref() == text {
            return;
        }
        self.waiting = text.map(str::to_owned);
        // A line that goes on in the next one could not be taken back.
        let columns = size(io::stderr().as_fd()).map_or(0, |size| size.columns.saturating_sub(1));
        let line: String = text.unwrap_or_default().chars().take(columns).collect();
        let _ = io::stderr().lock().write_all(format!("\r{line}\x1b[K").as_bytes());
    }

    fn screen(&self) -> Option<Size> {
        if is_poor() { None } else { size(io::stdout().as_fd()) }
    }
}

/// Whether the terminal can do nothing but print.
fn is_poor() -> bool {
    std::env::var_os("TERM").is_none_or(|kind| kind.is_empty() || kind == "dumb")
}
