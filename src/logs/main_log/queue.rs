//! Lines on their way to the main log's thread.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::api::Notice;

/// Bytes that may wait while the disk hangs.
const LIMIT: usize = 4 << 20;
/// Orders that may wait besides lines.
const ORDERS: usize = 64;
/// How long more lines are waited for when there were some: who says much does not wake us for each.
const LULL: Duration = Duration::from_millis(2);
/// How long nobody waits for a log that was waited for in vain.
const PAUSE: Duration = Duration::from_secs(1);

/// What becomes of a clearing.
pub(super) type Told = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A line as files have it, and what it tells, for the journal.
pub(super) struct Line {
    pub(super) text: Vec<u8>,
    pub(super) notice: Option<Notice>,
}

/// Something to do, in order.
pub(super) enum Order {
    Line(Line),
    Reopen,
    Clear(Told),
}

/// What waits. Whoever puts something in never waits; lines that find no room are counted.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Order>,
    bytes: usize,
    orders: usize,
    lost: u64,
    put: u64,
    done: u64,
    /// Whoever takes them sleeps until somebody wakes him.
    asleep: bool,
    /// So many wait for something to be done.
    waiters: usize,
    /// Somebody waited in vain a moment ago.
    stuck_until: Option<Instant>,
    /// Nothing is taken any more.
    ended: bool,
}

/// What is to be done next.
pub(super) struct Batch {
    pub(super) orders: VecDeque<Order>,
    /// Lines that found no room behind them.
    pub(super) lost: u64,
    /// The last one.
    pub(super) ends: bool,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line(_) => "Line",
            Self::Reopen => "Reopen",
            Self::Clear(_) => "Clear",
        })
    }
}

impl Queue {
    /// A line, unless too many wait.
    pub(super) fn line(&self, line: Line) {
        let mut state = self.state();
        if state.ended {
            return;
        }
        if state.bytes + line.text.len() > LIMIT {
            // To say so is something to do as well.
            state.put += u64::from(state.lost == 0);
            state.lost += 1;
            return;
        }
        state.bytes += line.text.len();
        self.push(state, Order::Line(line));
    }

    /// Something else, which comes back if too much waits.
    pub(super) fn put(&self, order: Order) -> Result<(), Order> {
        let mut state = self.state();
        if state.orders == ORDERS || state.ended {
            return Err(order);
        }
        state.orders += 1;
        self.push(state, order);
        Ok(())
    }

    fn push(&self, mut state: MutexGuard<'_, State>, order: Order) {
        state.put += 1;
        state.waiting.push_back(order);
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.more.notify_one();
        }
    }

    /// What is to be done, as soon as there is something.
    pub(super) fn take(&self) -> Batch {
        let idle = |state: &mut State| {
            state.asleep = state.waiting.is_empty() && state.lost == 0 && !state.ended;
            state.asleep
        };
        let mut state = self.more.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        Batch {
            orders: std::mem::take(&mut state.waiting),
            lost: std::mem::take(&mut state.lost),
            ends: state.ended,
        }
    }

    /// Waits a moment for more, unless somebody waits for what there is.
    pub(super) fn linger(&self) {
        let calm = |state: &mut State| state.waiters == 0 && !state.ended;
        drop(self.more.wait_timeout_while(self.state(), LULL, calm));
    }

    /// So many lines of so many bytes are written.
    pub(super) fn written(&self, lines: u64, bytes: usize) {
        let mut state = self.state();
        state.bytes -= bytes;
        self.finish(state, lines);
    }

    /// Something else is done.
    pub(super) fn done(&self) {
        let mut state = self.state();
        state.orders -= 1;
        self.finish(state, 1);
    }

    fn finish(&self, mut state: MutexGuard<'_, State>, count: u64) {
        state.done += count;
        let awaited = state.waiters > 0;
        drop(state);
        if awaited {
            self.finished.notify_all();
        }
    }

    /// Waits until all is done that was put in so far; not if somebody waited in vain a moment ago.
    pub(super) fn settle(&self, limit: Duration) {
        let state = self.state();
        if state.stuck_until.is_none_or(|until| until <= Instant::now()) {
            self.wait(state, limit);
        }
    }

    /// Takes nothing more, and waits until all is done.
    pub(super) fn end(&self, limit: Duration) {
        let mut state = self.state();
        state.ended = true;
        self.more.notify_one();
        self.wait(state, limit);
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, limit: Duration) {
        let (until, deadline) = (state.put, Instant::now() + limit);
        if state.done >= until {
            return;
        }
        state.waiters += 1;
        self.more.notify_one();
        while state.done < until {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                state.stuck_until = Some(Instant::now() + PAUSE);
                break;
            };
            state = self.finished.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiters -= 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_log_that_is_stuck_and_what_is_lost_is_counted() {
        let queue = Queue::default();
        let line = || Line { text: vec![b'x'; LIMIT / 4], notice: None };
        for _ in 0..6 {
            queue.line(line());
        }
        let begun = Instant::now();
        queue.settle(Duration::from_millis(20));
        assert!(begun.elapsed() >= Duration::from_millis(20), "{:?}", begun.elapsed());
        // Were each to wait, this would take a day.
        (0..1000).for_each(|_| queue.settle(Duration::from_secs(100)));
        let Batch { orders, lost, ends } = queue.take();
        assert_eq!((orders.len(), lost, ends), (4, 2, false));
        orders.iter().for_each(|_| queue.written(1, LIMIT / 4));
        queue.line(line());
        let Batch { orders, lost, .. } = queue.take();
        assert_eq!((orders.len(), lost), (1, 0));
    }

    #[test]
    fn what_waits_besides_lines_has_a_limit() {
        let queue = Queue::default();
        let taken = (0..1000).filter(|_| queue.put(Order::Reopen).is_ok()).count();
        assert_eq!(taken, ORDERS);
        queue.take().orders.iter().for_each(|_| queue.done());
        assert!(queue.put(Order::Reopen).is_ok());
        queue.take().orders.iter().for_each(|_| queue.done());
        queue.end(Duration::from_secs(100));
        queue.line(Line { text: b"late".to_vec(), notice: None });
        assert!(queue.put(Order::Reopen).is_err());
        let Batch { orders, ends, .. } = queue.take();
        assert_eq!((orders.len(), ends), (0, true));
    }
}
