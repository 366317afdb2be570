//! supervisorctl's shell: what it does beyond Supervisor's, and what only ours can be held to.
#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

mod support;

use support::talk::Talk;
use support::{Daemon, Home, Subject};

const PUPPET: &str = "[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\n";

fn command(home: &Home, args: &[&str]) -> std::process::Command {
    let args: Vec<&str> = ["-c", "supervisord.conf"].iter().chain(args).copied().collect();
    home.program_command(Subject::Ours, "supervisorctl", &args)
}

/// The shell on a terminal, with its first prompt.
fn shell(home: &Home, args: &[&str]) -> Talk {
    let mut talk = Talk::on_terminal(&command(home, args));
    talk.shows("supervisor> ");
    talk
}

#[track_caller]
fn leave(mut talk: Talk) {
    talk.types("\x04");
    talk.ends(0, "\n");
}

#[test]
fn the_history_is_kept_where_the_command_line_says() {
    let daemon = Daemon::start(Subject::Ours, "[supervisorctl]\nhistory_file=%(here)s/unused\n");
    for args in
        [&["-r", "kept"][..], &["--history_file", "kept"], &["--history-file=kept"], &["--hist", "kept"]]
    {
        let mut talk = shell(&daemon.home, args);
        talk.types("version\r");
        talk.shows("5.0.0\n");
        talk.shows("supervisor> ");
        leave(talk);
        assert_eq!(daemon.home.read("kept"), "version\n", "what is typed again is not kept twice: {args:?}");
    }
    assert!(!daemon.home.path("unused").exists());
}

#[test]
fn ctrl_c_gives_up_a_wait_and_not_the_shell() {
    let deaf = |name| format!("[program:{name}]\ncommand=%(here)s/puppet\nstartsecs=0\nstopwaitsecs=600\n");
    let daemon = Daemon::start(Subject::Ours, &(deaf("x") + &deaf("z") + "[program:y]\ncommand=/bin/cat\n"));
    for name in ["x", "z"] {
        daemon.await_state(name, "RUNNING");
        daemon.tell(name, "trap '' TERM; echo deaf");
        daemon.await_log_of(name, "deaf\n");
    }
    let mut talk = shell(&daemon.home, &[]);
    talk.types("stop x y\r");
    daemon.await_state("x", "STOPPING");
    talk.types("\x03");
    // What stands behind in the command is given up as well.
    assert_eq!(talk.shows("supervisor> "), "stop x y\n^C\n");
    talk.types("pid\r");
    talk.shows(&format!("{}\n", daemon.pid));
    talk.shows("supervisor> ");
    leave(talk);
    daemon.await_state("y", "RUNNING");
    // With no shell around it is over.
    let mut talk = Talk::on_terminal(&command(&daemon.home, &["-i", "stop", "z"]));
    daemon.await_state("z", "STOPPING");
    talk.types("\x03");
    talk.ends(130, "^C\n");
}

#[test]
fn what_is_typed_ahead_is_done_in_its_turn() {
    let daemon = Daemon::start(Subject::Ours, PUPPET);
    daemon.await_state("x", "RUNNING");
    let mut talk = shell(&daemon.home, &[]);
    talk.types("version\rpid\rhelp pid\r");
    talk.shows("5.0.0\n");
    talk.shows(&format!("{}\n", daemon.pid));
    talk.shows("Get the PID of supervisord.");
    talk.shows("supervisor> ");
    // A paste is as many lines as it has, for whomever they are.
    talk.types("\x1b[200~fg x\necho one\necho two\x1b[201~\r");
    talk.shows("==> Press Ctrl-C to exit <==\n");
    daemon.await_log_of("x", "one\ntwo\n");
    talk.types("\x03");
    talk.shows("Exiting foreground\nsupervisor> ");
    talk.types("\x1b[200~shutdown\nno\nversion\x1b[201~\r");
    talk.shows("y/N? ");
    talk.shows("supervisor> version\n5.0.0\n");
    talk.shows("supervisor> ");
    leave(talk);
}

#[test]
fn who_follows_a_log_leaves_with_its_reader() {
    let daemon = Daemon::start(Subject::Ours, PUPPET);
    daemon.await_state("x", "RUNNING");
    let mut talk = Talk::over_pipes(command(&daemon.home, &["tail", "-f", "x"]));
    talk.shows("==> Press Ctrl-C to exit <==\n");
    talk.turns_away();
    daemon.tell("x", "echo for nobody");
    talk.ends(0, "");
}

#[test]
fn a_password_that_is_not_given_leaves_the_terminal_as_it_was() {
    let daemon = Daemon::start(
        Subject::Ours,
        "[unix_http_server]\nusername=me\npassword=secret\n[program:x]\ncommand=/bin/cat\n",
    );
    let mut talk = Talk::on_terminal(&command(&daemon.home, &["-i", "status"]));
    talk.shows("Username:");
    assert!(talk.echoes());
    talk.types("me\r");
    talk.shows("Password:");
    assert!(!talk.echoes());
    talk.types("sec\x03");
    talk.shows("\n");
    support::eventually("it shows what is typed", || support::so(talk.echoes(), ""));
    talk.ends(130, "<ANY>\n");
    // In the shell it leads to the prompt.
    let mut talk = Talk::on_terminal(&command(&daemon.home, &[]));
    talk.shows("Username:");
    talk.types("\x03");
    talk.shows("supervisor> ");
    leave(talk);
}
