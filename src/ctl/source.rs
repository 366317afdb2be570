//! A log among several: its last lines, and the lines that come, each with the name of its process before it.

use std::os::fd::{AsFd as _, BorrowedFd};

use super::client::{CallError, Grown, Tail};
use super::connection::Broken;
use super::session::{Session, text};
use crate::wire::xmlrpc::Value;

/// A line may have so many bytes; a longer one is cut.
const LINE_LIMIT: usize = 64 << 10;

/// What is asked for at first to find the last lines, and what is never exceeded.
const READ_FIRST: i64 = 16 << 10;
const READ_LIMIT: i64 = 16 << 20;

/// With how many bytes of what was there before a stream begins.
const HEAD: usize = 1024;

/// The log of a channel of a process.
pub(super) struct Source {
    /// The name of the process, for the daemon.
    pub(super) name: String,
    /// `stdout` or `stderr`.
    pub(super) channel: &'static str,
    /// What stands before each line.
    pub(super) label: String,
    tail: Option<Tail>,
    /// How much of what was there before the stream is to begin with; 0 when it has.
    owed: usize,
    /// The line that is not complete.
    rest: Vec<u8>,
}

impl Source {
    pub(super) fn new(name: String, channel: &'static str, label: String) -> Self {
        Self { name, channel, label, tail: None, owed: 0, rest: Vec::new() }
    }

    /// The methods that read it.
    fn methods(&self) -> (&'static str, &'static str) {
        match self.channel {
            "stderr" => ("readProcessStderrLog", "tailProcessStderrLog"),
            _ => ("readProcessStdoutLog", "tailProcessStdoutLog"),
        }
    }

    /// Its end, with at least so many lines if there are as many.
    ///
    /// # Errors
    /// It cannot be read. One that is not there is empty.
    pub(super) fn end(&self, session: &mut Session<'_>, lines: usize) -> Result<String, CallError> {
        let mut length = READ_FIRST;
        loop {
            let params = vec![text(&self.name), Value::Int(-length), Value::Int(0)];
            let read = match session.call(self.methods().0, params) {
                Ok(Value::String(read)) => read,
                Ok(_) | Err(CallError::Fault(20, _)) => return Ok(String::new()),
                Err(error) => return Err(error),
            };
            let whole = i64::try_from(read.len()).unwrap_or(i64::MAX) < length;
            if whole || length >= READ_LIMIT || read.matches('\n').count() > lines {
                return Ok(if whole { read } else { behind_first_line(&read).to_owned() });
            }
            length *= 8;
        }
    }

    /// Begins to follow it.
    ///
    /// # Errors
    /// It cannot be connected to.
    pub(super) fn open(&mut self, session: &mut Session<'_>, path: &str) -> Result<(), Broken> {
        let params = vec![text(&self.name), Value::Int(0), Value::Int(0)];
        let size = match session.call(self.methods().1, params) {
            Ok(Value::Array(answer)) => answer.get(1).map_or(0, size_of),
            // Then it begins where the stream does.
            _ => 0,
        };
        self.owed = size.min(HEAD);
        self.tail = Some(session.rpc.follow(path)?);
        Ok(())
    }

    /// To wait for, while it is followed.
    pub(super) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.tail.as_ref().map(|tail| tail.as_fd())
    }

    /// Whether what was there before is still to come.
    pub(super) fn is_owed(&self) -> bool {
        self.tail.is_some() && self.rest.len() < self.owed
    }

    /// Takes what has come; waits if nothing has. What is over is not followed any more.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn take(&mut self) -> Result<(), String> {
        let Some(tail) = &mut self.tail else { return Ok(()) };
        match tail.read() {
            Ok(Grown::By(bytes)) => self.rest.extend(bytes),
            Ok(Grown::Last(bytes)) => {
                self.rest.extend(bytes);
                self.tail = None;
            }
            Ok(Grown::Refused(code)) => {
                self.tail = None;
                return Err(format!("status code {code}"));
            }
            Err(error) => {
                self.tail = None;
                return Err(format!("error: {error}"));
            }
        }
        Ok(())
    }

    /// What was there before, as the stream began with it: its last lines, and those that were before them. Once.
    pub(super) fn begun(&mut self, session: &mut Session<'_>, lines: usize) -> String {
        if std::mem::take(&mut self.owed) == 0 {
            // All that has come is new.
            return String::new();
        }
        let cut = self.rest.len() >= HEAD;
        let begun: Vec<u8> = self.rest.drain(..complete(&self.rest)).collect();
        let begun = String::from_utf8_lossy(&begun);
        let known = if cut { behind_first_line(&begun) } else { &begun };
        if !cut || known.matches('\n').count() >= lines {
            return known.to_owned();
        }
        // The log has only grown since: it has what the stream began with, and what was before it.
        let longer = self.end(session, lines + begun.matches('\n').count()).unwrap_or_default();
        let longer = longer.rfind(&*begun).map(|at| &longer[..at + begun.len()]);
        longer.unwrap_or(known).to_owned()
    }

    /// The lines that are complete, and what else there is if there is no more to come.
    pub(super) fn lines(&mut self) -> Vec<u8> {
        let over = self.tail.is_none() || self.rest.len() > LINE_LIMIT;
        let taken = if over { self.rest.len() } else { complete(&self.rest) };
        let taken: Vec<u8> = self.rest.drain(..taken).collect();
        self.labelled(&taken)
    }

    /// The lines, each with its label.
    pub(super) fn labelled(&self, text: &[u8]) -> Vec<u8> {
        let mut labelled = Vec::with_capacity(text.len() * 2);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            labelled.extend_from_slice(self.label.as_bytes());
            labelled.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                labelled.push(b'\n');
            }
        }
        labelled
    }
}

/// How much of it is whole lines.
fn complete(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// The last lines of a text.
pub(super) fn last_lines(text: &str, lines: usize) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    match lines.checked_sub(1) {
        None => "",
        Some(before) => body.rmatch_indices('\n').nth(before).map_or(text, |(at, _)| &text[at + 1..]),
    }
}

/// Of a text whose first line may be cut.
fn behind_first_line(text: &str) -> &str {
    text.find('\n').map_or(text, |at| &text[at + 1..])
}

fn size_of(size: &Value) -> usize {
    match size {
        Value::Int(size) => usize::try_from(*size).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_are_counted_from_the_end() {
        for (text, lines, expected) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 5, "a\nb\n"),
            ("a\n", 0, ""),
            ("", 3, ""),
            ("\n\n", 1, "\n"),
        ] {
            assert_eq!(last_lines(text, lines), expected, "{text:?} {lines}");
        }
    }

    #[test]
    fn a_line_is_shown_when_it_is_complete() {
        let mut source = Source::new("x".into(), "stdout", "x | ".into());
        let shown = |source: &mut Source| String::from_utf8(source.lines()).unwrap();
        source.rest = b"one\ntwo\nthr".to_vec();
        // Not followed: there is no more to come.
        assert_eq!(shown(&mut source), "x | one\nx | two\nx | thr\n");
        assert_eq!(shown(&mut source), "");
    }
}
