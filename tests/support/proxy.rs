//! A pidproxy that runs in a home, and is gone with everything that it started when dropped.

use std::fs::File;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::daemon::session;
use super::home::{Home, Outcome};
use super::pattern::is_like;
use super::{eventually, so};

/// A daemon that writes its pid into `pid`, and the signals that it gets into `heard`. TERM ends it; when there is a file
/// `slow`, only once there is one `go`. It starts nothing while it listens: dash loses a signal that comes with a vfork.
const DAEMON: &str = "#!/bin/sh
sleep 1000 &
for signal in HUP INT QUIT USR1 USR2; do trap \"echo $signal >>heard\" $signal; done
trap 'echo TERM >>heard; kill $!; while [ -e slow ] && [ ! -e go ]; do sleep 0.02; done; exit 0' TERM
echo $$ >pid
while :; do wait $!; done
";

/// A command that starts the daemon, and ends with it as it ends.
const WRAPPER: &str = "#!/bin/sh\n./daemon\n";

impl Home {
    /// Writes the programs `daemon` and `wrapper`.
    pub fn daemonize(&self) {
        self.script("daemon", DAEMON);
        self.script("wrapper", WRAPPER);
    }
}

/// A running pidproxy.
pub struct Proxy {
    /// Where it runs.
    pub home: Home,
    child: Child,
}

impl Proxy {
    /// Starts one with these arguments. What it and its command print is in `stdout` and `stderr`.
    pub fn start(home: Home, args: &[&str]) -> Self {
        let mut command = home.session_command("pidproxy", args);
        let out = File::create(home.path("stdout")).unwrap();
        let err = File::create(home.path("stderr")).unwrap();
        // Python would keep what it prints to a file until its end.
        command.env("PYTHONUNBUFFERED", "1");
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        Self { home, child }
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits until a file of the home has a content.
    #[track_caller]
    pub fn await_file(&self, name: &str, pattern: &str) {
        eventually(&format!("{name} says {pattern:?}"), || {
            let content = self.home.read(name);
            so(is_like(&content, pattern), format!("{content}\nstderr: {}", self.home.read("stderr")))
        });
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The pids of its children that have not been reaped.
    pub fn children(&self) -> String {
        let pid = self.pid();
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn outcome(&mut self) -> Outcome {
        let status = eventually("pidproxy ends", || {
            let status = self.child.try_wait().unwrap();
            status.ok_or_else(|| format!("{}{}", self.home.read("stdout"), self.home.read("stderr")))
        });
        Outcome {
            code: status.code(),
            stdout: self.home.read("stdout"),
            stderr: self.home.read("stderr"),
            command: "pidproxy".to_owned(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        loop {
            let left = session(self.pid());
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let _ = self.child.try_wait();
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let _ = self.child.wait();
    }
}
