//! After a crash: the same state, in other hands.

use std::collections::BTreeMap;

use super::*;
use crate::api::EventKind;
use crate::config::spec::PoolSpec;
use crate::engine::process::WithoutSpec;

impl World {
    /// The daemon dies, with what it was about to do, and another goes on with what was written down.
    fn crash(&mut self) {
        let mut pieces = BTreeMap::new();
        self.engine.write_everything(&mut pieces);
        self.engine = Engine::of_pieces(&pieces).unwrap();
        self.tell(Input::Recovered);
    }

    /// Tells the engine without doing what it decides.
    fn tell_only(&mut self, input: Input) {
        self.engine.handle(self.now, input);
    }
}

fn ask(request: Request) -> Input {
    Input::Request { ticket: Ticket(1000), request }
}

#[test]
fn who_was_to_be_forked_is_forked_unless_he_was_to_be_stopped() {
    let mut world = World::new(vec![group("a", 1, vec![program("a")]), group("b", 2, vec![program("b")])]);
    for name in ["a", "b"] {
        world.ask(stop(name, true));
        world.exit(name, WaitStatus::Exited(0));
    }
    for (name, errand) in [("a", 1), ("b", 2)] {
        world.tell_only(ask(start(name, false)));
        world.tell_only(Input::Done { errand: Errand(errand), outcome: Ok(()) });
    }
    world.tell_only(ask(stop("b", false)));
    world.said();
    world.crash();
    assert_eq!(world.said(), ["spawned: 'a' with pid 102"], "and nobody is answered");
    assert_eq!((world.state("a"), world.state("b")), ("STARTING", "STOPPED"));
}

#[test]
fn who_ended_at_his_gate_has_not_failed() {
    let mut world = World::new(vec![group("web", 999, vec![program("web")])]);
    world.crash();
    world.said();
    world.tell(Input::Unborn { id: world.id("web") });
    assert_eq!(world.said(), ["spawned: 'web' with pid 101"]);
    assert_eq!(world.state("web"), "STARTING", "and not BACKOFF");
    world.ask(stop("web", true));
    world.said();
    world.tell(Input::Unborn { id: world.id("web") });
    assert_eq!(world.said(), ["stopped: web (exit status unknown)", "-> 1: Done"]);
}

#[test]
fn a_start_and_a_restart_that_were_under_way_are_carried_to_their_end() {
    let quiet = ProcessSpec { autostart: false, ..program("quiet") };
    let mut world = World::new(vec![group("web", 1, vec![program("web")]), group("quiet", 2, vec![quiet])]);
    world.pass(SECOND);
    world.ask(stop("web", false));
    world.tell_only(ask(start("quiet", true)));
    world.tell_only(ask(start("web", true)));
    world.tell_only(Input::Done { errand: Errand(2), outcome: Ok(()) });
    world.said();
    world.crash();
    assert_eq!(world.said(), ["spawned: 'quiet' with pid 101"]);
    world.exit("web", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["stopped: web (exit status 0)", "spawned: 'web' with pid 102"]);
}

#[test]
fn a_shutdown_goes_on() {
    let mut world = World::new(vec![group("web", 999, vec![program("web")])]);
    world.tell(Input::SignalReceived(Signal::TERM));
    world.said();
    world.crash();
    world.exit("web", WaitStatus::Exited(0));
    assert_eq!(world.said(), ["stopped: web (exit status 0)", "finish SHUTDOWN"]);
}

#[test]
fn a_listener_that_was_speaking_begins_anew_and_is_told_again() {
    let mut listeners = group("ears", -1, vec![program("idle"), program("busy"), program("new")]);
    listeners.kind =
        GroupKind::Listeners(PoolSpec { events: vec![EventKind::RemoteCommunication], buffer_size: 10 });
    let mut world = World::new(vec![listeners]);
    world.pass(SECOND);
    let wrote = |world: &World, name: &str| Input::ListenerWrote {
        id: world.id(name),
        bytes: Some(b"READY\n".to_vec()),
    };
    let busy = wrote(&world, "busy");
    world.tell(busy);
    world.ask(Request::RemoteEvent { kind: "x".into(), data: "y".into() });
    let idle = wrote(&world, "idle");
    world.tell(idle);
    world.said();
    world.crash();
    let lost = "whose last words may be lost with the supervisord before this one";
    let told = world.said();
    assert!(told.contains(&format!("restarting busy, {lost}")), "{told:?}");
    assert!(told.contains(&format!("restarting new, {lost}")), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("idle")), "{told:?}");
    // What it had not answered, another is told.
    world.exit("busy", WaitStatus::Exited(0));
    let idle = world.engine.process(world.id("idle")).unwrap().listener.as_ref().unwrap();
    assert_eq!(idle.state, crate::api::ListenerState::Busy);
}

#[test]
fn whom_daemons_die_of_is_left_alone() {
    let mut world = World::new(vec![group("web", 999, vec![program("web")])]);
    world.pass(SECOND);
    world.crash();
    world.said();
    world.tell(Input::Parked { id: world.id("web"), leftovers: true });
    let told = world.said();
    assert!(told.contains(&"SIGTERM to leftovers".to_owned()), "{told:?}");
    assert_eq!(world.state("web"), "FATAL");
    world.pass(10 * SECOND);
    assert_eq!(world.state("web"), "FATAL");
}

#[test]
fn a_turn_costs_what_it_has_changed() {
    let programs = (0..100).map(|n| program(&format!("p{n}"))).collect();
    let mut world = World::new(vec![group("many", 999, programs)]);
    world.pass(SECOND);
    let changed = |world: &mut World| {
        let mut pieces = BTreeMap::new();
        world.engine.write_changes(&mut pieces);
        pieces.into_keys().collect::<Vec<String>>()
    };
    changed(&mut world);
    world.exit("p7", WaitStatus::Exited(0));
    assert_eq!(changed(&mut world), [format!("process/{}", world.id("p7").0)]);
    world.tell(Input::DeadlineReached);
    assert!(changed(&mut world).is_empty());
    world.engine = world.engine.clone().counting_events_from(7);
    assert_eq!(changed(&mut world), ["engine"]);
}

#[test]
fn what_was_read_is_in_memory_once() {
    let mut world = World::new(vec![group("a", 1, vec![program("a")])]);
    world.crash();
    let configured = &world.engine.configured()[0].processes[0];
    let active = &world.engine.groups()[0].spec.processes[0];
    let process = &world.engine.processes().next().unwrap().spec;
    assert!(Arc::ptr_eq(configured, active) && Arc::ptr_eq(configured, process));
}

#[test]
fn a_process_is_written_with_all_that_it_has_but_its_spec() {
    let world = World::new(vec![group("a", 1, vec![program("a")])]);
    let process = world.engine.processes().next().unwrap();
    let mut whole = serde_json::to_value(process).unwrap();
    let fields = whole.as_object_mut().unwrap();
    let spec = fields.remove("spec").unwrap();
    fields.retain(|_, value| !value.is_null());
    let mut written = serde_json::to_value(WithoutSpec(process)).unwrap();
    assert_eq!(written, whole);
    written["spec"] = spec;
    assert_eq!(&serde_json::from_value::<Process>(written).unwrap(), process);
}
