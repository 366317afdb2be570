//! Event listener pools: who is told what, when, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::tests::{group, program};
use super::*;
use crate::api::{Event, EventKind, Level, WaitStatus, WallSecs};
use crate::config::spec::{AutoRestart, GroupKind, PoolSpec};

/// A world of one pool `l` (two listeners) and what it is told.
struct World {
    engine: Engine,
    now: Now,
    pids: BTreeMap<i32, ProcessId>,
    said: Vec<String>,
    told: Vec<(ProcessId, u64, u64, String)>,
    deaf: bool,
}

fn pool(listeners: &[&str], events: Vec<EventKind>, buffer_size: usize) -> GroupSpec {
    let members =
        listeners.iter().map(|name| crate::config::spec::ProcessSpec { startsecs: 0, ..program(name) });
    let kind = GroupKind::Listeners(PoolSpec { events, buffer_size });
    GroupSpec { kind, ..group("l", -1, members.collect()) }
}

impl World {
    fn new(groups: Vec<GroupSpec>) -> Self {
        let now = Now { mono: Mono(1_000_000_000_000), wall: WallSecs(1_700_000_001) };
        let engine = Engine::new(groups);
        let mut world =
            Self { engine, now, pids: BTreeMap::new(), said: Vec::new(), told: Vec::new(), deaf: false };
        world.tell(Input::Started);
        world
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.engine.handle(self.now, input);
            while let Some(effect) = self.engine.poll_effect() {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::PrepareLogs { id, .. } => Some(Input::LogsPrepared { id, stdout: None, stderr: None }),
            Effect::Spawn { id, listener, .. } => {
                assert!(listener, "only listeners here");
                let pid = 100 + i32::try_from(self.pids.len()).unwrap();
                self.pids.insert(pid, id);
                Some(Input::Spawned { id, pid })
            }
            Effect::Deliver { id, pool, pending } => {
                assert_eq!(pool, "l");
                if self.deaf {
                    return Some(Input::Undelivered { id, serial: pending.serial });
                }
                let kind = pending.event.kind().name().to_owned();
                self.told.push((id, pending.serial, pending.pool_serial, kind));
                None
            }
            Effect::Signal { pid, signal, .. } => {
                self.said.push(format!("{signal} to {pid}"));
                None
            }
            Effect::Note(notice) if notice.level() >= Level::Warn => {
                self.said.push(notice.to_string());
                None
            }
            _ => None,
        }
    }

    fn says(&mut self, pid: i32, text: &str) {
        let id = self.pids[&pid];
        self.tell(Input::ListenerWrote { id, bytes: Some(text.as_bytes().to_vec()) });
    }

    fn dies(&mut self, pid: i32) {
        let id = self.pids[&pid];
        self.tell(Input::Exited { id, status: WaitStatus::Exited(0), evidence: Evidence::default() });
    }

    fn happens(&mut self, data: &str) {
        let event = Event::RemoteCommunication { kind: "t".into(), data: data.into() };
        self.tell(Input::Observed(event));
    }

    /// The serials that were handed out since the last look.
    fn serials(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.told).into_iter().map(|(_, serial, ..)| serial).collect()
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.mono = self.now.mono + Duration::from_secs(1);
            self.now.wall.0 += 1;
            self.tell(Input::DeadlineReached);
        }
    }
}

fn remote(listeners: &[&str], buffer_size: usize) -> World {
    World::new(vec![pool(listeners, vec![EventKind::RemoteCommunication], buffer_size)])
}

#[test]
fn an_event_waits_for_a_listener_that_is_ready() {
    let mut world = remote(&["a"], 10);
    world.happens("1");
    world.happens("2");
    assert_eq!(world.serials(), [0; 0]);
    world.says(100, "READY\n");
    assert_eq!(world.serials(), [0], "one at a time");
    world.says(100, "RESULT 2\nOK");
    assert_eq!(world.serials(), [0; 0], "it has to say that it is ready");
    world.says(100, "READY\n");
    assert_eq!(world.serials(), [1]);
}

#[test]
fn a_free_listener_takes_what_another_is_too_busy_for() {
    let mut world = remote(&["a", "b"], 10);
    world.says(100, "READY\n");
    world.says(101, "READY\n");
    world.happens("1");
    world.happens("2");
    let told: Vec<_> = world.told.iter().map(|(id, serial, ..)| (id.0, *serial)).collect();
    assert_eq!(told, [(1, 0), (2, 1)]);
}

#[test]
fn a_full_buffer_discards_the_oldest() {
    let mut world = remote(&["a"], 2);
    for data in ["1", "2", "3"] {
        world.happens(data);
    }
    assert_eq!(world.said, ["pool l event buffer overflowed, discarding event 0"]);
    world.says(100, "READY\n");
    assert_eq!(world.serials(), [1]);
}

#[test]
fn what_was_rejected_or_died_with_its_listener_is_told_again_with_the_same_number() {
    let mut world = remote(&["a", "b"], 10);
    world.says(100, "READY\n");
    world.happens("1");
    world.says(100, "RESULT 4\nFAIL");
    assert_eq!(world.serials(), [0]);
    assert_eq!(world.said, ["a: event was rejected"]);
    world.says(101, "READY\n");
    assert_eq!(world.told, [(ProcessId(2), 0, 0, "REMOTE_COMMUNICATION".to_owned())]);
    world.dies(101);
    world.says(100, "READY\n");
    assert_eq!(world.serials(), [0, 0]);
    world.says(100, "RESULT 2\nOKREADY\n");
    assert_eq!(world.serials(), [0; 0], "what was processed is never told again");
}

#[test]
fn a_listener_that_breaks_the_protocol_costs_nobody_else_and_is_restarted() {
    let mut world = remote(&["a", "b"], 10);
    world.says(100, "READY\n");
    world.happens("1");
    world.says(101, "READY\n");
    world.says(100, "nonsense\n");
    assert_eq!(world.serials(), [0, 0], "the other is told");
    assert_eq!(world.said.remove(0), "a: bad result line: 'nonsense'");
    assert!(world.said.remove(0).starts_with("a: has entered the UNKNOWN state"));
    world.says(100, "READY\nREADY\n");
    world.happens("2");
    assert_eq!(world.serials(), [0; 0], "it is told no more");
    world.pass(1);
    assert_eq!(world.said, ["restarting a, which broke the eventlistener protocol", "SIGTERM to 100"]);
    world.dies(100);
    world.says(102, "READY\n");
    assert_eq!(world.serials(), [1], "the fresh one is");
}

#[test]
fn one_that_keeps_breaking_the_protocol_is_restarted_ever_later_and_one_that_may_not_never() {
    let mut world = remote(&["a"], 10);
    for (pid, wait) in [(100, 1), (101, 2), (102, 3)] {
        world.says(pid, "nonsense");
        world.pass(wait - 1);
        assert!(!world.said.iter().any(|said| said.starts_with("SIGTERM")), "{:?}", world.said);
        world.pass(1);
        assert_eq!(world.said.pop().unwrap(), format!("SIGTERM to {pid}"));
        world.said.clear();
        world.dies(pid);
    }
    let mut spec = pool(&["a"], vec![EventKind::RemoteCommunication], 1);
    Arc::make_mut(&mut spec.processes[0]).autorestart = AutoRestart::Never;
    let mut world = World::new(vec![spec]);
    world.says(100, "nonsense");
    assert_eq!(world.engine.deadline(), None, "nothing is due");
}

#[test]
fn a_listener_with_a_closed_stdin_is_passed_over() {
    let mut world = remote(&["a", "b"], 10);
    world.says(100, "READY\n");
    world.deaf = true;
    world.happens("1");
    world.deaf = false;
    world.happens("2");
    assert_eq!(world.serials(), [0; 0], "nothing is written to it again");
    world.says(101, "READY\n");
    assert_eq!(world.serials(), [0]);
}

#[test]
fn ticks_come_when_somebody_waits_for_them_and_cost_nothing_else() {
    let mut world = World::new(vec![pool(&["a"], vec![EventKind::Tick60], 10)]);
    world.says(100, "READY\n");
    assert_eq!(world.engine.deadline(), Some(world.now.mono + Duration::from_secs(39)), "of 60 seconds");
    world.pass(39);
    let told = world.told.pop().unwrap();
    assert_eq!((told.1, told.3.as_str()), (0, "TICK_60"));
    assert_eq!(remote(&["a"], 1).engine.deadline(), None);
}

#[test]
fn the_end_waits_for_listeners_at_work_but_not_long() {
    for answers in [true, false] {
        let mut world = World::new(vec![pool(&["a"], vec![EventKind::SupervisorStateChange], 10)]);
        world.says(100, "READY\n");
        world.says(100, "RESULT 2\nOKREADY\n");
        world.told.clear();
        world.tell(Input::SignalReceived(crate::api::Signal::TERM));
        assert_eq!(world.told.pop().unwrap().3, "SUPERVISOR_STATE_CHANGE_STOPPING");
        let stopped = |world: &World| world.said.iter().any(|said| said == "SIGTERM to 100");
        assert!(!stopped(&world));
        if answers {
            world.says(100, "RESULT 2\nOKREADY\n");
        } else {
            world.pass(2);
        }
        assert!(stopped(&world), "{answers}");
        world.dies(100);
        assert!(world.engine.finished().is_some());
    }
}
