//! Whole daemons side by side: ours and Python Supervisor 4.3.0, in turn, in one run.
//!
//! `make bench` prints a Markdown table and keeps it in `docs/performance.md`. Figures are medians, and only their ratios mean
//! anything: each pair is measured within seconds on the same machine. The programs that are started are this binary as well
//! (`--stamp SOCKET`): the first thing that its `main` does is to read CLOCK_MONOTONIC, which it sends to the socket with its pid;
//! then it waits for ever.
//!
//! | figure | how |
//! |---|---|
//! | death → successor | from just before kill(2) with SIGKILL to the successor's stamp; `startsecs=0`, `autorestart=true` |
//! | start of 1,000 | from just before the daemon's fork to the last of 1,000 stamps, no logs |
//! | memory with 100 | `Pss` and `Rss` of smaps_rollup, 100 programs with two log files each, all running |
//! | respawns a second | 50 programs that end at once, `startsecs=0`, over three seconds; with the record: under a service manager that
//! takes what it is told, so that everything is written down before it is done |
//! | idle switches | context switches of all threads, voluntary and not, over five seconds, the same 100 programs |
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise, and prints"
)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use supervisord::system::clock;

/// Waiting longer than this for a program means that something is broken.
const PATIENCE: Duration = Duration::from_secs(60);
const ROUNDS: usize = 3;
const IDLE: Duration = Duration::from_secs(5);
const STORM: Duration = Duration::from_secs(3);
const STORMING: usize = 50;

fn main() {
    let stamp = mono();
    let arguments: Vec<String> = std::env::args().collect();
    let socket = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1)
    };
    match (socket("--stamp"), socket("--brief")) {
        (Some(socket), _) => run_as_program(stamp, socket, true),
        (_, Some(socket)) => run_as_program(stamp, socket, false),
        (None, None) => measure(),
    }
}

fn mono() -> u64 {
    clock::now().mono.0
}

fn run_as_program(stamp: u64, socket: &str, stay: bool) {
    let message = [stamp.to_ne_bytes(), u64::from(std::process::id()).to_ne_bytes()].concat();
    UnixDatagram::unbound().unwrap().send_to(&message, socket).unwrap();
    if stay {
        loop {
            std::thread::park();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Ours,
    /// Ours, under a service manager: programs outlive it.
    Kept,
    Theirs,
}

impl Subject {
    fn program(self) -> PathBuf {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        match self {
            Self::Ours | Self::Kept => env!("CARGO_BIN_EXE_supervisord").into(),
            Self::Theirs => target.join("theirs/bin/supervisord"),
        }
    }
}

/// A daemon with programs that send their stamps here.
struct Daemon {
    process: Child,
    stamps: UnixDatagram,
    started: u64,
    _home: tempfile::TempDir,
}

impl Daemon {
    fn start(subject: Subject, numprocs: usize, options: &str) -> Self {
        Self::with(subject, "--stamp", numprocs, options)
    }

    fn with(subject: Subject, program: &str, numprocs: usize, options: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().display();
        let socket = home.path().join("stamps");
        let stamps = UnixDatagram::bind(&socket).unwrap();
        stamps.set_read_timeout(Some(PATIENCE)).unwrap();
        let own = std::env::current_exe().unwrap();
        let config = format!(
            "[supervisord]\nnodaemon=true\nsilent=true\nminfds=16384\nlogfile={dir}/main.log\npidfile={dir}/pid\nchildlogdir={dir}\n\
             [unix_http_server]\nfile={dir}/sock\n\
             [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [program:p]\ncommand={} {program} {}\nnumprocs={numprocs}\nprocess_name=%(process_num)05d\nautorestart=true\n{options}\n",
            own.display(),
            socket.display()
        );
        let file = home.path().join("supervisord.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(subject.program());
        if subject == Subject::Kept {
            command.env("NOTIFY_SOCKET", service_manager(home.path()));
        }
        let started = mono();
        let process = command
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, stamps, started, _home: home }
    }

    /// The next stamp, and who sent it.
    fn stamp(&self) -> (u64, Pid) {
        let mut message = [0; 16];
        assert_eq!(self.stamps.recv(&mut message).unwrap(), 16);
        let number = |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().unwrap());
        (number(0), Pid::from_raw(i32::try_from(number(8)).unwrap()))
    }

    fn last_of(&self, count: usize) -> u64 {
        (0..count).map(|_| self.stamp().0).max().unwrap()
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().to_string()).join(file)
    }

    /// A line of smaps_rollup, in MiB.
    fn memory(&self, name: &str) -> f64 {
        let text = fs::read_to_string(self.proc("smaps_rollup")).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    fn switches(&self) -> u64 {
        let threads = fs::read_dir(self.proc("task")).unwrap();
        let of_thread = |path: PathBuf| {
            let text = fs::read_to_string(path.join("status")).unwrap();
            let lines = text.lines().filter(|line| line.contains("ctxt_switches"));
            lines.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
        };
        threads.map(|thread| of_thread(thread.unwrap().path())).sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.process.wait().unwrap();
    }
}

/// Takes whatever it is told, and lets go of what comes with it, as a barrier wants it. Ends with its directory's test.
fn service_manager(home: &Path) -> PathBuf {
    let path = home.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while socket.recv(&mut message).is_ok() {}
    });
    path
}

/// Respawns a second.
fn storm(subject: Subject) -> f64 {
    let options = "startsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE";
    let daemon = Daemon::with(subject, "--brief", STORMING, options);
    daemon.last_of(STORMING);
    let begun = mono();
    let mut count = 0.0;
    let end = begun + u64::try_from(STORM.as_nanos()).unwrap();
    while daemon.stamp().0 < end {
        count += 1.0;
    }
    count / STORM.as_secs_f64()
}

/// Milliseconds from a death to the successor's stamp.
fn respawns(subject: Subject, count: usize) -> Vec<f64> {
    let daemon = Daemon::start(subject, 1, "startsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE");
    let (_, mut pid) = daemon.stamp();
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let killed = mono();
        kill(pid, Signal::SIGKILL).unwrap();
        let (stamp, successor) = daemon.stamp();
        times.push(millis(killed, stamp));
        pid = successor;
    }
    times
}

fn start_of_thousand(subject: Subject) -> f64 {
    let daemon = Daemon::start(subject, 1000, "stdout_logfile=NONE\nstderr_logfile=NONE");
    millis(daemon.started, daemon.last_of(1000))
}

/// PSS and RSS in MiB, and context switches a second.
fn hundred(subject: Subject) -> [f64; 3] {
    let daemon = Daemon::start(subject, 100, "startsecs=0");
    daemon.last_of(100);
    // What the start itself leaves to be done must not count.
    std::thread::sleep(Duration::from_secs(2));
    let before = daemon.switches();
    std::thread::sleep(IDLE);
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    let switches = (daemon.switches() - before) as f64 / IDLE.as_secs_f64();
    [daemon.memory("Pss:"), daemon.memory("Rss:"), switches]
}

#[allow(clippy::cast_precision_loss, reason = "well below 2^52 nanoseconds")]
fn millis(from: u64, to: u64) -> f64 {
    (to - from) as f64 / 1e6
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Both subjects in turn.
fn pairs<T>(rounds: usize, mut measure: impl FnMut(Subject) -> T) -> (Vec<T>, Vec<T>) {
    (0..rounds).map(|_| (measure(Subject::Ours), measure(Subject::Theirs))).unzip()
}

fn row(table: &mut String, figure: &str, unit: &str, ours: f64, theirs: f64) {
    let ratio = if ours == 0.0 { "–".to_owned() } else { format!("{:.1}", theirs / ours) };
    writeln!(table, "| {figure} | {ours:.2} {unit} | {theirs:.2} {unit} | {ratio} |").unwrap();
}

fn measure() {
    assert!(Subject::Theirs.program().exists(), "Python Supervisor is not installed: run `make deps`");
    let mut table =
        "| figure, median | ours | Supervisor 4.3.0 | theirs / ours |\n|---|---:|---:|---:|\n".to_owned();
    let (ours, theirs) =
        pairs(ROUNDS, |subject| respawns(subject, if subject == Subject::Ours { 200 } else { 8 }));
    let death = "death (SIGKILL) → successor's first instruction";
    row(&mut table, death, "ms", median(ours.concat()), median(theirs.concat()));
    let (ours, theirs) = pairs(ROUNDS, start_of_thousand);
    row(&mut table, "exec of the daemon → last of 1,000 programs runs", "ms", median(ours), median(theirs));
    let (ours, theirs) = pairs(ROUNDS, hundred);
    for (at, figure, unit) in [
        (0, "PSS with 100 logged programs", "MiB"),
        (1, "RSS with 100 logged programs", "MiB"),
        (2, "idle with 100 programs: context switches", "/s"),
    ] {
        let column = |of: &[[f64; 3]]| median(of.iter().map(|figures| figures[at]).collect());
        row(&mut table, figure, unit, column(&ours), column(&theirs));
    }
    table.push_str(&record());
    print!("{table}");
    let page = format!("{}\n{table}\n{}\n", PREFACE, machine());
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md"), page).unwrap();
}

/// What it costs that programs outlive the daemon.
fn record() -> String {
    let mut table =
        "\n| the cost of the record, median | without | with | with / without |\n|---|---:|---:|---:|\n"
            .to_owned();
    let mut compare = |figure: &str, unit: &str, measure: &dyn Fn(Subject) -> f64| {
        let figures = (0..2 * ROUNDS + 1).map(|_| (measure(Subject::Ours), measure(Subject::Kept)));
        let (without, with): (Vec<f64>, Vec<f64>) = figures.unzip();
        let (without, with) = (median(without), median(with));
        writeln!(table, "| {figure} | {without:.2} {unit} | {with:.2} {unit} | {:.2} |", with / without)
            .unwrap();
    };
    let death = "death (SIGKILL) → successor's first instruction";
    compare(death, "ms", &|subject| median(respawns(subject, 200)));
    compare("50 programs that end at once: respawns", "/s", &storm);
    compare("exec of the daemon → last of 1,000 programs runs", "ms", &start_of_thousand);
    table
}

const PREFACE: &str = "# Speed and size\n\n`make bench` measures both daemons in turn, in one run, and keeps its table here. Machines differ: the \
                       ratios are what counts.\n`benches/processes.rs` says how each figure is taken.\n";

fn machine() -> String {
    let cores = std::thread::available_parallelism().unwrap();
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let kib: u64 = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').next().unwrap();
    let kernel = kernel.trim().split('-').next().unwrap();
    format!("Measured on {cores} cores with {} GiB, Linux {kernel}, load {load} at the end.", kib >> 20)
}
