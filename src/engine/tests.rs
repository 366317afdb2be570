//! Transcripts: what the engine decides, told fact by fact.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::api::{FaultCode, Level, Request, Signal, Target, WaitStatus, WallSecs};
use crate::config::limits::Limits;
use crate::config::spec::{AutoRestart, GroupKind, Leftovers, LogSpec, LogTarget, ProcessSpec, ToJournal};

mod adopt;
mod coldplug;

pub(crate) fn program(name: &str) -> ProcessSpec {
    let log = LogSpec {
        target: LogTarget::None,
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: 0,
        events_enabled: false,
        syslog: false,
        journal: ToJournal::No,
    };
    ProcessSpec {
        name: name.into(),
        command: "/bin/cat".to_owned(),
        directory: None,
        umask: None,
        priority: 999,
        autostart: true,
        autorestart: AutoRestart::Unexpected,
        startsecs: 1,
        startretries: 3,
        exitcodes: vec![0],
        stopsignal: Signal::TERM,
        stopwaitsecs: 10,
        stopasgroup: false,
        killasgroup: false,
        user: None,
        redirect_stderr: false,
        stdout: log.clone(),
        stderr: log,
        environment: BTreeMap::new(),
        serverurl: None,
        socket: None,
        leftovers: Leftovers::Kill,
        limits: Arc::new(Limits::default()),
    }
}

pub(crate) fn group(name: &str, priority: i64, processes: Vec<ProcessSpec>) -> GroupSpec {
    let processes = processes.into_iter().map(Arc::new).collect();
    GroupSpec { name: name.to_owned(), priority, processes, kind: GroupKind::Programs }
}

/// A world in which every fork succeeds at once; pids count from 100.
struct World {
    engine: Engine,
    now: Now,
    next_pid: i32,
    said: Vec<String>,
    next_ticket: u64,
    pids: BTreeMap<ProcessId, i32>,
}

impl World {
    fn new(groups: Vec<GroupSpec>) -> Self {
        let now = Now { mono: Mono(1_000_000_000_000), wall: WallSecs(1_700_000_000) };
        let engine = Engine::new(groups);
        let mut world =
            Self { engine, now, next_pid: 100, said: Vec::new(), next_ticket: 0, pids: BTreeMap::new() };
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
            Effect::Note(notice) if notice.level() >= Level::Info => self.said.push(notice.to_string()),
            Effect::Reply { ticket, answer } => {
                let answer = match answer {
                    Ok(reply) => format!("{reply:?}"),
                    Err(fault) => fault.to_string(),
                };
                self.said.push(format!("-> {}: {answer}", ticket.0));
            }
            Effect::PrepareLogs { id, .. } => {
                return Some(Input::LogsPrepared { id, stdout: None, stderr: None });
            }
            Effect::Probe { errand, .. } => return Some(Input::Done { errand, outcome: Ok(()) }),
            Effect::Spawn { id, .. } => {
                let pid = self.next_pid;
                self.next_pid += 1;
                self.pids.insert(id, pid);
                return Some(Input::Spawned { id, pid });
            }
            Effect::Signal { id, pid, signal: Signal::USR1, errand, .. } => {
                let problem = format!("not {pid}");
                return Some(Input::SignalFailed { id, errand, problem });
            }
            Effect::Signal { pid, signal, group, errand, .. } => {
                self.said.push(format!("{signal} to {}{pid}", if group { "group " } else { "" }));
                return errand.map(|errand| Input::Done { errand, outcome: Ok(()) });
            }
            Effect::SignalLeftovers { signal, .. } => self.said.push(format!("{signal} to leftovers")),
            Effect::KillLeftovers { .. } => self.said.push("leftovers killed".to_owned()),
            Effect::Finish(state) => self.said.push(format!("finish {}", state.name())),
            _ => {}
        }
        None
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while let Some(due) = self.engine.deadline().filter(|due| *due <= end) {
            assert!(due >= self.now.mono, "time runs forward");
            self.now.mono = due.max(self.now.mono);
            self.tell(Input::DeadlineReached);
        }
        self.now.mono = end;
    }

    fn ask(&mut self, request: Request) {
        self.next_ticket += 1;
        self.tell(Input::Request { ticket: Ticket(self.next_ticket), request });
    }

    fn id(&self, name: &str) -> ProcessId {
        self.engine.processes().find(|p| *p.name.process == *name).expect("a known name").id
    }

    fn exit(&mut self, name: &str, status: WaitStatus) {
        self.tell(Input::Exited { id: self.id(name), status, evidence: Evidence::default() });
    }

    fn exit_leaving(&mut self, name: &str, status: WaitStatus) {
        let evidence = Evidence { leftovers: true, ..Evidence::default() };
        self.tell(Input::Exited { id: self.id(name), status, evidence });
    }

    fn empty(&mut self, name: &str) {
        self.tell(Input::Emptied { id: self.id(name) });
    }

    fn state(&self, name: &str) -> &'static str {
        self.engine.processes().find(|p| *p.name.process == *name).map_or("gone", |p| p.state().name())
    }

    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

fn start(name: &str, wait: bool) -> Request {
    Request::Start { target: Target::from_namespec(name), wait }
}

fn stop(name: &str, wait: bool) -> Request {
    Request::Stop { target: Target::from_namespec(name), wait }
}

const SECOND: Duration = Duration::from_secs(1);
const KILLED: WaitStatus = WaitStatus::Signalled { signal: Signal::KILL, core_dumped: false };

#[test]
fn a_program_that_stays_up_runs_and_is_restarted_when_it_is_killed() {
    let mut world = World::new(vec![group("web", 999, vec![program("web")])]);
    assert_eq!(world.state("web"), "STARTING");
    world.pass(SECOND);
    world.exit("web", KILLED);
    let success =
        "success: web entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)";
    let exited = "exited: web (terminated by SIGKILL; not expected)";
    assert_eq!(world.said(), ["spawned: 'web' with pid 100", success, exited, "spawned: 'web' with pid 101"]);
    assert_eq!(world.state("web"), "STARTING");
}

#[test]
fn a_program_that_ends_too_quickly_is_tried_once_more_than_startretries_and_given_up() {
    let mut world = World::new(vec![group("bad", 999, vec![program("bad")])]);
    for tries in 1..=4 {
        assert_eq!(world.state("bad"), "STARTING", "try {tries}");
        world.exit("bad", WaitStatus::Exited(1));
        world.pass(Duration::from_secs(tries) - Duration::from_millis(1));
        if tries < 4 {
            assert_eq!(world.state("bad"), "BACKOFF");
            world.pass(Duration::from_millis(1));
        }
    }
    assert_eq!(world.state("bad"), "FATAL");
    let last = world.said().pop();
    let gave_up = "gave up: bad entered FATAL state, too many start retries too quickly";
    assert_eq!(last.as_deref(), Some(gave_up));
    assert_eq!(world.engine.deadline(), None);
}

#[test]
fn an_expected_exit_is_not_restarted_and_a_stop_is_answered_when_it_is_over() {
    let mut world = World::new(vec![group("a", 999, vec![program("a"), program("b")])]);
    world.pass(SECOND);
    world.exit("a", WaitStatus::Exited(0));
    assert_eq!(world.state("a"), "EXITED");
    world.said();
    world.ask(stop("a:b", true));
    assert_eq!(world.said(), ["SIGTERM to 101", "waiting for b to stop"]);
    world.exit("b", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["stopped: b (exit status 0)", "-> 1: Done"]);
    world.ask(stop("a:b", true));
    assert_eq!(world.said(), ["-> 2: NOT_RUNNING: a:b"]);
}

#[test]
fn a_program_that_ignores_the_stop_signal_is_killed_after_stopwaitsecs_again_and_again() {
    let mut spec = program("deaf");
    spec.stopasgroup = true;
    spec.killasgroup = true;
    spec.stopwaitsecs = 2;
    let mut world = World::new(vec![group("deaf", 999, vec![spec])]);
    world.pass(SECOND);
    world.said();
    world.ask(stop("deaf", false));
    assert_eq!(world.said(), ["SIGTERM to group 100", "-> 1: Done"]);
    world.pass(SECOND * 4);
    let kill = ["killing 'deaf' (100) with SIGKILL", "SIGKILL to group 100"];
    assert_eq!(world.said(), [kill, kill].concat());
}

#[test]
fn a_stop_is_over_when_nothing_is_left() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    world.pass(SECOND);
    world.ask(stop("x", true));
    world.said();
    world.exit_leaving("x", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["'x' has left processes behind, sending them SIGTERM", "SIGTERM to leftovers"]);
    assert_eq!(world.state("x"), "STOPPING");
    world.pass(SECOND * 10);
    assert_eq!(world.said(), ["killing what 'x' has left behind with SIGKILL", "leftovers killed"]);
    world.empty("x");
    assert_eq!(world.said(), ["stopped: x (exit status 0)", "-> 1: Done"]);
    assert_eq!((world.state("x"), world.engine.deadline()), ("STOPPED", None));
}

#[test]
fn no_leftover_meets_the_next_instance() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    world.pass(SECOND);
    world.said();
    world.exit_leaving("x", KILLED);
    assert_eq!(world.state("x"), "STARTING");
    let said = world.said().join("\n");
    assert!(said.contains("SIGTERM to leftovers") && !said.contains("spawned"), "{said}");
    world.empty("x");
    assert_eq!(world.said(), ["spawned: 'x' with pid 101"]);
}

#[test]
fn whoever_was_killed_has_used_up_the_time_of_his_children() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    world.pass(SECOND);
    world.ask(stop("x", true));
    world.pass(SECOND * 10);
    world.said();
    world.exit_leaving("x", KILLED);
    assert_eq!(world.said().last().map(String::as_str), Some("leftovers killed"));
}

#[test]
fn a_program_may_leave_a_daemon_behind() {
    let spec = ProcessSpec { leftovers: Leftovers::Leave, ..program("x") };
    let mut world = World::new(vec![group("x", 999, vec![spec])]);
    world.pass(SECOND);
    world.said();
    world.exit_leaving("x", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["exited: x (exit status 0; expected)"]);
    assert_eq!((world.state("x"), world.engine.deadline()), ("EXITED", None));
}

#[test]
fn a_start_is_answered_when_the_program_runs_or_will_not() {
    let mut spec = program("x");
    spec.autostart = false;
    let mut world = World::new(vec![group("x", 999, vec![spec])]);
    assert_eq!(world.state("x"), "STOPPED");
    world.ask(start("x", true));
    assert_eq!(world.said(), ["spawned: 'x' with pid 100"]);
    world.ask(start("x", true));
    assert_eq!(world.said(), ["-> 2: ALREADY_STARTED: x"]);
    world.exit("x", WaitStatus::Exited(7));
    assert_eq!(world.said(), ["-> 1: SPAWN_ERROR: x", "exited: x (exit status 7; not expected)"]);
    world.ask(stop("x", true));
    assert_eq!(world.said(), ["-> 3: Done"], "a stop in BACKOFF needs no signal");
    world.ask(start("x", false));
    assert_eq!(world.said(), ["spawned: 'x' with pid 101", "-> 4: Done"]);
    world.ask(start("nope", true));
    assert_eq!(world.said(), ["-> 5: BAD_NAME: nope"]);
}

#[test]
fn a_start_while_stopping_waits_for_the_stop() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    world.pass(SECOND);
    world.ask(stop("x", false));
    world.said();
    world.ask(start("x", false));
    assert_eq!(world.said(), Vec::<String>::new());
    world.exit("x", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["stopped: x (exit status 0)", "spawned: 'x' with pid 101", "-> 2: Done"]);
}

#[test]
fn a_request_for_several_is_answered_when_the_last_is_decided() {
    let mut world = World::new(vec![group("g", 999, vec![program("a"), program("b")])]);
    world.pass(SECOND);
    world.said();
    world.ask(Request::Stop { target: Target::All, wait: true });
    world.exit("b", WaitStatus::Exited(0));
    world.said();
    world.exit("a", WaitStatus::Exited(0));
    let answer = world.said().pop().expect("an answer");
    assert!(answer.starts_with("-> 1: Results([") && answer.find("\"b\"") < answer.find("\"a\""), "{answer}");
}

#[test]
fn shutdown_goes_through_the_priorities_from_the_highest_and_stops_equals_together() {
    let groups = vec![
        group("first", 1, vec![program("db")]),
        group("idle", 5, vec![]),
        group("web1", 9, vec![program("web1")]),
        group("web2", 9, vec![program("web2")]),
    ];
    let mut world = World::new(groups);
    world.pass(SECOND);
    world.said();
    world.tell(Input::SignalReceived(Signal::TERM));
    let received = "received SIGTERM indicating exit request";
    assert_eq!(
        world.said(),
        [received, "waiting for db, web1, web2 to die", "SIGTERM to 102", "SIGTERM to 101"]
    );
    world.exit("web1", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["stopped: web1 (exit status 0)"]);
    world.exit("web2", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["stopped: web2 (exit status 0)", "SIGTERM to 100"]);
    world.ask(start("web1", true));
    assert_eq!(world.said(), ["-> 1: SHUTDOWN_STATE"]);
    world.exit("db", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["stopped: db (exit status 0)", "finish SHUTDOWN"]);
}

#[test]
fn a_broken_configuration_refuses_a_restart_and_changes_nothing() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    world.pass(SECOND);
    world.said();
    world.ask(Request::Restart);
    let errand = Errand(1);
    world.tell(Input::Loaded { errand, outcome: Err("no such section".into()) });
    let said = world.said();
    assert_eq!(said.last().map(String::as_str), Some("-> 1: CANT_REREAD: no such section"));
    assert_eq!((world.engine.mood(), world.state("x")), (SupervisorState::Running, "RUNNING"));
}

#[test]
fn a_group_is_added_from_the_configuration_read_last_and_removed_when_it_is_stopped() {
    let mut world = World::new(vec![group("old", 999, vec![program("old")])]);
    world.ask(Request::Reread);
    let wanted = vec![group("new", 999, vec![program("new")])];
    world.tell(Input::Loaded { errand: Errand(1), outcome: Ok(wanted) });
    world.said();
    world.ask(Request::AddGroup("new".into()));
    assert_eq!(world.said(), ["-> 2: Done", "spawned: 'new' with pid 101"]);
    world.ask(Request::RemoveGroup("old".into()));
    assert_eq!(world.said(), ["-> 3: STILL_RUNNING: old"]);
    world.ask(stop("old", true));
    world.exit("old", KILLED);
    world.said();
    world.ask(Request::RemoveGroup("old".into()));
    assert_eq!(world.said(), ["-> 5: Done"]);
    assert_eq!(world.state("old"), "gone");
}

#[test]
fn a_signal_that_cannot_be_sent_leads_to_unknown_and_its_end_to_no_harm() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    world.pass(SECOND);
    world.ask(stop("x", true));
    world.said();
    let id = world.engine.processes().next().expect("one").id;
    world.tell(Input::SignalFailed { id, errand: None, problem: "EPERM".into() });
    assert_eq!(world.state("x"), "UNKNOWN");
    assert_eq!(world.said().pop().as_deref(), Some("-> 1: FAILED: unknown problem killing x (100): EPERM"));
    world.exit("x", WaitStatus::Exited(0));
    assert_eq!(world.state("x"), "UNKNOWN");
    world.ask(start("x", false));
    assert_eq!(world.state("x"), "STARTING");
}

#[test]
fn a_signal_that_somebody_asked_for_and_that_cannot_be_sent_is_told_him() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    world.ask(start("x", true));
    world.ask(Request::Signal { target: Target::from_namespec("x"), signal: Signal::USR1 });
    let text = "unknown problem sending sig x (100): not 100";
    let told = world.said();
    assert_eq!(told[told.len() - 2..], [text.to_owned(), format!("-> 2: FAILED: {text}")], "{told:?}");
    assert_eq!(world.state("x"), "UNKNOWN");
}

#[test]
fn a_failure_before_exec_is_named_and_a_saved_engine_is_the_same_engine() {
    let mut world = World::new(vec![group("x", 999, vec![program("x")])]);
    let id = world.engine.processes().next().expect("one").id;
    let failure = Some("can't enter directory /nope: no such file or directory".to_owned());
    world.tell(Input::Exited {
        id,
        status: WaitStatus::Exited(127),
        evidence: Evidence { failure: failure.clone(), ..Evidence::default() },
    });
    assert_eq!(world.engine.process(id).and_then(|p| p.spawnerr.clone()), failure);
    let saved = serde_json::to_string(&world.engine).expect("plain data");
    assert_eq!(serde_json::from_str::<Engine>(&saved).expect("its own format"), world.engine);
    assert_eq!(FaultCode::ALL.len(), 18);
}

#[test]
fn restarts_are_counted_from_the_start_by_hand_and_a_failure_is_told_until_all_is_well() {
    let mut world = World::new(vec![group("web", 999, vec![program("web")])]);
    let details =
        |world: &World| world.engine.processes().map(Process::details).next().expect("there is one");
    world.exit("web", WaitStatus::Exited(2));
    assert_eq!(details(&world).diagnosis, "ended too quickly (exit status 2), within startsecs=1");
    world.pass(SECOND);
    assert_eq!((world.state("web"), details(&world).restarts), ("STARTING", 1));
    assert_ne!(details(&world).diagnosis, "");
    world.pass(SECOND);
    assert_eq!((world.state("web"), details(&world).diagnosis.as_str()), ("RUNNING", ""));
    world.exit("web", KILLED);
    assert_eq!((details(&world).restarts, details(&world).diagnosis.as_str()), (2, "terminated by SIGKILL"));
    world.pass(SECOND);
    world.ask(stop("web", false));
    world.exit("web", WaitStatus::Exited(0));
    world.ask(start("web", false));
    assert_eq!((details(&world).restarts, details(&world).diagnosis.as_str()), (0, ""));
}
