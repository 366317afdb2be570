//! Superlance 2.0.0's five listeners, and one written with `supervisor.childutils`, as they come from PyPI.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::json;
use supervisord::wire::xmlrpc::Value;

use crate::support::home::theirs;
use crate::support::pattern::is_like;
use crate::support::{Daemon, Home, PATIENCE, Subject, eventually, so};

compliance!(superlance_does_its_work, a_listener_is_written_with_childutils);

/// Grows by 64 MB, the first time that it runs.
const GROWER: &str = "#!/usr/bin/python3\nimport os, time\nif not os.path.exists('grown'):\n    open('grown', 'w').close()\n    \
                      big = b'x' * (64 << 20)\ntime.sleep(600)\n";

/// `sendmail`.
const MAILER: &str = "#!/bin/sh\ncat >>\"$1\"\necho >>\"$1\"\n";

fn sections(site: u16, smtp: u16) -> String {
    let bin = theirs("memmon");
    let bin = bin.parent().unwrap().display();
    let batch =
        format!("--toEmail=you@test --fromEmail=me@test --smtpHost=127.0.0.1:{smtp} -i 0.05 -e TICK_5");
    format!(
        "[program:grower]\ncommand=%(here)s/grower\ndirectory=%(here)s\n\
         [program:site]\ncommand=/bin/cat\n\
         [program:crasher]\ncommand=%(here)s/puppet\nautorestart=false\nstartsecs=0\n\
         [program:hopeless]\ncommand=/bin/false\nautostart=false\nstartretries=0\n\
         [eventlistener:memmon]\n\
         command={bin}/memmon -p grower=48MB -m you@test -n name -s '%(here)s/mailer %(here)s/memmon.mail'\n\
         events=TICK_5\nstderr_logfile=%(here)s/memmon.log\n\
         [eventlistener:httpok]\n\
         command={bin}/httpok -p site -m you@test -s '%(here)s/mailer %(here)s/httpok.mail' http://127.0.0.1:{site}/\n\
         events=TICK_5\nstderr_logfile=%(here)s/httpok.log\n\
         [eventlistener:crashmail]\n\
         command={bin}/crashmail -a -m you@test -o host -s '%(here)s/mailer %(here)s/crash.mail'\n\
         events=PROCESS_STATE\nstderr_logfile=%(here)s/crashmail.log\n\
         [eventlistener:crashmailbatch]\ncommand={bin}/crashmailbatch {batch}\nevents=PROCESS_STATE,TICK_5\n\
         [eventlistener:fatalmailbatch]\ncommand={bin}/fatalmailbatch {batch}\nevents=PROCESS_STATE,TICK_5\n"
    )
}

/// All five at once: each does what it is for, at the first tick of five seconds.
fn superlance_does_its_work(subject: Subject) {
    let (site, smtp) = (Site::open(), Smtp::open());
    let home = Home::with(subject, &sections(site.port, smtp.port));
    home.script("grower", GROWER);
    home.script("mailer", MAILER);
    let daemon = Daemon::start_in(home, &[]);
    for name in ["grower", "site", "memmon", "httpok", "crashmail", "crashmailbatch", "fatalmailbatch"] {
        daemon.await_state(name, "RUNNING");
    }
    // Not before: httpok leaves alone what is still starting.
    site.ill.store(true, Ordering::Relaxed);
    let (grown, served) = (daemon.pid_of("grower"), daemon.pid_of("site"));
    let crashed = daemon.pid_of("crasher");
    daemon.tell("crasher", "exit 3");
    assert!(daemon.call("startProcess", &json!(["hopeless"])).is_err());
    daemon.await_state("crasher", "EXITED");
    daemon.await_state("hopeless", "FATAL");

    daemon.await_file(
        "crash.mail",
        &format!(
            "To: you@test\nSubject: host: crasher crashed at <ANY>\n\nProcess crasher in group crasher exited \
             unexpectedly (pid {crashed}) from state RUNNING\n"
        ),
    );
    daemon.await_file(
        "memmon.mail",
        "To: you@test\nSubject: memmon [name]: process grower:grower restarted\n\nmemmon.py restarted the process named \
         grower:grower at <ANY> because it was consuming too much memory (<N> bytes RSS)\n",
    );
    assert_ne!(daemon.pid_of("grower"), grown);
    let url = format!("http://127.0.0.1:{}/", site.port);
    daemon.await_file(
        "httpok.mail",
        &format!(
            "To: you@test\nSubject: httpok: {url}: bad status returned\n\nstatus contacting {url}: 503 Service Unavailable\n\
             Restarting selected processes ['site']\nsite is in RUNNING state, restarting\nsite restarted\n"
        ),
    );
    assert_ne!(daemon.pid_of("site"), served);
    let died = format!("<ANY> -- Process crasher:crasher (pid {crashed}) died unexpectedly");
    smtp.have_come([
        ("Crash alert from supervisord", &died),
        (
            "Fatal start alert from supervisord",
            "<ANY> -- Process hopeless:hopeless failed to start too many times",
        ),
    ]);
    assert!(!daemon.log().iter().any(|line| line.contains("UNKNOWN state")), "{:#?}", daemon.log());
}

/// Answers 200; once it is ill, 503 to the next who asks.
struct Site {
    port: u16,
    ill: Arc<AtomicBool>,
}

impl Site {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ill = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ill);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let status =
                    if seen.swap(false, Ordering::Relaxed) { "503 Service Unavailable" } else { "200 OK" };
                let _ = stream.and_then(|stream| Self::answer(&stream, status));
            }
        });
        Self { port, ill }
    }

    fn answer(stream: &TcpStream, status: &str) -> std::io::Result<()> {
        for line in BufReader::new(stream).lines() {
            if line?.is_empty() {
                break;
            }
        }
        let mut writer = stream;
        write!(writer, "HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n")
    }
}

/// A mail server, as far as `smtplib` needs one.
struct Smtp {
    port: u16,
    mails: Receiver<String>,
}

impl Smtp {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, mails) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.and_then(|stream| Self::take(&stream, &sender));
            }
        });
        Self { port, mails }
    }

    fn take(stream: &TcpStream, mails: &Sender<String>) -> std::io::Result<()> {
        let mut writer = stream;
        write!(writer, "220 test\r\n")?;
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next() {
            match line?.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "DATA" => {
                    write!(writer, "354 go on\r\n")?;
                    let body: Result<Vec<String>, _> = lines
                        .by_ref()
                        .take_while(|line| !line.as_ref().is_ok_and(|line| line == "."))
                        .collect();
                    let _ = mails.send(body?.join("\n"));
                    write!(writer, "250 taken\r\n")?;
                }
                "QUIT" => return write!(writer, "221 bye\r\n"),
                _ => write!(writer, "250 fine\r\n")?,
            }
        }
        Ok(())
    }

    /// The next mails are these, in any order: each has this subject, and a body of this line.
    #[track_caller]
    fn have_come(&self, expected: [(&str, &str); 2]) {
        let next = || self.mails.recv_timeout(PATIENCE).unwrap();
        let mails = [next(), next()];
        for (subject, line) in expected {
            let fits = |mail: &&String| {
                mail.contains(&format!("\nSubject: {subject}\nFrom: me@test\nTo: you@test\n"))
            };
            let mail = mails.iter().find(fits).unwrap_or_else(|| panic!("no {subject}: {mails:#?}"));
            let body = mail.split_once("\n\n").map(|(_, body)| body.trim_end());
            assert!(is_like(body.unwrap_or_default(), line), "{mail}");
        }
    }
}

/// Takes what a program communicates, asks the daemon who it is, and tells both. Of what begins with `twice` it takes the
/// second telling.
const LISTENER: &str = r#"
import os, sys
from supervisor import childutils
rpc = childutils.getRPCInterface(os.environ)
told = set()
while True:
    headers, payload = childutils.listener.wait()
    pheaders, data = childutils.eventdata(payload)
    if data.startswith("twice") and data not in told:
        told.add(data)
        childutils.listener.fail()
        continue
    info = rpc.supervisor.getProcessInfo(childutils.get_headers(payload.split("\n")[0])["processname"])
    with open("told", "a") as log:
        log.write("%s %s:%s %s %s %r\n" % (headers["eventname"], pheaders["groupname"], pheaders["processname"],
            info["statename"], info["pid"] == int(pheaders["pid"]), data))
    childutils.listener.ok()
"#;

/// Communicates, with `childutils`, what it is told.
const COMMUNICATOR: &str = r#"
import sys
from supervisor import childutils
for line in iter(sys.stdin.readline, ""):
    # Its tokens are bytes, so that `pcomm.stdout` fails with Python 3.
    childutils.pcomm.send(line.encode(), sys.stdout.buffer)
    childutils.pcomm.send(line.upper().encode(), sys.stderr.buffer)
"#;

fn a_listener_is_written_with_childutils(subject: Subject) {
    let python = theirs("python");
    let python = python.display();
    let sections = format!(
        "[eventlistener:l]\ncommand={python} -u %(here)s/listener.py\ndirectory=%(here)s\nevents=PROCESS_COMMUNICATION\n\
         [program:p]\ncommand={python} -u %(here)s/communicator.py\nstdout_capture_maxbytes=1MB\nstderr_capture_maxbytes=1MB\n"
    );
    let home = Home::with(subject, &sections);
    home.write("listener.py", LISTENER);
    home.write("communicator.py", COMMUNICATOR);
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_state("l", "RUNNING");
    daemon.await_state("p", "RUNNING");
    daemon.answers("sendProcessStdin", json!(["p", "once gr\u{fc}n\n"]), "true");
    let once = ["STDOUT p:p RUNNING True 'once gr\u{fc}n\\n'", "STDERR p:p RUNNING True 'ONCE GR\u{dc}N\\n'"];
    has_told(&daemon, &once);
    daemon.answers("sendProcessStdin", json!(["p", "twice\n"]), "true");
    let twice = ["STDOUT p:p RUNNING True 'twice\\n'", "STDERR p:p RUNNING True 'TWICE\\n'"];
    has_told(&daemon, &[once, twice].concat());
    assert!(daemon.log().iter().any(|line| line.ends_with("WARN l: event was rejected")));
    assert_eq!(daemon.info("l", "statename"), Value::string("RUNNING"));
}

/// In any order: the two channels are two pipes.
#[track_caller]
fn has_told(daemon: &Daemon, expected: &[&str]) {
    let mut expected: Vec<String> =
        expected.iter().map(|line| format!("PROCESS_COMMUNICATION_{line}")).collect();
    expected.sort();
    eventually(&format!("the listener tells {expected:#?}"), || {
        let text = daemon.home.read("told");
        let mut told: Vec<&str> = text.lines().collect();
        told.sort_unstable();
        so(told == expected, format!("{text}\n{}", daemon.home.read("main.log")))
    });
}
