//! When the start or a change of the configuration is over, what it needed is given back.

use std::time::Duration;

use tokio::time::Instant;

use crate::system::memory;

/// How long after it the programs are taken to be up.
const LATER: Duration = Duration::from_secs(2);

/// When that is; once, and not from time to time.
pub(super) struct Afterwards {
    due: Option<Instant>,
}

impl Afterwards {
    /// After what happens now.
    pub(super) fn new() -> Self {
        Self { due: Some(Instant::now() + LATER) }
    }

    /// After another one of the same kind.
    pub(super) fn again(&mut self) {
        *self = Self::new();
    }

    /// Gives back what is not needed any more, if it is time for that.
    pub(super) fn look(&mut self) {
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.due = None;
            memory::tidy();
        }
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.due
    }
}
