//! A signal that could not be sent: nobody knows what becomes of the process (PRC-26).

use super::ledger::Purpose;
use super::process::{Phase, ProcessId};
use super::transitions::unknown_state;
use super::{Engine, Errand};
use crate::api::event::StateChange;
use crate::api::{Fault, FaultCode, Notice};

impl Engine {
    /// With an errand somebody had asked for that signal; without, it was that of a stop.
    pub(super) fn signal_failed(&mut self, id: ProcessId, errand: Option<Errand>, problem: String) {
        let asker = match errand.and_then(|errand| self.ledger.settle(errand)) {
            Some(Purpose::Answer(waiter)) => Some(waiter),
            _ => None,
        };
        let process = self.processes.get(&id);
        let live = process.and_then(|process| match process.phase {
            Phase::Stopping { pid, .. } => Some((process.name.process.clone(), pid)),
            Phase::Starting { pid, .. } | Phase::Running { pid } if asker.is_some() => {
                Some((process.name.process.clone(), pid))
            }
            _ => None,
        });
        let Some((name, pid)) = live else {
            if let Some(asker) = asker {
                self.settle(asker, Err(Fault::new(FaultCode::Failed, problem)));
            }
            return;
        };
        let notice = match &asker {
            Some(_) => Notice::SendUnknown { name, pid, problem },
            None => Notice::KillUnknown { name, pid, problem },
        };
        let fault = Fault::new(FaultCode::Failed, notice.to_string());
        self.note(notice);
        self.enter(id, Phase::Unknown { pid: Some(pid) }, StateChange::Unknown);
        if let Some(asker) = asker {
            self.settle(asker, Err(fault.clone()));
        }
        self.tell_start_waiters(id, |name| Err(Fault::new(FaultCode::AbnormalTermination, name)));
        self.tell_stop_waiters(id, Err(&fault));
        let unknown = unknown_state(self.processes.get(&id));
        for (waiter, _) in self.take_starters(id) {
            self.settle(waiter, Err(unknown.clone()));
        }
    }
}
