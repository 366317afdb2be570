//! What is known of all processes together, so that no turn has to look at each of them: who is in which state, and when
//! something is due. It is made of the state, and no part of it: one is as good as another.

use std::collections::{BTreeMap, BTreeSet};

use super::process::{Process, ProcessId};
use super::{Engine, Phase};
use crate::api::{Census, Mono, Now, ProcessName, ProcessState};

/// Where a process was filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    state: ProcessState,
    deadline: Option<Mono>,
}

/// The register.
#[derive(Debug, Clone, Default)]
pub(super) struct Register {
    /// Everybody is in it.
    complete: bool,
    entries: BTreeMap<ProcessId, Entry>,
    in_state: [BTreeSet<ProcessId>; ProcessState::ALL.len()],
    due: BTreeSet<(Mono, ProcessId)>,
    /// How far a shutdown has come.
    pub(super) descent: Option<Descent>,
}

/// How far a shutdown has come: what has stopped then is not started again.
#[derive(Debug, Clone, Default)]
pub(super) struct Descent {
    /// The processes of each group priority, highest number first; within it by descending process priority.
    pub(super) levels: Vec<(i64, Vec<ProcessId>)>,
    /// The level that is being stopped.
    pub(super) level: usize,
    /// Who of it holds up the others.
    pub(super) member: usize,
    /// Everybody of it was told.
    pub(super) told: bool,
}

impl PartialEq for Register {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Register {}

impl Register {
    fn file(&mut self, id: ProcessId, process: Option<&Process>) {
        let entry = process.map(|process| Entry { state: process.state(), deadline: process.deadline() });
        let before = match entry {
            Some(entry) => self.entries.insert(id, entry),
            None => self.entries.remove(&id),
        };
        if before == entry {
            return;
        }
        if let Some(Entry { state, deadline }) = before {
            self.in_state[state as usize].remove(&id);
            deadline.map(|deadline| self.due.remove(&(deadline, id)));
        }
        if let Some(Entry { state, deadline }) = entry {
            self.in_state[state as usize].insert(id);
            deadline.map(|deadline| self.due.insert((deadline, id)));
        }
    }
}

impl Engine {
    /// Those for whom there may be something to do: who has changed since the last turn, or whose time has come. In the order
    /// in which processes are looked at.
    pub(super) fn take_stirred(&mut self, now: Now) -> Vec<ProcessId> {
        let mut stirred = self.processes.take_stirred();
        // Nothing follows from these by itself.
        self.ledger.errands.take_stirred();
        if !self.register.complete {
            self.register = Register { complete: true, ..Register::default() };
            for (id, process) in self.processes.iter() {
                self.register.file(*id, Some(process));
            }
            return self.by_priority();
        }
        stirred.extend(self.register.due.iter().take_while(|(due, _)| *due <= now.mono).map(|(_, id)| *id));
        stirred.sort_unstable();
        stirred.dedup();
        self.groups.sort_by_rank(&mut stirred);
        stirred
    }

    /// Takes down what has become of these, and of whoever else has changed.
    pub(super) fn file(&mut self, stirred: &[ProcessId]) {
        for id in stirred.iter().chain(self.processes.stirred()) {
            self.register.file(*id, self.processes.get(id));
        }
    }

    /// When something is due for a process.
    pub(super) fn process_deadline(&self) -> Option<Mono> {
        if self.register.complete {
            return self.register.due.first().map(|(due, _)| *due);
        }
        self.processes.values().filter_map(Process::deadline).min()
    }

    /// How many processes are in each state.
    #[must_use]
    pub fn census(&self) -> Census {
        if !self.register.complete {
            return Census::new(self.processes.values().map(|process| (process.state(), 1)));
        }
        let count = |state: ProcessState| (state, self.register.in_state[state as usize].len());
        Census::new(ProcessState::ALL.map(count))
    }

    /// Who is in a state. Before the first turn nobody is.
    pub fn names_in(&self, state: ProcessState) -> impl Iterator<Item = &ProcessName> {
        self.in_state(state).iter().filter_map(|id| self.processes.get(id)).map(|process| &process.name)
    }

    /// Who is in a state, as of the last turn.
    pub(super) fn in_state(&self, state: ProcessState) -> &BTreeSet<ProcessId> {
        &self.register.in_state[state as usize]
    }

    /// Somebody is not being stopped.
    pub(super) fn is_going_on(&self, ids: &[ProcessId]) -> bool {
        let goes_on = |process: &Process| {
            matches!(
                process.phase,
                Phase::Starting { .. }
                    | Phase::Running { .. }
                    | Phase::Clearing { stop: false }
                    | Phase::Spawning { stop: false }
            )
        };
        ids.iter().filter_map(|id| self.processes.get(id)).any(goes_on)
    }

    /// Everything is looked at anew, as by whoever has just taken over.
    #[cfg(test)]
    pub(super) fn forget_register(&mut self) {
        self.register = Register::default();
    }
}
