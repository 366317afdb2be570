//! A daemon in a directory of its own, with its programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::Bench;
use crate::manager;
use crate::scene::Scene;
use crate::stamps::{PATIENCE, Stamps, mono};
use crate::subject::Subject;
use crate::usage;

pub struct Daemon<'bench> {
    bench: &'bench Bench,
    pub subject: Subject,
    pub scene: Scene,
    process: Child,
    pub stamps: Stamps,
    /// Just before the fork.
    pub started: u64,
    running: bool,
    bus: Option<Child>,
    home: tempfile::TempDir,
}

impl<'bench> Daemon<'bench> {
    pub fn start(bench: &'bench Bench, subject: Subject, scene: Scene) -> Self {
        let home = tempfile::tempdir_in(crate::programs::home()).unwrap();
        let stamps = Stamps::new(home.path());
        let mut command = scene.command(subject, &bench.programs, home.path());
        command.env_remove("NOTIFY_SOCKET").env("BENCH_STAMPS", stamps.path());
        command.envs(scene.program.environment());
        let bus = scene.bus.then(|| bus(home.path()));
        if scene.bus {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus_address(home.path()));
        }
        if scene.kept {
            command.env("NOTIFY_SOCKET", manager::listen(home.path()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = mono();
        let process = command.spawn().unwrap();
        Self { bench, subject, scene, process, stamps, started, running: true, bus, home }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).unwrap())
    }

    pub fn socket(&self) -> PathBuf {
        self.home().join("sock")
    }

    pub fn configuration(&self) -> PathBuf {
        self.home().join("supervisord.conf")
    }

    /// Its processes: all but the programs.
    pub fn own(&self) -> Vec<Pid> {
        let mut own = vec![self.pid()];
        if matches!(self.subject, Subject::S6 | Subject::Runit) {
            let is_program = |pid: &Pid| usage::program(*pid).starts_with(self.bench.programs.directory());
            own.extend(usage::descendants(self.pid()).into_iter().filter(|pid| !is_program(pid)));
        }
        own
    }

    /// Somebody has its name on the bus.
    pub fn await_bus(&self) {
        let begun = Instant::now();
        let there = || {
            Command::new("busctl")
                .args(["--user", "status", "org.supervisord.Supervisor1"])
                .env("DBUS_SESSION_BUS_ADDRESS", bus_address(self.home()))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        while !there() {
            assert!(begun.elapsed() < PATIENCE, "the daemon does not come to the bus");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tells it to end, and how long it took until it and all programs were gone, in milliseconds; at most about the patience,
    /// after which all are killed.
    pub fn stop(&mut self, patience: Duration) -> f64 {
        self.running = false;
        let before = mono();
        match self.subject {
            // It ends at once; its children, and theirs, when they are ready.
            Subject::Runit => self.signal(Signal::SIGHUP),
            _ => self.signal(Signal::SIGTERM),
        }
        if self.stamps.gone(patience) {
            self.process.wait().unwrap();
        }
        let time = millis(before, mono());
        self.clean(if time / 1e3 < patience.as_secs_f64() { PATIENCE } else { Duration::ZERO });
        time
    }

    /// The same for programs that do not end at SIGTERM.
    pub fn stop_deaf(&mut self, patience: Duration) -> f64 {
        if self.subject != Subject::Runit {
            return self.stop(patience);
        }
        let services = fs::read_dir(self.home().join("services")).unwrap();
        let services = services.map(|service| service.unwrap().path());
        let before = mono();
        let mut sv = Command::new("sv");
        sv.args(["-w", "2", "force-shutdown"]).args(services);
        sv.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        self.stop(patience);
        millis(before, mono())
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for whoever is left, as long as the patience lasts, and then kills them.
    fn clean(&mut self, patience: Duration) {
        if let Some(mut bus) = self.bus.take() {
            bus.kill().unwrap();
            bus.wait().unwrap();
        }
        let begun = Instant::now();
        loop {
            if begun.elapsed() >= patience {
                for pid in usage::descendants(Pid::this()) {
                    // It may have ended meanwhile.
                    let _ = kill(pid, Signal::SIGKILL);
                }
            }
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(status) if status.pid().is_some() => {}
                Err(Errno::ECHILD) => break,
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if self.running {
            self.stop(PATIENCE);
        }
    }
}

pub fn millis(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

fn bus_address(home: &Path) -> String {
    format!("unix:path={}/bus", home.display())
}

const BUS: &str = r#"<busconfig><type>session</type><listen>ADDRESS</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;

fn bus(home: &Path) -> Child {
    let file = home.join("bus.conf");
    fs::write(&file, BUS.replace("ADDRESS", &bus_address(home))).unwrap();
    let mut command = Command::new("dbus-daemon");
    command.arg(format!("--config-file={}", file.display())).args(["--nofork", "--nopidfile", "--nosyslog"]);
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("dbus-daemon: `make deps`");
    let begun = Instant::now();
    while !home.join("bus").exists() {
        assert!(begun.elapsed() < PATIENCE, "the bus does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}
