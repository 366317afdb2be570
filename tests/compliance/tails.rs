//! `/logtail` and `/mainlogtail`.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::pattern::{assert_like, is_like};
use crate::support::stream::Stream;
use crate::support::{Daemon, Home, Subject, eventually, rpc, so};

compliance!(
    a_log_is_followed_from_near_its_end,
    processes_and_channels_are_named_in_the_path,
    what_cannot_be_followed_is_not_found,
    a_file_that_takes_the_place_is_followed,
    the_main_log_is_followed,
    a_file_that_shrinks_is_followed_from_its_start,
    an_old_client_sees_what_there_is,
    followers_end_with_the_daemon,
    pythons_client_follows,
);

const PROGRAMS: &str = "[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/out\nstderr_logfile=%(here)s/err\n\
                        [program:quiet]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=NONE\nredirect_stderr=true\n\
                        [program:missing]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/none\n\
                        [program:y]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/out\n[group:g]\nprograms=y\n";

fn start(subject: Subject, out: &str) -> Daemon {
    let home = Home::with(subject, PROGRAMS);
    home.write("out", out);
    home.write("err", "failed\n");
    Daemon::start_in(home, &[])
}

fn append(daemon: &Daemon, name: &str, text: &str) {
    use std::io::Write as _;
    let path = daemon.home.path(name);
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// WEB-5, WEB-22, WEB-23.
fn a_log_is_followed_from_near_its_end(subject: Subject) {
    let long = "0123456789abcdef".repeat(100);
    let daemon = start(subject, &long);
    let mut stream = Stream::get(&daemon.socket(), "/logtail/x");
    let mut expected = long[long.len() - 1024..].to_owned();
    stream.await_body(&expected);
    let head = stream.await_head().to_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    for line in
        ["content-type: text/plain;charset=utf-8", "x-accel-buffering: no", "transfer-encoding: chunked"]
    {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    let modified = head.lines().find_map(|line| line.strip_prefix("last-modified: ")).unwrap();
    assert_like(modified, "<ANY>, <N> <ANY> <N> <N>:<N>:<N> gmt", "when it was written to");
    for more in ["more\n", "and \u{e9} more\n", "end"] {
        append(&daemon, "out", more);
        expected.push_str(more);
        stream.await_body(&expected);
    }
    daemon.home.write("err", b"");
    let mut empty = Stream::get(&daemon.socket(), "/logtail/x/stderr");
    empty.await_head();
    append(&daemon, "err", "first");
    empty.await_body("first");
}

/// WEB-1, WEB-9, WEB-20.
fn processes_and_channels_are_named_in_the_path(subject: Subject) {
    let daemon = start(subject, "said\n");
    for (uri, body) in [
        ("/logtail/x", "said\n"),
        ("/logtail/x/stdout", "said\n"),
        ("/logtail/x/stderr", "failed\n"),
        ("/logtail/g:y", "said\n"),
        ("/logtail/g%3Ay/stdout", "said\n"),
        ("/logtail/x:x", "said\n"),
        ("/logtailed/x", "said\n"),
        ("/logtail/x?limit=5", "said\n"),
    ] {
        Stream::get(&daemon.socket(), uri).await_body(body);
    }
}

/// WEB-20, WEB-21.
fn what_cannot_be_followed_is_not_found(subject: Subject) {
    let daemon = start(subject, "said\n");
    let code = |method: &str, uri: &str| rpc::http(&daemon.socket(), method, uri, "", b"").unwrap().code;
    for uri in [
        "/logtail/nobody",
        "/logtail/g",
        "/logtail/g:x",
        "/logtail/g:*",
        "/logtail/x/stdin",
        "/logtail/x/stdout/",
        "/logtail/x/",
        "/logtail/quiet",
        "/logtail/quiet/stderr",
        "/logtail/missing",
    ] {
        assert_eq!(code("GET", uri), 404, "{uri}");
    }
    for uri in ["/logtail/x", "/mainlogtail"] {
        assert_eq!((code("POST", uri), code("HEAD", uri)), (400, 400), "{uri}");
    }
    let nameless = code("GET", "/logtail");
    assert_eq!(nameless, if subject == Subject::Theirs { 500 } else { 404 });
    fs::remove_file(daemon.home.path("main.log")).unwrap();
    assert_eq!(code("GET", "/mainlogtail"), 404);
}

/// WEB-24.
fn a_file_that_takes_the_place_is_followed(subject: Subject) {
    let daemon = start(subject, "one\n");
    let mut stream = Stream::get(&daemon.socket(), "/logtail/x");
    stream.await_body("one\n");
    fs::rename(daemon.home.path("out"), daemon.home.path("out.1")).unwrap();
    append(&daemon, "out", "two\n");
    stream.await_body("one\ntwo\n");
    daemon.home.write("new", "three\n");
    fs::rename(daemon.home.path("new"), daemon.home.path("out")).unwrap();
    stream.await_body("one\ntwo\nthree\n");
    fs::remove_file(daemon.home.path("out")).unwrap();
    append(&daemon, "out", "four\n");
    stream.await_body("one\ntwo\nthree\nfour\n");
    append(&daemon, "out", "five\n");
    stream.await_body("one\ntwo\nthree\nfour\nfive\n");
}

/// WEB-1, WEB-21, WEB-22.
fn the_main_log_is_followed(subject: Subject) {
    let daemon = start(subject, "");
    let mut stream = Stream::get(&daemon.socket(), "/mainlogtailing");
    let log = fs::read_to_string(daemon.home.path("main.log")).unwrap();
    let start = log.len().saturating_sub(1024);
    stream.await_body(&log[start..]);
    assert!(stream.await_head().to_lowercase().contains("content-type: text/plain;charset=utf-8"));
    daemon.signal(Signal::SIGUSR2);
    eventually("the main log grows", || {
        let log = daemon.log();
        so(log.iter().any(|line| is_like(line, "INFO supervisord logreopen")), log.join("\n"))
    });
    let log = fs::read_to_string(daemon.home.path("main.log")).unwrap();
    stream.await_body(&log[start..]);
}

/// WEB-24, RE-32: theirs closes the connection.
fn a_file_that_shrinks_is_followed_from_its_start(subject: Subject) {
    let daemon = start(subject, "one\ntwo\n");
    let mut stream = Stream::get(&daemon.socket(), "/logtail/x");
    stream.await_body("one\ntwo\n");
    daemon.home.write("out", "");
    match subject {
        Subject::Theirs => assert_eq!(stream.await_end(), "one\ntwo\n"),
        Subject::Ours => {
            stream.await_body("one\ntwo\n==> File truncated <==\n");
            append(&daemon, "out", "three\n");
            stream.await_body("one\ntwo\n==> File truncated <==\nthree\n");
        }
    }
}

/// Waits until theirs, which does one thing after another, follows a log that it does not write itself.
fn has_begun(daemon: &Daemon, name: &str) {
    let (log, descriptors) = (daemon.home.path(name), format!("/proc/{}/fd", daemon.pid));
    eventually("the log is open", || {
        let open = fs::read_dir(&descriptors).unwrap().flatten();
        let mut paths = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        so(paths.any(|path| path == log), log.display().to_string())
    });
    daemon.answers("getPID", json!([]), "<N>");
}

/// WEB-5, WEB-25, RE-33: theirs collects 64 KiB first.
fn an_old_client_sees_what_there_is(subject: Subject) {
    let daemon = start(subject, "one\n");
    let mut stream = Stream::ask(&daemon.socket(), "GET /logtail/x HTTP/1.0\r\n\r\n");
    let mut expected = "one\n".to_owned();
    if subject == Subject::Theirs {
        has_begun(&daemon, "out");
        let more = "x".repeat(70_000);
        append(&daemon, "out", &more);
        expected.push_str(&more);
    }
    stream.await_body(&expected);
    assert!(!stream.await_head().to_lowercase().contains("chunked"));
}

fn followers_end_with_the_daemon(subject: Subject) {
    let mut daemon = start(subject, "said\n");
    let mut stream = Stream::get(&daemon.socket(), "/logtail/x");
    stream.await_body("said\n");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(stream.await_end(), "said\n");
    assert!(daemon.await_end().success());
}

/// Python's `tail -f` sends a line end too many, and reads chunks in its own way.
fn pythons_client_follows(subject: Subject) {
    let daemon = start(subject, "said\n");
    let mut command =
        daemon.home.command(Subject::Theirs, "supervisorctl", &["-c", "supervisord.conf", "tail", "-f", "x"]);
    command.env("PYTHONUNBUFFERED", "1");
    let out = fs::File::create(daemon.home.path("followed")).unwrap();
    let mut follower = command.stdout(out).spawn().unwrap();
    let shows = |expected: &str| {
        eventually("the follower shows what is said", || {
            let shown = daemon.home.read("followed");
            so(shown == expected, shown.clone())
        });
    };
    shows("==> Press Ctrl-C to exit <==\nsaid\n");
    append(&daemon, "out", "more\n");
    shows("==> Press Ctrl-C to exit <==\nsaid\nmore\n");
    kill(Pid::from_raw(i32::try_from(follower.id()).unwrap()), Signal::SIGTERM).unwrap();
    follower.wait().unwrap();
}
