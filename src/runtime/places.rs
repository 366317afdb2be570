//! Where programs live: the cgroup of each, what it may use there, and what is left in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use super::record::{PlaceRecord, PlacesRecord};
use crate::api::{Level, Notice, ProcessName, Signal};
use crate::config::limits::{INFINITY, Limits};
use crate::config::spec::{Leftovers, ProcessSpec};
use crate::engine::{Input, ProcessId};
use crate::system::cgroup::{Leaf, Tree, Watch};
use crate::system::epoll::{Epoll, Interest};

/// Marks the epoll token of a cgroup.
pub(super) const PLACE: u64 = 1 << 62;

/// Microseconds for which a share of processor time is counted out (cgroups(7), `cpu.max`).
const CPU_PERIOD: u64 = 100_000;

/// How long the end waits for the kernel to end those who were killed.
const PATIENCE: Duration = Duration::from_millis(500);

/// The cgroups of the programs that have been started; none at all where the machine has none for us.
#[derive(Debug, Default)]
pub(super) struct Places {
    tree: Option<Tree>,
    places: BTreeMap<ProcessId, Place>,
    /// Where somebody was killed: to be made anew before somebody is born there.
    killed: BTreeSet<PathBuf>,
    /// What has been said is not said again.
    said: BTreeSet<String>,
    notices: Vec<Notice>,
}

#[derive(Debug)]
struct Place {
    leaf: Leaf,
    leftovers: Leftovers,
    /// How many processes there had been killed for want of memory when it began.
    memory_kills: u64,
    /// While something is left in it.
    watch: Option<Watch>,
}

impl Places {
    pub(super) fn new(tree: Option<Tree>) -> Self {
        Self { tree, ..Self::default() }
    }

    /// The place of a process that is about to be born, with its limits; and the descriptor to be born through.
    pub(super) fn prepare(
        &mut self,
        id: ProcessId,
        name: &ProcessName,
        spec: &ProcessSpec,
    ) -> Option<(Leaf, Option<OwnedFd>)> {
        let Some(tree) = self.tree.clone() else {
            if spec.limits.any_of_cgroup() {
                self.warn(format!("the limits of '{}' do not hold: there are no cgroups", name.process));
            }
            return None;
        };
        let leaf = tree.leaf(name);
        let fresh = !self.killed.contains(leaf.path()) || leaf.remove();
        if let Err(error) = leaf.make() {
            self.warn(format!("can't make the cgroup {}: {error}", leaf.path().display()));
            return None;
        }
        self.limit(&tree, &leaf, name, &spec.limits);
        let (leftovers, memory_kills) = (spec.leftovers, leaf.memory_kills());
        self.places.insert(id, Place { leaf: leaf.clone(), leftovers, memory_kills, watch: None });
        if fresh {
            self.killed.remove(leaf.path());
        }
        let door = if fresh { leaf.open().ok() } else { None };
        Some((leaf, door))
    }

    /// What another binary has to know of them.
    pub(super) fn record(&self) -> PlacesRecord {
        let one = |(id, place): (&ProcessId, &Place)| PlaceRecord {
            id: *id,
            path: place.leaf.path().to_owned(),
            leftovers: place.leftovers,
            watched: place.watch.is_some(),
        };
        PlacesRecord {
            places: self.places.iter().map(one).collect(),
            killed: self.killed.iter().cloned().collect(),
        }
    }

    /// Goes on with them; what has become empty is told when it is looked at.
    pub(super) fn resume(&mut self, poll: &Epoll, record: PlacesRecord) -> Vec<Input> {
        self.killed.extend(record.killed);
        let mut emptied = Vec::new();
        for PlaceRecord { id, path, leftovers, watched } in record.places {
            let leaf = Leaf::at(path);
            let memory_kills = leaf.memory_kills();
            self.places.insert(id, Place { leaf, leftovers, memory_kills, watch: None });
            if watched && !self.leftovers(poll, id) {
                emptied.push(Input::Emptied { id });
            }
        }
        emptied
    }

    /// Where an instance of a process may be, which a daemon that has died has put there. Nobody is born there before it is
    /// made anew, since somebody may have been killed there.
    pub(super) fn recover(&mut self, id: ProcessId, name: &ProcessName, spec: &ProcessSpec) {
        let Some(tree) = self.tree.clone() else { return };
        let leaf = tree.leaf(name);
        if leaf.watch().is_ok() {
            // Its controllers were switched off, so that we could be started.
            self.limit(&tree, &leaf, name, &spec.limits);
            self.killed.insert(leaf.path().to_owned());
            let memory_kills = leaf.memory_kills();
            self.places.insert(id, Place { leaf, leftovers: spec.leftovers, memory_kills, watch: None });
        }
    }

    /// A child that was born elsewhere goes where it belongs.
    pub(super) fn admit(&mut self, leaf: &Leaf, pid: i32) {
        if let Err(error) = leaf.admit(pid) {
            self.warn(format!("can't move processes into {}: {error}", leaf.path().display()));
        }
    }

    fn limit(&mut self, tree: &Tree, leaf: &Leaf, name: &ProcessName, limits: &Limits) {
        for (option, controller, file, value) in settings(limits) {
            let outcome = tree.enable(controller).and_then(|()| leaf.set(file, &value));
            if let Err(error) = outcome {
                let why = match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => {
                        format!("the controller {controller} is not there")
                    }
                    _ => error.to_string(),
                };
                self.warn(format!("{option} of '{}' does not hold: {why}", name.process));
            }
        }
    }

    /// Whether an ended process has left something behind; if so, its end will be told.
    pub(super) fn leftovers(&mut self, poll: &Epoll, id: ProcessId) -> bool {
        let Some(place) = self.places.get_mut(&id) else { return false };
        let Ok(watch) = place.leaf.watch() else { return false };
        if !watch.is_populated() || poll.add(&watch, id.0 | PLACE, Interest::PRIORITY).is_err() {
            return false;
        }
        place.watch = Some(watch);
        true
    }

    /// Whether the kernel has ended a process there, because memory ran out.
    pub(super) fn ran_out_of_memory(&self, id: ProcessId) -> bool {
        self.places.get(&id).is_some_and(|place| place.leaf.memory_kills() > place.memory_kills)
    }

    /// Something has changed in a place.
    pub(super) fn look(&mut self, poll: &Epoll, id: ProcessId) -> Option<Input> {
        let place = self.places.get_mut(&id)?;
        if place.watch.as_ref()?.is_populated() {
            return None;
        }
        let watch = place.watch.take()?;
        // Closed in a moment all the same.
        let _ = poll.remove(&watch);
        Some(Input::Emptied { id })
    }

    pub(super) fn signal(&self, id: ProcessId, signal: Signal) {
        if let Some(place) = self.places.get(&id) {
            place.leaf.signal(signal);
        }
    }

    pub(super) fn kill(&mut self, id: ProcessId) {
        if let Some(place) = self.places.get(&id) {
            place.leaf.kill();
            self.killed.insert(place.leaf.path().to_owned());
        }
    }

    /// A process is configured no longer: nor is what it has left.
    pub(super) fn forget(&mut self, id: ProcessId) {
        let Some(place) = self.places.remove(&id) else { return };
        place.end();
        if !place.leaf.remove() {
            self.killed.insert(place.leaf.path().to_owned());
        }
    }

    /// Nothing outlives us that was not told to.
    pub(super) fn clear(&mut self) {
        self.places.values().for_each(Place::end);
        for place in std::mem::take(&mut self.places).into_values() {
            let wait = if place.leftovers == Leftovers::Kill { PATIENCE } else { Duration::ZERO };
            place.leaf.remove_within(wait);
        }
    }

    /// What the main log is to be told.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub(super) fn warn(&mut self, text: String) {
        if self.said.insert(text.clone()) {
            self.notices.push(Notice::other(Level::Warn, text));
        }
    }
}

impl Place {
    fn end(&self) {
        if self.leftovers == Leftovers::Kill {
            self.leaf.kill();
        }
    }
}

/// Option, controller, file and value of each limit of a cgroup.
fn settings(limits: &Limits) -> Vec<(&'static str, &'static str, &'static str, String)> {
    let amount = |amount: u64| if amount == INFINITY { "max".to_owned() } else { amount.to_string() };
    let quota = |percent: u64| format!("{} {CPU_PERIOD}", percent.saturating_mul(CPU_PERIOD / 100));
    let rows = [
        ("memory_max", "memory", "memory.max", limits.memory_max.map(amount)),
        ("memory_high", "memory", "memory.high", limits.memory_high.map(amount)),
        ("cpu_weight", "cpu", "cpu.weight", limits.cpu_weight.map(|weight| weight.to_string())),
        ("cpu_quota", "cpu", "cpu.max", limits.cpu_quota.map(quota)),
        ("tasks_max", "pids", "pids.max", limits.tasks_max.map(amount)),
    ];
    rows.into_iter()
        .filter_map(|(option, controller, file, value)| Some((option, controller, file, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_the_kernel_reads_them() {
        let limits = Limits {
            memory_max: Some(512 << 20),
            tasks_max: Some(INFINITY),
            cpu_quota: Some(150),
            ..Limits::default()
        };
        let written: Vec<String> =
            settings(&limits).into_iter().map(|(_, _, file, value)| format!("{file}={value}")).collect();
        assert_eq!(written, ["memory.max=536870912", "cpu.max=150000 100000", "pids.max=max"]);
    }
}
