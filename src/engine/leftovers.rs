//! What an ended process has left behind. Stopped means empty, and no leftover of one instance meets the next: whatever a
//! process has started is told to end when it has ended itself, and killed when `stopwaitsecs` are over.

use super::process::{Phase, ProcessId, seconds};
use super::{Effect, Engine};
use crate::api::event::StateChange;
use crate::api::{Fault, FaultCode, Level, Notice, Now, Signal, WaitStatus};
use crate::config::spec::Leftovers;

impl Engine {
    /// A process has ended, and something that it started has not.
    pub(super) fn clear_up(&mut self, now: Now, id: ProcessId, status: WaitStatus) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if process.spec.leftovers == Leftovers::Leave {
            return;
        }
        // Whoever was killed after its time has used up that of its children too.
        let killed = matches!(status, WaitStatus::Signalled { signal: Signal::KILL, .. });
        let kill_at = match process.phase {
            Phase::Stopping { .. } if killed => now.mono,
            Phase::Stopping { kill_at, .. } => kill_at,
            _ => now.mono + seconds(process.spec.stopwaitsecs),
        };
        process.emptying = Some(kill_at);
        let (name, signal) = (process.name.process.clone(), process.spec.stopsignal);
        let text = format!("'{name}' has left processes behind, sending them {signal}");
        self.note(Notice::other(Level::Info, text));
        self.effects.push_back(Effect::SignalLeftovers { id, signal });
    }

    /// Their time is over.
    pub(super) fn kill_leftovers(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.emptying = Some(now.mono + seconds(process.spec.stopwaitsecs.max(1)));
        let text = format!("killing what '{}' has left behind with SIGKILL", process.name.process);
        self.note(Notice::other(Level::Warn, text));
        self.effects.push_back(Effect::KillLeftovers { id });
    }

    /// Nobody waits for them any more.
    pub(super) fn kill_leftovers_at_once(&mut self, id: ProcessId) {
        if self.processes.get(&id).is_some_and(|process| process.emptying.is_some()) {
            self.effects.push_back(Effect::KillLeftovers { id });
        }
    }

    /// Nothing is left: what has waited for that goes on.
    pub(super) fn emptied(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.emptying = None;
        match process.phase {
            Phase::Emptying { pid, status } => self.ended_by_request(now, id, pid, status),
            Phase::Clearing { stop: false } => self.launch(id),
            Phase::Clearing { stop: true } => self.never_started(now, id),
            Phase::Stopped
            | Phase::Spawning { .. }
            | Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::Stopping { .. }
            | Phase::Backoff { .. }
            | Phase::Exited { .. }
            | Phase::Fatal
            | Phase::Unknown { .. } => {}
        }
    }

    /// It was to be stopped before it had a pid.
    pub(super) fn never_started(&mut self, now: Now, id: ProcessId) {
        let stopped = |name: String| Err(Fault::new(FaultCode::AbnormalTermination, name));
        self.tell_launch_waiters(id, stopped);
        self.tell_start_waiters(id, stopped);
        self.enter(id, Phase::Stopped, StateChange::Stopped { pid: 0 });
        self.stopped(now, id);
    }
}
