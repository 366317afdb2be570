//! A data plane that is killed leaves what it had on its way to the next one: nothing is lost, doubled or moved.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's helpers are tests as well, and the daemon that it starts says when it is up"
)]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use supervisord::api::ProcessName;
use supervisord::api::event::{Channel, Source};
use supervisord::logs::cell::Cell;
use supervisord::logs::plane::{ChannelId, ChannelSpec, Plane, PlaneEvent, Purpose};
use supervisord::system::fds;

/// Tells a copy of this program that it is a daemon's data plane: `CELL PIPE... DIRECTORY`, where no cell is `-`.
const DRIVER: &str = "CELL_TEST_DRIVER";
/// Bytes of a log at which it is rotated; and as many backups as the tests will never fill.
const MAXBYTES: i64 = 60_000;
const BACKUPS: i64 = 10_000;

/// What a stream is made of, and where it goes.
struct Kind {
    log: &'static str,
    strip: bool,
    capture: usize,
    line: fn(usize) -> String,
    /// The same for the log.
    logged: fn(usize) -> String,
    /// Each write is a line; else writes cut them anywhere.
    whole: bool,
}

fn short(n: usize) -> String {
    format!("line {n}\n")
}

fn long(n: usize) -> String {
    format!("{n} {}\n", "x".repeat(n % 2500))
}

fn first(n: usize) -> String {
    format!("first {n}\n")
}

fn second(n: usize) -> String {
    format!("second {n}\n")
}

fn coloured(n: usize) -> String {
    format!("\x1b[1;31mcolour\x1b[0m {n}\x1b[K\n")
}

fn uncoloured(n: usize) -> String {
    format!("colour {n}\n")
}

fn with_message(n: usize) -> String {
    format!("log <!--{n}<!--XSUPERVISOR:BEGIN-->message {n}<!--XSUPERVISOR:END-->\n")
}

fn without_message(n: usize) -> String {
    format!("log <!--{n}\n")
}

const KINDS: [Kind; 6] = [
    Kind { log: "short", strip: false, capture: 0, line: short, logged: short, whole: false },
    Kind { log: "long", strip: false, capture: 0, line: long, logged: long, whole: false },
    Kind { log: "shared", strip: false, capture: 0, line: first, logged: first, whole: true },
    Kind { log: "shared", strip: false, capture: 0, line: second, logged: second, whole: true },
    Kind { log: "coloured", strip: true, capture: 0, line: coloured, logged: uncoloured, whole: false },
    Kind {
        log: "messages",
        strip: false,
        capture: 50,
        line: with_message,
        logged: without_message,
        whole: false,
    },
];

fn spec(kind: &Kind, dir: &Path) -> ChannelSpec {
    ChannelSpec {
        source: Source { name: ProcessName::new("cat", "cat"), pid: 7, channel: Channel::Stdout },
        purpose: Purpose::Program { capture: kind.capture, events: false },
        target: Some(dir.join(kind.log).into()),
        maxbytes: MAXBYTES,
        backups: BACKUPS,
        strip_ansi: kind.strip,
        syslog: false,
        journal: false,
        window: false,
        repeat: false,
    }
}

/// No test: the data plane of a daemon, until its stdin ends.
#[test]
fn driver() {
    let Ok(words) = std::env::var(DRIVER) else { return };
    let words: Vec<&str> = words.split(' ').collect();
    let fd = |word: &str| fds::adopt(word.parse().unwrap()).unwrap();
    let (cell, unwritten) = match words[0] {
        "-" => (None, None),
        cell => Cell::open(fd(cell)).map(|(cell, unwritten)| (Some(cell), unwritten)).unwrap(),
    };
    let plane = Plane::start_with(Box::new(|_| {}), cell).unwrap();
    let dir = PathBuf::from(words[KINDS.len() + 1]);
    for ((kind, pipe), id) in KINDS.iter().zip(&words[1..]).zip(1..) {
        plane.open(ChannelId(id), fd(pipe), plane.prepare(spec(kind, &dir)).unwrap()).unwrap();
    }
    let mut said = std::io::stdout();
    writeln!(said, "\nup {}", unwritten.map_or(0, |unwritten| unwritten.len())).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    assert!(plane.stop());
}

/// Numbers that are the same in each run, for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A program that writes lines until it is to stop; how many it wrote.
fn write(kind: &Kind, mut pipe: File, stop: &AtomicBool, mut dice: Dice) -> usize {
    let (mut count, mut waiting) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let lines = if kind.whole { 1 } else { 1 + dice.below(8) };
        for _ in 0..lines {
            waiting.extend_from_slice((kind.line)(count).as_bytes());
            count += 1;
        }
        let cut = if kind.whole { 0 } else { usize::try_from(dice.below(40)).unwrap() };
        let rest = waiting.split_off(waiting.len().saturating_sub(cut));
        pipe.write_all(&waiting).unwrap();
        waiting = rest;
        thread::sleep(Duration::from_micros(dice.below(400)));
    }
    pipe.write_all(&waiting).unwrap();
    count
}

/// The daemons, one after the other, and what they share.
struct World {
    dir: tempfile::TempDir,
    cell: Option<OwnedFd>,
    pipes: Vec<OwnedFd>,
}

fn inherited(fd: BorrowedFd<'_>) {
    fcntl_setfd(fd, FdFlags::empty()).unwrap();
}

impl World {
    fn new(with_cell: bool) -> (Self, Vec<File>) {
        let cell = with_cell.then(|| Cell::create().unwrap().keep().unwrap());
        let ends = KINDS.iter().map(|_| pipe_with(PipeFlags::CLOEXEC).unwrap());
        let (pipes, writers): (Vec<OwnedFd>, Vec<File>) =
            ends.map(|(read, write)| (read, File::from(write))).unzip();
        for pipe in &pipes {
            fds::set_nonblocking(pipe).unwrap();
        }
        pipes.iter().chain(&cell).for_each(|fd| inherited(fd.as_fd()));
        (Self { dir: tempfile::tempdir().unwrap(), cell, pipes }, writers)
    }

    fn daemon(&self) -> (Child, ChildStdin, BufReader<std::process::ChildStdout>) {
        let cell = self.cell.as_ref().map_or("-".to_owned(), |cell| cell.as_raw_fd().to_string());
        let pipes = self.pipes.iter().map(|pipe| pipe.as_raw_fd().to_string());
        let dir = self.dir.path().to_str().unwrap().to_owned();
        let words: Vec<String> = [cell].into_iter().chain(pipes).chain([dir]).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "driver", "--nocapture"]).env(DRIVER, words.join(" "));
        let mut daemon = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (daemon.stdin.take().unwrap(), daemon.stdout.take().unwrap());
        (daemon, stdin, BufReader::new(stdout))
    }

    /// What a log and its backups have, the oldest first.
    fn logged(&self, name: &str) -> (Vec<u8>, usize) {
        let file = |number: usize| self.dir.path().join(format!("{name}.{number}"));
        let backups = (1..).take_while(|number| file(*number).exists()).count();
        let kept = fs::read_dir(self.dir.path()).unwrap().flatten();
        let of_it = kept.filter(|entry| entry.file_name().to_str().unwrap().starts_with(&format!("{name}.")));
        assert_eq!(of_it.count(), backups, "there is a gap in the backups of {name}");
        let mut all: Vec<u8> =
            (1..=backups).rev().flat_map(|number| fs::read(file(number)).unwrap()).collect();
        all.extend(fs::read(self.dir.path().join(name)).unwrap());
        (all, backups)
    }
}

/// Waits until a data plane has all its streams; how many bytes were on their way.
fn up(stdout: &mut BufReader<std::process::ChildStdout>) -> u64 {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it has ended");
        if let Some(count) = line.trim().strip_prefix("up ") {
            return count.parse().unwrap();
        }
    }
}

/// What is not as it should be, after so many deaths.
fn kill_again_and_again(deaths: usize, with_cell: bool, seed: u64) -> Vec<String> {
    let (world, writers) = World::new(with_cell);
    let stop = Arc::new(AtomicBool::new(false));
    let mut dice = Dice(seed);
    let programs: Vec<_> = (1..)
        .zip(KINDS.iter().zip(writers))
        .map(|(number, (kind, pipe))| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || write(kind, pipe, &stop, Dice(seed + number)))
        })
        .collect();
    let mut found = Vec::new();
    for _ in 0..deaths {
        let (mut daemon, _stdin, mut stdout) = world.daemon();
        // Now and then before it has begun.
        if dice.below(4) > 0 {
            found.push(up(&mut stdout));
        }
        thread::sleep(Duration::from_micros(dice.below(15_000)));
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let (mut daemon, stdin, mut stdout) = world.daemon();
    found.push(up(&mut stdout));
    let counts: Vec<usize> = programs.into_iter().map(|program| program.join().unwrap()).collect();
    drop(stdin);
    assert!(daemon.wait().unwrap().success());
    let (mut wrong, mut rotated, mut bytes) = (Vec::new(), 0, 0);
    for (kind, count) in KINDS.iter().zip(&counts) {
        let (all, backups) = world.logged(kind.log);
        rotated += backups;
        bytes += all.len();
        let all = String::from_utf8_lossy(&all).into_owned();
        let own = if kind.whole { lines_with(&all, (kind.line)(0).split(' ').next().unwrap()) } else { all };
        let expected: String = (0..*count).map(kind.logged).collect();
        wrong.extend(difference(kind.log, &own, &expected));
    }
    let on_their_way = found.iter().filter(|bytes| **bytes > 0).count();
    let lines: usize = counts.iter().sum();
    println!(
        "{deaths} deaths, {on_their_way} of them (of {} looked at) with bytes on their way, {lines} lines, {bytes} bytes, \
         {rotated} rotated files: {} streams are wrong",
        found.len(),
        wrong.len()
    );
    wrong
}

fn lines_with(all: &str, word: &str) -> String {
    all.split_inclusive('\n').filter(|line| line.split(' ').next() == Some(word)).collect()
}

fn difference(name: &str, is: &str, should: &str) -> Option<String> {
    if is == should {
        return None;
    }
    let at = is.bytes().zip(should.bytes()).take_while(|(is, should)| is == should).count();
    let around = |text: &str| text[at.saturating_sub(30).min(text.len())..text.len().min(at + 50)].to_owned();
    Some(format!(
        "{name}: {} bytes instead of {}; at {at} {:?} instead of {:?}",
        is.len(),
        should.len(),
        around(is),
        around(should)
    ))
}

#[test]
fn a_hundred_deaths_lose_double_and_move_nothing() {
    let wrong = kill_again_and_again(100, true, 88_172_645_463_325_252);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A test of the test.
#[test]
fn without_a_cell_deaths_lose_something() {
    let loses = |seed: u64| !kill_again_and_again(10, false, 1_000 + seed).is_empty();
    assert!((1..40_u64).any(loses), "no death lost anything");
}

/// Not run by itself: `cargo test --release --test cell what_a_cell_costs -- --ignored --nocapture`.
#[test]
#[ignore = "figures, for people"]
fn what_a_cell_costs() {
    for (name, block, count) in [("64-byte lines", 64, 400_000), ("64 KiB blocks", 65_536, 4_000)] {
        let mut rounds: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
        for round in 0..30 {
            rounds[round % 2].push(run(block, count, round % 2 == 1));
        }
        rounds.iter_mut().for_each(|times| times.sort());
        let [without, with] = rounds.map(|times| times[times.len() / 2].as_secs_f64());
        println!("{name}: {without:.3} s without, {with:.3} s with a cell: {:.2}x", with / without);
    }
}

fn run(block: usize, count: usize, with_cell: bool) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let (tell, told) = channel();
    let cell = with_cell.then(|| Cell::create().unwrap());
    let plane = Plane::start_with(Box::new(move |event| drop(tell.send(event))), cell).unwrap();
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    fds::set_nonblocking(&read).unwrap();
    let plain = Kind { ..KINDS[0] };
    let limits = ChannelSpec { maxbytes: 50 << 20, backups: 1, ..spec(&plain, dir.path()) };
    plane.open(ChannelId(1), read, plane.prepare(limits).unwrap()).unwrap();
    let (bytes, begun) = (vec![b'x'; block], Instant::now());
    let mut write = File::from(write);
    for _ in 0..count {
        write.write_all(&bytes).unwrap();
    }
    drop(write);
    plane.drain(vec![ChannelId(1)], 1);
    while !matches!(told.recv().unwrap(), PlaneEvent::Drained(1, _)) {}
    begun.elapsed()
}
