//! The web pages, as far as scripts and bookmarks know them. Ours changes something only by POST with its token; these
//! cases follow theirs' links and press ours' buttons, and hold the words that come of it against each other.

use serde_json::json;

use crate::support::pattern::is_like;
use crate::support::{Daemon, Subject, eventually, rpc, so};

compliance!(
    pages_are_there,
    pages_are_not_to_be_kept,
    what_was_done_is_told_by_the_next_page,
    why_something_was_not_done_is_told,
    an_action_that_does_not_exist_is_an_error,
    a_message_is_shown_as_text,
    processes_are_listed_with_state_and_link,
    without_programs_the_page_says_so,
    the_end_of_a_log_is_shown,
    a_log_that_cannot_be_shown_is_explained,
    the_sheet_is_there_and_nothing_above_it,
    while_it_shuts_down_the_page_is,
);

const TWO: &str = "\
[program:a]\ncommand=%(here)s/puppet\nstartsecs=0\n
[program:b]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:missing]\ncommand=%(here)s/missing\nautostart=false\n
[program:plain]\ncommand=%(here)s/supervisord.conf\nautostart=false\n
[program:quick]\ncommand=/bin/sh -c 'exit 3'\nautostart=false\nstartsecs=20\nstartretries=0\n
[program:bare]\ncommand=%(here)s/puppet\nstdout_logfile=NONE\nstartsecs=0\n
[group:g]\nprograms=b,bare\n
";

fn get(daemon: &Daemon, uri: &str) -> rpc::Answer {
    rpc::http(&daemon.socket(), "GET", uri, "", b"").unwrap()
}

fn page(daemon: &Daemon, uri: &str) -> String {
    let answer = get(daemon, uri);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.code, 200, "{uri}: {text}");
    text
}

fn header(answer: &rpc::Answer, name: &str) -> Option<String> {
    answer.head.iter().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

/// Has something done, and gives the answer.
fn act(daemon: &Daemon, query: &str) -> rpc::Answer {
    match daemon.subject() {
        Subject::Theirs => get(daemon, &format!("/index.html?{query}")),
        Subject::Ours => {
            let page = page(daemon, "/");
            let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
            let fields = format!("{query}&token={token}");
            rpc::http(&daemon.socket(), "POST", "/index.html", "", fields.as_bytes()).unwrap()
        }
    }
}

/// Has something done, and holds what is said of it against a pattern.
#[track_caller]
fn says(daemon: &Daemon, query: &str, pattern: &str) {
    let answer = act(daemon, query);
    let code = if daemon.subject() == Subject::Theirs { 301 } else { 303 };
    assert_eq!(answer.code, code, "{query}: {answer:?}");
    let place = header(&answer, "Location").unwrap();
    let (_, message) = place.split_once("/?message=").unwrap();
    let message = message.replace("%20", " ").replace("%3A", ":").replace("%5B", "[").replace("%5D", "]");
    assert!(is_like(&message, pattern), "{query}: {message:?} is not {pattern:?}");
}

/// WEB-30.
fn pages_are_there(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    for uri in ["/", "/index.html", "/tail.html", "/ok.html"] {
        assert_eq!(get(&daemon, uri).code, 200, "{uri}");
        assert_eq!(rpc::http(&daemon.socket(), "POST", uri, "", b"x=1").unwrap().code, 200, "{uri}");
    }
    assert_eq!(get(&daemon, "/nothing.html").code, 404);
    let twice = page(&daemon, "/?message=first&message=second");
    assert!(twice.contains("first") && !twice.contains("second"));
    let body =
        rpc::http(&daemon.socket(), "POST", "/?message=query", "", b"message=one&message=two").unwrap();
    let body = String::from_utf8_lossy(&body.body);
    assert!(body.contains("two") && !body.contains(">query"), "{body}");
}

/// WEB-31.
fn pages_are_not_to_be_kept(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    let answer = get(&daemon, "/");
    for (name, value) in [
        ("Content-Type", "text/html;charset=utf-8"),
        ("Pragma", "no-cache"),
        ("Cache-Control", "no-cache"),
        ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Content-Length", &answer.body.len().to_string()),
    ] {
        assert_eq!(header(&answer, name).as_deref(), Some(value));
    }
    let ok = get(&daemon, "/ok.html");
    assert_eq!(
        (header(&ok, "Content-Type").as_deref(), ok.body.as_slice()),
        (Some("text/plain"), &b"OK"[..])
    );
}

const CTIME: &str = "<ANY> <N>:<N>:<N> 20<N>";

/// WEB-32, WEB-33.
fn what_was_done_is_told_by_the_next_page(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.await_state("a", "RUNNING");
    says(&daemon, "action=refresh", &format!("Page refreshed at {CTIME}"));
    says(&daemon, "action=stop&processname=a", "Process a stopped");
    daemon.await_state("a", "STOPPED");
    says(&daemon, "action=start&processname=a", "Process a started");
    let before = daemon.pid_of("a");
    says(&daemon, "action=restart&processname=a", "Process a restarted");
    assert_ne!(daemon.pid_of("a"), before);
    says(&daemon, "action=restart&processname=g:b", "Process g:b restarted");
    daemon.await_state("g:b", "RUNNING");
    daemon.tell("a", "echo hello");
    daemon.await_log_of("a", "hello\n");
    says(&daemon, "action=clearlog&processname=a", "Log for a cleared");
    daemon.await_log_of("a", "");
    says(&daemon, "action=stopall", &format!("All stopped at {CTIME}"));
    daemon.await_state("g:b", "STOPPED");
}

/// WEB-33.
fn why_something_was_not_done_is_told(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.await_state("a", "RUNNING");
    for (query, message) in [
        ("action=start&processname=missing", "ERROR: Process missing: no such file"),
        ("action=start&processname=plain", "ERROR: Process plain: file not executable"),
        ("action=start&processname=a", "ERROR: Process a: already started"),
        ("action=start&processname=quick", "ERROR: Process quick: spawn error"),
        ("action=stop&processname=g:b", "unexpected rpc fault [70] NOT_RUNNING: g:b"),
        ("action=stop&processname=nobody", "No such process named nobody"),
        ("action=start&processname=g:nobody", "No such process named g:nobody"),
        ("action=clearlog&processname=nobody", "No such process named nobody"),
    ] {
        says(&daemon, query, message);
    }
}

/// WEB-32: theirs fails, ours refuses.
fn an_action_that_does_not_exist_is_an_error(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    let code = if subject == Subject::Theirs { 500 } else { 400 };
    for query in ["action=nope", "action=stop", "action=nope&processname=a"] {
        assert_eq!(act(&daemon, query).code, code, "{query}");
    }
    daemon.await_state("a", "RUNNING");
}

/// WEB-34.
fn a_message_is_shown_as_text(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    let page = page(&daemon, "/?message=%3Cb%3E%26+done");
    let (_, rest) = page.split_once("class=\"status_msg").unwrap();
    // Theirs escapes no `>`.
    let text = rest.split_once('>').unwrap().1.split_once("</div>").unwrap().0;
    assert_eq!(text.replace("&gt;", ">"), "&lt;b>&amp; done");
}

/// WEB-35, WEB-37.
fn processes_are_listed_with_state_and_link(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.await_state("a", "RUNNING");
    daemon.ctl("start quick");
    daemon.await_state("quick", "FATAL");
    let page = page(&daemon, "/");
    let mut at = 0;
    for (class, state, name, quoted) in [
        ("statusrunning", "running", "a", "a"),
        ("statusnominal", "stopped", "g:b", "g%3Ab"),
        ("statusrunning", "running", "g:bare", "g%3Abare"),
        ("statusnominal", "stopped", "missing", "missing"),
        ("statusnominal", "stopped", "plain", "plain"),
        ("statuserror", "fatal", "quick", "quick"),
    ] {
        for part in [
            format!("class=\"{class}\">{state}</span>"),
            format!("href=\"tail.html?processname={quoted}\""),
            format!(">{name}</a>"),
        ] {
            let found = page[at..].find(&part);
            at += found.unwrap_or_else(|| panic!("{part} is not behind {at} in {page}"));
        }
    }
    for part in ["<title>Supervisor Status</title>", "restartall", "stopall", subject.version()] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

/// WEB-35.
fn without_programs_the_page_says_so(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    assert!(page(&daemon, "/").contains("No programs to manage"));
}

/// What stands between `<pre …>` and `</pre>`.
fn preformatted(page: &str) -> String {
    let (_, rest) = page.split_once("<pre").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    let (text, _) = rest.split_once("</pre>").unwrap();
    let text = text.strip_prefix('\n').unwrap_or(text);
    text.replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// WEB-38.
fn the_end_of_a_log_is_shown(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.await_state("a", "RUNNING");
    daemon.tell("a", "i=0; while [ $i -lt 400 ]; do echo \"line $i <&>\"; i=$((i+1)); done");
    eventually("all of it is there", || {
        let text = preformatted(&page(&daemon, "/tail.html?processname=a"));
        so(text.ends_with("line 399 <&>\n"), text)
    });
    for (limit, bytes) in [("10", 1024), ("-10", 1024), ("x", 1024), ("2000", 2000), ("100000", 5090)] {
        let page = page(&daemon, &format!("/tail.html?processname=a&limit={limit}"));
        let text = preformatted(&page);
        assert_eq!(text.len(), bytes, "{limit}");
        assert!(text.ends_with("line 398 <&>\nline 399 <&>\n"), "{text}");
        assert!(page.contains(">Supervisor tail of process a</title>"), "{page}");
    }
    let shown = page(&daemon, "/tail.html?processname=a&limit=2000");
    assert!(shown.contains("tail.html?processname=a&amp;limit=2000\""), "{shown}");
}

/// WEB-38.
fn a_log_that_cannot_be_shown_is_explained(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    for (query, text) in [
        ("", "No process name found"),
        ("?processname=", "No process name found"),
        ("?processname=g:bare", "No file for g:bare"),
        ("?processname=nobody", "ERROR: unexpected rpc fault [10] BAD_NAME: nobody"),
        ("?processname=g:*", "ERROR: unexpected rpc fault [10] BAD_NAME: g:*"),
    ] {
        assert_eq!(preformatted(&page(&daemon, &format!("/tail.html{query}"))), text, "{query}");
    }
}

/// WEB-39.
fn the_sheet_is_there_and_nothing_above_it(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    let sheet = get(&daemon, "/stylesheets/supervisor.css");
    assert_eq!(sheet.code, 200);
    assert!(header(&sheet, "Content-Type").unwrap().starts_with("text/css"), "{sheet:?}");
    let head = rpc::http(&daemon.socket(), "HEAD", "/stylesheets/supervisor.css", "", b"").unwrap();
    assert_eq!((head.code, head.body.len()), (200, 0));
    assert_eq!(
        rpc::http(&daemon.socket(), "POST", "/stylesheets/supervisor.css", "", b"").unwrap().code,
        400
    );
    for uri in [
        "/stylesheets/none.css",
        "/images/none.png",
        "/../supervisord.conf",
        "/stylesheets/../../web.py",
        "/%2e%2e/web.py",
    ] {
        assert_eq!(get(&daemon, uri).code, 404, "{uri}");
    }
}

/// WEB-40: theirs fails, ours says what goes on.
fn while_it_shuts_down_the_page_is(subject: Subject) {
    let daemon =
        Daemon::start(subject, "[program:slow]\ncommand=%(here)s/puppet\nstopwaitsecs=60\nstartsecs=0\n");
    daemon.await_state("slow", "RUNNING");
    daemon.tell("slow", "trap '' TERM; echo deaf");
    daemon.await_log_of("slow", "deaf\n");
    daemon.must("shutdown", json!([]));
    eventually("the page tells of it", || {
        let answer = get(&daemon, "/");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let told = match subject {
            Subject::Theirs => answer.code == 500,
            Subject::Ours => {
                text.contains("supervisord is shutting down") && text.contains(">stopping</span>")
            }
        };
        so(told, format!("{}\n{text}", answer.code))
    });
}
