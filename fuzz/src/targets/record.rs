//! The record that a daemon which died has left: its turns, and its pieces.

use std::collections::BTreeMap;

use supervisord::api::{Mono, Now, WallSecs};
use supervisord::engine::{Engine, Input};
use supervisord::runtime::kept::frame::{Frame, replay};

/// Turns as they are in memory; behind a `J` pieces of them: a name, a tab and JSON in each line.
pub fn run(bytes: &[u8]) {
    let pieces = match bytes.split_first() {
        Some((b'J', lines)) => pieces(lines),
        _ => replay(bytes).pieces,
    };
    let mut frame = Frame::default();
    pieces.iter().for_each(|(name, piece)| frame.copy(name, piece));
    assert_eq!(replay(frame.of_turn(7)).pieces, pieces, "what is written is read");
    let Ok(mut engine) = Engine::of_pieces(&pieces) else { return };
    let mut everything = BTreeMap::new();
    engine.write_everything(&mut everything);
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
