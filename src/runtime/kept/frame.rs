//! A turn as bytes: what it has changed, and what is to be done. Whether a turn was written to its end can be told.
//!
//! ```text
//! magic u32 │ length of the body u32 │ number of the turn u64 │ checksum of number and body u32 │ body
//! body: (kind u8 │ length of the name u32 │ name │ length of the value u32 │ value)…
//! ```

use std::collections::BTreeMap;

use crate::engine::{Change, Effect};

const MAGIC: u32 = 0x5356_5244;
const HEAD: usize = 20;
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

fn length(bytes: &[u8]) -> [u8; 4] {
    // Nothing of ours is as long: a value of a configuration is bounded, and so is what waits for a stdin.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// A turn, to be written after the one before.
#[must_use]
pub fn encode(turn: u64, changes: &[Change], deeds: &[&Effect]) -> Vec<u8> {
    let mut frame = vec![0; HEAD];
    let mut add = |kind: u8, name: &[u8], value: &[u8]| {
        frame.push(kind);
        for part in [name, value] {
            frame.extend_from_slice(&length(part));
            frame.extend_from_slice(part);
        }
    };
    for (name, piece) in changes {
        match piece {
            Some(piece) => add(SET, name.as_bytes(), piece),
            None => add(GONE, name.as_bytes(), &[]),
        }
    }
    if !deeds.is_empty() {
        // Plain data.
        add(DEEDS, &[], &serde_json::to_vec(deeds).unwrap_or_default());
    }
    let (head, body) = frame.split_at_mut(HEAD);
    head[..4].copy_from_slice(&MAGIC.to_le_bytes());
    head[4..8].copy_from_slice(&length(body));
    head[8..16].copy_from_slice(&turn.to_le_bytes());
    head[16..].copy_from_slice(&checksum(turn, body).to_le_bytes());
    frame
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
    use proptest::prelude::*;

    use super::*;
    use crate::engine::ProcessId;

    fn change(name: &str, piece: Option<&str>) -> Change {
        (name.to_owned(), piece.map(|text| text.as_bytes().to_vec()))
    }

    #[test]
    fn turns_come_to_the_state_after_the_last_and_its_deeds() {
        let forget = Effect::Forget { id: ProcessId(7) };
        let mut bytes = encode(5, &[change("a", Some("1")), change("b", Some("2"))], &[&Effect::ReopenLogs]);
        bytes.extend(encode(6, &[change("a", None), change("c", Some(""))], &[&forget]));
        let replayed = replay(&bytes);
        assert_eq!(replayed.pieces.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((replayed.deeds, replayed.turn, replayed.length), (vec![forget], 6, bytes.len()));
        bytes.extend(encode(8, &[change("d", Some("1"))], &[]));
        assert_eq!(replay(&bytes).turn, 6, "a turn is missing");
        assert_eq!(replay(b""), Replay::default());
    }

    proptest! {
        #[test]
        fn a_torn_turn_costs_itself_alone(cut in 0..400_usize, flipped in 0..400_usize) {
            let first = encode(1, &[change("a", Some("1"))], &[&Effect::ReopenLogs]);
            let second = encode(2, &[change("a", Some("2")), change("b", Some("3"))], &[]);
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
