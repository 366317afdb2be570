//! The parts that need neither programs nor clients: how long each takes by itself.
//!
//! `cargo bench --bench pure`, or some of it: `-- engine`. Criterion keeps what it has measured, and says what has changed since.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench stops at the first surprise, and is nobody's library"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use supervisord::api::event::Source;
use supervisord::api::{Channel, Mono, Now, ProcessName, WaitStatus, WallSecs};
use supervisord::config::load::{Overrides, load};
use supervisord::config::spec::GroupSpec;
use supervisord::control::describe::process_info;
use supervisord::engine::{Effect, Engine, Evidence, Input, ProcessId};
use supervisord::logs::plane::{ChannelId, ChannelSpec, Plane, PlaneEvent, Purpose};
use supervisord::system::machine::OsMachine;
use supervisord::wire::xmlrpc::{Value, encode_response};

const OPTIONS: &str =
    "command=/bin/true\nautorestart=true\nstartsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE\n";

/// A configuration in a file of its own.
struct File(tempfile::NamedTempFile);

impl File {
    fn of(programs: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(format!("[supervisord]\n{programs}").as_bytes()).unwrap();
        Self(file)
    }

    fn load(&self) -> Vec<GroupSpec> {
        load(&OsMachine::default(), self.0.path(), &Overrides::new()).unwrap().groups
    }
}

fn config(c: &mut Criterion) {
    let mut apart = String::new();
    for number in 0..10_000 {
        write!(apart, "[program:p{number:05}]\n{OPTIONS}").unwrap();
    }
    let processes = format!("[program:p]\nnumprocs=10000\nprocess_name=%(process_num)05d\n{OPTIONS}");
    let mut group = c.benchmark_group("config");
    group.throughput(Throughput::Elements(10_000)).sample_size(10);
    for (name, text) in [("10,000 programs", apart), ("1 program of 10,000 processes", processes)] {
        let file = File::of(&text);
        group.bench_function(name, |b| b.iter(|| assert!(!black_box(file.load()).is_empty())));
    }
}

/// An engine, and a world in which every deed succeeds at once.
struct World {
    engine: Engine,
    now: Now,
    /// By order of their start.
    running: Vec<ProcessId>,
    next_pid: i32,
}

impl World {
    fn with(count: usize) -> Self {
        let text = format!("[program:p]\nnumprocs={count}\nprocess_name=%(process_num)05d\n{OPTIONS}");
        let engine = Engine::new(File::of(&text).load());
        let now = Now { mono: Mono(1_000_000_000), wall: WallSecs(1_700_000_000) };
        let mut world = Self { engine, now, running: Vec::new(), next_pid: 1000 };
        world.tell(Input::Started);
        assert_eq!(world.running.len(), count);
        world
    }

    fn tell(&mut self, input: Input) {
        self.now.mono.0 += 100_000;
        self.engine.handle(self.now, input);
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::PrepareLogs { id, .. } => {
                    self.engine.handle(self.now, Input::LogsPrepared { id, stdout: None, stderr: None });
                }
                Effect::Spawn { id, .. } => {
                    self.next_pid += 1;
                    self.running.push(id);
                    self.engine.handle(self.now, Input::Spawned { id, pid: self.next_pid });
                }
                other => drop(black_box(other)),
            }
        }
    }

    /// Each process dies, and is started again.
    fn storm(&mut self) {
        for id in std::mem::take(&mut self.running) {
            self.tell(Input::Exited { id, status: WaitStatus::Exited(1), evidence: Evidence::default() });
        }
    }
}

fn engine(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    for count in [1_000, 10_000] {
        let mut world = World::with(count);
        // The turn of the end, and that of the start.
        group.throughput(Throughput::Elements(2 * count as u64)).sample_size(10);
        group.bench_function(format!("turns while each of {count} dies"), |b| b.iter(|| world.storm()));
        assert_eq!(world.running.len(), count);
    }
}

fn xmlrpc(c: &mut Criterion) {
    let world = World::with(10_000);
    let infos = world.engine.infos();
    let value = || Value::Array(infos.iter().map(|info| process_info(info, world.now)).collect());
    let mut group = c.benchmark_group("xmlrpc");
    group.throughput(Throughput::Elements(10_000)).sample_size(10);
    group.bench_function("describe and encode 10,000 processes", |b| b.iter(|| encode_response(&value())));
    let value = value();
    group.bench_function("encode 10,000 processes", |b| b.iter(|| encode_response(black_box(&value))));
}

/// So many chunks through a pipe and a channel of the data plane into nothing.
fn pour(plane: &Plane, drained: &mpsc::Receiver<u64>, id: u64, size: usize, chunks: u64) -> Duration {
    let spec = ChannelSpec {
        source: Source { name: ProcessName::new("p", "p"), pid: 1, channel: Channel::Stdout },
        purpose: Purpose::Program { capture: 0, events: false },
        target: Some(Path::new("/dev/null").into()),
        maxbytes: 0,
        backups: 0,
        strip_ansi: false,
        syslog: false,
        journal: false,
        window: false,
        repeat: false,
    };
    let (reader, mut writer) = std::io::pipe().unwrap();
    nix::fcntl::fcntl(&reader, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
    plane.open(ChannelId(id), reader.into(), plane.prepare(spec).unwrap()).unwrap();
    let chunk = vec![b'x'; size];
    let begun = Instant::now();
    for _ in 0..chunks {
        writer.write_all(&chunk).unwrap();
    }
    drop(writer);
    plane.drain(vec![ChannelId(id)], id);
    while drained.recv_timeout(Duration::from_secs(60)).unwrap() != id {}
    begun.elapsed()
}

fn logs(c: &mut Criterion) {
    let (done, drained) = mpsc::channel();
    let notify = move |event| {
        if let PlaneEvent::Drained(token, _) = event {
            done.send(token).unwrap();
        }
    };
    let plane = Plane::start(Box::new(notify)).unwrap();
    let mut group = c.benchmark_group("logs");
    let mut id = 0;
    for (name, size) in [("lines of 100 bytes", 100), ("blocks of 64 KiB", 65536)] {
        group.throughput(Throughput::Bytes(size as u64)).sample_size(10);
        group.bench_function(name, |b| {
            b.iter_custom(|chunks| {
                id += 1;
                pour(&plane, &drained, id, size, chunks)
            });
        });
    }
}

fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = short(); targets = config, engine, xmlrpc, logs }
criterion_main!(benches);
