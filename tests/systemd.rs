//! The installed programs under real systemd, each test in a booted machine of its own
//! (`tests/support/systemd-box`). Needs root, and what `tests/support/install-deps` installs.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test's helpers are tests as well")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const UNIT: &str = include_str!("../systemd/supervisord.service");
const DEBIAN_CONF: &str = include_str!("laravel/supervisord.conf");
const LARAVEL_CONF: &str = include_str!("laravel/my.conf");
const ARTISAN: &str = include_str!("laravel/artisan");

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this user may boot a machine; says so if not.
fn may_boot() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("skipped: booting systemd needs root");
    }
    root
}

/// Waits until `look` finds what it looks for. Its error is what it saw instead.
#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
            Err(seen) => panic!("not within {PATIENCE:?}: {what}; seen last:\n{seen}"),
        }
    }
}

/// `Ok` if it is so; else what was seen.
fn so(holds: bool, seen: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen.into()) }
}

/// A booted machine with our programs, the unit and Debian's configuration; gone when dropped.
struct Machine {
    dir: PathBuf,
}

impl Machine {
    /// Boots, and installs as a package would. The daemon is not started.
    fn boot(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("box-{name}-{}", std::process::id()));
        let share = dir.join("share");
        fs::create_dir_all(&share).unwrap();
        let machine = Self { dir };
        fs::copy(env!("CARGO_BIN_EXE_supervisord"), share.join("supervisord")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_supervisorctl"), share.join("supervisorctl")).unwrap();
        // Into a file: a pipe would stay open for as long as the machine runs.
        let said = machine.dir.join("start");
        let out = fs::File::create(&said).unwrap();
        let status = Self::harness("start", &machine.dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .status()
            .unwrap();
        assert!(status.success(), "the box did not boot:\n{}", fs::read_to_string(said).unwrap());
        machine.sh("install -m 755 /share/supervisord /share/supervisorctl /usr/bin/
             rm -rf /etc/supervisor /var/log/supervisor
             mkdir -p /etc/supervisor/conf.d /var/log/supervisor");
        machine.write("/usr/lib/systemd/system/supervisord.service", UNIT);
        machine.write("/etc/supervisor/supervisord.conf", DEBIAN_CONF);
        machine.sh("systemctl daemon-reload");
        machine
    }

    fn harness(verb: &str, dir: &Path) -> Command {
        let mut command =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/systemd-box"));
        command.arg(verb).arg(dir);
        command
    }

    /// Runs a command inside.
    fn run(&self, words: &[&str]) -> Output {
        Self::harness("exec", &self.dir).args(words).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a shell script inside, which must succeed; its standard output.
    #[track_caller]
    fn sh(&self, script: &str) -> String {
        let out = self.run(&["sh", "-ec", script]);
        let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
        assert!(
            out.status.success(),
            "{script}\n{}\n{stdout}{stderr}\n--- the journal:\n{}",
            out.status,
            self.journal()
        );
        stdout
    }

    /// Runs supervisorctl inside; its standard output, whatever its exit status.
    fn ctl(&self, words: &str) -> String {
        let all: Vec<&str> = std::iter::once("supervisorctl").chain(words.split_whitespace()).collect();
        let out = self.run(&all);
        text(&out.stdout) + &text(&out.stderr)
    }

    /// Writes a file inside.
    fn write(&self, path: &str, content: &str) {
        let mut child = Self::harness("exec", &self.dir)
            .args(["sh", "-ec", r#"mkdir -p "$(dirname "$0")"; cat > "$0""#, path])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "writing {path}");
    }

    /// A property of the unit, as systemd knows it.
    fn property(&self, name: &str) -> String {
        self.sh(&format!("systemctl show --value -p {name} supervisord")).trim().to_owned()
    }

    /// What the daemon has said to the journal.
    fn journal(&self) -> String {
        text(&self.run(&["journalctl", "-u", "supervisord", "--no-pager", "-o", "cat"]).stdout)
    }

    /// Enables and starts the daemon; `systemctl` must not return before it answers.
    #[track_caller]
    fn enable_now(&self) {
        self.sh("systemctl enable --now supervisord");
        let pid = self.ctl("pid");
        assert_eq!(pid.trim(), self.property("MainPID"), "it answers at once\n{}", self.journal());
    }

    /// Adds a drop-in to the unit's `[Service]`.
    fn drop_in(&self, settings: &str) {
        self.write(
            "/etc/systemd/system/supervisord.service.d/test.conf",
            &format!("[Service]\n{settings}\n"),
        );
        self.sh("systemctl daemon-reload");
    }

    /// The line of `supervisorctl status` for one process.
    fn status_line(&self, namespec: &str) -> Option<String> {
        let status = self.ctl("status");
        status.lines().find(|line| line.split_whitespace().next() == Some(namespec)).map(str::to_owned)
    }

    /// The pid of a process that runs, waiting until it does.
    #[track_caller]
    fn running_pid(&self, namespec: &str) -> u32 {
        eventually(&format!("{namespec} runs"), || {
            let line = self.status_line(namespec).unwrap_or_default();
            running(&line).ok_or_else(|| format!("{line}\n{}", self.ctl("status")))
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let stopped = Self::harness("stop", &self.dir).stdin(Stdio::null()).status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("could not stop the box in {}", self.dir.display());
        }
        // A file that stays is no reason to fail.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The pid in a status line that says RUNNING.
fn running(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    if words.next() != Some("RUNNING") || words.next() != Some("pid") {
        return None;
    }
    words.next()?.trim_end_matches(',').parse().ok()
}

/// The line without its pid and uptime, which differ from run to run.
fn columns(line: &str) -> Option<&str> {
    let (head, tail) = line.split_once("pid ")?;
    let (pid, uptime) = tail.split_once(", uptime 0:")?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (minutes, seconds) = uptime.split_once(':')?;
    (digits(pid) && digits(minutes) && digits(seconds) && minutes.len() == 2 && seconds.len() == 2)
        .then_some(head)
}

/// Eight queue workers, as Laravel's documentation configures them, through a working day.
#[test]
fn the_laravel_story() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("laravel");
    machine.write("/www/myproject/artisan", ARTISAN);
    machine.write("/etc/supervisor/conf.d/my.conf", LARAVEL_CONF);
    // A supplementary group, so that it shows whether the workers get theirs.
    machine.sh("usermod --append --groups adm www-data");
    machine.enable_now();

    eight_workers_run(&machine);
    workers_are_www_data(&machine);
    a_killed_worker_comes_back(&machine);
    new_edited_and_deleted_programs(&machine);
    a_killed_daemon_finds_its_stale_socket(&machine);
}

fn eight_workers_run(machine: &Machine) {
    let wanted: Vec<String> =
        (0..8).map(|n| format!("{:<33}{:<10}", format!("myprogram:myprogram_0{n}"), "RUNNING")).collect();
    eventually("eight workers in Supervisor's columns", || {
        let status = machine.ctl("status");
        let lines: Vec<&str> = status.lines().map(|line| columns(line).unwrap_or(line)).collect();
        so(lines == wanted, status.clone())
    });
    assert!(machine.run(&["supervisorctl", "status"]).status.success());
}

fn workers_are_www_data(machine: &Machine) {
    let pid = machine.running_pid("myprogram:myprogram_03");
    let status = machine.sh(&format!("cat /proc/{pid}/status"));
    let field = |name: &str| -> Vec<String> {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    let id = |flag: &str| -> Vec<String> {
        machine.sh(&format!("id {flag} www-data")).split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(field("Uid:"), vec![id("-u").concat(); 4]);
    assert_eq!(field("Gid:"), vec![id("-g").concat(); 4]);
    let (has, should): (BTreeSet<_>, BTreeSet<_>) =
        (field("Groups:").into_iter().collect(), id("-G").into_iter().collect());
    assert_eq!(has, should);
    assert!(should.len() > 1, "{should:?}");
    assert_eq!(machine.sh(&format!("readlink /proc/{pid}/cwd")).trim(), "/www/myproject");
}

fn a_killed_worker_comes_back(machine: &Machine) {
    let name = "myprogram:myprogram_05";
    let before = machine.running_pid(name);
    machine.sh(&format!("kill -9 {before}"));
    eventually("the killed worker is back with another pid", || {
        let line = machine.status_line(name).unwrap_or_default();
        so(running(&line).is_some_and(|pid| pid != before), line)
    });
    let log = machine.sh("cat /var/log/supervisor/supervisord.log");
    let wanted = "WARN exited: myprogram_05 (terminated by SIGKILL; not expected)";
    assert!(log.contains(wanted), "{log}");
}

fn new_edited_and_deleted_programs(machine: &Machine) {
    let conf = "/etc/supervisor/conf.d/extra.conf";
    let workers = machine.ctl("pid all");
    assert_eq!(machine.ctl("reread"), "No config updates to processes\n");

    machine.write(conf, "[program:extra]\ncommand=/bin/sleep 1000\n");
    assert_eq!(machine.ctl("reread"), "extra: available\n");
    assert_eq!(machine.status_line("extra"), None, "seen is not started");
    assert_eq!(machine.ctl("update"), "extra: added process group\n");
    let first = machine.running_pid("extra");

    machine.write(conf, "[program:extra]\ncommand=/bin/sleep 2000\n");
    assert_eq!(machine.ctl("reread"), "extra: changed\n");
    assert_eq!(machine.ctl("update"), "extra: stopped\nextra: updated process group\n");
    let second = machine.running_pid("extra");
    assert_ne!(first, second);
    let command = machine.sh(&format!("tr '\\0' ' ' < /proc/{second}/cmdline"));
    assert_eq!(command, "/bin/sleep 2000 ");

    machine.sh(&format!("rm {conf}"));
    assert_eq!(machine.ctl("reread"), "extra: disappeared\n");
    assert_eq!(machine.ctl("update"), "extra: stopped\nextra: removed process group\n");
    assert_eq!(machine.status_line("extra"), None);
    machine.sh(&format!("! test -e /proc/{second}"));
    assert_eq!(machine.ctl("update"), "", "nothing to do, nothing said");
    assert_eq!(machine.ctl("pid all"), workers, "no worker was touched");
}

fn a_killed_daemon_finds_its_stale_socket(machine: &Machine) {
    let before = machine.property("MainPID");
    assert!(!machine.journal().contains("Unlinking stale socket"));
    machine.sh(&format!("kill -9 {before}"));
    eventually("systemd starts the daemon again, and it answers", || {
        let pid = machine.ctl("pid");
        so(pid.trim().parse::<u32>().is_ok() && pid.trim() != before, pid)
    });
    eventually("it says what it found", || {
        let journal = machine.journal();
        so(journal.contains("Unlinking stale socket /var/run/supervisor.sock"), journal.clone())
    });
    eight_workers_run(machine);
    assert_eq!(machine.sh("pgrep --count --uid www-data").trim(), "8", "and no orphans");
}

/// Ready when it answers, a status line for people, and an orderly end.
#[test]
fn a_citizen_of_systemd() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("citizen");
    machine.write(
        "/etc/supervisor/conf.d/eight.conf",
        "[program:sleeper]\ncommand=/bin/sleep 1000\nnumprocs=8\n\
         process_name=%(program_name)s_%(process_num)d\n",
    );
    machine.enable_now();
    assert_eq!(machine.property("ActiveState"), "active");
    assert_eq!(machine.sh("systemctl is-enabled supervisord").trim(), "enabled");
    eventually("the status text counts them", || {
        let status = machine.property("StatusText");
        so(status.contains("8 running"), status.clone())
    });

    let pid = machine.running_pid("sleeper:sleeper_0");
    let environ = machine.sh(&format!("tr '\\0' '\\n' < /proc/{pid}/environ"));
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "JOURNAL_STREAM",
    ] {
        let found = environ.lines().any(|line| line.split('=').next() == Some(name));
        assert!(!found, "a child must not have {name}:\n{environ}");
    }
    assert!(environ.contains("SUPERVISOR_ENABLED=1"), "{environ}");

    // An orderly shutdown is a success, and systemd leaves it at that.
    assert_eq!(machine.ctl("shutdown"), "Shut down\n");
    eventually("it stays down", || {
        let state = machine.property("ActiveState");
        so(state == "inactive", state.clone())
    });
    assert_eq!(machine.property("Result"), "success");
    assert_eq!(machine.property("NRestarts"), "0");
    machine.sh(&format!("! test -e /proc/{pid}"));
}

/// A daemon that hangs is noticed, and replaced.
#[test]
fn the_watchdog_restarts_a_daemon_that_hangs() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("watchdog");
    machine.drop_in("WatchdogSec=2");
    machine.write("/etc/supervisor/conf.d/one.conf", "[program:one]\ncommand=/bin/sleep 1000\n");
    machine.enable_now();
    machine.running_pid("one");
    // Longer than the watchdog's time: one that does not hang is left alone.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(machine.property("NRestarts"), "0", "{}", machine.journal());

    let before = machine.property("MainPID");
    machine.sh(&format!("kill -STOP {before}"));
    eventually("restarted, once", || {
        let (restarts, main) = (machine.property("NRestarts"), machine.property("MainPID"));
        so(restarts == "1" && main != before && main != "0", format!("{restarts} {main}"))
    });
    eventually("and it is active", || {
        let state = machine.property("ActiveState");
        so(state == "active", state.clone())
    });
    machine.running_pid("one");
    assert_eq!(machine.property("NRestarts"), "1", "{}", machine.journal());
}

/// A program may take its `stopwaitsecs`, however short the unit's `TimeoutStopSec=` is.
#[test]
fn a_slow_program_is_waited_for() {
    if !may_boot() {
        return;
    }
    let machine = Machine::boot("slow");
    machine.drop_in("TimeoutStopSec=5");
    machine.write(
        "/usr/local/bin/slow",
        "#!/bin/sh\ntrap 'sleep 8; echo done > /var/log/orderly; exit 0' TERM\n\
         while :; do sleep 0.2; done\n",
    );
    machine.write(
        "/etc/supervisor/conf.d/slow.conf",
        "[program:slow]\ncommand=/bin/sh /usr/local/bin/slow\nstopwaitsecs=30\n",
    );
    machine.enable_now();
    machine.running_pid("slow");

    let begin = Instant::now();
    machine.sh("systemctl stop supervisord");
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(7), "stopped after {took:?}\n{}", machine.journal());
    assert_eq!(machine.sh("cat /var/log/orderly"), "done\n", "the program ended by itself");
    assert_eq!(machine.property("Result"), "success", "{}", machine.journal());
}
