//! supervisorctl: status and pid.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use serde_json::json;

use crate::support::{Daemon, Home, Subject};

compliance!(
    status_has_a_line_for_each_state,
    status_takes_names_and_groups_in_their_order,
    status_of_long_names_widens_the_column,
    status_exit_codes_tell_what_does_not_run,
    pid_tells_of_the_daemon_and_its_programs,
    nobody_listens,
    a_server_with_another_api_is_refused,
    a_password_is_wanted,
);

/// Programs that come to rest in each of the states.
const STATES: &str = "\
[program:running]\ncommand=%(here)s/puppet\nstartsecs=0\n
[program:starting]\ncommand=%(here)s/puppet\nstartsecs=600\n
[program:never]\ncommand=%(here)s/puppet\nautostart=false\n
[program:stopped]\ncommand=%(here)s/puppet\nstartsecs=0\n
[program:stubborn]\ncommand=/bin/sh -c \"trap '' TERM; echo x; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=600\n
[program:exited]\ncommand=%(here)s/puppet\nstartsecs=0\nautorestart=false\n
[program:fatal]\ncommand=%(here)s/missing\nstartretries=0\n
[program:backoff]\ncommand=%(here)s/missing\nstartretries=1000000\n
";

fn in_each_state(subject: Subject) -> Daemon {
    let daemon = Daemon::start(subject, STATES);
    for name in ["running", "stopped", "stubborn", "exited"] {
        daemon.await_state(name, "RUNNING");
    }
    daemon.must("stopProcess", json!(["stopped"]));
    daemon.tell("exited", "exit 0");
    // Its trap must be set before it is stopped.
    daemon.await_log_of("stubborn", "x\n");
    daemon.must("stopProcess", json!(["stubborn", false]));
    daemon.await_state("exited", "EXITED");
    daemon.await_state("fatal", "FATAL");
    daemon
}

fn status_has_a_line_for_each_state(subject: Subject) {
    let daemon = in_each_state(subject);
    daemon.ctl("status").says(
        3,
        "backoff                          BACKOFF   can't find command '<DIR>/missing'\n\
         exited                           EXITED    <WHEN>\n\
         fatal                            FATAL     can't find command '<DIR>/missing'\n\
         never                            STOPPED   Not started\n\
         running                          RUNNING   pid <PID>, uptime <UPTIME>\n\
         starting                         STARTING  \n\
         stopped                          STOPPED   <WHEN>\n\
         stubborn                         STOPPING  \n",
    );
}

/// Exit codes of the contract's chapter 1.6: CLI-80 to CLI-82.
fn status_exit_codes_tell_what_does_not_run(subject: Subject) {
    let daemon = in_each_state(subject);
    let code = |words: &str| daemon.ctl(&format!("status {words}")).code;
    assert_eq!(code("running starting backoff stubborn"), Some(0));
    for (words, expected) in [("never", 3), ("exited", 3), ("fatal", 3), ("nobody", 4), ("nobody never", 3)] {
        assert_eq!(code(words), Some(expected), "{words}");
    }
}

const GROUPS: &str = "\
[program:web]\ncommand=%(here)s/puppet\nautostart=false\nnumprocs=2\nprocess_name=%(program_name)s-%(process_num)d\n
[program:a]\ncommand=%(here)s/puppet\nautostart=false\n
[program:b]\ncommand=%(here)s/puppet\nautostart=false\n
[group:pair]\nprograms=b,a\n
[program:z]\ncommand=%(here)s/puppet\nautostart=false\n
";

fn status_takes_names_and_groups_in_their_order(subject: Subject) {
    let daemon = Daemon::start(subject, GROUPS);
    let line = |name: &str| format!("{name:<33}STOPPED   Not started\n");
    let lines = |names: &[&str]| names.iter().map(|name| line(name)).collect::<String>();
    let everything = lines(&["pair:a", "pair:b", "web:web-0", "web:web-1", "z"]);
    daemon.ctl("status").says(3, &everything);
    daemon.ctl("status z all nobody").says(3, &everything);
    daemon.ctl("status z pair:b z").says(3, &lines(&["z", "pair:b", "z"]));
    daemon.ctl("status web:* pair:").says(3, &lines(&["web:web-0", "web:web-1", "pair:a", "pair:b"]));
    daemon.ctl("status z nobody pair no:* web:no a -c").says(
        3,
        &("nobody: ERROR (no such process)\n\
           pair: ERROR (no such process)\n\
           no: ERROR (no such group)\n\
           web:no: ERROR (no such process)\n\
           a: ERROR (no such process)\n\
           -c: ERROR (no such process)\n"
            .to_owned()
            + &line("z")),
    );
    daemon.ctl("status nobody").says(4, "nobody: ERROR (no such process)\n");
}

fn status_of_long_names_widens_the_column(subject: Subject) {
    let long = "a-name-that-is-longer-than-thirty-characters";
    let text = format!(
        "[program:{long}]\ncommand=/bin/cat\nautostart=false\n[program:b]\ncommand=x\nautostart=false\n"
    );
    let daemon = Daemon::start(subject, &text);
    let width = long.len() + 3;
    let all = format!("{long}   STOPPED   Not started\n{:<width$}STOPPED   Not started\n", "b");
    daemon.ctl("status").says(3, &all);
    daemon.ctl("status b").says(3, "b                                STOPPED   Not started\n");
}

fn pid_tells_of_the_daemon_and_its_programs(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:a]\ncommand=/bin/cat\nstartsecs=0\n[program:b]\ncommand=/bin/cat\nautostart=false\n",
    );
    daemon.await_state("a", "RUNNING");
    let (own, a) = (daemon.pid, daemon.pid_of("a"));
    daemon.ctl("pid").says(0, &format!("{own}\n"));
    daemon.ctl("pid a").says(0, &format!("{a}\n"));
    daemon.ctl("pid all").says(0, &format!("{a}\n0\n"));
    daemon.ctl("pid b").says(7, "0\n");
    daemon.ctl("pid nobody a").says(1, &format!("No such process nobody\n{a}\n"));
    daemon.ctl("pid a:*").says(1, "No such process a:*\n");
}

/// CLI-73, CLI-74, CLI-78, CLI-79.
fn nobody_listens(subject: Subject) {
    let home = Home::with(subject, "");
    let missing = "unix://<DIR>/s no such file\n";
    for words in ["start x", "stop", "restart x", "signal TERM x", "tail x", "maintail", "clear x", "version"]
    {
        home.ctl(words).says(7, missing);
    }
    home.ctl("status").says(4, missing);
    home.ctl("shutdown").says(1, "ERROR: unix://<DIR>/s no such file (already shut down?)\n");
    // A socket file that nobody serves.
    drop(UnixListener::bind(home.path("s")).unwrap());
    let refused = "unix://<DIR>/s refused connection\n";
    home.ctl("status").says(4, refused);
    home.ctl("start x").says(4, refused);
    home.ctl("shutdown").says(1, "ERROR: unix://<DIR>/s refused connection (already shut down?)\n");
    for words in ["reread", "update", "add x", "remove x", "avail", "reload"] {
        let told = home.ctl(words);
        assert_eq!((told.code, told.stderr.as_str()), (Some(1), ""), "{told:?}");
        assert!(told.stdout.starts_with("error: "), "{told:?}");
    }
}

/// Answers every call at a socket with a version, for as long as the test program runs.
fn serve_version(home: &Home, version: &'static str) {
    let listener = UnixListener::bind(home.path("s")).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !request.ends_with(b"</methodCall>") && !request.ends_with(b"</methodCall>\n") {
                match stream.read(&mut piece) {
                    Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
                    _ => break,
                }
            }
            let body = format!(
                "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><string>{version}</string></value>\n\
                 </param>\n</params>\n</methodResponse>\n"
            );
            let head = "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/xml\r\n";
            // A client that has seen enough may be gone.
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
}

/// CLI-75.
fn a_server_with_another_api_is_refused(subject: Subject) {
    let home = Home::with(subject, "");
    serve_version(&home, "2.0");
    let told = "Sorry, this version of supervisorctl expects to talk to a server with API version 3.0, but the remote version is 2.0.\n";
    for words in
        ["start x", "stop x", "restart x", "signal TERM x", "tail x", "maintail", "clear x", "version", "pid"]
    {
        home.ctl(words).says(5, told);
    }
    home.ctl("status").says(4, told);
}

fn a_password_is_wanted(subject: Subject) {
    let sections =
        "[unix_http_server]\nusername=me\npassword=secret\n[program:a]\ncommand=/bin/cat\nautostart=false\n";
    let daemon = Daemon::start(subject, sections);
    let told = daemon.ctl("status");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.starts_with("Server requires authentication\n"), "{told:?}");
    let told = daemon.ctl("-u me -p wrong version");
    assert_eq!(told.code, Some(1), "{told:?}");
    daemon.ctl("-u me -p secret version").says(0, &format!("{}\n", subject.version()));
    let expected = "a                                STOPPED   Not started\n";
    daemon.ctl("--username me --password secret status").says(3, expected);
}
