//! The decisions: pure, deterministic, serialisable.
//!
//! The engine is told facts ([`Engine::handle`]), and its decisions are taken from it as data ([`Engine::poll_effect`], until
//! `None`); then the caller sleeps until [`Engine::deadline`] at the latest. It has no clock, no descriptors and no `async`.
//!
//! ```text
//!            start                    startsecs up
//!  STOPPED ─────────▶ STARTING ───────────────────────▶ RUNNING
//!     ▲                │    ▲                            │    │ exit
//!     │    too quick,  │    │ delay over          stop   │    ▼
//!     │    no spawn    ▼    │                            │  EXITED ──▶ STARTING (autorestart)
//!     ├───stop─────── BACKOFF ──▶ FATAL (startretries)   │
//!     └──────exit──── STOPPING ◀─────────────────────────┘   SIGKILL after stopwaitsecs
//! ```
//!
//! *May import:* api, config::{spec, diff}. *Invariants:* a process has at most one pid; every ticket is answered once; the
//! order of effects is meaning. *Tested:* `engine/tests` (transcripts), `engine/worlds` (random worlds).

mod adopt;
mod changes;
mod coldplug;
mod diagnosis;
mod effect;
mod group;
mod input;
mod ledger;
mod leftovers;
mod listener;
mod pool;
mod process;
mod register;
mod requests;
mod shutdown;
mod tracked;
mod transitions;
mod unknown;

#[cfg(test)]
mod pool_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod worlds;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub use adopt::{Adopted, Found};
pub use changes::Pieces;
pub use effect::{Effect, LoadReason};
pub use group::Group;
pub use input::{Evidence, Input};
pub use ledger::{Errand, Ticket, Waiter};
pub use listener::{Heard, Listener};
pub use pool::{Pending, Pool};
pub use process::{Phase, Process, ProcessId};

use crate::api::{
    Fault, Mono, Notice, Now, ProcessDetails, ProcessInfo, ProcessName, Reply, SupervisorState,
};
use crate::config::spec::GroupSpec;
use ledger::Ledger;
use register::Register;
use shutdown::LastWords;
use tracked::{Groups, Mark, Tracked};

/// All decisions for all programs. Plain data: saving it is serialising it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    mood: SupervisorState,
    /// By priority; of equal priority in the order of activation.
    groups: Groups,
    processes: Tracked<ProcessId, Process>,
    /// The configuration read last, by (priority, name).
    configured: Vec<GroupSpec>,
    /// It was, since it was last written down.
    #[serde(skip)]
    reread: Mark<bool>,
    /// What is small, as it was last written down.
    #[serde(skip)]
    written_rest: Mark<Option<changes::Rest>>,
    ledger: Ledger,
    next_process: u64,
    /// Number of the next event that a pool accepts.
    next_event: u64,
    /// The slice of each tick's period that was seen last.
    ticks: [Option<i64>; 3],
    /// When the next tick comes that a pool waits for.
    tick_due: Option<Mono>,
    /// When `waiting for … to die` was last said; `None` unless stopping.
    last_report: Option<Mono>,
    /// Whether busy listeners hold up the end.
    last_words: LastWords,
    /// The last deed, [`Effect::Finish`], was decided.
    finished: bool,
    #[serde(skip)]
    register: Register,
    #[serde(skip)]
    effects: VecDeque<Effect>,
}

impl Engine {
    /// An engine with a configuration and nothing active; [`Input::Started`] activates it.
    #[must_use]
    pub fn new(configured: Vec<GroupSpec>) -> Self {
        Self {
            mood: SupervisorState::Running,
            groups: Groups::default(),
            processes: Tracked::default(),
            configured,
            reread: Mark(true),
            written_rest: Mark(None),
            ledger: Ledger::default(),
            next_process: 1,
            next_event: 0,
            ticks: [None; 3],
            tick_due: None,
            last_report: None,
            last_words: LastWords::NotYet,
            finished: false,
            register: Register::default(),
            effects: VecDeque::new(),
        }
    }

    /// Goes on counting events where a former life of the daemon ended: serials outlive a restart.
    #[must_use]
    pub fn counting_events_from(mut self, serial: u64) -> Self {
        self.next_event = serial;
        self
    }

    /// Number of the next event that a pool accepts.
    #[must_use]
    pub fn next_event(&self) -> u64 {
        self.next_event
    }

    /// Takes in one fact. What follows from it is in the effects.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Started => self.start_up(now),
            Input::Adopted(found) => self.adopt(now, found),
            Input::Request { ticket, request } => self.request(now, ticket, request),
            Input::LogsPrepared { id, stdout, stderr } => self.logs_prepared(id, stdout, stderr),
            Input::Spawned { id, pid } => self.spawned(now, id, pid),
            Input::SpawnFailed { id, reason, help } => self.spawn_failed(now, id, reason, &help),
            Input::Exited { id, status, evidence } => self.exited(now, id, status, evidence),
            Input::Emptied { id } => self.emptied(now, id),
            Input::SignalFailed { id, errand, problem } => self.signal_failed(id, errand, problem),
            Input::Done { errand, outcome } => self.errand_done(now, errand, outcome),
            Input::Loaded { errand, outcome } => self.loaded(now, errand, outcome),
            Input::SignalReceived(signal) => self.signal_received(signal),
            Input::ListenerWrote { id, bytes } => self.listener_wrote(now, id, bytes.as_deref()),
            Input::Undelivered { id, serial } => self.undelivered(id, serial),
            Input::Observed(event) => self.publish(event),
            Input::Recovered => self.coldplug(now),
            Input::Unborn { id } => self.unborn(now, id),
            Input::Parked { id, leftovers } => self.parked(now, id, leftovers),
            Input::DeadlineReached => {}
        }
        self.turn(now);
    }

    /// The next deed; the order is meaning. `None`: sleep.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Lets go of the room that only a large turn needs.
    pub fn give_back(&mut self) {
        self.effects.shrink_to_fit();
    }

    /// When something is due without any further fact.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        if self.finished {
            return None;
        }
        let own = [self.report_deadline(), self.tick_due, self.last_words_deadline()];
        self.process_deadline().into_iter().chain(own.into_iter().flatten()).min()
    }

    /// What the supervisor as a whole is doing.
    #[must_use]
    pub fn mood(&self) -> SupervisorState {
        self.mood
    }

    /// What is known of every process, by group and name.
    #[must_use]
    pub fn infos(&self) -> Vec<ProcessInfo> {
        let mut infos: Vec<_> = self.processes.values().map(Process::info).collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    }

    /// As long as it is the same, so is what is known of all processes; uptimes aside.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.processes.version()
    }

    /// The same, with all that people want to see.
    fn details(&self) -> Vec<ProcessDetails> {
        let mut details: Vec<_> = self.processes.values().map(Process::details).collect();
        details.sort_by(|a, b| a.info.name.cmp(&b.info.name));
        details
    }

    /// The configuration read last.
    #[must_use]
    pub fn configured(&self) -> &[GroupSpec] {
        &self.configured
    }

    /// The groups that are active, by priority.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// What is remembered of a process.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// Every process, in the order of activation.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// What every later fact has in common: whatever is due by now is done.
    fn turn(&mut self, now: Now) {
        self.tick(now);
        let stirred = self.take_stirred(now);
        for id in &stirred {
            self.transition(now, *id);
        }
        if self.mood != SupervisorState::Running {
            self.file(&stirred);
            self.continue_shutdown(now, &stirred);
        }
        self.dispatch();
        self.file(&stirred);
    }

    /// All processes: groups by priority, within a group by priority.
    fn by_priority(&self) -> Vec<ProcessId> {
        self.groups.iter().flat_map(|group| group.members.iter().copied()).collect()
    }

    fn find(&self, name: &ProcessName) -> Option<ProcessId> {
        let group = self.groups.iter().find(|group| *group.spec.name == *name.group)?;
        group.members.iter().copied().find(|id| self.processes.get(id).is_some_and(|p| p.name == *name))
    }

    fn note(&mut self, notice: Notice) {
        self.effects.push_back(Effect::Note(notice));
    }

    fn reply(&mut self, ticket: Ticket, answer: Result<Reply, Fault>) {
        self.effects.push_back(Effect::Reply { ticket, answer });
    }
}
