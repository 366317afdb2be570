//! The record that a daemon which died has left: its turns, and its pieces.

use std::collections::BTreeMap;

use supervisord::api::{Mono, Now, WallSecs};
use supervisord::engine::{Change, Engine, Input};
use supervisord::runtime::kept::frame::{encode, replay};

/// Turns as they are in memory; behind a `J` pieces of them: a name, a tab and JSON in each line.
pub fn run(bytes: &[u8]) {
    let pieces = match bytes.split_first() {
        Some((b'J', lines)) => pieces(lines),
        _ => replay(bytes).pieces,
    };
    let changes: Vec<Change> =
        pieces.iter().map(|(name, piece)| (name.clone(), Some(piece.clone()))).collect();
    assert_eq!(replay(&encode(7, &changes, &[])).pieces, pieces, "what is written is read");
    let Ok(mut engine) = Engine::of_pieces(&pieces) else { return };
    let everything: BTreeMap<String, Vec<u8>> =
        engine.take_everything().into_iter().filter_map(|(name, piece)| Some((name, piece?))).collect();
    assert_eq!(Engine::of_pieces(&everything).as_ref(), Ok(&engine), "and is the same");
    engine.handle(Now { mono: Mono(1 << 40), wall: WallSecs(1 << 30) }, Input::Recovered);
    while engine.poll_effect().is_some() {}
}

fn pieces(lines: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let lines = lines.split(|byte| *byte == b'\n');
    let piece = |line: &[u8]| {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        Some((String::from_utf8(line[..tab].to_vec()).ok()?, line[tab + 1..].to_vec()))
    };
    lines.filter_map(piece).collect()
}
