//! The web page as people use it: in a browser, by clicking; and what it must not let anybody do.
//!
//! Where Chromium is not installed, the tests that need it say so. `SCREENSHOTS=dir` keeps pictures.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use serde_json::json;

use support::browser::Browser;
use support::{Daemon, Home, Subject, eventually, free_port, rpc, so};

/// A daemon with a page, and the address of it.
fn start(sections: &str) -> (Daemon, String) {
    start_with("", sections)
}

/// The same, with more options of the server.
fn start_with(server: &str, sections: &str) -> (Daemon, String) {
    let port = free_port();
    let all = format!("[inet_http_server]\nport=127.0.0.1:{port}\n{server}\n{sections}");
    (Daemon::start(Subject::Ours, &all), format!("http://127.0.0.1:{port}"))
}

const SHOP: &str = "\
[program:horizon]\ncommand=%(here)s/puppet\nstartsecs=0\n
[program:cleanup]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:mailer]\ncommand=%(here)s/missing --queue=mail\nstartretries=0\n
[program:queue]\ncommand=%(here)s/puppet\nprocess_name=%(program_name)s_%(process_num)02d\nnumprocs=3\nstartsecs=0\n
";

fn row(id: &str) -> String {
    format!("[data-id=\"{id}\"]")
}

fn button(word: &str, id: &str) -> String {
    format!("button[value=\"{word} {id}\"]")
}

/// The mark that a page loses when it is loaded anew.
const MARKED: &str = "window.mark === 1";

#[test]
fn programs_are_started_stopped_and_restarted_by_clicking() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    daemon.await_state("mailer", "FATAL");
    browser.open(&url);
    browser.await_text("#live", "live");
    browser.run("window.mark = 1");
    browser.await_text(&row("horizon"), "running");
    let before = daemon.pid_of("horizon");
    browser.await_text(&format!("{} .pid", row("horizon")), &before.to_string());
    browser.await_true(&format!(
        "document.querySelector('{} .memory').textContent.endsWith('B')",
        row("horizon")
    ));

    browser.click(&button("restart", "horizon"));
    browser.await_text("#message", "Process horizon restarted");
    let after = daemon.pid_of("horizon");
    assert_ne!(before, after);
    browser.await_text(&format!("{} .pid", row("horizon")), &after.to_string());
    browser.click(&button("stop", "horizon"));
    browser.await_text("#message", "Process horizon stopped");
    browser.await_text(&format!("{} .state", row("horizon")), "stopped");
    daemon.await_state("horizon", "STOPPED");
    browser.click(&button("start", "horizon"));
    browser.await_text("#message", "Process horizon started");
    browser.await_text(&format!("{} .state", row("horizon")), "running");
    browser.click(&button("start", "mailer"));
    browser.await_text("#message.bad", "ERROR: Process mailer: no such file");
    // By keyboard: from the link to the button behind it.
    browser.run(&format!("document.querySelector('{} .name a').focus()", row("cleanup")));
    browser.press("\u{e004}\u{e007}");
    browser.await_text("#message", "Process cleanup started");
    daemon.ctl("stop cleanup").says(0, "cleanup: stopped\n");
    browser.click(&button("clearlog", "horizon"));
    browser.await_text("#message", "Log for horizon cleared");

    // What others do is seen as well.
    daemon.ctl("start cleanup").says(0, "cleanup: started\n");
    browser.await_text(&format!("{} .state", row("cleanup")), "running");
    // A page that nobody sees asks for nothing, and catches up when it is seen again.
    browser.hide(true);
    daemon.ctl("stop cleanup").says(0, "cleanup: stopped\n");
    browser.hide(false);
    browser.await_text(&format!("{} .state", row("cleanup")), "stopped");
    browser.await_true(MARKED);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // Who asked stands in the main log.
    let wishes = daemon.wishes();
    let stop = "stop of 'horizon' requested by 127.0.0.1:";
    assert!(wishes.iter().any(|wish| wish.starts_with(stop)), "{wishes:#?}");
}

#[test]
fn a_group_and_all_are_asked_about_first() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    browser.open(&url);
    browser.await_text("#live", "live");
    browser.await_text("[data-group=queue] .count", "3 of 3 running");
    browser.click(&button("stop", "queue:*"));
    browser.await_text("dialog", "Stop every program of the group queue?");
    browser.picture("dialog");
    browser.click("dialog button[value=no]");
    browser.await_true("!document.querySelector('dialog')");
    browser.await_text("[data-group=queue] .count", "3 of 3 running");
    browser.click(&button("stop", "queue:*"));
    browser.click("dialog button[value=yes]");
    browser.await_text("#message", "Group queue stopped");
    browser.await_text("[data-group=queue] .count", "0 of 3 running");
    browser.click("button[value=startall]");
    browser.click("dialog button[value=yes]");
    browser.await_text("#message", "ERROR: mailer: no such file");
    daemon.await_state("cleanup", "RUNNING");
    daemon.tell("horizon", "echo spoken");
    daemon.await_log_of("horizon", "spoken\n");
    browser.click("button[value=stopall]");
    browser.click("dialog button[value=yes]");
    browser.await_text("#message", "All stopped at ");
    browser.await_text(".chip.running", "0 running");
    browser.click("button[value=clearlogall]");
    browser.await_text("dialog", "Clear the log of every program?");
    browser.click("dialog button[value=yes]");
    browser.await_text("#message", "All logs cleared at ");
    daemon.await_log_of("horizon", "");
}

#[test]
fn the_list_is_filtered_by_text_and_by_state() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    daemon.await_state("mailer", "FATAL");
    browser.open(&url);
    browser.await_text(".chip.failed", "1 failed");
    let shown = |count: usize| {
        browser.await_true(&format!(
            "[...document.querySelectorAll('.row')].filter(row => row.offsetHeight).length === {count}"
        ));
    };
    shown(6);
    browser.press("/");
    browser.press("QUEUE_0");
    shown(3);
    browser.press("9");
    shown(0);
    browser.await_text("#nothing", "No program fits the filter");
    browser.press("\u{e00c}");
    shown(6);
    browser.click(".chip.failed");
    shown(1);
    browser.await_text(&format!("{} .note", row("mailer")), "missing");
    assert!(browser.url().ends_with("?show=failed"), "{}", browser.url());
    assert_eq!(browser.run("return document.title"), json!("(1 failed) Supervisor Status"));
    browser.open(&browser.url());
    shown(1);
    // A program that recovers leaves the list.
    daemon.home.script("missing", "#!/bin/sh\nexec sleep 1000\n");
    browser.click(&button("start", "mailer"));
    shown(0);
    browser.await_text(".chip.failed", "0 failed");
}

#[test]
fn programs_that_come_and_go_are_shown_without_a_reload() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    browser.open(&url);
    browser.await_text("#live", "live");
    browser.run("window.mark = 1");
    let head = daemon.home.read("supervisord.conf").replace("<DIR>", daemon.home.dir().to_str().unwrap());
    let without = head.split("[program:cleanup]").next().unwrap();
    daemon.home.write(
        "supervisord.conf",
        format!("{without}[program:fresh]\ncommand=/bin/sleep 1000\nstartsecs=0\n"),
    );
    daemon.ctl("update");
    browser.await_text(&row("fresh"), "running");
    browser.await_true("!document.querySelector('[data-group=queue]')");
    browser.await_text(".chip", "2 all");
    browser.await_true(MARKED);
}

#[test]
fn a_log_is_followed_paused_searched_and_copied() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    daemon.tell("horizon", r"printf 'one\n\033[31mtwo\033[0m <b>bold</b>\n'; echo oops >&2");
    daemon.await_log_of("horizon", "one\n<ANY>\n");
    browser.open(&url);
    browser.click(&format!("{} .name a", row("horizon")));
    browser.await_text("#following", "following");
    browser.await_text("#log", "one\ntwo <b>bold</b>");
    daemon.tell("horizon", "echo three");
    browser.await_text("#log", "three");
    browser.click("#pause");
    daemon.tell("horizon", "echo four");
    browser.await_text("#following", "paused, 1 new line held back");
    assert!(!browser.text("#log").contains("four"));
    browser.click("#pause");
    browser.await_text("#log", "four");
    browser.press("/");
    browser.press("OLD");
    browser.await_text(".hits", "1 line");
    assert_eq!(browser.text("#log"), "two <b>bold</b>");
    browser.run(
        "window.copied = ''; document.addEventListener('copy', () => { window.copied = String(document.activeElement.value); });
         Object.defineProperty(navigator, 'clipboard', { value: { writeText: async text => { window.copied = text; } } });",
    );
    browser.click("#copy");
    browser.await_true("window.copied === 'two <b>bold</b>\\n'");
    browser.press("\u{e00c}");
    browser.click("a.tab[href*=stderr]");
    browser.await_text("#log", "oops");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // What is written while nobody looks is there when somebody does.
    browser.hide(true);
    browser.await_text("#following", "not connected");
    daemon.tell("horizon", "echo unseen >&2");
    eventually("it is written", || {
        let answer = daemon.call("readProcessStderrLog", &json!(["horizon", 0, 0]));
        so(rpc::shown(&answer).contains("unseen"), rpc::shown(&answer))
    });
    browser.hide(false);
    browser.await_text("#log", "oops\nunseen");
    // A log that is emptied is followed on.
    browser.click(&button("clearlog", "horizon"));
    browser.await_text("#message", "Log for horizon cleared");
    daemon.tell("horizon", "echo again >&2");
    browser.await_text("#log", "again");
    browser.open(&format!("{url}/mainlog.html"));
    browser.await_text("#log", "INFO supervisord started with pid");
}

#[test]
fn a_failed_program_is_explained() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    daemon.await_state("mailer", "FATAL");
    let missing = daemon.home.path("missing").display().to_string();
    browser.open(&url);
    browser.await_text(&format!("{} .note", row("mailer")), &missing);
    browser.click(&format!("{} .name a", row("mailer")));
    browser.await_text(".program .note", &missing);
    browser.await_text(".facts", "missing --queue=mail");
    browser.picture("failed");
    browser.click(&button("start", "mailer"));
    browser.await_text("#message.bad", "ERROR: Process mailer: no such file");
}

#[test]
fn it_fits_the_dark_and_a_phone() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    daemon.await_state("mailer", "FATAL");
    let lightness = || {
        let colour = browser.run("return getComputedStyle(document.body).backgroundColor");
        let parts = colour.as_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).split(", ");
        parts.map(|part| part.parse::<u32>().unwrap()).sum::<u32>()
    };
    for (name, path) in [("list", "/"), ("log", "/tail.html?processname=horizon")] {
        for (width, height) in [(1280, 900), (390, 844), (320, 640)] {
            browser.size(width, height);
            for dark in [false, true] {
                browser.dark(dark);
                browser.open(&format!("{url}{path}"));
                browser.await_text("#live", "live");
                assert_eq!(lightness() < 200, dark, "{}", lightness());
                let over = browser.run("return document.documentElement.scrollWidth - innerWidth");
                assert_eq!(over, json!(0), "{name} is wider than {width}");
                browser.picture(&format!("{name}-{width}-{}", if dark { "dark" } else { "light" }));
            }
        }
    }
    browser.open(&url);
    browser.click(&button("stop", "horizon"));
    browser.await_text("#message", "Process horizon stopped");
}

#[test]
fn without_its_script_the_page_does_the_same() {
    let (daemon, url) = start(SHOP);
    let Some(browser) = Browser::start() else { return };
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&url);
    browser.click(&button("stop", "horizon"));
    browser.await_text("#message", "Process horizon stopped");
    browser.await_text(&row("horizon"), "stopped");
    browser.click(&button("start", "horizon"));
    browser.await_text("#message", "Process horizon started");
    browser.click(&button("stop", "queue:*"));
    browser.await_text("h1", "Stop every program of the group queue?");
    browser.click("button.harm");
    browser.await_text("#message", "Group queue stopped");
    browser.type_into("#filter input", "hori\n");
    browser.await_text("table", "horizon");
    assert!(!browser.text("table").contains("cleanup"));
    daemon.tell("horizon", "echo hello");
    daemon.await_log_of("horizon", "hello\n");
    browser.click(&format!("{} .name a", row("horizon")));
    browser.click("#refresh");
    browser.await_text("#log", "hello");
    browser.click(&button("restart", "horizon"));
    browser.await_text("#message", "Process horizon restarted");
    browser.await_text("h1", "horizon");
}

#[test]
fn a_page_survives_the_end_and_the_start_of_the_daemon() {
    let (mut daemon, url) = start("[program:slow]\ncommand=%(here)s/puppet\nstopwaitsecs=60\nstartsecs=0\n");
    let Some(browser) = Browser::start() else { return };
    daemon.tell("slow", "trap '' TERM; echo deaf");
    daemon.await_log_of("slow", "deaf\n");
    let pid = daemon.pid_of("slow");
    browser.open(&url);
    browser.await_text("#live", "live");
    let boot = browser.run("return document.body.dataset.boot");
    daemon.must("restart", json!([]));
    browser.await_text("#banner", "supervisord is restarting");
    browser.await_text(&row("slow"), "stopping");
    // Whoever comes only now is told as well.
    browser.open(&url);
    browser.await_text("#banner", "supervisord is restarting");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    daemon.await_line("INFO supervisord started with pid <PID>");
    browser.await_true(&format!("document.body.dataset.boot !== {boot}"));
    browser.click(&button("stop", "slow"));
    browser.await_text("#message", "Process slow stopped");
}

#[test]
fn read_only_it_shows_and_does_nothing() {
    let (daemon, url) = start_with("readonly=true", SHOP);
    let Some(browser) = Browser::start() else { return };
    browser.open(&url);
    browser.await_text("#live", "live");
    browser.await_text("footer", "read-only");
    assert_eq!(browser.run("return document.querySelectorAll('button').length"), json!(0));
    let post =
        "return fetch('index.html', { method: 'POST', body: new URLSearchParams({ do: 'stop horizon' }) })
                .then(answer => answer.status)";
    assert_eq!(browser.run(post), json!(403));
    browser.open(&format!("{url}/?action=stop&processname=horizon"));
    browser.await_text("body", "Error code 403");
    daemon.await_state("horizon", "RUNNING");
}

fn get(daemon: &Daemon, uri: &str) -> rpc::Answer {
    rpc::http(&daemon.socket(), "GET", uri, "", b"").unwrap()
}

fn text(answer: &rpc::Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn post(daemon: &Daemon, fields: &str) -> u16 {
    let head = "Content-Type: application/x-www-form-urlencoded\r\n";
    rpc::http(&daemon.socket(), "POST", "/index.html", head, fields.as_bytes()).unwrap().code
}

#[test]
fn nothing_is_changed_without_the_token_of_this_start() {
    let daemon = Daemon::start(Subject::Ours, SHOP);
    let page = text(&get(&daemon, "/?action=stop&processname=horizon"));
    assert!(page.contains("<h1>Stop horizon?</h1>"), "{page}");
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    for wrong in ["", "&token=", &format!("&token={}", "0".repeat(32)), &format!("&token={token}0")] {
        assert_eq!(post(&daemon, &format!("action=stop&processname=horizon{wrong}")), 403, "{wrong}");
    }
    daemon.await_state("horizon", "RUNNING");
    assert_eq!(post(&daemon, &format!("action=stop&processname=horizon&token={token}")), 303);
    daemon.await_state("horizon", "STOPPED");
    assert_eq!(post(&daemon, &format!("action=nope&token={token}")), 400);
    // Refused by its head: whoever has sent the body as well may find the connection closed.
    let head = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 70000\r\n\r\n";
    let answer = rpc::exchange(&daemon.socket(), head).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn what_others_say_is_never_markup() {
    let daemon = Daemon::start(Subject::Ours, SHOP);
    daemon.tell("horizon", "echo '</pre><script>alert(1)</script>'");
    daemon.await_log_of("horizon", "<ANY>\n");
    let evil = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for uri in [
        format!("/?message={evil}"),
        format!("/?q={evil}&show={evil}"),
        format!("/?action=stop&processname={evil}"),
        format!("/tail.html?processname={evil}&limit={evil}&channel={evil}"),
        "/tail.html?processname=horizon".to_owned(),
    ] {
        let answer = get(&daemon, &uri);
        let page = text(&answer);
        assert!(!page.contains("<script>"), "{uri}\n{page}");
        let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ";
        let head = answer.head.join("\n").to_lowercase();
        assert!(head.contains(policy) && head.contains("frame-ancestors 'none'"), "{head}");
    }
}

#[test]
fn a_page_with_all_that_it_loads_is_small() {
    let daemon = Daemon::start(Subject::Ours, SHOP);
    for page in ["/", "/tail.html?processname=horizon", "/mainlog.html"] {
        let mut size = get(&daemon, page).body.len();
        let body = text(&get(&daemon, page));
        let loaded = body.split(['"', '\'']).filter(|part| {
            ["stylesheets/", "scripts/", "images/"].iter().any(|place| part.starts_with(place))
        });
        let loaded: std::collections::BTreeSet<&str> = loaded.collect();
        assert!(loaded.len() >= 3, "{loaded:?}");
        for asset in loaded {
            let answer = get(&daemon, &format!("/{asset}"));
            assert_eq!(answer.code, 200, "{asset}");
            let tag = answer.head.iter().find_map(|line| line.strip_prefix("etag: ")).unwrap();
            let head = format!("If-None-Match: {tag}\r\n");
            let again = rpc::http(&daemon.socket(), "GET", &format!("/{asset}"), &head, b"").unwrap();
            assert_eq!((again.code, again.body.len()), (304, 0), "{asset}");
            size += answer.body.len();
        }
        println!("{page}: {size} bytes");
        assert!(size < 60_000, "{page}: {size} bytes");
    }
}

#[test]
fn events_are_shared_and_their_readers_counted() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixStream;
    let daemon = Daemon::start(Subject::Ours, SHOP);
    let watch = || {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        BufReader::new(stream)
    };
    let until = |reader: &mut BufReader<UnixStream>, wanted: &str| {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0, "{wanted}");
        }
        line
    };
    let mut readers: Vec<_> = (0..64).map(|_| watch()).collect();
    for reader in &mut readers {
        until(reader, "200 OK");
        let all = until(reader, "data: ");
        assert!(all.contains("\"id\":\"queue:queue_02\"") && all.contains("\"boot\":"), "{all}");
    }
    until(&mut watch(), "503");
    daemon.must("stopProcess", json!(["horizon"]));
    for reader in &mut readers {
        let mut seen = String::new();
        while !(seen.contains("\"id\":\"horizon\"") && seen.contains("\"state\":\"stopped\"")) {
            seen = until(reader, "data: ");
        }
    }
    readers.truncate(60);
    eventually("a place is free again", || {
        let mut line = String::new();
        watch().read_line(&mut line).unwrap();
        so(line.contains("200"), line)
    });
}

#[test]
fn a_page_without_programs_says_so() {
    let home = Home::with(Subject::Ours, "");
    let daemon = Daemon::start_in(home, &[]);
    assert!(text(&get(&daemon, "/")).contains("No programs to manage"));
}
