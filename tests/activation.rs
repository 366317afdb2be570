//! Control sockets that somebody else has opened (sd_listen_fds(3)), without systemd.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use serde_json::json;
use support::{Daemon, Home, Subject, eventually, so};

const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";

/// A command that becomes the daemon, with this socket as its first, under this name.
fn passing(home: &Home, name: &str, socket: OwnedFd) -> std::process::Command {
    let daemon = home.daemon_command(&["-n", "-c", "supervisord.conf"]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=$0 exec \"$@\"", name])
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .env_clear()
        .envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(home.dir())
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null());
    shell
}

/// Connected and asked before there is a daemon; answered when there is one, and again after its restart.
#[test]
fn who_came_before_the_daemon_is_answered() {
    let home = Home::with(Subject::Ours, "[program:x]\ncommand=/bin/cat\n");
    let listener = UnixListener::bind(home.path("s")).unwrap();
    let mut early = UnixStream::connect(home.path("s")).unwrap();
    early.write_all(REQUEST.as_bytes()).unwrap();
    let command = passing(&home, "control", listener.into());
    let daemon = Daemon::spawn_command(home, command);
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") || answer.starts_with("HTTP/1.0 200 OK"), "{answer}");

    // A restart keeps the socket, and whoever comes meanwhile.
    daemon.must("restart", json!([]));
    eventually("it has started anew", || {
        let log = daemon.home.read("main.log");
        so(log.matches("supervisord started with pid").count() == 2, log.clone())
    });
    daemon.must("getState", json!([]));
    let log = daemon.home.read("main.log");
    assert!(!log.contains("Unlinking stale socket"), "{log}");

    // It is not ours to remove.
    let path = daemon.socket();
    daemon.must("shutdown", json!([]));
    eventually("it has ended", || so(UnixStream::connect(&path).is_err(), "somebody listens"));
    assert!(path.exists());
}

#[test]
fn a_port_is_taken_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let home = Home::with(Subject::Ours, &format!("[inet_http_server]\nport={address}\n"));
    let mut early = TcpStream::connect(address).unwrap();
    early.write_all(REQUEST.as_bytes()).unwrap();
    let command = passing(&home, "inet", listener.into());
    let _daemon = Daemon::spawn_command(home, command);
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 OK"), "{answer}");
}

#[test]
fn a_socket_of_another_place_is_refused_and_one_that_nobody_asks_for_is_told_of() {
    let home = Home::with(Subject::Ours, "[program:x]\ncommand=/bin/cat\n");
    let listener = UnixListener::bind(home.path("other")).unwrap();
    let refused = passing(&home, "control", listener.try_clone().unwrap().into()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("the socket 'control' of the service manager cannot be that of [unix_http_server]"),
        "{said}"
    );

    let command = passing(&home, "whatever", listener.into());
    let daemon = Daemon::spawn_command(home, command);
    eventually("it is told of", || {
        let log = daemon.home.read("main.log");
        so(log.contains("WARN the service manager has passed a socket 'whatever'"), log.clone())
    });
}
