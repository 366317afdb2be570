//! When something large is over, as a start or a change of the configuration, what it needed is given back.

use std::time::Duration;

use tokio::time::Instant;

/// After so long without a deed it is over.
const QUIET: Duration = Duration::from_secs(1);
/// So long after it has begun it is taken to be over, though deeds never end.
const LATEST: Duration = Duration::from_secs(60);
/// So many deeds since the last time are something large as well.
const MANY: usize = 250;

/// When that is; once for each.
pub(super) struct Afterwards {
    due: Option<Due>,
    /// Since something was last given back.
    deeds: usize,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    latest: Instant,
}

impl Due {
    fn of(now: Instant) -> Self {
        Self { at: now + QUIET, latest: now + LATEST }
    }
}

impl Afterwards {
    /// After what happens now.
    pub(super) fn new() -> Self {
        Self { due: Some(Due::of(Instant::now())), deeds: 0 }
    }

    /// After another one of the same kind.
    pub(super) fn again(&mut self) {
        self.due = Some(Due::of(Instant::now()));
    }

    /// So many deeds are done now.
    pub(super) fn did(&mut self, deeds: usize) {
        self.deeds += deeds;
        if deeds == 0 || self.due.is_none() && self.deeds < MANY {
            return;
        }
        let now = Instant::now();
        self.due.get_or_insert_with(|| Due::of(now)).at = now + QUIET;
    }

    /// Whether it is over; said once.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.wake().is_some_and(|due| due <= Instant::now());
        if over {
            *self = Self { due: None, deeds: 0 };
        }
        over
    }

    /// When that is to be asked.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.due.map(|due| due.at.min(due.latest))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nothing_was_done_for_a_while() {
        let mut after = Afterwards::new();
        for _ in 0..5 {
            advance(QUIET / 2).await;
            assert!(!after.is_over());
            after.did(1);
        }
        advance(QUIET).await;
        assert!(after.is_over() && !after.is_over());
        assert_eq!(after.wake(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_some_time_where_something_is_always_done() {
        let mut after = Afterwards::new();
        let begun = Instant::now();
        while !after.is_over() {
            after.did(1);
            advance(QUIET / 2).await;
        }
        assert_eq!(begun.elapsed(), LATEST);
    }

    #[tokio::test(start_paused = true)]
    async fn many_deeds_are_something_large_and_few_are_not() {
        let mut after = Afterwards::new();
        advance(QUIET).await;
        assert!(after.is_over());
        after.did(MANY - 1);
        assert_eq!(after.wake(), None);
        after.did(1);
        advance(QUIET).await;
        assert!(after.is_over());
    }
}
