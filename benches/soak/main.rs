//! An hour (SOAK_SECONDS) in the life of a daemon whose 200 programs crash at random, and log: does it grow?
//!
//! `make soak` runs it under what it takes for a service manager, so that everything is written down before it is done, while clients
//! ask. Every ten seconds it looks at the daemon; all the time it reads the logs, which are rotated, and holds each program's to
//! what it must have said: every line of every incarnation, in order, to the last. It draws `docs/soak.svg`, and tells what was seen.
//! SIGINT and SIGTERM end it early, with what there is.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a bench stops at the first surprise, prints, counts little, and is nobody's library"
)]

#[path = "../processes/client.rs"]
mod client;
#[path = "../processes/machine.rs"]
mod machine;
#[path = "../processes/manager.rs"]
mod manager;
mod plot;
#[path = "../processes/programs.rs"]
mod programs;
mod sample;
mod tail;
#[path = "../processes/usage.rs"]
mod usage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use client::Client;
use programs::Programs;
use sample::Sample;
use tail::Tail;

const PROGRAMS: usize = 200;
const CLIENTS: u64 = 4;
const TURN: Duration = Duration::from_secs(2);

static OVER: AtomicBool = AtomicBool::new(false);

fn main() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(3600, |text| text.parse().unwrap());
    let end_early = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    end_early.thread_block().unwrap();
    std::thread::spawn(move || {
        end_early.wait().unwrap();
        OVER.store(true, Ordering::Relaxed);
    });
    let (load, programs) = (machine::load(), Programs::compile());
    let home = tempfile::tempdir_in(programs::home()).unwrap();
    let mut daemon = start(home.path(), &programs);
    let pid = Pid::from_raw(i32::try_from(daemon.id()).unwrap());
    let waits = Mutex::new(Vec::new());
    let mut tails: Vec<_> = (0..PROGRAMS).map(|number| Tail::new(log(home.path(), number))).collect();
    let samples = std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (socket, waits) = (home.path().join("sock"), &waits);
            scope.spawn(move || poll(&socket, number, waits));
        }
        let samples = watch(Duration::from_secs(seconds), pid, &mut daemon, &mut tails);
        OVER.store(true, Ordering::Relaxed);
        samples
    });
    kill(pid, Signal::SIGTERM).unwrap();
    let status = daemon.wait().unwrap();
    assert!(status.success(), "the daemon has ended with {status}");
    for tail in &mut tails {
        tail.read();
        tail.finish();
    }
    tell(&samples, &tails, waits.into_inner().unwrap(), &load);
}

fn log(home: &Path, number: usize) -> PathBuf {
    home.join(format!("{number:03}.log"))
}

fn start(home: &Path, programs: &Programs) -> Child {
    let (dir, crash) = (home.display(), programs.path("crash"));
    let program = |name: &str, options: &str| {
        format!(
            "[program:{name}]\ncommand={}\nnumprocs={}\nprocess_name=%(process_num)03d\nautorestart=true\n\
             stdout_logfile={dir}/%(process_num)03d.log\nstdout_logfile_maxbytes=256KB\nstdout_logfile_backups=3\n{options}\n",
            crash.display(),
            PROGRAMS / 2
        )
    };
    let text = format!(
        "[supervisord]\nnodaemon=true\nsilent=true\nminfds=4096\nlogfile={dir}/main.log\npidfile={dir}/pid\nchildlogdir={dir}\n\
         [unix_http_server]\nfile={dir}/sock\n\
         [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n{}{}",
        program("quick", "startsecs=0"),
        // Half of them come to know BACKOFF.
        program("slow", &format!("startsecs=1\nstartretries=1000000\nnumprocs_start={}", PROGRAMS / 2)),
    );
    let file = home.join("supervisord.conf");
    fs::write(&file, text).unwrap();
    let binary = std::env::var_os("SUPERVISORD_UNDER_BENCH")
        .map_or_else(|| env!("CARGO_BIN_EXE_supervisord").into(), PathBuf::from);
    let mut command = Command::new(binary);
    command.arg("-c").arg(file).env("NOTIFY_SOCKET", manager::listen(home));
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Asks once a second over a connection that is kept, or, every other client, over a new one.
fn poll(socket: &Path, number: u64, waits: &Mutex<Vec<f64>>) {
    let mut client = Client::connect(socket);
    while !OVER.load(Ordering::Relaxed) {
        if number % 2 == 1 {
            client = Client::connect(socket);
        }
        let begun = Instant::now();
        client.ask("getAllProcessInfo");
        waits.lock().unwrap().push(begun.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Looks at the daemon, and reads its logs, until time is over.
fn watch(time: Duration, pid: Pid, daemon: &mut Child, tails: &mut [Tail]) -> Vec<Sample> {
    let begun = Instant::now();
    let every = (time / 100).clamp(Duration::from_millis(500), Duration::from_secs(10));
    let mut samples: Vec<Sample> = Vec::new();
    while begun.elapsed() < time && !OVER.load(Ordering::Relaxed) {
        std::thread::sleep(TURN.min(every));
        assert!(daemon.try_wait().unwrap().is_none(), "the daemon has ended");
        tails.iter_mut().for_each(Tail::read);
        let at = begun.elapsed();
        if samples.last().is_none_or(|last| at >= last.at + every) {
            let incarnations = tails.iter().map(|tail| tail.incarnations).sum();
            samples.push(Sample::take(pid, at, incarnations));
            if samples.len().is_multiple_of(30) {
                eprintln!("{:?}", samples.last().unwrap());
            }
        }
    }
    samples
}

fn tell(samples: &[Sample], tails: &[Tail], mut waits: Vec<f64>, load: &str) {
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/soak.svg"), plot::draw(samples)).unwrap();
    let sum = |of: fn(&Tail) -> u64| tails.iter().map(of).sum::<u64>();
    let wrong = sum(|tail| tail.wrong);
    waits.sort_by(f64::total_cmp);
    let wait = |thousandth: usize| waits[(waits.len() - 1) * thousandth / 1000];
    println!(
        "{PROGRAMS} programs crashed {} times in {:.0} minutes, and wrote {} lines, {:.1} GB, into logs that were rotated {} times: {}.\n\
         {} answers to `getAllProcessInfo` took {:.1} ms (median), {:.1} (p99), {:.1} at most.\n",
        sum(|tail| tail.incarnations) - PROGRAMS as u64,
        samples.last().unwrap().at.as_secs_f64() / 60.0,
        sum(|tail| tail.lines),
        sum(|tail| tail.lines) as f64 / 1e7,
        sum(|tail| tail.rotations),
        if wrong == 0 {
            "none was lost, doubled or out of order".to_owned()
        } else {
            format!("{wrong} WERE WRONG")
        },
        waits.len(),
        wait(500),
        wait(990),
        wait(1000),
    );
    println!("{}\n{}", sample::table(samples), machine::described(load));
    assert_eq!(wrong, 0, "lines were lost, doubled or out of order");
}
