//! The sections: their options, what they are when they are left out, and what goes together.

use serde_json::{Value as Json, json};

use crate::support::reading::Reader;
use crate::support::{Daemon, Home, Paper, Subject};

compliance!(
    unix_servers,
    inet_servers,
    a_login_is_both_or_neither,
    the_daemon_has_its_defaults,
    every_option_of_the_daemon_is_read,
    the_main_log_has_no_special_names_but_syslog,
    options_of_the_daemon_wait_for_a_restart,
    supervisorctl_has_its_defaults,
    supervisorctl_reads_its_section,
    python_code_cannot_be_loaded,
    factories_must_be_named,
    the_owner_and_the_mode_of_the_socket,
    the_file_can_keep_it_in_the_foreground,
);

/// OPT-1, OPT-2, OPT-3.
fn unix_servers(subject: Subject) {
    let paper = Paper::new(subject);
    let server = "[supervisord]\n[unix_http_server]\n";
    let expected = json!([{
        "section": "unix_http_server", "file": "<DIR>/s", "chmod": 0o700, "chown": [-1, -1], "username": null, "password": null
    }]);
    paper.means(&format!("{server}file= s \n"), "/servers", expected);
    paper.means(&format!("{server}file=s\nchmod=0777\n"), "/servers/0/chmod", 0o777);
    paper.refuses(server, "section [unix_http_server] has no file value");
    paper.refuses("[supervisord]\n[unix_http_server:b]\n", "section [unix_http_server:b] has no file value");
    for mode in ["", "9", "rwx"] {
        paper.refuses(format!("{server}file=s\nchmod={mode}\n"), &format!("Invalid chmod value {mode}"));
    }
}

/// OPT-6, OPT-7, OPT-8.
fn inet_servers(subject: Subject) {
    let paper = Paper::new(subject);
    let server = "[supervisord]\n[inet_http_server]\n";
    let expected = json!([{"section": "inet_http_server", "host": "h", "port": 1, "username": "u", "password": "{SHA}0a"}]);
    paper.means(&format!("{server}port=H:1\nusername=u\npassword={{SHA}}0a\n"), "/servers", expected);
    paper.refuses(server, "section [inet_http_server] has no port value");
}

/// OPT-4, OPT-5, OPT-7, OPT-8.
fn a_login_is_both_or_neither(subject: Subject) {
    let paper = Paper::new(subject);
    for (section, own) in [("unix_http_server", "file=s"), ("inet_http_server:b", "port=1\ninsecure=true")] {
        let text = |login: &str| format!("[supervisord]\n[{section}]\n{own}\n{login}\n");
        let words = format!(
            "Section [{section}] contains incomplete authentication: If a username or a password is specified, both the \
             username and password must be specified"
        );
        paper.refuses(text("username=u"), &words);
        paper.refuses(text("password=p"), &words);
        paper.refuses(text("username="), &words);
        paper.means(&text("username=u\npassword=p"), "/servers/0/username", "u");
        paper.means(&text("username=u\npassword="), "/servers/0/password", "");
        // Without a name nobody is asked.
        paper.means(&text("username=\npassword="), "/servers/0/username", Json::Null);
    }
}

/// OPT-10 to OPT-26.
fn the_daemon_has_its_defaults(subject: Subject) {
    let expected = json!({
        "logfile": "<DIR>/supervisord.log",
        "logfile_maxbytes": 50 << 20,
        "logfile_backups": 10,
        "loglevel": 20,
        "pidfile": "<DIR>/supervisord.pid",
        "umask": 0o22,
        "nodaemon": false,
        "silent": false,
        "minfds": 1024,
        "minprocs": 200,
        "nocleanup": false,
        "childlogdir": "<DIR>",
        "uid": null,
        "directory": null,
        "strip_ansi": false,
        "environment": {},
        "identifier": "supervisor",
    });
    Paper::new(subject).means("[supervisord]\n", "/supervisord", expected);
}

/// OPT-10 to OPT-26.
fn every_option_of_the_daemon_is_read(subject: Subject) {
    let text = "[supervisord]\nlogfile=%(here)s/l\nlogfile_maxbytes=1KB\nlogfile_backups=2\nloglevel=debug\npidfile=%(here)s/p\n\
                umask=077\nnodaemon=true\nsilent=true\nminfds=3\nminprocs=4\nnocleanup=true\nchildlogdir=/tmp\nuser=root\n\
                directory=/\nstrip_ansi=true\nenvironment=A=\"1\"\nidentifier=i\n";
    let expected = json!({
        "logfile": "<DIR>/l",
        "logfile_maxbytes": 1024,
        "logfile_backups": 2,
        "loglevel": 10,
        "pidfile": "<DIR>/p",
        "umask": 0o77,
        "nodaemon": true,
        "silent": true,
        "minfds": 3,
        "minprocs": 4,
        "nocleanup": true,
        "childlogdir": "/tmp",
        "uid": 0,
        "directory": "/",
        "strip_ansi": true,
        "environment": {"A": "1"},
        "identifier": "i",
    });
    Paper::new(subject).means(text, "/supervisord", expected);
}

/// OPT-10.
fn the_main_log_has_no_special_names_but_syslog(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, file) in [
        ("syslog", "syslog"),
        ("NONE", "<DIR>/NONE"),
        ("AUTO", "<DIR>/AUTO"),
        ("Syslog", "<DIR>/Syslog"),
        ("", "<DIR>"),
    ] {
        paper.daemon_has(&format!("logfile={text}"), "logfile", file);
    }
    paper.home.configure("[supervisord]\nlogfile=\n");
    let told = paper.home.supervisord(&["-n", "-c", "supervisord.conf"]);
    assert_ne!(told.code, Some(0), "{told:?}");
}

/// What ours does better: RE-8.
fn options_of_the_daemon_wait_for_a_restart(subject: Subject) {
    let daemon = Daemon::start(subject, "[supervisord]\nidentifier=before\n");
    daemon.home.configure("[supervisord]\nidentifier=after\nlogfile=main.log\npidfile=pid\n");
    daemon.answers("reloadConfig", json!([]), "[[[], [], []]]");
    let expected = if subject == Subject::Ours { "\"before\"" } else { "\"after\"" };
    daemon.answers("getIdentification", json!([]), expected);
}

/// OPT-30 to OPT-34, CLI-57.
fn supervisorctl_has_its_defaults(subject: Subject) {
    let expected = json!({
        "serverurl": "http://localhost:9001", "username": null, "password": null, "prompt": "supervisor", "history_file": null
    });
    assert_eq!(Paper::new(subject).client("[supervisorctl]\n"), expected);
}

/// OPT-30 to OPT-34, INI-60, INI-61.
fn supervisorctl_reads_its_section(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "[supervisorctl]\nserverurl=unix://s\nusername=u\npassword={SHA}x\nprompt=\nhistory_file=%(here)s/h\n";
    let expected = json!({
        "serverurl": "unix://<DIR>/s", "username": "u", "password": "{SHA}x", "prompt": "", "history_file": "<DIR>/h"
    });
    assert_eq!(paper.client(text), expected);
    // The address is not looked at, and a file without a name is none.
    let odd = paper.client("[supervisorctl]\nserverurl=foo\nhistory_file=\n");
    assert_eq!((&odd["serverurl"], &odd["history_file"]), (&json!("foo"), &Json::Null));
    assert_eq!(paper.client("[DEFAULT]\nusername=d\n[supervisorctl]\n")["username"], "d");
}

/// OPT-87, OPT-93, OPT-95, OPT-96.
fn python_code_cannot_be_loaded(subject: Subject) {
    let paper = Paper::new(subject);
    let listener = "[supervisord]\n[eventlistener:x]\ncommand=x\nevents=EVENT\nresult_handler=";
    paper.refuses(
        format!("{listener}no.such:thing\n"),
        "no.such:thing cannot be resolved within [eventlistener:x]",
    );
    paper.means(&format!("{listener}supervisor.dispatchers:default_handler\n"), "/groups/0/name", "x");
    let interface = "[supervisord]\n[rpcinterface:x]\nsupervisor.rpcinterface_factory=no.such:thing\n";
    let plugin = "[supervisorctl]\n[ctlplugin:x]\nsupervisor.ctl_factory=no.such:thing\n";
    match subject {
        Subject::Theirs => {
            paper.refuses(interface, "no.such:thing cannot be resolved within [rpcinterface:x]");
            paper.client_refuses(plugin, "no.such:thing cannot be resolved within [ctlplugin:x]");
        }
        Subject::Ours => {
            paper.means(interface, "/groups", json!([]));
            assert_eq!(paper.client(plugin)["prompt"], "supervisor");
            let told = paper.home.ctl("help");
            let warning = "warning: no.such:thing cannot be resolved within [ctlplugin:x]: it is Python code, and its actions are \
                           not there in section 'ctlplugin:x' (file: '<DIR>/supervisord.conf', line 3)\n";
            assert_eq!((told.code, told.stderr.as_str()), (Some(0), warning));
        }
    }
}

/// OPT-93, OPT-95.
fn factories_must_be_named(subject: Subject) {
    let paper = Paper::new(subject);
    let interface = "[supervisord]\n[rpcinterface:x]\n";
    paper.refuses(interface, "section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory");
    let plugin = "[supervisorctl]\n[ctlplugin:x]\n";
    paper.client_refuses(plugin, "section [ctlplugin:x] does not specify a supervisor.ctl_factory");
    // Each program reads its own.
    paper.means("[supervisord]\n[ctlplugin:x]\n", "/groups", json!([]));
    assert!(matches!(
        paper.read_by(Reader::Client, "[supervisorctl]\n[rpcinterface:x]\n"),
        crate::support::reading::Reading::Settings(_)
    ));
}

/// OPT-2, OPT-3.
fn the_owner_and_the_mode_of_the_socket(subject: Subject) {
    use std::os::unix::fs::MetadataExt as _;
    let home = Home::with(subject, "[unix_http_server]\nchmod=0751\nchown=nobody:nogroup\n");
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Only root may give it away.
        return;
    }
    let daemon = Daemon::start_in(home, &[]);
    let socket = std::fs::metadata(daemon.socket()).unwrap();
    assert_eq!((socket.mode() & 0o7777, socket.uid(), socket.gid()), (0o751, 65534, 65534));
}

/// OPT-16.
fn the_file_can_keep_it_in_the_foreground(subject: Subject) {
    let home = Home::with(subject, "[supervisord]\nnodaemon=true\nsilent=true\n");
    let mut child = home.daemon_command(&["-c", "supervisord.conf"]).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let daemon = Daemon::adopt(home, pid);
    daemon.await_file("pid", &format!("{pid}\n"));
    drop(daemon);
    assert!(child.wait().is_ok());
}
