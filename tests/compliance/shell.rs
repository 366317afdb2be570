//! supervisorctl: its shell, on a terminal and over pipes.

use crate::support::talk::Talk;
use crate::support::{Daemon, Home, Subject};

compliance!(
    the_shell_reads_commands_from_a_pipe,
    help_lists_the_commands,
    what_cannot_be_undone_is_asked_for,
    the_shell_ends_with_nothing_more_to_read,
    open_turns_to_another_daemon,
    names_are_completed,
    commands_are_kept_in_a_file,
    a_password_is_asked_for_and_not_shown,
);

const CAT: &str = "[program:cat]\ncommand=/bin/cat\nautostart=false\n";
const LINE: &str = "cat                              STOPPED   Not started\n";

/// The shell of a subject, on a terminal.
fn shell(home: &Home, subject: Subject, args: &[&str]) -> Talk {
    Talk::on_terminal(&shell_command(home, subject, args))
}

fn shell_command(home: &Home, subject: Subject, args: &[&str]) -> std::process::Command {
    let args: Vec<&str> = ["-c", "supervisord.conf"].iter().chain(args).copied().collect();
    home.program_command(subject, "supervisorctl", &args)
}

/// CTL-2, CTL-3, CTL-90, CTL-94, CLI-72.
fn the_shell_reads_commands_from_a_pipe(subject: Subject) {
    let daemon = Daemon::start(subject, CAT);
    for control in [subject, subject.other()] {
        let mut talk = Talk::over_pipes(shell_command(&daemon.home, control, &[]));
        talk.types("status nobody\n\n   \nbogus x\n!ls\nstart cat\nstop cat\nEOF\nstatus\n");
        let expected = format!(
            "{LINE}supervisor> nobody: ERROR (no such process)\nsupervisor> supervisor> supervisor> \
             *** Unknown syntax: bogus x\nsupervisor> *** Unknown syntax: !ls\n\
             supervisor> cat: started\nsupervisor> cat: stopped\nsupervisor> \n"
        );
        talk.ends(0, &expected.replacen(LINE, "cat                              STOPPED   <ANY>\n", 1));
    }
    daemon.home.ctl("quit now").says(0, "\n");
    daemon.home.ctl("exit").says(0, "\n");
    daemon.home.ctl("EOF").says(0, "\n");
    // The prompt is the configuration's.
    daemon.home.write(
        "other.conf",
        format!("[supervisorctl]\nserverurl=unix://{}\nprompt=me\n", daemon.socket().display()),
    );
    let mut talk =
        Talk::over_pipes(daemon.home.program_command(subject, "supervisorctl", &["-c", "other.conf"]));
    talk.types("exit\n");
    talk.ends(0, "cat                              STOPPED   <ANY>\nme> \n");
}

/// CTL-93.
fn help_lists_the_commands(subject: Subject) {
    let home = Home::with(subject, "");
    let list = "\n\
        default commands (type help <topic>):\n\
        =====================================\n\
        add    exit      open  reload  restart   start   tail   \n\
        avail  fg        pid   remove  shutdown  status  update \n\
        clear  maintail  quit  reread  signal    stop    version\n\
        \n";
    for words in ["help", "?"] {
        let told = home.ctl(words);
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{told:?}");
        match subject {
            Subject::Theirs => assert_eq!(told.stdout, list),
            // Commands of ours alone may stand behind.
            Subject::Ours => assert!(told.stdout.starts_with(list), "{told:?}"),
        }
    }
    home.ctl("?pid").says(0, &home.ctl("help pid").stdout);
    home.ctl("help EOF").says(0, "*** No help on EOF\n");
    home.ctl("help start stop").says(0, "*** No help on start stop\n");
    home.ctl("help exit").says(0, "exit\tExit the supervisor shell.\n");
    home.ctl("help quit").says(0, "quit\tExit the supervisor shell.\n");
    home.ctl("help fg")
        .says(0, "fg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit\n");
    home.ctl("help open").says(
        0,
        "open <url>\tConnect to a remote supervisord process.\n\t\t(for UNIX domain socket, use unix:///socket/path)\n",
    );
}

/// CTL-82, CLI-52.
fn what_cannot_be_undone_is_asked_for(subject: Subject) {
    let mut daemon = Daemon::start(subject, "");
    let shut = "Really shut the remote supervisord process down y/N? ";
    let restart = "Really restart the remote supervisord process y/N? ";
    let mut talk = Talk::over_pipes(shell_command(&daemon.home, subject, &[]));
    talk.types("shutdown\nno\nreload\n\nshutdown\nxyes\nreload\n");
    talk.closes();
    talk.ends(0, &format!(
        "supervisor> {shut}supervisor> {restart}supervisor> {shut}supervisor> {restart}error: <ANY>\nsupervisor> \n"
    ));
    // `-i` has an action ask too, and opens no shell.
    let mut talk = Talk::over_pipes(shell_command(&daemon.home, subject, &["-i", "shutdown"]));
    talk.types("n\nstatus\n");
    talk.ends(0, shut);
    let mut talk = Talk::over_pipes(shell_command(&daemon.home, subject, &["--interactive", "reload"]));
    talk.closes();
    talk.ends(1, &format!("{restart}error: <ANY>\n"));
    let mut talk = Talk::over_pipes(shell_command(&daemon.home, subject, &[]));
    talk.types("shutdown\nYep\n");
    talk.shows("Shut down\n");
    daemon.await_end();
}

/// CTL-90, CTL-94.
fn the_shell_ends_with_nothing_more_to_read(subject: Subject) {
    let daemon = Daemon::start(subject, CAT);
    let mut talk = Talk::over_pipes(shell_command(&daemon.home, subject, &[]));
    talk.closes();
    talk.ends(0, &format!("{LINE}supervisor> \n"));
    for key in ["\x04", "\x03"] {
        let mut talk = shell(&daemon.home, subject, &[]);
        talk.shows("supervisor> ");
        talk.rests();
        talk.types(key);
        talk.ends(0, "\n");
    }
    let mut talk = shell(&daemon.home, subject, &[]);
    talk.shows("supervisor> ");
    talk.types("exit\r");
    talk.ends(0, "<ANY>\n\n");
}

/// CTL-62, CLI-91.
fn open_turns_to_another_daemon(subject: Subject) {
    let (daemon, other) = (Daemon::start(subject, CAT), Daemon::start(subject.other(), ""));
    let url = format!("unix://{}", other.socket().display());
    let mut talk = Talk::over_pipes(shell_command(&daemon.home, subject, &[]));
    talk.types(&format!("open {url}\nversion\nopen\nopen ftp://x\nopen unix:///missing\nversion\n"));
    talk.closes();
    let version = subject.other().version();
    talk.ends(
        0,
        &format!(
            "{LINE}supervisor> supervisor> {version}\nsupervisor> ERROR: url must be http:// or unix://\n\
         supervisor> ERROR: url must be http:// or unix://\nsupervisor> unix:///missing no such file\n\
         supervisor> unix:///missing no such file\nsupervisor> \n"
        ),
    );
    other.home.ctl_of(subject, &format!("open unix://{}", daemon.socket().display())).says(0, LINE);
    daemon.ctl("open unix:///missing").says(0, "unix:///missing no such file\n");
    daemon.ctl("open http://127.0.0.1:1/x").says(0, "http://127.0.0.1:1/x refused connection\n");
    daemon.ctl("open bogus").says(1, "ERROR: url must be http:// or unix://\n");
}

/// CTL-91.
fn names_are_completed(subject: Subject) {
    let sections = "[program:web]\ncommand=/bin/cat\nautostart=false\nnumprocs=2\n\
                    process_name=%(program_name)s_%(process_num)02d\n[program:zebra]\ncommand=/bin/cat\nautostart=false\n";
    let daemon = Daemon::start(subject, sections);
    let mut talk = shell(&daemon.home, subject, &[]);
    talk.shows("supervisor> ");
    // One that fits is written out, with a blank behind it.
    talk.types("stat\tze\t\r");
    talk.shows("zebra                            STOPPED   Not started\n");
    talk.shows("supervisor> ");
    // Of several, what they have in common.
    talk.types("pid we\t00\r");
    talk.shows("0\n");
    talk.shows("supervisor> ");
    // And then a list of them.
    talk.types("status w\t\t\t");
    let shown = [talk.shows("web:*"), talk.shows("web:web_00"), talk.shows("web:web_01")].concat();
    assert!(!shown.contains("zebra"), "{shown}");
    talk.types("*\r");
    talk.shows("web:web_01                       STOPPED   Not started\n");
    talk.shows("supervisor> ");
    talk.types("update ze\t\r");
    talk.shows("supervisor> ");
    talk.types("help rer\t\r");
    talk.shows("Reload the daemon's configuration files without add/remove\n");
    talk.shows("supervisor> ");
    talk.types("\x04");
    talk.ends(0, "\n");
}

/// CTL-92, OPT-34.
fn commands_are_kept_in_a_file(subject: Subject) {
    let daemon = Daemon::start(subject, "[supervisorctl]\nhistory_file=%(here)s/history\n");
    let mut talk = shell(&daemon.home, subject, &[]);
    talk.shows("supervisor> ");
    talk.types("version\r");
    talk.shows(&format!("{}\n", subject.version()));
    talk.shows("supervisor> ");
    talk.types("exit\r");
    talk.ends(0, "<ANY>\n\n");
    assert_eq!(daemon.home.read("history"), "version\nexit\n");
    let mut talk = shell(&daemon.home, subject, &[]);
    talk.shows("supervisor> ");
    talk.types("\x1b[A\x1b[A\r");
    talk.shows(&format!("{}\n", subject.version()));
    talk.shows("supervisor> ");
    talk.types("\x04");
    talk.ends(0, "\n");
    assert_eq!(daemon.home.read("history"), "version\nexit\nversion\n");
    // Nothing is recorded that was not typed on a terminal.
    let mut talk = Talk::over_pipes(shell_command(&daemon.home, subject, &[]));
    talk.types("avail\n");
    talk.closes();
    talk.ends(0, "supervisor> supervisor> \n");
    assert_eq!(daemon.home.read("history"), "version\nexit\nversion\n");
}

/// CTL-5.
fn a_password_is_asked_for_and_not_shown(subject: Subject) {
    let daemon = Daemon::start_in(
        Home::with(subject, &format!("[unix_http_server]\nusername=me\npassword=secret\n{CAT}")),
        &[],
    );
    for args in [&[][..], &["-i", "status"]] {
        let mut talk = shell(&daemon.home, subject, args);
        talk.shows("Server requires authentication\nUsername:");
        talk.types("me\r");
        talk.shows("Password:");
        talk.types("wrong\n");
        let between = talk.shows("Server requires authentication\nUsername:");
        assert_eq!(between, "\n\n", "the password is not shown");
        talk.types("me\r");
        talk.shows("Password:");
        talk.types("secret\n");
        assert_eq!(talk.shows(LINE), "\n\n");
        if args.is_empty() {
            talk.shows("supervisor> ");
            // It is not asked for again.
            talk.types("status\r");
            talk.shows(LINE);
            talk.shows("supervisor> ");
            talk.types("\x04");
            talk.ends(0, "\n");
        } else {
            talk.ends(3, "");
        }
    }
}
