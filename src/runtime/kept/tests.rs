//! The record as it is found again.

use std::collections::VecDeque;
use std::os::fd::AsFd as _;

use super::frame::{self, Frame};
use super::log::Log;
use crate::api::{EventKind, Mono, Now, WallSecs};
use crate::config::spec::{GroupKind, PoolSpec, ProcessSpec};
use crate::engine::tests::{group, program};
use crate::engine::{Effect, Engine, Input, Pieces as _, ProcessId};
use crate::system::reexec::{in_memory, read_whole};

/// What supervisord 5.0.0 wrote: form 1, as every later one must read it.
const FORM_1: &[u8] = include_bytes!("../../../tests/snapshots/turns-1.bin");
/// The same of form 2.
const FORM_2: &[u8] = include_bytes!("../../../tests/snapshots/turns-2.bin");

#[test]
fn turns_of_every_form_are_read_for_ever() {
    [FORM_1, FORM_2].into_iter().for_each(are_read);
}

fn are_read(turns: &[u8]) {
    let replayed = frame::replay(turns);
    assert_eq!((replayed.length, replayed.turn), (turns.len(), 2));
    let engine = Engine::of_pieces(&replayed.pieces).unwrap();
    let told: Vec<String> = engine
        .processes()
        .map(|process| format!("{} {} {:?}", process.name, process.state().name(), process.pid()))
        .collect();
    let expected = ["ears STARTING Some(101)", "web:web_0 RUNNING Some(102)", "web:web_1 STOPPED None"];
    assert_eq!(told, expected);
    assert_eq!(replayed.deeds, [Effect::ReopenLogs]);
}

/// Writes what the test above reads: `cargo test --lib -- --ignored turns_of_form_2`, when there is a new form, under a new name.
#[test]
#[ignore = "writes tests/snapshots/turns-2.bin"]
fn write_turns_of_form_2() {
    let now = Now { mono: Mono(5_000_000_000), wall: WallSecs(1_700_000_000) };
    let web = |name: &str, startsecs| ProcessSpec { startsecs, ..program(name) };
    let mut ears = group("ears", -1, vec![program("ears")]);
    ears.kind = GroupKind::Listeners(PoolSpec { events: vec![EventKind::ProcessState], buffer_size: 10 });
    let stopped = ProcessSpec { autostart: false, ..web("web_1", 1) };
    let mut engine = Engine::new(vec![ears, group("web", 999, vec![web("web_0", 0), stopped])]);
    let mut inputs = VecDeque::from([Input::Started]);
    let mut pid = 100;
    while let Some(input) = inputs.pop_front() {
        engine.handle(now, input);
        while let Some(effect) = engine.poll_effect() {
            match effect {
                Effect::PrepareLogs { id, .. } => {
                    inputs.push_back(Input::LogsPrepared { id, stdout: None, stderr: None });
                }
                Effect::Spawn { id, .. } => {
                    pid += 1;
                    inputs.push_back(Input::Spawned { id, pid });
                }
                _ => {}
            }
        }
    }
    let (mut first, mut second) = (Frame::default(), Frame::default());
    engine.write_everything(&mut first);
    engine.write_changes(&mut second);
    second.deeds([Effect::ReopenLogs].iter());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/turns-2.bin");
    std::fs::write(path, [first.of_turn(1), second.of_turn(2)].concat()).unwrap();
}

#[test]
fn a_record_of_form_1_is_gone_on_with_as_one_of_this_form() {
    let pieces = frame::replay(FORM_1).pieces;
    let mut log = Log::create().unwrap();
    let frame = log.frame();
    pieces.iter().for_each(|(name, piece)| frame.copy(name, piece));
    log.rewrite().unwrap();
    rustix::io::pwrite(log.as_fd(), &1_u32.to_le_bytes(), 0).unwrap();
    let mut found = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(found.pieces, pieces);
    let mut form = [0; 4];
    rustix::io::pread(log.as_fd(), &mut form, 0).unwrap();
    assert_eq!(u32::from_le_bytes(form), super::log::FORM);
    let mut engine = Engine::of_pieces(&found.pieces).unwrap();
    engine.write_everything(found.log.frame());
    found.log.rewrite().unwrap();
    let again = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(Engine::of_pieces(&again.pieces).unwrap(), engine);
    assert!(again.pieces.contains_key("spec/1") && again.pieces["process/1"].len() < 600);
}

#[test]
fn a_record_stays_small_however_long_it_is_written() {
    let mut log = Log::create().unwrap();
    let mut whole = 0;
    for turn in 0..2000_u32 {
        let piece = turn.to_le_bytes().repeat(4096);
        log.frame().copy("process/1", &piece);
        if turn == 0 || log.is_long() {
            log.rewrite().unwrap();
            whole += 1;
        } else {
            log.append().unwrap();
        }
        if turn % 97 == 0 {
            let found = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
            assert_eq!(found.pieces["process/1"], piece, "turn {turn}");
            let length = rustix::fs::fstat(log.as_fd()).unwrap().st_size;
            assert!(length < 4 << 20, "{length} bytes after {whole} times");
        }
    }
    assert!(whole > 20, "{whole}");
    log.give_back();
    let held = 512 * rustix::fs::fstat(log.as_fd()).unwrap().st_blocks;
    assert!(held < 2 << 20, "{held} bytes when nothing more comes");
    let found = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(found.pieces["process/1"], 1999_u32.to_le_bytes().repeat(4096));
}

#[test]
fn what_is_new_is_written_once_and_what_is_said_again_is_written_anew() {
    let mut log = Log::create().unwrap();
    log.frame().copy("process/1", b"little");
    log.rewrite().unwrap();
    let mut turns = 0;
    while !log.is_long() {
        log.frame().copy("configured", &vec![turns; 3 << 20]);
        log.append().unwrap();
        turns += 1;
    }
    assert_eq!(turns, 4, "the first, and twice as much of the same");
    let found = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(found.pieces["configured"], vec![3; 3 << 20]);
}

#[test]
fn three_lives_in_a_minute_blame_whom_the_last_was_busy_with() {
    let mut log = Log::create().unwrap();
    Engine::new(Vec::new()).write_everything(log.frame());
    log.rewrite().unwrap();
    let mut lives = [Mono(0); 3];
    for life in 1..=4 {
        log.busy_with(Some(7));
        let found = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!((found.lives, found.busy), (lives, Some(7)));
        assert_eq!(super::too_often(found.lives), life > 3, "in life {life}");
        log = found.log;
        lives = super::next_life(found.lives);
        log.live(lives).unwrap();
    }
    log.busy_with(None);
    let found = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(found.busy, None);
    let long_ago = Mono(crate::system::clock::now().mono.0.saturating_sub(61_000_000_000).max(1));
    assert!(!super::too_often([long_ago, lives[1], lives[2]]));
}

#[test]
fn whoever_dies_marking_what_is_done_has_done_neither_more_nor_less() {
    let deeds = |count| (0..count).map(|id| Effect::Forget { id: ProcessId(id) }).collect::<Vec<Effect>>();
    let append = |log: &mut Log, count| {
        log.frame().deeds(deeds(count).iter());
        log.append().unwrap();
    };
    let undone = |log: &Log| Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap().undone.len();
    let mut sealed = Log::create().unwrap();
    Engine::new(Vec::new()).write_everything(sealed.frame());
    sealed.rewrite().unwrap();
    // As a supervisord has made it that did not seal it.
    let before = in_memory(&read_whole(&sealed).unwrap()).unwrap();
    for mut log in [sealed, Log::open(before).unwrap().log] {
        for (marked, left) in [(0, [3, 3, 3, 2]), (1, [2, 1, 1, 1]), (2, [1, 0, 0, 0])] {
            for (steps, left) in left.into_iter().enumerate() {
                // All deeds of the turn before are done; that there were more of them must not matter.
                append(&mut log, 5);
                (0..5).for_each(|_| log.deed_is_done());
                assert_eq!(undone(&log), 0);
                append(&mut log, 3);
                (0..marked).for_each(|_| log.deed_is_done());
                log.die_marking(steps);
                assert_eq!(undone(&log), left, "{marked} deeds and {steps} steps");
                // Whoever goes on counts on.
                log = Log::open(log.as_fd().try_clone_to_owned().unwrap()).unwrap().log;
                (0..left).for_each(|_| log.deed_is_done());
                assert_eq!(undone(&log), 0);
            }
        }
    }
}

#[test]
fn nothing_is_made_of_an_empty_record() {
    let problem = Log::open(in_memory(b"").unwrap()).unwrap_err();
    assert_eq!(problem, "it is empty");
}

#[test]
fn a_frame_that_is_torn_is_none() {
    let mut frame = Frame::default();
    frame.set("a", &1);
    let frame = frame.of_turn(1);
    assert_eq!(frame::replay(&frame[..frame.len() - 1]), frame::Replay::default());
}
