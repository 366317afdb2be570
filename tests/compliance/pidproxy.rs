//! pidproxy: its words, its command and the signals that it hands on.

use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::proxy::Proxy;
use crate::support::{Daemon, Home, Subject};

compliance!(
    without_a_command_its_usage_is_told,
    a_command_gets_its_words,
    signals_reach_the_pid_of_the_file,
    a_pidfile_that_cannot_be_read_is_told,
    the_end_of_the_command_is_its_end,
    a_daemon_is_supervised_by_its_pidfile,
);

fn puppets(subject: Subject) -> Home {
    let home = Home::new(subject);
    home.daemonize();
    home
}

/// CLI-100.
fn without_a_command_its_usage_is_told(subject: Subject) {
    let home = Home::new(subject);
    let usage = "pidproxy -- run command and proxy signals to it via its pidfile.\n\n\
                 This executable runs a command and then monitors a pidfile.  When this\n\
                 executable receives a signal, it sends the same signal to the pid\n\
                 in the pidfile.\n\n\
                 Usage: <ANY>pidproxy <pidfile name> <command> [<cmdarg1> ...]\n\n";
    for args in [&[][..], &["-h"], &["pid"]] {
        home.run(home.command(subject, "pidproxy", args)).says(1, usage);
    }
}

/// CLI-101: also one without a `/` is found in the current directory.
fn a_command_gets_its_words(subject: Subject) {
    for word in ["./shell", "shell", "/bin/sh"] {
        let home = Home::new(subject);
        symlink("/bin/sh", home.path("shell")).unwrap();
        let line = "tr '\\0' ' ' </proc/$$/cmdline; exec true";
        let mut proxy = Proxy::start(home, &["pid", word, "-c", line, "a b", "c"]);
        proxy.outcome().says(0, &format!("{word} -c {line} a b c "));
    }
}

/// CLI-102.
fn signals_reach_the_pid_of_the_file(subject: Subject) {
    for end in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut proxy = Proxy::start(puppets(subject), &["pid", "./wrapper"]);
        proxy.await_file("pid", "<N>\n");
        let mut heard = String::new();
        for (signal, name) in [
            (Signal::SIGHUP, "HUP"),
            (Signal::SIGUSR1, "USR1"),
            (Signal::SIGUSR2, "USR2"),
            (end, &end.as_str()[3..]),
        ] {
            proxy.signal(signal);
            heard += &format!("{name}\n");
            proxy.await_file("heard", &heard);
        }
        if end == Signal::SIGTERM {
            proxy.outcome().says(0, "");
        }
    }
}

/// CLI-103.
fn a_pidfile_that_cannot_be_read_is_told(subject: Subject) {
    let home = Home::new(subject);
    home.script("deaf", "#!/bin/sh\ntrap '' HUP\necho up >up\nwhile [ ! -e go ]; do sleep 0.02; done\n");
    let mut proxy = Proxy::start(home, &["pid", "./deaf"]);
    proxy.await_file("up", "up\n");
    let line = "Can't read child pidfile pid!\n";
    proxy.signal(Signal::SIGHUP);
    proxy.await_file("stdout", line);
    proxy.home.write("pid", "number\n");
    proxy.signal(Signal::SIGHUP);
    proxy.await_file("stdout", &line.repeat(2));
    proxy.home.write("go", "");
    proxy.outcome().says(0, &line.repeat(2));
}

/// CLI-105.
fn the_end_of_the_command_is_its_end(subject: Subject) {
    Proxy::start(Home::new(subject), &["pid", "/bin/true"]).outcome().says(0, "");
}

/// What it is for: a daemon that is not supervisord's child gets the signals.
fn a_daemon_is_supervised_by_its_pidfile(subject: Subject) {
    let home = puppets(subject);
    let program = subject.program("pidproxy");
    let program = program.display();
    home.configure(&format!(
        "[program:x]\ncommand={program} pid ./wrapper\ndirectory=%(here)s\nstartsecs=0\n\
         stdout_logfile=%(here)s/out\nredirect_stderr=true\n"
    ));
    home.write(
        "supervisord.conf",
        home.read("supervisord.conf").replace("%(here)s/pid\n", "%(here)s/supervisord.pid\n"),
    );
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_file("pid", "<N>\n");
    let pid = daemon.home.read("pid").trim().parse().unwrap();
    daemon.answers("signalProcess", json!(["x", "HUP"]), "true");
    daemon.await_file("heard", "HUP\n");
    daemon.ctl("stop x").says(0, "x: stopped\n");
    super::await_gone(&daemon, pid);
    assert_eq!((daemon.home.read("heard").as_str(), daemon.home.read("out").as_str()), ("HUP\nTERM\n", ""));
}
