//! What becomes of a process: facts and deadlines → phases.

use std::path::Path;
use std::sync::Arc;

use super::process::{Phase, Process, ProcessId, seconds};
use super::{Effect, Engine, Evidence, Waiter, diagnosis};
use crate::api::event::StateChange;
use crate::api::{Event, Fault, FaultCode, Notice, Now, ProcessState, Signal, SupervisorState, WaitStatus};
use crate::config::spec::AutoRestart;

const TOO_QUICK: &str = "Exited too quickly (process log may have details)";

impl Engine {
    pub(super) fn logs_prepared(
        &mut self,
        id: ProcessId,
        stdout: Option<Arc<Path>>,
        stderr: Option<Arc<Path>>,
    ) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.prepared = true;
            process.stdout_logfile = stdout;
            process.stderr_logfile = stderr;
        }
    }

    /// Does what is due for a process by now.
    pub(super) fn transition(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else { return };
        if process.emptying.is_some_and(|kill_at| kill_at <= now.mono) {
            self.kill_leftovers(now, id);
        }
        let Some(process) = self.processes.get(&id) else { return };
        let due = process.phase_deadline().is_some_and(|deadline| deadline <= now.mono);
        match process.phase {
            Phase::Stopped if process.spec.autostart && process.started.is_none() && process.prepared => {
                self.spawn_if_allowed(now, id);
            }
            Phase::Exited { restart: true } => self.spawn_again(now, id),
            Phase::Backoff { .. } if i64::from(process.tries) > process.spec.startretries => self.give_up(id),
            Phase::Backoff { .. } if due => self.spawn_again(now, id),
            Phase::Starting { pid, .. } if due => self.up(id, pid, true),
            Phase::Stopping { pid, .. } if due => self.kill_hard(now, id, pid),
            Phase::Starting { .. } | Phase::Running { .. } => self.restart_listener(now, id),
            _ => {}
        }
    }

    fn spawn_if_allowed(&mut self, now: Now, id: ProcessId) {
        if self.mood == SupervisorState::Running {
            self.spawn(now, id);
        }
    }

    fn spawn_again(&mut self, now: Now, id: ProcessId) {
        let allowed = self.mood == SupervisorState::Running;
        if let Some(process) = self.processes.get_mut(&id).filter(|_| allowed) {
            process.restarts += 1;
            self.spawn(now, id);
        }
    }

    pub(super) fn spawn(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.spawnerr = None;
        process.exitstatus = None;
        process.started = Some((now.mono, now.wall));
        if let Some(listener) = &mut process.listener {
            listener.begin();
        }
        let (tries, is_clear) = (process.tries, process.emptying.is_none());
        self.enter(id, Phase::Clearing { stop: false }, StateChange::Starting { tries });
        if is_clear {
            self.launch(id);
        }
    }

    /// Nothing stands in the way of its fork.
    pub(super) fn launch(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.phase = Phase::Spawning { stop: false };
        self.effects.push_back(Effect::Spawn {
            id,
            name: process.name.clone(),
            spec: process.spec.clone(),
            stdout: process.stdout_logfile.clone(),
            stderr: process.stderr_logfile.clone(),
            listener: process.listener.is_some(),
        });
    }

    /// Puts the process in a phase and tells of the new state.
    pub(super) fn enter(&mut self, id: ProcessId, phase: Phase, to: StateChange) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let from = process.state();
        process.phase = phase;
        debug_assert_eq!(process.state(), to.state(), "phase and event must agree");
        let name = process.name.clone();
        self.publish(Event::ProcessState { name, from, to });
    }

    pub(super) fn spawned(&mut self, now: Now, id: ProcessId, pid: i32) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Phase::Spawning { stop } = process.phase else { return };
        let name = process.name.clone();
        let at_once = process.spec.startsecs <= 0;
        process.phase = Phase::Starting { pid, since: now.mono };
        self.note(Notice::Spawned { name, pid });
        self.effects.push_back(Effect::Release { id });
        self.tell_launch_waiters(id, |_| Ok(()));
        if stop {
            self.stop_live(now, id, pid);
        } else if at_once {
            self.up(id, pid, true);
        }
    }

    pub(super) fn spawn_failed(&mut self, now: Now, id: ProcessId, reason: String, help: &str) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Phase::Spawning { stop } = process.phase else { return };
        process.spawnerr = Some(reason.clone());
        process.diagnosis = Some(diagnosis::with(reason.clone(), help));
        let name = process.name.clone();
        self.note(Notice::SpawnError { name, text: reason });
        self.tell_launch_waiters(id, |name| Err(Fault::new(FaultCode::SpawnError, name)));
        if stop {
            self.enter(id, Phase::Stopped, StateChange::Stopped { pid: 0 });
            self.tell_start_waiters(id, |name| Err(Fault::new(FaultCode::SpawnError, name)));
            self.stopped(now, id);
        } else {
            self.back_off(now, id);
        }
    }

    fn up(&mut self, id: ProcessId, pid: i32, say: bool) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.tries = 0;
        process.diagnosis = None;
        let (name, startsecs) = (process.name.clone(), process.spec.startsecs);
        self.enter(id, Phase::Running { pid }, StateChange::Running { pid });
        if say {
            self.note(Notice::Success { name, startsecs });
        }
        self.tell_start_waiters(id, |_| Ok(()));
    }

    fn back_off(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.tries += 1;
        let tries = process.tries;
        let until = now.mono + seconds(i64::from(tries));
        self.enter(id, Phase::Backoff { until }, StateChange::Backoff { tries });
        self.tell_start_waiters(id, |name| Err(Fault::new(FaultCode::SpawnError, name)));
    }

    fn give_up(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.tries = 0;
        let (name, problem) = (process.name.clone(), process.diagnosis.clone().unwrap_or_default());
        self.enter(id, Phase::Fatal, StateChange::Fatal);
        self.note(Notice::GaveUp { name, problem });
    }

    pub(super) fn exited(&mut self, now: Now, id: ProcessId, status: WaitStatus, evidence: Evidence) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(pid) = process.pid() else { return };
        process.ended = Some(now.wall);
        // Before it may be started again, and has been told nothing.
        self.take_back(id);
        if evidence.leftovers {
            self.clear_up(now, id, status);
        }
        let Some(process) = self.processes.get(&id) else { return };
        if let Some(text) = &evidence.failure {
            let (name, text) = (process.name.clone(), format!("spawnerr: {}: {text}", process.name.process));
            self.effects.push_back(Effect::Note(Notice::ExecFailed { name, text }));
        }
        let Some(process) = self.processes.get(&id) else { return };
        match process.phase {
            Phase::Stopping { .. } if process.emptying.is_some() => self.wait_until_empty(id, pid, status),
            Phase::Stopping { .. } => self.ended_by_request(now, id, pid, status),
            Phase::Unknown { .. } => self.ended_unknown(now, id, status),
            Phase::Starting { since, .. }
                if now.mono.since(since) < seconds(process.spec.startsecs)
                    || (evidence.failure.is_some() && process.spec.startsecs > 0) =>
            {
                self.ended_too_quickly(now, id, status, evidence);
            }
            Phase::Starting { .. } => {
                self.up(id, pid, false);
                self.ended_by_itself(now, id, pid, status, evidence);
            }
            _ => self.ended_by_itself(now, id, pid, status, evidence),
        }
    }

    fn wait_until_empty(&mut self, id: ProcessId, pid: i32, status: WaitStatus) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.phase = Phase::Emptying { pid, status };
        }
    }

    pub(super) fn ended_by_request(&mut self, now: Now, id: ProcessId, pid: i32, status: WaitStatus) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.exitstatus = Some(status.code());
        process.tries = 0;
        process.diagnosis = None;
        let expected = process.spec.exitcodes.contains(&status.code());
        let name = process.name.clone();
        self.enter(id, Phase::Stopped, StateChange::Stopped { pid });
        self.note(Notice::Stopped { name, status, expected });
        self.stopped(now, id);
    }

    /// It could not be signalled, and has ended all the same: it stays UNKNOWN until somebody starts it.
    fn ended_unknown(&mut self, now: Now, id: ProcessId, status: WaitStatus) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.exitstatus = Some(status.code());
        process.phase = Phase::Unknown { pid: None };
        let name = process.name.clone();
        self.note(Notice::Exited { name, status, expected: false });
        self.stopped(now, id);
    }

    fn ended_too_quickly(&mut self, now: Now, id: ProcessId, status: WaitStatus, evidence: Evidence) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.exitstatus = None;
        process.diagnosis = Some(diagnosis::too_quick(status, process.spec.startsecs, &evidence));
        process.spawnerr = Some(evidence.failure.unwrap_or_else(|| TOO_QUICK.to_owned()));
        let name = process.name.clone();
        self.back_off(now, id);
        self.note(Notice::Exited { name, status, expected: false });
    }

    fn ended_by_itself(&mut self, now: Now, id: ProcessId, pid: i32, status: WaitStatus, evidence: Evidence) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let code = status.code();
        let expected = evidence.failure.is_none() && process.spec.exitcodes.contains(&code);
        process.exitstatus = Some(code);
        process.tries = 0;
        if !expected {
            process.diagnosis = Some(diagnosis::unexpected(status, &process.spec.exitcodes, &evidence));
            process.spawnerr = Some(evidence.failure.unwrap_or_else(|| format!("Bad exit code {code}")));
        }
        let restart = match process.spec.autorestart {
            AutoRestart::Always => true,
            AutoRestart::Unexpected => !expected,
            AutoRestart::Never => false,
        };
        let name = process.name.clone();
        self.enter(id, Phase::Exited { restart }, StateChange::Exited { expected, pid });
        self.note(Notice::Exited { name, status, expected });
        self.tell_start_waiters(id, |name| Err(Fault::new(FaultCode::AbnormalTermination, name)));
        self.stopped(now, id);
    }

    /// Asks a process that has a pid to stop.
    pub(super) fn stop_live(&mut self, now: Now, id: ProcessId, pid: i32) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.tries = 0;
        let spec = process.spec.clone();
        let name = process.name.process.clone();
        let kill_at = now.mono + seconds(spec.stopwaitsecs);
        let (signal, group) = (spec.stopsignal, spec.stopasgroup);
        self.enter(id, Phase::Stopping { pid, kill_at }, StateChange::Stopping { pid });
        self.note(Notice::Killing { name, pid, signal, group });
        self.effects.push_back(Effect::Signal { id, pid, signal, group, errand: None });
        self.tell_start_waiters(id, |name| Err(Fault::new(FaultCode::AbnormalTermination, name)));
    }

    fn kill_hard(&mut self, now: Now, id: ProcessId, pid: i32) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let wait = seconds(process.spec.stopwaitsecs.max(1));
        process.phase = Phase::Stopping { pid, kill_at: now.mono + wait };
        let name = process.name.process.clone();
        let group = process.spec.killasgroup;
        self.note(Notice::KillingHard { name: name.clone(), pid });
        self.note(Notice::Killing { name, pid, signal: Signal::KILL, group });
        self.effects.push_back(Effect::Signal { id, pid, signal: Signal::KILL, group, errand: None });
    }

    /// A stop is over: tell those who waited, and start again for those who asked for that meanwhile.
    pub(super) fn stopped(&mut self, now: Now, id: ProcessId) {
        self.tell_stop_waiters(id, Ok(()));
        for (waiter, wait) in self.take_starters(id) {
            if self.mood == SupervisorState::Running {
                self.start_one(now, id, wait, waiter);
            } else {
                self.settle(waiter, Err(Fault::bare(FaultCode::ShutdownState)));
            }
        }
    }

    pub(super) fn take_starters(&mut self, id: ProcessId) -> Vec<(Waiter, bool)> {
        self.processes.get_mut(&id).map(|p| std::mem::take(&mut p.start_after_stop)).unwrap_or_default()
    }

    pub(super) fn tell_launch_waiters(
        &mut self,
        id: ProcessId,
        outcome: impl Fn(String) -> Result<(), Fault>,
    ) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let (waiters, name) = (std::mem::take(&mut process.launch_waiters), process.name.clone());
        for waiter in waiters {
            self.settle(waiter, outcome(name.to_string()));
        }
    }

    pub(super) fn tell_start_waiters(
        &mut self,
        id: ProcessId,
        outcome: impl Fn(String) -> Result<(), Fault>,
    ) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let (waiters, name) = (std::mem::take(&mut process.start_waiters), process.name.clone());
        for waiter in waiters {
            self.settle(waiter, outcome(name.to_string()));
        }
    }

    pub(super) fn tell_stop_waiters(&mut self, id: ProcessId, outcome: Result<(), &Fault>) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        for waiter in std::mem::take(&mut process.stop_waiters) {
            self.settle(waiter, outcome.map_err(Clone::clone));
        }
    }

    pub(super) fn settle(&mut self, waiter: Waiter, outcome: Result<(), Fault>) {
        if let Some((ticket, answer)) = self.ledger.outcome(waiter, outcome) {
            self.reply(ticket, answer);
        }
    }

    /// A process in BACKOFF is not tried again.
    pub(super) fn stop_in_backoff(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.tries = 0;
        process.diagnosis = None;
        let name = process.name.process.clone();
        self.note(Notice::KilledInBackoff { name });
        self.kill_leftovers_at_once(id);
        self.enter(id, Phase::Stopped, StateChange::Stopped { pid: 0 });
        self.stopped(now, id);
    }

    /// Shutdown meets a process in BACKOFF.
    pub(super) fn abandon(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.tries = 0;
            self.enter(id, Phase::Fatal, StateChange::Fatal);
        }
    }
}

pub(super) fn unknown_state(process: Option<&Process>) -> Fault {
    let name = process.map(|p| p.name.to_string()).unwrap_or_default();
    debug_assert!(process.is_none_or(|p| p.state() == ProcessState::Unknown), "asked of {name}");
    Fault::new(FaultCode::Failed, format!("{name} is in an unknown process state"))
}
