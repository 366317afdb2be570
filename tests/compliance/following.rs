//! supervisorctl: tail -f, maintail -f and fg, with each daemon.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::talk::Talk;
use crate::support::{Daemon, Subject, free_port};

compliance!(
    a_log_is_followed_until_ctrl_c,
    a_log_is_followed_over_tcp_with_a_password,
    a_log_that_is_not_there_is_not_followed,
    a_daemon_that_ends_ends_what_is_followed,
    ctrl_c_leaves_a_log_and_not_the_shell,
    what_is_typed_in_the_foreground_reaches_the_process,
    the_foreground_is_left_when_its_process_is_gone,
    only_one_running_process_comes_to_the_foreground,
    ctrl_c_leaves_the_foreground,
);

const PRESS: &str = "==> Press Ctrl-C to exit <==\n";

/// The control program is the subject's; the daemon is each in its turn.
fn daemons() -> [Daemon; 2] {
    [Subject::Theirs, Subject::Ours].map(|subject| {
        let daemon = Daemon::start(
            subject,
            "[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\nautorestart=false\n\
             [program:off]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\nstdout_logfile=NONE\n",
        );
        daemon.await_state("x", "RUNNING");
        daemon.tell("x", "echo one; echo failed >&2");
        daemon.await_log_of("x", "one\n");
        daemon
    })
}

fn control(daemon: &Daemon, subject: Subject, words: &str) -> Command {
    let args: Vec<&str> = ["-c", "supervisord.conf"].into_iter().chain(words.split_whitespace()).collect();
    daemon.home.program_command(subject, "supervisorctl", &args)
}

/// CTL-48, CTL-49.
fn a_log_is_followed_until_ctrl_c(subject: Subject) {
    for daemon in daemons() {
        let mut talk = Talk::over_pipes(control(&daemon, subject, "tail -f x"));
        talk.shows(&format!("{PRESS}one\n"));
        daemon.tell("x", "echo two");
        talk.shows("two\n");
        interrupt(talk, subject);
        let mut talk = Talk::over_pipes(control(&daemon, subject, "tail -f x STDERR"));
        talk.shows(&format!("{PRESS}failed\n"));
        interrupt(talk, subject);
        let mut talk = Talk::over_pipes(control(&daemon, subject, "maintail -f"));
        talk.shows(PRESS);
        talk.shows("INFO spawned: 'x' with pid ");
        daemon.ctl("start off").says(0, "off: started\n");
        talk.shows("INFO spawned: 'off' with pid ");
        talk.shows("INFO success: off entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)\n");
        interrupt(talk, subject);
    }
}

/// CTL-48, CTL-52, CLI-61.
fn a_log_is_followed_over_tcp_with_a_password(subject: Subject) {
    for whose in [Subject::Theirs, Subject::Ours] {
        let port = free_port();
        let server = format!("[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n");
        let daemon =
            Daemon::start(whose, &format!("{server}[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\n"));
        daemon.await_state("x", "RUNNING");
        daemon.tell("x", "echo one");
        daemon.await_log_of("x", "one\n");
        let url = format!("http://127.0.0.1:{port}");
        let mut talk =
            Talk::over_pipes(control(&daemon, subject, &format!("-s {url} -u me -p secret tail -f x")));
        talk.shows(&format!("{PRESS}one\n"));
        interrupt(talk, subject);
        let mut talk =
            Talk::over_pipes(control(&daemon, subject, &format!("-s {url}/path -u me -p secret fg x")));
        talk.shows(PRESS);
        talk.types("echo t''wo\n");
        talk.shows("two\n");
        let told = daemon.home.ctl_of(subject, &format!("-s {url} -u me -p wrong tail -f x"));
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.stdout.starts_with("Server requires authentication\n"), "{told:?}");
    }
}

/// Ctrl-C ends it, with a new line.
#[track_caller]
fn interrupt(mut talk: Talk, subject: Subject) {
    talk.signal(Signal::SIGINT);
    match subject {
        Subject::Ours => talk.ends(0, "\n"),
        // In theirs it is taken for a broken connection if it comes at the wrong time.
        Subject::Theirs => drop(talk.shows("\n")),
    }
}

/// CTL-48, CLI-90.
fn a_log_that_is_not_there_is_not_followed(subject: Subject) {
    for daemon in daemons() {
        for (words, path) in [
            ("tail -f nobody", "nobody/stdout"),
            ("tail -f off", "off/stdout"),
            ("tail -f x:nobody stderr", "x:nobody/stderr"),
        ] {
            let told = daemon.home.ctl_of(subject, words);
            let error = format!("unix://<DIR>/s/logtail/{path} Cannot read, status code 404\n");
            assert_eq!((told.code, told.stdout.as_str(), told.stderr), (Some(0), PRESS, error), "{words}");
        }
        daemon.home.ctl_of(subject, "tail -f").says(1, "Error: tail requires process name\n");
        daemon.home.ctl_of(subject, "tail -f x sideways").says(1, "Error: bad channel 'sideways'\n");
    }
}

/// CTL-48.
fn a_daemon_that_ends_ends_what_is_followed(subject: Subject) {
    for mut daemon in daemons() {
        let mut talk = Talk::over_pipes(control(&daemon, subject, "tail -f x"));
        talk.shows(&format!("{PRESS}one\n"));
        daemon.signal(Signal::SIGTERM);
        daemon.await_end();
        talk.ends(0, "");
    }
}

fn ctrl_c_leaves_a_log_and_not_the_shell(subject: Subject) {
    for daemon in daemons() {
        let mut talk = Talk::on_terminal(&control(&daemon, subject, ""));
        for words in ["tail -f x", "maintail -f"] {
            talk.shows("supervisor> ");
            talk.types(&format!("{words}\r"));
            talk.shows(PRESS);
            talk.shows("\n");
            talk.types("\x03");
        }
        talk.shows("supervisor> ");
        talk.types("pid off\r");
        talk.shows("0\n");
        talk.shows("supervisor> ");
        talk.types("\x04");
        talk.ends(0, "\n");
    }
}

/// CTL-52.
fn what_is_typed_in_the_foreground_reaches_the_process(subject: Subject) {
    for daemon in daemons() {
        let mut talk = Talk::over_pipes(control(&daemon, subject, "fg x"));
        talk.shows(PRESS);
        talk.types("echo two\n");
        talk.shows("two\n");
        talk.types("echo three >&2\n");
        talk.shows("three\n");
        // The last line need not be ended.
        talk.types("echo four");
        talk.closes();
        daemon.await_log_of("x", "one\ntwo\nfour\n");
        talk.shows("Exiting foreground\n");
        if subject == Subject::Ours {
            // Theirs stays for up to 30 seconds.
            talk.ends(0, "");
        }
        // What is read ahead is for the process, not for the shell.
        let mut talk = Talk::over_pipes(control(&daemon, subject, ""));
        talk.types("fg x\necho five\necho six\n");
        talk.closes();
        talk.shows("Exiting foreground\n");
        daemon.await_log_of("x", "one\ntwo\nfour\nfive\nsix\n");
    }
}

/// CTL-52.
fn the_foreground_is_left_when_its_process_is_gone(subject: Subject) {
    for daemon in daemons() {
        let mut talk = Talk::over_pipes(control(&daemon, subject, ""));
        talk.types("fg x\n");
        talk.shows(PRESS);
        talk.types("exit\n");
        daemon.await_state("x", "EXITED");
        talk.types("more\n");
        talk.shows("Process got killed\nExiting foreground\n");
    }
}

/// CTL-51, CLI-91.
fn only_one_running_process_comes_to_the_foreground(subject: Subject) {
    for daemon in daemons() {
        let says = |words: &str, text: &str| daemon.home.ctl_of(subject, words).says(1, text);
        says(
            "fg",
            "ERROR: no process name supplied\nfg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit\n",
        );
        says("fg x off", "ERROR: too many process names supplied\n");
        says("fg nobody", "ERROR: bad process name supplied\n");
        says("fg off", "ERROR: process not running\n");
    }
}

/// CTL-52.
fn ctrl_c_leaves_the_foreground(subject: Subject) {
    for daemon in daemons() {
        let mut talk = Talk::on_terminal(&control(&daemon, subject, ""));
        talk.shows("supervisor> ");
        talk.types("fg x\r");
        talk.shows(PRESS);
        talk.types("echo t''wo\r");
        talk.shows("two\n");
        talk.types("never sent");
        talk.shows("never sent");
        talk.rests();
        talk.types("\x03");
        talk.shows("Exiting foreground\n");
        if subject == Subject::Ours {
            talk.shows("supervisor> ");
            talk.types("pid off\r");
            talk.shows("0\n");
            talk.shows("supervisor> ");
            talk.types("\x04");
            talk.ends(0, "\n");
        }
        daemon.await_log_of("x", "one\ntwo\n");
    }
}
