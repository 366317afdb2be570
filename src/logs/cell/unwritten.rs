//! What a daemon that was killed has left in its cell, and how it gets to its log.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::{
    BYTES, CHUNK, CHUNK_AT, Carry, Cell, PATH, PATH_AT, Stage, WHOSE, WHOSE_AT, Word, at, invalid, u64_of,
};
use crate::api::{Level, Notice};
use crate::logs::capture::Piece;
use crate::logs::rotate::Mark;
use crate::logs::sink::FileSink;
use crate::system::io_errno_name;
use crate::system::output::Output;

/// How much that others have written behind our text is looked through for it.
const LOOK: u64 = 16 << 20;

/// A chunk that was on its way when a daemon died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritten {
    stream: u64,
    whose: String,
    path: Option<PathBuf>,
    chunk: Vec<u8>,
    carry: Carry,
    word: Word,
    mark: Option<Mark>,
    /// What of it is for the log, and where the stream stands behind it.
    text: Vec<u8>,
    after: Carry,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of the {} were on their way", self.chunk.len(), self.whose)
    }
}

/// What the log has already is still to be told to others, once its stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// The number of the pipe.
    pub stream: u64,
    /// The bytes.
    pub chunk: Vec<u8>,
    /// Where the stream stood before them.
    pub carry: Carry,
    /// A protocol in them was told already.
    pub told: bool,
}

/// What became of a chunk.
#[derive(Debug, Default)]
pub struct Finished {
    /// For people.
    pub said: Vec<Notice>,
    /// For its stream.
    pub echo: Option<Echo>,
}

impl Unwritten {
    /// Reads what a cell says; `None`: nothing is on its way.
    pub(super) fn read(cell: &Cell) -> io::Result<Option<Self>> {
        let word = Word::unpack(cell.get(at::STAGE)).ok_or_else(|| invalid("its stage is none"))?;
        if word.stage == Stage::Empty {
            return Ok(None);
        }
        let number = |word: usize| usize::try_from(cell.get(word)).unwrap_or(usize::MAX);
        let length = number(at::END).checked_sub(BYTES + CHUNK_AT).filter(|length| *length <= CHUNK);
        let length = length.ok_or_else(|| invalid("its buffer ends where it cannot"))?;
        if length == 0 && word.stage == Stage::Reading {
            // Nothing came; what the rest says may be half of the next.
            return Ok(None);
        }
        let (whose, path) = (number(at::WHOSE), number(at::PATH));
        if whose > WHOSE || path >= PATH {
            return Err(invalid("its names are too long"));
        }
        let carry = cell.carry(at::CARRY).ok_or_else(|| invalid("its stream stands nowhere"))?;
        let chunk = cell.chunk(length).to_vec();
        let (text, after) = text_of(&chunk, carry);
        if word.done > text.len() {
            return Err(invalid("more is done than there is"));
        }
        let whose = String::from_utf8_lossy(cell.memory.bytes(WHOSE_AT, whose)).into_owned();
        let path = OsStr::from_bytes(cell.memory.bytes(PATH_AT, path));
        let mark =
            Mark { device: cell.get(at::MARK), inode: cell.get(at::MARK + 1), size: cell.get(at::MARK + 2) };
        Ok(Some(Self {
            stream: cell.get(at::STREAM),
            whose,
            path: (!path.is_empty()).then(|| path.into()),
            chunk,
            carry,
            word,
            mark: (mark.inode != 0).then_some(mark),
            text,
            after,
        }))
    }

    /// How many bytes of the text are done, now that nobody is at it any more.
    fn done(&self, place: Option<&Place>) -> usize {
        let rest = &self.text[self.word.done..];
        let arrived = match (self.word.stage, self.mark, place) {
            (Stage::Writing, Some(mark), Some(place)) => place.arrived(mark.size, rest).unwrap_or(0),
            // Its file is gone, with whatever has come there.
            (Stage::Writing, Some(_), None) => 0,
            // What cannot be looked at took it, for all that is known: rather not twice.
            (Stage::Writing, None, _) => rest.len(),
            _ => 0,
        };
        self.word.done + arrived
    }
}

/// What of a chunk is for the log, and where its stream stands behind it.
fn text_of(chunk: &[u8], carry: Carry) -> (Vec<u8>, Carry) {
    let (mut stripper, mut capture) = (carry.stripper(), carry.capture(0));
    let mut plain = Vec::with_capacity(chunk.len());
    match &mut stripper {
        Some(stripper) => stripper.strip(chunk, &mut plain),
        None => plain.extend_from_slice(chunk),
    }
    let text = match &mut capture {
        None => plain,
        Some(capture) => {
            let mut text = Vec::with_capacity(plain.len());
            let mut keep = |piece: Piece<'_>| {
                if let Piece::Log(bytes) = piece {
                    text.extend_from_slice(bytes);
                }
            };
            if !plain.is_empty() {
                capture.feed(&plain, &mut keep);
            }
            text
        }
    };
    (text, Carry::new(stripper.as_ref(), capture.as_ref()))
}

/// The file that was being written, whatever it is called now.
struct Place {
    path: PathBuf,
    found: Metadata,
}

impl Place {
    /// Looks for a file by its number: a rotation may have given it another name.
    fn find(log: &Path, mark: Mark) -> Option<Self> {
        let is_it =
            |found: &Metadata| found.is_file() && (found.dev(), found.ino()) == (mark.device, mark.inode);
        if let Some(found) = fs::metadata(log).ok().filter(is_it) {
            return Some(Self { path: log.to_owned(), found });
        }
        let entries = fs::read_dir(log.parent()?).ok()?;
        let entry = entries.flatten().find(|entry| entry.ino() == mark.inode)?;
        let found = entry.metadata().ok().filter(is_it)?;
        Some(Self { path: entry.path(), found })
    }

    /// How many bytes of a text have come there, behind its first `size` bytes. Others may have written as well.
    fn arrived(&self, size: u64, text: &[u8]) -> io::Result<usize> {
        // Emptied meanwhile: nothing of it is there.
        let Some(more) = self.found.len().checked_sub(size) else { return Ok(0) };
        let mut behind = Vec::new();
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(size))?;
        file.take(more.min(LOOK)).read_to_end(&mut behind)?;
        let common = behind.len().min(text.len());
        if behind[..common] == text[..common] {
            return Ok(common);
        }
        Ok(memmem::find(&behind, text).map_or(0, |_| text.len()))
    }
}

impl Cell {
    /// Brings to its log what the daemon before us had on its way: once, also when that is cut off itself.
    pub(in crate::logs) fn finish(&mut self) -> Finished {
        let Some(unwritten) = self.unwritten.take() else { return Finished::default() };
        let mut said = Vec::new();
        if let Some(path) = &unwritten.path {
            let place = unwritten.mark.and_then(|mark| Place::find(path, mark));
            let done = unwritten.done(place.as_ref());
            // From here on the mark is no evidence any more: it was weighed.
            self.done_with(done);
            let rest = unwritten.text.len() - done;
            match self.append(path, place.as_ref(), &unwritten.text[done..]) {
                Ok(notices) => {
                    let text =
                        format!("{unwritten} when supervisord died; {rest} of them were still to be written");
                    said.push(Notice::other(Level::Info, text));
                    said.extend(notices);
                }
                Err(error) => {
                    let log = path.display();
                    let text =
                        format!("{unwritten} to '{log}' when supervisord died: {}", io_errno_name(&error));
                    said.push(Notice::other(Level::Error, text));
                }
            }
        }
        self.settle(unwritten.stream, unwritten.after);
        let Unwritten { stream, chunk, carry, word, .. } = unwritten;
        Finished { said, echo: Some(Echo { stream, chunk, carry, told: word.told }) }
    }

    fn append(&self, path: &Path, place: Option<&Place>, rest: &[u8]) -> io::Result<Vec<Notice>> {
        // A rotation may have been cut off before it has made the new file.
        let moved = place.filter(|place| place.path != path);
        if let Some(Place { found, .. }) = moved {
            Output::open(path, Some(found.permissions().mode() & 0o7777))?;
        }
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        let mut sink = FileSink::open(path, 0, 0)?;
        Ok(sink.write_from(rest, Some(self)).said)
    }
}

impl Unwritten {
    /// How many bytes the chunk has.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64_of(self.chunk.len())
    }

    /// It has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty()
    }
}
