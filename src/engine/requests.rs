//! Wishes: what each verb means, and who is answered when.

use super::effect::LoadReason;
use super::ledger::{Errand, Purpose, Ticket, Waiter};
use super::process::{Phase, ProcessId};
use super::tracked::Mark;
use super::transitions::unknown_state;
use super::{Effect, Engine};
use crate::api::{
    Event, Fault, FaultCode, Level, Notice, Now, ProcessName, ProcessState, Reply, Request, Signal,
    SupervisorState, Target,
};
use crate::config::diff;
use crate::config::spec::GroupSpec;

impl Engine {
    pub(super) fn request(&mut self, now: Now, ticket: Ticket, request: Request) {
        if self.mood != SupervisorState::Running && !answered_while_stopping(&request) {
            self.reply(ticket, Err(Fault::bare(FaultCode::ShutdownState)));
            return;
        }
        match request {
            Request::Info(name) => {
                let process = self.find(&name).and_then(|id| self.processes.get(&id));
                let info = process.map(|p| Reply::Info(Box::new(p.info())));
                self.reply(ticket, info.ok_or_else(|| bad_name(&name)));
            }
            Request::Infos => {
                let infos = self.infos();
                self.reply(ticket, Ok(Reply::Infos(infos)));
            }
            Request::Details(name) => {
                let process = self.find(&name).and_then(|id| self.processes.get(&id));
                let details = process.map(|p| Reply::Details(Box::new(p.details())));
                self.reply(ticket, details.ok_or_else(|| bad_name(&name)));
            }
            Request::AllDetails => {
                let details = self.details();
                self.reply(ticket, Ok(Reply::AllDetails(details)));
            }
            Request::Start { target, wait } => self.start(now, ticket, &target, wait),
            Request::Stop { target, wait } => self.stop(now, ticket, &target, wait),
            Request::Signal { target, signal } => self.signal(ticket, &target, signal),
            Request::Reread => self.load(LoadReason::Reread, Some(ticket)),
            Request::AddGroup(name) => self.add_configured(ticket, &name),
            Request::RemoveGroup(name) => {
                let removed = self.remove_group(&name).map(|()| Reply::Done);
                self.reply(ticket, removed);
            }
            Request::ClearLogs(target) => self.clear_logs(ticket, &target),
            Request::ClearMainLog => {
                let errand = self.ledger.errand(Purpose::Answer(Waiter::One(ticket)));
                self.effects.push_back(Effect::ClearMainLog { errand });
            }
            Request::SendStdin { name, data } => self.send_stdin(ticket, &name, data),
            Request::RemoteEvent { kind, data } => {
                self.publish(Event::RemoteCommunication { kind, data });
                self.reply(ticket, Ok(Reply::Done));
            }
            Request::ReopenLogs => {
                self.effects.push_back(Effect::ReopenLogs);
                self.reply(ticket, Ok(Reply::Done));
            }
            Request::Shutdown => {
                self.mood = SupervisorState::Shutdown;
                self.reply(ticket, Ok(Reply::Done));
            }
            Request::Restart => self.load(LoadReason::Restart, Some(ticket)),
            Request::Reexec => {
                let errand = self.ledger.errand(Purpose::Answer(Waiter::One(ticket)));
                self.effects.push_back(Effect::Reexec { errand });
            }
        }
    }

    pub(super) fn signal_received(&mut self, signal: Signal) {
        let restart_refused = signal == Signal::HUP && self.mood == SupervisorState::Shutdown;
        if restart_refused {
            self.note(Notice::SignalIgnored { signal });
            return;
        }
        self.note(Notice::SignalReceived { signal });
        match signal {
            Signal::TERM | Signal::INT | Signal::QUIT => self.mood = SupervisorState::Shutdown,
            Signal::HUP if self.mood == SupervisorState::Running => self.load(LoadReason::Restart, None),
            Signal::USR2 => {
                self.note(Notice::ReopenedLogs);
                self.effects.push_back(Effect::ReopenLogs);
            }
            _ => {}
        }
    }

    fn load(&mut self, reason: LoadReason, ticket: Option<Ticket>) {
        let errand = self.ledger.errand(Purpose::Load { reason, ticket });
        self.effects.push_back(Effect::Load { errand, reason });
    }

    pub(super) fn loaded(&mut self, _now: Now, errand: Errand, outcome: Result<Vec<GroupSpec>, String>) {
        let Some(Purpose::Load { reason, ticket }) = self.ledger.settle(errand) else { return };
        let answer = match (outcome, reason) {
            (Err(problem), _) => {
                if reason == LoadReason::Restart {
                    let text = format!("restart refused, everything keeps running: {problem}");
                    self.note(Notice::other(Level::Error, text));
                }
                Err(Fault::new(FaultCode::CantReread, problem))
            }
            (Ok(_), LoadReason::Restart) => {
                if self.mood == SupervisorState::Running {
                    self.mood = SupervisorState::Restarting;
                }
                Ok(Reply::Done)
            }
            (Ok(wanted), LoadReason::Reread) => {
                let active: Vec<_> = self.groups.iter().map(|group| &group.spec).collect();
                let found = diff::between(&active, &wanted);
                self.configured = wanted;
                self.reread = Mark(true);
                Ok(Reply::Reread(found))
            }
        };
        if let Some(ticket) = ticket {
            self.reply(ticket, answer);
        }
    }

    fn add_configured(&mut self, ticket: Ticket, name: &str) {
        let spec = self.configured.iter().find(|spec| spec.name == name).cloned();
        let added = match spec {
            None => Err(Fault::new(FaultCode::BadName, name)),
            Some(spec) => self.add_group(spec).map(|()| Reply::Done),
        };
        self.reply(ticket, added);
    }

    /// Whom a verb is for; of several only those that `include` accepts.
    fn targets(&self, target: &Target, include: fn(ProcessState) -> bool) -> Result<Vec<ProcessId>, Fault> {
        let ids = match target {
            Target::Process(name) => return Ok(vec![self.find(name).ok_or_else(|| bad_name(name))?]),
            Target::Group(name) => {
                let group = self.groups.iter().find(|group| group.spec.name == *name);
                group.ok_or_else(|| Fault::new(FaultCode::BadName, name))?.members.clone()
            }
            Target::All => self.by_priority(),
        };
        let wanted = |id: &ProcessId| self.processes.get(id).is_some_and(|p| include(p.state()));
        Ok(ids.into_iter().filter(wanted).collect())
    }

    /// Opens the promise for a verb: whom it is for, each with the waiter to tell.
    fn promise(
        &mut self,
        ticket: Ticket,
        target: &Target,
        include: fn(ProcessState) -> bool,
    ) -> Vec<(ProcessId, Waiter)> {
        let ids = match self.targets(target, include) {
            Ok(ids) => ids,
            Err(fault) => {
                self.reply(ticket, Err(fault));
                return Vec::new();
            }
        };
        if matches!(target, Target::Process(_)) {
            return ids.into_iter().map(|id| (id, Waiter::One(ticket))).collect();
        }
        if ids.is_empty() {
            self.reply(ticket, Ok(Reply::Results(Vec::new())));
            return Vec::new();
        }
        self.ledger.open_batch(ticket, ids.len());
        let processes = &self.processes;
        let member =
            |id: ProcessId| processes.get(&id).map(|p| (id, Waiter::Member { ticket, name: p.name.clone() }));
        ids.into_iter().filter_map(member).collect()
    }

    fn start(&mut self, _now: Now, ticket: Ticket, target: &Target, wait: bool) {
        for (id, waiter) in self.promise(ticket, target, |state| !state.is_running()) {
            let Some(process) = self.processes.get(&id) else { continue };
            let spec = process.spec.clone();
            let errand = self.ledger.errand(Purpose::Start { id, wait, waiter });
            self.effects.push_back(Effect::Probe { errand, spec });
        }
    }

    pub(super) fn errand_done(&mut self, now: Now, errand: Errand, outcome: Result<(), Fault>) {
        match self.ledger.settle(errand) {
            None => {}
            Some(Purpose::Answer(waiter)) => self.settle(waiter, outcome),
            Some(Purpose::Start { id, wait, waiter }) => match outcome {
                Ok(()) if self.mood != SupervisorState::Running => {
                    self.settle(waiter, Err(Fault::bare(FaultCode::ShutdownState)));
                }
                Ok(()) => self.start_one(now, id, wait, waiter),
                Err(fault) => self.settle(waiter, Err(fault)),
            },
            Some(Purpose::Load { ticket, .. }) => {
                if let (Some(ticket), Err(fault)) = (ticket, outcome) {
                    self.reply(ticket, Err(fault));
                }
            }
        }
    }

    pub(super) fn start_one(&mut self, now: Now, id: ProcessId, wait: bool, waiter: Waiter) {
        let Some(process) = self.processes.get_mut(&id) else {
            self.settle(waiter, Err(Fault::bare(FaultCode::BadName)));
            return;
        };
        let name = process.name.to_string();
        match process.phase {
            Phase::Stopping { .. }
            | Phase::Emptying { .. }
            | Phase::Clearing { stop: true }
            | Phase::Spawning { stop: true } => {
                process.start_after_stop.push((waiter, wait));
            }
            Phase::Unknown { pid: Some(_) } => {
                let fault = unknown_state(Some(process));
                self.settle(waiter, Err(fault));
            }
            Phase::Clearing { .. }
            | Phase::Spawning { .. }
            | Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::Backoff { .. } => {
                self.settle(waiter, Err(Fault::new(FaultCode::AlreadyStarted, name)));
            }
            Phase::Stopped | Phase::Exited { .. } | Phase::Fatal | Phase::Unknown { pid: None } => {
                process.tries = 0;
                process.restarts = 0;
                process.diagnosis = None;
                let waiters = if wait { &mut process.start_waiters } else { &mut process.launch_waiters };
                waiters.push(waiter);
                self.spawn(now, id);
            }
        }
    }

    fn stop(&mut self, now: Now, ticket: Ticket, target: &Target, wait: bool) {
        for (id, waiter) in self.promise(ticket, target, ProcessState::is_running) {
            self.stop_one(now, id, wait, waiter);
        }
    }

    fn stop_one(&mut self, now: Now, id: ProcessId, wait: bool, waiter: Waiter) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let name = process.name.clone();
        let doomed = matches!(process.phase, Phase::Clearing { stop: true } | Phase::Spawning { stop: true });
        if doomed || !process.state().is_running() {
            self.settle(waiter, Err(Fault::new(FaultCode::NotRunning, name.to_string())));
            return;
        }
        let (now_waiter, then) = if wait { (waiter, None) } else { (Waiter::Nobody, Some(waiter)) };
        process.stop_waiters.push(now_waiter);
        match process.phase.clone() {
            Phase::Backoff { .. } => self.stop_in_backoff(now, id),
            Phase::Clearing { .. } => process.phase = Phase::Clearing { stop: true },
            Phase::Spawning { .. } => process.phase = Phase::Spawning { stop: true },
            Phase::Starting { pid, .. } | Phase::Running { pid } => {
                self.stop_live(now, id, pid);
                if wait {
                    self.note(Notice::WaitingToStop { name: name.process });
                }
            }
            Phase::Stopped
            | Phase::Stopping { .. }
            | Phase::Emptying { .. }
            | Phase::Exited { .. }
            | Phase::Fatal
            | Phase::Unknown { .. } => {}
        }
        if let Some(waiter) = then {
            self.settle(waiter, Ok(()));
        }
    }

    fn signal(&mut self, ticket: Ticket, target: &Target, signal: Signal) {
        for (id, waiter) in self.promise(ticket, target, ProcessState::is_signallable) {
            let Some(process) = self.processes.get(&id) else { continue };
            let name = process.name.clone();
            match process.pid().filter(|_| process.state().is_signallable()) {
                None => self.settle(waiter, Err(Fault::new(FaultCode::NotRunning, name.to_string()))),
                Some(pid) => {
                    let errand = Some(self.ledger.errand(Purpose::Answer(waiter)));
                    self.note(Notice::Sending { name: name.process, pid, signal });
                    self.effects.push_back(Effect::Signal { id, pid, signal, group: false, errand });
                }
            }
        }
    }

    fn clear_logs(&mut self, ticket: Ticket, target: &Target) {
        for (id, waiter) in self.promise(ticket, target, |_| true) {
            let Some(process) = self.processes.get(&id) else { continue };
            let files = [&process.stdout_logfile, &process.stderr_logfile];
            let files = files.into_iter().flatten().cloned().collect();
            let errand = self.ledger.errand(Purpose::Answer(waiter));
            self.effects.push_back(Effect::ClearLogs { errand, id, files });
        }
    }

    fn send_stdin(&mut self, ticket: Ticket, name: &ProcessName, data: Vec<u8>) {
        let Some(process) = self.find(name).and_then(|id| self.processes.get(&id)) else {
            self.reply(ticket, Err(bad_name(name)));
            return;
        };
        if !matches!(process.phase, Phase::Starting { .. } | Phase::Running { .. }) {
            self.reply(ticket, Err(Fault::new(FaultCode::NotRunning, name.to_string())));
            return;
        }
        let id = process.id;
        let errand = self.ledger.errand(Purpose::Answer(Waiter::One(ticket)));
        self.effects.push_back(Effect::SendStdin { errand, id, data });
    }
}

fn bad_name(name: &ProcessName) -> Fault {
    Fault::new(FaultCode::BadName, name.to_string())
}

/// What is answered while everything is being stopped: questions, and what brings the end nearer.
fn answered_while_stopping(request: &Request) -> bool {
    matches!(
        request,
        Request::RemoteEvent { .. } | Request::ReopenLogs | Request::Details(_) | Request::AllDetails
    )
}
