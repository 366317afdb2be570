//! What ours does better than Supervisor on purpose: each of these is an exception of `docs/compat.md`.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

#[path = "better/pipes.rs"]
mod pipes;
mod support;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use support::{Daemon, Home, Paper, Subject, eventually, rpc, so};

const ONE: &str = "[program:x]\ncommand=/bin/cat\nstartsecs=0\n";

fn start(sections: &str) -> Daemon {
    Daemon::start(Subject::Ours, sections)
}

/// SIGUSR1 means nothing, and must not end us.
#[test]
fn usr1_is_logged_and_ignored() {
    let mut daemon = start(ONE);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.signal(Signal::SIGUSR1);
    daemon.logs(&["INFO received SIGUSR1, which means nothing to supervisord"]);
    daemon.answers("getState", json!([]), "{<ANY>}");
}

/// `umask` and `directory` hold in the foreground as well.
#[test]
fn umask_and_directory_hold_in_the_foreground() {
    let home = Home::with(
        Subject::Ours,
        "[supervisord]\numask=027\ndirectory=/usr\n[program:x]\ncommand=/bin/sh -c 'umask; pwd; exec cat'\nstartsecs=0\n",
    );
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_log_of("x", "0027\n/usr\n");
}

/// A group of priorities that differ is started in their order.
#[test]
fn members_of_a_group_start_by_priority() {
    let program = |name: &str, priority: u32| {
        format!("[program:{name}]\ncommand=/bin/cat\nstartsecs=60\npriority={priority}\n")
    };
    let sections = program("a", 3) + &program("b", 1) + &program("c", 2) + "[group:g]\nprograms=a,b,c\n";
    let mut daemon = start(&sections);
    daemon.logs(&[
        "INFO spawned: 'b' with pid <PID>",
        "INFO spawned: 'c' with pid <PID>",
        "INFO spawned: 'a' with pid <PID>",
    ]);
}

/// A start that meets a stop waits for it, and then starts.
#[test]
fn a_start_waits_for_the_stop_before_it() {
    let home =
        Home::with(Subject::Ours, "[program:x]\ncommand=%(here)s/slow\nstartsecs=0\nstopwaitsecs=600\n");
    home.script("slow", "#!/bin/sh\ntrap 'echo bye; while [ ! -e go ]; do sleep 0.02; done; exit 0' TERM\necho up\nwhile :; do sleep 0.02; done\n");
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_log_of("x", "up\n");
    let before = daemon.pid_of("x");
    daemon.must("stopProcess", json!(["x", false]));
    daemon.await_log_of("x", "up\nbye\n");
    let socket = daemon.socket();
    let start =
        thread::spawn(move || rpc::shown(&rpc::call(&socket, "supervisor.startProcess", &json!(["x"]))));
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>\"statename\": \"STOPPING\", <ANY>}");
    daemon.home.write("go", "");
    assert_eq!(start.join().unwrap(), "true");
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>\"statename\": \"RUNNING\", <ANY>}");
    assert_ne!(daemon.pid_of("x"), before);
}

/// The logs of a program that does not run are emptied too.
#[test]
fn the_logs_of_a_stopped_program_are_cleared() {
    let home = Home::with(
        Subject::Ours,
        "[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/out\nstdout_syslog=true\n",
    );
    home.write("out", "old\n");
    let daemon = Daemon::start_in(home, &[]);
    daemon.answers("clearProcessLogs", json!(["x"]), "true");
    assert_eq!(daemon.home.read("out"), "");
}

/// A log that is turned to AUTO is a change as well.
#[test]
fn reread_sees_a_log_that_becomes_automatic() {
    let daemon = start("[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/out\n");
    daemon.home.configure("[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=AUTO\n");
    daemon.ctl("reread").says(0, "x: changed\n");
}

/// An automatic log keeps its mode when it is cleared.
#[test]
fn a_cleared_log_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let daemon = start(ONE);
    daemon.await_state("x", "RUNNING");
    let log = daemon.info("x", "stdout_logfile").as_str().unwrap().to_owned();
    daemon.answers("clearProcessLogs", json!(["x"]), "true");
    assert_eq!(fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Stops within one priority go together: ten programs that take two seconds each take two seconds.
#[test]
fn programs_of_one_priority_are_stopped_together() {
    let home = Home::new(Subject::Ours);
    let sections: String = (0..10)
        .map(|n| format!("[program:x{n}]\ncommand=%(here)s/deaf {n}\nstartsecs=0\nstopwaitsecs=2\n"))
        .collect();
    home.configure(&sections);
    home.script("deaf", "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 1; done\n");
    let mut daemon = Daemon::start_in(home, &[]);
    for n in 0..10 {
        daemon.await_log_of(&format!("x{n}"), "up\n");
    }
    let begun = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.await_end().success());
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

/// One 401, one clear line.
#[test]
fn a_wrong_password_is_told_once() {
    let daemon = start("[unix_http_server]\nusername=me\npassword=secret\n");
    daemon.ctl("status").says(1, "Server requires authentication\n");
    daemon.ctl("-u me -p wrong pid").says(1, "Server requires authentication\n");
    daemon.ctl("-u me -p secret version").says(0, "5.0.0\n");
}

/// What fails between fork and exec is named where people look: in `status` and in the main log.
#[test]
fn a_failure_before_exec_is_told_in_status() {
    let mut daemon = start("[program:x]\ncommand=/bin/cat\ndirectory=%(here)s/missing\nstartretries=0\n");
    daemon.await_line("WARN spawnerr: x: can't enter directory <DIR>/missing: no such file or directory");
    daemon.await_state("x", "FATAL");
    let why = "can't enter directory <DIR>/missing: no such file or directory";
    daemon.ctl("status").says(3, &format!("x                                FATAL     {why}\n"));
}

/// Whoever waits for the end of a shutdown may ask how far it is.
#[test]
fn get_state_answers_during_the_shutdown() {
    let daemon = start(
        "[program:x]\ncommand=/bin/sh -c \"trap '' TERM; echo up; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=600\n",
    );
    daemon.await_log_of("x", "up\n");
    daemon.must("shutdown", json!([]));
    daemon.answers("getState", json!([]), "{\"statecode\": -1, \"statename\": \"SHUTDOWN\"}");
}

#[test]
fn clear_takes_groups() {
    let daemon =
        start(&format!("{ONE}[program:y]\ncommand=/bin/cat\nstartsecs=0\n[group:g]\nprograms=x,y\n"));
    daemon.ctl("clear g:*").says(0, "g:x: cleared\ng:y: cleared\n");
    daemon.ctl("clear no:*").says(1, "no: ERROR (no such process)\n");
}

/// Windows editors put a mark at the beginning of a file.
#[test]
fn a_byte_order_mark_is_skipped() {
    let home = Home::with(Subject::Ours, ONE);
    let text = fs::read(home.path("supervisord.conf")).unwrap();
    home.write("supervisord.conf", [&b"\xef\xbb\xbf"[..], &text].concat());
    let daemon = Daemon::start_in(home, &[]);
    daemon.ctl("version").says(0, "5.0.0\n");
}

#[test]
fn a_broken_file_is_told_by_supervisorctl_without_a_traceback() {
    let home = Home::new(Subject::Ours);
    home.write("supervisord.conf", "[supervisorctl]\nnonsense\n");
    let told = home.ctl("status");
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
    assert!(told.stderr.starts_with("Error: "), "{told:?}");
}

/// Whoever has asked for a shutdown finds it on every surface, however soon he looks.
#[test]
fn a_shutdown_is_seen_by_whoever_has_asked_for_it() {
    for _ in 0..20 {
        let daemon = start("[program:x]\ncommand=/bin/cat\n");
        let calls = json!([[
            {"methodName": "supervisor.shutdown", "params": []},
            {"methodName": "supervisor.getState", "params": []},
        ]]);
        daemon.answers("system.multicall", calls, "[true, {\"statecode\": -1, \"statename\": \"SHUTDOWN\"}]");
    }
}

/// A program whose name is searched below `directory` is found where it is run.
#[test]
fn a_relative_command_is_looked_for_where_it_is_run() {
    let home =
        Home::with(Subject::Ours, "[program:x]\ncommand=./here\ndirectory=%(here)s/sub\nstartsecs=0\n");
    fs::create_dir(home.path("sub")).unwrap();
    home.script("sub/here", "#!/bin/sh\necho found; exec cat\n");
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_log_of("x", "found\n");
}

/// A start by hand begins a new count of retries.
#[test]
fn a_stop_forgets_the_failures_before_it() {
    let mut daemon = start("[program:x]\ncommand=%(here)s/missing\nstartretries=2\n");
    daemon.await_line("INFO spawnerr: can't find command '<DIR>/missing'");
    daemon.await_state("x", "BACKOFF");
    daemon.answers("stopProcess", json!(["x"]), "true");
    daemon.home.script("missing", "#!/bin/sh\nexit 1\n");
    daemon.skip_log();
    daemon.answers("startProcess", json!(["x", false]), "true");
    daemon.await_state("x", "FATAL");
    let spawned = daemon.log().iter().filter(|line| line.starts_with("INFO spawned: 'x'")).count();
    assert_eq!(spawned, 3, "all retries again");
}

/// Plugins in Python cannot be loaded: each is told with its place, and everything else works.
#[test]
fn python_plugins_are_left_out_with_a_warning() {
    let plugin = "[rpcinterface:x]\nsupervisor.rpcinterface_factory=no.such:thing\n";
    let daemon =
        Daemon::start(Subject::Ours, &format!("{plugin}[program:x]\ncommand=/bin/cat\nstartsecs=0\n"));
    daemon.await_state("x", "RUNNING");
    let log = daemon.home.read("main.log");
    assert!(log.contains("WARN no.such:thing cannot be resolved within [rpcinterface:x]"), "{log}");
    assert!(
        log.contains(
            "its methods are not there in section 'rpcinterface:x' (file: '<DIR>/supervisord.conf', line "
        ),
        "{log}"
    );
}

/// A FastCGI program of a group has its socket too, which stays open while its only process is restarted; what cannot be bound is
/// a failed start of that program, and nothing else.
#[test]
fn a_shared_socket_outlives_a_restart_and_one_that_fails_hurts_nobody() {
    let home = Home::with(
        Subject::Ours,
        "[fcgi-program:f]\ncommand=/bin/sh -c 'exec sleep 1000'\nsocket=unix://%(here)s/f.sock\nstartsecs=0\nautorestart=true\n\
         [fcgi-program:bad]\ncommand=/bin/cat\nsocket=unix:///nowhere/at.all\nstartretries=0\n\
         [group:g]\nprograms=f,bad\n",
    );
    let mut daemon = Daemon::start_in(home, &[]);
    daemon.await_state("g:bad", "FATAL");
    let text = "Could not create FastCGI socket unix:///nowhere/at.all: No such file or directory";
    let status = daemon.ctl("status g:bad");
    assert!(status.stdout.to_lowercase().contains(&text.to_lowercase()), "{status:?}");
    daemon.await_state("g:f", "RUNNING");
    let (path, pid) = (daemon.home.path("f.sock"), daemon.pid_of("g:f"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    daemon.await_line("INFO spawned: 'f' with pid <ANY>");
    daemon.await_line("INFO spawned: 'f' with pid <ANY>");
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    let created =
        daemon.log().iter().filter(|line| line.ends_with("/f.sock") && line.contains("Creating")).count();
    assert_eq!(created, 1);
    daemon.answers("stopProcess", json!(["g:f"]), "true");
    assert!(!path.exists(), "the file goes with the socket");
}

/// What is wrong with a shared socket is told when the configuration is read.
#[test]
fn shared_sockets_that_make_no_sense_are_refused() {
    let cases = [
        ("", "[fcgi-program:f] section requires a \"socket\" line"),
        ("socket=http://x:1", "Bad socket format http://x:1 in [fcgi-program:f] socket"),
        ("socket=unix://a/b", "Unix socket path a/b is not an absolute path in [fcgi-program:f] socket"),
        ("socket=tcp://x:70000", "70000 is above upper bound (65535) in [fcgi-program:f] socket"),
        ("socket=tcp://x:1\nsocket_backlog=0", "Invalid socket_backlog value 0"),
        ("socket=unix:///x\nsocket_owner=nobody.here", "Invalid socket_owner value nobody.here"),
        ("socket=unix:///x\nsocket_mode=9", "Invalid socket_mode value 9"),
        (
            "socket=tcp://x:1\nsocket_mode=0700",
            "socket_owner and socket_mode params should only be used with a Unix domain socket in [fcgi-program:f] socket",
        ),
    ];
    for (lines, wanted) in cases {
        let home = Home::with(Subject::Ours, &format!("[fcgi-program:f]\ncommand=/bin/cat\n{lines}\n"));
        let refused = home.supervisord(&["-n"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(wanted), "{wanted}\n{}", refused.stderr);
    }
    let both = "[fcgi-program:f]\ncommand=/bin/cat\nsocket=tcp://x:1\n[program:f]\ncommand=/bin/cat\n[group:g]\nprograms=f\n";
    let refused = Home::with(Subject::Ours, both).supervisord(&["-n"]);
    assert!(
        refused.stderr.contains("[group:g] name f is ambiguous (exists as program and fcgi-program)"),
        "{}",
        refused.stderr
    );
}

/// What would go wrong is told by `reread`, on stderr, so that scripts read what they always read.
#[test]
fn reread_tells_what_would_go_wrong() {
    let mut daemon = start(ONE);
    daemon.ctl("reread").says(0, "No config updates to processes\n");
    daemon.skip_log();
    let config = daemon.home.read("supervisord.conf") + "[program:y]\ncommand=/missing\nautostart=false\n";
    fs::write(daemon.home.path("supervisord.conf"), config).unwrap();
    let outcome = daemon.ctl("reread");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "y: available\n"), "{outcome:?}");
    assert!(outcome.stderr.contains("warning: can't find command '/missing'\n"), "{outcome:?}");
    assert!(outcome.stderr.contains("= help: "), "{outcome:?}");
    daemon.await_line("WARN <ANY>can't find command '/missing'<ANY>");
}

/// A slip of the finger does not start a million processes.
#[test]
fn too_many_processes_are_refused() {
    let paper = Paper::new(Subject::Ours);
    let many = "process_name=%(process_num)s\nnumprocs=";
    paper.program_refuses(&format!("{many}100001"), "100001 processes are more than 100000");
    paper.program_refuses(&format!("{many}99999999999999999999"), "<N> processes are more than 100000");
}

/// Options of the daemon change with it; that they wait is said, and that it is over too.
#[test]
fn reread_says_what_waits_for_a_restart() {
    let daemon = start(&format!("[supervisord]\nidentifier=before\n{ONE}"));
    let config = daemon.home.read("supervisord.conf").replace("<DIR>", daemon.home.dir().to_str().unwrap());
    let changed = config.replace("identifier=before", "identifier=after\nminfds=100")
        + "[inet_http_server]\nport=127.0.0.1:1\n";
    daemon.home.write("supervisord.conf", changed);
    let outcome = daemon.ctl("reread");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "No config updates to processes\n"));
    for line in [
        "identifier has changed, and waits for a restart of supervisord",
        "minfds has changed, and waits for a restart of supervisord",
        "[inet_http_server] has changed, and waits for a restart of supervisord",
    ] {
        assert!(outcome.stderr.contains(line), "{line}: {outcome:?}");
        let log = daemon.log().join("\n");
        assert!(log.contains(&format!("WARN {line} in section ")), "{line}: {log}");
    }
    daemon.answers("getIdentification", json!([]), "\"before\"");
    daemon.home.write("supervisord.conf", config);
    daemon.ctl("reread").says(0, "No config updates to processes\n");
}

/// JRN-3.
#[test]
fn what_leads_past_us_is_neither_seen_nor_kept() {
    let paper = Paper::new(Subject::Ours);
    let past = "<ANY> leads past supervisord<ANY>";
    for option in ["stdout_events_enabled=true", "stdout_capture_maxbytes=1MB", "stdout_syslog=true"] {
        paper.program_refuses(&format!("stdout_logfile=journal-stream\n{option}"), past);
        assert!(paper.program(&format!("stdout_logfile=journal\n{option}")).is_object(), "{option}");
    }
    paper.program_refuses("stderr_logfile=/tmp/x,journal-stream", past);
    let listener = "[eventlistener:l]\ncommand=x\nevents=TICK_5\n";
    paper.refuses(format!("{listener}stdout_logfile=journal-stream\n"), past);
    paper.program_has("stdout_logfile=/tmp/x, journal", "/stdout/logfile", "/tmp/x");
}

/// JRN-4.
#[test]
fn without_a_journald_the_main_log_goes_elsewhere_and_says_so() {
    if fs::exists("/run/systemd/journal/socket").unwrap() {
        return support::skipped("a journald listens here");
    }
    let home = Home::with(Subject::Ours, &format!("{ONE}[supervisord]\nlogfile=journal\n"));
    let mut daemon = Daemon::spawn(home, &["-s"]);
    eventually("it says so, and goes on", || {
        let told = daemon.home.read("stderr");
        let wanted = "CRIT there is no journal at /run/systemd/journal/socket (no such file or directory): the main log goes to stderr\n";
        so(told.matches(wanted).count() == 1 && told.contains("INFO success: x entered RUNNING"), told)
    });
    daemon.call("readLog", &json!([0, 0])).unwrap_err();
    daemon.signal(Signal::SIGTERM);
    daemon.await_end();
    assert!(daemon.home.read("stderr").contains(" stopped: x (terminated by SIGTERM)\n"));
}
