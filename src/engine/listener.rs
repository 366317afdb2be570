//! One event listener: what its stdout says, in Supervisor's protocol (Supervisor 4.3 `dispatchers.py`, `PEventListenerDispatcher`).
//!
//! ```text
//!  ACKNOWLEDGED ──READY\n──▶ READY ──event──▶ BUSY ──RESULT n\n…──▶ ACKNOWLEDGED
//!        └──anything else───────┴──anything────┴──bad result line──▶ UNKNOWN, until it is restarted
//! ```

use serde::{Deserialize, Serialize};

use super::pool::Pending;
use crate::api::{ListenerState, Mono};

const READY: &[u8] = b"READY\n";
/// What of a result line is skipped unread: `RESULT `.
const RESULT: usize = 7;
/// A result line that is longer is none: what is kept of a listener has a limit.
const LINE_LIMIT: usize = 4096;
const OK: &[u8] = b"OK";

/// What is remembered of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Where it stands in the protocol.
    pub state: ListenerState,
    /// What it was told last and has not answered.
    pub(super) event: Option<Pending>,
    /// Nothing can be written to it any more.
    pub(super) deaf: bool,
    /// When it is restarted because it broke the protocol.
    pub(super) restart_at: Option<Mono>,
    /// How often it broke the protocol since it last processed an event.
    pub(super) violations: u32,
    received: Vec<u8>,
    result: Option<Gathering>,
}

/// A result on its way. Of its bytes only those that can matter are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Gathering {
    missing: usize,
    start: Vec<u8>,
}

/// What came out of some output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Its place in the protocol changed.
    #[expect(missing_docs, reason = "from one place to another")]
    Moved { from: ListenerState, to: ListenerState },
    /// It answered OK.
    Processed,
    /// It answered anything else.
    Rejected,
    /// What should have been a result line was none.
    BadResult(Vec<u8>),
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            state: ListenerState::Acknowledged,
            event: None,
            deaf: false,
            restart_at: None,
            violations: 0,
            received: Vec::new(),
            result: None,
        }
    }
}

impl Listener {
    /// A fresh process: nothing is known of it but how often its like broke the protocol.
    pub(super) fn begin(&mut self) {
        *self = Self { violations: self.violations, ..Self::default() };
    }

    /// An event can be sent to it.
    pub(super) fn is_free(&self) -> bool {
        self.state == ListenerState::Ready && !self.deaf
    }

    /// Takes in what it wrote.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.received.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while self.step(&mut heard) {}
        heard
    }

    /// It wrote more than can be taken in.
    pub(super) fn flooded(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        self.violate(&mut heard);
        heard
    }

    /// Understands one more piece; false: nothing more can be made of what there is.
    fn step(&mut self, heard: &mut Vec<Heard>) -> bool {
        match self.state {
            ListenerState::Unknown => self.received.clear(),
            ListenerState::Acknowledged if self.received.len() < READY.len() => {}
            ListenerState::Acknowledged if self.received.starts_with(READY) => {
                self.received.drain(..READY.len());
                self.enter(ListenerState::Ready, heard);
                return true;
            }
            ListenerState::Ready if self.received.is_empty() => {}
            ListenerState::Acknowledged | ListenerState::Ready => self.violate(heard),
            ListenerState::Busy => return self.step_busy(heard),
        }
        false
    }

    fn step_busy(&mut self, heard: &mut Vec<Heard>) -> bool {
        match &mut self.result {
            None => self.read_result_line(heard),
            Some(result) => {
                let count = result.missing.min(self.received.len());
                // Three bytes tell OK from anything else.
                let kept = (OK.len() + 1).saturating_sub(result.start.len()).min(count);
                result.start.extend_from_slice(&self.received[..kept]);
                result.missing -= count;
                self.received.drain(..count);
                if result.missing > 0 {
                    return false;
                }
                let outcome = if result.start == OK { Heard::Processed } else { Heard::Rejected };
                self.result = None;
                heard.push(outcome);
                self.enter(ListenerState::Acknowledged, heard);
                true
            }
        }
    }

    fn read_result_line(&mut self, heard: &mut Vec<Heard>) -> bool {
        let end = self.received.iter().take(LINE_LIMIT).position(|byte| *byte == b'\n');
        let Some(end) = end else {
            if self.received.len() >= LINE_LIMIT {
                let line = std::mem::take(&mut self.received);
                heard.push(Heard::BadResult(line[..LINE_LIMIT].to_vec()));
                self.violate(heard);
            }
            return false;
        };
        let line: Vec<u8> = self.received.drain(..=end).take(end).collect();
        let length = line.get(RESULT..).and_then(|digits| std::str::from_utf8(digits).ok());
        match length.and_then(|digits| digits.trim().parse().ok()) {
            Some(missing) => self.result = Some(Gathering { missing, start: Vec::new() }),
            None => {
                heard.push(Heard::BadResult(line));
                self.violate(heard);
            }
        }
        true
    }

    fn violate(&mut self, heard: &mut Vec<Heard>) {
        self.received.clear();
        self.result = None;
        if self.state != ListenerState::Unknown {
            self.violations = self.violations.saturating_add(1);
            self.enter(ListenerState::Unknown, heard);
        }
    }

    fn enter(&mut self, to: ListenerState, heard: &mut Vec<Heard>) {
        heard.push(Heard::Moved { from: self.state, to });
        self.state = to;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ListenerState::{Acknowledged, Busy, Ready, Unknown};

    fn in_state(state: ListenerState) -> Listener {
        Listener { state, ..Listener::default() }
    }

    fn moved(from: ListenerState, to: ListenerState) -> Heard {
        Heard::Moved { from, to }
    }

    #[test]
    fn ready_must_be_said_in_full() {
        let mut listener = in_state(Acknowledged);
        assert_eq!(listener.hear(b"READY"), []);
        assert_eq!(listener.hear(b"\n"), [moved(Acknowledged, Ready)]);
        assert_eq!(in_state(Acknowledged).hear(b"hello\n"), [moved(Acknowledged, Unknown)]);
        assert_eq!(in_state(Acknowledged).hear(b"hell"), []);
    }

    #[test]
    fn nothing_may_be_said_while_ready() {
        assert_eq!(in_state(Ready).hear(b"x"), [moved(Ready, Unknown)]);
    }

    #[test]
    fn a_result_is_processed_rejected_or_bad() {
        let done = |outcome| vec![outcome, moved(Busy, Acknowledged)];
        assert_eq!(in_state(Busy).hear(b"RESULT 2\nOK"), done(Heard::Processed));
        assert_eq!(in_state(Busy).hear(b"unread.2\nOK"), done(Heard::Processed));
        assert_eq!(in_state(Busy).hear(b"RESULT 4\nFAIL"), done(Heard::Rejected));
        assert_eq!(in_state(Busy).hear(b"RESULT 3\nOK!"), done(Heard::Rejected));
        assert_eq!(in_state(Busy).hear(b"RESULT 0\n"), done(Heard::Rejected));
        let bad = |line: &[u8]| vec![Heard::BadResult(line.to_vec()), moved(Busy, Unknown)];
        assert_eq!(in_state(Busy).hear(b"RESULT x\nOK"), bad(b"RESULT x"));
        assert_eq!(in_state(Busy).hear(b"RES\n"), bad(b"RES"));
        assert_eq!(in_state(Busy).hear(b"RESULT -1\n"), bad(b"RESULT -1"));
        assert_eq!(in_state(Busy).hear(&[b'x'; 5000]), bad(&[b'x'; 4096]));
    }

    #[test]
    fn what_is_kept_of_a_listener_has_a_limit() {
        let mut listener = in_state(Busy);
        listener.hear(b"RESULT 1000000\n");
        for _ in 0..99 {
            listener.hear(&[b'x'; 10_000]);
            assert!(listener.received.len() + listener.result.as_ref().map_or(0, |r| r.start.len()) < 10);
        }
        assert_eq!(listener.hear(&[b'x'; 10_000])[0], Heard::Rejected);
        let mut broken = in_state(Unknown);
        broken.hear(&[b'x'; 10_000]);
        assert!(broken.received.is_empty());
    }

    proptest! {
        #[test]
        fn how_output_is_cut_into_pieces_does_not_matter(
            state in prop::sample::select(vec![Acknowledged, Ready, Busy, Unknown]),
            pieces in prop::collection::vec(
                prop::sample::select(vec!["READY\n", "RESULT 2\nOK", "RESULT 4\nFAIL", "x", "\n", "RESULT q\n"]), 0..6),
            cut in 1..9_usize,
        ) {
            let text = pieces.concat();
            let mut whole = in_state(state);
            let mut cut_up = in_state(state);
            let heard = whole.hear(text.as_bytes());
            let heard_in_pieces: Vec<_> = text.as_bytes().chunks(cut).flat_map(|piece| cut_up.hear(piece)).collect();
            prop_assert_eq!(heard, heard_in_pieces);
            prop_assert_eq!(whole, cut_up);
        }
    }
}
