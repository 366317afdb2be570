//! Random worlds: children, clients and the clock do what they like, and some things hold all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::tests::{group, program};
use super::*;
use crate::api::{EventKind, FaultCode, ProcessState, Request, Signal, Target, WaitStatus, WallSecs};
use crate::config::spec::{AutoRestart, GroupKind, PoolSpec, ProcessSpec};

#[derive(Debug, Clone)]
enum Step {
    Ask(u8, u8, bool),
    Exit(u8, i32),
    Pass(u16),
    Reload(bool),
    Say(u8, u8),
    Vanish(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..10_u8, any::<u8>(), any::<bool>()).prop_map(|(verb, whom, wait)| Step::Ask(verb, whom, wait)),
        4 => (any::<u8>(), 0..3_i32).prop_map(|(whom, code)| Step::Exit(whom, code)),
        3 => (0..3000_u16).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Reload),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(whom, what)| Step::Say(whom, what)),
        1 => any::<u8>().prop_map(Step::Vanish),
    ];
    prop::collection::vec(step, 1..60)
}

fn specs() -> impl Strategy<Value = Vec<GroupSpec>> {
    let one = (0..3_i64, 0..3_i64, 0..3_u8, any::<bool>()).prop_map(|(startsecs, retries, restart, auto)| {
        let autorestart =
            [AutoRestart::Never, AutoRestart::Unexpected, AutoRestart::Always][usize::from(restart)];
        ProcessSpec {
            startsecs,
            startretries: retries,
            autorestart,
            autostart: auto,
            stopwaitsecs: 1,
            ..program("p")
        }
    });
    prop::collection::vec((0..3_i64, prop::collection::vec(one, 0..3)), 1..4).prop_map(|groups| {
        let name = |(at, (priority, processes)): (usize, (i64, Vec<ProcessSpec>))| {
            let named = processes.into_iter().enumerate();
            let named = named.map(|(n, spec)| ProcessSpec { name: format!("p{n}").into(), ..spec });
            group(&format!("g{at}"), priority, named.collect())
        };
        let mut groups: Vec<GroupSpec> = groups.into_iter().enumerate().map(name).collect();
        let events = vec![EventKind::ProcessState, EventKind::ProcessGroup, EventKind::Tick5];
        groups[0].kind = GroupKind::Listeners(PoolSpec { events, buffer_size: 3 });
        groups
    })
}

/// What a listener may say, and whether that is OK to what it was told.
const SAYINGS: [(&str, bool); 5] =
    [("READY\n", false), ("RESULT 2\nOK", true), ("RESULT 4\nFAIL", false), ("nonsense", false), ("", false)];

/// What is really so, kept beside what the engine believes.
struct World {
    engine: Engine,
    now: Now,
    wanted: Vec<GroupSpec>,
    live: BTreeMap<i32, ProcessId>,
    /// Whose processes are still there though it has ended.
    left: BTreeSet<ProcessId>,
    loads: Vec<Errand>,
    open: BTreeSet<Ticket>,
    /// What each listener was told and has not answered.
    told: BTreeMap<ProcessId, u64>,
    acknowledged: BTreeSet<u64>,
    tickets: u64,
    next_pid: i32,
    deaf: bool,
    finished: bool,
}

impl World {
    fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut looks_at_all = self.engine.clone();
            looks_at_all.forget_register();
            looks_at_all.handle(self.now, input.clone());
            self.engine.handle(self.now, input);
            assert_eq!(self.engine, looks_at_all, "nobody is overlooked");
            assert_eq!(self.engine.process_deadline(), looks_at_all.process_deadline());
            looks_at_all.forget_register();
            assert_eq!(self.engine.census(), looks_at_all.census(), "counted one by one");
            assert_eq!(self.engine.deadline(), looks_at_all.deadline());
            while let Some(effect) = self.engine.poll_effect() {
                inputs.extend(self.perform(effect));
            }
        }
        self.check();
    }

    #[allow(clippy::needless_pass_by_value, reason = "as the driver takes it")]
    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::PrepareLogs { id, .. } => Some(Input::LogsPrepared { id, stdout: None, stderr: None }),
            Effect::Probe { errand, .. } => {
                let missing = self.next_pid % 11 == 0;
                let outcome = if missing { Err(Fault::bare(FaultCode::NoFile)) } else { Ok(()) };
                Some(Input::Done { errand, outcome })
            }
            Effect::Spawn { id, .. } => {
                assert!(!self.finished, "nothing is started after the end");
                assert!(self.live.values().all(|live| *live != id), "no process runs twice");
                assert!(!self.left.contains(&id), "no leftover meets the next instance");
                self.next_pid += 1;
                if self.next_pid % 7 == 0 {
                    return Some(Input::SpawnFailed { id, reason: "no memory".into(), help: String::new() });
                }
                self.live.insert(self.next_pid, id);
                Some(Input::Spawned { id, pid: self.next_pid })
            }
            Effect::Signal { pid, signal, errand, .. } => {
                assert!(self.live.contains_key(&pid), "only the living are signalled");
                if let Some(errand) = errand {
                    return Some(Input::Done { errand, outcome: Ok(()) });
                }
                (signal == Signal::KILL || !self.deaf).then(|| self.dies(pid, 0)).flatten()
            }
            Effect::SignalLeftovers { id, .. } => (!self.deaf).then(|| self.vanish(id)).flatten(),
            Effect::KillLeftovers { id } => self.vanish(id),
            Effect::Reply { ticket, .. } => {
                assert!(self.open.remove(&ticket), "every ticket is answered once");
                None
            }
            Effect::Load { errand, .. } => {
                self.loads.push(errand);
                None
            }
            Effect::ClearLogs { errand, .. }
            | Effect::ClearMainLog { errand }
            | Effect::Reexec { errand }
            | Effect::SendStdin { errand, .. } => Some(Input::Done { errand, outcome: Ok(()) }),
            Effect::Deliver { id, pending, .. } => {
                assert!(self.live.values().any(|live| *live == id), "only the living are told");
                assert!(!self.acknowledged.contains(&pending.serial), "no acknowledged event is repeated");
                if pending.serial % 5 == 4 {
                    return Some(Input::Undelivered { id, serial: pending.serial });
                }
                assert!(self.told.insert(id, pending.serial).is_none(), "one event at a time");
                None
            }
            Effect::Forget { id } => {
                assert!(self.live.values().all(|live| *live != id), "no process is forgotten alive");
                self.left.remove(&id);
                None
            }
            Effect::Finish(_) => {
                assert!(!self.finished && self.live.is_empty(), "the end comes once, and leaves nobody");
                self.finished = true;
                None
            }
            Effect::Note(_) | Effect::Publish(_) | Effect::Release { .. } | Effect::ReopenLogs => None,
        }
    }

    /// Begins afresh, or with what another supervisor has left: of which group, which process, and what it does.
    fn begin(&mut self, found: &[(u8, u8, u8)]) {
        let mut names = BTreeSet::new();
        let adopted = |(group, process, what): &(u8, u8, u8)| {
            let name = ProcessName::new(format!("g{group}"), format!("p{process}"));
            let pid = 1000 + i32::from(*group) * 10 + i32::from(*process);
            let now = match what % 6 {
                0 | 1 => Found::Alive { pid, up: what % 6 == 0 },
                2 => Found::Stopped,
                3 => Found::Exited,
                4 => Found::Failed,
                _ => Found::Fatal,
            };
            let started = (what % 4 > 0).then_some((Mono(500_000_000), WallSecs(0)));
            names.insert(name.clone()).then_some(Adopted {
                name,
                now,
                started,
                ended: None,
                exitstatus: None,
                spawnerr: None,
                stdout: None,
                stderr: None,
            })
        };
        let all: Vec<Adopted> = found.iter().filter_map(adopted).collect();
        let input = if all.is_empty() { Input::Started } else { Input::Adopted(all) };
        self.engine.handle(self.now, input);
        self.live =
            self.engine.processes().filter_map(|process| Some((process.pid()?, process.id))).collect();
        // What was left alive, and is configured, is there.
        self.tell(Input::DeadlineReached);
    }

    fn dies(&mut self, pid: i32, code: i32) -> Option<Input> {
        let id = self.live.remove(&pid)?;
        self.told.remove(&id);
        let leftovers = pid % 3 == 0;
        if leftovers {
            self.left.insert(id);
        }
        let evidence = Evidence { leftovers, ..Evidence::default() };
        Some(Input::Exited { id, status: WaitStatus::Exited(code), evidence })
    }

    fn vanish(&mut self, id: ProcessId) -> Option<Input> {
        self.left.remove(&id).then_some(Input::Emptied { id })
    }

    fn check(&self) {
        for (pid, id) in &self.live {
            let process = self.engine.process(*id).expect("no process is lost");
            assert_eq!(process.pid(), Some(*pid), "{process:?}");
        }
        let believed = self.engine.processes().filter(|p| p.pid().is_some()).count();
        assert_eq!(believed, self.live.len(), "no process is made up");
        let stopped =
            |id: &ProcessId| self.engine.process(*id).map(Process::state) == Some(ProcessState::Stopped);
        assert!(!self.left.iter().any(stopped), "stopped means empty");
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask(verb, whom, wait) => self.ask(*verb, *whom, *wait),
            Step::Exit(whom, code) => {
                let pid = self.live.keys().nth(usize::from(*whom) % self.live.len().max(1)).copied();
                if let Some(input) = pid.and_then(|pid| self.dies(pid, *code)) {
                    self.tell(input);
                }
            }
            Step::Pass(millis) => {
                self.now.mono = self.now.mono + Duration::from_millis(u64::from(*millis));
                self.tell(Input::DeadlineReached);
            }
            Step::Say(whom, what) => self.say(*whom, *what),
            Step::Vanish(whom) => {
                let id = self.left.iter().nth(usize::from(*whom) % self.left.len().max(1)).copied();
                if let Some(input) = id.and_then(|id| self.vanish(id)) {
                    self.tell(input);
                }
            }
            Step::Reload(good) => {
                if let Some(errand) = self.loads.pop() {
                    let outcome = if *good { Ok(self.wanted.clone()) } else { Err("broken".into()) };
                    self.tell(Input::Loaded { errand, outcome });
                }
            }
        }
    }

    fn say(&mut self, whom: u8, what: u8) {
        let listeners = self.engine.processes().filter(|p| p.listener.is_some() && p.pid().is_some());
        let listeners: Vec<_> = listeners.map(|p| p.id).collect();
        let Some(id) = listeners.get(usize::from(whom) % listeners.len().max(1)).copied() else { return };
        let (text, ok) = SAYINGS[usize::from(what) % SAYINGS.len()];
        let told = if text.is_empty() { None } else { self.told.remove(&id) };
        self.acknowledged.extend(told.filter(|_| ok));
        self.tell(Input::ListenerWrote { id, bytes: Some(text.as_bytes().to_vec()) });
    }

    fn ask(&mut self, verb: u8, whom: u8, wait: bool) {
        let group = format!("g{}", whom % 4);
        let name = ProcessName::new(group.clone(), format!("p{}", whom / 4 % 3));
        let target = match whom % 5 {
            0 => Target::All,
            1 => Target::Group(group.clone()),
            _ => Target::Process(name.clone()),
        };
        let request = match verb {
            0 | 1 => Request::Start { target, wait },
            2 | 3 => Request::Stop { target, wait },
            4 => Request::Signal { target, signal: Signal::HUP },
            5 => Request::Reread,
            6 => Request::AddGroup(group),
            7 => Request::RemoveGroup(group),
            8 => Request::ClearLogs(target),
            _ => Request::SendStdin { name, data: b"x".to_vec() },
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.open.insert(ticket);
        self.tell(Input::Request { ticket, request });
    }

    /// Everything is told to stop, the deaf are killed, and nothing may be left.
    fn end(&mut self) {
        for errand in std::mem::take(&mut self.loads) {
            self.tell(Input::Loaded { errand, outcome: Err("too late".into()) });
        }
        self.tell(Input::SignalReceived(Signal::TERM));
        for _ in 0..20 {
            if let Some(due) = self.engine.deadline() {
                self.now.mono = self.now.mono.max(due);
                self.tell(Input::DeadlineReached);
            }
        }
        assert!(self.finished, "the end comes: {:?}", self.engine);
        assert!(self.open.is_empty(), "every ticket was answered: {:?}", self.open);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_process_runs_twice_none_is_lost_and_every_ticket_is_answered_once(
        wanted in specs(), steps in steps(), deaf in any::<bool>(), restored_at in 0..60_usize,
        found in prop::collection::vec((0..9_u8, 0..3_u8, any::<u8>()), 0..4),
    ) {
        let now = Now { mono: Mono(1_000_000_000), wall: WallSecs(0) };
        let mut world = World {
            engine: Engine::new(wanted.clone()),
            now,
            wanted,
            live: BTreeMap::new(),
            left: BTreeSet::new(),
            loads: Vec::new(),
            open: BTreeSet::new(),
            told: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            tickets: 0,
            next_pid: 100,
            deaf,
            finished: false,
        };
        world.begin(&found);
        for (at, step) in steps.iter().enumerate() {
            if at == restored_at {
                let saved = serde_json::to_vec(&world.engine).expect("plain data");
                world.engine = serde_json::from_slice(&saved).expect("its own format");
            }
            world.step(step);
        }
        world.end();
    }
}
