//! Who waits for what: tickets, batches of them, and errands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::effect::LoadReason;
use super::process::ProcessId;
use super::tracked::Tracked;
use crate::api::{Fault, ProcessName, ProcessResult, Reply};

/// A promise of one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// A deed whose outcome is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Errand(pub u64);

/// Who is told the outcome for one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiter {
    /// A request for this process alone.
    One(Ticket),
    /// A request for several; this is one of them.
    Member {
        /// The request.
        ticket: Ticket,
        /// The process.
        name: ProcessName,
    },
    /// Nobody.
    Nobody,
}

/// What an errand was given for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// Answer with the outcome.
    Answer(Waiter),
    /// The command was looked at: start it.
    Start { id: ProcessId, wait: bool, waiter: Waiter },
    /// The configuration is being read.
    Load { reason: LoadReason, ticket: Option<Ticket> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Batch {
    results: Vec<ProcessResult>,
    missing: usize,
}

/// The open promises.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    next_errand: u64,
    pub(super) errands: Tracked<Errand, Purpose>,
    batches: BTreeMap<Ticket, Batch>,
}

impl Ledger {
    /// What is left of a ledger when nobody waits any more.
    pub(super) fn of(last_errand: u64, errands: Tracked<Errand, Purpose>) -> Self {
        Self { next_errand: last_errand, errands, batches: BTreeMap::new() }
    }

    pub(super) fn last_errand(&self) -> u64 {
        self.next_errand
    }

    pub(super) fn errand(&mut self, purpose: Purpose) -> Errand {
        self.next_errand += 1;
        let errand = Errand(self.next_errand);
        self.errands.insert(errand, purpose);
        errand
    }

    pub(super) fn settle(&mut self, errand: Errand) -> Option<Purpose> {
        self.errands.remove(&errand)
    }

    pub(super) fn open_batch(&mut self, ticket: Ticket, members: usize) {
        self.batches.insert(ticket, Batch { results: Vec::with_capacity(members), missing: members });
    }

    /// The reply to give now, if this outcome completes one.
    pub(super) fn outcome(
        &mut self,
        waiter: Waiter,
        outcome: Result<(), Fault>,
    ) -> Option<(Ticket, Result<Reply, Fault>)> {
        match waiter {
            Waiter::Nobody => None,
            Waiter::One(ticket) => Some((ticket, outcome.map(|()| Reply::Done))),
            Waiter::Member { ticket, name } => {
                let batch = self.batches.get_mut(&ticket)?;
                batch.results.push(ProcessResult { name, outcome });
                batch.missing -= 1;
                if batch.missing > 0 {
                    return None;
                }
                let batch = self.batches.remove(&ticket)?;
                Some((ticket, Ok(Reply::Results(batch.results))))
            }
        }
    }
}
