//! Capture mode, and the removal of escapes before it.

use supervisord::logs::ansi::Stripper;
use supervisord::logs::capture::{BEGIN, Capture, END, Piece};

/// No byte is lost or made up, no more is held back than the start of a token, and chunks do not matter.
pub fn run(bytes: &[u8]) {
    let Some((limit, bytes)) = bytes.split_first() else { return };
    let limit = usize::from(*limit);
    let (cut, bytes) = super::chunks(bytes);
    let whole = Seen::of(limit, [bytes]);
    let cut_up = Seen::of(limit, bytes.chunks(cut));
    assert_eq!(whole.stream, bytes);
    assert_eq!(whole, cut_up);

    let stripped = strip([bytes]);
    assert_eq!(stripped, strip(bytes.chunks(cut)));
    assert!(stripped.len() <= bytes.len());
    if !bytes.contains(&0x1b) {
        assert_eq!(stripped, bytes);
    }
}

fn strip<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut stripper, mut out) = (Stripper::default(), Vec::new());
    for chunk in chunks {
        stripper.strip(chunk, &mut out);
    }
    stripper.finish(&mut out);
    out
}

/// What was given on: the stream put together again, and the messages.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    stream: Vec<u8>,
    messages: Vec<Vec<u8>>,
    unfinished: Option<usize>,
    /// The message on its way, if there is one.
    message: Option<Vec<u8>>,
}

impl Seen {
    fn of<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut capture, mut seen) = (Capture::new(limit), Self::default());
        let mut fed = 0;
        for chunk in chunks {
            capture.feed(chunk, &mut |piece| seen.take(piece, limit));
            fed += chunk.len();
            // BEGIN is seen only with what comes after it.
            assert!(fed - seen.stream.len() < BEGIN.len() + END.len(), "too much is held back");
        }
        seen.unfinished = capture.finish(&mut |piece| seen.take(piece, limit));
        if let Some(kept) = seen.unfinished {
            let length = seen.begun().len();
            assert_eq!(kept, length.min(limit));
        }
        seen
    }

    fn begun(&mut self) -> &mut Vec<u8> {
        if self.message.is_none() {
            self.stream.extend_from_slice(BEGIN);
        }
        self.message.get_or_insert_default()
    }

    fn take(&mut self, piece: Piece<'_>, limit: usize) {
        match piece {
            Piece::Log(bytes) => {
                assert!(self.message.is_none(), "a message is no log");
                self.stream.extend_from_slice(bytes);
            }
            Piece::Captured(bytes) => {
                self.begun().extend_from_slice(bytes);
                self.stream.extend_from_slice(bytes);
            }
            Piece::Message(newest) => {
                let whole = self.begun();
                assert_eq!(newest, &whole[whole.len().saturating_sub(limit)..]);
                self.stream.extend_from_slice(END);
                self.messages.extend(self.message.take());
            }
        }
    }
}
