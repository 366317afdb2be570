//! One program writes to its log, which is rotated at 50 MB and has ten backups: lines of 100 bytes, one write(2) each, or blocks of
//! 64 KiB. CPU is that of the daemon and its loggers, from the program's go to the last byte in the files; nothing is ever deleted, and
//! what the files hold is compared with what was said, byte for byte: lines and blocks carry numbers.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::{ALL, Scenario};
use crate::Bench;
use crate::daemon::{Daemon, millis};
use crate::scene::{Logs, Program, Scene};
use crate::stamps::{PATIENCE, mono};
use crate::subject::Subject;
use crate::table::{Goal, Row};
use crate::usage;

const LINE: usize = 100;
const BLOCK: usize = 64 << 10;
const LINES: u64 = 200_000_000;
const BLOCKS: u64 = 8_000 * BLOCK as u64;
/// s6 and runit take seconds for so many.
const BLOCKS_OF_SLOW: u64 = BLOCKS / 4;

pub const LINES_ROWS: Scenario = Scenario {
    key: "lines",
    subjects: ALL,
    rounds: 5,
    peers: 2,
    rows: &[
        Row::new("100-byte lines, 1 child, rotated: CPU per GB", "s", &[Goal::AtMost(1.5)]),
        Row::new("same: bytes a second, with the child", "MB/s", &[]).more(),
    ],
    measure: |bench, subject| {
        let (rate, cpu) = measure(bench, subject, Program::Lines(LINES), LINES);
        vec![vec![cpu], vec![rate]]
    },
};

pub const BLOCKS_ROWS: Scenario = Scenario {
    key: "blocks",
    subjects: ALL,
    rounds: 7,
    peers: 3,
    rows: &[
        Row::new("64 KiB blocks, 1 child, rotated", "MB/s", &[Goal::AtLeastFloor(0.9)]).more(),
        Row::new("same: CPU per GB", "s", &[Goal::AtMostFloor(1.2)]),
    ],
    measure: |bench, subject| {
        let slow = matches!(subject, Subject::S6 | Subject::Runit);
        let bytes = if slow { BLOCKS_OF_SLOW } else { BLOCKS };
        let (rate, cpu) = measure(bench, subject, Program::Blocks(bytes), bytes);
        vec![vec![rate], vec![cpu]]
    },
};

/// MB a second, and seconds of CPU for each GB.
fn measure(bench: &Bench, subject: Subject, program: Program, bytes: u64) -> (f64, f64) {
    let scene = Scene { program, logs: Logs::Out, ..Scene::default() };
    let daemon = Daemon::start(bench, subject, scene);
    let child = daemon.stamps.next().pid;
    std::thread::sleep(Duration::from_millis(300));
    let own = daemon.own();
    let cpu = || own.iter().map(|pid| usage::cpu(*pid)).sum::<u64>();
    let (before, begun) = (cpu(), mono());
    kill(child, Signal::SIGUSR1).unwrap();
    daemon.stamps.next();
    await_bytes(&daemon, bytes);
    let time = millis(begun, mono());
    std::thread::sleep(Duration::from_millis(20));
    let used = cpu() - before;
    verify(&scene.log_files(subject, daemon.home()), program, bytes);
    (bytes as f64 / 1e3 / time, used as f64 / bytes as f64)
}

fn await_bytes(daemon: &Daemon<'_>, bytes: u64) {
    let begun = Instant::now();
    let written = || {
        let files = daemon.scene.log_files(daemon.subject, daemon.home());
        // One may just be renamed.
        files.iter().map(|file| fs::metadata(file).map_or(0, |file| file.len())).sum::<u64>()
    };
    while written() < bytes {
        assert!(begun.elapsed() < PATIENCE, "{} has written {} of {bytes}", daemon.subject.key(), written());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Compares all that was written with all that was said.
fn verify(files: &[PathBuf], program: Program, bytes: u64) {
    let mut written: Box<dyn Read> = Box::new(std::io::empty());
    for file in files {
        written = Box::new(written.chain(File::open(file).unwrap()));
    }
    let (size, row, page) = match program {
        Program::Lines(_) => (LINE, LINE, LINE),
        _ => (BLOCK, 128, 4096),
    };
    let mut expected = vec![b'.'; size];
    expected.chunks_mut(row).for_each(|row| *row.last_mut().unwrap() = b'\n');
    let pieces = bytes / size as u64;
    // Many lines at a time.
    let mut buffer = vec![0; size * if size == LINE { 1000 } else { 1 }];
    let mut number = 0;
    while number < pieces {
        let many = buffer.len().min(usize::try_from(pieces - number).unwrap() * size);
        written.read_exact(&mut buffer[..many]).unwrap();
        for piece in buffer[..many].chunks(size) {
            let digits = format!("{number:015}");
            expected.chunks_mut(page).for_each(|page| page[..15].copy_from_slice(digits.as_bytes()));
            assert!(piece == expected, "lost or out of order at {number}: {files:?}");
            number += 1;
        }
    }
    assert_eq!(written.read(&mut buffer).unwrap(), 0, "more was written than was said: {files:?}");
}
