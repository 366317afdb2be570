//! XML-RPC and HTTP on the wire: documents byte for byte, lax reading, and what is refused.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::json;

use crate::support::pattern::assert_like;
use crate::support::{Daemon, Home, PATIENCE, Subject, rpc};

compliance!(
    answers_have_supervisors_shape,
    faults_are_answers_with_status_200,
    text_is_escaped_and_kept,
    requests_are_read_laxly,
    other_methods_and_places_are_refused,
    a_connection_is_kept_for_the_next_call,
    a_password_is_asked_for,
    what_is_no_call_is_refused,
    arguments_of_another_type_are_a_fault,
    names_and_texts_may_be_unicode,
    control_characters_do_not_break_the_document,
    numbers_beyond_31_bits_do_not_break_the_document,
);

fn post(daemon: &Daemon, document: &str) -> rpc::Answer {
    rpc::post(&daemon.socket(), document.as_bytes()).unwrap()
}

fn body(answer: &rpc::Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn request(method: &str, params: &str) -> String {
    format!("<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n{params}</methodCall>\n")
}

/// RPC-2.
fn answers_have_supervisors_shape(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=NONE\nstderr_logfile=NONE\n",
    );
    let shape = |inner: &str| {
        format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>{inner}</value>\n</param>\n</params>\n</methodResponse>\n"
        )
    };
    let answer = post(&daemon, &request("supervisor.getAPIVersion", ""));
    assert_eq!((answer.code, body(&answer)), (200, shape("<string>3.0</string>")));
    let header = |name: &str| {
        let found = answer.head.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        found.unwrap_or_else(|| panic!("{name}: {:?}", answer.head))
    };
    assert_eq!(header("Content-Type"), "text/xml");
    assert_eq!(header("Content-Length"), answer.body.len().to_string());
    assert_like(&header("Date"), "<DATE>", "the date");
    let state = post(&daemon, &request("supervisor.getState", ""));
    let expected = "<struct>\n<member>\n<name>statecode</name>\n<value><int>1</int></value>\n</member>\n<member>\n\
                    <name>statename</name>\n<value><string>RUNNING</string></value>\n</member>\n</struct>";
    assert_eq!(body(&state), shape(expected));
    let reload = post(&daemon, &request("supervisor.reloadConfig", ""));
    let empty = "<value><array><data>\n</data></array></value>\n";
    let expected = format!(
        "<array><data>\n<value><array><data>\n{}</data></array></value>\n</data></array>",
        empty.repeat(3)
    );
    assert_eq!(body(&reload), shape(&expected));
    let sent = post(&daemon, &request("supervisor.sendRemoteCommEvent", &strings(&["a", "b"])));
    assert_eq!(body(&sent), shape("<boolean>1</boolean>"));
    let info = post(&daemon, &request("supervisor.getProcessInfo", &strings(&["x"])));
    let mut fields = Vec::new();
    let text = body(&info);
    for part in text.split("<name>").skip(1) {
        fields.push(part.split("</name>").next().unwrap());
    }
    let order = [
        "name",
        "group",
        "start",
        "stop",
        "now",
        "state",
        "statename",
        "spawnerr",
        "exitstatus",
        "logfile",
        "stdout_logfile",
        "stderr_logfile",
        "pid",
        "description",
    ];
    assert_eq!(fields, order);
}

fn strings(values: &[&str]) -> String {
    let params: String = values
        .iter()
        .map(|value| format!("<param><value><string>{value}</string></value></param>"))
        .collect();
    format!("<params>{params}</params>")
}

/// RPC-3, RPC-10.
fn faults_are_answers_with_status_200(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let answer = post(&daemon, &request("supervisor.getProcessInfo", &strings(&["a&lt;b"])));
    assert_eq!(answer.code, 200);
    assert_eq!(
        body(&answer),
        "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n\
         <value><int>10</int></value>\n</member>\n<member>\n<name>faultString</name>\n\
         <value><string>BAD_NAME: a&lt;b</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n"
    );
}

/// RPC-4.
fn text_is_escaped_and_kept(subject: Subject) {
    let home =
        Home::with(subject, "[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/out\n");
    home.write("out", "a&b <c> \"d\" 'e' ]]> \u{e9}\n");
    let daemon = Daemon::start_in(home, &[]);
    let params = "<params><param><value>x</value></param><param><value><int>0</int></value></param>\
                  <param><value><i4>0</i4></value></param></params>";
    let answer = post(&daemon, &request("supervisor.readProcessStdoutLog", params));
    let text = body(&answer);
    assert!(text.contains("<string>a&amp;b &lt;c&gt; \"d\" 'e' ]]&gt; \u{e9}\n</string>"), "{text}");
}

/// RPC-1, RPC-6.
fn requests_are_read_laxly(subject: Subject) {
    let daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n");
    let ok = |document: &str, expected: &str| {
        let answer = post(&daemon, document);
        let text = body(&answer);
        assert!(answer.code == 200 && text.contains(expected), "{document}: {} {text}", answer.code);
    };
    // No declaration, no params, another root.
    ok("<methodCall><methodName>supervisor.getAPIVersion</methodName></methodCall>", "<string>3.0</string>");
    ok("<other><methodName>supervisor.getAPIVersion</methodName><params/></other>", "<string>3.0</string>");
    ok(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><!-- c --><methodCall><methodName>supervisor.getAPIVersion</methodName></methodCall>",
        "3.0",
    );
    let one = |value: &str| {
        request("supervisor.getProcessInfo", &format!("<params><param>{value}</param></params>"))
    };
    ok(&one("<value>x</value>"), "STOPPED");
    ok(&one("<value><string>x</string></value>"), "STOPPED");
    ok(&one("<value><base64>eA==</base64></value>"), "STOPPED");
    ok(&one("<value><unheard>x</unheard></value>"), "STOPPED");
    ok(&one("<value><string>&#120;</string></value>"), "STOPPED");
    ok(&one("<value><string><![CDATA[x]]></string></value>"), "STOPPED");
    let start = |flag: &str| {
        request(
            "supervisor.startProcess",
            &format!("<params><param><value>x</value></param><param><value>{flag}</value></param></params>"),
        )
    };
    ok(&start("<boolean>1</boolean>"), "<boolean>1</boolean>");
    ok(&start("<boolean>0</boolean>"), "ALREADY_STARTED: x");
    // Any place that starts so, and no type is asked for.
    for uri in ["/RPC2", "/RPC2/", "/RPC2x"] {
        let answer =
            rpc::http(&daemon.socket(), "POST", uri, "", request("supervisor.getAPIVersion", "").as_bytes())
                .unwrap();
        assert_eq!(answer.code, 200, "{uri}");
    }
}

/// RPC-1, WEB-7.
fn other_methods_and_places_are_refused(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    for method in ["GET", "PUT", "DELETE"] {
        let answer = rpc::http(&daemon.socket(), method, "/RPC2", "", b"").unwrap();
        assert_eq!(answer.code, 400, "{method}");
    }
    let answer = rpc::http(&daemon.socket(), "GET", "/no/such/page", "", b"").unwrap();
    assert_eq!(answer.code, 404);
    // A POST that does not say how long it is.
    let answer = rpc::http(&daemon.socket(), "BREW", "/RPC2", "", b"").unwrap();
    assert_eq!(answer.code, 400);
    let raw = rpc::exchange(&daemon.socket(), b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert!(raw.starts_with(b"HTTP/1.1 411 "), "{}", String::from_utf8_lossy(&raw));
}

/// WEB-4.
fn a_connection_is_kept_for_the_next_call(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let document = request("supervisor.getAPIVersion", "");
    for _ in 0..3 {
        let head = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
            document.len()
        );
        stream.write_all((head + &document).as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"</methodResponse>\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

/// WEB-15, WEB-16, WEB-17.
fn a_password_is_asked_for(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[unix_http_server]\nusername=me\npassword={SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4\n",
    );
    let document = request("supervisor.getAPIVersion", "");
    let code = |credentials: &str| {
        let head =
            if credentials.is_empty() { String::new() } else { format!("Authorization: {credentials}\r\n") };
        rpc::http(&daemon.socket(), "POST", "/RPC2", &head, document.as_bytes()).unwrap()
    };
    // me:secret, me:wrong, me:{SHA}e5e9…, you:secret
    assert_eq!(code("Basic bWU6c2VjcmV0").code, 200);
    assert_eq!(code("basic bWU6c2VjcmV0").code, 200);
    for wrong in [
        "",
        "Basic bWU6d3Jvbmc=",
        "Basic bWU6e1NIQX1lNWU5ZmExYmEzMWVjZDFhZTg0Zjc1Y2FhYTQ3NGYzYTY2M2YwNWY0",
        "Basic eW91OnNlY3JldA==",
        "Bearer bWU6c2VjcmV0",
    ] {
        let answer = code(wrong);
        assert_eq!(answer.code, 401, "{wrong}");
        assert!(
            answer
                .head
                .iter()
                .any(|line| line.eq_ignore_ascii_case("WWW-Authenticate: Basic realm=\"default\"")),
            "{:?}",
            answer.head
        );
    }
}

/// RPC-7.
fn what_is_no_call_is_refused(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    for document in [
        "not xml",
        "<methodCall>",
        "<a></b>",
        "<methodCall></methodCall>",
        "<methodCall><methodName/></methodCall>",
    ] {
        let answer = post(&daemon, document);
        assert_eq!(answer.code, 400, "{document}: {}", body(&answer));
    }
    daemon.answers("getState", json!([]), "{<ANY>}");
}

/// RPC-8, RPC-62: theirs fails where ours tells what is wrong.
fn arguments_of_another_type_are_a_fault(subject: Subject) {
    let daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nautostart=false\n");
    for (method, params) in [
        ("getProcessInfo", json!([5])),
        ("startProcess", json!([["x"]])),
        ("readLog", json!(["a", "b"])),
        ("tailProcessStdoutLog", json!(["x", "a", 5])),
        ("addProcessGroup", json!([{}])),
        ("system.multicall", json!(["x"])),
        ("system.multicall", json!([["x"]])),
    ] {
        let answer = rpc::shown(&daemon.call(method, &params));
        let refused = ["HTTP 500", "fault 2 INCORRECT_PARAMETERS", "fault 10 BAD_NAME"];
        assert!(refused.iter().any(|start| answer.starts_with(start)), "{method}{params}: {answer}");
        assert!(subject == Subject::Theirs || !answer.starts_with("HTTP"), "{method}{params}: {answer}");
    }
    daemon.answers("getState", json!([]), "{<ANY>}");
}

fn names_and_texts_may_be_unicode(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:d\u{e9}mon]\ncommand=/bin/sh -c 'echo \"$GREETING\"; exec cat'\nenvironment=GREETING=\"\u{65e5}\u{672c} \u{1f600}\"\nstartsecs=0\n",
    );
    daemon.await_log_of("d\u{e9}mon", "\u{65e5}\u{672c} \u{1f600}\n");
    daemon.answers("getProcessInfo", json!(["d\u{e9}mon"]), "{\"name\": \"d\u{e9}mon\", <ANY>}");
    daemon.answers("startProcess", json!(["\u{65e5}"]), "fault 10 BAD_NAME: \u{65e5}");
    daemon.answers("stopProcess", json!(["d\u{e9}mon"]), "true");
    assert!(daemon.log().contains(&"WARN stopped: d\u{e9}mon (terminated by SIGTERM)".to_owned()));
}

/// RE-22: theirs sends what no reader accepts, or fails.
fn control_characters_do_not_break_the_document(subject: Subject) {
    let home =
        Home::with(subject, "[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/out\n");
    home.write("out", b"a\x1b[1mb\x00c\n");
    let daemon = Daemon::start_in(home, &[]);
    let params = "<params><param><value>x</value></param><param><value><int>0</int></value></param>\
                  <param><value><int>0</int></value></param></params>";
    let text = body(&post(&daemon, &request("supervisor.readProcessStdoutLog", params)));
    match subject {
        Subject::Theirs => assert!(text.contains("<string>a\u{1b}[1mb\u{0}c\n</string>"), "{text:?}"),
        Subject::Ours => {
            let illegal = |letter: char| letter < ' ' && !matches!(letter, '\n' | '\r' | '\t');
            assert!(!text.contains(illegal) && text.contains("[1mb"), "{text:?}");
        }
    }
    daemon.home.write("out", b"a\xffb\n");
    let answer = rpc::shown(&daemon.call("readProcessStdoutLog", &json!(["x", 0, 0])));
    match subject {
        Subject::Theirs => assert_eq!(answer, "HTTP 500"),
        Subject::Ours => assert_eq!(answer, "\"a\u{fffd}b\\n\""),
    }
}

/// RE-23: theirs fails as a whole.
fn numbers_beyond_31_bits_do_not_break_the_document(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile_maxbytes=4GB\n",
    );
    let answer = rpc::shown(&daemon.call("getAllConfigInfo", &json!([])));
    match subject {
        Subject::Theirs => assert_eq!(answer, "HTTP 500"),
        Subject::Ours => assert!(answer.contains("\"stdout_logfile_maxbytes\": 2147483647"), "{answer}"),
    }
}
