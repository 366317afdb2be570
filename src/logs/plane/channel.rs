//! One stream of one child: what was read → escapes removed → captures taken out → sinks, main log, events.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::budget::Budget;
use super::drops::Drops;
use super::pause::ChannelRecord;
use super::{ChannelId, ChannelSpec, Notify, PlaneEvent, Prepared, Purpose, SharedFile};
use crate::api::text::{decoded, python_bytes};
use crate::api::{Event, Level, Notice};
use crate::logs::ansi::Stripper;
use crate::logs::capture::{Capture, Piece};
use crate::logs::last_words::LastWords;
use crate::logs::sink::journal::Lines;
use crate::logs::sink::{Journal, Syslog, Written};

/// What can be on its way to the supervision thread: a flood of output must not fill the memory.
const IN_FLIGHT: usize = 4 << 20;

/// The sinks' common means: nothing is allocated for a line.
pub(super) struct Output {
    pub(super) buffer: Vec<u8>,
    stripped: Vec<u8>,
    wires: Wires,
}

/// Where pieces go besides the channel's own file.
struct Wires {
    syslog: Syslog,
    notify: Notify,
    budget: Budget,
    drops: Drops,
}

/// What became of a read.
#[derive(PartialEq, Eq)]
pub(super) enum Outcome {
    More,
    Empty,
    Closed,
}

/// A stream that is read.
pub(super) struct Channel {
    pub(super) fd: OwnedFd,
    stripper: Option<Stripper>,
    capture: Option<Capture>,
    last_words: LastWords,
    drain: Drain,
}

/// Where a channel's pieces go.
struct Drain {
    spec: ChannelSpec,
    file: Option<SharedFile>,
    journal: Option<Lines>,
    /// Events that found no room on their way, since the last that did.
    lost: u64,
}

impl Output {
    pub(super) fn new(buffer: usize, notify: Notify, drops: Drops) -> Self {
        let wires = Wires { syslog: Syslog::default(), notify, budget: Budget::new(IN_FLIGHT), drops };
        Self { buffer: vec![0; buffer], stripped: Vec::with_capacity(buffer), wires }
    }

    pub(super) fn drops(&self) -> &Drops {
        &self.wires.drops
    }
}

impl Channel {
    pub(super) fn new(fd: OwnedFd, Prepared { spec, file, journal }: Prepared) -> Self {
        let limit = match spec.purpose {
            Purpose::Program { capture, .. } => capture,
            Purpose::Listener(_) => 0,
        };
        let journal = lines_of(&spec, journal, file.is_some());
        Self {
            fd,
            stripper: spec.strip_ansi.then(Stripper::default),
            capture: (limit > 0).then(|| Capture::new(limit)),
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
            capture: self.capture.clone(),
            last_words: self.last_words.clone(),
            lost: self.drain.lost,
            journal: self.drain.journal.as_ref().map(Lines::record).unwrap_or_default(),
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
        file: Option<SharedFile>,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        let ChannelRecord { spec, stripper, capture, last_words, lost, journal: lines, .. } = record;
        let journal = lines_of(&spec, journal, file.is_some()).map(|begun| begun.resume(lines));
        Self { fd, stripper, capture, last_words, drain: Drain { spec, file, journal, lost } }
    }

    pub(super) fn file(&self) -> Option<&SharedFile> {
        self.drain.file.as_ref()
    }

    pub(super) fn path(&self) -> Option<&PathBuf> {
        self.drain.spec.target.as_ref()
    }

    /// Reads once, and writes that out.
    pub(super) fn pump(&mut self, output: &mut Output) -> Outcome {
        let n = match rustix::io::read(&self.fd, &mut output.buffer) {
            Ok(0) => return Outcome::Closed,
            Ok(n) => n,
            Err(rustix::io::Errno::AGAIN) => return Outcome::Empty,
            Err(rustix::io::Errno::INTR) => return Outcome::More,
            Err(_) => return Outcome::Closed,
        };
        let Output { buffer, stripped, wires } = output;
        self.drain.protocol(&buffer[..n], wires);
        self.last_words.hear(&buffer[..n]);
        let bytes = match &mut self.stripper {
            Some(stripper) => {
                stripped.clear();
                stripper.strip(&buffer[..n], stripped);
                &stripped[..]
            }
            None => &buffer[..n],
        };
        self.take_in(bytes, wires);
        Outcome::More
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
            self.take_in(stripped, wires);
        }
        let Self { capture: Some(capture), drain, .. } = self else { return };
        let lost = capture.finish(&mut |piece| drain.piece(piece, wires));
        if let Some(bytes) = lost {
            let name = &drain.spec.source.name.process;
            let channel = drain.spec.source.channel.name();
            let text =
                format!("'{name}' {channel} ended within a message: {bytes} bytes of it were discarded");
            (wires.notify)(PlaneEvent::Note(Notice::other(Level::Warn, text)));
        }
    }

    fn take_in(&mut self, bytes: &[u8], wires: &mut Wires) {
        let Self { capture, drain, .. } = self;
        match capture {
            _ if bytes.is_empty() => {}
            None => drain.piece(Piece::Log(bytes), wires),
            Some(capture) => capture.feed(bytes, &mut |piece| drain.piece(piece, wires)),
        }
    }
}

/// The way of a stream to the journal.
fn lines_of(spec: &ChannelSpec, journal: Option<Arc<Journal>>, has_file: bool) -> Option<Lines> {
    let alone = !spec.syslog && (spec.window || !has_file);
    journal.map(|journal| Lines::new(journal, spec.source.clone(), alone))
}

impl Drain {
    fn piece(&mut self, piece: Piece<'_>, wires: &mut Wires) {
        match piece {
            Piece::Log(bytes) => {
                self.log(bytes, wires);
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
    fn log(&mut self, bytes: &[u8], wires: &mut Wires) {
        let file = self.file.as_ref();
        let file = file.map(|file| file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes));
        let name = &self.spec.source.name.process;
        let syslog = self.spec.syslog.then(|| wires.syslog.send(Some(name), bytes));
        let journal = self.journal.as_mut().map(|lines| lines.take(bytes));
        let kept = file.iter().filter(|_| !self.spec.window).chain(&syslog).chain(&journal);
        let lost = kept.map(|written| written.dropped).min().unwrap_or(0);
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
