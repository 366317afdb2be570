//! Lines on their way to the main log's thread.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may wait while the disk hangs.
const LIMIT: usize = 4 << 20;

/// What becomes of a clearing.
pub(super) type Told = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Something to do, in order.
pub(super) enum Order {
    Line(Vec<u8>),
    Reopen,
    Clear(Told),
    End,
}

/// What waits. Whoever puts something in never waits; lines that find no room are counted.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Order>,
    bytes: usize,
    lost: u64,
    put: u64,
    done: u64,
    /// Somebody waited for it in vain, and it has done nothing since.
    stuck_at: Option<u64>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line(_) => "Line",
            Self::Reopen => "Reopen",
            Self::Clear(_) => "Clear",
            Self::End => "End",
        })
    }
}

impl Queue {
    /// A line, unless too many wait.
    pub(super) fn line(&self, line: Vec<u8>) {
        let mut state = self.state();
        if state.bytes + line.len() > LIMIT {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        self.push(state, Order::Line(line));
    }

    pub(super) fn put(&self, order: Order) {
        self.push(self.state(), order);
    }

    fn push(&self, mut state: MutexGuard<'_, State>, order: Order) {
        state.put += 1;
        state.waiting.push_back(order);
        drop(state);
        self.more.notify_one();
    }

    /// What is to be done, as soon as there is something; and how many lines were lost before it.
    pub(super) fn take(&self) -> (VecDeque<Order>, u64) {
        let state = self.more.wait_while(self.state(), |state| state.waiting.is_empty());
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut state.waiting), std::mem::take(&mut state.lost))
    }

    /// One of them is done.
    pub(super) fn finish(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes -= bytes;
        state.done += 1;
        drop(state);
        self.done.notify_all();
    }

    /// Waits until all is done that was put in so far; not again while it is stuck.
    pub(super) fn settle(&self, limit: Duration) {
        let mut state = self.state();
        let (until, deadline) = (state.put, Instant::now() + limit);
        while state.done < until && state.stuck_at != Some(state.done) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                state.stuck_at = Some(state.done);
                return;
            };
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
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
        let line = vec![b'x'; LIMIT / 4];
        for _ in 0..6 {
            queue.line(line.clone());
        }
        let begun = Instant::now();
        queue.settle(Duration::from_millis(20));
        let waited = begun.elapsed();
        (0..1000).for_each(|_| queue.settle(Duration::from_millis(20)));
        assert!(
            waited >= Duration::from_millis(20) && begun.elapsed() < Duration::from_secs(2),
            "{waited:?}"
        );
        let (orders, lost) = queue.take();
        assert_eq!((orders.len(), lost), (4, 2));
        orders.iter().for_each(|_| queue.finish(line.len()));
        queue.line(line);
        let (orders, lost) = queue.take();
        assert_eq!((orders.len(), lost), (1, 0));
    }
}
