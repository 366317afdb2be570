//! supervisorctl: start, stop, restart, signal.

use serde_json::json;

use crate::support::{Daemon, Home, Subject};

compliance!(
    start_and_stop_say_what_became_of_each,
    start_needs_a_name_that_exists,
    start_tells_why_a_program_does_not_start,
    start_and_stop_everything,
    groups_are_started_and_stopped_whole,
    stop_ends_a_backoff_at_once,
    restart_stops_and_starts,
    signal_reaches_programs_by_name_and_number,
    commands_without_arguments_show_their_help,
    shutdown_and_reload_say_so,
);

const TWO: &str = "\
[program:a]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:b]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
";

/// CLI-83, CLI-84, CTL-20, CTL-24, CTL-30, CTL-31.
fn start_and_stop_say_what_became_of_each(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.ctl("start a b").says(0, "a: started\nb: started\n");
    daemon.ctl("start a").says(0, "a: ERROR (already started)\n");
    daemon.ctl("stop a").says(0, "a: stopped\n");
    daemon
        .ctl("stop a nobody b")
        .says(1, "a: ERROR (not running)\nnobody: ERROR (no such process)\nb: stopped\n");
    daemon.ctl("stop b").says(0, "b: ERROR (not running)\n");
}

fn start_needs_a_name_that_exists(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.ctl("start nobody").says(1, "nobody: ERROR (no such process)\n");
    daemon.ctl("start no:*").says(2, "no: ERROR (no such group)\n");
    daemon.ctl("start no:").says(2, "no: ERROR (no such group)\n");
    daemon.ctl("start no:body a").says(1, "no:body: ERROR (no such process)\na: started\n");
    daemon.ctl("stop nobody").says(1, "nobody: ERROR (no such process)\n");
    daemon.ctl("stop no:*").says(1, "no: ERROR (no such group)\n");
    daemon
        .ctl("restart nobody")
        .says(1, "nobody: ERROR (no such process)\nnobody: ERROR (no such process)\n");
}

/// CTL-22, CTL-23, CTL-25, CTL-26.
fn start_tells_why_a_program_does_not_start(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:missing]\ncommand=%(here)s/missing\nautostart=false\n
         [program:empty]\ncommand=\nautostart=false\n
         [program:unbalanced]\ncommand=/bin/echo \"x\nautostart=false\n
         [program:dir]\ncommand=%(here)s\nautostart=false\n
         [program:plain]\ncommand=%(here)s/supervisord.conf\nautostart=false\n
         [program:quick]\ncommand=/bin/sh -c 'exit 3'\nautostart=false\nstartsecs=20\nstartretries=0\n"
            .replace("\n         ", "\n")
            .as_str(),
    );
    daemon.ctl("start missing").says(1, "missing: ERROR (no such file)\n");
    for name in ["empty", "unbalanced", "dir", "plain"] {
        daemon.ctl(&format!("start {name}")).says(1, &format!("{name}: ERROR (file is not executable)\n"));
    }
    daemon.ctl("start quick").says(7, "quick: ERROR (spawn error)\n");
}

/// CTL-35.
fn start_and_stop_everything(subject: Subject) {
    let daemon = Daemon::start(subject, &TWO.replace("[program:a]", "[program:a]\npriority=1000"));
    daemon.ctl("stop all").says(0, "");
    daemon.ctl("start all").says(0, "b: started\na: started\n");
    daemon.ctl("start a all nobody").says(0, "");
    daemon.ctl("stop b").says(0, "b: stopped\n");
    daemon.ctl("stop all").says(0, "a: stopped\n");
}

fn groups_are_started_and_stopped_whole(subject: Subject) {
    let sections =
        format!("{TWO}[group:pair]\nprograms=b,a\n[program:c]\ncommand=/bin/cat\nautostart=false\n");
    let daemon = Daemon::start(subject, &sections);
    daemon.ctl("start pair:*").says(0, "pair:b: started\npair:a: started\n");
    daemon.ctl("start pair:").says(0, "");
    daemon.ctl("stop pair:b").says(0, "pair:b: stopped\n");
    daemon.ctl("stop pair").says(1, "pair: ERROR (no such process)\n");
    daemon.ctl("stop pair:*").says(0, "pair:a: stopped\n");
    daemon.ctl("stop pair:*").says(0, "");
}

/// PRC-22, RPC-54.
fn stop_ends_a_backoff_at_once(subject: Subject) {
    let sections = "[program:x]\ncommand=%(here)s/missing\nstartretries=1000000\n";
    let daemon = Daemon::start(subject, sections);
    daemon.await_state("x", "BACKOFF");
    daemon.ctl("start x").says(1, "x: ERROR (no such file)\n");
    daemon.ctl("stop x").says(0, "x: stopped\n");
    daemon.ctl("stop x").says(0, "x: ERROR (not running)\n");
}

/// CTL-36, CLI-86.
fn restart_stops_and_starts(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.ctl("start a").says(0, "a: started\n");
    let before = daemon.pid_of("a");
    daemon.ctl("restart a").says(0, "a: stopped\na: started\n");
    assert_ne!(daemon.pid_of("a"), before);
    daemon.ctl("restart b").says(0, "b: ERROR (not running)\nb: started\n");
    // The stops are told in the order in which they come about.
    daemon.ctl("restart all").says(0, "<ANY>: stopped\n<ANY>: stopped\na: started\nb: started\n");
    daemon.ctl("restart a:*").says(0, "a: stopped\na: started\n");
}

const NOTES_SIGNALS: &str =
    "[program:x]\ncommand=%(here)s/notes\nstartsecs=0\n[program:off]\ncommand=/bin/cat\nautostart=false\n";

/// CTL-33, CTL-34, CTL-38, CLI-85.
fn signal_reaches_programs_by_name_and_number(subject: Subject) {
    let home = Home::with(subject, NOTES_SIGNALS);
    home.script(
        "notes",
        "#!/bin/sh\nfor s in USR1 USR2 HUP WINCH; do trap \"echo $s >> got\" $s; done\necho up >> got\n\
         while :; do sleep 0.02; done\n",
    );
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_file("got", "up\n");
    daemon.ctl("signal USR1 x").says(0, "x: signalled\n");
    daemon.await_file("got", "up\nUSR1\n");
    daemon.ctl("signal sigusr2 x").says(0, "x: signalled\n");
    daemon.await_file("got", "up\nUSR1\nUSR2\n");
    daemon.ctl("signal 1 x:*").says(0, "x: signalled\n");
    daemon.await_file("got", "up\nUSR1\nUSR2\nHUP\n");
    daemon.ctl("signal WINCH all").says(0, "x: signalled\n");
    daemon.await_file("got", "up\nUSR1\nUSR2\nHUP\nWINCH\n");
    daemon.ctl("signal BOGUS x").says(1, "x: ERROR (bad signal name)\n");
    daemon.ctl("signal 99 x off").says(1, "x: ERROR (bad signal name)\noff: ERROR (bad signal name)\n");
    daemon.ctl("signal BOGUS all").says(1, "x: ERROR (bad signal name)\n");
    daemon.ctl("signal HUP off").says(7, "off: ERROR (not running)\n");
    daemon.ctl("signal HUP nobody").says(1, "nobody: ERROR (no such process)\n");
    daemon.ctl("signal HUP no:*").says(1, "no: ERROR (no such group)\n");
}

/// CTL-29, CTL-10.
fn commands_without_arguments_show_their_help(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let start = "start <name>\t\tStart a process\n\
                 start <gname>:*\t\tStart all processes in a group\n\
                 start <name> <name>\tStart multiple processes or groups\n\
                 start all\t\tStart all processes\n";
    let stop = "stop <name>\t\tStop a process\n\
                stop <gname>:*\t\tStop all processes in a group\n\
                stop <name> <name>\tStop multiple processes or groups\n\
                stop all\t\tStop all processes\n";
    daemon.ctl("start").says(2, &format!("Error: start requires a process name\n{start}"));
    daemon.ctl("stop").says(1, &format!("Error: stop requires a process name\n{stop}"));
    daemon.ctl("restart").says(
        1,
        "Error: restart requires a process name\n\
         restart <name>\t\tRestart a process\n\
         restart <gname>:*\tRestart all processes in a group\n\
         restart <name> <name>\tRestart multiple processes or groups\n\
         restart all\t\tRestart all processes\n\
         Note: restart does not reread config files. For that, see reread and update.\n",
    );
    let signal = "Error: signal requires a signal name and a process name\n\
                  signal <signal name> <name>\t\tSignal a process\n\
                  signal <signal name> <gname>:*\t\tSignal all processes in a group\n\
                  signal <signal name> <name> <name>\tSignal multiple processes or groups\n\
                  signal <signal name> all\t\tSignal all processes\n";
    daemon.ctl("signal").says(1, signal);
    daemon.ctl("signal HUP").says(1, signal);
    for (command, help) in [
        ("avail", "avail\t\t\tDisplay all configured processes\n"),
        ("reread", "reread \t\t\tReload the daemon's configuration files without add/remove\n"),
        ("reload", "reload \t\tRestart the remote supervisord.\n"),
        ("shutdown", "shutdown \tShut the remote supervisord down.\n"),
        ("version", "version\t\t\tShow the version of the remote supervisord process\n"),
    ] {
        let said = format!("Error: {command} accepts no arguments\n{help}");
        daemon.ctl(&format!("{command} x")).says(1, &said);
    }
    daemon.ctl("bogus x").says(1, "*** Unknown syntax: bogus x\n");
    daemon.ctl("START x").says(1, "*** Unknown syntax: START x\n");
}

/// CTL-80, CTL-81, CLI-79; the state gate of the contract's chapter 7.2.
fn shutdown_and_reload_say_so(subject: Subject) {
    let sections = "[program:x]\ncommand=/bin/sh -c \"trap '' TERM; echo up; while :; do sleep 1; done\"\nstopwaitsecs=600\n";
    let mut daemon = Daemon::start(subject, sections);
    daemon.await_log_of("x", "up\n");
    daemon.ctl("reload").says(0, "Restarted supervisord\n");
    daemon.answers("getAllProcessInfo", json!([]), "fault 6 SHUTDOWN_STATE");
    daemon.ctl("reload").says(1, "ERROR: already shutting down\n");
    daemon.ctl("shutdown").says(0, "ERROR: already shutting down\n");
    daemon.ctl("reread").says(1, "ERROR: supervisor shutting down\n");
    daemon.ctl("update").says(1, "ERROR: already shutting down\n");
    daemon.ctl("avail").says(1, "ERROR: supervisor shutting down\n");
    daemon.ctl("add x").says(1, "ERROR: shutting down\n");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon.child_pid("x")), nix::sys::signal::SIGKILL)
        .unwrap();
    daemon.await_line("INFO supervisord started with pid <PID>");
    daemon.await_line("INFO spawned: 'x' with pid <PID>");
    daemon.ctl("shutdown").says(0, "Shut down\n");
}
