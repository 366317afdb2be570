//! What supervisorctl has beyond Supervisor's, against our daemon and against Python's.
#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

use support::{Daemon, Home, Subject};

/// Runs our supervisorctl against any daemon.
fn ctl(home: &Home, words: &str) -> support::home::Outcome {
    home.ctl_of(Subject::Ours, words)
}

/// Tests against both daemons.
const DAEMONS: [Subject; 2] = [Subject::Ours, Subject::Theirs];

const WEB: &str = "\
[program:web]\ncommand=%(here)s/puppet\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\nstartsecs=0\n
[program:api]\ncommand=%(here)s/puppet\nstartsecs=0\n
[program:app]\ncommand=%(here)s/puppet\nstartsecs=0\nautostart=false\n
";

#[test]
fn patterns_stand_for_the_processes_that_they_match() {
    for subject in DAEMONS {
        let daemon = Daemon::start(subject, WEB);
        for name in ["web:web_00", "web:web_01", "api"] {
            daemon.await_state(name, "RUNNING");
        }
        let home = &daemon.home;
        let [zero, one] = ["web:web_00", "web:web_01"]
            .map(|name| format!("{name}                       RUNNING   pid <PID>, uptime <UPTIME>\n"));
        ctl(home, "status web_*").says(0, &format!("{zero}{one}"));
        ctl(home, "status w*:*_01").says(0, &one);
        ctl(home, "status x* *_00").says(4, &format!("x*: ERROR (no such process)\n{zero}"));
        ctl(home, "start ap* x*:*")
            .says(1, "x*:*: ERROR (no such process)\napi: ERROR (already started)\napp: started\n");
        ctl(home, "signal CONT a* *p*").says(0, "api: signalled\napp: signalled\n");
        ctl(home, "clear web_?").says(1, "web_?: ERROR (no such process)\n");
        ctl(home, "clear web_0?").says(0, "web:web_00: cleared\nweb:web_01: cleared\n");
        ctl(home, "pid ap?").says(0, "<PID>\n<PID>\n");
        ctl(home, "restart app*").says(0, "app: stopped\napp: started\n");
        ctl(home, "stop web*:*").says(0, "web:web_00: stopped\nweb:web_01: stopped\n");
        daemon.tell("app", "echo hello");
        daemon.await_log_of("app", "hello\n");
        ctl(home, "tail a?p").says(0, "hello\n\n");
        ctl(home, "tail a*").says(1, "Error: 'a*' matches api, app; name one of them\n");
        daemon.must("stopProcess", json!(["app"]));
    }
}

/// What a command says as JSON, by namespec, after Python has read it too.
#[track_caller]
fn told(home: &Home, words: &str, code: i32) -> Vec<(String, Json)> {
    let out = ctl(home, words);
    assert_eq!((out.code, out.stderr.as_str()), (Some(code), ""), "{out:?}");
    home.write("told.json", &out.stdout);
    let mut python = std::process::Command::new("python3");
    python.args(["-m", "json.tool"]).arg(home.path("told.json")).stdout(Stdio::null());
    assert!(python.status().unwrap().success(), "{}", out.stdout);
    let all: Vec<Json> = serde_json::from_str(&out.stdout).unwrap();
    all.into_iter().map(|one| (one["namespec"].as_str().unwrap().to_owned(), one)).collect()
}

const STATES: &str = "\
[program:up]\ncommand=%(here)s/puppet\nstartsecs=0\nstderr_logfile=NONE\n
[program:failed]\ncommand=%(here)s/missing\nstartretries=0\n
[program:over]\ncommand=%(here)s/puppet\nstartsecs=0\nautorestart=false\n
[program:never]\ncommand=/bin/cat\nautostart=false\ndirectory=/usr\npriority=7\n
";

fn in_states(subject: Subject) -> Daemon {
    let daemon = Daemon::start(subject, STATES);
    daemon.await_state("up", "RUNNING");
    daemon.await_state("over", "RUNNING");
    daemon.tell("over", "exit 3");
    daemon.await_state("over", "EXITED");
    daemon.await_state("failed", "FATAL");
    daemon
}

#[test]
fn status_is_told_to_programs() {
    for subject in DAEMONS {
        let daemon = in_states(subject);
        let home = &daemon.home;
        let all = told(home, "status --json", 3);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["failed", "never", "over", "up"]);
        let [failed, never, over, up] = [0, 1, 2, 3].map(|at| &all[at].1);
        assert_eq!(up["pid"], daemon.pid_of("up"));
        assert!(up["uptime_seconds"].is_i64() && up["start"].as_str().unwrap().ends_with('Z'), "{up}");
        assert_eq!(over["exitstatus"], 3);
        assert_eq!((&over["stop_epoch"].is_i64(), &over["pid"]), (&true, &Json::Null));
        assert_eq!((&failed["state"], &failed["state_code"]), (&"FATAL".into(), &200.into()));
        assert!(failed["spawnerr"].as_str().unwrap().starts_with("can't find command"), "{failed}");
        assert_eq!((&never["start"], &never["description"]), (&Json::Null, &"Not started".into()));
        let ours = subject == Subject::Ours;
        assert_eq!(never["directory"], if ours { "/usr".into() } else { Json::Null });
        assert_eq!(up["memory_bytes"].is_i64(), ours, "{up}");
        assert_eq!(told(home, "status u* --json", 0).len(), 1);
    }
}

#[test]
fn problems_of_a_status_for_programs_are_told_to_people() {
    for subject in DAEMONS {
        let daemon = in_states(subject);
        let out = ctl(&daemon.home, "status --json up nope no:* x*");
        assert_eq!(out.code, Some(4));
        assert_eq!(
            out.stderr,
            "x*: ERROR (no such process)\nnope: ERROR (no such process)\nno: ERROR (no such group)\n"
        );
        assert_eq!(serde_json::from_str::<Vec<Json>>(&out.stdout).unwrap().len(), 1);
        ctl(&daemon.home, "status --jsonn").says(4, "--jsonn: ERROR (no such process)\n");
    }
    let alone = Home::with(Subject::Ours, "");
    ctl(&alone, "status --json").complains(4, "unix://<DIR>/s no such file\n");
    ctl(&alone, "avail --json").complains(1, "error: unix://<DIR>/s no such file\n");
}

#[test]
fn what_is_configured_is_told_to_programs() {
    for subject in DAEMONS {
        let daemon = in_states(subject);
        let all = told(&daemon.home, "avail --json", 0);
        let (name, never) = &all[1];
        assert_eq!(name, "never");
        for (member, expected) in [
            ("command", Json::from("/bin/cat")),
            ("directory", "/usr".into()),
            ("inuse", true.into()),
            ("autostart", false.into()),
            ("process_prio", 7.into()),
            ("exitcodes", json!([0])),
            ("serverurl", Json::Null),
        ] {
            assert_eq!(never[member], expected, "{subject:?} {member}: {never}");
        }
        let avail = "avail\t\t\tDisplay all configured processes\n";
        ctl(&daemon.home, "avail x").says(1, &format!("Error: avail accepts no arguments\n{avail}"));
        ctl(&daemon.home, "avail --jsonn").says(
            1,
            &format!(
                "Error: avail accepts no argument '--jsonn'\n{avail}avail --json\t\tThe same as JSON, for programs\n"
            ),
        );
    }
}

const SLOW: &str = "\
[program:quick]\ncommand=%(here)s/puppet\nstartsecs=0\nautostart=false\n
[program:slow]\ncommand=%(here)s/puppet\nstartsecs=600\nautostart=false\n
[program:broken]\ncommand=%(here)s/missing\nstartretries=0\nautostart=false\n
[program:hopeful]\ncommand=/bin/sh -c 'exit 3'\nstartretries=600\nautostart=false\n
[program:once]\ncommand=/bin/true\nstartsecs=0\nautorestart=false\nautostart=false\n
[program:stubborn]\ncommand=/bin/sh -c \"trap '' TERM; echo x; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=600\nautostart=false\n
";

#[test]
fn a_wait_ends_and_tells_what_became_of_each() {
    for subject in DAEMONS {
        let daemon = Daemon::start(subject, SLOW);
        let home = &daemon.home;
        ctl(home, "start --wait=30 quick once").says(0, "quick: started\nonce: started\n");
        ctl(home, "start --wait=30 quick").says(0, "quick: ERROR (already started)\n");
        ctl(home, "start --wait=30 broken nope no:*")
            .says(2, "broken: <ANY>\nnope: ERROR (no such process)\nno: ERROR (no such group)\n");
        ctl(home, "start slow --wait=0.1").says(1, "slow: ERROR (not started within 0.1 s: STARTING)\n");
        let hopeful = ctl(home, "start --wait=0.1 hopeful");
        assert_eq!(hopeful.code, Some(1), "{hopeful:?}");
        assert!(hopeful.stdout.starts_with("hopeful: ERROR (not started within 0.1 s: "), "{hopeful:?}");
        ctl(home, "stop --wait=30 all").says(0, "<ANY>: stopped\n<ANY>: stopped\n<ANY>: stopped\n");
        ctl(home, "start --wait=30 stubborn").says(0, "stubborn: started\n");
        // Its trap must be set before it is stopped.
        daemon.await_log_of("stubborn", "x\n");
        ctl(home, "stop --wait=0 stubborn").says(1, "stubborn: ERROR (not stopped within 0 s: STOPPING)\n");
        ctl(home, "restart --wait=30 quick").says(0, "quick: ERROR (not running)\nquick: started\n");
        ctl(home, "restart --wait=30 quick").says(0, "quick: stopped\nquick: started\n");
        ctl(home, "stop --wait=soon quick")
            .says(1, "Error: bad argument --wait=soon; use a number of seconds\n");
        ctl(home, "start --wait=1").says(
            2,
            "Error: start requires a process name\nstart <name>\t\tStart a process\n\
             start <gname>:*\t\tStart all processes in a group\n\
             start <name> <name>\tStart multiple processes or groups\nstart all\t\tStart all processes\n\
             start --wait=<secs>\t\tWait so many seconds at the most, and tell what became of it\n",
        );
    }
}

#[test]
fn a_description_tells_all_that_is_known() {
    for subject in DAEMONS {
        let daemon = in_states(subject);
        let home = &daemon.home;
        daemon.tell("up", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done");
        daemon.await_log_of("up", "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\nline 9\nline 10\nline 11\nline 12\n");
        let ours = |text: &str| if subject == Subject::Ours { text.to_owned() } else { String::new() };
        let log = |name: &str, channel: &str| {
            format!("  {channel} log:  <DIR>/{name}-{channel}---supervisor-<ANY>.log\n")
        };
        let of_up = format!(
            "up\n  state:       RUNNING, for <UPTIME>\n  pid:         <PID>\n  started:     <N>-<N>-<N> <N>:<N>:<N> UTC\n{}{}  \
             last lines of stdout:\n    line 3\n    line 4\n    line 5\n    line 6\n    line 7\n    line 8\n    line 9\n    \
             line 10\n    line 11\n    line 12\n",
            ours(
                "  command:     <DIR>/puppet\n  autostart:   true\n  autorestart: unexpected\n  priority:    999\n  \
                 restarts:    0\n  cpu time:    <N>.<N> s\n  memory:      <N>.<N> <ANY>\n  tasks:       1\n"
            ),
            log("up", "stdout"),
        );
        ctl(home, "describe up").says(0, &of_up);
        let of_failed = format!(
            "failed\n  state:       FATAL\n  problem:     can't find command '<DIR>/missing'<ANY>\n  started:     <ANY>\n{}{}{}",
            ours(
                "  command:     <DIR>/missing\n  autostart:   true\n  autorestart: unexpected\n  priority:    999\n  \
                 restarts:    0\n"
            ),
            log("failed", "stdout"),
            log("failed", "stderr"),
        );
        ctl(home, "describe nope up fail*")
            .says(3, &format!("nope: ERROR (no such process)\n{of_up}\n{of_failed}"));
        let over = ctl(home, "describe over");
        assert!(over.stdout.contains(", with exit status 3\n"), "{over:?}");
        assert!(
            ctl(home, "describe")
                .stdout
                .starts_with("Error: describe requires a process name\ndescribe <name>")
        );
    }
}

const TALKERS: &str = "\
[program:web]\ncommand=%(here)s/puppet\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\nstartsecs=0\nstderr_logfile=%(here)s/err%(process_num)d\n
[program:merged]\ncommand=%(here)s/puppet\nstartsecs=0\nredirect_stderr=true\n
[program:mute]\ncommand=%(here)s/puppet\nstdout_logfile=NONE\nstderr_logfile=NONE\n
";

/// Three programs that have said something.
fn talking(subject: Subject) -> Daemon {
    let daemon = Daemon::start(subject, TALKERS);
    for name in ["web:web_00", "web:web_01", "merged"] {
        daemon.await_state(name, "RUNNING");
    }
    daemon.tell("web:web_00", "echo one; echo two; echo oops >&2");
    daemon.await_log_of("web:web_00", "one\ntwo\n");
    daemon.await_file("err0", "oops\n");
    daemon.tell("merged", "echo both >&2");
    daemon.await_log_of("merged", "both\n");
    daemon
}

#[test]
fn the_logs_of_several_processes_have_their_names_before_each_line() {
    for subject in DAEMONS {
        let daemon = talking(subject);
        let home = &daemon.home;
        ctl(home, "logs web:* merged")
            .says(0, "web:web_00 | one\nweb:web_00 | two\nweb:web_00 ! oops\nmerged     | both\n");
        ctl(home, "logs web_?? web:web_00 -n 1").says(0, "web:web_00 | two\nweb:web_00 ! oops\n");
        ctl(home, "logs -n0 merged").says(0, "");
        ctl(home, "logs mute nope merged")
            .says(1, "nope: ERROR (no such process)\nmute: ERROR (no log file)\nmerged | both\n");
        ctl(home, "logs -n many merged").says(1, "Error: bad argument -n; use a number of lines\n");
        daemon.tell("merged", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done");
        daemon.await_log_of("merged", &format!("both\n{}", lines(1..=3000, "")));
        ctl(home, "logs -n 2500 merged").says(0, &lines(501..=3000, "merged | "));
    }
}

fn lines(numbers: std::ops::RangeInclusive<u32>, label: &str) -> String {
    numbers.map(|number| format!("{label}line {number}\n")).collect()
}

/// A supervisorctl that goes on, and what it prints.
struct Follower {
    child: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Follower {
    fn start(home: &Home, words: &[&str]) -> Self {
        let args: Vec<&str> = ["-c", "supervisord.conf"].iter().chain(words).copied().collect();
        let mut command = home.command(Subject::Ours, "supervisorctl", &args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line, which must come.
    #[track_caller]
    fn next(&mut self) -> String {
        self.lines.next().expect("it goes on").unwrap()
    }

    /// Ctrl-C; what it prints at its end, and its exit status.
    fn interrupt(mut self) -> (Vec<String>, Option<i32>) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        let rest = self.lines.map(Result::unwrap).collect();
        (rest, self.child.wait().unwrap().code())
    }
}

#[test]
fn the_logs_of_several_processes_are_followed_by_lines() {
    for subject in DAEMONS {
        let daemon = talking(subject);
        daemon.tell("merged", "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; done");
        daemon.await_log_of("merged", &format!("both\n{}", lines(1..=400, "")));
        let mut follower = Follower::start(&daemon.home, &["logs", "-f", "-n", "300", "web:*", "merged"]);
        let begun: Vec<String> = (0..303).map(|_| follower.next()).collect();
        assert_eq!(begun[..3], ["web:web_00 | one", "web:web_00 | two", "web:web_00 ! oops"]);
        // More than a stream begins with.
        assert_eq!(begun[3..].join("\n") + "\n", lines(101..=400, "merged     | "));
        daemon.tell("web:web_01", "printf 'half a '");
        daemon.tell("merged", "echo whole");
        assert_eq!(follower.next(), "merged     | whole");
        daemon.tell("web:web_01", "echo line");
        assert_eq!(follower.next(), "web:web_01 | half a line");
        daemon.tell("web:web_00", "echo more >&2");
        assert_eq!(follower.next(), "web:web_00 ! more");
        assert_eq!(follower.interrupt(), (vec![String::new()], Some(0)));
    }
}

#[test]
fn a_status_is_watched_until_it_is_interrupted() {
    for subject in DAEMONS {
        let daemon = talking(subject);
        let pid = daemon.pid_of("web:web_00");
        let mut follower = Follower::start(&daemon.home, &["status", "--watch", "nope", "web:web_00"]);
        assert_eq!(follower.next(), "nope: ERROR (no such process)");
        let up = follower.next();
        assert!(
            up.starts_with(&format!("web:web_00                       RUNNING   pid {pid}, uptime ")),
            "{up}"
        );
        daemon.must("stopProcess", json!(["web:web_00"]));
        let mut stopped = follower.next();
        if stopped.contains("STOPPING") {
            stopped = follower.next();
        }
        assert!(stopped.starts_with("web:web_00                       STOPPED   "), "{stopped}");
        daemon.must("shutdown", json!([]));
        let last = follower.next();
        assert!(last.starts_with("error: "), "{last}");
        assert_eq!(follower.interrupt().1, Some(0));
    }
    let home = Home::with(Subject::Ours, "");
    ctl(&home, "status --watch").says(4, "unix://<DIR>/s no such file\n");
    assert!(
        ctl(&home, "status --watch --json")
            .stdout
            .starts_with("Error: --json and --watch exclude each other\n")
    );
}

/// What supervisorctl shows on a terminal, for so long.
fn on_a_terminal(home: &Home, seconds: &str, words: &str) -> String {
    let program = env!("CARGO_BIN_EXE_supervisorctl");
    let line = format!("stty rows 5 cols 40; timeout -s INT {seconds} {program} -c supervisord.conf {words}");
    let mut script = std::process::Command::new("script");
    script
        .args(["-qefc", &line, "/dev/null"])
        .current_dir(home.dir())
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    let out = script.output().unwrap();
    home.neutral(&out.stdout).replace("\r\n", "\n")
}

#[test]
fn on_a_terminal_a_status_is_drawn_anew() {
    let daemon = talking(Subject::Ours);
    let seen = on_a_terminal(&daemon.home, "2.5", "status --watch");
    let frames: Vec<&str> = seen.split("\x1b[J").collect();
    assert!(frames.len() >= 3, "{seen:?}");
    for (at, frame) in frames[..2].iter().enumerate() {
        let frame =
            frame.strip_prefix(if at == 0 { "" } else { "\x1b[4A" }).unwrap_or_else(|| panic!("{seen:?}"));
        let lines: Vec<&str> = frame.lines().map(|line| line.strip_suffix("\x1b[K").unwrap()).collect();
        assert_eq!(lines.len(), 4, "{frame:?}");
        assert!(lines[0].starts_with("merged ") && lines[0].len() == 40, "{frame:?}");
    }
    let colours = on_a_terminal(&daemon.home, "20", "logs merged web:web_00");
    assert_eq!(
        colours,
        "\x1b[36mmerged     |\x1b[0m both\n\x1b[33mweb:web_00 |\x1b[0m one\n\x1b[33mweb:web_00 |\x1b[0m two\n\
         \x1b[33mweb:web_00 \x1b[31m!\x1b[0m oops\n"
    );
}

const SLOW_TO_STOP: &str = "[program:slow]\ncommand=/bin/sh -c \"trap '' TERM; echo x; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=2\nstopasgroup=true\nkillasgroup=true\n";

#[test]
fn on_a_terminal_a_long_wait_is_told_of() {
    for subject in DAEMONS {
        let daemon = Daemon::start(subject, SLOW_TO_STOP);
        for (command, said_so_far) in [("stop", "x\n"), ("restart --wait=30", "x\nx\n")] {
            daemon.await_state("slow", "RUNNING");
            daemon.await_log_of("slow", said_so_far);
            let seen = on_a_terminal(&daemon.home, "30", &format!("{command} slow"));
            let (progress, said) = seen.rsplit_once("\r\x1b[K").unwrap();
            let first = progress.split("\x1b[K").next().unwrap();
            assert_eq!(first, "\rwaiting for slow (STOPPING), 1 s", "{seen:?}");
            assert!(said.starts_with("slow: stopped\n"), "{seen:?}");
            if command == "stop" {
                daemon.must("startProcess", json!(["slow"]));
            }
        }
        ctl(&daemon.home, "pid slow").says(0, "<PID>\n");
    }
}

#[test]
fn a_shutdown_is_waited_for() {
    for subject in DAEMONS {
        let mut daemon = Daemon::start(subject, SLOW_TO_STOP);
        daemon.await_log_of("slow", "x\n");
        ctl(&daemon.home, "shutdown --wait=0.1")
            .says(1, "Shut down\nERROR: supervisord has not ended within 0.1 s\n");
        daemon.await_end();
        let daemon = Daemon::start(subject, SLOW_TO_STOP);
        daemon.await_log_of("slow", "x\n");
        ctl(&daemon.home, "shutdown --wait=30").says(0, "Shut down\n");
        ctl(&daemon.home, "pid").says(7, "unix://<DIR>/s no such file\n");
    }
}
