//! `supervisord --takeover`: what Python Supervisor runs becomes ours, and what must be refused.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::json;
use supervisord::wire::xmlrpc::Value;
use support::home::Outcome;
use support::{Daemon, Home, Subject, eventually, skipped, so};

/// Prints numbered lines, as fast as it can.
const FLOOD: &str = "#!/usr/bin/python3\nimport itertools, os\nfor n in itertools.count(1):\n    os.write(1, b'line %d\\n' % n)\n";
/// The same, with a pause.
const COUNT: &str = "#!/bin/sh\nn=0\nwhile :; do n=$((n+1)); echo line $n; sleep 0.002; done\n";

const PROGRAMS: &str = "[program:flood]\ncommand=%(here)s/flood\nstdout_logfile=%(here)s/flood.log\nstdout_logfile_maxbytes=0\n\
     [program:count]\ncommand=%(here)s/count\nstdout_logfile=%(here)s/count.log\nstdout_logfile_maxbytes=1MB\nstdout_logfile_backups=99\n\
     [program:puppet]\ncommand=%(here)s/puppet\nautorestart=unexpected\nstartsecs=0\nredirect_stderr=true\n\
     [program:off]\ncommand=/bin/sleep 1000\nautostart=false\n\
     [program:done]\ncommand=/bin/sh -c 'exit 3'\nautorestart=false\nstartsecs=0\n";

fn start(sections: &str) -> Daemon {
    let home = Home::with(Subject::Theirs, sections);
    home.script("flood", FLOOD);
    home.script("count", COUNT);
    let daemon = Daemon::start_in(home, &[]);
    eventually("everything has started", || {
        let status = daemon.ctl("status").stdout;
        so(!status.contains("STARTING"), status)
    });
    daemon
}

/// Ours, which has taken over.
struct Successor(Child);

impl Drop for Successor {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        if self.0.try_wait().unwrap().is_none() {
            kill(pid, Signal::SIGTERM).unwrap();
            self.0.wait().unwrap();
        }
    }
}

/// Takes over, and waits until that is done.
#[track_caller]
fn take_over(theirs: &mut Daemon) -> Successor {
    let args = ["-n", "-s", "-c", "supervisord.conf", "--takeover"];
    let mut command = theirs.home.binary_command(&Subject::Ours.program("supervisord"), &args);
    command.stderr(File::create(theirs.home.path("stderr")).unwrap());
    let successor = Successor(command.spawn().unwrap());
    theirs.await_line("INFO <N> program<ANY> taken over from supervisord 4.3.0 (pid <N>)");
    theirs.await_line(&format!("INFO supervisord started with pid {}", successor.0.id()));
    theirs.await_end();
    successor
}

fn refused(theirs: &Daemon, why: &str) {
    let args = ["-n", "-c", "supervisord.conf", "--takeover"];
    let outcome = theirs.home.run(theirs.home.command(Subject::Ours, "supervisord", &args));
    is_refused(&outcome, why);
}

#[track_caller]
fn is_refused(outcome: &Outcome, why: &str) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    let said = format!("not taken over, everything goes on as it was: {why}");
    assert!(outcome.stderr.contains(&said), "{said}\n{outcome:?}");
}

/// The numbers of the lines in the logs, the oldest first.
#[track_caller]
fn assert_complete(home: &Home, log: &str) -> usize {
    let backups = (1..100).rev().map(|number| format!("{log}.{number}"));
    let text: String = backups.chain([log.to_owned()]).map(|name| home.read(&name)).collect();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let numbers: Vec<usize> =
        whole.lines().map(|line| line.strip_prefix("line ").unwrap().parse().unwrap()).collect();
    let wrong = numbers.iter().zip(1..).find(|(number, expected)| **number != *expected);
    assert_eq!(wrong, None, "of {} lines", numbers.len());
    numbers.len()
}

fn size(home: &Home, name: &str) -> u64 {
    fs::metadata(home.path(name)).map_or(0, |data| data.len())
}

#[test]
fn what_supervisor_runs_goes_on_without_a_restart_and_without_a_lost_line() {
    let mut theirs = start(PROGRAMS);
    let names = ["flood", "count", "puppet", "off", "done"];
    let members = ["pid", "start", "stop", "statename", "exitstatus", "stdout_logfile", "stderr_logfile"];
    let shown = |daemon: &Daemon| names.map(|name| members.map(|member| daemon.info(name, member)));
    let before = shown(&theirs);
    let successor = take_over(&mut theirs);
    assert_eq!(shown(&theirs), before);
    assert_eq!(theirs.must("getPID", json!([])), Value::Int(successor.0.id().into()));

    // Their output is read on, and rotated.
    let written = size(&theirs.home, "flood.log");
    let more = || size(&theirs.home, "flood.log").saturating_sub(written);
    eventually("more is written", || so(more() > 100_000, more().to_string()));
    // A stdin is written to, and the way in which it ends is seen.
    theirs.tell("puppet", "echo out; echo err >&2");
    theirs.await_log_of("puppet", "out\nerr\n");
    theirs.tell("puppet", "exit 0");
    theirs.await_state("puppet", "EXITED");
    theirs.home.ctl_of(Subject::Ours, "start puppet").says(0, "puppet: started\n");
    theirs.home.ctl_of(Subject::Ours, "stop count flood").says(0, "count: stopped\nflood: stopped\n");
    theirs.await_line("WARN stopped: <ANY> (terminated by SIGTERM)");
    theirs.await_line("WARN stopped: <ANY> (terminated by SIGTERM)");
    assert!(assert_complete(&theirs.home, "count.log") > 10);
    assert!(assert_complete(&theirs.home, "flood.log") > 10_000);
    drop(successor);
    assert!(!theirs.socket().exists());
}

/// A daemon that has left the terminal.
struct Detached(Pid);

impl Drop for Detached {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGTERM);
        eventually("it ends", || so(kill(self.0, None).is_err(), String::new()));
    }
}

#[test]
fn in_the_background_it_says_what_it_has_taken_over() {
    let mut theirs = start("[program:puppet]\ncommand=%(here)s/puppet\n");
    let puppet = theirs.pid_of("puppet");
    let args = ["-c", "supervisord.conf", "--takeover"];
    let outcome = theirs.home.run(theirs.home.command(Subject::Ours, "supervisord", &args));
    let ours = Detached(Pid::from_raw(theirs.home.read("pid").trim().parse().unwrap()));
    outcome.says(0, "1 program taken over from supervisord 4.3.0 (pid <N>)\n");
    theirs.await_end();
    assert_eq!(theirs.must("getPID", json!([])), Value::Int(ours.0.as_raw().into()));
    assert_eq!(theirs.pid_of("puppet"), puppet);
}

#[test]
fn what_ends_badly_is_restarted_as_before() {
    let mut theirs = start(PROGRAMS);
    let _successor = take_over(&mut theirs);
    let (count, puppet) = (theirs.pid_of("count"), theirs.pid_of("puppet"));
    theirs.tell("puppet", "exit 37");
    theirs.await_line("WARN exited: puppet (exit status 37; not expected)");
    theirs.await_line("INFO spawned: 'puppet' with pid <N>");
    kill(Pid::from_raw(count), Signal::SIGKILL).unwrap();
    theirs.await_line("WARN exited: count (terminated by SIGKILL; not expected)");
    theirs.await_line("INFO spawned: 'count' with pid <N>");
    assert_ne!((theirs.pid_of("count"), theirs.pid_of("puppet")), (count, puppet));
}

#[test]
fn a_listener_begins_anew_and_two_programs_may_share_a_log() {
    let listener = "#!/usr/bin/python3\nimport sys\nwhile True:\n    print('READY', flush=True)\n    \
         head = dict(word.split(':') for word in sys.stdin.readline().split())\n    \
         sys.stdin.read(int(head['len']))\n    print('RESULT 2\\nOK', end='', flush=True)\n";
    let program = |name| format!("[program:{name}]\ncommand=%(here)s/puppet\nstdout_logfile=%(here)s/both\n");
    let sections = format!(
        "[eventlistener:listener]\ncommand=%(here)s/listener\nevents=PROCESS_STATE\n{}{}",
        program("one"),
        program("two")
    );
    let home = Home::with(Subject::Theirs, &sections);
    home.script("listener", listener);
    let mut theirs = Daemon::start_in(home, &[]);
    for name in ["listener", "one", "two"] {
        theirs.await_state(name, "RUNNING");
    }
    let listener = theirs.pid_of("listener");
    let _successor = take_over(&mut theirs);
    theirs.await_line("INFO restarting listener: which event it was told last is not known");
    theirs.await_line("INFO spawned: 'listener' with pid <N>");
    assert_ne!(theirs.pid_of("listener"), listener);
    theirs.tell("one", "echo one");
    theirs.await_file("both", "one\n");
    theirs.tell("two", "echo two");
    theirs.await_file("both", "one\ntwo\n");
    theirs.await_state("listener", "RUNNING");
}

#[test]
fn a_shared_socket_stays_open_over_restarts_of_its_programs() {
    let sections = "[fcgi-program:web]\ncommand=%(here)s/accept\nsocket=unix://%(here)s/fcgi\nnumprocs=2\nprocess_name=%(process_num)s\n";
    let accept = "#!/usr/bin/python3\nimport os, socket\ns = socket.socket(fileno=0)\nwhile True:\n    \
         c, _ = s.accept()\n    c.sendall(b'%d\\n' % os.getpid())\n    c.close()\n";
    let home = Home::with(Subject::Theirs, sections);
    home.script("accept", accept);
    let mut theirs = Daemon::start_in(home, &[]);
    for name in ["web:0", "web:1"] {
        theirs.await_state(name, "RUNNING");
    }
    let pids = [theirs.pid_of("web:0"), theirs.pid_of("web:1")];
    let _successor = take_over(&mut theirs);
    assert_eq!([theirs.pid_of("web:0"), theirs.pid_of("web:1")], pids);
    let answer = |theirs: &Daemon| {
        let mut text = String::new();
        let mut stream = UnixStream::connect(theirs.home.path("fcgi")).unwrap();
        stream.read_to_string(&mut text).unwrap();
        text.trim().parse::<i32>().unwrap()
    };
    assert!(pids.contains(&answer(&theirs)));
    assert_eq!(theirs.home.ctl_of(Subject::Ours, "stop web:1").code, Some(0));
    assert_eq!(theirs.home.ctl_of(Subject::Ours, "restart web:0").code, Some(0));
    assert_eq!(answer(&theirs), theirs.pid_of("web:0"));
    assert_eq!(theirs.home.ctl_of(Subject::Ours, "stop web:*").code, Some(0));
    theirs.await_line("INFO Closing socket unix://<DIR>/fcgi");
    assert!(!theirs.home.path("fcgi").exists());
}

#[test]
fn what_does_not_match_is_refused_and_changes_nothing() {
    let mut theirs = start(PROGRAMS);
    let pid = theirs.pid_of("flood");
    let user = Uid::effective();
    let other = PROGRAMS
        .replace("/flood\n", "/flood now\n")
        .replace("redirect_stderr=true\n", "")
        .replace("[program:count]", "[program:counter]");
    theirs.home.configure(&other);
    refused(
        &theirs,
        "count: it is not in the configuration\nflood: it runs with command=<DIR>/flood, and the configuration says command=<DIR>/flood now\npuppet: it runs with redirect_stderr=true, and the configuration says redirect_stderr=false",
    );
    theirs.home.configure(PROGRAMS);
    let served = theirs.home.read("supervisord.conf");
    theirs.home.write(
        "supervisord.conf",
        served.replace("serverurl=unix://%(here)s/s", "serverurl=unix://%(here)s/no"),
    );
    refused(&theirs, "unix://<DIR>/no: getPID: no such file");
    theirs.home.write("supervisord.conf", &served);
    if user.is_root() {
        let mut as_nobody = Command::new("setpriv");
        as_nobody
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(Subject::Ours.program("supervisord"));
        as_nobody.args(["-n", "-c", "supervisord.conf", "--takeover"]).current_dir(theirs.home.dir());
        let served = theirs
            .home
            .read("supervisord.conf")
            .replace("user=0\n", "")
            .replace("[unix_http_server]", "[unix_http_server]\nchmod=0777");
        theirs.ctl("stop puppet").says(0, "puppet: stopped\n");
        theirs.home.write("supervisord.conf", served);
        for path in [".", "s"] {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            fs::set_permissions(theirs.home.path(path), open).unwrap();
        }
        is_refused(&theirs.home.run(as_nobody), "can't look into supervisord");
    } else {
        skipped("only root is more than one user");
    }
    theirs.await_state("flood", "RUNNING");
    assert_eq!(theirs.pid_of("flood"), pid);
    let written = size(&theirs.home, "flood.log");
    eventually("it is written on", || so(size(&theirs.home, "flood.log") > written, String::new()));
    assert_eq!(theirs.ctl("stop all").code, Some(0));
    refused(&theirs, &format!("supervisord (pid {}) runs no program", theirs.pid));
    theirs.signal(Signal::SIGTERM);
    theirs.await_end();
    refused(&theirs, "unix://<DIR>/s: getPID: no such file");
}

#[test]
fn our_own_is_told_to_reexec() {
    let ours = Daemon::start(Subject::Ours, "[program:puppet]\ncommand=%(here)s/puppet\n");
    ours.await_state("puppet", "RUNNING");
    refused(
        &ours,
        "it is supervisord 5.0.0, and this one takes over from Supervisor 4; `supervisorctl reexec` is for our own",
    );
}
