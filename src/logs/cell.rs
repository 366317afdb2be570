//! The cell: what the data plane has taken from a pipe and not yet written, where a daemon that is killed leaves it to the next.
//!
//! It is a piece of memory that somebody keeps for us (`system::shared`). The plane's buffer is in it, and a word that says how
//! far the chunk in that buffer has come:
//!
//! | stage | what is true |
//! |---|---|
//! | `Empty` | nothing is on its way |
//! | `Reading` | what the kernel has moved into the buffer is on its way; it counts that itself, in the same call |
//! | `Writing` | the log, which was so long before, is being appended to: how long it is tells how much has come there |
//! | `Between` | so many bytes of the chunk's text are done: written, or dropped and counted |
//!
//! The chunk's *text* is what is left of it for the log when escapes and captures are taken out; the cell has where the stream
//! stood in these before the chunk (`Carry`), so that the text can be made again. Each step is one store, behind those of what
//! it speaks of; whatever a stage speaks of does not change while it lasts.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

use rustix::fs::fstat;

use super::rotate::Mark;
use crate::system::shared::{BYTES, Shared, WORDS};
pub use carry::Carry;
pub use unwritten::{Echo, Finished, Unwritten};

mod carry;
mod unwritten;

/// What one read can bring.
pub const CHUNK: usize = 128 * 1024;
const SIZE: usize = CHUNK_AT + CHUNK;

/// `SVDCELL` and a number that goes up when the layout changes.
const MAGIC: u64 = u64::from_le_bytes(*b"SVDCELL\x01");

/// The words.
mod at {
    pub(super) const MAGIC: usize = 0;
    pub(super) const STAGE: usize = 1;
    /// Up to where in the file the kernel has filled the buffer.
    pub(super) const END: usize = 2;
    /// Whose chunk it is: the number of its pipe, the lengths of the names below, and where it stood before.
    pub(super) const STREAM: usize = 3;
    pub(super) const WHOSE: usize = 4;
    pub(super) const PATH: usize = 5;
    pub(super) const CARRY: usize = 6;
    /// The log: device, number, length. The number is 0 where that is not known.
    pub(super) const MARK: usize = 10;
    /// Where streams stand between their chunks: each the number of a pipe, and a carry.
    pub(super) const SLOTS: usize = 16;
}
const SLOT: usize = 1 + carry::WORDS;
const SLOTS: usize = (WORDS - at::SLOTS) / SLOT;

/// The bytes: names, and the buffer at the beginning of a page.
const WHOSE_AT: usize = 0;
const WHOSE: usize = 256;
const PATH_AT: usize = WHOSE;
/// What open(2) takes.
const PATH: usize = 4096;
const CHUNK_AT: usize = 8192;

/// How far a chunk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Empty,
    Reading,
    Writing,
    Between,
}

/// The word: how far the chunk has come, whether an event listener's protocol in it was told, and how many bytes of its text
/// are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    stage: Stage,
    told: bool,
    done: usize,
}

impl Word {
    const EMPTY: Self = Self { stage: Stage::Empty, told: false, done: 0 };

    fn pack(self) -> u64 {
        (u64_of(self.done) << 8) | u64::from(self.told) << 4 | self.stage as u64
    }

    fn unpack(word: u64) -> Option<Self> {
        let stage = match word & 0xf {
            0 => Stage::Empty,
            1 => Stage::Reading,
            2 => Stage::Writing,
            3 => Stage::Between,
            _ => return None,
        };
        let told = word & 0xf0 == 0x10;
        let word_of = Self { stage, told, done: usize::try_from(word >> 8).ok()? };
        (word_of.pack() == word).then_some(word_of)
    }
}

/// Whose chunk is read.
pub struct Context<'a> {
    /// The number of the pipe, which no other has while it is there.
    pub stream: u64,
    /// For people.
    pub whose: &'a dyn fmt::Display,
    /// Its log.
    pub path: Option<&'a Path>,
    /// Where it stands.
    pub carry: Carry,
}

/// The buffer of the data plane, and how far what is in it has come.
#[derive(Debug)]
pub struct Cell {
    memory: Shared,
    /// The stream whose names are in it.
    named: Option<u64>,
    /// Streams that stand within something, and in which slot that is.
    standing: HashMap<u64, usize>,
    /// What the daemon before us has left.
    unwritten: Option<Unwritten>,
    /// Where the kernel moves nothing to us.
    copy: Vec<u8>,
}

impl AsFd for Cell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

impl Cell {
    /// An empty one.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`, `ENOSPC`.
    pub fn create() -> io::Result<Self> {
        let memory = Shared::create(c"supervisord-cell", SIZE)?;
        memory.word(at::MAGIC).store(MAGIC, SeqCst);
        Ok(Self::of(memory))
    }

    /// The one that a daemon has left which is no more, and what is unwritten there: [`Plane::start_with`] writes it, before
    /// anything else.
    ///
    /// [`Plane::start_with`]: super::Plane::start_with
    ///
    /// # Errors
    /// `InvalidData` when it is no cell, or one that says what cannot be; those of mmap(2).
    pub fn open(fd: OwnedFd) -> io::Result<(Self, Option<Unwritten>)> {
        let mut cell = Self::of(Shared::open(fd, SIZE)?);
        let magic = cell.get(at::MAGIC);
        if magic != MAGIC {
            let same = magic << 8 == MAGIC << 8;
            return Err(invalid(if same { "it is a cell of another version" } else { "it is no cell" }));
        }
        for slot in 0..SLOTS {
            let stream = cell.get(at::SLOTS + slot * SLOT);
            if stream != 0 {
                cell.standing.insert(stream, slot);
            }
        }
        cell.unwritten = Unwritten::read(&cell)?;
        let unwritten = cell.unwritten.clone();
        Ok((cell, unwritten))
    }

    fn of(memory: Shared) -> Self {
        Self { memory, named: None, standing: HashMap::new(), unwritten: None, copy: Vec::new() }
    }

    /// A descriptor of it, for whoever keeps it.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn keep(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    /// Reads from a pipe, once. What came is on its way from here on.
    pub(super) fn read(&mut self, pipe: &OwnedFd, context: &Context<'_>) -> io::Result<usize> {
        // The stage before speaks of no chunk, or of none that has a byte.
        if self.named != Some(context.stream) {
            self.name(context);
        }
        self.set_carry(at::CARRY, context.carry);
        self.set(at::END, u64_of(BYTES + CHUNK_AT));
        self.step(Word { stage: Stage::Reading, ..Word::EMPTY });
        match self.memory.fill(pipe, at::END, CHUNK) {
            Err(error) if is_no_pipe(&error) => self.read_apart(pipe),
            read => read,
        }
    }

    /// The buffer's first bytes.
    pub(super) fn chunk(&self, length: usize) -> &[u8] {
        self.memory.bytes(CHUNK_AT, length)
    }

    /// A protocol that is in the chunk was told.
    pub(super) fn told(&self) {
        self.step(Word { told: true, ..self.word() });
    }

    /// Text of the chunk is about to be appended there; `None`: where cannot be found again.
    pub fn writing(&self, mark: Option<Mark>) {
        let Mark { device, inode, size } = mark.unwrap_or(Mark { device: 0, inode: 0, size: 0 });
        // The stage is not `Writing`, the only one that speaks of them.
        self.set(at::MARK, device);
        self.set(at::MARK + 1, inode);
        self.set(at::MARK + 2, size);
        self.step(Word { stage: Stage::Writing, ..self.word() });
    }

    /// So many bytes more of its text are done.
    pub fn wrote(&self, count: usize) {
        let word = self.word();
        self.step(Word { stage: Stage::Between, done: word.done + count, ..word });
    }

    /// How many bytes of its text are done.
    pub(super) fn done(&self) -> usize {
        self.word().done
    }

    /// As many are done, whatever became of them.
    pub(super) fn done_with(&self, done: usize) {
        self.step(Word { stage: Stage::Between, done, ..self.word() });
    }

    /// The chunk is done, and its stream stands there now.
    pub(super) fn settle(&mut self, stream: u64, carry: Carry) {
        if !(carry.is_plain() && self.standing.is_empty()) {
            self.stand(stream, carry);
        }
        self.step(Word::EMPTY);
    }

    /// Where a stream stands, between its chunks.
    pub(super) fn stands(&self, stream: u64) -> Option<Carry> {
        let slot = self.standing.get(&stream)?;
        self.carry(at::SLOTS + slot * SLOT + 1)
    }

    /// A stream has ended.
    pub(super) fn forget(&mut self, stream: u64) {
        self.stand(stream, Carry::default());
    }

    /// Remembers where a stream stands; where too many stand within something, that is not known later.
    fn stand(&mut self, stream: u64, carry: Carry) {
        let known = self.standing.get(&stream).copied();
        if carry.is_plain() {
            if let Some(slot) = known {
                self.set(at::SLOTS + slot * SLOT, 0);
                self.standing.remove(&stream);
            }
            return;
        }
        let free = || (0..SLOTS).find(|slot| self.get(at::SLOTS + slot * SLOT) == 0);
        let Some(slot) = known.or_else(free) else { return };
        self.set_carry(at::SLOTS + slot * SLOT + 1, carry);
        self.set(at::SLOTS + slot * SLOT, stream);
        self.standing.insert(stream, slot);
    }

    /// Where splice(2) moves nothing, a copy is taken; a death between the two calls loses it.
    fn read_apart(&mut self, from: &OwnedFd) -> io::Result<usize> {
        self.copy.resize(CHUNK, 0);
        let count = rustix::io::read(from, &mut self.copy[..])?;
        self.memory.put(CHUNK_AT, &self.copy[..count]);
        self.set(at::END, u64_of(BYTES + CHUNK_AT + count));
        Ok(count)
    }

    fn name(&mut self, context: &Context<'_>) {
        let mut whose = [0; WHOSE];
        let mut free = &mut whose[..];
        // What does not fit in is left out.
        let _ = write!(free, "{}", context.whose);
        let free = free.len();
        let whose = &whose[..WHOSE - free];
        // What is longer cannot be opened.
        let path = context.path.map(|path| path.as_os_str().as_bytes()).filter(|path| path.len() < PATH);
        let path = path.unwrap_or_default();
        self.memory.put(WHOSE_AT, whose);
        self.memory.put(PATH_AT, path);
        self.set(at::STREAM, context.stream);
        self.set(at::WHOSE, u64_of(whose.len()));
        self.set(at::PATH, u64_of(path.len()));
        self.named = Some(context.stream);
    }

    fn word(&self) -> Word {
        // Only ours are stored there, and `open` has looked at what it found.
        Word::unpack(self.get(at::STAGE)).unwrap_or(Word::EMPTY)
    }

    fn step(&self, word: Word) {
        self.set(at::STAGE, word.pack());
    }

    fn carry(&self, at: usize) -> Option<Carry> {
        Carry::unpack(std::array::from_fn(|word| self.get(at + word)))
    }

    fn set_carry(&self, at: usize, carry: Carry) {
        carry.pack().into_iter().enumerate().for_each(|(word, value)| self.set(at + word, value));
    }

    fn get(&self, word: usize) -> u64 {
        self.memory.word(word).load(SeqCst)
    }

    fn set(&self, word: usize, value: u64) {
        self.memory.word(word).store(value, SeqCst);
    }
}

/// The number of a pipe, which no other has while it is there.
pub(super) fn stream_of(pipe: &OwnedFd) -> u64 {
    fstat(pipe).map_or(0, |found| found.st_ino)
}

/// It cannot be spliced from, or nothing can here.
fn is_no_pipe(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn u64_of(size: usize) -> u64 {
    // No machine has sizes of more bits.
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
