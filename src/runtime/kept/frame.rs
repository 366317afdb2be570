//! A turn as bytes: what it has changed, and what is to be done. Whether a turn was written to its end can be told.
//!
//! ```text
//! magic u32 │ length of the body u32 │ number of the turn u64 │ checksum of number and body u32 │ body
//! body: (kind u8 │ length of the name u32 │ name │ length of the value u32 │ value)…
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::io::Write as _;

use serde::{Serialize, Serializer as _};

use crate::engine::{Effect, Pieces};

const MAGIC: u32 = 0x5356_5244;
const HEAD: usize = 20;
/// A turn takes so many bytes at most, but for one that writes down everything.
const LARGE: usize = 64 << 10;
const SET: u8 = 0;
const GONE: u8 = 1;
const DEEDS: u8 = 2;

/// What frames, one after the other, come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// The state, in pieces.
    pub pieces: BTreeMap<String, Vec<u8>>,
    /// What was to be done in the last turn.
    pub deeds: Vec<Effect>,
    /// Its number.
    pub turn: u64,
    /// Bytes up to its end.
    pub length: usize,
}

fn checksum(turn: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&turn.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

fn length(bytes: usize) -> [u8; 4] {
    // Nothing of ours is as long: a value of a configuration is bounded, and so is what waits for a stdin.
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

/// A turn that is being put into bytes, to be written after the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Vec<u8>);

impl Default for Frame {
    fn default() -> Self {
        Self(vec![0; HEAD])
    }
}

impl Frame {
    /// Nothing is changed, and nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEAD
    }

    /// A piece as it was read.
    pub fn copy(&mut self, name: &str, piece: &[u8]) {
        // Memory takes it all.
        let _ = self.add(SET, name, |bytes| bytes.write_all(piece));
    }

    /// What is to be done, in that order.
    pub fn deeds<'a>(&mut self, deeds: impl Iterator<Item = &'a Effect>) {
        let mut deeds = deeds.peekable();
        if deeds.peek().is_some() {
            // Plain data.
            let _ = self.add(DEEDS, "", |bytes| serde_json::Serializer::new(bytes).collect_seq(deeds));
        }
    }

    /// Its bytes, when nothing is to be added.
    pub fn of_turn(&mut self, turn: u64) -> &[u8] {
        let (head, body) = self.0.split_at_mut(HEAD);
        head[..4].copy_from_slice(&MAGIC.to_le_bytes());
        head[4..8].copy_from_slice(&length(body.len()));
        head[8..16].copy_from_slice(&turn.to_le_bytes());
        head[16..].copy_from_slice(&checksum(turn, body).to_le_bytes());
        &self.0
    }

    /// Empties it for the next turn; what only a large one needs is given back.
    pub fn clear(&mut self) {
        self.0.truncate(HEAD);
        self.0.shrink_to(LARGE);
    }

    /// A part; where its value cannot be written it is as if it were not there.
    fn add<E>(
        &mut self,
        kind: u8,
        name: impl Display,
        value: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.0.len();
        self.0.push(kind);
        let written = self.measured(|bytes| {
            write!(bytes, "{name}").unwrap_or_default();
            Ok(())
        });
        let written = written.and_then(|()| self.measured(value));
        if written.is_err() {
            self.0.truncate(start);
        }
        written
    }

    /// Something, and in front of it its length.
    fn measured<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.0.len() + size_of::<u32>();
        self.0.extend(length(0));
        write(&mut self.0)?;
        let length = length(self.0.len() - start);
        self.0[start - length.len()..start].copy_from_slice(&length);
        Ok(())
    }
}

impl Pieces for Frame {
    fn set(&mut self, name: impl Display, piece: &impl Serialize) {
        if self.add(SET, &name, |bytes| serde_json::to_writer(bytes, piece)).is_err() {
            // Plain data; a path that is no text cannot come from a configuration.
            self.gone(name);
        }
    }

    fn gone(&mut self, name: impl Display) {
        let _ = self.add(GONE, name, |_| Ok::<(), Infallible>(()));
    }
}

/// Takes in all whole turns from the beginning; the last may be torn, or there may be something else behind it.
#[must_use]
pub fn replay(bytes: &[u8]) -> Replay {
    let mut replay = Replay::default();
    while let Some((turn, body)) = next(&bytes[replay.length..]) {
        if replay.length > 0 && turn != replay.turn + 1 {
            break;
        }
        let Some(deeds) = take_in(&mut replay.pieces, body) else { break };
        replay.deeds = deeds;
        replay.turn = turn;
        replay.length += HEAD + body.len();
    }
    replay
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

fn next(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (magic, bytes) = number(bytes)?;
    let (length, bytes) = number(bytes)?;
    let (turn, bytes) = bytes.split_first_chunk()?;
    let (expected, bytes) = number(bytes)?;
    let body = bytes.get(..usize::try_from(length).ok()?)?;
    let turn = u64::from_le_bytes(*turn);
    (magic == MAGIC && checksum(turn, body) == expected).then_some((turn, body))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// What is to be done; `None`: the body is none of ours, and nothing of it counts.
fn take_in(pieces: &mut BTreeMap<String, Vec<u8>>, mut body: &[u8]) -> Option<Vec<Effect>> {
    let (mut changes, mut deeds) = (Vec::new(), Vec::new());
    while let Some((kind, rest)) = body.split_first() {
        let (name, rest) = part(rest)?;
        let (value, rest) = part(rest)?;
        match *kind {
            SET => changes.push((std::str::from_utf8(name).ok()?, Some(value))),
            GONE => changes.push((std::str::from_utf8(name).ok()?, None)),
            // Deeds that we do not know are those of another version: the state still counts.
            DEEDS => deeds = serde_json::from_slice(value).unwrap_or_default(),
            _ => {}
        }
        body = rest;
    }
    for (name, piece) in changes {
        match piece {
            Some(piece) => drop(pieces.insert(name.to_owned(), piece.to_vec())),
            None => drop(pieces.remove(name)),
        }
    }
    Some(deeds)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::ProcessId;

    /// A turn with these pieces; `None`: it is no more.
    fn turn(turn: u64, pieces: &[(&str, Option<u32>)], deeds: &[Effect]) -> Vec<u8> {
        let mut frame = Frame::default();
        pieces.iter().for_each(|(name, piece)| frame.put(name, piece.as_ref()));
        frame.deeds(deeds.iter());
        frame.of_turn(turn).to_vec()
    }

    #[test]
    fn turns_come_to_the_state_after_the_last_and_its_deeds() {
        let forget = Effect::Forget { id: ProcessId(7) };
        let mut bytes = turn(5, &[("a", Some(1)), ("b", Some(2))], &[Effect::ReopenLogs]);
        bytes.extend(turn(6, &[("a", None), ("c", Some(0))], slice::from_ref(&forget)));
        let replayed = replay(&bytes);
        assert_eq!(replayed.pieces.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((replayed.deeds, replayed.turn, replayed.length), (vec![forget], 6, bytes.len()));
        bytes.extend(turn(8, &[("d", Some(1))], &[]));
        assert_eq!(replay(&bytes).turn, 6, "a turn is missing");
        assert_eq!(replay(b""), Replay::default());
    }

    #[test]
    fn a_frame_is_used_again() {
        let mut frame = Frame::default();
        frame.set("a", &"x".repeat(2 * LARGE));
        frame.deeds([].into_iter());
        assert_eq!(replay(frame.of_turn(1)).pieces["a"].len(), 2 * LARGE + 2);
        frame.clear();
        assert!(frame.is_empty() && frame.0.capacity() <= LARGE);
        frame.gone("a");
        assert_eq!(frame.of_turn(2), turn(2, &[("a", None)], &[]));
    }

    #[test]
    fn what_cannot_be_written_is_no_more() {
        let mut frame = Frame::default();
        frame.set("a", &1);
        frame.set("a", &BTreeMap::from([((1, 2), 3)]));
        frame.set("b", &2);
        assert_eq!(replay(frame.of_turn(1)).pieces, BTreeMap::from([("b".to_owned(), b"2".to_vec())]));
    }

    proptest! {
        #[test]
        fn a_torn_turn_costs_itself_alone(cut in 0..400_usize, flipped in 0..400_usize) {
            let first = turn(1, &[("a", Some(1))], &[Effect::ReopenLogs]);
            let second = turn(2, &[("a", Some(2)), ("b", Some(3))], &[]);
            let mut bytes = [first.clone(), second.clone()].concat();
            bytes.truncate(first.len() + cut % second.len());
            prop_assert_eq!(replay(&bytes), replay(&first));
            let mut bytes = [first.clone(), second.clone()].concat();
            bytes[first.len() + flipped % second.len()] ^= 0x40;
            prop_assert_eq!(replay(&bytes), replay(&first));
        }

        #[test]
        fn whatever_there_is_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = replay(&bytes);
            let _ = take_in(&mut BTreeMap::new(), &bytes);
        }
    }
}
