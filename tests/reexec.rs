//! Another binary takes over in place: what must go on, and what must be refused.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::json;
use supervisord::runtime::record::Record;
use supervisord::wire::xmlrpc::Value;
use support::{Daemon, Home, PATIENCE, Subject, eventually, rpc, so};

/// Prints numbered lines, as fast as a shell can with a pause.
const COUNT: &str = "#!/bin/sh\nn=0\nwhile :; do n=$((n+1)); echo line $n; sleep 0.002; done\n";

/// A listener that tells what it was told, and acknowledges when it may.
const LISTENER: &str = r#"#!/usr/bin/python3
import os, sys, time
while True:
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    header = sys.stdin.readline()
    if not header:
        break
    words = dict(word.split(":", 1) for word in header.split())
    payload = sys.stdin.read(int(words["len"]))
    with open("events", "a") as log:
        log.write("%s %s %s\n" % (words["serial"], words["poolserial"], payload.replace("\n", " ")))
    while not os.path.exists("go"):
        time.sleep(0.01)
    sys.stdout.write("RESULT 2\nOK")
    sys.stdout.flush()
"#;

fn home(sections: &str) -> Home {
    let home = Home::with(Subject::Ours, sections);
    home.script("count", COUNT);
    home.script("listener", LISTENER);
    symlink(Subject::Ours.program("supervisord"), home.path("supervisord")).unwrap();
    home
}

/// A daemon of which the home has the binary, so that it can be replaced.
fn start(sections: &str) -> Daemon {
    let home = home(sections);
    let mut command = home.binary_command(&home.path("supervisord"), &["-n", "-c", "supervisord.conf"]);
    command.stdout(fs::File::create(home.path("stdout")).unwrap());
    let mut daemon = Daemon::spawn_command(home, command);
    daemon.await_line(&format!("INFO supervisord started with pid {}", daemon.pid));
    daemon
}

/// Puts another binary in the place of the daemon's.
fn install(home: &Home, binary: &str) {
    let _ = fs::remove_file(home.path("supervisord"));
    home.script("supervisord", binary);
}

#[track_caller]
fn reexec(daemon: &Daemon) {
    daemon.ctl("reexec").says(0, &format!("Taken over: supervisord 5.0.0 (pid {})\n", daemon.pid));
}

/// The numbers of the lines in the logs, the oldest first.
fn numbers(home: &Home, log: &str) -> Vec<u64> {
    let backups = (1..100).rev().map(|number| format!("{log}.{number}"));
    let text: String = backups.chain([log.to_owned()]).map(|name| home.read(&name)).collect();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().map(|line| line.strip_prefix("line ").unwrap().parse().unwrap()).collect()
}

#[track_caller]
fn assert_complete(home: &Home, log: &str) -> u64 {
    let numbers = numbers(home, log);
    let wrong = numbers.iter().zip(1..).find(|(number, expected)| **number != *expected);
    assert_eq!(wrong, None, "of {} lines", numbers.len());
    numbers.len() as u64
}

/// Asks over one connection for as long as it is told, as a client that keeps its connection; how often.
fn ask_on(socket: &Path, enough: &AtomicBool) -> u32 {
    let mut asked = 0;
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body =
        "<?xml version='1.0'?><methodCall><methodName>supervisor.getAllProcessInfo</methodName></methodCall>";
    let request = format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    while !enough.load(Ordering::Relaxed) {
        stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        let closes = loop {
            let count = stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "after {asked}: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                assert!(body.contains("<name>statename</name>"), "{text}");
                break head.contains("connection: close");
            }
        };
        if closes {
            stream = UnixStream::connect(socket).unwrap();
        }
        asked += 1;
    }
    asked
}

/// Asks over a connection of its own each time.
fn ask_anew(socket: &Path, enough: &AtomicBool) -> u32 {
    let mut asked = 0;
    while !enough.load(Ordering::Relaxed) {
        rpc::call(socket, "supervisor.getProcessInfo", &json!(["count"])).unwrap();
        asked += 1;
    }
    asked
}

fn descriptors(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.pid)).unwrap().count()
}

fn takeovers(times: u32, rotated_at: &str) {
    let daemon = start(&format!(
        "[program:count]\ncommand=%(here)s/count\nstdout_logfile=%(here)s/out\n\
         stdout_logfile_maxbytes={rotated_at}\nstdout_logfile_backups=99\n"
    ));
    daemon.await_state("count", "RUNNING");
    let (pid, socket, enough) = (daemon.pid_of("count"), daemon.socket(), AtomicBool::new(false));
    let (kept, anew) = thread::scope(|scope| {
        let kept = scope.spawn(|| ask_on(&socket, &enough));
        let anew = scope.spawn(|| ask_anew(&socket, &enough));
        reexec(&daemon);
        let before = descriptors(&daemon);
        for _ in 1..times {
            daemon.answers("reexec", json!([]), "true");
        }
        // A connection more or less.
        let after = descriptors(&daemon);
        enough.store(true, Ordering::Relaxed);
        assert!(after <= before + 4, "{before} descriptors became {after}");
        (kept.join().unwrap(), anew.join().unwrap())
    });
    assert!(kept > 0 && anew > 0);
    assert_eq!(daemon.pid_of("count"), pid);
    daemon.ctl("stop count").says(0, "count: stopped\n");
    let lines = assert_complete(&daemon.home, "out");
    let taken = daemon.log().iter().filter(|line| line.contains("has taken over from supervisord")).count();
    assert_eq!(taken, times as usize);
    #[allow(clippy::print_stderr, reason = "figures for people")]
    {
        eprintln!("{times} takeovers, {} requests, {lines} lines", kept + anew);
    }
}

/// Not a line, a request, a pid or a descriptor is lost.
#[test]
fn twenty_takeovers_in_a_row_lose_nothing() {
    takeovers(20, "4KB");
}

/// The same at length, for people.
#[test]
#[ignore = "takes minutes"]
fn a_thousand_takeovers_in_a_row_lose_nothing() {
    takeovers(1000, "64KB");
}

/// Whoever waits for a start or a stop is told by another binary than he has asked, and by a third one.
#[test]
fn what_is_under_way_is_carried_to_its_end() {
    let daemon = start(
        "[program:deaf]\ncommand=/bin/sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.1; done'\nstopwaitsecs=2\n\
         stdout_logfile=%(here)s/deaf\nkillasgroup=true\n\
         [program:late]\ncommand=/bin/cat\nautostart=false\nstartsecs=2\n",
    );
    daemon.await_state("deaf", "RUNNING");
    daemon.await_file("deaf", "up\n");
    thread::scope(|scope| {
        let stop = scope.spawn(|| daemon.ctl("stop deaf"));
        let start = scope.spawn(|| daemon.ctl("start late"));
        daemon.await_state("deaf", "STOPPING");
        daemon.await_state("late", "STARTING");
        reexec(&daemon);
        reexec(&daemon);
        stop.join().unwrap().says(0, "deaf: stopped\n");
        start.join().unwrap().says(0, "late: started\n");
    });
    let log = daemon.log();
    assert!(log.iter().any(|line| line == "WARN stopped: deaf (terminated by SIGKILL)"), "{log:#?}");
}

/// An event that a listener has not acknowledged is not told again; its answer is heard by the one that takes over.
#[test]
fn listeners_go_on() {
    let daemon = start(
        "[eventlistener:l]\ncommand=%(here)s/listener\ndirectory=%(here)s\nevents=REMOTE_COMMUNICATION,PROCESS_COMMUNICATION\n\
         startsecs=0\n[program:x]\ncommand=%(here)s/puppet\nstdout_capture_maxbytes=1KB\nstartsecs=0\n\
         stdout_logfile=%(here)s/x\n",
    );
    let told = |count: usize| {
        eventually("the listener was told", || {
            let events: Vec<String> = daemon.home.read("events").lines().map(str::to_owned).collect();
            so(events.len() == count, events.join("\n")).map(|()| events)
        })
    };
    daemon.answers("sendRemoteCommEvent", json!(["a", "one"]), "true");
    told(1);
    reexec(&daemon);
    daemon.answers("sendRemoteCommEvent", json!(["b", "two"]), "true");
    daemon.tell("x", "printf 'before<!--XSUPERVISOR:BEGIN-->hel'; touch half");
    eventually("half of it is said", || so(daemon.home.path("half").exists(), ""));
    daemon.await_file("x", "before");
    reexec(&daemon);
    daemon.tell("x", "printf 'lo<!--XSUPERVISOR:END-->after\\n'");
    daemon.await_file("x", "beforeafter\n");
    reexec(&daemon);
    daemon.home.write("go", "");
    let pid = daemon.pid_of("x");
    let message = format!("2 2 processname:x groupname:x pid:{pid} hello");
    assert_eq!(told(3), ["0 0 type:a one", "1 1 type:b two", &message]);
}

/// Nothing is lost of what a program was sent and has not read, nor of what it is sent then.
#[test]
fn what_waits_for_a_program_waits_on() {
    let daemon = start("[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\ndirectory=%(here)s\n");
    daemon.tell("x", "while ! test -e go; do sleep 0.02; done; head -c 400001 >got; touch done");
    let text = "0123456789".repeat(20_000);
    daemon.answers("sendProcessStdin", json!(["x", text]), "true");
    reexec(&daemon);
    daemon.answers("sendProcessStdin", json!(["x", format!("{text}.")]), "true");
    daemon.home.write("go", "");
    eventually("all of it is read", || so(daemon.home.path("done").exists(), ""));
    assert_eq!(daemon.home.read("got"), format!("{text}{text}."));
}

/// Each end is told once, and truly, whenever it comes.
#[test]
fn ends_are_told_truly() {
    let mut daemon = start(
        "[program:x]\ncommand=/bin/sh -c 'sleep 0.02; exit 7'\nstartsecs=0\nexitcodes=7\nautorestart=true\n",
    );
    for _ in 0..15 {
        daemon.answers("reexec", json!([]), "true");
    }
    daemon.skip_log();
    daemon.await_line("INFO exited: x (exit status 7; expected)");
    daemon.ctl("shutdown").says(0, "Shut down\n");
    daemon.await_end();
    let log = daemon.log();
    let count = |text: &str| log.iter().filter(|line| line.starts_with(text)).count();
    let ends = count("INFO exited: x (exit status 7; expected)")
        + count("WARN stopped: x (")
        + count("INFO stopped: x (");
    assert_eq!(count("INFO spawned: 'x' with pid "), ends, "{log:#?}");
    assert_eq!(count("WARN exited: x"), 0, "{log:#?}");
}

/// A signal that comes while another binary takes over is heard by one of the two.
#[test]
fn signals_are_heard() {
    let daemon = start("");
    for round in 1..=15 {
        thread::scope(|scope| {
            scope.spawn(|| daemon.answers("reexec", json!([]), "true"));
            thread::sleep(std::time::Duration::from_millis(7 * round));
            daemon.signal(Signal::SIGUSR2);
        });
        eventually("the signal is heard", || {
            let log = daemon.log();
            let heard = log.iter().filter(|line| line.contains("received SIGUSR2")).count();
            so(heard as u64 == round, log.join("\n"))
        });
    }
}

/// The socket that programs share stays, with those who wait there; and goes when nobody wants it any more.
#[test]
fn shared_sockets_stay() {
    let daemon = start(
        "[fcgi-program:f]\ncommand=/usr/bin/python3 %(here)s/serve\nsocket=unix://%(here)s/f\nstartsecs=0\n",
    );
    let serve = "import os, socket, time\n\
         while not os.path.exists(os.path.dirname(__file__) + '/go'): time.sleep(0.01)\n\
         s = socket.socket(fileno=0)\nwhile True: s.accept()[0].sendall(b'hello')\n";
    daemon.home.write("serve", serve);
    daemon.ctl("restart f:f").says(0, "f: stopped\nf: started\n");
    let path = daemon.home.path("f");
    let before = fs::metadata(&path).unwrap().ino();
    let mut early = UnixStream::connect(&path).unwrap();
    reexec(&daemon);
    daemon.home.write("go", "");
    for client in [&mut early, &mut UnixStream::connect(&path).unwrap()] {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = [0; 5];
        client.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"hello");
    }
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
    daemon.ctl("stop f:f").says(0, "f: stopped\n");
    assert!(!path.exists());
}

/// What was settled at the start stays: pidfile, directory, umask; a restart and an end find everything in its place.
#[test]
fn a_daemon_that_was_taken_over_restarts_and_ends() {
    let mut daemon = start("[supervisord]\numask=077\n[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    let pid = daemon.pid_of("x");
    reexec(&daemon);
    assert_eq!(daemon.pid_of("x"), pid);
    daemon.ctl("restart x").says(0, "x: stopped\nx: started\n");
    assert_ne!(daemon.pid_of("x"), pid);
    let its = format!("/proc/{}/environ", daemon.pid_of("x"));
    let environment = eventually("it is its program", || {
        let environment = String::from_utf8_lossy(&fs::read(&its).unwrap()).into_owned();
        if environment.contains("SUPERVISOR_PROCESS_NAME=x") { Ok(environment) } else { Err(environment) }
    });
    assert!(!environment.contains("SUPERVISORD_RECORD"));
    daemon.skip_log();
    daemon.ctl("reload").says(0, "Restarted supervisord\n");
    daemon.await_line(&format!("INFO supervisord started with pid {}", daemon.pid));
    daemon.await_state("x", "RUNNING");
    reexec(&daemon);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.await_end().success());
    let left = daemon.home.files();
    assert!(!left.contains(&"pid".to_owned()) && !left.contains(&"s".to_owned()), "{left:?}");
}

#[test]
fn a_detached_daemon_is_taken_over_too() {
    let daemon = Daemon::start_detached(home("[program:x]\ncommand=/bin/cat\nstartsecs=0\n"), &[]);
    let pid = daemon.pid_of("x");
    reexec(&daemon);
    assert_eq!((daemon.pid_of("x"), daemon.home.read("pid")), (pid, format!("{}\n", daemon.pid)));
}

/// Whatever cannot take over is told why, and everything goes on.
#[test]
fn what_cannot_take_over_is_refused() {
    let daemon = start("[program:count]\ncommand=%(here)s/count\nstdout_logfile=%(here)s/out\n");
    daemon.await_state("count", "RUNNING");
    let pid = daemon.pid_of("count");
    let refused = |why: &str| {
        let text = format!("ERROR: not taken over, everything goes on as it was: {why}\n");
        daemon.ctl("reexec").says(1, &text);
        assert_eq!(daemon.pid_of("count"), pid);
    };
    install(&daemon.home, "#!/bin/sh\necho 'libx.so.1: cannot open shared object file' >&2\nexit 127\n");
    refused("<DIR>/supervisord: libx.so.1: cannot open shared object file");
    install(&daemon.home, "#!/bin/sh\n");
    refused("<DIR>/supervisord: it said nothing");
    install(&daemon.home, "nonsense");
    refused("<DIR>/supervisord: <ANY>");
    fs::remove_file(daemon.home.path("supervisord")).unwrap();
    refused("<DIR>/supervisord: no such file or directory");
    // Fine when it is tried, and gone when it is to take over.
    install(&daemon.home, "#!/bin/sh\necho fine\nrm \"$0\"\n");
    refused("<DIR>/supervisord: no such file or directory");
    symlink(Subject::Ours.program("supervisord"), daemon.home.path("supervisord")).unwrap();
    let good = fs::read(daemon.home.path("supervisord.conf")).unwrap();
    daemon.home.write("supervisord.conf", [good.as_slice(), b"[program:y]\ncommand=%(nobody)s\n"].concat());
    let answer = daemon.ctl("reexec");
    assert!(answer.code == Some(1) && answer.stdout.contains("%(nobody)s"), "{answer:?}");
    daemon.home.write("supervisord.conf", good);
    reexec(&daemon);
    assert_eq!(daemon.pid_of("count"), pid);
    daemon.ctl("stop count").says(0, "count: stopped\n");
    assert_complete(&daemon.home, "out");
}

/// A log that cannot be written is still counted, and works again by itself.
#[test]
fn a_log_in_trouble_stays_so() {
    let daemon = start("[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\nstdout_logfile=/dev/full\n");
    daemon.tell("x", "echo 0123456789");
    let dropped = || daemon.must("getProcessDetails", json!(["x"])).member("stdout_dropped").cloned();
    let sum = |bytes: f64| {
        eventually("it is counted", || {
            so(dropped() == Some(Value::Double(bytes)), format!("{:?}", dropped()))
        });
    };
    sum(11.0);
    reexec(&daemon);
    sum(11.0);
    daemon.tell("x", "echo 0123456789");
    sum(22.0);
}

/// Records of every form that was ever written are read for ever.
#[test]
fn old_records_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let mut read = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("record-") {
            let record =
                Record::read(&fs::read(&path).unwrap()).unwrap_or_else(|why| panic!("{path:?}: {why}"));
            assert!(!record.life.children.children.is_empty() && !record.life.plane.channels.is_empty());
            read += 1;
        }
    }
    assert!(read > 0);
    let future = json!({ "version": 99, "writer": "9.9.9" }).to_string();
    assert_eq!(
        Record::read(future.as_bytes()).unwrap_err(),
        "supervisord 9.9.9 leaves its state in form 99, and this is supervisord 5.0.0, which knows form 1"
    );
}
