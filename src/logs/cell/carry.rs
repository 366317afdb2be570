//! Where a stream stands between two chunks: within an escape, within a token, within a message.

use crate::logs::ansi::Stripper;
use crate::logs::capture::{BEGIN, Capture};

/// Words that it takes.
pub(super) const WORDS: usize = 4;
const BYTES: usize = WORDS * 8;
/// What can be the beginning of a token.
const HELD: usize = BEGIN.len() - 1;

const STRIPS: u8 = 1;
const CAPTURES: u8 = 2;
const IN_MESSAGE: u8 = 4;

/// Where a stream stands: nothing is allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carry {
    flags: u8,
    escape: u8,
    length: u8,
    held: [u8; HELD],
}

impl Carry {
    /// Of a stream with these steps before its sinks.
    #[must_use]
    pub fn new(stripper: Option<&Stripper>, capture: Option<&Capture>) -> Self {
        let mut carry = Self::default();
        if let Some(stripper) = stripper {
            carry.flags |= STRIPS;
            carry.escape = stripper.code();
        }
        if let Some((held, in_message)) = capture.map(Capture::stand) {
            carry.flags |= CAPTURES | if in_message { IN_MESSAGE } else { 0 };
            // It never holds back more than the beginning of a token.
            let length = held.len().min(HELD);
            carry.held[..length].copy_from_slice(&held[..length]);
            carry.length = u8::try_from(length).unwrap_or(0);
        }
        carry
    }

    /// It stands within nothing.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.escape == 0 && self.length == 0 && self.flags & IN_MESSAGE == 0
    }

    /// What removes its escapes.
    #[must_use]
    pub fn stripper(&self) -> Option<Stripper> {
        (self.flags & STRIPS != 0).then(|| Stripper::at(self.escape)).flatten()
    }

    /// What takes its captures out.
    #[must_use]
    pub fn capture(&self, limit: usize) -> Option<Capture> {
        let held = &self.held[..usize::from(self.length)];
        (self.flags & CAPTURES != 0).then(|| Capture::at(limit, held, self.flags & IN_MESSAGE != 0))
    }

    pub(super) fn pack(self) -> [u64; WORDS] {
        let mut bytes = [0; BYTES];
        bytes[..3].copy_from_slice(&[self.flags, self.escape, self.length]);
        bytes[3..3 + HELD].copy_from_slice(&self.held);
        let (words, _) = bytes.as_chunks::<8>();
        std::array::from_fn(|word| u64::from_le_bytes(words[word]))
    }

    pub(super) fn unpack(words: [u64; WORDS]) -> Option<Self> {
        let bytes = words.map(u64::to_le_bytes);
        let bytes = bytes.as_flattened();
        let mut held = [0; HELD];
        held.copy_from_slice(&bytes[3..3 + HELD]);
        let carry = Self { flags: bytes[0], escape: bytes[1], length: bytes[2], held };
        let fine = carry.flags < 8
            && Stripper::at(carry.escape).is_some()
            && usize::from(carry.length) <= HELD
            && (carry.flags & STRIPS != 0 || carry.escape == 0)
            && (carry.flags & CAPTURES != 0 || carry.length == 0 && carry.flags & IN_MESSAGE == 0);
        fine.then_some(carry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_stream_stands_is_known_again() {
        let (mut stripper, mut capture) = (Stripper::default(), Capture::new(9));
        let plain = Carry::new(Some(&stripper), Some(&capture));
        assert!(plain.is_plain() && Carry::default().is_plain());
        stripper.strip(b"\x1b[3", &mut Vec::new());
        capture.feed(&BEGIN[..HELD], &mut |_| {});
        let carry = Carry::new(Some(&stripper), Some(&capture));
        assert!(!carry.is_plain());
        assert_eq!(Carry::unpack(carry.pack()), Some(carry));
        assert_eq!((carry.stripper(), carry.capture(9)), (Some(stripper), Some(capture.clone())));
        capture.feed(b">abc", &mut |_| {});
        let carry = Carry::new(None, Some(&capture));
        assert!(!carry.is_plain() && carry.stripper().is_none());
        assert!(carry.capture(9).unwrap().stand().1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bytes in [[8, 0, 0], [1, 3, 0], [2, 0, 24], [0, 1, 0], [0, 0, 1], [4, 0, 0]] {
            let [flags, escape, length]: [u64; 3] = bytes;
            let word = flags | escape << 8 | length << 16;
            assert_eq!(Carry::unpack([word, 0, 0, 0]), None, "{bytes:?}");
        }
    }
}
