//! What another supervisor has left.

use std::path::Path;

use super::*;
use crate::config::spec::PoolSpec;

/// A world that begins with what another supervisor has left.
fn adopting(groups: Vec<GroupSpec>, found: Vec<Adopted>) -> World {
    let now = Now { mono: Mono(1_000_000_000_000), wall: WallSecs(1_700_000_000) };
    let engine = Engine::new(groups);
    let mut world =
        World { engine, now, next_pid: 100, said: Vec::new(), next_ticket: 0, pids: BTreeMap::new() };
    world.tell(Input::Adopted(found));
    world
}

fn left(name: &str, now: Found) -> Adopted {
    Adopted {
        name: ProcessName::new(name, name),
        now,
        started: Some((Mono(999_500_000_000), WallSecs(1_699_999_999))),
        ended: None,
        exitstatus: None,
        spawnerr: None,
        stdout: Some(Path::new("/log/out").into()),
        stderr: None,
    }
}

#[test]
fn what_another_supervisor_has_run_goes_on_as_it_is() {
    let names = ["up", "young", "stopped", "over", "failed", "hopeless", "new"];
    let groups = names.iter().map(|name| group(name, 999, vec![program(name)])).collect();
    let found = vec![
        left("up", Found::Alive { pid: 7, up: true }),
        left("young", Found::Alive { pid: 8, up: false }),
        left("stopped", Found::Stopped),
        Adopted { exitstatus: Some(0), ..left("over", Found::Exited) },
        left("failed", Found::Failed),
        left("hopeless", Found::Fatal),
        left("unknown", Found::Alive { pid: 9, up: true }),
    ];
    let mut world = adopting(groups, found);
    let states = |world: &World| {
        let state = |name| {
            world.engine.process(world.id(name)).map(|process| (process.state().name(), process.pid()))
        };
        names.map(|name| state(name).unwrap())
    };
    assert_eq!(
        world.said,
        [
            "adopted: 'up' with pid 7",
            "adopted: 'young' with pid 8",
            "spawned: 'failed' with pid 100",
            "spawned: 'new' with pid 101",
        ]
    );
    world.said.clear();
    let up = world.engine.process(world.id("up")).unwrap();
    assert_eq!(up.started, Some((Mono(999_500_000_000), WallSecs(1_699_999_999))));
    assert_eq!(up.stdout_logfile, Some(Path::new("/log/out").into()));
    // It has half a second to go.
    world.pass(Duration::from_millis(499));
    assert_eq!(states(&world)[..2], [("RUNNING", Some(7)), ("STARTING", Some(8))]);
    world.pass(Duration::from_millis(1));
    assert_eq!(
        states(&world)[..6],
        [
            ("RUNNING", Some(7)),
            ("RUNNING", Some(8)),
            ("STOPPED", None),
            ("EXITED", None),
            ("STARTING", Some(100)),
            ("FATAL", None),
        ]
    );
    world.exit("up", WaitStatus::Lost);
    world.ask(Request::Stop { target: Target::Process(ProcessName::new("young", "young")), wait: true });
    world.exit("young", WaitStatus::Exited(0));
    assert_eq!(
        world.said[1..6],
        [
            "exited: up (exit status unknown; not expected)",
            "spawned: 'up' with pid 102",
            "SIGTERM to 8",
            "waiting for young to stop",
            "stopped: young (exit status 0)",
        ],
        "{:?}",
        world.said
    );
}

#[test]
fn an_event_listener_of_another_supervisor_begins_anew() {
    let mut pool = group("pool", 999, vec![program("listener")]);
    pool.kind = GroupKind::Listeners(PoolSpec { events: Vec::new(), buffer_size: 1 });
    let name = ProcessName::new("pool", "listener");
    let mut world =
        adopting(vec![pool], vec![Adopted { name, ..left("", Found::Alive { pid: 7, up: true }) }]);
    world.exit("listener", WaitStatus::Exited(0));
    assert_eq!(
        world.said,
        [
            "adopted: 'listener' with pid 7",
            "restarting listener: which event it was told last is not known",
            "SIGTERM to 7",
            "stopped: listener (exit status 0)",
            "spawned: 'listener' with pid 100",
        ]
    );
}
