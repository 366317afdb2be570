//! What ours does for the safety of its control sockets; Supervisor has none of it.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use serde_json::json;
use supervisord::wire::xmlrpc::{Call, encode_call};
use support::pattern::assert_like;
use support::{Daemon, Home, Subject, eventually, free_port};

const PROGRAM: &str = "[program:x]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";

fn start(sections: &str) -> Daemon {
    Daemon::start_in(Home::with(Subject::Ours, sections), &[])
}

#[test]
fn every_change_is_logged_with_who_asked() {
    let daemon = start(PROGRAM);
    daemon.answers("getAllProcessInfo", json!([]), "[<ANY>]");
    daemon.answers("startProcess", json!(["x"]), "true");
    daemon.answers("stopProcessGroup", json!(["x", false]), "[<ANY>]");
    daemon.answers("signalAllProcesses", json!(["HUP"]), "[<ANY>]");
    daemon.answers("startProcess", json!(["a\nb"]), "fault 10 BAD_NAME: a\nb");
    let (uid, pid) = (nix::unistd::getuid(), std::process::id());
    let by = format!("requested by uid {uid} (pid {pid}) over unix socket");
    let expected = ["start of 'x'", "stop of 'x:*'", "signal SIGHUP to 'all'", "start of 'a\\nb'"];
    assert_eq!(daemon.wishes(), expected.map(|wish| format!("{wish} {by}")));
}

#[test]
fn the_name_that_was_proved_is_logged() {
    let daemon = start(
        "[unix_http_server]\nusername=me\npassword=secret\n[supervisorctl]\nusername=me\npassword=secret\n",
    );
    daemon.home.ctl("reread").says(0, "No config updates to processes\n");
    assert_eq!(daemon.wishes().len(), 1);
    assert_like(
        &daemon.wishes()[0],
        "reread of the configuration requested by user 'me', uid <N> (pid <N>) over unix socket",
        "who asked",
    );
}

#[test]
fn a_server_that_is_read_only_changes_nothing() {
    let daemon = start(&format!("[unix_http_server]\nreadonly=true\n{PROGRAM}"));
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>\"statename\": \"STOPPED\"<ANY>}");
    daemon.answers("readLog", json!([0, 10]), "\"<ANY>\"");
    let refused = "this server is read-only: its section of the configuration says readonly=true";
    for (method, params) in [
        ("startProcess", json!(["x"])),
        ("signalAllProcesses", json!(["X"])),
        ("clearLog", json!([])),
        ("reloadConfig", json!([])),
        ("sendRemoteCommEvent", json!(["a", "b"])),
        ("shutdown", json!([])),
    ] {
        daemon.answers(method, params, &format!("fault 30 FAILED: {refused}"));
    }
    let calls = json!([[{"methodName": "supervisor.startProcess", "params": ["x"]}, {"methodName": "supervisor.getAPIVersion"}]]);
    let expected = format!("[{{\"faultCode\": 30, \"faultString\": \"FAILED: {refused}\"}}, \"3.0\"]");
    daemon.answers("system.multicall", calls, &expected);
    assert_eq!(daemon.wishes(), Vec::<String>::new());
}

/// Posts a call with these headers, and gives the status and the answer.
fn post(mut stream: impl Read + Write, headers: &str, method: &str) -> (u16, String) {
    let document = encode_call(&Call { method: format!("supervisor.{method}"), params: vec![] });
    let length = document.len();
    let head =
        format!("POST /RPC2 HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + &document).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn a_server_that_everybody_reaches_needs_a_password_or_a_word() {
    let port = free_port();
    for address in [format!("*:{port}"), port.to_string(), format!("0.0.0.0:{port}"), format!("[::]:{port}")]
    {
        let home = Home::with(Subject::Ours, &format!("[inet_http_server]\nport={address}\n"));
        let told = home.supervisord(&["-n", "-c", "supervisord.conf"]);
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        for part in [
            "[inet_http_server] would let everybody who can reach this machine run programs",
            "insecure=true",
        ] {
            assert!(told.stderr.contains(part), "{told:?}");
        }
        assert_eq!(home.files(), ["puppet", "supervisord.conf"]);
    }
    let address = format!("port=*:{port}\n");
    for (more, warned) in [("insecure=true\n", true), ("username=me\npassword=secret\n", false)] {
        let daemon = start(&format!("[inet_http_server]\n{address}{more}"));
        let line = "CRIT Server 'inet_http_server' running without any HTTP authentication checking";
        assert_eq!(daemon.log().iter().any(|found| found == line), warned, "{:#?}", daemon.log());
    }
}

#[test]
fn a_salted_hash_is_made_and_lets_in() {
    let home = Home::new(Subject::Ours);
    let mut make = home.command(Subject::Ours, "supervisord", &["--password-hash"]);
    home.write("password", "se:cret \u{e9}\n");
    make.stdin(fs::File::open(home.path("password")).unwrap());
    let made = home.run(make);
    assert!(made.code == Some(0) && made.stdout.starts_with("$pbkdf2-sha256$i=600000$"), "{made:?}");
    home.configure(&format!(
        "[unix_http_server]\nusername=me\npassword={}[supervisorctl]\nusername=me\npassword=se:cret \u{e9}\n",
        made.stdout
    ));
    let daemon = Daemon::start_in(home, &[]);
    daemon.home.ctl("reread").says(0, "No config updates to processes\n");
    let wrong = [made.stdout.trim(), ""];
    for password in wrong {
        let args = ["-c", "supervisord.conf", "-u", "me", "-p", password, "pid"];
        let told = daemon.home.run(daemon.home.command(Subject::Ours, "supervisorctl", &args));
        assert!(told.code != Some(0) && told.stdout.contains("Server requires authentication"), "{told:?}");
    }
    daemon.home.write("empty", "");
    let mut make = daemon.home.command(Subject::Ours, "supervisord", &["--password-hash"]);
    make.stdin(fs::File::open(daemon.home.path("empty")).unwrap());
    assert_eq!(daemon.home.run(make).code, Some(2));
    let broken =
        Home::with(Subject::Ours, "[unix_http_server]\nusername=me\npassword=$pbkdf2-sha256$i=1$x\n");
    let told = broken.supervisord(&["-n", "-c", "supervisord.conf"]);
    assert!(
        told.code == Some(2) && told.stderr.contains("begins like a salted hash, and is none"),
        "{told:?}"
    );
}

#[test]
fn what_a_stranger_makes_a_browser_ask_is_refused() {
    let port = free_port();
    let daemon = start(&format!("[inet_http_server]\nport=127.0.0.1:{port}\nhosts=box.example\n{PROGRAM}"));
    let tcp = |headers: &str| post(TcpStream::connect(("127.0.0.1", port)).unwrap(), headers, "getState");
    let unix = |headers: &str| post(UnixStream::connect(daemon.socket()).unwrap(), headers, "getState");
    for headers in [
        "",
        "Host: localhost\r\n",
        "Host: box.example\r\n",
        &format!("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"),
        "Host: 127.0.0.1\r\nOrigin: https://box.example\r\n",
        "Host: 127.0.0.1\r\nOrigin: https://elsewhere.example\r\nSec-Fetch-Site: same-origin\r\n",
    ] {
        assert_eq!(tcp(headers).0, 200, "{headers}");
    }
    for headers in [
        "Host: elsewhere.example\r\n",
        "Host: elsewhere.example\r\nOrigin: http://elsewhere.example\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: 127.0.0.1\r\nOrigin: https://elsewhere.example\r\n",
        "Host: 127.0.0.1\r\nOrigin: null\r\n",
        "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let (code, answer) = tcp(headers);
        assert!(code == 403 && answer.contains("hosts="), "{headers}: {answer}");
    }
    // No name leads to a unix socket, but a proxy may.
    assert_eq!(unix("Host: elsewhere.example\r\n").0, 200);
    assert_eq!(unix("Host: x\r\nOrigin: https://elsewhere.example\r\n").0, 403);
    // What only looks may come from a link, but not under a name of somebody else's: that page could read the answer.
    for (head, code) in [
        ("", "200 OK"),
        ("Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n", "200 OK"),
        ("Host: elsewhere.example\r\n", "403 Forbidden"),
    ] {
        for page in ["/", "/ok.html", "/tail.html?processname=x", "/logtail/x", "/mainlogtail", "/events"] {
            let answer = look(port, page, head);
            assert!(answer.starts_with(&format!("HTTP/1.1 {code}\r\n")), "{page}: {answer}");
        }
    }
}

/// The first line of what a place answers, and perhaps more.
fn look(port: u16, page: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(format!("GET {page} HTTP/1.1\r\n{head}\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_server_with_a_password_may_have_any_name() {
    let port = free_port();
    let daemon = start(&format!("[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n"));
    let tcp = |headers: &str| post(TcpStream::connect(("127.0.0.1", port)).unwrap(), headers, "getState").0;
    let proved = "Authorization: Basic bWU6c2VjcmV0\r\n";
    assert_eq!(tcp(&format!("Host: elsewhere.example\r\n{proved}")), 200);
    assert_eq!(tcp("Host: elsewhere.example\r\n"), 401);
    let wrong = "Authorization: Basic bWU6d3Jvbmc=\r\n";
    assert_eq!(tcp(wrong), 401);
    assert_eq!(tcp(&format!("Host: box\r\nOrigin: http://elsewhere.example\r\n{proved}")), 403);
    // Whoever says nothing does not guess.
    let refused = eventually("a line about the wrong password", || {
        let found: Vec<String> = daemon.log().into_iter().filter(|line| line.contains("wrong")).collect();
        if found.is_empty() { Err(daemon.log().join("\n")) } else { Ok(found) }
    });
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert_like(&refused[0], "WARN wrong user name or password from 127.0.0.1:<N> over TCP", "who guesses");
}

#[test]
fn programs_may_call_a_server_that_is_open_on_purpose_by_any_name() {
    let port = free_port();
    let _daemon = start(&format!("[inet_http_server]\nport=*:{port}\ninsecure=true\n"));
    let tcp = |headers: &str| post(TcpStream::connect(("127.0.0.1", port)).unwrap(), headers, "getState").0;
    assert_eq!(tcp("Host: worker:9001\r\n"), 200);
    assert_eq!(tcp("Host: worker:9001\r\nOrigin: http://worker:9001\r\n"), 403);
    let looks = |head: &str| look(port, "/", &format!("Host: worker:9001\r\n{head}"));
    assert_eq!(looks("User-Agent: curl/7.88.1\r\n"), "HTTP/1.1 200 OK\r\n");
    assert_eq!(looks("User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"), "HTTP/1.1 403 Forbidden\r\n");
}

#[test]
fn servers_listen_on_ipv6() {
    let Ok(free) = TcpListener::bind("[::1]:0") else { return };
    let port = free.local_addr().unwrap().port();
    drop(free);
    let daemon = start(&format!(
        "[inet_http_server]\nport=[::1]:{port}\n[supervisorctl]\nserverurl=http://[::1]:{port}\n{PROGRAM}"
    ));
    daemon.home.ctl("start x").says(0, "x: started\n");
    assert_like(&daemon.wishes()[0], "start of 'x' requested by [::1]:<N> over TCP", "who asked");
}
