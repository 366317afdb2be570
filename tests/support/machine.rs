//! A booted machine with the installed programs (`tests/support/systemd-box`). Needs root, and what
//! `tests/support/install-deps` installs.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{eventually, package};

/// Whether this user may boot a machine; says so if not.
pub fn may_boot() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("skipped: booting systemd needs root");
    }
    root
}

/// A booted machine; gone when dropped.
pub struct Machine {
    dir: PathBuf,
}

impl Machine {
    /// Boots, and installs the package. The daemon is not started: the administrator has said no.
    pub fn boot(name: &str) -> Self {
        let machine = Self::bare(name);
        machine.forbid_starting();
        machine.install(&package::deb());
        machine
    }

    /// Boots, and installs the package, which starts the daemon.
    pub fn installed(name: &str) -> Self {
        let machine = Self::bare(name);
        machine.install(&package::deb());
        machine
    }

    /// Boots a machine that has no Supervisor, nor ever had, and does what packages ask.
    pub fn bare(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("box-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("share")).unwrap();
        let machine = Self { dir };
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
        // Without an index of manual pages, which takes longer than everything else.
        machine.sh(
            "rm -rf /etc/supervisor /var/log/supervisor /usr/sbin/policy-rc.d /var/lib/man-db/auto-update",
        );
        machine
    }

    /// Has the administrator say that packages start nothing.
    pub fn forbid_starting(&self) {
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
        self.sh("chmod +x /usr/sbin/policy-rc.d");
    }

    /// Installs a package, or upgrades to it. Nobody is there to answer a question.
    #[track_caller]
    pub fn install(&self, deb: &Path) -> String {
        let name = deb.file_name().unwrap().to_str().unwrap();
        fs::copy(deb, self.dir.join("share").join(name)).unwrap();
        self.sh(&format!("dpkg --force-unsafe-io --install /share/{name} </dev/null 2>&1"))
    }

    fn harness(verb: &str, dir: &Path) -> Command {
        let mut command =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/systemd-box"));
        command.arg(verb).arg(dir);
        command
    }

    /// Runs a command inside.
    pub fn run(&self, words: &[&str]) -> Output {
        Self::harness("exec", &self.dir).args(words).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a shell script inside, which must succeed; its standard output.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
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
    pub fn ctl(&self, words: &str) -> String {
        let all: Vec<&str> = std::iter::once("supervisorctl").chain(words.split_whitespace()).collect();
        let out = self.run(&all);
        text(&out.stdout) + &text(&out.stderr)
    }

    /// Writes a file inside.
    pub fn write(&self, path: &str, content: &str) {
        let mut child = Self::harness("exec", &self.dir)
            .args(["sh", "-ec", r#"mkdir -p "$(dirname "$0")"; cat > "$0""#, path])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "writing {path}");
    }

    /// A property of the unit, as systemd knows it.
    pub fn property(&self, name: &str) -> String {
        self.sh(&format!("systemctl show --value -p {name} supervisord")).trim().to_owned()
    }

    /// What the daemon has said to the journal.
    pub fn journal(&self) -> String {
        text(&self.run(&["journalctl", "-u", "supervisord", "--no-pager", "-o", "cat"]).stdout)
    }

    /// Enables and starts the daemon; `systemctl` must not return before it answers.
    #[track_caller]
    pub fn enable_now(&self) {
        self.sh("systemctl enable --now supervisord");
        let pid = self.ctl("pid");
        assert_eq!(pid.trim(), self.property("MainPID"), "it answers at once\n{}", self.journal());
    }

    /// Adds a drop-in to the unit's `[Service]`.
    pub fn drop_in(&self, settings: &str) {
        self.write(
            "/etc/systemd/system/supervisord.service.d/test.conf",
            &format!("[Service]\n{settings}\n"),
        );
        self.sh("systemctl daemon-reload");
    }

    /// The line of `supervisorctl status` for one process.
    pub fn status_line(&self, namespec: &str) -> Option<String> {
        let status = self.ctl("status");
        status.lines().find(|line| line.split_whitespace().next() == Some(namespec)).map(str::to_owned)
    }

    /// The pid of a process that runs, waiting until it does.
    #[track_caller]
    pub fn running_pid(&self, namespec: &str) -> u32 {
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

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The pid in a status line that says RUNNING.
pub fn running(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    if words.next() != Some("RUNNING") || words.next() != Some("pid") {
        return None;
    }
    words.next()?.trim_end_matches(',').parse().ok()
}
