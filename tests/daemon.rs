//! Our daemon by itself, without systemd: what must not hurt it.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use supervisord::wire::xmlrpc::Value;
use support::{Daemon, Home, PATIENCE, Subject, eventually, rpc, so};

const ONE: &str = "[program:x]\ncommand=/bin/cat\nstartsecs=0\n";

fn start(sections: &str) -> Daemon {
    Daemon::start(Subject::Ours, sections)
}

/// Each of these is refused with status 2 before anything is touched.
#[test]
fn broken_configurations_touch_nothing() {
    let home = Home::new(Subject::Ours);
    let servers = "[unix_http_server]\nfile=%(here)s/s\n";
    let paths = "[supervisord]\nlogfile=%(here)s/main.log\npidfile=%(here)s/pid\nchildlogdir=%(here)s\n";
    let broken = [
        ("syntax", format!("{servers}{paths}this is no option\n"), "supervisord.conf:7:1"),
        ("value", format!("{servers}{paths}minfds=many\n"), "supervisord.conf:7:1"),
        ("program", format!("{servers}{paths}[program:x]\nautostart=true\n"), "supervisord.conf:7:1"),
        ("name", format!("{servers}{paths}[program:x]\ncommand=%(nobody)s\n"), "supervisord.conf:8:1"),
        ("group", format!("{servers}{paths}[group:g]\nprograms=nobody\n"), "supervisord.conf:8:1"),
        ("server", format!("{paths}[unix_http_server]\nchmod=0700\n"), "supervisord.conf:5:1"),
        (
            "several",
            format!("{servers}{paths}minfds=many\nminprocs=few\n[program:x]\n"),
            "supervisord.conf:8:1",
        ),
    ];
    for (what, text, place) in broken {
        home.write("supervisord.conf", text);
        for args in [&["-n", "-c", "supervisord.conf"][..], &["-c", "supervisord.conf"]] {
            let told = home.supervisord(args);
            assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{what}: {told:?}");
            assert!(told.stderr.contains(place), "{what}: {told:?}");
            assert_eq!(home.files(), ["puppet", "supervisord.conf"], "{what}");
        }
    }
}

/// A program that is killed a hundred times is started a hundred times, and counted right.
#[test]
fn a_hundred_kills_in_a_row() {
    let mut daemon = start(&format!("{ONE}autorestart=true\n"));
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    let mut pids = BTreeSet::from([daemon.pid_of("x")]);
    for round in 1..=100 {
        let pid = daemon.pid_of("x");
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        let next = eventually("it runs again, as another", || {
            let info = daemon.must("getProcessInfo", json!(["x"]));
            let now = match info.member("pid") {
                Some(Value::Int(pid)) => i32::try_from(*pid).unwrap(),
                other => panic!("{other:?}"),
            };
            let runs = info.member("statename").and_then(Value::as_str) == Some("RUNNING");
            if runs && now != pid { Ok(now) } else { Err(format!("{info:?}")) }
        });
        assert!(pids.insert(next), "round {round}: pid {next} was there before");
    }
    let log = daemon.log();
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("WARN exited: x (terminated by SIGKILL; not expected)"), 100);
    assert_eq!(count("INFO spawned: 'x' with pid "), 101);
    assert_eq!(count("INFO success: x entered RUNNING state"), 101);
    assert_eq!(count("gave up"), 0);
    // Itself and one cat; no zombie, no second copy.
    assert_eq!(daemon.session().len(), 2, "{:?}", daemon.session());
}

/// However many end at the same moment, each end is seen.
#[test]
fn a_crowd_that_ends_at_once_is_seen_to_the_last() {
    let names: Vec<String> = (0..100).map(|number| format!("x:{number:02}")).collect();
    let crowd = "[program:x]\ncommand=/bin/cat\nnumprocs=100\nprocess_name=%(process_num)02d\nstartsecs=0\nautorestart=true\n";
    let daemon = start(crowd);
    names.iter().for_each(|name| daemon.await_state(name, "RUNNING"));
    let before: Vec<i32> = names.iter().map(|name| daemon.pid_of(name)).collect();
    daemon.signal(Signal::SIGSTOP);
    before.iter().for_each(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap());
    daemon.signal(Signal::SIGCONT);
    for (name, before) in names.iter().zip(before) {
        let another = || {
            let pid = daemon.pid_of(name);
            so(pid != before && pid != 0, format!("{name} has pid {pid}"))
        };
        eventually("it runs again, as another", another);
    }
}

/// With a configuration that cannot be read everything goes on, and everybody who asked is told why.
#[test]
fn a_broken_configuration_keeps_everything_running() {
    let mut daemon = start(ONE);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    let pid = daemon.pid_of("x");
    daemon.home.configure("[program:x]\ncommand=/bin/cat\nstartsecs=soon\n");
    let line =
        daemon.home.read("supervisord.conf").lines().position(|line| line == "startsecs=soon").unwrap() + 1;
    let why = format!(
        "invalid literal for int() with base 10: 'soon' in section 'program:x' (file: '<DIR>/supervisord.conf', line {line})"
    );
    daemon.ctl("reread").says(1, &format!("ERROR: CANT_REREAD: {why}\n"));
    daemon.ctl("update").says(1, &format!("ERROR: CANT_REREAD: {why}\n"));
    daemon.ctl("reload").says(1, &format!("ERROR: CANT_REREAD: {why}\n"));
    daemon.skip_log();
    daemon.signal(Signal::SIGHUP);
    daemon.logs(&[
        "WARN received SIGHUP indicating restart request",
        &format!("ERRO restart refused, everything keeps running: {why}"),
    ]);
    assert_eq!(daemon.pid_of("x"), pid);
    daemon.answers("getState", json!([]), "{\"statecode\": 1, \"statename\": \"RUNNING\"}");
    fs::remove_file(daemon.home.path("supervisord.conf")).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.await_line("ERRO restart refused, everything keeps running: could not read config file <ANY>");
    assert_eq!(daemon.pid_of("x"), pid);
    // Mended, it is taken.
    daemon.home.configure(&format!("{ONE}priority=3\n"));
    daemon.ctl("reread").says(0, "x: changed\n");
}

/// The first daemon's files are as they were, its automatic logs as well.
#[test]
fn a_second_daemon_on_the_same_socket_harms_nothing() {
    let mut daemon = start("[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    let (files, log) = (daemon.home.files(), daemon.home.read("main.log"));
    let told = daemon.home.supervisord(&["-c", "supervisord.conf"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.starts_with("Error: Another program is already listening"), "{told:?}");
    assert_eq!((daemon.home.files(), daemon.home.read("main.log")), (files, log));
    daemon.answers("getPID", json!([]), &daemon.pid.to_string());
}

#[test]
fn a_stale_socket_is_removed_and_a_file_is_not() {
    let home = Home::with(Subject::Ours, ONE);
    drop(UnixListener::bind(home.path("s")).unwrap());
    let daemon = Daemon::start_in(home, &[]);
    assert_eq!(daemon.home.read("stderr"), "Unlinking stale socket <DIR>/s\n");
    daemon.ctl("pid").says(0, &format!("{}\n", daemon.pid));
    drop(daemon);
    // What is no socket is somebody's file.
    let home = Home::with(Subject::Ours, ONE);
    home.write("s", "precious");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert_eq!(home.read("s"), "precious");
    assert!(!home.path("main.log").exists() && !home.path("pid").exists());
}

/// Bad clients get their answers, or none; the good one always gets its.
#[test]
fn bad_clients_hurt_no_other() {
    let mut daemon = start(ONE);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    let answers = |what: &str| {
        let begun = Instant::now();
        let told = daemon.ctl("status");
        assert_eq!(told.code, Some(0), "{what}: {told:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {:?}", begun.elapsed());
    };
    let half =
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<?xml";
    let mut waiting: Vec<UnixStream> = Vec::new();
    for start in [&half[..], b"POST /RP", b"\r\n", b"\0\0\0\0"] {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        stream.write_all(start).unwrap();
        waiting.push(stream);
    }
    answers("with half a request");
    for document in [
        "",
        "<",
        "<methodCall><methodName>supervisor.getState",
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    ] {
        let answer = rpc::post(&daemon.socket(), document.as_bytes()).unwrap();
        assert_eq!(answer.code, 400, "{document:?}");
    }
    let deep = "<methodCall><methodName>supervisor.getState</methodName><params>".to_owned()
        + &"<param><value><array><data>".repeat(100_000);
    let answer = rpc::post(&daemon.socket(), deep.as_bytes()).unwrap();
    assert_eq!(answer.code, 400);
    answers("after malformed documents");
    // It is refused before it was sent; whether the rest can be written is not ours to say.
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    let _ = stream.write_all(&vec![b'x'; 1 << 20]);
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    answers("after a huge document");
    for _ in 0..1000 {
        waiting.push(UnixStream::connect(daemon.socket()).unwrap());
    }
    answers("with a thousand idle connections");
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>\"statename\": \"RUNNING\", <ANY>}");
    drop(waiting);
    answers("when they have gone");
}

/// The parent ends when the daemon can be used, not before: no look at the files here waits.
#[test]
fn the_parent_ends_when_the_daemon_is_ready() {
    let home = Home::with(Subject::Ours, ONE);
    let begun = home
        .daemon_command(&["-c", "supervisord.conf"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(begun.code(), Some(0));
    let told = home.ctl("pid");
    let pid: i32 = home.read("pid").trim().parse().unwrap();
    let daemon = Daemon::adopt(home, pid);
    told.says(0, &format!("{pid}\n"));
    assert!(fs::metadata(daemon.socket()).unwrap().file_type().is_socket());
    daemon.await_state("x", "RUNNING");
    let child = daemon.pid_of("x");
    // By the pidfile, as init scripts do.
    let stopped = Command::new("kill").arg(daemon.home.read("pid").trim()).status().unwrap();
    assert!(stopped.success());
    eventually("everything has ended", || {
        let left: Vec<i32> =
            [pid, child].into_iter().filter(|pid| fs::exists(format!("/proc/{pid}")).unwrap()).collect();
        so(left.is_empty(), format!("{left:?}\n{}", daemon.home.read("main.log")))
    });
    assert!(!daemon.socket().exists() && !daemon.home.path("pid").exists(), "{:?}", daemon.home.files());
}

/// What goes wrong before that is said on the terminal, with status 2.
#[test]
fn the_parent_tells_what_keeps_the_daemon_from_starting() {
    let home = Home::with(
        Subject::Ours,
        &format!("[supervisord]\ndirectory=%(here)s/sub\nlogfile=%(here)s/sub/main.log\n{ONE}"),
    );
    fs::create_dir_all(home.path("sub/main.log")).unwrap();
    let told = home.supervisord(&["-c", "supervisord.conf"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
    assert!(told.stderr.contains("<DIR>/sub/main.log"), "{told:?}");
    assert!(!home.path("s").exists() && !home.path("pid").exists(), "{:?}", home.files());
}

/// A signal that comes while a restart is between two lives is not lost, at whichever moment of it (hence the pauses).
#[test]
fn a_term_on_the_heels_of_a_hup_ends_it() {
    for pause in [0, 1, 3, 10, 30] {
        let mut daemon = start("");
        daemon.signal(Signal::SIGHUP);
        thread::sleep(Duration::from_millis(pause));
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.await_end().code(), Some(0));
        assert!(!daemon.socket().exists() && !daemon.home.path("pid").exists());
    }
}

/// As PID files and `lsof` see it: a hundred restarts of the whole leave nothing open.
#[test]
fn reloads_leak_nothing() {
    let mut daemon = start(ONE);
    let open = |daemon: &Daemon| fs::read_dir(format!("/proc/{}/fd", daemon.pid)).unwrap().count();
    let threads = |daemon: &Daemon| fs::read_dir(format!("/proc/{}/task", daemon.pid)).unwrap().count();
    let mut first = None;
    // A connection may be open for another moment, and a thread that waits for work.
    for _ in 0..12 {
        daemon.await_state("x", "RUNNING");
        let now = (open(&daemon), threads(&daemon));
        let first = *first.get_or_insert(now);
        assert!(now.0 <= first.0 + 5 && now.1 <= first.1 + 4, "first {first:?}, now {now:?}");
        daemon.skip_log();
        daemon.signal(Signal::SIGHUP);
        daemon.await_line("INFO supervisord started with pid <PID>");
    }
}

/// Its end, its stdin and its output; what led up to exec is closed. So 5,000 programs fit where 20,000 files may be open.
#[test]
fn a_running_program_takes_three_descriptors() {
    let of = |count: usize| {
        let many = format!("numprocs={count}\nprocess_name=%(process_num)02d\nstartsecs=0");
        let program = "[program:x]\ncommand=/bin/cat\nredirect_stderr=true\nstdout_logfile=NONE\n";
        let daemon = start(&format!("{program}{many}\n"));
        daemon.await_state(&format!("x:{:02}", count - 1), "RUNNING");
        daemon
    };
    let open = |daemon: &Daemon| fs::read_dir(format!("/proc/{}/fd", daemon.pid)).unwrap().count();
    let (few, many) = (of(10), of(50));
    eventually("all are programs", || {
        let (few, many) = (open(&few), open(&many));
        if many == few + 3 * 40 { Ok(()) } else { Err(format!("{few} are open, and {many}")) }
    });
}

/// However many children there are to be replaced, the loop hears what else there is.
#[test]
fn a_signal_is_heard_in_a_storm_of_deaths() {
    let many = "numprocs=200\nprocess_name=%(process_num)03d\nstartsecs=0\nautorestart=true";
    let mut daemon =
        start(&format!("[program:x]\ncommand=/bin/true\n{many}\nstdout_logfile=NONE\nstderr_logfile=NONE\n"));
    daemon.await_line("INFO exited: 199 (exit status 0; expected)");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.await_end().success());
}

/// The path that was given is meant from where it was given.
#[test]
fn a_relative_configuration_is_found_after_the_change_of_directory() {
    let home = Home::with(Subject::Ours, &format!("[supervisord]\ndirectory=/\n{ONE}"));
    let mut daemon = Daemon::start_detached(home, &[]);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.ctl("reread").says(0, "No config updates to processes\n");
    daemon.signal(Signal::SIGHUP);
    daemon.await_line("INFO supervisord started with pid <PID>");
    daemon.await_state("x", "RUNNING");
}

/// What nobody reads is told, with what was probably meant, and nothing else changes.
#[test]
fn unknown_names_and_doubled_options_are_told() {
    let daemon = start(
        "[programm:x]\ncommand=/bin/cat\n[program:y]\ncommand=/bin/cat\nautorestrat=true\nstartsecs=2\nstartsecs=0\n",
    );
    let log = daemon.log().join("\n");
    for wanted in [
        "WARN unknown section is ignored in section 'programm:x' (file: ",
        "did you mean [program:x]?",
        "WARN unknown option 'autorestrat' is ignored in section 'program:y' (file: ",
        "did you mean autorestart?",
        "WARN the option 'startsecs' was given before in section 'program:y' (file: ",
    ] {
        assert!(log.contains(wanted), "{wanted}\n{log}");
    }
}

/// The sample is a configuration, with every comment taken away too.
#[test]
fn the_sample_configuration_is_good() {
    let echo = Command::new(env!("CARGO_BIN_EXE_echo_supervisord_conf")).arg("ignored").output().unwrap();
    assert!(echo.status.success());
    let sample = String::from_utf8(echo.stdout).unwrap();
    let plain = supervisord::config::ini::read(&sample).unwrap();
    let names: Vec<&str> = plain.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["unix_http_server", "supervisord", "rpcinterface:supervisor", "supervisorctl"]);
    let whole: String =
        sample.lines().map(|line| format!("{}\n", line.strip_prefix(';').unwrap_or(line))).collect();
    let whole: String = whole
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    let sections = supervisord::config::ini::read(&whole).unwrap();
    assert_eq!(sections.len(), 10);
    assert!(sections.iter().all(|section| !section.entries.is_empty()));
}
