//! The record: what each turn changes is written behind the turn before, into a file in memory; now and then everything is
//! written once more, and what was before it is given back.
//!
//! ```text
//! 0    form u32, name of the machine's last start (36 bytes)
//! 64   beginning A: generation u64, place u64, checksum u32      128  beginning B
//! 192  deeds that are done: number of the turn u64, how many u64
//! 256  lives that began with this record: three times when, u64 nanoseconds
//! 320  whom the last of them was busy with, u64
//! 4096 turns
//! ```

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use super::frame::{self, Frame, Replay};
use crate::api::Mono;
use crate::engine::Effect;
use crate::system::mapping::Mapping;
use crate::system::memfd::MemFd;
use crate::system::reexec::boot_id;

/// The form of the record. A binary that knows a lower number only begins anew. In form 1 what a process was made from was in
/// its piece.
pub const FORM: u32 = 2;

const BEGINNINGS: [u64; 2] = [64, 128];
const LIVES: u64 = 256;
/// Marks, which are made often: the words at 192, 200 and 320.
const DONE_TURN: usize = 24;
const DONE: usize = 25;
const BUSY: usize = 40;
const TURNS: u64 = 4096;
/// The marks are in so many bytes.
const MARKS: usize = 4096;
/// Bytes that turns may take before everything is written once more; more, if everything takes more.
const SLACK: u64 = 1 << 20;
/// A record that is no longer than that keeps what counts no more, to be written over: to have memory from the kernel takes
/// longer than to write.
const REUSED: u64 = 4 << 20;
/// No record of ours is larger.
const LIMIT: usize = 1 << 30;

/// A record that is being written.
#[derive(Debug)]
pub struct Log {
    memory: MemFd,
    /// Where marks are made without asking the kernel; `None`: a supervisord that did not seal it has made this record.
    marks: Option<Mapping>,
    generation: u64,
    begin: u64,
    end: u64,
    turn: u64,
    /// Where the turns would have ended if they were but what they say together, as far as that is known.
    whole: u64,
    done: u64,
    /// What is written next.
    frame: Frame,
}

/// What a daemon has left in its record.
#[derive(Debug)]
pub struct Found {
    /// To go on with.
    pub log: Log,
    /// Its state, in pieces.
    pub pieces: BTreeMap<String, Vec<u8>>,
    /// What it was to do, and has not done.
    pub undone: Vec<Effect>,
    /// When lives began with this record: the last three.
    pub lives: [Mono; 3],
    /// Whom the last of them was busy with when it ended.
    pub busy: Option<u64>,
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn place(mark: usize) -> u64 {
    (mark * size_of::<u64>()) as u64
}

fn numbers<const N: usize>(memory: &MemFd, at: u64) -> io::Result<[u64; N]> {
    let bytes = memory.read_at(at, N * size_of::<u64>())?;
    Ok(std::array::from_fn(|index| u64_at(&bytes, index * size_of::<u64>())))
}

fn beginning(generation: u64, place: u64) -> Vec<u8> {
    let mut bytes = [generation.to_le_bytes(), place.to_le_bytes()].concat();
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

impl Log {
    /// An empty record.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn create() -> io::Result<Self> {
        let memory = MemFd::create(c"supervisord-record", TURNS)?;
        let marks = Mapping::of(&memory, MARKS).ok();
        let mut head = FORM.to_le_bytes().to_vec();
        head.extend(boot_id().into_bytes());
        memory.write_at(&head, 0)?;
        Ok(Self {
            memory,
            marks,
            generation: 0,
            begin: TURNS,
            end: TURNS,
            turn: 0,
            whole: TURNS,
            done: 0,
            frame: Frame::default(),
        })
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Why it cannot be gone on with, for people.
    pub fn open(fd: OwnedFd) -> Result<Found, String> {
        let memory = MemFd::of(fd);
        let problem = |error: io::Error| format!("it cannot be read: {error}");
        let head = memory.read_at(0, 40).map_err(problem)?;
        let Some((form, boot)) = head.split_first_chunk() else { return Err("it is empty".to_owned()) };
        let form = u32::from_le_bytes(*form);
        if form == 0 || form > FORM {
            return Err(format!("it is of form {form}, and this supervisord knows form {FORM}"));
        }
        if boot.trim_ascii_end() != boot_id().as_bytes() {
            return Err("it is of another start of the machine".to_owned());
        }
        if form < FORM {
            // Whoever goes on with it writes the pieces of this form.
            memory.write_at(&FORM.to_le_bytes(), 0).map_err(problem)?;
        }
        let found = BEGINNINGS.iter().filter_map(|at| {
            let bytes = memory.read_at(*at, 20).ok()?;
            let (generation, place) = (u64_at(&bytes, 0), u64_at(&bytes, 8));
            (bytes == beginning(generation, place)).then_some((generation, place))
        });
        let (generation, begin) = found.max().ok_or("no state was written down yet")?;
        let bytes = memory.read_at(begin, LIMIT).map_err(problem)?;
        let Replay { pieces, deeds, turn, length } = frame::replay(&bytes);
        let [done_turn, done] = numbers(&memory, place(DONE_TURN)).map_err(problem)?;
        let done = if done_turn == turn { done } else { 0 };
        let undone = deeds.into_iter().skip(usize::try_from(done).unwrap_or(usize::MAX)).collect();
        let lives = numbers(&memory, LIVES).map_err(problem)?.map(Mono);
        let [busy] = numbers(&memory, place(BUSY)).map_err(problem)?;
        let end = begin + length as u64;
        let marks = Mapping::of(&memory, MARKS).ok();
        let log =
            Self { memory, marks, generation, begin, end, turn, whole: begin, done, frame: Frame::default() };
        Ok(Found { log, pieces, undone, lives, busy: Some(busy).filter(|id| *id != 0) })
    }

    /// For what a turn has changed, and what is to be done; empty.
    pub fn frame(&mut self) -> &mut Frame {
        self.frame.clear();
        &mut self.frame
    }

    /// Writes that down.
    ///
    /// # Errors
    /// `ENOMEM`: nothing of it counts.
    pub fn append(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let frame = self.frame.of_turn(self.turn + 1);
        self.memory.write_at(frame, self.end)?;
        let length = frame.len() as u64;
        self.end += length;
        if length > self.whole - self.begin {
            // More than there was before: most of it is new, as when a configuration is taken in. Nothing is won by writing it again.
            self.whole += length;
        }
        self.turn += 1;
        self.done = 0;
        Ok(())
    }

    /// Writes so many bytes of it, and no more, as whoever dies doing that.
    #[cfg(test)]
    pub(super) fn tear(&mut self, bytes: u64) {
        let frame = self.frame.of_turn(self.turn + 1);
        let torn = usize::try_from(bytes).unwrap_or(0).min(frame.len() - 1);
        self.memory.write_at(&frame[..torn], self.end).unwrap_or_default();
    }

    /// The turns take more room than they should.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.end - self.whole > SLACK.max(2 * (self.whole - self.begin))
    }

    /// Writes that down, which is everything: what was written before counts no more.
    ///
    /// # Errors
    /// `ENOMEM`: what was written before counts.
    pub fn rewrite(&mut self) -> io::Result<()> {
        // A page of its own, so that all before it can be given back.
        let behind = (self.end + TURNS).next_multiple_of(TURNS);
        let frame = self.frame.of_turn(self.turn + 1);
        // In front of what counts, where there is room: the file must not grow for ever.
        let fits_in_front = TURNS + frame.len() as u64 <= self.begin;
        let begin = if fits_in_front { TURNS } else { behind };
        self.memory.write_at(frame, begin)?;
        self.generation += 1;
        let slot = BEGINNINGS[usize::from(self.generation.is_multiple_of(2))];
        self.memory.write_at(&beginning(self.generation, begin), slot)?;
        let spent = if fits_in_front { self.begin..behind } else { TURNS..begin };
        if behind > REUSED {
            self.memory.punch(spent.start, spent.end);
        }
        self.begin = begin;
        self.end = begin + frame.len() as u64;
        self.whole = self.end;
        self.turn += 1;
        self.done = 0;
        // Large as it is, it is needed no more.
        self.frame.clear();
        Ok(())
    }

    /// Gives back what counts no more.
    pub fn give_back(&self) {
        self.memory.punch(TURNS, self.begin);
        let length = self.memory.length().unwrap_or(0);
        self.memory.punch(self.end.next_multiple_of(TURNS), length);
    }

    /// One more of the deeds that were written down last is done.
    pub fn deed_is_done(&mut self) {
        for (mark, number) in self.steps() {
            self.mark(mark, number);
        }
        self.done += 1;
    }

    /// The marks for one more deed, in their order. The number of a turn and how many of its deeds are done are two words, and
    /// we may die between any two marks. How many counts only where the turn is the last that was written down, and what is
    /// there is of that turn or of one before. So for the first deed it is none, then the turn is named, then it is one:
    /// until then nothing is done, and whoever comes after us does that one deed once more.
    fn steps(&self) -> impl Iterator<Item = (usize, u64)> + use<> {
        let first = [(DONE, 0), (DONE_TURN, self.turn)];
        let known = if self.done == 0 { 0 } else { first.len() };
        first.into_iter().skip(known).chain([(DONE, self.done + 1)])
    }

    /// Makes so many of them, and no more, as whoever dies doing that.
    #[cfg(test)]
    pub(super) fn die_marking(&self, steps: usize) {
        self.steps().take(steps).for_each(|(mark, number)| self.mark(mark, number));
    }

    fn mark(&self, mark: usize, number: u64) {
        match &self.marks {
            Some(marks) => marks.word(mark).store(number.to_le(), Ordering::SeqCst),
            // Without it somebody does a deed once more, or nobody is to blame.
            None => self.memory.write_at(&number.to_le_bytes(), place(mark)).unwrap_or_default(),
        }
    }

    /// A life goes on with this record.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn live(&mut self, lives: [Mono; 3]) -> io::Result<()> {
        self.memory.write_at(&lives.map(|Mono(at)| at.to_le_bytes()).concat(), LIVES)
    }

    /// If we die now, it may be because of that one; `None`: of nobody in particular.
    pub fn busy_with(&self, id: Option<u64>) {
        self.mark(BUSY, id.unwrap_or(0));
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}
