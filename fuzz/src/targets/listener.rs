//! What an event listener says.

use supervisord::api::ListenerState;
use supervisord::engine::{Heard, Listener};

/// More than this is never remembered, whatever it says: a result line, and some words about it.
const REMEMBERED: usize = 5 * 4096;

/// How its output is cut into pieces does not matter, its moves follow each other, and what is remembered has a limit.
pub fn run(bytes: &[u8]) {
    let Some((state, bytes)) = bytes.split_first() else { return };
    let state =
        [ListenerState::Acknowledged, ListenerState::Ready, ListenerState::Busy, ListenerState::Unknown]
            [usize::from(*state % 4)];
    let (cut, bytes) = super::chunks(bytes);

    let mut whole = Listener::default();
    whole.state = state;
    let mut cut_up = whole.clone();
    let heard = whole.hear(bytes);
    let in_pieces: Vec<Heard> = bytes.chunks(cut).flat_map(|piece| cut_up.hear(piece)).collect();
    assert_eq!(heard, in_pieces);
    assert_eq!(whole, cut_up);
    let saved = serde_json::to_vec(&whole).expect("a listener can be saved");
    assert!(saved.len() <= REMEMBERED, "{} bytes are remembered", saved.len());

    let mut at = state;
    for heard in heard {
        if let Heard::Moved { from, to } = heard {
            assert!(
                from == at && from != to && from != ListenerState::Unknown,
                "{from:?} to {to:?} at {at:?}"
            );
            at = to;
        }
    }
    assert_eq!(at, whole.state);
}
