//! Event listener pools: which events wait, and to whom the next one goes (Supervisor 4.3 `process.py`, `EventListenerPool`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::listener::Heard;
use super::process::{Phase, ProcessId};
use super::{Effect, Engine, Group};
use crate::api::event::Period;
use crate::api::text::decoded;
use crate::api::{Event, Level, ListenerState, Notice, Now, SupervisorState};
use crate::config::spec::{AutoRestart, GroupKind, GroupSpec, PoolSpec};

/// Python's `sys.maxsize`, after which serials begin again.
const LAST_SERIAL: u64 = i64::MAX as u64;

/// The longest wait before a listener that keeps breaking the protocol is restarted.
const LONGEST_PENANCE: u32 = 60;

/// An event that a pool has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What happened.
    pub event: Arc<Event>,
    /// Its number among all events.
    pub serial: u64,
    /// Its number within the pool.
    pub pool_serial: u64,
}

/// The events that wait for the listeners of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    waiting: VecDeque<Pending>,
    next_serial: u64,
}

fn take_serial(next: &mut u64) -> u64 {
    let serial = *next;
    *next = if serial == LAST_SERIAL { 0 } else { serial + 1 };
    serial
}

fn pool_spec(spec: &GroupSpec) -> Option<&PoolSpec> {
    match &spec.kind {
        GroupKind::Listeners(pool) => Some(pool),
        GroupKind::Programs => None,
    }
}

impl Pool {
    /// Makes room for one more, at the cost of the oldest, which is told.
    fn make_room(&mut self, group: &GroupSpec) -> Option<Notice> {
        let limit = pool_spec(group).map_or(1, |pool| pool.buffer_size);
        if self.waiting.len() < limit {
            return None;
        }
        let serial = self.waiting.pop_front()?.serial;
        let text = format!("pool {} event buffer overflowed, discarding event {serial}", group.name);
        Some(Notice::other(Level::Error, text))
    }

    fn rebuffering(&self, group: &GroupSpec, serial: u64) -> Notice {
        let limit = pool_spec(group).map_or(1, |pool| pool.buffer_size);
        let (name, held) = (&group.name, self.waiting.len());
        let text = format!("rebuffering event {serial} for pool {name} (buf size={held}, max={limit})");
        Notice::other(Level::Debug, text)
    }
}

impl Engine {
    /// Tells of an event: every pool that wants it, and whoever else listens.
    pub(super) fn publish(&mut self, event: Event) {
        let event = Arc::new(event);
        let kind = event.kind();
        let mut serial = None;
        for place in 0..self.groups.pools().len() {
            let at = self.groups.pools()[place];
            let pool = pool_spec(&self.groups[at].spec);
            let wanted = pool.is_some_and(|pool| pool.events.iter().any(|event| event.covers(kind)));
            let Some(group) = Some(at).filter(|_| wanted).and_then(|at| self.groups.get_mut(at)) else {
                continue;
            };
            let Some(pool) = group.pool.as_mut() else { continue };
            let serial = *serial.get_or_insert_with(|| take_serial(&mut self.next_event));
            let discarded = pool.make_room(&group.spec);
            let pool_serial = take_serial(&mut pool.next_serial);
            pool.waiting.push_back(Pending { event: Arc::clone(&event), serial, pool_serial });
            self.effects.extend(discarded.map(Effect::Note));
        }
        self.effects.push_back(Effect::Publish(event));
    }

    /// Hands out what waits to the listeners that are free.
    pub(super) fn dispatch(&mut self) {
        for place in 0..self.groups.pools().len() {
            let at = self.groups.pools()[place];
            while let Some(id) = self.free_listener(at) {
                let pool = self.groups.get_mut(at).and_then(|group| group.pool.as_mut());
                let Some(pending) = pool.and_then(|pool| pool.waiting.pop_front()) else { break };
                self.hand_out(at, id, pending);
                self.say_rebuffered(at);
            }
        }
    }

    /// Some of that priority are listeners that answer an event, or could be told one.
    pub(super) fn at_work(&self, priority: i64) -> bool {
        let at_work = |group: &Group| {
            let waits = group.pool.as_ref().is_some_and(|pool| !pool.waiting.is_empty());
            group.members.iter().any(|id| {
                let process = self.processes.get(id).filter(|p| matches!(p.phase, Phase::Running { .. }));
                let listener = process.and_then(|process| process.listener.as_ref());
                listener.is_some_and(|l| l.state == ListenerState::Busy || (l.is_free() && waits))
            })
        };
        let pools = self.groups.pools().iter().map(|at| &self.groups[*at]);
        pools.filter(|group| group.spec.priority == priority).any(at_work)
    }

    fn free_listener(&self, at: usize) -> Option<ProcessId> {
        let group = &self.groups[at];
        group.pool.as_ref().filter(|pool| !pool.waiting.is_empty())?;
        let free = |id: &ProcessId| {
            self.processes.get(id).is_some_and(|process| {
                let running = matches!(process.phase, Phase::Running { .. });
                running && process.listener.as_deref().is_some_and(super::Listener::is_free)
            })
        };
        group.members.iter().copied().find(free)
    }

    fn hand_out(&mut self, at: usize, id: ProcessId, pending: Pending) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(listener) = &mut process.listener else { return };
        listener.state = ListenerState::Busy;
        listener.event = Some(pending.clone());
        let text = format!("event {} sent to listener {}", pending.serial, process.name.process);
        self.effects.push_back(Effect::Deliver { id, pool: self.groups[at].spec.name.clone(), pending });
        self.note(Notice::other(Level::Debug, text));
    }

    /// Supervisor takes the next event out to find that nobody is free, and says so.
    fn say_rebuffered(&mut self, at: usize) {
        if self.free_listener(at).is_some() {
            return;
        }
        let group = &self.groups[at];
        let Some(pool) = &group.pool else { return };
        let said = pool.waiting.front().map(|next| pool.rebuffering(&group.spec, next.serial));
        self.effects.extend(said.map(Effect::Note));
    }

    /// A listener will not answer what it was told: another shall.
    pub(super) fn take_back(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(pending) = process.listener.as_mut().and_then(|listener| listener.event.take()) else {
            return;
        };
        let home = self.groups.iter().position(|group| *group.spec.name == *process.name.group);
        let home = home.and_then(|at| self.groups.get_mut(at));
        let Some((pool, spec)) = home.and_then(|group| Some((group.pool.as_mut()?, &group.spec))) else {
            return;
        };
        let said = pool.rebuffering(spec, pending.serial);
        let discarded = pool.make_room(spec);
        pool.waiting.push_front(pending);
        self.effects.push_back(Effect::Note(said));
        self.effects.extend(discarded.map(Effect::Note));
    }

    /// A listener's stdout.
    pub(super) fn listener_wrote(&mut self, now: Now, id: ProcessId, bytes: Option<&[u8]>) {
        let Some(listener) = self.processes.get_mut(&id).and_then(|p| p.listener.as_mut()) else { return };
        let heard = match bytes {
            Some(bytes) => listener.hear(bytes),
            None => listener.flooded(),
        };
        for heard in heard {
            self.heard(now, id, heard);
        }
    }

    fn heard(&mut self, now: Now, id: ProcessId, heard: Heard) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let name = process.name.process.clone();
        let Some(listener) = &mut process.listener else { return };
        match heard {
            Heard::Processed => {
                listener.event = None;
                listener.violations = 0;
                self.note(Notice::other(Level::Debug, format!("{name}: event was processed")));
            }
            Heard::Rejected => {
                self.note(Notice::other(Level::Warn, format!("{name}: event was rejected")));
            }
            Heard::BadResult(line) => {
                let text = format!("{name}: bad result line: '{}'", decoded(&line));
                self.note(Notice::other(Level::Warn, text));
            }
            Heard::Moved { from, to } => {
                let text = format!("{name}: {} -> {}", from.name(), to.name());
                self.note(Notice::other(Level::Debug, text));
                if to == ListenerState::Unknown {
                    self.broke_the_protocol(now, id, &name);
                }
                if to != ListenerState::Ready {
                    self.take_back(id);
                }
            }
        }
    }

    fn broke_the_protocol(&mut self, now: Now, id: ProcessId, name: &str) {
        let text = format!(
            "{name}: has entered the UNKNOWN state and will no longer receive events, this usually indicates the \
             process violated the eventlistener protocol"
        );
        self.note(Notice::other(Level::Warn, text));
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(listener) = &mut process.listener else { return };
        if process.spec.autorestart != AutoRestart::Never {
            let penance = Duration::from_secs(listener.violations.min(LONGEST_PENANCE).into());
            listener.restart_at = Some(now.mono + penance);
        }
    }

    /// A listener that broke the protocol is of no use: a fresh one may be.
    pub(super) fn restart_listener(&mut self, now: Now, id: ProcessId) {
        let listener = self.processes.get(&id).and_then(|process| process.listener.as_ref());
        if listener.and_then(|listener| listener.restart_at).is_none_or(|at| at > now.mono) {
            return;
        }
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(listener) = &mut process.listener else { return };
        listener.restart_at = None;
        let (Phase::Starting { pid, .. } | Phase::Running { pid }) = process.phase else { return };
        if self.mood == SupervisorState::Running {
            process.start_after_stop.push((super::Waiter::Nobody, false));
            let why = match listener.state {
                ListenerState::Unknown => "which broke the eventlistener protocol",
                _ => "whose last words may be lost with the supervisord before this one",
            };
            let text = format!("restarting {}, {why}", process.name.process);
            self.note(Notice::other(Level::Warn, text));
            self.stop_live(now, id, pid);
        }
    }

    /// An event could not be written to a listener: its stdin is closed.
    pub(super) fn undelivered(&mut self, id: ProcessId, serial: u64) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let name = process.name.process.clone();
        let Some(listener) = &mut process.listener else { return };
        if listener.event.as_ref().is_none_or(|pending| pending.serial != serial) {
            return;
        }
        listener.deaf = true;
        listener.state = ListenerState::Ready;
        let text = format!(
            "epipe occurred while sending event {serial} to listener {name}, listener state unchanged"
        );
        self.note(Notice::other(Level::Debug, text));
        self.take_back(id);
    }

    /// Tells of the ticks that have come since the last turn.
    pub(super) fn tick(&mut self, now: Now) {
        for (at, period) in Period::ALL.into_iter().enumerate() {
            let slice = now.wall.0.div_euclid(period.seconds());
            let last = self.ticks[at].replace(slice);
            if last.is_some_and(|last| last != slice) {
                self.publish(Event::Tick { period, when: slice * period.seconds() });
            }
        }
        self.tick_due = self.next_tick(now);
    }

    /// When the next tick comes that a pool waits for: nobody else needs a wake-up.
    fn next_tick(&self, now: Now) -> Option<super::Mono> {
        let wanted = |period: &Period| {
            let pools = self.groups.pools().iter().filter_map(|at| pool_spec(&self.groups[*at].spec));
            pools.flat_map(|pool| &pool.events).any(|event| event.covers(period.kind()))
        };
        let period = Period::ALL.into_iter().find(wanted)?.seconds();
        let left = period - now.wall.0.rem_euclid(period);
        Some(now.mono + Duration::from_secs(u64::try_from(left).unwrap_or(1)))
    }
}
