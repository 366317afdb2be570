//! Requests that are wrong, one by one.

use serde_json::{Value as Json, json};
use supervisord::wire::xmlrpc::{Call, decode_response, encode_call};

use crate::support::rpc::{self, Refusal};
use crate::support::{Daemon, Subject};

/// What is no name of a method, though it leads somewhere in Python (CVE-2017-11610) or looks as if it might.
const NO_METHODS: &[&str] = &[
    "supervisor.supervisord.options.warnings.linecache.os.system",
    "supervisor.supervisord.options.execve",
    "supervisor.supervisord.options.openhttpservers",
    "supervisor.__init__",
    "supervisor.__class__.__init__",
    "supervisor.getPID.__call__",
    "supervisor.getPID.",
    "supervisor..getPID",
    ".supervisor.getPID",
    "supervisor.getpid",
    "supervisor.getPID ",
    "supervisor",
    "supervisor.",
    ".",
    "getPID",
    "system.listMethods.x",
    "system.__class__",
    "system.os.system",
    "supervisor._update",
    "supervisor.getPID\u{0}",
    "../supervisor.getPID",
    "supervisor/getPID",
];

fn start() -> Daemon {
    Daemon::start(Subject::Ours, "[program:x]\ncommand=sleep 1000\nautostart=false\n")
}

/// The daemon is as well as before.
#[track_caller]
fn is_well(daemon: &Daemon) {
    daemon.answers("getState", json!([]), r#"{"statecode": 1, "statename": "RUNNING"}"#);
}

/// The answers to these bytes, one after the other, until the server closes.
#[track_caller]
fn answers(daemon: &Daemon, what: &str, bytes: &[u8]) -> Vec<u16> {
    let text = rpc::exchange(&daemon.socket(), bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = String::from_utf8_lossy(&text).into_owned();
    text.match_indices("HTTP/1.").map(|(at, _)| text[at + 9..at + 12].parse().unwrap()).collect()
}

pub fn no_name_leads_beyond_the_table() {
    let daemon = start();
    for name in NO_METHODS {
        let params: &[Json] = &[json!([]), json!(["touch /tmp/x"])];
        for params in params {
            let refused = rpc::call(&daemon.socket(), name, params);
            assert_eq!(refused, Err(Refusal::Fault(1, "UNKNOWN_METHOD".into())), "{name}");
        }
    }
    let calls: Vec<Json> = NO_METHODS.iter().map(|name| json!({"methodName": name, "params": []})).collect();
    let expected = vec![r#"{"faultCode": 1, "faultString": "UNKNOWN_METHOD"}"#; calls.len()].join(", ");
    daemon.answers("system.multicall", json!([calls]), &format!("[{expected}]"));
    is_well(&daemon);
}

pub fn documents_that_grow_are_refused() {
    let daemon = start();
    let entities: String = (1..10)
        .map(|level| format!("<!ENTITY e{level} \"{}\">", format!("&e{};", level - 1).repeat(10)))
        .collect();
    let call = |params: &str| {
        format!(
            "<methodCall><methodName>supervisor.getState</methodName><params>{params}</params></methodCall>"
        )
    };
    for document in [
        format!("<!DOCTYPE m [<!ENTITY e0 \"x\">{entities}]>{}", call("<param>&e9;</param>")),
        format!("<!DOCTYPE m [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", call("<param>&x;</param>")),
        format!("<!DOCTYPE m SYSTEM \"http://localhost/x.dtd\">{}", call("")),
        call(&"<param><value>&e9;</value></param>".repeat(1000)),
        call(&"<array>".repeat(1_000_000)),
        call(&"<a/>".repeat(1_500_000)),
        "<a>".repeat(2_000_000),
        "\u{0}".repeat(1_000_000),
    ] {
        assert_eq!(rpc::post(&daemon.socket(), document.as_bytes()).unwrap().code, 400, "{:.80}", document);
    }
    is_well(&daemon);
}

pub fn lengths_that_are_wrong_are_told_or_the_connection_is_closed() {
    let daemon = start();
    let call = encode_call(&Call { method: "supervisor.getState".into(), params: vec![] });
    let length = call.len();
    let post = |head: &str| format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\n{head}\r\n{call}").into_bytes();
    for (head, first) in [
        (format!("Content-Length: {length}\r\nConnection: close\r\n"), 200),
        // What is left over is no request.
        (format!("Content-Length: {}\r\n", length - 5), 400),
        ("Content-Length: 20\r\n".into(), 400),
        ("Content-Length: 0\r\n".into(), 400),
        ("Content-Length: -1\r\n".into(), 400),
        (format!("Content-Length: +{length}\r\n"), 400),
        (format!("Content-Length: {length}x\r\n"), 400),
        ("Content-Length: x\r\n".into(), 400),
        ("Content-Length:\r\n".into(), 400),
        ("Content-Length: 18446744073709551616\r\n".into(), 400),
        ("Content-Length: 1844674407370955161\r\n".into(), 413),
        ("Content-Length: 1073741824\r\n".into(), 413),
        (format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1), 400),
        (format!("Content-Length: {length}, {}\r\n", length + 1), 400),
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), 411),
        ("Transfer-Encoding: chunked\r\n".into(), 411),
        ("Transfer-Encoding: gzip\r\n".into(), 400),
        (String::new(), 411),
    ] {
        let seen = answers(&daemon, &head, &post(&head));
        assert!(seen[0] == first && seen[1..].iter().all(|code| *code == 400), "{head}: {seen:?}");
    }
    // More was promised: the client goes, or waits until the server has waited long enough.
    let promised = post(&format!("Content-Length: {}\r\n", length + 1));
    for _ in 0..3 {
        use std::io::Write as _;
        let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).unwrap();
        stream.write_all(&promised).unwrap();
    }
    is_well(&daemon);
}

pub fn many_requests_in_one_packet_are_answered_in_order() {
    let daemon = start();
    let mut packet = Vec::new();
    let names: Vec<String> = (0..20).map(|number| format!("no{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let params = vec![supervisord::wire::xmlrpc::Value::string(name)];
        let call = encode_call(&Call { method: "supervisor.getProcessInfo".into(), params });
        let last = if number + 1 == names.len() { "Connection: close\r\n" } else { "" };
        let head = format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\n{last}Content-Length: {}\r\n\r\n", call.len());
        packet.extend_from_slice(head.as_bytes());
        packet.extend_from_slice(call.as_bytes());
    }
    let text = rpc::exchange(&daemon.socket(), &packet).unwrap();
    let text = String::from_utf8(text).unwrap();
    let bodies = text.split("HTTP/1.1 200 OK").skip(1).map(|answer| answer.split_once("\r\n\r\n").unwrap().1);
    let faults: Vec<String> =
        bodies.map(|body| decode_response(body.as_bytes()).unwrap().unwrap_err().1).collect();
    let expected: Vec<String> = names.iter().map(|name| format!("BAD_NAME: {name}")).collect();
    assert_eq!(faults, expected, "{text}");
    is_well(&daemon);
}

pub fn old_clients_are_answered() {
    let daemon = start();
    let call = encode_call(&Call { method: "supervisor.getState".into(), params: vec![] });
    let post =
        |head: &str| format!("POST /RPC2 HTTP/1.0\r\n{head}Content-Length: {}\r\n\r\n{call}", call.len());
    assert_eq!(answers(&daemon, "once", post("").as_bytes()), [200]);
    let twice = post("Connection: Keep-Alive\r\n") + &post("");
    assert_eq!(answers(&daemon, "kept", twice.as_bytes()), [200, 200]);
    // Whoever does not ask to stay has left after the first answer.
    assert_eq!(answers(&daemon, "twice", (post("") + &post("")).as_bytes()), [200]);
    let endless = format!("POST /RPC2 HTTP/1.0\r\n\r\n{call}");
    assert_eq!(answers(&daemon, "endless", endless.as_bytes()), [411]);
    is_well(&daemon);
}
