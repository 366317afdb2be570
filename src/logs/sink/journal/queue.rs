//! Entries on their way to the thread that sends them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::api::event::Source;

/// Bytes that may wait.
const LIMIT: usize = 16 << 20;
/// What one stream may have of that: a flood takes the place of nobody else.
const SHARE: usize = LIMIT / 4;
/// What an entry costs besides its message.
const OVERHEAD: usize = 128;

/// Who writes.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) source: Source,
    /// The same in every entry.
    pub(super) fields: Vec<u8>,
    /// What does not get to the journal is lost: there is no other log.
    pub(super) alone: bool,
    waiting: AtomicUsize,
}

impl Writer {
    pub(super) fn new(source: Source, fields: Vec<u8>, alone: bool) -> Self {
        Self { source, fields, alone, waiting: AtomicUsize::new(0) }
    }
}

/// A line.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) writer: Arc<Writer>,
    /// As of syslog(3), 0 to 7.
    pub(super) priority: u8,
    pub(super) message: Vec<u8>,
}

impl Entry {
    /// The bytes that its writer wrote: a line and its end.
    pub(super) fn size(&self) -> u64 {
        self.message.len() as u64 + 1
    }

    fn cost(&self) -> usize {
        self.message.len() + OVERHEAD
    }
}

/// What waits. Whoever puts something in never waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Entry>,
    bytes: usize,
    /// Why nothing goes on.
    stuck: Option<String>,
    /// Nothing is taken any more, and what waits is given up then.
    ends: Option<Instant>,
    given_up: bool,
}

impl Queue {
    /// Takes an entry, unless too much waits: then why.
    pub(super) fn put(&self, entry: Entry) -> Result<(), String> {
        let mut state = self.state();
        let cost = entry.cost();
        let own = entry.writer.waiting.load(Ordering::Relaxed);
        if state.bytes + cost > LIMIT || own + cost > SHARE || state.ends.is_some() {
            return Err(state.stuck.clone().unwrap_or_else(|| "it does not keep up".to_owned()));
        }
        entry.writer.waiting.store(own + cost, Ordering::Relaxed);
        state.bytes += cost;
        state.waiting.push_back(entry);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// What waits, as soon as there is something; `None`: that was all.
    pub(super) fn take(&self) -> Option<VecDeque<Entry>> {
        let idle = |state: &mut State| state.waiting.is_empty() && state.ends.is_none();
        let mut state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut state.waiting);
        if waiting.is_empty() { None } else { Some(waiting) }
    }

    /// An entry makes room.
    pub(super) fn finish(&self, entry: &Entry) {
        // Changed under the lock alone.
        let mut state = self.state();
        state.bytes -= entry.cost();
        entry.writer.waiting.fetch_sub(entry.cost(), Ordering::Relaxed);
        if state.ends.is_some() || state.bytes == 0 {
            self.changed.notify_all();
        }
    }

    /// Waits until nothing is left of what was put in; `false` when that takes too long.
    pub(super) fn settle(&self, at: Instant) -> bool {
        let mut state = self.state();
        while state.bytes > 0 {
            let Some(left) = at.checked_duration_since(Instant::now()) else { return false };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Why nothing goes on, for those who find no room.
    pub(super) fn is_stuck(&self, why: Option<String>) {
        self.state().stuck = why;
    }

    /// Waits a moment before another attempt; `false` when there is to be none.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut state = self.state();
        loop {
            let now = Instant::now();
            if state.ends.is_some_and(|end| end <= now) {
                state.given_up = true;
                return false;
            }
            let until = state.ends.unwrap_or(deadline).min(deadline);
            if until <= now {
                return true;
            }
            state = self.changed.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes nothing more, and waits until all was sent; what was not until then is given up.
    pub(super) fn end(&self, at: Instant) -> bool {
        let mut state = self.state();
        state.ends = Some(at);
        self.changed.notify_all();
        while state.bytes > 0 {
            let Some(left) = at.checked_duration_since(Instant::now()) else { return false };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.given_up
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
