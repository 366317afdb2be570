//! Signals to supervisord, restart, the pidfile and the socket file.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Daemon, Home, Subject, eventually, free_port, so};

compliance!(
    term_int_and_quit_end_it,
    hup_starts_again_in_the_same_process,
    a_restart_reads_the_configuration_again,
    term_turns_a_restart_into_an_end,
    the_pidfile_has_the_pid,
    a_pidfile_that_cannot_be_written_is_told,
    the_socket_has_its_mode,
    a_second_daemon_on_the_same_socket_is_refused,
    a_stale_socket_is_replaced,
    detached_it_leaves_the_terminal,
    detached_it_lets_go_of_whoever_started_it,
    without_the_interface_there_are_no_methods,
    a_port_is_served_and_served_again_after_a_restart,
    a_second_daemon_on_the_same_port_is_refused,
    a_backoff_does_not_hold_up_the_end,
    automatic_logs_stay_behind,
);

const ONE: &str = "[program:x]\ncommand=/bin/cat\nstartsecs=0\n";

/// SIG-1, SIG-18, CLI-44.
fn term_int_and_quit_end_it(subject: Subject) {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut daemon = Daemon::start(subject, ONE);
        daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
        let pid = daemon.pid_of("x");
        daemon.signal(signal);
        let status = daemon.await_end();
        assert_eq!(status.code(), Some(0), "{status}");
        daemon.logs(&[&format!("WARN received {} indicating exit request", signal.as_str())]);
        assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
        assert!(!daemon.socket().exists() && !daemon.home.path("pid").exists());
        let told = daemon.log();
        assert_eq!(told.last().unwrap(), "WARN stopped: x (terminated by SIGTERM)", "{told:#?}");
    }
}

/// SIG-2, SIG-19.
fn hup_starts_again_in_the_same_process(subject: Subject) {
    let mut daemon = Daemon::start(subject, ONE);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    let before = daemon.pid_of("x");
    daemon.signal(Signal::SIGHUP);
    daemon.await_line("WARN received SIGHUP indicating restart request");
    daemon.await_line("WARN stopped: x (terminated by SIGTERM)");
    let own = daemon.pid;
    daemon.await_line(&format!("INFO supervisord started with pid {own}"));
    daemon.await_line("INFO spawned: 'x' with pid <PID>");
    daemon.await_state("x", "RUNNING");
    assert_ne!(daemon.pid_of("x"), before);
    daemon.answers("getPID", json!([]), &own.to_string());
    assert_eq!(daemon.home.read("pid"), format!("{own}\n"));
}

/// SIG-19, CTL-80.
fn a_restart_reads_the_configuration_again(subject: Subject) {
    let mut daemon = Daemon::start(subject, ONE);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    daemon.home.configure("[supervisord]\nidentifier=second\n[program:y]\ncommand=/bin/cat\nstartsecs=0\n");
    daemon.ctl("reload").says(0, "Restarted supervisord\n");
    daemon.await_line("INFO supervisord started with pid <PID>");
    daemon.await_line("INFO spawned: 'y' with pid <PID>");
    daemon.answers("getIdentification", json!([]), "\"second\"");
    daemon.answers("getProcessInfo", json!(["x"]), "fault 10 BAD_NAME: x");
    daemon.await_state("y", "RUNNING");
}

/// SIG-4.
fn term_turns_a_restart_into_an_end(subject: Subject) {
    let sections = "[program:x]\ncommand=/bin/sh -c \"trap '' TERM; echo up; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=600\n";
    let mut daemon = Daemon::start(subject, sections);
    daemon.await_log_of("x", "up\n");
    let pid = daemon.pid_of("x");
    daemon.signal(Signal::SIGHUP);
    daemon.await_line("WARN received SIGHUP indicating restart request");
    daemon.signal(Signal::SIGTERM);
    daemon.await_line("WARN received SIGTERM indicating exit request");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(daemon.await_end().code(), Some(0));
    assert!(!daemon.socket().exists());
}

/// SIG-25.
fn the_pidfile_has_the_pid(subject: Subject) {
    let home = Home::with(subject, "");
    home.write("pid", "what was there before, and longer than a pid\n");
    let daemon = Daemon::start_in(home, &[]);
    assert_eq!(daemon.home.read("pid"), format!("{}\n", daemon.pid));
}

/// SIG-25: it goes on without one.
fn a_pidfile_that_cannot_be_written_is_told(subject: Subject) {
    let home = Home::with(subject, "");
    fs::create_dir(home.path("pid")).unwrap();
    let mut daemon = Daemon::spawn(home, &[]);
    daemon.await_line("CRIT could not write pidfile <DIR>/pid");
    daemon.answers("getState", json!([]), "{<ANY>}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end().code(), Some(0));
    assert!(daemon.home.path("pid").is_dir(), "it was not ours");
}

/// OPT-2, SIG-30.
fn the_socket_has_its_mode(subject: Subject) {
    let daemon = Daemon::start(subject, "[unix_http_server]\nchmod=0764\n");
    let meta = fs::metadata(daemon.socket()).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o764);
    // The name under which it was bound first is gone.
    let others: Vec<String> = daemon.home.files().into_iter().filter(|name| name.starts_with("s.")).collect();
    assert_eq!(others, Vec::<String>::new());
}

/// SIG-26, SIG-31, SIG-32.
fn a_second_daemon_on_the_same_socket_is_refused(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let told = daemon.home.supervisord(&[
        "-n",
        "-s",
        "-c",
        "supervisord.conf",
        "-l",
        "second.log",
        "-j",
        "second.pid",
        "-k",
    ]);
    told.complains(
        2,
        "Error: Another program is already listening on a port that one of our HTTP servers is configured to use.  \
         Shut this program down first before starting supervisord.\nFor help, use <ANY>supervisord -h\n",
    );
    assert!(!daemon.home.path("second.pid").exists());
    daemon.answers("getPID", json!([]), &daemon.pid.to_string());
    assert_eq!(daemon.home.read("pid"), format!("{}\n", daemon.pid));
}

/// SIG-31.
fn a_stale_socket_is_replaced(subject: Subject) {
    let home = Home::with(subject, ONE);
    drop(UnixListener::bind(home.path("s")).unwrap());
    let daemon = Daemon::start_in(home, &[]);
    daemon.answers("getPID", json!([]), &daemon.pid.to_string());
    assert_eq!(daemon.home.read("stderr"), "Unlinking stale socket <DIR>/s\n");
}

/// CLI-43, LOG-7.
fn detached_it_leaves_the_terminal(subject: Subject) {
    let home = Home::with(subject, &format!("[supervisord]\ndirectory=/\numask=077\n{ONE}"));
    fs::create_dir(home.path("sub")).unwrap();
    let sub = home.path("sub").display().to_string();
    let mut daemon = Daemon::start_detached(home, &["-d", &sub, "-m", "027"]);
    daemon.await_line("INFO daemonizing the supervisord process");
    daemon.await_line("INFO set current directory: '<DIR>/sub'");
    daemon.await_line(&format!("INFO supervisord started with pid {}", daemon.pid));
    daemon.await_state("x", "RUNNING");
    let proc = format!("/proc/{}", daemon.pid);
    assert_eq!(fs::read_link(format!("{proc}/cwd")).unwrap(), daemon.home.path("sub"));
    for fd in 0..3 {
        assert_eq!(fs::read_link(format!("{proc}/fd/{fd}")).unwrap().to_str(), Some("/dev/null"));
    }
    let stat = fs::read_to_string(format!("{proc}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!(
        (fields[3], fields[4]),
        (daemon.pid.to_string().as_str(), "0"),
        "a session of its own, and no terminal"
    );
    let status = fs::read_to_string(format!("{proc}/status")).unwrap();
    assert!(status.contains("\nUmask:\t0027\n"), "{status}");
    daemon.signal(Signal::SIGTERM);
    eventually("it has ended", || {
        so(
            !daemon.home.path("pid").exists() && !daemon.socket().exists(),
            format!("{:?}", daemon.home.files()),
        )
    });
}

/// CLI-43: who reads what it says to the end, as over ssh, comes to an end.
fn detached_it_lets_go_of_whoever_started_it(subject: Subject) {
    let home = Home::with(subject, ONE);
    home.supervisord(&["-c", "supervisord.conf"]).says(0, "");
    drop(Daemon::detached(home));
}

/// OPT-94, CTL-6, CLI-76.
fn without_the_interface_there_are_no_methods(subject: Subject) {
    let home = Home::with(subject, ONE);
    let text = home.read("supervisord.conf").replace("<DIR>", home.dir().to_str().unwrap());
    let start = text.find("[rpcinterface:supervisor]").unwrap();
    let end = text.find("[supervisorctl]").unwrap();
    home.write("supervisord.conf", [&text[..start], &text[end..]].concat());
    let daemon = Daemon::start_in(home, &[]);
    daemon.answers("getState", json!([]), "fault 1 UNKNOWN_METHOD");
    daemon.answers(
        "system.listMethods",
        json!([]),
        "[\"system.listMethods\", \"system.methodHelp\", \"system.methodSignature\", \"system.multicall\"]",
    );
    let sorry = "Sorry, supervisord responded but did not recognize the supervisor namespace commands that supervisorctl uses to \
                 control it.  Please check that the [rpcinterface:supervisor] section is enabled in the configuration file \
                 (see sample.conf).\n";
    daemon.ctl("status").says(4, sorry);
    daemon.ctl("pid").says(3, sorry);
}

/// OPT-6, CLI-61, SIG-19.
fn a_port_is_served_and_served_again_after_a_restart(subject: Subject) {
    let port = free_port();
    let sections = format!("[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n{ONE}");
    let mut daemon = Daemon::start(subject, &sections);
    daemon.await_line("INFO success: x entered RUNNING state, <ANY>");
    let told = daemon.log();
    assert_eq!(
        told.iter().filter(|line| *line == "INFO RPC interface 'supervisor' initialized").count(),
        2,
        "{told:#?}"
    );
    assert_eq!(told.iter().filter(|line| line.starts_with("CRIT Server ")).count(), 1, "{told:#?}");
    let url = format!("http://127.0.0.1:{port}/any/where");
    daemon.ctl(&format!("-s {url} -u me -p secret pid")).says(0, &format!("{}\n", daemon.pid));
    for _ in 0..2 {
        daemon.ctl("reload").says(0, "Restarted supervisord\n");
        daemon.await_line("INFO supervisord started with pid <PID>");
        daemon.ctl(&format!("-s {url} -u me -p secret pid")).says(0, &format!("{}\n", daemon.pid));
    }
    daemon.ctl(&format!("-s {url}/ -u me -p wrong shutdown"));
    daemon.answers("getState", json!([]), "{<ANY>}");
}

/// SIG-32.
fn a_second_daemon_on_the_same_port_is_refused(subject: Subject) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let home = Home::with(subject, &format!("[inet_http_server]\nport=127.0.0.1:{port}\n"));
    let told = home.supervisord(&["-n", "-s", "-c", "supervisord.conf"]);
    told.complains(
        2,
        "Error: Another program is already listening on a port that one of our HTTP servers is configured to use.  \
         Shut this program down first before starting supervisord.\nFor help, use <ANY>supervisord -h\n",
    );
    assert!(!home.path("s").exists() && !home.path("pid").exists(), "{:?}", home.files());
}

/// PRC-25.
fn a_backoff_does_not_hold_up_the_end(subject: Subject) {
    let mut daemon = Daemon::start(subject, "[program:x]\ncommand=%(here)s/missing\nstartretries=1000000\n");
    daemon.await_state("x", "BACKOFF");
    daemon.skip_log();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end().code(), Some(0));
    let told: Vec<String> = daemon.log().into_iter().filter(|line| !line.contains("spawnerr: ")).collect();
    assert!(
        told.last().unwrap().contains("received SIGTERM")
            || told.last().unwrap().contains("waiting for x to die"),
        "{told:#?}"
    );
}

/// LOG-29.
fn automatic_logs_stay_behind(subject: Subject) {
    let mut daemon =
        Daemon::start(subject, "[program:x]\ncommand=/bin/echo last words\nstartsecs=0\nautorestart=false\n");
    daemon.await_state("x", "EXITED");
    let log = daemon.info("x", "stdout_logfile").as_str().unwrap().to_owned();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end().code(), Some(0));
    assert_eq!(fs::read_to_string(log).unwrap(), "last words\n");
}
