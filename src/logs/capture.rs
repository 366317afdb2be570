//! Capture mode: what a program writes between two tokens is a message and no log (Supervisor 4.3 `dispatchers.py`,
//! `POutputDispatcher`).

use std::collections::VecDeque;

use memchr::memmem;
use serde::{Deserialize, Serialize};

/// Starts a message.
pub const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
/// Ends it.
pub const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// Splits a stream at the tokens. A token may come in pieces; nothing else is ever held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    limit: usize,
    /// What may be the start of a token.
    held: Vec<u8>,
    message: Option<Message>,
}

/// A message on its way: its newest bytes, `limit` at most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Message {
    newest: VecDeque<u8>,
    /// Its beginning is not known: it is told to nobody.
    #[serde(default)]
    headless: bool,
}

/// A piece of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// For the log.
    Log(&'a [u8]),
    /// A part of a message.
    Captured(&'a [u8]),
    /// The message is complete; its newest bytes.
    Message(&'a [u8]),
}

impl Message {
    fn push(&mut self, bytes: &[u8], limit: usize) {
        let bytes = &bytes[bytes.len().saturating_sub(limit)..];
        let excess = (self.newest.len() + bytes.len()).saturating_sub(limit);
        self.newest.drain(..excess);
        self.newest.extend(bytes);
    }

    fn bytes(&mut self) -> &[u8] {
        self.newest.make_contiguous()
    }
}

impl Capture {
    /// For messages whose newest `limit` bytes are kept.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, held: Vec::new(), message: None }
    }

    /// How many bytes of a message it keeps.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// What it holds back, and whether it is in a message.
    #[must_use]
    pub fn stand(&self) -> (&[u8], bool) {
        (&self.held, self.message.is_some())
    }

    /// One that stands there; of a message that has begun nothing more is known, and it comes to nothing.
    #[must_use]
    pub fn at(limit: usize, held: &[u8], in_message: bool) -> Self {
        let message = in_message.then(|| Message { headless: true, ..Message::default() });
        Self { limit, held: held.to_vec(), message }
    }

    /// Takes in some output, and gives it on in pieces.
    pub fn feed(&mut self, bytes: &[u8], give: &mut dyn FnMut(Piece<'_>)) {
        let joined;
        let mut rest = if self.held.is_empty() {
            bytes
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            joined = held;
            &joined
        };
        loop {
            let token = if self.message.is_some() { END } else { BEGIN };
            let Some(at) = memmem::find(rest, token) else { break };
            self.give(&rest[..at], give);
            rest = &rest[at + token.len()..];
            match self.message.take() {
                Some(message) if message.headless => {}
                Some(mut message) => give(Piece::Message(message.bytes())),
                None => self.message = Some(Message::default()),
            }
        }
        let token = if self.message.is_some() { END } else { BEGIN };
        let sure = rest.len() - start_of(rest, token);
        self.give(&rest[..sure], give);
        self.held.extend_from_slice(&rest[sure..]);
    }

    /// The stream has ended: gives on what was held back. The bytes kept of a message that was never ended, if any.
    pub fn finish(&mut self, give: &mut dyn FnMut(Piece<'_>)) -> Option<usize> {
        let held = std::mem::take(&mut self.held);
        self.give(&held, give);
        self.message.take().map(|message| message.newest.len())
    }

    fn give(&mut self, bytes: &[u8], give: &mut dyn FnMut(Piece<'_>)) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.message {
            Some(message) => {
                message.push(bytes, self.limit);
                give(Piece::Captured(bytes));
            }
            None => give(Piece::Log(bytes)),
        }
    }
}

/// How many bytes at the end may be the start of the token.
fn start_of(bytes: &[u8], token: &[u8]) -> usize {
    let longest = bytes.len().min(token.len() - 1);
    (1..=longest).rev().find(|count| bytes.ends_with(&token[..*count])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The log, and the messages, when the stream comes in such chunks.
    fn split<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (mut log, mut messages) = (Vec::new(), Vec::new());
        let mut give = |piece: Piece<'_>| match piece {
            Piece::Log(bytes) => log.extend_from_slice(bytes),
            Piece::Captured(_) => {}
            Piece::Message(bytes) => messages.push(bytes.to_vec()),
        };
        let mut capture = Capture::new(limit);
        for chunk in chunks {
            capture.feed(chunk, &mut give);
        }
        capture.finish(&mut give);
        (log, messages)
    }

    #[test]
    fn a_message_is_not_logged() {
        let text: &[u8] = b"a<!--XSUPERVISOR:BEGIN-->hello<!--XSUPERVISOR:END-->b";
        assert_eq!(split(100, [text]), (b"ab".to_vec(), vec![b"hello".to_vec()]));
        assert_eq!(split(100, text.chunks(1)), (b"ab".to_vec(), vec![b"hello".to_vec()]));
        assert_eq!(split(3, [text]).1, [b"llo"]);
        assert_eq!(split(3, text.chunks(1)).1, [b"llo"]);
    }

    #[test]
    fn nothing_is_held_back_that_cannot_be_a_token() {
        let mut capture = Capture::new(9);
        let mut seen = Vec::new();
        capture.feed(b"short", &mut |piece| seen.push(format!("{piece:?}")));
        assert_eq!(seen, [format!("{:?}", Piece::Log(b"short"))]);
        assert_eq!(split(9, [&b"x<!--X"[..]]).0, b"x<!--X", "at the end it is no token");
    }

    #[test]
    fn a_message_whose_beginning_is_not_known_is_neither_logged_nor_told() {
        let mut first = Capture::new(9);
        first.feed(b"<!--XSUPERVISOR:BEGIN-->abc<!--XSUP", &mut |_| {});
        let (held, in_message) = first.stand();
        assert_eq!((held, in_message), (&b"<!--XSUP"[..], true));
        let (mut next, mut seen) = (Capture::at(9, held, in_message), Vec::new());
        next.feed(b"ERVISOR:END-->log", &mut |piece| seen.push(format!("{piece:?}")));
        assert_eq!(seen, [format!("{:?}", Piece::Log(b"log"))]);
    }

    #[test]
    fn a_message_that_never_ends_is_no_message() {
        let mut capture = Capture::new(9);
        capture.feed(BEGIN, &mut |_| {});
        capture.feed(b"lost", &mut |_| {});
        assert_eq!(capture.finish(&mut |_| {}), Some(4));
        assert_eq!(capture.finish(&mut |_| {}), None);
    }

    proptest! {
        #[test]
        fn how_output_is_cut_into_chunks_does_not_matter(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "<!--XSUPERVISOR:BEGIN-->", "<!--XSUPERVISOR:END-->", "<!--XSUPERVISOR:", "x", "--><!", "\n"]), 0..9),
            cut in 1..30_usize,
            limit in 1..20_usize,
        ) {
            let text = pieces.concat();
            prop_assert_eq!(split(limit, [text.as_bytes()]), split(limit, text.as_bytes().chunks(cut)));
        }
    }
}
