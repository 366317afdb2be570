//! A group that is active.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::pool::Pool;
use super::process::{Process, ProcessId};
use super::{Effect, Engine};
use crate::api::{Event, Fault, FaultCode, Now};
use crate::config::spec::{GroupKind, GroupSpec};

/// A group that is active: what it was made from, and its processes in start order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What it was made from.
    pub spec: GroupSpec,
    /// Its processes, in start order.
    pub members: Vec<ProcessId>,
    /// What waits for its listeners, if its processes are event listeners.
    pub pool: Option<Pool>,
}

impl Engine {
    pub(super) fn start_up(&mut self, now: Now) {
        let mut names = BTreeSet::new();
        for spec in self.configured.clone() {
            // Of two groups with one name the first is active, as in Supervisor.
            if names.insert(spec.name.clone()) {
                self.activate(spec);
            }
        }
        self.publish(Event::SupervisorState(self.mood));
        self.turn(now);
    }

    pub(super) fn add_group(&mut self, spec: GroupSpec) -> Result<(), Fault> {
        if self.groups.iter().any(|group| group.spec.name == spec.name) {
            return Err(Fault::new(FaultCode::AlreadyAdded, spec.name));
        }
        self.activate(spec);
        Ok(())
    }

    fn activate(&mut self, spec: GroupSpec) {
        let group: Arc<str> = spec.name.as_str().into();
        let is_pool = matches!(spec.kind, GroupKind::Listeners(_));
        let mut members = Vec::with_capacity(spec.processes.len());
        // Of processes with one name the last counts, as in Supervisor.
        let mut names = BTreeSet::new();
        let last = spec.processes.iter().rev().filter(|process| names.insert(&process.name));
        for process in last.collect::<Vec<_>>().into_iter().rev() {
            let id = ProcessId(self.next_process);
            self.next_process += 1;
            let mut process = Process::new(id, &group, Arc::clone(process));
            process.listener = is_pool.then(Box::default);
            self.effects.push_back(Effect::PrepareLogs {
                id,
                name: process.name.clone(),
                spec: process.spec.clone(),
            });
            self.processes.insert(id, process);
            members.push(id);
        }
        let place = self.groups.partition_point(|group| group.spec.priority <= spec.priority);
        let (name, pool) = (spec.name.clone(), is_pool.then(Pool::default));
        self.groups.insert(place, Group { spec, members, pool });
        // Last, since a pool is told of its own group as well.
        self.publish(Event::GroupAdded(name));
    }

    pub(super) fn remove_group(&mut self, name: &str) -> Result<(), Fault> {
        let place = self.groups.iter().position(|group| group.spec.name == name);
        let place = place.ok_or_else(|| Fault::new(FaultCode::BadName, name))?;
        let stopped = |id| self.processes.get(id).is_none_or(|p| p.state().is_stopped() && p.pid().is_none());
        if !self.groups[place].members.iter().all(stopped) {
            return Err(Fault::new(FaultCode::StillRunning, name));
        }
        for id in self.groups.remove(place).members {
            self.processes.remove(&id);
            self.effects.push_back(Effect::Forget { id });
        }
        self.publish(Event::GroupRemoved(name.to_owned()));
        Ok(())
    }
}
