//! Everything at once that costs a server memory or time, while a well-behaved client asks for the state again and again.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use supervisord::control::http::room::{ANSWERS, REQUESTS};
use supervisord::wire::xmlrpc::Value;

use super::crowd::{Place, post, posted};
use crate::skipped;
use crate::support::{Daemon, Subject, free_address, rpc};

/// Half-open connections to each socket.
const HALF_OPEN: usize = 2000;
/// Clients of the other kinds.
const CROWD: usize = 300;
/// What the two listeners may take with all their connections, and the daemon without clients.
const BOUND: usize = 2 * (REQUESTS + ANSWERS + 256 * (256 << 10)) + (64 << 20);

/// So many calls that a percent of them is a few.
const ENOUGH: usize = 300;
/// After so long, there are few calls because they take long.
const LONG: Duration = Duration::from_secs(20);

/// Where the client asks, for its process.
const SOCKET: &str = "HOSTILE_SOCKET";

/// A client who asks, and does not wait long between two questions; in a process of its own, as it is no part of the crowd.
struct Asker {
    client: Child,
    asked: Arc<AtomicUsize>,
    took: JoinHandle<Vec<Duration>>,
}

impl Asker {
    fn start(socket: &Path) -> Self {
        let mut client = Command::new(std::env::current_exe().unwrap())
            .args(["a_client_that_asks", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(SOCKET, socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(client.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut times =
            lines.filter_map(|line| line.split("took ").nth(1)?.parse().map(Duration::from_micros).ok());
        let first = times.next().expect("the client has asked once");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let counted = times.inspect(move |_| _ = count.fetch_add(1, Ordering::Relaxed));
        let took = thread::spawn(move || std::iter::once(first).chain(counted).collect());
        Self { client, asked, took }
    }

    fn has_enough(&self) -> bool {
        self.asked.load(Ordering::Relaxed) >= ENOUGH
    }

    fn finish(mut self) -> Vec<Duration> {
        drop(self.client.stdin.take());
        let mut took = self.took.join().unwrap();
        assert!(self.client.wait().unwrap().success(), "the client was not answered");
        took.sort();
        took
    }
}

/// Asks until there is nobody left who wants to know how long it took.
#[allow(clippy::print_stdout, reason = "whoever has started us reads it")]
pub fn ask() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        told.store(true, Ordering::Relaxed);
    });
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let state = rpc::call(Path::new(&socket), "supervisor.getState", &json!([])).expect("an answer");
        println!("took {}", began.elapsed().as_micros());
        assert_eq!(state.member("statename"), Some(&Value::string("RUNNING")));
        thread::sleep(Duration::from_millis(2));
    }
}

/// The most memory that a process has had, in bytes.
fn high_water(pid: i32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Does something again and again while the client asks, and tells how it fared.
#[track_caller]
#[allow(clippy::print_stdout, reason = "`make hostile` shows it")]
fn meanwhile<T>(daemon: &Daemon, what: &str, mut deed: impl FnMut() -> T) -> T {
    let (asker, began) = (Asker::start(&daemon.socket()), Instant::now());
    let mut done = deed();
    let mut times = 1;
    while !asker.has_enough() && began.elapsed() < LONG {
        // Those of the last time leave at once, as others come.
        done = deed();
        times += 1;
    }
    let took = asker.finish();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
    let memory = high_water(daemon.pid);
    println!(
        "{what}, {times} times: {} calls, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; memory at most {} MiB",
        took.len(),
        at(50),
        at(99),
        at(100),
        memory >> 20
    );
    assert!(memory < BOUND, "{what}: {memory} bytes");
    done
}

pub fn run() {
    let Some(crowd) = raise_limit() else { return skipped("too few files may be open") };
    let address = free_address();
    let daemon = Daemon::start(
        Subject::Ours,
        &format!(
            "[inet_http_server]\nport={address}\n\
             [program:large]\ncommand=sleep 1000\nautostart=false\nstdout_logfile=%(here)s/large.log\n\
             [program:many]\ncommand=sleep 1000\nautostart=false\nnumprocs=400\nprocess_name=%(process_num)d\n"
        ),
    );
    daemon.home.write("large.log", "<&>\u{e9} a line of a log\n".repeat(500_000));
    let (inet, unix) = (Place::Inet(address), Place::Unix(daemon.socket()));
    meanwhile(&daemon, "nobody else", || thread::sleep(Duration::from_millis(500)));
    half_open(&daemon, &inet, &unix, crowd);
    deaf(&daemon, &inet, &unix);
    bodies(&daemon, &inet);
    documents(&daemon, &inet);
    everything(&daemon, &inet);
    daemon.answers("getState", json!([]), r#"{"statecode": 1, "statename": "RUNNING"}"#);
    let last = inet.connect().and_then(|mut stream| {
        stream.limit(Some(crate::support::PATIENCE))?;
        stream.write_all(b"GET /ok.html HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    assert!(last.unwrap().ends_with("\r\n\r\nOK"));
}

/// The files that the crowd needs; fewer half-open connections where the limit is low.
fn raise_limit() -> Option<usize> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let files = usize::try_from(hard).unwrap_or(usize::MAX);
    (files >= 2 * CROWD + 500).then(|| HALF_OPEN.min((files - 500) / 2))
}

/// Connections that say nothing, or half a head.
fn half_open(daemon: &Daemon, inet: &Place, unix: &Place, count: usize) {
    for (place, what) in [(inet, "half-open over TCP"), (unix, "half-open on the unix socket")] {
        let kept = meanwhile(daemon, &format!("{count} {what}, as they come"), || {
            let mut kept = place.crowd(count / 2, b"");
            kept.extend(place.crowd(count - count / 2, b"POST /RPC2 HTTP/1.1\r\nHost: x"));
            kept
        });
        meanwhile(daemon, &format!("{count} {what}, while they are there"), || {
            thread::sleep(Duration::from_millis(500));
        });
        drop(kept);
    }
}

/// Clients that ask for much and never read it.
fn deaf(daemon: &Daemon, inet: &Place, unix: &Place) {
    let log = |method: &str, params: Vec<Value>| post(&format!("supervisor.{method}"), params);
    let zero = || Value::Int(0);
    let name = || Value::string("large");
    let tails = log("tailProcessStdoutLog", vec![name(), zero(), Value::Int(4 << 20)]);
    for (what, request) in [
        ("who read no log", log("readProcessStdoutLog", vec![name(), zero(), zero()])),
        ("who read no tail", tails),
        ("who read no info of 401 processes", log("getAllProcessInfo", vec![])),
        ("who read no page", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        (
            "who read no page of a log",
            b"GET /tail.html?processname=large&limit=4194304 HTTP/1.1\r\n\r\n".to_vec(),
        ),
        ("who follow a log and read nothing", b"GET /logtail/large?from=0 HTTP/1.1\r\n\r\n".to_vec()),
    ] {
        meanwhile(daemon, &format!("{CROWD} over TCP {what}"), || {
            let kept = inet.crowd(CROWD, &request.repeat(3));
            thread::sleep(Duration::from_millis(300));
            drop(kept);
        });
    }
    let request = log("readProcessStdoutLog", vec![name(), zero(), zero()]);
    meanwhile(daemon, &format!("{CROWD} on the unix socket who read no log"), || unix.crowd(CROWD, &request));
}

/// Bodies that are endless, or never come.
fn bodies(daemon: &Daemon, inet: &Place) {
    let declared = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n";
    let chunked = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    meanwhile(daemon, "a gigabyte, declared and in chunks, from 4 each", || {
        let pour = |head: &'static [u8], piece: Vec<u8>| {
            let place = inet.clone();
            thread::spawn(move || {
                let mut stream = place.connect().unwrap();
                stream.limit(Some(crate::support::PATIENCE)).unwrap();
                stream.write_all(head).unwrap();
                (0..1024).take_while(|_| stream.write_all(&piece).is_ok()).count()
            })
        };
        let chunk = [b"100000\r\n", &vec![b'x'; 1 << 20][..], b"\r\n"].concat();
        let pouring =
            (0..4).flat_map(|_| [pour(declared, vec![b'x'; 1 << 20]), pour(chunked, chunk.clone())]);
        for pouring in pouring.collect::<Vec<_>>() {
            assert!(pouring.join().unwrap() < 64, "the server takes it all");
        }
    });
    let half = [&b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n"[..], &[b' '; 200_000]]
        .concat();
    meanwhile(daemon, &format!("{CROWD} who stop in a body of 8 MB"), || {
        let kept = inet.crowd(CROWD, &half);
        thread::sleep(Duration::from_millis(300));
        drop(kept);
    });
}

/// The documents that make the most work and the largest answers.
fn costly() -> Vec<Vec<u8>> {
    let call = |method: &str, params: &str| {
        let document = format!("<m><methodName>{method}</methodName><params>{params}</params></m>");
        posted(document.as_bytes())
    };
    let info = "<value><struct><member><name>methodName</name><value>supervisor.getAllProcessInfo</value></member></struct></value>";
    let read = "<value><struct><member><name>methodName</name><value>supervisor.readProcessLog</value></member><member>\
                <name>params</name><value><array><data><value>large</value><value><int>0</int></value><value><int>0</int></value>\
                </data></array></value></member></struct></value>";
    let calls = |call: &str, count: usize| {
        format!("<param><value><array><data>{}</data></array></value></param>", call.repeat(count))
    };
    vec![
        call("system.multicall", &calls(info, 200)),
        call("system.multicall", &calls(read, 20)),
        call("supervisor.getPID", &"<a/>".repeat(1_900_000)),
        call("supervisor.getPID", &"<value>".repeat(1_000_000)),
        call("supervisor.getPID", &format!("<param>{}</param>", "x".repeat(7_900_000))),
        call("supervisor.getPID", &"<param><value>&amp;</value></param>".repeat(90_000)),
    ]
}

fn documents(daemon: &Daemon, inet: &Place) {
    meanwhile(daemon, "documents of 8 MB and multicalls for all there is, from 8 at once", || {
        send_all(inet, 8);
    });
}

fn send_all(place: &Place, clients: usize) {
    let documents = Arc::new(costly());
    let sending: Vec<_> = (0..clients)
        .map(|number| {
            let (place, documents) = (place.clone(), Arc::clone(&documents));
            thread::spawn(move || {
                for turn in 0..documents.len() {
                    let Ok(mut stream) = place.connect() else { continue };
                    stream.limit(Some(crate::support::PATIENCE)).unwrap();
                    if stream.write_all(&documents[(turn + number) % documents.len()]).is_ok() {
                        let _ = stream.read(&mut [0; 16]);
                    }
                }
            })
        })
        .collect();
    for sending in sending {
        sending.join().unwrap();
    }
}

/// All of them together.
fn everything(daemon: &Daemon, inet: &Place) {
    let zero = || Value::Int(0);
    let read = post("supervisor.readProcessStdoutLog", vec![Value::string("large"), zero(), zero()]);
    meanwhile(daemon, "all of these at once over TCP", || {
        let kept = [
            &b""[..],
            b"POST /RPC2 HTTP/1.1\r\nHost: x",
            &read,
            b"GET /logtail/large?from=0 HTTP/1.1\r\n\r\n",
        ]
        .map(|request| {
            let place = inet.clone();
            let request = request.to_vec();
            thread::spawn(move || place.crowd(CROWD, &request))
        });
        send_all(inet, 4);
        let kept = kept.map(|coming| coming.join().unwrap());
        drop(kept);
    });
}
