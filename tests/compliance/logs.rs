//! Log files: where they are, how they are rotated, cleared and opened again; and the main log's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::pattern::is_like;
use crate::support::{Daemon, Home, Subject, eventually, so};

compliance!(
    a_log_is_where_the_configuration_says,
    automatic_logs_have_a_name_of_their_own,
    old_automatic_logs_are_removed_at_the_start,
    a_log_is_rotated_after_the_write_that_fills_it,
    a_log_that_others_empty_is_not_full,
    a_log_without_backups_is_emptied,
    a_log_without_a_limit_is_never_rotated,
    the_main_log_is_rotated_as_well,
    logs_are_appended_to,
    usr2_opens_every_log_again,
    clearing_a_log_keeps_its_backups,
    clearing_the_main_log_starts_a_new_file,
    strip_ansi_removes_colours,
    the_foreground_repeats_the_main_log,
    levels_decide_what_the_main_log_says,
    the_last_line_is_kept_though_a_grandchild_holds_the_pipe,
);

fn puppet(options: &str) -> String {
    format!("[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\n{options}\n")
}

fn start(subject: Subject, options: &str) -> Daemon {
    let daemon = Daemon::start(subject, &puppet(options));
    daemon.await_state("x", "RUNNING");
    daemon
}

/// LOG-25, LOG-27, TYP-11.
fn a_log_is_where_the_configuration_says(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        &(puppet("stdout_logfile=%(here)s/%(program_name)s.out\nstderr_logfile=~/x.err")
            + "[program:none]\ncommand=/bin/cat\nstdout_logfile=NONE\nstderr_logfile=off\nstartsecs=0\n"
            + "[program:auto]\ncommand=/bin/cat\nstdout_logfile=AUTO\nstderr_logfile=auto\nautostart=false\n"),
    );
    daemon.await_state("x", "RUNNING");
    daemon.tell("x", "printf 'no end'; echo err >&2");
    daemon.await_file("x.out", "no end");
    daemon.await_file("x.err", "err\n");
    let logs = |name: &str, stdout: &str, stderr: &str| {
        let pattern = format!(
            "{{<ANY>\"logfile\": \"{stdout}\", \"stdout_logfile\": \"{stdout}\", \"stderr_logfile\": \"{stderr}\", <ANY>}}"
        );
        daemon.answers("getProcessInfo", json!([name]), &pattern);
    };
    logs("x", "<DIR>/x.out", "<DIR>/x.err");
    logs("none", "", "");
    logs("auto", "<DIR>/auto-stdout---supervisor-<ANY>.log", "<DIR>/auto-stderr---supervisor-<ANY>.log");
}

/// LOG-26.
fn automatic_logs_have_a_name_of_their_own(subject: Subject) {
    let sections = "[supervisord]\nidentifier=me\nchildlogdir=%(here)s/logs\n[program:x]\ncommand=/bin/cat\nautostart=false\n";
    let home = Home::with(subject, sections);
    fs::create_dir(home.path("logs")).unwrap();
    let daemon = Daemon::start_in(home, &[]);
    // Whoever is answered finds everything in place.
    daemon.answers("getIdentification", json!([]), "\"me\"");
    let mut names: Vec<String> = fs::read_dir(daemon.home.path("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(
        names.len() == 2
            && is_like(&names[0], "x-stderr---me-<ANY>.log")
            && is_like(&names[1], "x-stdout---me-<ANY>.log"),
        "{names:?}"
    );
    for name in &names {
        let path = daemon.home.path("logs").join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        let random = name.trim_end_matches(".log").rsplit("-me-").next().unwrap();
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(random.len() == 8 && random.bytes().all(known), "{name}");
    }
}

/// LOG-28.
fn old_automatic_logs_are_removed_at_the_start(subject: Subject) {
    let remains = ["x-stdout---other-abcdefgh.log", "supervisor.log", "---supervisor-abcdefgh.log"];
    let goes =
        ["x-stdout---supervisor-abcdefgh.log", "y-stderr---supervisor-q.log.12", "a---supervisor-b.log1234"];
    let start = |sections: &str| {
        let home = Home::with(subject, &format!("[supervisord]\nchildlogdir=%(here)s/logs\n{sections}"));
        fs::create_dir(home.path("logs")).unwrap();
        for name in remains.iter().chain(&goes) {
            home.write(&format!("logs/{name}"), "old");
        }
        let daemon = Daemon::start_in(home, &[]);
        let mut left: Vec<String> = fs::read_dir(daemon.home.path("logs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        left
    };
    let mut expected: Vec<&str> = remains.to_vec();
    expected.sort_unstable();
    assert_eq!(start(""), expected);
    expected.extend(goes);
    expected.sort_unstable();
    assert_eq!(start("nocleanup=true\n"), expected);
}

/// LOG-15, LOG-16.
fn a_log_is_rotated_after_the_write_that_fills_it(subject: Subject) {
    let daemon =
        start(subject, "stdout_logfile=%(here)s/out\nstdout_logfile_maxbytes=100\nstdout_logfile_backups=2");
    daemon.home.write("out.3", "not ours");
    for number in 1..=4 {
        // Two lines are less than the limit, with the third one comes the rotation.
        for letter in ["a", "b", "c"] {
            let line = format!("{number}{letter}{}", "x".repeat(46));
            daemon.tell("x", &format!("echo {line}"));
            if letter == "c" {
                daemon.await_file("out.1", &format!("<ANY>\n<ANY>\n{line}\n"));
                daemon.await_file("out", "");
            } else {
                eventually("the line is written", || {
                    let out = daemon.home.read("out");
                    so(out.ends_with(&format!("{line}\n")), out)
                });
            }
        }
    }
    let lines =
        |number: u8| ["a", "b", "c"].map(|letter| format!("{number}{letter}{}\n", "x".repeat(46))).concat();
    assert_eq!(daemon.home.read("out.1"), lines(4));
    assert_eq!(daemon.home.read("out.2"), lines(3));
    assert_eq!(daemon.home.read("out.3"), "not ours");
    daemon.answers("readProcessStdoutLog", json!(["x", 0, 0]), "\"\"");
}

/// LOG-21.
fn a_log_that_others_empty_is_not_full(subject: Subject) {
    let daemon =
        start(subject, "stdout_logfile=%(here)s/out\nstdout_logfile_maxbytes=100\nstdout_logfile_backups=1");
    daemon.tell("x", "printf '%059d\\n' 1");
    daemon.await_file("out", &format!("{:059}\n", 1));
    fs::File::create(daemon.home.path("out")).unwrap();
    daemon.tell("x", "printf '%059d\\n' 2");
    daemon.await_file("out", &format!("{:059}\n", 2));
    daemon.tell("x", "printf '%059d\\n' 3");
    daemon.await_file("out.1", &format!("{:059}\n{:059}\n", 2, 3));
}

/// LOG-17.
fn a_log_without_backups_is_emptied(subject: Subject) {
    let daemon =
        start(subject, "stdout_logfile=%(here)s/out\nstdout_logfile_maxbytes=10\nstdout_logfile_backups=0");
    daemon.tell("x", "echo 123456");
    daemon.await_file("out", "123456\n");
    daemon.tell("x", "echo 123456");
    daemon.await_file("out", "");
    daemon.tell("x", "echo new");
    daemon.await_file("out", "new\n");
    assert!(!daemon.home.path("out.1").exists());
}

/// LOG-18.
fn a_log_without_a_limit_is_never_rotated(subject: Subject) {
    let daemon = start(subject, "stdout_logfile=%(here)s/out\nstdout_logfile_maxbytes=0");
    daemon.tell("x", "for i in 1 2 3; do echo 1234567890; done");
    daemon.await_file("out", "1234567890\n1234567890\n1234567890\n");
    assert!(!daemon.home.path("out.1").exists());
}

fn the_main_log_is_rotated_as_well(subject: Subject) {
    let sections =
        "[supervisord]\nlogfile_maxbytes=1KB\nlogfile_backups=1\n".to_owned() + &puppet("autorestart=true");
    let daemon = Daemon::start(subject, &sections);
    for _ in 0..12 {
        daemon.await_state("x", "RUNNING");
        let pid = daemon.pid_of("x");
        daemon.tell("x", "exit 0");
        super::await_gone(&daemon, pid);
    }
    eventually("the main log was rotated", || {
        let old = daemon.home.read("main.log.1");
        so(old.len() >= 900 && old.ends_with('\n'), old)
    });
    assert!(!daemon.home.path("main.log.2").exists());
}

/// LOG-25, LOG-6.
fn logs_are_appended_to(subject: Subject) {
    let home = Home::with(subject, &puppet("stdout_logfile=%(here)s/out"));
    home.write("out", "before\n");
    home.write("main.log", "before\n");
    let mut daemon = Daemon::start_in(home, &[]);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.tell("x", "echo one; exit 1");
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.tell("x", "echo two");
    daemon.await_file("out", "before\none\ntwo\n");
    assert!(daemon.home.read("main.log").starts_with("before\n"));
}

/// LOG-37, SIG-5.
fn usr2_opens_every_log_again(subject: Subject) {
    let mut daemon = start(subject, "stdout_logfile=%(here)s/out");
    daemon.tell("x", "echo one");
    daemon.await_file("out", "one\n");
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    for name in ["out", "main.log"] {
        fs::rename(daemon.home.path(name), daemon.home.path(&format!("{name}.old"))).unwrap();
    }
    daemon.signal(Signal::SIGUSR2);
    eventually("the logs are there again", || {
        so(
            daemon.home.path("main.log").exists() && daemon.home.path("out").exists(),
            format!("{:?}", daemon.home.files()),
        )
    });
    let old = daemon.home.read("main.log.old");
    let last: Vec<&str> = old.lines().rev().take(2).map(|line| line.get(24..).unwrap_or(line)).collect();
    assert_eq!(last, ["INFO supervisord logreopen", "INFO received SIGUSR2 indicating log reopen request"]);
    daemon.tell("x", "echo two");
    daemon.await_file("out", "two\n");
    assert_eq!(daemon.home.read("out.old"), "one\n");
    daemon.tell("x", "exit 1");
    eventually("the main log goes on", || {
        let text = daemon.home.read("main.log");
        so(text.contains("WARN exited: x (exit status 1; not expected)"), text)
    });
}

/// LOG-35, API-33, API-35.
fn clearing_a_log_keeps_its_backups(subject: Subject) {
    let sections = puppet("stdout_logfile=%(here)s/out\nstderr_logfile=%(here)s/err")
        + "[program:y]\ncommand=/bin/cat\nstdout_logfile=NONE\nstderr_logfile=NONE\nstartsecs=0\n";
    let home = Home::with(subject, &sections);
    home.write("out.1", "kept");
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_state("x", "RUNNING");
    daemon.await_state("y", "RUNNING");
    let fill = || {
        daemon.tell("x", "echo one; echo two >&2");
        daemon.await_file("out", "one\n");
        daemon.await_file("err", "two\n");
    };
    fill();
    daemon.answers("clearProcessLogs", json!(["x"]), "true");
    assert_eq!((daemon.home.read("out"), daemon.home.read("err")), (String::new(), String::new()));
    fill();
    daemon.answers("clearProcessLog", json!(["x"]), "true");
    fill();
    daemon.answers(
        "clearAllProcessLogs",
        json!([]),
        "[{\"name\": \"x\", \"group\": \"x\", \"status\": 80, \"description\": \"OK\"}, \
          {\"name\": \"y\", \"group\": \"y\", \"status\": 80, \"description\": \"OK\"}]",
    );
    assert_eq!((daemon.home.read("out"), daemon.home.read("err")), (String::new(), String::new()));
    assert_eq!(daemon.home.read("out.1"), "kept");
    daemon.answers("clearProcessLogs", json!(["nobody"]), "fault 10 BAD_NAME: nobody");
    daemon.answers("clearProcessLogs", json!(["x:*"]), "fault 10 BAD_NAME: x:*");
}

/// LOG-36, API-9.
fn clearing_the_main_log_starts_a_new_file(subject: Subject) {
    let daemon = start(subject, "");
    daemon.answers("clearLog", json!([]), "true");
    assert_eq!(daemon.home.read("main.log"), "");
    daemon.tell("x", "exit 1");
    eventually("the main log goes on", || {
        let text = daemon.home.read("main.log");
        so(text.contains("WARN exited: x (exit status 1; not expected)"), text)
    });
    fs::remove_file(daemon.home.path("main.log")).unwrap();
    daemon.answers("clearLog", json!([]), "fault 20 NO_FILE");
}

/// LOG-50.
fn strip_ansi_removes_colours(subject: Subject) {
    let sections = "[supervisord]\nstrip_ansi=true\n".to_owned() + &puppet("stdout_logfile=%(here)s/out");
    let daemon = Daemon::start(subject, &sections);
    daemon.await_state("x", "RUNNING");
    daemon.tell("x", "printf '\\033[1;31mred\\033[0m \\033[2Jclear\\n'");
    daemon.await_file("out", "red clear\n");
    let plain = start(subject, "stdout_logfile=%(here)s/out");
    plain.tell("x", "printf '\\033[1;31mred\\n'");
    plain.await_file("out", "\u{1b}[1;31mred\n");
}

/// LOG-1, LOG-4, LOG-7, CLI-22.
fn the_foreground_repeats_the_main_log(subject: Subject) {
    let mut daemon = start(subject, "");
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    eventually("stdout says the same", || {
        let (log, stdout) = (daemon.home.read("main.log"), daemon.home.read("stdout"));
        so(log == stdout, format!("{log}\n--- stdout:\n{stdout}"))
    });
    for line in daemon.home.read("main.log").lines() {
        assert!(is_like(line, "<STAMP> <ANY>"), "{line}");
    }
    assert_eq!(daemon.home.read("stderr"), "");
    for (args, sections) in [(&["-s"][..], ""), (&["--silent"], ""), (&[], "[supervisord]\nsilent=true\n")] {
        let quiet = Daemon::start_in(Home::with(subject, sections), args);
        assert_eq!((quiet.home.read("stdout"), quiet.home.read("stderr")), (String::new(), String::new()));
    }
}

/// LOG-2, TYP-8.
fn levels_decide_what_the_main_log_says(subject: Subject) {
    let sections = "[supervisord]\nloglevel=WARN\n".to_owned() + &puppet("stdout_logfile=%(here)s/out");
    let home = Home::with(subject, &sections);
    let daemon = Daemon::start_unsaid(home, &[]);
    daemon.await_state("x", "RUNNING");
    daemon.tell("x", "exit 1");
    eventually("a warning is said, and no more", || {
        let lines = daemon.log();
        so(
            lines.last().is_some_and(|line| line == "WARN exited: x (exit status 1; not expected)"),
            lines.join("\n"),
        )
    });
    assert!(daemon.log().iter().all(|line| line.starts_with("WARN ") || line.starts_with("CRIT ")));
}

/// PRC-84.
fn the_last_line_is_kept_though_a_grandchild_holds_the_pipe(subject: Subject) {
    let sections = "[program:x]\ncommand=/bin/sh -c 'sleep 1000 & echo last; exit 1'\nautorestart=false\nstartsecs=0\n\
                    stdout_logfile=%(here)s/out\n";
    let daemon = Daemon::start(subject, sections);
    daemon.await_state("x", "EXITED");
    assert_eq!(daemon.home.read("out"), "last\n");
}
