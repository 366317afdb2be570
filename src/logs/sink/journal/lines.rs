//! From the bytes of one stream to entries: a line each.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Journal;
use super::queue::{Entry, Writer};
use crate::api::event::Source;
use crate::logs::sink::outage::{Outage, OutageRecord, Written};
use crate::systemd::journal::field;

/// A longer line is sent in pieces.
const LINE_LIMIT: usize = 1 << 20;
/// Of a line that brings none.
const INFO: u8 = 6;
const WARNING: u8 = 4;

/// One stream of one process, on its way to the journal.
#[derive(Debug)]
pub struct Lines {
    journal: Arc<Journal>,
    writer: Arc<Writer>,
    /// The begin of a line.
    held: Vec<u8>,
    /// Bytes that found no room, since the last that did.
    missing: u64,
    outage: Outage,
    /// For people.
    name: String,
}

/// What another binary has to know of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesRecord {
    held: Vec<u8>,
    missing: u64,
    outage: OutageRecord,
}

impl Lines {
    /// What is known of it.
    #[must_use]
    pub fn record(&self) -> LinesRecord {
        LinesRecord { held: self.held.clone(), missing: self.missing, outage: self.outage.record() }
    }

    /// Goes on with one that is known.
    #[must_use]
    pub fn resume(self, record: LinesRecord) -> Self {
        let LinesRecord { held, missing, outage } = record;
        Self { held, missing, outage: Outage::resume(outage), ..self }
    }

    /// Waits until all is sent that was taken so far; `false`: that takes too long.
    #[must_use]
    pub fn settle(&self, limit: Duration) -> bool {
        self.journal.settle(limit)
    }

    /// Of that stream; `alone`: it has no other log.
    #[must_use]
    pub fn new(journal: Arc<Journal>, source: Source, alone: bool) -> Self {
        let (fields, name) = (fields(&source), format!("the journal for '{}'", source.name));
        Self {
            journal,
            writer: Arc::new(Writer::new(source, fields, alone)),
            held: Vec::new(),
            missing: 0,
            outage: Outage::default(),
            name,
        }
    }

    /// What does not get to the journal is lost.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.writer.alone
    }

    /// Takes what was written.
    pub fn take(&mut self, bytes: &[u8]) -> Written {
        let mut written = Written::default();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) if self.held.is_empty() => self.line(end, &mut written),
                Some(end) => {
                    self.held.extend_from_slice(end);
                    self.end_line(&mut written);
                }
                None => self.held.extend_from_slice(part),
            }
            if self.held.len() >= LINE_LIMIT {
                self.end_line(&mut written);
            }
        }
        written
    }

    /// The stream has ended: a line that was begun counts as one.
    pub fn finish(&mut self) -> Written {
        let mut written = Written::default();
        if !self.held.is_empty() {
            self.end_line(&mut written);
        }
        written
    }

    fn end_line(&mut self, written: &mut Written) {
        let line = std::mem::take(&mut self.held);
        self.line(&line, written);
        self.held = line;
        self.held.clear();
        // A long line leaves no large buffer behind.
        self.held.shrink_to(4096);
    }

    fn line(&mut self, line: &[u8], written: &mut Written) {
        let (priority, message) = prioritised(line);
        let entry = self.entry(priority, message.to_vec());
        let size = entry.size();
        if self.missing > 0 {
            let text = format!("supervisord: {} bytes of output are missing here", self.missing);
            let note = self.entry(WARNING, text.into_bytes());
            if let Err(why) = self.journal.queue.put(note) {
                return self.lose(&why, size, written);
            }
            self.missing = 0;
        }
        match self.journal.queue.put(entry) {
            Ok(()) => self.outage.end(&self.name, written),
            Err(why) => self.lose(&why, size, written),
        }
    }

    fn lose(&mut self, why: &str, size: u64, written: &mut Written) {
        self.missing += size;
        let why = io::Error::other(why);
        self.outage.fail(&self.name, Instant::now(), &why, size, written);
    }

    fn entry(&self, priority: u8, message: Vec<u8>) -> Entry {
        Entry { writer: Arc::clone(&self.writer), priority, message }
    }
}

/// What is the same in every entry of a stream.
fn fields(source: &Source) -> Vec<u8> {
    let mut fields = Vec::new();
    let name = &source.name;
    field(&mut fields, "SYSLOG_IDENTIFIER", name.process.as_bytes());
    field(&mut fields, "SUPERVISOR_PROCESS", name.process.as_bytes());
    field(&mut fields, "SUPERVISOR_GROUP", name.group.as_bytes());
    field(&mut fields, "SUPERVISOR_STREAM", source.channel.name().as_bytes());
    field(&mut fields, "OBJECT_PID", source.pid.to_string().as_bytes());
    fields
}

/// `<3>text`: a priority that the line brings itself (sd-daemon(3)).
fn prioritised(line: &[u8]) -> (u8, &[u8]) {
    match line {
        [b'<', digit @ b'0'..=b'7', b'>', rest @ ..] => (digit - b'0', rest),
        _ => (INFO, line),
    }
}
