//! One stream of one child: what was read → escapes removed → captures taken out → sinks, main log, events.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::budget::Budget;
use super::buffer::Buffer;
use super::drops::Drops;
use super::pace::{Pace, Room};
use super::pause::ChannelRecord;
use super::{ChannelId, ChannelSpec, Notify, PlaneEvent, Prepared, Purpose, SharedFile};
use crate::api::text::{decoded, python_bytes};
use crate::api::{Event, Level, Notice};
use crate::logs::ansi::Stripper;
use crate::logs::capture::{Capture, Piece};
use crate::logs::cell::{CHUNK, Carry, Cell, Context, Echo};
use crate::logs::last_words::LastWords;
use crate::logs::sink::journal::Lines;
use crate::logs::sink::{Journal, Syslog, Written};

/// What can be on its way to the supervision thread: a flood of output must not fill the memory.
const IN_FLIGHT: usize = 4 << 20;

/// The sinks' common means: nothing is allocated for a line.
pub(super) struct Output {
    pub(super) buffer: Buffer,
    stripped: Vec<u8>,
    wires: Wires,
}

/// What becomes of a chunk's text in the log.
#[derive(Clone, Copy)]
enum Text<'a> {
    /// It is written.
    New,
    /// It is written, and the cell is told how far that has come.
    Kept(&'a Cell),
    /// It was written by the daemon before us, or for it.
    Old,
}

/// Where pieces go besides the channel's own file.
struct Wires {
    syslog: Syslog,
    notify: Notify,
    budget: Budget,
    drops: Drops,
}

/// What became of a read.
pub(super) enum Outcome {
    /// So many bytes came.
    More(usize),
    Empty,
    Closed,
}

/// A stream that is read.
pub(super) struct Channel {
    pub(super) fd: OwnedFd,
    /// The number of its pipe; 0 where nobody asks for it, because there is no cell.
    pub(super) stream: u64,
    room: Room,
    stripper: Option<Stripper>,
    capture: Option<Box<Capture>>,
    last_words: LastWords,
    drain: Drain,
}

/// Where a channel's pieces go.
struct Drain {
    spec: ChannelSpec,
    file: Option<SharedFile>,
    journal: Option<Box<Lines>>,
    /// Events that found no room on their way, since the last that did.
    lost: u64,
}

impl Output {
    pub(super) fn new(buffer: Buffer, notify: Notify, drops: Drops) -> Self {
        let wires = Wires { syslog: Syslog::default(), notify, budget: Budget::new(IN_FLIGHT), drops };
        Self { buffer, stripped: Vec::with_capacity(CHUNK), wires }
    }

    pub(super) fn drops(&self) -> &Drops {
        &self.wires.drops
    }
}

impl Channel {
    pub(super) fn new(fd: OwnedFd, stream: u64, Prepared { spec, file, journal }: Prepared) -> Self {
        let limit = match spec.purpose {
            Purpose::Program { capture, .. } => capture,
            Purpose::Listener(_) => 0,
        };
        let journal = lines_of(&spec, journal, file.is_some()).map(Box::new);
        Self {
            stream,
            room: Room::default(),
            fd,
            stripper: spec.strip_ansi.then(Stripper::default),
            capture: (limit > 0).then(|| Box::new(Capture::new(limit))),
            last_words: LastWords::default(),
            drain: Drain { spec, file, journal, lost: 0 },
        }
    }

    /// What is known of it between two reads.
    pub(super) fn record(&self, id: ChannelId) -> ChannelRecord {
        ChannelRecord {
            id,
            fd: self.fd.as_raw_fd(),
            spec: self.drain.spec.clone(),
            stripper: self.stripper.clone(),
            capture: self.capture.as_deref().cloned(),
            last_words: self.last_words.clone(),
            lost: self.drain.lost,
            journal: self.drain.journal.as_deref().map(Lines::record).unwrap_or_default(),
        }
    }

    /// Waits a while for what is on its way to the journal.
    pub(super) fn settle(&self, limit: Duration) -> bool {
        self.drain.journal.as_ref().is_none_or(|lines| lines.settle(limit))
    }

    /// Goes on with a stream.
    pub(super) fn resume(
        record: ChannelRecord,
        fd: OwnedFd,
        stream: u64,
        file: Option<SharedFile>,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        let ChannelRecord { spec, stripper, capture, last_words, lost, journal: lines, .. } = record;
        let journal = lines_of(&spec, journal, file.is_some()).map(|begun| begun.resume(lines)).map(Box::new);
        let capture = capture.map(Box::new);
        let drain = Drain { spec, file, journal, lost };
        Self { fd, stream, room: Room::default(), stripper, capture, last_words, drain }
    }

    pub(super) fn spec(&self) -> &ChannelSpec {
        &self.drain.spec
    }

    pub(super) fn file(&self) -> Option<&SharedFile> {
        self.drain.file.as_ref()
    }

    pub(super) fn path(&self) -> Option<&Arc<Path>> {
        self.drain.spec.target.as_ref()
    }

    /// Reads once, and writes that out.
    pub(super) fn pump(&mut self, output: &mut Output) -> Outcome {
        let n = match output.buffer.read(self) {
            Ok(0) => return Outcome::Closed,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Empty,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Outcome::More(0),
            Err(_) => return Outcome::Closed,
        };
        let Output { buffer, stripped, wires } = output;
        let cell = buffer.cell();
        self.drain.protocol(buffer.chunk(n), wires);
        if let (Some(cell), Purpose::Listener(_)) = (cell, self.drain.spec.purpose) {
            cell.told();
        }
        self.pass(buffer.chunk(n), cell.map_or(Text::New, Text::Kept), stripped, wires);
        buffer.settle(self);
        Outcome::More(n)
    }

    /// A turn of the thread has brought so much.
    pub(super) fn pace(&mut self, count: usize, pace: &mut Pace) {
        self.room.look(&self.fd);
        pace.heard(count, &mut self.room);
        self.room.widen(&self.fd);
    }

    /// Where it is read.
    pub(super) fn context(&self) -> Context<'_> {
        let path = self.drain.spec.target.as_deref().filter(|_| self.drain.file.is_some());
        Context { stream: self.stream, whose: &self.drain.spec.source, path, carry: self.carry() }
    }

    /// Where it stands.
    pub(super) fn carry(&self) -> Carry {
        Carry::new(self.stripper.as_ref(), self.capture.as_deref())
    }

    /// Goes on where the stream stood when a daemon died.
    pub(super) fn stand(&mut self, carry: Carry) {
        if let (Some(stripper), Some(stood)) = (&mut self.stripper, carry.stripper()) {
            *stripper = stood;
        }
        if let Some(capture) = &mut self.capture {
            **capture = carry.capture(capture.limit()).unwrap_or_else(|| Capture::new(capture.limit()));
        }
    }

    /// Tells everybody but the log what was on its way when a daemon died.
    pub(super) fn echo(&mut self, echo: &Echo, output: &mut Output) {
        let Output { stripped, wires, .. } = output;
        self.stand(echo.carry);
        if !echo.told {
            self.drain.protocol(&echo.chunk, wires);
        }
        self.pass(&echo.chunk, Text::Old, stripped, wires);
    }

    fn pass(&mut self, chunk: &[u8], text: Text<'_>, stripped: &mut Vec<u8>, wires: &mut Wires) {
        self.last_words.hear(chunk);
        let bytes = match &mut self.stripper {
            Some(stripper) => {
                stripped.clear();
                stripper.strip(chunk, stripped);
                &stripped[..]
            }
            None => chunk,
        };
        self.take_in(bytes, text, wires);
    }

    /// The stream has ended: writes out what was held back. What was last said, unless it was a protocol.
    pub(super) fn finish(mut self, output: &mut Output) -> Option<LastWords> {
        self.write_out(output);
        matches!(self.drain.spec.purpose, Purpose::Program { .. }).then_some(self.last_words)
    }

    fn write_out(&mut self, output: &mut Output) {
        self.take_out(output);
        self.drain.finish(&output.wires);
    }

    /// What the steps before the sinks have held back.
    fn take_out(&mut self, output: &mut Output) {
        let Output { stripped, wires, .. } = output;
        if let Some(stripper) = &mut self.stripper {
            stripped.clear();
            stripper.finish(stripped);
            self.take_in(stripped, Text::New, wires);
        }
        let Self { capture: Some(capture), drain, .. } = self else { return };
        let lost = capture.finish(&mut |piece| drain.piece(piece, Text::New, wires));
        if let Some(bytes) = lost {
            let name = &drain.spec.source.name.process;
            let channel = drain.spec.source.channel.name();
            let text =
                format!("'{name}' {channel} ended within a message: {bytes} bytes of it were discarded");
            (wires.notify)(PlaneEvent::Note(Notice::other(Level::Warn, text)));
        }
    }

    fn take_in(&mut self, bytes: &[u8], text: Text<'_>, wires: &mut Wires) {
        let Self { capture, drain, .. } = self;
        match capture {
            _ if bytes.is_empty() => {}
            None => drain.piece(Piece::Log(bytes), text, wires),
            Some(capture) => capture.feed(bytes, &mut |piece| drain.piece(piece, text, wires)),
        }
    }
}

/// To the log; `None`: that has it.
fn write(file: &SharedFile, bytes: &[u8], text: Text<'_>) -> Option<Written> {
    let cell = match text {
        Text::New => None,
        Text::Kept(cell) => Some(cell),
        Text::Old => return None,
    };
    let done = cell.map_or(0, Cell::done);
    let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_from(bytes, cell);
    if let Some(cell) = cell {
        cell.done_with(done + bytes.len());
    }
    Some(written)
}

/// The way of a stream to the journal.
fn lines_of(spec: &ChannelSpec, journal: Option<Arc<Journal>>, has_file: bool) -> Option<Lines> {
    let alone = !spec.syslog && (spec.window || !has_file);
    journal.map(|journal| Lines::new(journal, spec.source.clone(), alone))
}

impl Drain {
    fn piece(&mut self, piece: Piece<'_>, text: Text<'_>, wires: &mut Wires) {
        match piece {
            Piece::Log(bytes) => {
                self.log(bytes, text, wires);
                self.tell(bytes, wires);
            }
            Piece::Captured(bytes) => self.tell(bytes, wires),
            Piece::Message(data) => {
                let (name, channel) = (&self.spec.source.name.process, self.spec.source.channel.name());
                let text = format!("'{name}' {channel} emitted a comm event");
                (wires.notify)(PlaneEvent::Note(Notice::other(Level::Debug, text)));
                let (from, data) = (self.spec.source.clone(), data.to_vec());
                self.emit(Event::ProcessCommunication { from, data }, wires);
            }
        }
    }

    /// To the sinks. What none of them took is lost.
    fn log(&mut self, bytes: &[u8], text: Text<'_>, wires: &mut Wires) {
        let file = self.file.as_ref().and_then(|file| write(file, bytes, text));
        let name = &self.spec.source.name.process;
        let syslog = self.spec.syslog.then(|| wires.syslog.send(Some(name), bytes));
        let journal = self.journal.as_mut().map(|lines| lines.take(bytes));
        let kept = file.iter().filter(|_| !self.spec.window).chain(&syslog).chain(&journal);
        let lost = kept.map(|written| written.dropped).min().unwrap_or(0);
        let lost = if matches!(text, Text::Old) && self.file.is_some() { 0 } else { lost };
        self.account(lost, file.into_iter().chain(syslog).chain(journal), wires);
    }

    /// The end of the stream: a line that was begun is a line.
    fn finish(&mut self, wires: &Wires) {
        let Some(lines) = &mut self.journal else { return };
        let written = lines.finish();
        let lost = if lines.is_alone() { written.dropped } else { 0 };
        self.account(lost, [written], wires);
    }

    fn account(&self, lost: u64, written: impl IntoIterator<Item = Written>, wires: &Wires) {
        if lost > 0 {
            wires.drops.count(&self.spec.source, lost);
        }
        for notice in written.into_iter().flat_map(|written| written.said) {
            (wires.notify)(PlaneEvent::Note(notice));
        }
    }

    /// To the main log and the event listeners, captured or not.
    fn tell(&mut self, bytes: &[u8], wires: &Wires) {
        if self.spec.repeat {
            let text = match self.spec.purpose {
                Purpose::Program { .. } => decoded(bytes),
                Purpose::Listener(_) => python_bytes(bytes),
            };
            let (name, channel) =
                (self.spec.source.name.process.clone(), self.spec.source.channel.name().into());
            (wires.notify)(PlaneEvent::Note(Notice::Output { name, channel, text }));
        }
        if let Purpose::Program { events: true, .. } = self.spec.purpose {
            self.emit(Event::ProcessLog { from: self.spec.source.clone(), data: bytes.to_vec() }, wires);
        }
    }

    fn emit(&mut self, event: Event, wires: &Wires) {
        let size = match &event {
            Event::ProcessLog { data, .. } | Event::ProcessCommunication { data, .. } => data.len(),
            _ => 0,
        };
        // What is larger than everything that can be on its way goes alone.
        let Some(claim) = wires.budget.claim(size.min(IN_FLIGHT)) else {
            self.lost += 1;
            return;
        };
        if self.lost > 0 {
            let (name, channel, lost) =
                (&self.spec.source.name.process, self.spec.source.channel.name(), self.lost);
            let text = format!("'{name}' {channel}: {lost} events were discarded, they came too fast");
            (wires.notify)(PlaneEvent::Note(Notice::other(Level::Error, text)));
            self.lost = 0;
        }
        (wires.notify)(PlaneEvent::Observed(event, claim));
    }

    /// What a listener says is for the engine, as it was written.
    fn protocol(&self, bytes: &[u8], wires: &Wires) {
        let Purpose::Listener(owner) = self.spec.purpose else { return };
        (wires.notify)(match wires.budget.claim(bytes.len()) {
            Some(claim) => PlaneEvent::Listener(owner, bytes.to_vec(), claim),
            None => PlaneEvent::Flooded(owner),
        });
    }
}
