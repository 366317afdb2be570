//! After a crash: what the daemon had decided and nobody did, or did and nobody heard of, is done again. Its deeds towards
//! others are not told here; those that were recorded and not done, the runtime does before.

use super::effect::LoadReason;
use super::ledger::{Errand, Purpose};
use super::process::{Phase, ProcessId};
use super::{Effect, Engine, Evidence};
use crate::api::event::StateChange;
use crate::api::{ListenerState, Now, WaitStatus};

const DEADLY: &str = "supervisord has died several times when it went on with this process";

impl Engine {
    /// The state was made of what a dead daemon has written down.
    pub(super) fn coldplug(&mut self, now: Now) {
        for id in self.by_priority() {
            self.coldplug_process(now, id);
        }
        let errands: Vec<_> = self.ledger.errands.iter().map(|(e, p)| (*e, p.clone())).collect();
        for (errand, purpose) in errands {
            self.coldplug_errand(now, errand, &purpose);
        }
    }

    fn coldplug_process(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else { return };
        if !process.prepared {
            let (name, spec) = (process.name.clone(), process.spec.clone());
            self.effects.push_back(Effect::PrepareLogs { id, name, spec });
        }
        match process.phase {
            // Whoever was forked meanwhile has ended at its gate.
            Phase::Spawning { stop: true } => self.never_started(now, id),
            Phase::Spawning { stop: false } => self.launch(id),
            Phase::Starting { .. } | Phase::Running { .. } => self.coldplug_listener(now, id),
            Phase::Stopped
            | Phase::Clearing { .. }
            | Phase::Stopping { .. }
            | Phase::Emptying { .. }
            | Phase::Backoff { .. }
            | Phase::Exited { .. }
            | Phase::Fatal
            | Phase::Unknown { .. } => {}
        }
    }

    /// What a listener has said may be lost, if it was its turn: then only a fresh one is sure to be understood. It gets again
    /// what the old one was told and had not answered.
    fn coldplug_listener(&mut self, now: Now, id: ProcessId) {
        let Some(listener) = self.processes.get_mut(&id).and_then(|process| process.listener.as_mut()) else {
            return;
        };
        if matches!(listener.state, ListenerState::Acknowledged | ListenerState::Busy) {
            listener.restart_at = Some(now.mono);
        }
    }

    fn coldplug_errand(&mut self, now: Now, errand: Errand, purpose: &Purpose) {
        match purpose {
            Purpose::Start { .. } => self.errand_done(now, errand, Ok(())),
            Purpose::Load { reason: LoadReason::Restart, .. } => {
                self.effects.push_back(Effect::Load { errand, reason: LoadReason::Restart });
            }
            Purpose::Load { .. } | Purpose::Answer(_) => {
                self.ledger.settle(errand);
            }
        }
    }

    /// Whatever is left of a process that daemons die of is told to end, and nobody tries it again by himself.
    pub(super) fn parked(&mut self, now: Now, id: ProcessId, leftovers: bool) {
        let evidence = Evidence { leftovers, failure: Some(DEADLY.to_owned()), ..Evidence::default() };
        self.exited(now, id, WaitStatus::Lost, evidence);
        let Some(process) = self.processes.get(&id) else { return };
        if matches!(process.phase, Phase::Backoff { .. } | Phase::Exited { .. }) {
            self.enter(id, Phase::Fatal, StateChange::Fatal);
        }
    }

    /// A process ended at its gate: the daemon had died before it was let through. It counts as no start that failed.
    pub(super) fn unborn(&mut self, now: Now, id: ProcessId) {
        self.take_back(id);
        match self.processes.get(&id).map(|process| &process.phase) {
            Some(Phase::Starting { .. }) => self.launch(id),
            Some(Phase::Running { pid }) => {
                let change = StateChange::Exited { expected: false, pid: *pid };
                self.enter(id, Phase::Exited { restart: true }, change);
            }
            _ => self.exited(now, id, WaitStatus::Lost, Evidence::default()),
        }
    }
}
