//! The end: priorities one after the other, highest number first; whatever shares a priority stops together.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::process::{Phase, ProcessId};
use super::register::Descent;
use super::{Effect, Engine};
use crate::api::{Event, Mono, Notice, Now, ProcessState, SupervisorState};

/// How often `waiting for … to die` is said.
const REPORT_EVERY: Duration = Duration::from_secs(3);

/// How long listeners may go on with events while nothing but them is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How far a shutdown's wait for busy listeners has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum LastWords {
    NotYet,
    Until(Mono),
    Over,
}

impl Engine {
    /// Stops the next priority when the one before is done, and ends when all are.
    pub(super) fn continue_shutdown(&mut self, now: Now, stirred: &[ProcessId]) {
        if self.finished {
            return;
        }
        if self.last_report.is_none() {
            self.publish(Event::SupervisorState(self.mood));
            self.report(now);
        }
        // Nothing is tried again, whatever its priority: a retry that never comes must not be waited for.
        for id in self.in_state(ProcessState::Backoff).iter().copied().collect::<Vec<_>>() {
            self.abandon(id);
        }
        let mut descent = self.register.descent.take().unwrap_or_else(|| self.descent());
        if !self.descend(&mut descent) {
            // Once more from the top, and then it is sure.
            descent = self.descent();
            if !self.descend(&mut descent) {
                self.finished = true;
                self.effects.push_back(Effect::Finish(self.mood));
                return;
            }
        }
        if let Some((priority, level)) = descent.levels.get(descent.level)
            && !self.listeners_have_their_say(now, *priority)
        {
            // Whoever was told, was told for good.
            if !descent.told || self.is_going_on(stirred) {
                level.iter().for_each(|id| self.stop_for_shutdown(now, *id));
                descent.told = true;
            }
        }
        self.register.descent = Some(descent);
        self.report_again(now);
    }

    /// Looks for the first that holds up the end; false: there is none.
    fn descend(&self, descent: &mut Descent) -> bool {
        while let Some((_, level)) = descent.levels.get(descent.level) {
            let rest = level.iter().skip(descent.member);
            match rest.copied().position(|id| self.holds_up(id)) {
                Some(further) => {
                    descent.member += further;
                    return true;
                }
                None => (descent.level, descent.member, descent.told) = (descent.level + 1, 0, false),
            }
        }
        false
    }

    /// Listeners that are at work are not stopped at once: what they are told last is how everything ended.
    fn listeners_have_their_say(&mut self, now: Now, priority: i64) -> bool {
        if !self.at_work(priority) {
            return false;
        }
        match self.last_words {
            LastWords::NotYet => self.last_words = LastWords::Until(now.mono + LAST_WORDS),
            LastWords::Until(end) if end <= now.mono => self.last_words = LastWords::Over,
            LastWords::Until(_) | LastWords::Over => {}
        }
        matches!(self.last_words, LastWords::Until(_))
    }

    pub(super) fn last_words_deadline(&self) -> Option<Mono> {
        match self.last_words {
            LastWords::Until(end) => Some(end),
            LastWords::NotYet | LastWords::Over => None,
        }
    }

    pub(super) fn report_deadline(&self) -> Option<Mono> {
        self.last_report.map(|at| at + REPORT_EVERY)
    }

    /// From the top.
    fn descent(&self) -> Descent {
        let mut levels: Vec<(i64, Vec<ProcessId>)> = Vec::new();
        for group in self.groups.iter().rev() {
            let members = group.members.iter().rev().copied();
            match levels.last_mut() {
                Some((priority, level)) if *priority == group.spec.priority => level.extend(members),
                _ => levels.push((group.spec.priority, members.collect())),
            }
        }
        Descent { levels, ..Descent::default() }
    }

    fn stop_for_shutdown(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else { return };
        let doomed = match process.phase {
            Phase::Starting { pid, .. } | Phase::Running { pid } => return self.stop_live(now, id, pid),
            Phase::Clearing { stop: false } => Phase::Clearing { stop: true },
            Phase::Spawning { stop: false } => Phase::Spawning { stop: true },
            Phase::Clearing { stop: true }
            | Phase::Spawning { stop: true }
            | Phase::Stopped
            | Phase::Backoff { .. }
            | Phase::Stopping { .. }
            | Phase::Emptying { .. }
            | Phase::Exited { .. }
            | Phase::Fatal
            | Phase::Unknown { .. } => return,
        };
        if let Some(process) = self.processes.get_mut(&id) {
            process.phase = doomed;
        }
    }

    fn holds_up(&self, id: ProcessId) -> bool {
        self.processes.get(&id).is_some_and(|p| !p.state().is_stopped())
    }

    fn report_again(&mut self, now: Now) {
        if self.report_deadline().is_some_and(|due| due <= now.mono) {
            self.report(now);
        }
    }

    fn report(&mut self, now: Now) {
        self.last_report = Some(now.mono);
        let unstopped = self.processes.values().filter(|p| !p.state().is_stopped());
        let mut names: Vec<Arc<str>> = unstopped.map(|p| p.name.process.clone()).collect();
        names.sort();
        if !names.is_empty() {
            self.note(Notice::WaitingToDie { names });
        }
    }

    /// Everything has stopped, and [`Effect::Finish`] was decided.
    #[must_use]
    pub fn finished(&self) -> Option<SupervisorState> {
        self.finished.then_some(self.mood)
    }
}
