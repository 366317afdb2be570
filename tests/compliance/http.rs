//! HTTP itself: versions, heads, connections and error pages.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::support::pattern::assert_like;
use crate::support::{Daemon, Subject, rpc};

compliance!(
    error_pages_are_supervisors,
    heads_begin_with_server_and_date,
    connections_are_closed_or_kept_as_the_client_says,
    heads_are_read_as_far_as_they_make_sense,
    paths_are_decoded,
    there_may_be_several_servers_of_each_kind,
);

/// Sends bytes, and gives the answer as text once the server has closed.
fn say(daemon: &Daemon, bytes: &str) -> String {
    String::from_utf8(rpc::exchange(&daemon.socket(), bytes.as_bytes()).unwrap()).unwrap()
}

/// WEB-6.
fn error_pages_are_supervisors(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    for (method, uri, code, reason) in
        [("GET", "/RPC2", 400, "Bad Request"), ("GET", "/no/such/page", 404, "Not Found")]
    {
        let answer = rpc::http(&daemon.socket(), method, uri, "", b"").unwrap();
        let page = format!(
            "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n\
             <p>Error code {code}.\r\n<p>Message: {reason}.\r\n</body>\r\n"
        );
        assert_eq!((answer.code, String::from_utf8(answer.body).unwrap()), (code, page));
        assert!(answer.head.iter().any(|line| line.eq_ignore_ascii_case("Content-Type: text/html")));
    }
}

/// WEB-3.
fn heads_begin_with_server_and_date(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let answer = rpc::http(&daemon.socket(), "GET", "/ok.html", "", b"").unwrap();
    let found = |name: &str| {
        let line = answer.head.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        line.unwrap_or_else(|| panic!("{name}: {:?}", answer.head))
    };
    assert_like(found("Date"), "<DATE>", "the date");
    assert_eq!(found("Server"), if subject == Subject::Theirs { "Medusa/1.12" } else { "supervisord/5.0.0" });
    assert_eq!((found("Content-Length"), answer.body.as_slice()), ("2", &b"OK"[..]));
}

/// WEB-4, WEB-5.
fn connections_are_closed_or_kept_as_the_client_says(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let answers = |text: &str| text.matches("HTTP/1.").count();
    // One answer, and the end.
    for request in [
        "GET /ok.html HTTP/1.0\r\n\r\n",
        "GET /ok.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /ok.html HTTP/1.1\r\nConnection: close\r\n\r\n",
    ] {
        let answer = say(&daemon, request);
        assert!(answer.ends_with("\r\n\r\nOK") && answers(&answer) == 1, "{request}: {answer}");
        assert!(!answer.to_lowercase().contains("chunked"), "{answer}");
    }
    // Two on one connection.
    let last = "GET /ok.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let kept = say(&daemon, &format!("GET /ok.html HTTP/1.1\r\nHost: x\r\n\r\n{last}"));
    assert_eq!(answers(&kept), 2, "{kept}");
    let kept = say(&daemon, &format!("GET /ok.html HTTP/1.0\r\nConnection: keep-alive\r\n\r\n{last}"));
    assert_eq!(answers(&kept), 2, "{kept}");
    assert!(kept.to_lowercase().contains("\r\nconnection: keep-alive\r\n"), "{kept}");
}

/// WEB-2, WEB-8: theirs misses a header without a blank, joins folded ones, and drops or fails for what is no request.
fn heads_are_read_as_far_as_they_make_sense(subject: Subject) {
    let daemon = Daemon::start(subject, "[unix_http_server]\nusername=me\npassword=secret\n");
    let code = |head: &str| {
        let answer = say(&daemon, &format!("GET /ok.html HTTP/1.1\r\n{head}connection: close\r\n\r\n"));
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(code("aUTHORIZATION: Basic bWU6c2VjcmV0\r\n"), "200");
    let theirs = subject == Subject::Theirs;
    assert_eq!(code("Authorization:Basic bWU6c2VjcmV0\r\n"), if theirs { "401" } else { "200" });
    assert_eq!(code("Authorization: Basic \r\n bWU6c2VjcmV0\r\n"), if theirs { "200" } else { "400" });
    for no_request in ["nonsense\r\n\r\n", "GET\r\n\r\n"] {
        let answer = say(&daemon, no_request);
        let expected = if theirs { answer.is_empty() } else { answer.starts_with("HTTP/1.1 400 ") };
        assert!(expected, "{no_request}: {answer}");
    }
    let oldest = say(&daemon, "GET /ok.html\r\n\r\n");
    assert!(oldest.starts_with(if theirs { "HTTP/None " } else { "HTTP/1.1 400 " }), "{oldest}");
}

/// WEB-9.
fn paths_are_decoded(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    for uri in ["/%6fk.html", "/ok%2Ehtml?x=%zz"] {
        assert_eq!(rpc::http(&daemon.socket(), "GET", uri, "", b"").unwrap().code, 200, "{uri}");
    }
}

/// WEB-1.
fn there_may_be_several_servers_of_each_kind(subject: Subject) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Daemon::start(
        subject,
        &format!(
            "[unix_http_server:two]\nfile=%(here)s/two\nusername=me\npassword=secret\n\
             [inet_http_server:one]\nport=127.0.0.1:{port}\n"
        ),
    );
    let code = |socket: &str| rpc::http(&daemon.home.path(socket), "GET", "/ok.html", "", b"").unwrap().code;
    assert_eq!((code("s"), code("two")), (200, 401));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /ok.html HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("OK"), "{answer}");
}
