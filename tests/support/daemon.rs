//! A daemon that runs in a home, and is gone with everything that it started when dropped.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};
use supervisord::wire::xmlrpc::Value;

use super::home::{Home, Outcome, Subject};
use super::pattern::{assert_like, is_like};
use super::{GLANCE, eventually, rpc, so};

/// How long a daemon may take to end by itself when its test is over.
const GRACE: Duration = Duration::from_millis(200);

/// A running daemon.
pub struct Daemon {
    /// Where it runs.
    pub home: Home,
    /// Its pid.
    pub pid: i32,
    /// `None` when it left the terminal by itself.
    child: Option<Child>,
    /// The lines of the main log that were looked at.
    seen: usize,
}

impl Daemon {
    /// Starts a daemon with the usual head and these sections, and waits until it is ready.
    #[track_caller]
    pub fn start(subject: Subject, sections: &str) -> Self {
        Self::start_in(Home::with(subject, sections), &[])
    }

    /// Starts a daemon in the foreground of a session of its own, and waits until it is ready.
    #[track_caller]
    pub fn start_in(home: Home, args: &[&str]) -> Self {
        let mut daemon = Self::spawn(home, args);
        daemon.await_line(&format!("INFO supervisord started with pid {}", daemon.pid));
        daemon
    }

    /// Starts a daemon whose main log does not say that it has started, and waits until its socket answers.
    #[track_caller]
    pub fn start_unsaid(home: Home, args: &[&str]) -> Self {
        let daemon = Self::spawn(home, args);
        eventually("the daemon answers", || {
            daemon.call("getState", &json!([])).map_err(|refusal| format!("{refusal:?}"))
        });
        daemon
    }

    /// Starts a daemon in the foreground of a session of its own, and waits for nothing.
    pub fn spawn(home: Home, args: &[&str]) -> Self {
        let all: Vec<&str> = ["-n", "-c", "supervisord.conf"].iter().chain(args).copied().collect();
        let mut command = home.daemon_command(&all);
        command.stdout(fs::File::create(home.path("stdout")).unwrap());
        Self::spawn_command(home, command)
    }

    /// Starts a daemon by a command that becomes it, and waits for nothing.
    pub fn spawn_command(home: Home, mut command: Command) -> Self {
        let child = command.stderr(fs::File::create(home.path("stderr")).unwrap()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        Self { home, pid, child: Some(child), seen: 0 }
    }

    /// Starts a daemon that leaves the terminal, and waits until its socket answers.
    #[track_caller]
    pub fn start_detached(home: Home, args: &[&str]) -> Self {
        let all: Vec<&str> = ["-c", "supervisord.conf"].iter().chain(args).copied().collect();
        let status = home.daemon_command(&all).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{status}");
        Self::detached(home)
    }

    /// Takes over a daemon that was told to leave the terminal, and waits until its socket answers.
    #[track_caller]
    pub fn detached(home: Home) -> Self {
        let pid = eventually("the pidfile is written", || {
            let text = home.read("pid");
            text.trim().parse().map_err(|error| format!("{text:?}: {error}"))
        });
        let daemon = Self::adopt(home, pid);
        eventually("the socket answers", || UnixStream::connect(daemon.socket()).map_err(|e| e.to_string()));
        daemon
    }

    /// Takes over a daemon that has left the terminal.
    pub fn adopt(home: Home, pid: i32) -> Self {
        Self { home, pid, child: None, seen: 0 }
    }

    /// Whose it is.
    pub fn subject(&self) -> Subject {
        self.home.subject
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.home.path("s")
    }

    /// Runs the supervisorctl of the same subject.
    pub fn ctl(&self, words: &str) -> Outcome {
        self.home.ctl(words)
    }

    /// Calls `supervisor.METHOD`.
    pub fn call(&self, method: &str, params: &Json) -> Result<Value, rpc::Refusal> {
        let full = if method.contains('.') { method.to_owned() } else { format!("supervisor.{method}") };
        rpc::call(&self.socket(), &full, params)
    }

    /// Calls a method and holds the answer against a pattern (see [`rpc::shown`]).
    #[track_caller]
    pub fn answers(&self, method: &str, params: Json, pattern: &str) {
        let answer = self.home.neutral(rpc::shown(&self.call(method, &params)).as_bytes());
        assert_like(&answer, pattern, &format!("{method}{params}"));
    }

    /// Calls a method that must not fail.
    #[track_caller]
    pub fn must(&self, method: &str, params: Json) -> Value {
        self.call(method, &params).unwrap_or_else(|refusal| panic!("{method}{params}: {refusal:?}"))
    }

    /// Has a puppet run a line of shell.
    #[track_caller]
    pub fn tell(&self, name: &str, line: &str) {
        self.must("sendProcessStdin", json!([name, format!("{line}\n")]));
    }

    /// A member of a process's information.
    #[track_caller]
    pub fn info(&self, name: &str, member: &str) -> Value {
        self.must("getProcessInfo", json!([name])).member(member).unwrap().clone()
    }

    /// The pid of a process.
    #[track_caller]
    pub fn pid_of(&self, name: &str) -> i32 {
        match self.info(name, "pid") {
            Value::Int(pid) => i32::try_from(pid).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The pid with which a process was spawned last, as the main log tells.
    #[track_caller]
    pub fn child_pid(&self, name: &str) -> i32 {
        let head = format!("INFO spawned: '{name}' with pid ");
        let lines = self.log();
        lines.iter().rev().find_map(|line| line.strip_prefix(&head)?.parse().ok()).expect("it was spawned")
    }

    /// Waits until a process is in a state.
    #[track_caller]
    pub fn await_state(&self, name: &str, state: &str) {
        eventually(&format!("{name} is {state}"), || {
            let info = self.call("getProcessInfo", &json!([name]));
            let now = info.as_ref().ok().and_then(|info| info.member("statename")?.as_str());
            so(now == Some(state), format!("{}\n{}", rpc::shown(&info), self.home.read("main.log")))
        });
    }

    /// Waits until a file of the home has a content.
    #[track_caller]
    pub fn await_file(&self, name: &str, pattern: &str) {
        eventually(&format!("{name} says {pattern:?}"), || {
            let content = self.home.read(name);
            so(is_like(&content, pattern), content)
        });
    }

    /// Waits until the log of a process says this.
    #[track_caller]
    pub fn await_log_of(&self, name: &str, pattern: &str) {
        eventually(&format!("the log of {name} says {pattern:?}"), || {
            let answer = self.call("readProcessStdoutLog", &json!([name, 0, 0]));
            let text = answer.as_ref().ok().and_then(Value::as_str).unwrap_or_default();
            so(is_like(&self.home.neutral(text.as_bytes()), pattern), rpc::shown(&answer))
        });
    }

    /// The whole lines of the main log, without their time; and without what tells of Python's objects, or that a stop waits,
    /// which depends on how fast a program dies.
    pub fn log(&self) -> Vec<String> {
        let text = self.home.read("main.log");
        let Some(end) = text.rfind('\n') else { return Vec::new() };
        let lines = text[..end].split('\n').map(|line| {
            let stamped = is_like(line, "<STAMP> <ANY>");
            if stamped { line[24..].to_owned() } else { line.to_owned() }
        });
        let passed_over = [
            // By chance.
            "DEBG fd <N> closed, stopped monitoring <ANY>",
            "INFO waiting for <ANY> to stop",
            // Ours alone, see [`Self::wishes`].
            "INFO <ANY> requested by <ANY>",
        ];
        lines.filter(|line| !passed_over.iter().any(|pattern| is_like(line, pattern))).collect()
    }

    /// What the main log says of who asked for what: lines that theirs does not write.
    pub fn wishes(&self) -> Vec<String> {
        let text = self.home.read("main.log");
        let lines = text.lines().filter(|line| is_like(line, "<STAMP> INFO <ANY> requested by <ANY>"));
        lines.map(|line| line[29..].to_owned()).collect()
    }

    /// Passes over everything that the main log has said so far.
    pub fn skip_log(&mut self) {
        self.seen = self.log().len();
    }

    /// Waits for the next lines of the main log; these and no others.
    #[track_caller]
    pub fn logs(&mut self, expected: &[&str]) {
        let seen = self.seen;
        let lines = eventually(&format!("the main log says {expected:#?}"), || {
            let lines: Vec<String> = self.log().into_iter().skip(seen).collect();
            let wrong = lines.iter().zip(expected).any(|(line, pattern)| !is_like(line, pattern));
            if wrong || lines.len() >= expected.len() { Ok(lines) } else { Err(lines.join("\n")) }
        });
        let shown = expected.join("\n");
        let taken = &lines[..lines.len().min(expected.len())];
        assert_like(&taken.join("\n"), &shown, &format!("the main log; all that is new in it: {lines:#?}"));
        self.seen += expected.len();
    }

    /// Holds that the main log has said nothing more.
    #[track_caller]
    pub fn logs_no_more(&self) {
        let more: Vec<String> = self.log().into_iter().skip(self.seen).collect();
        assert_eq!(more, Vec::<String>::new());
    }

    /// Waits for a line of the main log, and passes over everything up to it.
    #[track_caller]
    pub fn await_line(&mut self, pattern: &str) {
        let seen = self.seen;
        let at = eventually(&format!("the main log says {pattern:?}"), || {
            let lines = self.log();
            let found = lines.iter().skip(seen).position(|line| is_like(line, pattern));
            found.ok_or_else(|| format!("{}\nstderr: {}", lines.join("\n"), self.home.read("stderr")))
        });
        self.seen += at + 1;
    }

    /// Sends a signal to the daemon.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).unwrap();
    }

    /// Waits until the daemon has ended.
    #[track_caller]
    pub fn await_end(&mut self) -> ExitStatus {
        eventually("the daemon ends", || {
            let status = self.child.as_mut().unwrap().try_wait().unwrap();
            status.ok_or_else(|| self.home.read("main.log"))
        })
    }

    /// The processes of the daemon's session: itself, its programs and theirs.
    pub fn session(&self) -> Vec<i32> {
        session(self.pid)
    }

    fn ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => session(self.pid).is_empty(),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.ended() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + GRACE;
        while !self.ended() && Instant::now() < deadline {
            std::thread::sleep(GLANCE);
        }
        // Whoever is left, and whoever they have started meanwhile.
        loop {
            let left = self.session();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let _ = self.child.as_mut().map(Child::try_wait);
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.as_mut().map(Child::wait);
    }
}

/// The pids of a session, without the dead that nobody has reaped.
pub fn session(id: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.get(3).and_then(|session| session.parse().ok()) == Some(id) && fields.first() != Some(&"Z")
    })
    .collect()
}
