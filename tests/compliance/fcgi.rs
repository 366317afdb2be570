//! FastCGI programs: a listening socket that the processes of a program share.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;

use serde_json::json;

use crate::support::{Daemon, Home, Subject, eventually, so};

compliance!(
    processes_share_a_unix_socket,
    a_port_is_opened_and_closed_with_its_program,
    programs_of_a_group_may_be_fastcgi
);

/// Answers each connection with its pid.
const SERVER: &str = "\
import os, socket
s = socket.socket(fileno=os.dup(0))
while True:
    c, _ = s.accept()
    c.sendall(str(os.getpid()).encode())
    c.close()
";

fn home(subject: Subject, sections: &str) -> Home {
    let home = Home::with(subject, sections);
    home.write("server.py", SERVER);
    home
}

/// FCG-1, FCG-2, FCG-4, FCG-5, FCG-11, OPT-80, OPT-83.
fn processes_share_a_unix_socket(subject: Subject) {
    let home = home(
        subject,
        "[fcgi-program:web]\ncommand=python3 %(here)s/server.py\nsocket=unix://%(here)s/web.sock\nsocket_mode=0660\n\
         socket_backlog=16\nprocess_name=%(program_name)s_%(process_num)d\nnumprocs=2\n",
    );
    // What is there already makes way.
    drop(std::os::unix::net::UnixListener::bind(home.path("web.sock")).unwrap());
    let mut daemon = Daemon::start_in(home, &[]);
    daemon.await_state("web:web_0", "RUNNING");
    daemon.await_state("web:web_1", "RUNNING");
    let path = daemon.home.path("web.sock");
    let file = path.metadata().unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.mode() & 0o777, 0o660);
    let pids = [daemon.pid_of("web:web_0"), daemon.pid_of("web:web_1")];
    let mut said = String::new();
    UnixStream::connect(&path).unwrap().read_to_string(&mut said).unwrap();
    assert!(pids.contains(&said.parse().unwrap()), "{said} of {pids:?}");
    daemon.answers("sendProcessStdin", json!(["web:web_0", "x"]), "fault 20 NO_FILE: web:web_0");
    daemon.answers("stopProcess", json!(["web:web_0"]), "true");
    said.clear();
    UnixStream::connect(&path).unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, pids[1].to_string(), "the socket stays for the other");
    daemon.answers("stopProcess", json!(["web:web_1"]), "true");
    daemon.await_line("INFO Closing socket unix://<DIR>/web.sock");
    eventually("nobody listens", || so(UnixStream::connect(&path).is_err(), "somebody answers"));
}

/// FCG-2, FCG-5.
fn a_port_is_opened_and_closed_with_its_program(subject: Subject) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = home(
        subject,
        &format!(
            "[fcgi-program:t]\ncommand=python3 %(here)s/server.py\nsocket=tcp://LocalHost:{port}\nautostart=false\n"
        ),
    );
    let mut daemon = Daemon::start_in(home, &[]);
    daemon.answers("startProcess", json!(["t"]), "true");
    daemon.await_line(&format!("INFO Creating socket tcp://localhost:{port}"));
    let mut said = String::new();
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, daemon.pid_of("t").to_string());
    daemon.answers("stopProcess", json!(["t"]), "true");
    daemon.await_line(&format!("INFO Closing socket tcp://localhost:{port}"));
    eventually("the port is free", || so(TcpListener::bind(("127.0.0.1", port)).is_ok(), "it is not"));
}

/// OPT-75.
fn programs_of_a_group_may_be_fastcgi(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[fcgi-program:f]\ncommand=/bin/cat\nsocket=unix://%(here)s/f.sock\nautostart=false\n\
         [program:p]\ncommand=/bin/cat\nautostart=false\n[group:g]\nprograms=p,f\n",
    );
    daemon.ctl("status").says(3, "g:f                              STOPPED   Not started\ng:p                              STOPPED   Not started\n");
}
