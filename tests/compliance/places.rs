//! Values that name something of the machine: directories, files, users and addresses.

use serde_json::json;

use crate::support::home::Outcome;
use crate::support::{Daemon, Home, Paper, Subject};

compliance!(
    existing_directories,
    files_in_existing_directories,
    logs_of_programs,
    users,
    owners,
    addresses,
    which_paths_are_made_absolute,
    the_temporary_directory_is_the_first_that_can_be_used,
);

/// TYP-9.
fn existing_directories(subject: Subject) {
    let paper = Paper::new(subject);
    std::fs::create_dir(paper.home.path("d")).unwrap();
    for (text, path) in [
        ("d", "<DIR>/d"),
        ("~/d", "<DIR>/d"),
        ("~", "<DIR>"),
        ("/tmp", "/tmp"),
        (".", "<DIR>"),
        ("d/..", "<DIR>"),
    ] {
        for option in ["directory", "childlogdir"] {
            paper.daemon_has(&format!("{option}={text}"), option, path);
        }
    }
    for text in ["", "no", "/no/dir", "~/no", "puppet", "~no-such-user"] {
        for option in ["directory", "childlogdir"] {
            paper
                .daemon_refuses(&format!("{option}={text}"), &format!("{text} is not an existing directory"));
        }
    }
}

/// TYP-10.
fn files_in_existing_directories(subject: Subject) {
    let paper = Paper::new(subject);
    std::fs::create_dir(paper.home.path("d")).unwrap();
    for (text, path) in [
        ("x", "<DIR>/x"),
        ("d/x", "<DIR>/d/x"),
        ("./x", "<DIR>/x"),
        ("~/x", "<DIR>/x"),
        ("d/../x", "<DIR>/x"),
        ("/dev/null", "/dev/null"),
        ("/x", "/x"),
        ("d/", "<DIR>/d"),
    ] {
        for option in ["logfile", "pidfile"] {
            paper.daemon_has(&format!("{option}={text}"), option, path);
        }
    }
    for text in ["/no/dir/x", "no/x", "~/no/x", "puppet/x", "no/"] {
        let words = format!("The directory named as part of the path {text} does not exist");
        paper.daemon_refuses(&format!("logfile={text}"), &words);
        paper.daemon_refuses(&format!("pidfile={text}"), &words);
        paper.program_refuses(&format!("stdout_logfile={text}"), &words);
    }
}

/// TYP-11, LOG-40.
fn logs_of_programs(subject: Subject) {
    let paper = Paper::new(subject);
    for channel in ["stdout", "stderr"] {
        for (text, log) in [
            ("AUTO", "AUTO"),
            ("auto", "AUTO"),
            ("NONE", "NONE"),
            ("none", "NONE"),
            ("oFF", "NONE"),
            ("", "NONE"),
            ("syslog", "NONE"),
            ("x.log", "x.log"),
            ("~/x.log", "<DIR>/x.log"),
            ("/dev/stdout", "/dev/stdout"),
            ("/dev/fd/3", "/dev/fd/3"),
            ("automatic", "automatic"),
        ] {
            let options = format!("{channel}_logfile={text}");
            paper.program_has(&options, &format!("/{channel}/logfile"), log);
            paper.program_has(&options, &format!("/{channel}/syslog"), text == "syslog");
        }
        paper.program_has("", &format!("/{channel}/logfile"), "AUTO");
        let text = format!(
            "[supervisord]\n[program:x]\ncommand=x\n{channel}_logfile=SysLog\nnumprocs=2\nprocess_name=%(process_num)s\n"
        );
        let words = format!(
            "For [program:x], {channel}_logfile=syslog but this is deprecated and will be removed.  \
             Use {channel}_syslog=true to enable syslog instead."
        );
        paper.means(&text, "/warnings", json!([words]));
    }
}

/// TYP-12.
fn users(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, uid) in [("root", 0), ("0", 0), ("nobody", 65534), ("65534", 65534), ("+0", 0)] {
        paper.program_has(&format!("user={text}"), "/uid", uid);
        paper.daemon_has(&format!("user={text}"), "uid", uid);
    }
    for (text, kind) in [
        ("no-such", "name"),
        ("", "name"),
        ("root:root", "name"),
        ("4000000", "id"),
        ("-1", "id"),
        ("-2", "id"),
    ] {
        let words = format!("Invalid user {kind} {text}");
        paper.program_refuses(&format!("user={text}"), &words);
        paper.daemon_refuses(&format!("user={text}"), &words);
    }
}

/// TYP-13.
fn owners(subject: Subject) {
    let paper = Paper::new(subject);
    let unix = |owner: &str| format!("[supervisord]\n[unix_http_server]\nfile=/s\nchown={owner}\n");
    let fcgi = |owner: &str| {
        format!("[supervisord]\n[fcgi-program:x]\ncommand=x\nsocket=unix:///s\nsocket_owner={owner}\n")
    };
    for (text, ids) in [
        ("root", json!([0, -1])),
        ("0", json!([0, -1])),
        ("nobody:nogroup", json!([65534, 65534])),
        ("0:0", json!([0, 0])),
        ("root:65534", json!([0, 65534])),
    ] {
        paper.means(&unix(text), "/servers/0/chown", ids.clone());
        paper.means(&fcgi(text), "/groups/0/socket/owner", ids);
    }
    for text in ["", "no-such", "4000000", "root:no-such", "root:4000000", "root:", ":root", "root:root:root"]
    {
        paper.refuses(unix(text), &format!("Invalid sockchown value {text}"));
        paper.refuses(fcgi(text), &format!("Invalid socket_owner value {text}"));
    }
}

/// TYP-14, OPT-6.
fn addresses(subject: Subject) {
    let paper = Paper::new(subject);
    let server = |port: &str| format!("[supervisord]\n[inet_http_server]\nport={port}\ninsecure=true\n");
    for (text, host, port) in [
        ("9001", "", 9001),
        (":9001", "", 9001),
        ("*:9001", "", 9001),
        ("LocalHost:80", "localhost", 80),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("h:1", "h", 1),
        ("a:b:1", "a:b", 1),
        ("[::1]:80", "[::1]", 80),
        ("+5", "", 5),
    ] {
        paper.means(&server(text), "/servers/0/host", host);
        paper.means(&server(text), "/servers/0/port", port);
    }
    for (text, words) in [
        ("", "not a valid port number: '' "),
        ("x", "not a valid port number: 'x' "),
        ("0", "not a valid port number: '0' "),
        ("65536", "not a valid port number: '65536' "),
        ("h:0", "0 is below lower bound (1)"),
        ("h:-1", "-1 is below lower bound (1)"),
        ("h:65536", "65536 is above upper bound (65535)"),
        ("h:x", "invalid literal for int() with base 10: 'x'"),
        ("h:", "no port number specified in ''"),
        ("::", "no port number specified in ''"),
    ] {
        paper.refuses(server(text), words);
    }
}

/// TYP-16.
fn which_paths_are_made_absolute(subject: Subject) {
    let paper = Paper::new(subject);
    std::fs::create_dir(paper.home.path("d")).unwrap();
    for (text, path) in [
        ("d/../x", "<DIR>/x"),
        ("~/x", "<DIR>/x"),
        ("./x", "<DIR>/x"),
        ("no/../x", "<DIR>/x"),
        ("/tmp/.//x", "/tmp/x"),
    ] {
        paper.means(&format!("[supervisord]\n[unix_http_server]\nfile={text}\n"), "/servers/0/file", path);
        let client =
            paper.client(&format!("[supervisorctl]\nserverurl=unix://{text}\nhistory_file={text}\n"));
        assert_eq!(client["serverurl"], format!("unix://{path}"));
        assert_eq!(client["history_file"], path);
    }
    paper.daemon_has("logfile=d/../x", "logfile", "<DIR>/x");
    paper.daemon_has("pidfile=d/../x", "pidfile", "<DIR>/x");
    paper.program_has("stdout_logfile=d/../x", "/stdout/logfile", "d/../x");
    paper.program_has("stderr_logfile=./x", "/stderr/logfile", "./x");
    for directory in ["d/..", "~", "no/such", ""] {
        paper.program_has(&format!("directory={directory}"), "/directory", directory);
    }
}

/// OPT-21, CLI-11.
fn the_temporary_directory_is_the_first_that_can_be_used(subject: Subject) {
    let home = Home::with(subject, "[program:x]\ncommand=/bin/cat\nautostart=false\n");
    std::fs::create_dir(home.path("t")).unwrap();
    let mut command = home.command(subject, "supervisord", &["-c", "supervisord.conf"]);
    command.envs([("TMPDIR", home.path("missing")), ("TEMP", home.path("puppet")), ("TMP", home.path("t"))]);
    let Outcome { code, .. } = home.run(command);
    assert_eq!(code, Some(0));
    let daemon = Daemon::detached(home);
    let log = daemon.info("x", "stdout_logfile");
    assert!(log.as_str().unwrap().starts_with(daemon.home.path("t").to_str().unwrap()), "{log:?}");
}
