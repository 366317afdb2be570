//! Crash worlds: the daemon may die between any two steps, with its last turn half written; the service manager starts another;
//! programs, clients and the clock do what they like. Some things hold all the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::AsFd as _;
use std::time::Duration;

use super::frame::Frame;
use super::log::{Found, Log};
use crate::api::{
    EventKind, Mono, Now, ProcessName, Request, Signal, SupervisorState, Target, WaitStatus, WallSecs,
};
use crate::config::spec::{AutoRestart, GroupKind, GroupSpec, PoolSpec, ProcessSpec};
use crate::engine::tests::{group, program};
use crate::engine::{Effect, Engine, Errand, Evidence, Input, Pieces as _, ProcessId, Ticket};

/// The daemon has died.
struct Crash;

/// xorshift64*: the same seed, the same world.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn flip(&mut self) -> bool {
        self.roll(2) == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Being {
    AtGate,
    Running,
    /// It has run, and ended so.
    Ended(i32),
    /// It has ended at its gate.
    Unborn,
}

#[derive(Debug)]
struct Instance {
    id: ProcessId,
    being: Being,
}

/// In which order the daemon works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    RecordThenAct,
    ActThenRecord,
    /// A child is let through as soon as it is forked.
    NoGate,
}

/// What is really so, whoever knows it.
struct World {
    dice: Dice,
    order: Order,
    /// Steps until the daemon dies.
    fuse: u64,
    now: Now,
    wanted: Vec<GroupSpec>,
    instances: BTreeMap<i32, Instance>,
    next_pid: i32,
    /// What the service manager keeps: of each item the child.
    bag: BTreeMap<u64, i32>,
    next_item: u64,
    /// Who still waits for an answer.
    open: BTreeSet<Ticket>,
    tickets: u64,
    told: BTreeMap<i32, u64>,
    acknowledged: BTreeSet<u64>,
    left: BTreeSet<ProcessId>,
    deaf: bool,
    crashes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Child {
    pid: i32,
    item: u64,
}

/// A daemon, which knows only what it was told.
struct Daemon {
    engine: Engine,
    log: Log,
    children: BTreeMap<ProcessId, Child>,
    changed: BTreeSet<ProcessId>,
    inbox: VecDeque<Input>,
    loads: Vec<Errand>,
}

impl World {
    fn step(&mut self) -> Result<(), Crash> {
        self.fuse = self.fuse.saturating_sub(1);
        if self.fuse == 0 { Err(Crash) } else { Ok(()) }
    }

    fn running(&self, id: ProcessId) -> usize {
        let runs = |instance: &&Instance| instance.id == id && instance.being == Being::Running;
        self.instances.values().filter(runs).count()
    }

    fn ends(&mut self, pid: i32, code: i32) {
        let Some(instance) = self.instances.get_mut(&pid) else { return };
        if instance.being == Being::Running {
            instance.being = Being::Ended(code);
            if pid % 3 == 0 {
                self.left.insert(instance.id);
            }
        }
    }

    /// The gates close with the daemon that held them, and nobody waits for its answers.
    fn crash(&mut self) {
        self.crashes += 1;
        self.open.clear();
        for instance in self.instances.values_mut().filter(|instance| instance.being == Being::AtGate) {
            instance.being = Being::Unborn;
        }
        self.fuse = 1 + self.dice.roll(120);
    }
}

impl Daemon {
    fn begin(world: &World) -> Self {
        let mut daemon = Self {
            engine: Engine::new(world.wanted.clone()),
            log: Log::create().unwrap(),
            children: BTreeMap::new(),
            changed: BTreeSet::new(),
            inbox: VecDeque::from([Input::Started]),
            loads: Vec::new(),
        };
        daemon.write_everything(&[]);
        daemon
    }

    /// What is kept of a daemon that has died, and what another makes of it.
    fn recover(log: &Log, world: &mut World) -> Result<Self, Crash> {
        let found: Found = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
        let mut daemon = Self {
            engine: Engine::of_pieces(&found.pieces).unwrap(),
            log: found.log,
            children: BTreeMap::new(),
            changed: BTreeSet::new(),
            inbox: VecDeque::from([Input::Recovered]),
            loads: Vec::new(),
        };
        let mut bag = world.bag.clone();
        for process in daemon.engine.processes() {
            if process.emptying.is_some() && !world.left.contains(&process.id) {
                daemon.inbox.push_back(Input::Emptied { id: process.id });
            }
            let Some(pid) = process.pid() else { continue };
            let piece = found.pieces.get(&format!("child/{}", process.id.0));
            let child = piece.map(|piece| serde_json::from_slice::<(i32, u64)>(piece).unwrap());
            let (known, item) = child.expect("whoever has a pid is written down");
            assert_eq!(known, pid);
            assert_eq!(bag.remove(&item), Some(pid), "whoever is written down is in the bag");
            daemon.children.insert(process.id, Child { pid, item });
        }
        world.bag.retain(|item, _| !bag.contains_key(item));
        // Whoever has ended, and is known to have, is nobody's business any more.
        let known: BTreeSet<i32> = daemon.children.values().map(|child| child.pid).collect();
        world.instances.retain(|pid, instance| instance.being == Being::Running || known.contains(pid));
        world.step()?;
        for deed in found.undone {
            daemon.perform(world, deed)?;
            daemon.deed_is_done(world)?;
        }
        Ok(daemon)
    }

    fn write_everything(&mut self, effects: &[Effect]) {
        self.changed.clear();
        let frame = self.log.frame();
        self.engine.write_everything(frame);
        write_children(&self.children, self.children.keys(), frame);
        frame.deeds(bequeathed(effects));
        self.log.rewrite().unwrap();
    }

    fn write_down(&mut self, world: &mut World, effects: &[Effect]) -> Result<(), Crash> {
        world.step()?;
        if world.dice.roll(20) == 0 {
            self.write_everything(effects);
            return world.step();
        }
        let frame = self.log.frame();
        self.engine.write_changes(frame);
        write_children(&self.children, &std::mem::take(&mut self.changed), frame);
        frame.deeds(bequeathed(effects));
        if world.fuse <= 1 && world.dice.flip() {
            self.log.tear(world.dice.roll(1000));
            return Err(Crash);
        }
        self.log.append().unwrap();
        world.step()
    }

    fn settle(&mut self, world: &mut World) -> Result<(), Crash> {
        while let Some(input) = self.inbox.pop_front() {
            let ended = match &input {
                Input::Exited { id, .. } | Input::Unborn { id } => Some(*id),
                _ => None,
            };
            let heard = if let Input::ListenerWrote { id, bytes: Some(bytes) } = &input {
                Some((*id, bytes.clone()))
            } else {
                None
            };
            self.engine.handle(world.now, input);
            let gone = ended.and_then(|id| self.children.remove(&id));
            self.changed.extend(ended);
            let effects: Vec<Effect> = std::iter::from_fn(|| self.engine.poll_effect()).collect();
            if world.order == Order::ActThenRecord {
                for effect in effects.clone() {
                    self.perform(world, effect)?;
                }
                self.write_down(world, &[])?;
                if let Some(child) = gone {
                    world.instances.remove(&child.pid);
                    world.bag.remove(&child.item);
                }
                continue;
            }
            self.write_down(world, &effects)?;
            // Whoever is reaped is known to be no more; the bag is tidied when there is time.
            if let Some(child) = gone {
                world.instances.remove(&child.pid);
                world.bag.remove(&child.item);
            }
            if let Some((id, bytes)) = heard {
                self.acknowledge(world, id, &bytes);
            }
            for effect in effects {
                let bequeathed = effect.is_bequeathed();
                self.perform(world, effect)?;
                world.step()?;
                if bequeathed {
                    self.deed_is_done(world)?;
                }
            }
        }
        self.check(world);
        Ok(())
    }

    fn deed_is_done(&mut self, world: &mut World) -> Result<(), Crash> {
        if world.fuse <= 1 && world.dice.flip() {
            self.log.die_marking(usize::try_from(world.dice.roll(3)).unwrap());
            return Err(Crash);
        }
        self.log.deed_is_done();
        world.step()
    }

    fn acknowledge(&self, world: &mut World, id: ProcessId, bytes: &[u8]) {
        let Some(child) = self.children.get(&id) else { return };
        if bytes == b"RESULT 2\nOK" {
            world.acknowledged.extend(world.told.remove(&child.pid));
        }
    }

    #[allow(clippy::needless_pass_by_value, reason = "as the driver takes it")]
    fn perform(&mut self, world: &mut World, effect: Effect) -> Result<(), Crash> {
        let answer = match effect {
            Effect::PrepareLogs { id, .. } => Some(Input::LogsPrepared { id, stdout: None, stderr: None }),
            Effect::Probe { errand, .. }
            | Effect::ClearLogs { errand, .. }
            | Effect::ClearMainLog { errand }
            | Effect::Reexec { errand }
            | Effect::SendStdin { errand, .. } => Some(Input::Done { errand, outcome: Ok(()) }),
            Effect::Spawn { id, .. } => Some(self.spawn(world, id)?),
            Effect::Release { id } => {
                let pid = self.children[&id].pid;
                self.release(world, pid);
                None
            }
            Effect::Signal { pid, signal, errand, .. } => {
                if errand.is_none() && (signal == Signal::KILL || !world.deaf) {
                    world.ends(pid, 0);
                }
                errand.map(|errand| Input::Done { errand, outcome: Ok(()) })
            }
            Effect::SignalLeftovers { id, .. } => {
                if !world.deaf && world.left.remove(&id) {
                    self.inbox.push_back(Input::Emptied { id });
                }
                None
            }
            Effect::KillLeftovers { id } => world.left.remove(&id).then_some(Input::Emptied { id }),
            Effect::Reply { ticket, .. } => {
                assert!(world.open.remove(&ticket), "who has asked is answered once");
                None
            }
            Effect::Load { errand, .. } => {
                self.loads.push(errand);
                None
            }
            Effect::Deliver { id, pending, .. } => {
                assert!(!world.acknowledged.contains(&pending.serial), "no acknowledged event is repeated");
                let pid = self.children[&id].pid;
                assert!(world.told.insert(pid, pending.serial).is_none(), "one event at a time");
                None
            }
            Effect::Forget { id } => {
                assert_eq!(world.running(id), 0, "no program is forgotten while it runs");
                world.left.remove(&id);
                None
            }
            Effect::Note(_) | Effect::Publish(_) | Effect::ReopenLogs | Effect::Finish(_) => None,
        };
        self.inbox.extend(answer);
        Ok(())
    }

    fn spawn(&mut self, world: &mut World, id: ProcessId) -> Result<Input, Crash> {
        assert_eq!(world.running(id), 0, "no program runs twice");
        assert!(!world.left.contains(&id), "no leftover meets the next instance");
        world.next_pid += 1;
        let pid = world.next_pid;
        if pid % 7 == 0 {
            return Ok(Input::SpawnFailed { id, reason: "no memory".into(), help: String::new() });
        }
        world.instances.insert(pid, Instance { id, being: Being::AtGate });
        world.step()?;
        world.next_item += 1;
        world.bag.insert(world.next_item, pid);
        self.children.insert(id, Child { pid, item: world.next_item });
        self.changed.insert(id);
        if world.order == Order::NoGate {
            self.release(world, pid);
        }
        world.step()?;
        Ok(Input::Spawned { id, pid })
    }

    fn release(&self, world: &mut World, pid: i32) {
        if let Some(instance) = world.instances.get_mut(&pid).filter(|i| i.being == Being::AtGate) {
            instance.being = Being::Running;
        }
    }

    /// What a look at the children brings.
    fn collect(&mut self, world: &mut World) {
        for (id, child) in self.children.clone() {
            match world.instances.get(&child.pid).map(|instance| instance.being) {
                Some(Being::Ended(code)) => {
                    let evidence = Evidence { leftovers: world.left.contains(&id), ..Evidence::default() };
                    let status = WaitStatus::Exited(code);
                    self.inbox.push_back(Input::Exited { id, status, evidence });
                }
                Some(Being::Unborn) => self.inbox.push_back(Input::Unborn { id }),
                _ => {}
            }
        }
    }

    fn check(&self, world: &World) {
        for (pid, instance) in &world.instances {
            if matches!(instance.being, Being::Running | Being::Ended(_)) {
                let known = self.engine.process(instance.id).and_then(crate::engine::Process::pid);
                assert_eq!(known, Some(*pid), "no program runs that nobody knows of");
                assert_eq!(world.running(instance.id).max(1), 1, "no program runs twice");
            }
        }
        for process in self.engine.processes() {
            if let Some(pid) = process.pid() {
                assert!(world.instances.contains_key(&pid), "no process is made up");
            }
        }
        let children: BTreeSet<i32> = self.children.values().map(|child| child.pid).collect();
        assert!(world.bag.values().all(|pid| children.contains(pid)), "no descriptor is kept for nobody");
    }

    /// Something happens.
    fn happening(&mut self, world: &mut World) {
        match world.dice.roll(10) {
            0..3 => self.ask(world),
            3..6 => {
                let running = world.instances.iter().filter(|(_, i)| i.being == Being::Running);
                let pids: Vec<i32> = running.map(|(pid, _)| *pid).collect();
                if !pids.is_empty() {
                    let pid = pids[usize::try_from(world.dice.roll(pids.len() as u64)).unwrap()];
                    let code = i32::try_from(world.dice.roll(3)).unwrap();
                    world.ends(pid, code);
                }
            }
            6 => {
                let passed = Duration::from_millis(world.dice.roll(3000));
                world.now.mono = world.now.mono + passed;
                self.inbox.push_back(Input::DeadlineReached);
            }
            7 => {
                if let Some(errand) = self.loads.pop() {
                    let outcome = if world.dice.flip() { Ok(world.wanted.clone()) } else { Err("no".into()) };
                    self.inbox.push_back(Input::Loaded { errand, outcome });
                }
            }
            8 => self.say(world),
            _ => {
                if let Some(id) = world.left.pop_first() {
                    self.inbox.push_back(Input::Emptied { id });
                }
            }
        }
        self.collect(world);
    }

    fn say(&mut self, world: &mut World) {
        let listeners = self.engine.processes().filter(|process| process.listener.is_some());
        let live = |id: &ProcessId| world.running(*id) == 1;
        let listeners: Vec<ProcessId> = listeners.map(|process| process.id).filter(live).collect();
        if listeners.is_empty() {
            return;
        }
        let id = listeners[usize::try_from(world.dice.roll(listeners.len() as u64)).unwrap()];
        let text = ["READY\n", "RESULT 2\nOK", "RESULT 4\nFAIL", "nonsense"]
            [usize::try_from(world.dice.roll(4)).unwrap()];
        if text != "RESULT 2\nOK" {
            world.told.remove(&self.children[&id].pid);
        }
        self.inbox.push_back(Input::ListenerWrote { id, bytes: Some(text.as_bytes().to_vec()) });
    }

    fn ask(&mut self, world: &mut World) {
        let group = format!("g{}", world.dice.roll(4));
        let name = ProcessName::new(group.clone(), format!("p{}", world.dice.roll(3)));
        let target = match world.dice.roll(4) {
            0 => Target::All,
            1 => Target::Group(group.clone()),
            _ => Target::Process(name.clone()),
        };
        let wait = world.dice.flip();
        let request = match world.dice.roll(10) {
            0..3 => Request::Start { target, wait },
            3..6 => Request::Stop { target, wait },
            6 => Request::Signal { target, signal: Signal::HUP },
            7 => Request::AddGroup(group),
            8 => Request::RemoveGroup(group),
            _ => Request::Reread,
        };
        world.tickets += 1;
        let ticket = Ticket(world.tickets);
        world.open.insert(ticket);
        self.inbox.push_back(Input::Request { ticket, request });
    }
}

fn bequeathed(effects: &[Effect]) -> impl Iterator<Item = &Effect> {
    effects.iter().filter(|effect| effect.is_bequeathed())
}

fn write_children<'a>(
    children: &BTreeMap<ProcessId, Child>,
    ids: impl IntoIterator<Item = &'a ProcessId>,
    frame: &mut Frame,
) {
    for id in ids {
        let child = children.get(id).map(|child| (child.pid, child.item));
        frame.put(format_args!("child/{}", id.0), child.as_ref());
    }
}

fn specs(dice: &mut Dice) -> Vec<GroupSpec> {
    let mut groups = Vec::new();
    for at in 0..1 + dice.roll(3) {
        let processes = (0..dice.roll(3)).map(|number| ProcessSpec {
            startsecs: i64::try_from(dice.roll(3)).unwrap(),
            startretries: i64::try_from(dice.roll(3)).unwrap(),
            autorestart: [AutoRestart::Never, AutoRestart::Unexpected, AutoRestart::Always]
                [usize::try_from(dice.roll(3)).unwrap()],
            autostart: dice.flip(),
            stopwaitsecs: 1,
            ..program(&format!("p{number}"))
        });
        let processes = processes.collect();
        groups.push(group(&format!("g{at}"), 0, processes));
    }
    let events = vec![EventKind::ProcessState, EventKind::ProcessGroup];
    groups[0].kind = GroupKind::Listeners(PoolSpec { events, buffer_size: 3 });
    groups
}

/// Lives one world to its end; how often its daemon has died.
fn live(seed: u64, order: Order) -> u64 {
    let mut dice = Dice::new(seed);
    let wanted = specs(&mut dice);
    let (fuse, deaf) = (1 + dice.roll(200), dice.flip());
    let mut world = World {
        dice,
        order,
        fuse,
        now: Now { mono: Mono(1_000_000_000), wall: WallSecs(0) },
        wanted,
        instances: BTreeMap::new(),
        next_pid: 100,
        bag: BTreeMap::new(),
        next_item: 0,
        open: BTreeSet::new(),
        tickets: 0,
        told: BTreeMap::new(),
        acknowledged: BTreeSet::new(),
        left: BTreeSet::new(),
        deaf,
        crashes: 0,
    };
    let mut daemon = Daemon::begin(&world);
    let mut happenings = 30;
    // A daemon that dies of the end of everything is not started again for ever: the last one lives.
    for end in 0..400 {
        let lived = daemon.settle(&mut world);
        if lived.is_ok() && daemon.engine.finished().is_some() {
            break;
        }
        match lived {
            Err(Crash) => {
                let dead = daemon;
                daemon = loop {
                    world.crash();
                    if let Ok(daemon) = Daemon::recover(&dead.log, &mut world) {
                        break daemon;
                    }
                };
                daemon.collect(&mut world);
            }
            Ok(()) if happenings > 0 => {
                happenings -= 1;
                daemon.happening(&mut world);
            }
            Ok(()) => {
                if end > 300 {
                    world.fuse = u64::MAX;
                }
                if daemon.engine.mood() == SupervisorState::Running {
                    daemon.inbox.push_back(Input::SignalReceived(Signal::TERM));
                } else if let Some(due) = daemon.engine.deadline() {
                    world.now.mono = world.now.mono.max(due);
                    daemon.inbox.push_back(Input::DeadlineReached);
                }
                for errand in std::mem::take(&mut daemon.loads) {
                    daemon.inbox.push_back(Input::Loaded { errand, outcome: Err("too late".into()) });
                }
                daemon.collect(&mut world);
            }
        }
    }
    assert!(daemon.engine.finished().is_some(), "the end comes: {:?}", daemon.engine);
    let runs = |instance: &Instance| instance.being == Being::Running;
    assert!(!world.instances.values().any(runs), "the end leaves nobody");
    assert!(world.bag.is_empty(), "nothing is kept for nobody");
    world.crashes
}

/// Seeds of [`live`]: `CRASH_WORLDS`; `make worlds` takes as many as it should, optimised.
fn seeds() -> u64 {
    std::env::var("CRASH_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn whenever_the_daemon_dies_no_program_runs_twice_and_none_is_lost() {
    let crashes: u64 = (0..seeds())
        .map(|seed| {
            std::panic::catch_unwind(|| live(seed, Order::RecordThenAct))
                .unwrap_or_else(|_| panic!("in the world of seed {seed}"))
        })
        .sum();
    assert!(crashes > seeds(), "they did die: {crashes}");
}

/// The test itself is tested: in another order it fails.
#[test]
fn acting_before_recording_and_doing_without_the_gate_would_break() {
    for order in [Order::ActThenRecord, Order::NoGate] {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let broken = (0..300).filter(|seed| std::panic::catch_unwind(|| live(*seed, order)).is_err()).count();
        std::panic::set_hook(hook);
        assert!(broken > 3, "{order:?} broke {broken} worlds of 300");
    }
}
