//! Removes ANSI escapes (LOG-50): from `ESC [` up to and including the first of `HfABCDRsuJKhlpm`. What a read cuts in two is
//! still recognised by the next one.

use serde::{Deserialize, Serialize};

/// Where in an escape the last chunk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum State {
    #[default]
    Text,
    Escape,
    Sequence,
}

/// The filter of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stripper(State);

const ESC: u8 = 0x1b;
const TERMINATORS: &[u8] = b"HfABCDRsuJKhlpm";

impl Stripper {
    /// Appends to `out` what is left of `chunk`.
    pub fn strip(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        loop {
            if self.0 == State::Text {
                let (text, rest) = chunk.split_at(memchr::memchr(ESC, chunk).unwrap_or(chunk.len()));
                out.extend_from_slice(text);
                chunk = rest;
            }
            let Some((&byte, rest)) = chunk.split_first() else { return };
            chunk = rest;
            self.0 = match (self.0, byte) {
                (State::Text, ESC) => State::Escape,
                (State::Escape, b'[') => State::Sequence,
                (State::Escape, ESC) => {
                    out.push(ESC);
                    State::Escape
                }
                (State::Sequence, _) if !TERMINATORS.contains(&byte) => State::Sequence,
                (State::Sequence, _) => State::Text,
                (State::Text, _) => {
                    out.push(byte);
                    State::Text
                }
                (State::Escape, _) => {
                    out.extend([ESC, byte]);
                    State::Text
                }
            };
        }
    }

    /// Where it stands, as a number below 4.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self.0 {
            State::Text => 0,
            State::Escape => 1,
            State::Sequence => 2,
        }
    }

    /// One that stands there; `None`: nowhere.
    #[must_use]
    pub fn at(code: u8) -> Option<Self> {
        Some(Self(match code {
            0 => State::Text,
            1 => State::Escape,
            2 => State::Sequence,
            _ => return None,
        }))
    }

    /// The end: an escape that became no sequence is text.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.0) == State::Escape {
            out.push(ESC);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_stands_is_a_number() {
        for text in [&b"x"[..], b"x\x1b", b"x\x1b[3"] {
            let mut stripper = Stripper::default();
            stripper.strip(text, &mut Vec::new());
            assert_eq!(Stripper::at(stripper.code()), Some(stripper));
        }
        assert_eq!(Stripper::at(3), None);
    }

    #[test]
    fn escapes_go_wherever_the_reads_cut() {
        let text = b"a\x1b[31mred\x1b[0m \x1b]0;t\x07\x1b\x1b[2Jz\x1b";
        for cut in 0..text.len() {
            let (mut stripper, mut out) = (Stripper::default(), Vec::new());
            stripper.strip(&text[..cut], &mut out);
            stripper.strip(&text[cut..], &mut out);
            stripper.finish(&mut out);
            assert_eq!(out, b"ared \x1b]0;t\x07\x1bz\x1b", "cut at {cut}");
        }
    }
}
