//! supervisorctl: tail, maintail, clear, version, help, and its command line.

use serde_json::json;

use crate::support::{Daemon, Home, Subject};

compliance!(
    tail_shows_the_end_of_a_log,
    tail_refuses_what_it_cannot_do,
    maintail_shows_the_end_of_the_main_log,
    clear_empties_the_logs_of_running_programs,
    version_is_the_daemons,
    help_tells_the_syntax,
    options_of_supervisorctl,
    a_configuration_without_our_section,
    without_a_configuration_the_default_port_is_tried,
);

fn with_output(subject: Subject) -> Daemon {
    let daemon = Daemon::start(
        subject,
        "[program:x]\ncommand=%(here)s/puppet\nstartsecs=0\n[program:quiet]\ncommand=/bin/cat\nstdout_logfile=NONE\n\
         [program:one]\ncommand=%(here)s/puppet\nredirect_stderr=true\nstartsecs=0\n",
    );
    daemon.await_state("x", "RUNNING");
    daemon.tell("x", "echo one; echo two; echo failed >&2");
    daemon.await_log_of("x", "one\ntwo\n");
    daemon
}

/// CTL-45, CTL-47.
fn tail_shows_the_end_of_a_log(subject: Subject) {
    let daemon = with_output(subject);
    daemon.ctl("tail x").says(0, "one\ntwo\n\n");
    daemon.ctl("tail x stdout").says(0, "one\ntwo\n\n");
    daemon.ctl("tail -3 x").says(0, "wo\n\n");
    daemon.ctl("tail -0 x").says(0, "one\ntwo\n\n");
    daemon.ctl("tail --5 x").says(0, "wo\n\n");
    daemon.ctl("tail -999999 x STDOUT").says(0, "one\ntwo\n\n");
    crate::support::eventually("stderr is logged", || {
        let told = daemon.ctl("tail x stderr");
        crate::support::so(told.stdout == "failed\n\n" && told.code == Some(0), format!("{told:?}"))
    });
    let long = "x".repeat(100);
    daemon.tell(
        "x",
        &format!("for i in 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9; do echo {long}; done; echo end"),
    );
    daemon.await_log_of("x", &("one\ntwo\n".to_owned() + &format!("{long}\n").repeat(20) + "end\n"));
    let told = daemon.ctl("tail x");
    assert_eq!(told.stdout.len(), 1601, "{told:?}");
    assert!(told.stdout.ends_with("x\nend\n\n"), "{told:?}");
}

/// CTL-46, CLI-90.
fn tail_refuses_what_it_cannot_do(subject: Subject) {
    let daemon = with_output(subject);
    let help = "tail [-f] <name> [stdout|stderr] (default stdout)\n\
                Ex:\n\
                tail -f <name>\t\tContinuous tail of named process stdout\n\
                \t\t\tCtrl-C to exit.\n\
                tail -100 <name>\tlast 100 *bytes* of process stdout\n\
                tail <name> stderr\tlast 1600 *bytes* of process stderr\n";
    daemon.ctl("tail").says(1, &format!("Error: too few arguments\n{help}"));
    daemon.ctl("tail x y z a").says(1, &format!("Error: too many arguments\n{help}"));
    daemon.ctl("tail -9").says(1, "Error: tail requires process name\n");
    daemon.ctl("tail -x x").says(1, "Error: bad argument -x\n");
    daemon.ctl("tail x sideways").says(1, "Error: bad channel 'sideways'\n");
    daemon.ctl("tail nobody").says(1, "nobody: ERROR (no such process name)\n");
    daemon.ctl("tail x:*").says(1, "x:*: ERROR (no such process name)\n");
    daemon.ctl("tail quiet").says(1, "quiet: ERROR (no log file)\n");
    daemon.ctl("tail one stderr").says(1, "one: ERROR (no log file)\n");
}

/// CTL-49.
fn maintail_shows_the_end_of_the_main_log(subject: Subject) {
    let daemon = with_output(subject);
    let told = daemon.ctl("maintail");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("INFO spawned: 'x' with pid "), "{told:?}");
    assert!(told.stdout.ends_with("\n\n"), "{told:?}");
    let told = daemon.ctl("maintail -20");
    assert_eq!((told.code, told.stdout.len()), (Some(0), 21), "{told:?}");
    daemon.ctl("maintail -x").says(1, "Error: bad argument -x\n");
    daemon.ctl("maintail 5").says(1, "Error: bad argument 5\n");
    daemon.ctl("maintail -5 x").says(
        1,
        "Error: too many arguments\n\
         maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)\n\
         maintail -100\tlast 100 *bytes* of supervisord main log file\n\
         maintail\tlast 1600 *bytes* of supervisor main log file\n\n",
    );
    std::fs::remove_file(daemon.home.path("main.log")).unwrap();
    daemon.ctl("maintail").says(1, "supervisord: ERROR (no log file)\n");
}

/// CTL-53.
fn clear_empties_the_logs_of_running_programs(subject: Subject) {
    let daemon = with_output(subject);
    daemon.ctl("clear x").says(0, "x: cleared\n");
    daemon.ctl("tail x").says(0, "\n");
    daemon.tell("x", "echo more");
    daemon.await_log_of("x", "more\n");
    daemon.ctl("clear nobody one").says(1, "nobody: ERROR (no such process)\none: cleared\n");
    daemon.ctl("clear all").says(0, "one: cleared\nquiet: cleared\nx: cleared\n");
    daemon.ctl("tail x").says(0, "\n");
    daemon.ctl("clear").says(
        1,
        "Error: clear requires a process name\n\
         clear <name>\t\tClear a process' log files.\n\
         clear <name> <name>\tClear multiple process' log files\n\
         clear all\t\tClear all process' log files\n",
    );
}

fn version_is_the_daemons(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    daemon.ctl("version").says(0, &format!("{}\n", subject.version()));
    let other = daemon.home.ctl_of(subject.other(), "version");
    other.says(0, &format!("{}\n", subject.version()));
    daemon.answers("getSupervisorVersion", json!([]), &format!("{:?}", subject.version()));
}

/// CTL-93. What `help` lists is held by the shell's own cases.
fn help_tells_the_syntax(subject: Subject) {
    let home = Home::with(subject, "");
    home.ctl("help bogus").says(0, "*** No help on bogus\n");
    for (topic, text) in [
        ("add", "add <name> [...]\tActivates any updates in config for process/group\n"),
        ("help", "help\t\tPrint a list of available actions\nhelp <action>\tPrint help for <action>\n"),
        (
            "pid",
            "pid\t\t\tGet the PID of supervisord.\npid <name>\t\tGet the PID of a single child process by name.\n\
             pid all\t\t\tGet the PID of every child process, one per line.\n",
        ),
        ("remove", "remove <name> [...]\tRemoves process/group from active config\n"),
        (
            "status",
            "status <name>\t\tGet status for a single process\nstatus <gname>:*\tGet status for all processes in a group\n\
             status <name> <name>\tGet status for multiple named processes\nstatus\t\t\tGet all process status info\n",
        ),
        (
            "update",
            "update\t\t\tReload config and add/remove as necessary, and will restart affected programs\n\
             update all\t\tReload config and add/remove as necessary, and will restart affected programs\n\
             update <gname> [...]\tUpdate specific groups\n",
        ),
    ] {
        let mut out = home.ctl(&format!("help {topic}"));
        out.stdout = without_flags(&out.stdout);
        out.says(0, text);
    }
    for topic in [
        "avail", "clear", "maintail", "reload", "reread", "restart", "shutdown", "signal", "start", "stop",
        "tail",
    ] {
        let (own, other) =
            (home.ctl(&format!("help {topic}")), home.ctl_of(subject.other(), &format!("help {topic}")));
        assert_eq!(
            (own.code, without_flags(&own.stdout)),
            (other.code, without_flags(&other.stdout)),
            "{topic}"
        );
    }
}

/// A help without the lines that only ours has: words with two dashes.
fn without_flags(help: &str) -> String {
    help.split_inclusive('\n').filter(|line| !line.contains(" --")).collect()
}

/// CLI-1 to CLI-7, CLI-16, CLI-50, CLI-53.
fn options_of_supervisorctl(subject: Subject) {
    let daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nautostart=false\n");
    let home = &daemon.home;
    let run = |args: &[&str]| home.run(home.command(subject, "supervisorctl", args));
    let line = "x                                STOPPED   Not started\n";
    let url = format!("unix://{}", home.path("s").display());
    run(&["-s", &url, "status"]).says(3, line);
    run(&["--serverurl", &url, "status", "x"]).says(3, line);
    run(&[&format!("--serveru={url}"), "status"]).says(3, line);
    run(&[&format!("-s{url}"), "--", "status"]).says(3, line);
    run(&["-c", "supervisord.conf", "status", "x", "x"]).says(3, &line.repeat(2));
    run(&["status", "x x"]).says(3, &line.repeat(2));
    let complains = |args: &[&str], text: &str| {
        let told = run(args);
        assert!(told.stderr.starts_with(&format!("Error: {text}\nFor help, use ")), "{text}: {told:?}");
        assert!(told.stderr.ends_with("supervisorctl -h\n"), "{told:?}");
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
    };
    complains(&["-c", "missing.conf", "status"], "could not find config file missing.conf");
    complains(&["-s", "foo", "status"], "invalid value for -s 'foo': value 'foo' is not a URL");
    complains(&["--serverurl", "foo"], "invalid value for --serverurl 'foo': value 'foo' is not a URL");
    complains(&["-s", "http://", "status"], "invalid value for -s 'http://': value 'http://' is not a URL");
    run(&["-s", "ftp://x/", "version"]).says(1, "error: <ANY>Unknown protocol for serverurl ftp://x/<ANY>\n");
    complains(&["--bogus"], "option --bogus not recognized");
    complains(&["-n"], "option -n not recognized");
    complains(&["-c"], "option -c requires argument");
    complains(&["-s", &url, "-s", &url, "status"], "conflicting command line option '-s'");
    for option in ["-h", "--help", "-?"] {
        let told = run(&[option]);
        let first = "supervisorctl -- control applications run by supervisord from the cmd line.\n\nUsage: ";
        assert!(told.stdout.starts_with(first), "{told:?}");
        let usage = told.stdout.lines().nth(2).unwrap();
        assert!(usage.ends_with("supervisorctl [options] [action [arguments]]"), "{usage}");
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{told:?}");
    }
}

/// CLI-50: a file without `[supervisorctl]`.
fn a_configuration_without_our_section(subject: Subject) {
    let home = Home::new(subject);
    home.write("supervisord.conf", "[supervisord]\n");
    let told = home.ctl("status");
    let text = ".ini file does not include supervisorctl section";
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
    assert!(told.stderr.starts_with(&format!("Error: {text}\nFor help, use ")), "{told:?}");
    // CLI-60: what it includes does not count.
    home.write("supervisord.conf", "[supervisord]\n[include]\nfiles=more\n");
    home.write("more", "[supervisorctl]\n");
    let told = home.ctl("status");
    assert!(told.stderr.starts_with(&format!("Error: {text}\n")), "{told:?}");
    // CLI-12: the current directory is searched, with no `-c` at all.
    let told = home.run(home.command(subject, "supervisorctl", &["status"]));
    assert!(told.stderr.starts_with(&format!("Error: {text}\n")), "{told:?}");
}

/// CLI-14, CLI-74.
fn without_a_configuration_the_default_port_is_tried(subject: Subject) {
    let home = Home::new(subject);
    let has_one = |path: &&str| std::fs::exists(path).unwrap();
    if ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"].iter().any(has_one)
        || std::net::TcpStream::connect("localhost:9001").is_ok()
    {
        // This machine runs one.
        return;
    }
    let told = home.run(home.command(subject, "supervisorctl", &["version"]));
    told.says(4, "http://localhost:9001 refused connection\n");
}
