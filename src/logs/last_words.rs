//! What a program wrote last, for people who ask why it ended.

use serde::{Deserialize, Serialize};

use super::ansi::Stripper;

/// Bytes that are kept of a stream.
const KEPT: usize = 1024;
/// Lines that are shown of it, and characters of a line.
const LINES: usize = 3;
const LINE: usize = 200;

/// The newest bytes of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWords {
    newest: Vec<u8>,
    /// Something came before them.
    cut: bool,
}

impl LastWords {
    /// Takes in some output.
    pub fn hear(&mut self, bytes: &[u8]) {
        let bytes = if bytes.len() > KEPT { &bytes[bytes.len() - KEPT..] } else { bytes };
        let excess = (self.newest.len() + bytes.len()).saturating_sub(KEPT);
        self.cut |= excess > 0 || bytes.len() == KEPT;
        self.newest.drain(..excess);
        self.newest.extend_from_slice(bytes);
    }

    /// Its last lines as one; `None` when there are none.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let (mut stripper, mut plain) = (Stripper::default(), Vec::new());
        stripper.strip(&self.newest, &mut plain);
        let text = String::from_utf8_lossy(&plain);
        let whole: Vec<&str> = text.split(['\n', '\r']).collect();
        // The first line of what was cut is a part of one.
        let skip = usize::from(self.cut && whole.len() > 1);
        let lines: Vec<String> =
            whole.into_iter().skip(skip).map(shown).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        (!last.is_empty()).then(|| last.join(" | "))
    }
}

fn shown(line: &str) -> String {
    let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = plain.trim();
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(chunks: &[&[u8]]) -> Option<String> {
        let mut words = LastWords::default();
        chunks.iter().for_each(|chunk| words.hear(chunk));
        words.text()
    }

    #[test]
    fn the_last_lines_are_kept_and_shown_as_one() {
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[b"\n \n"]), None);
        assert_eq!(said(&[b"a\nb\n", b"c\n\nd\n"]).as_deref(), Some("b | c | d"));
        assert_eq!(said(&[b"\x1b[31mred\x1b[0m\x07\n"]).as_deref(), Some("red"));
        assert_eq!(said(&[&[b'x'; 300]]).unwrap(), format!("{}…", "x".repeat(LINE)));
    }

    #[test]
    fn a_line_of_which_only_the_end_is_left_is_not_shown() {
        let long = [[b'x'; 2000].as_slice(), b"\nlast\n"].concat();
        assert_eq!(said(&[&long]).as_deref(), Some("last"));
        assert_eq!(said(&[&long[..1999], &long[1999..]]).as_deref(), Some("last"));
    }
}
