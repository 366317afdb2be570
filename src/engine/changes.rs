//! The engine's state in pieces, so that a turn writes down only what it has changed; and the state made of such pieces again.
//! What only clients wait for is in none: no client outlives a crash.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Display;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::effect::LoadReason;
use super::ledger::{Errand, Ledger, Purpose, Waiter};
use super::process::WithoutSpec;
use super::register::Register;
use super::shutdown::LastWords;
use super::tracked::{Mark, Tracked};
use super::{Engine, Group, Process, ProcessId};
use crate::api::{Mono, SupervisorState};
use crate::config::spec::{GroupSpec, ProcessSpec};

const REST: &str = "engine";
const ORDER: &str = "groups";
const CONFIGURED: &str = "configured";
const GROUP: &str = "group/";
const PROCESS: &str = "process/";
/// What a process was made from: large, and the same for as long as there is the process.
const SPEC: &str = "spec/";
const ERRAND: &str = "errand/";

/// Where pieces of a state are written down, by their names, as JSON.
pub trait Pieces {
    /// A piece that is new, or another than before.
    fn set(&mut self, name: impl Display, piece: &impl Serialize);

    /// A piece that is no more.
    fn gone(&mut self, name: impl Display);

    /// One or the other.
    fn put(&mut self, name: impl Display, piece: Option<&impl Serialize>) {
        match piece {
            Some(piece) => self.set(name, piece),
            None => self.gone(name),
        }
    }
}

/// What they come to.
impl Pieces for BTreeMap<String, Vec<u8>> {
    fn set(&mut self, name: impl Display, piece: &impl Serialize) {
        // Plain data; a path that is no text cannot come from a configuration.
        self.insert(name.to_string(), serde_json::to_vec(piece).unwrap_or_default());
    }

    fn gone(&mut self, name: impl Display) {
        self.remove(&name.to_string());
    }
}

/// What is small, and changes often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rest {
    mood: SupervisorState,
    last_errand: u64,
    next_process: u64,
    next_event: u64,
    ticks: [Option<i64>; 3],
    tick_due: Option<Mono>,
    last_report: Option<Mono>,
    last_words: LastWords,
    finished: bool,
}

fn read<T: DeserializeOwned>(name: &str, text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| format!("{name}: {error}"))
}

fn outlives_clients(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Start { .. } | Purpose::Load { reason: LoadReason::Restart, .. })
}

impl Engine {
    /// Writes down what may have changed since this was last asked; never less than that.
    pub fn write_changes(&mut self, into: &mut impl Pieces) {
        let processes = &mut self.processes;
        for id in processes.take_fresh() {
            into.put(format_args!("{SPEC}{}", id.0), processes.get(&id).map(|process| &process.spec));
        }
        for id in processes.take_touched() {
            let process = processes.get(&id).map(WithoutSpec);
            into.put(format_args!("{PROCESS}{}", id.0), process.as_ref());
        }
        let errands = &mut self.ledger.errands;
        errands.take_fresh();
        for errand in errands.take_touched() {
            let purpose = errands.get(&errand).filter(|purpose| outlives_clients(purpose));
            into.put(format_args!("{ERRAND}{}", errand.0), purpose);
        }
        for name in self.groups.take_touched() {
            let group = self.groups.iter().find(|group| group.spec.name == name);
            into.put(format_args!("{GROUP}{name}"), group);
        }
        if self.groups.take_reordered() {
            into.set(ORDER, &self.groups.iter().map(|group| &group.spec.name).collect::<Vec<_>>());
        }
        if std::mem::take(&mut self.reread).0 {
            into.set(CONFIGURED, &self.configured);
        }
        let rest = self.rest();
        if self.written_rest.0.replace(rest) != Some(rest) {
            into.set(REST, &rest);
        }
    }

    /// Nobody writes down what has changed so far.
    pub fn forget_changes(&mut self) {
        self.processes.take_fresh();
        self.processes.take_touched();
        self.ledger.errands.take_fresh();
        self.ledger.errands.take_touched();
        self.groups.take_touched();
        self.groups.take_reordered();
        self.reread = Mark(false);
    }

    /// Writes down all pieces that there are.
    pub fn write_everything(&mut self, into: &mut impl Pieces) {
        self.processes.touch_all();
        self.ledger.errands.touch_all();
        self.groups.touch_all();
        self.reread = Mark(true);
        self.written_rest = Mark(None);
        self.write_changes(into);
    }

    /// Equal specs, and the names in them, are in memory once: whoever was read has one for each time that it was written.
    pub fn share_specs(&mut self) {
        let mut shared: HashMap<(String, Arc<str>), Vec<Arc<ProcessSpec>>> = HashMap::new();
        let mut share = |group: &str, spec: &mut Arc<ProcessSpec>| {
            let known = shared.entry((group.to_owned(), spec.name.clone())).or_default();
            match known.iter().find(|known| *known == spec) {
                Some(known) => *spec = Arc::clone(known),
                None => known.push(Arc::clone(spec)),
            }
        };
        let configured = self.configured.iter_mut();
        for group in configured.chain(self.groups.untouched().map(|group| &mut group.spec)) {
            group.processes.iter_mut().for_each(|spec| share(&group.name, spec));
        }
        for process in self.processes.untouched() {
            share(&process.name.group, &mut process.spec);
            if process.name.process == process.spec.name {
                process.name.process = Arc::clone(&process.spec.name);
            }
        }
    }

    fn rest(&self) -> Rest {
        Rest {
            mood: self.mood,
            last_errand: self.ledger.last_errand(),
            next_process: self.next_process,
            next_event: self.next_event,
            ticks: self.ticks,
            tick_due: self.tick_due,
            last_report: self.last_report,
            last_words: self.last_words,
            finished: self.finished,
        }
    }

    /// The state that these pieces are of; pieces of others are left alone.
    ///
    /// # Errors
    /// The piece that is missing or cannot be understood.
    pub fn of_pieces(pieces: &BTreeMap<String, Vec<u8>>) -> Result<Self, String> {
        let piece = |name: &str| pieces.get(name).ok_or_else(|| format!("{name} is missing"));
        let rest: Rest = read(REST, piece(REST)?)?;
        let configured: Vec<GroupSpec> = read(CONFIGURED, piece(CONFIGURED)?)?;
        let order: Vec<String> = read(ORDER, piece(ORDER)?)?;
        let group = |name: String| {
            let name = format!("{GROUP}{name}");
            read::<Group>(&name, piece(&name)?)
        };
        let named = |prefix: &'static str| {
            let pieces = pieces.range(prefix.to_owned()..);
            pieces.take_while(move |(name, _)| name.starts_with(prefix))
        };
        let process = |(name, text): (&String, &Vec<u8>)| {
            let mut whole: serde_json::Value = read(name, text)?;
            // Form 1 has it there.
            if whole.get("spec").is_none() {
                let spec = format!("{SPEC}{}", &name[PROCESS.len()..]);
                whole["spec"] = read(&spec, piece(&spec)?)?;
            }
            let process: Process =
                serde_json::from_value(whole).map_err(|error| format!("{name}: {error}"))?;
            Ok::<_, String>((process.id, without_clients(process)))
        };
        let errand = |(name, text): (&String, &Vec<u8>)| {
            let number = name[ERRAND.len()..].parse().map_err(|_| format!("{name} has no number"))?;
            Ok::<_, String>((Errand(number), nobody_waits(&read(name, text)?)))
        };
        let processes: Tracked<ProcessId, Process> =
            named(PROCESS).map(process).collect::<Result<_, String>>()?;
        let errands: Tracked<Errand, Purpose> = named(ERRAND).map(errand).collect::<Result<_, String>>()?;
        let mut engine = Self {
            mood: rest.mood,
            groups: order.into_iter().map(group).collect::<Result<_, String>>()?,
            processes,
            configured,
            reread: Mark(false),
            written_rest: Mark(None),
            ledger: Ledger::of(rest.last_errand, errands),
            next_process: rest.next_process,
            next_event: rest.next_event,
            ticks: rest.ticks,
            tick_due: rest.tick_due,
            last_report: rest.last_report,
            last_words: rest.last_words,
            finished: rest.finished,
            register: Register::default(),
            effects: VecDeque::new(),
        };
        engine.share_specs();
        let known = |id: &ProcessId| engine.processes.contains_key(id);
        match engine.groups.iter().flat_map(|group| &group.members).find(|id| !known(id)) {
            Some(id) => Err(format!("{PROCESS}{} is missing", id.0)),
            None => Ok(engine),
        }
    }
}

fn without_clients(mut process: Process) -> Process {
    process.launch_waiters.clear();
    process.start_waiters.clear();
    process.stop_waiters.clear();
    process.start_after_stop.iter_mut().for_each(|(waiter, _)| *waiter = Waiter::Nobody);
    process
}

fn nobody_waits(purpose: &Purpose) -> Purpose {
    match *purpose {
        Purpose::Answer(_) => Purpose::Answer(Waiter::Nobody),
        Purpose::Start { id, wait, .. } => Purpose::Start { id, wait, waiter: Waiter::Nobody },
        Purpose::Load { reason, .. } => Purpose::Load { reason, ticket: None },
    }
}
