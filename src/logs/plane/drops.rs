//! How much of each process's output could not be written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::event::{Channel, Source};
use crate::api::{Dropped, ProcessName};

/// The counts; shared by the thread that drops and whoever wants to know.
#[derive(Debug, Clone, Default)]
pub struct Drops(Arc<Mutex<HashMap<ProcessName, Dropped>>>);

impl Drops {
    pub(in crate::logs) fn count(&self, source: &Source, bytes: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = counts.entry(source.name.clone()).or_default();
        match source.channel {
            Channel::Stdout => dropped.stdout += bytes,
            Channel::Stderr => dropped.stderr += bytes,
        }
    }

    pub(super) fn all(&self) -> Vec<(ProcessName, Dropped)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(name, dropped)| (name.clone(), *dropped)).collect()
    }

    /// Goes on from what another has counted.
    pub(super) fn count_on(&self, dropped: Vec<(ProcessName, Dropped)>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(dropped);
    }

    /// Of one process, since the daemon started.
    #[must_use]
    pub fn of(&self, name: &ProcessName) -> Dropped {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or_default()
    }
}
