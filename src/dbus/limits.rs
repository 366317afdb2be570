//! What may be under way at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::refusal::Refusal;

/// Bytes of a call's arguments.
pub const CALL_LIMIT: usize = 1 << 20;
/// Bytes of all calls that are under way; a call counts for at least [`CALL_COST`].
const BYTES_LIMIT: usize = 16 << 20;
/// What a call costs beside its arguments.
const CALL_COST: usize = 8 << 10;
/// Calls of one client that are under way.
const CLIENT_LIMIT: usize = 512;
/// Questions to people (for a password) that are open.
const QUESTION_LIMIT: usize = 16;

#[derive(Debug, Default)]
struct Counts {
    bytes: usize,
    questions: usize,
    clients: HashMap<String, usize>,
}

/// Counts what is under way.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: Mutex<Counts>,
    /// Told when the last call that is under way has ended.
    idle: Notify,
}

/// A call that is under way, until it is dropped.
#[derive(Debug)]
pub struct Underway {
    limits: Limits,
    client: String,
    cost: usize,
}

/// A question that is open, until it is dropped.
#[derive(Debug)]
pub struct Question(Limits);

impl Limits {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call of so many bytes begin.
    ///
    /// # Errors
    /// When it is too large, or too much is under way.
    pub fn begin(&self, client: &str, bytes: usize) -> Result<Underway, Refusal> {
        let full = |message: &str| Err(Refusal::standard("LimitsExceeded", message));
        if bytes > CALL_LIMIT {
            return full("the arguments of a call must not have more than 1 MiB");
        }
        let cost = bytes + CALL_COST;
        let mut counts = self.counts();
        if counts.bytes + cost > BYTES_LIMIT {
            return full("too many calls are under way");
        }
        if counts.clients.get(client).is_some_and(|calls| *calls >= CLIENT_LIMIT) {
            return full("too many calls of this client are under way");
        }
        counts.bytes += cost;
        *counts.clients.entry(client.to_owned()).or_default() += 1;
        Ok(Underway { limits: self.clone(), client: client.to_owned(), cost })
    }

    /// Waits until no call is under way.
    pub async fn idle(&self) {
        loop {
            // First, so that what ends meanwhile wakes us.
            let told = self.0.idle.notified();
            if self.counts().bytes == 0 {
                return;
            }
            told.await;
        }
    }

    /// Lets somebody be asked for a password; `None` when too many are.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        let mut counts = self.counts();
        if counts.questions >= QUESTION_LIMIT {
            return None;
        }
        counts.questions += 1;
        Some(Question(self.clone()))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut counts = self.limits.counts();
        counts.bytes -= self.cost;
        if counts.bytes == 0 {
            self.limits.0.idle.notify_waiters();
        }
        if let Some(calls) = counts.clients.get_mut(&self.client) {
            *calls -= 1;
            if *calls == 0 {
                counts.clients.remove(&self.client);
            }
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.counts().questions -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_bounded_and_forgotten() {
        let limits = Limits::default();
        assert!(limits.begin("a", CALL_LIMIT + 1).is_err());
        let calls: Vec<_> = (0..CLIENT_LIMIT).map(|_| limits.begin("a", 0).unwrap()).collect();
        assert!(limits.begin("a", 0).is_err(), "one client");
        let large: Vec<_> = std::iter::from_fn(|| limits.begin("b", CALL_LIMIT).ok()).collect();
        assert!(large.len() < BYTES_LIMIT / CALL_LIMIT, "all of them");
        drop((calls, large));
        let counts = limits.counts();
        assert_eq!((counts.bytes, counts.clients.len()), (0, 0));
    }

    #[test]
    fn few_people_are_asked_at_a_time() {
        let limits = Limits::default();
        let questions: Vec<_> = std::iter::from_fn(|| limits.question()).collect();
        assert_eq!(questions.len(), QUESTION_LIMIT);
        drop(questions);
        assert!(limits.question().is_some());
    }
}
