//! A directory for one daemon, and the programs that run in it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::pattern::assert_like;
use super::skipped;

/// Whose programs are under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The ones that were just built.
    Ours,
    /// Python Supervisor 4.3.0.
    Theirs,
}

impl Subject {
    /// The path of one of its programs.
    pub fn program(self, name: &str) -> PathBuf {
        match (self, name) {
            (Self::Ours, "supervisorctl") => PathBuf::from(env!("CARGO_BIN_EXE_supervisorctl")),
            (Self::Ours, "pidproxy") => PathBuf::from(env!("CARGO_BIN_EXE_pidproxy")),
            (Self::Ours, _) => PathBuf::from(env!("CARGO_BIN_EXE_supervisord")),
            (Self::Theirs, _) => theirs(name),
        }
    }

    /// What `-v` prints.
    pub fn version(self) -> &'static str {
        match self {
            Self::Ours => "5.0.0",
            Self::Theirs => "4.3.0",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }
}

/// A program that was installed beside Python Supervisor.
pub fn theirs(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/theirs/bin").join(name);
    assert!(path.exists(), "{} is missing: run `make deps`", path.display());
    path
}

/// What a program left behind. The home's path is `<DIR>` in its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit status.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// What was run.
    pub command: String,
}

impl Outcome {
    /// Exit status and standard output are as given, and standard error is empty.
    #[track_caller]
    pub fn says(&self, code: i32, stdout: &str) {
        assert_like(&self.stdout, stdout, &format!("standard output of {}: {self:?}", self.command));
        assert_eq!((self.code, self.stderr.as_str()), (Some(code), ""), "{self:?}");
    }

    /// Exit status and standard error are as given, and standard output is empty.
    #[track_caller]
    pub fn complains(&self, code: i32, stderr: &str) {
        assert_like(&self.stderr, stderr, &format!("standard error of {}: {self:?}", self.command));
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
    }
}

/// A program that does what its standard input says: a shell, line by line.
const PUPPET: &str = "#!/bin/sh\nwhile read -r line; do eval \"$line\"; done\n";

/// A directory that is gone when dropped.
pub struct Home {
    /// Whose programs run in it.
    pub subject: Subject,
    /// What stands before each command: a program that runs it in another way.
    before: &'static [&'static str],
    dir: tempfile::TempDir,
}

impl Home {
    /// An empty directory, with a puppet in it.
    pub fn new(subject: Subject) -> Self {
        let dir = tempfile::Builder::new().prefix("sv").tempdir().unwrap();
        let home = Self { subject, before: &[], dir };
        home.script("puppet", PUPPET);
        home
    }

    /// A directory with a configuration: the usual head, and these sections.
    pub fn with(subject: Subject, sections: &str) -> Self {
        let home = Self::new(subject);
        home.configure(sections);
        home
    }

    /// The same, with every command run by another program.
    pub fn under(mut self, before: &'static [&'static str]) -> Self {
        self.before = before;
        self
    }

    /// Changes the user that the configuration names.
    pub fn set_user(&self, user: &str) {
        let text = fs::read_to_string(self.path("supervisord.conf")).unwrap();
        let own = fs::metadata("/proc/self").unwrap().uid();
        self.write("supervisord.conf", text.replacen(&format!("user={own}\n"), &format!("user={user}\n"), 1));
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Writes a program.
    pub fn script(&self, name: &str, content: &str) {
        // Under another name first: a fork in another thread could hold the file open for writing while it is executed.
        let draft = self.path(&format!("{name}.draft"));
        fs::write(&draft, content).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, self.path(name)).unwrap();
    }

    /// The content of a file, with the home's path as `<DIR>`; empty where there is none.
    pub fn read(&self, name: &str) -> String {
        self.neutral(&fs::read(self.path(name)).unwrap_or_default())
    }

    /// The names of the files that are there, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The text, with the home's path as `<DIR>`.
    pub fn neutral(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(self.dir().to_str().unwrap(), "<DIR>")
    }

    /// Writes the configuration: the usual head, and these sections. A section that is given again adds to the head's.
    pub fn configure(&self, sections: &str) {
        let user = fs::metadata("/proc/self").unwrap().uid();
        let head = format!(
            "[unix_http_server]\nfile=%(here)s/s\n\
             [supervisord]\nlogfile=%(here)s/main.log\npidfile=%(here)s/pid\nuser={user}\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://%(here)s/s\n"
        );
        self.write("supervisord.conf", head + sections);
    }

    /// A command of a subject, in this directory and with an environment that is always the same.
    pub fn command(&self, subject: Subject, program: &str, args: &[&str]) -> Command {
        // A program that hangs is ended, and fails its test.
        let mut command = Command::new("timeout");
        command.args(["-k", "1", "60"]).args(self.before).arg(subject.program(program)).args(args);
        self.settle(&mut command);
        command
    }

    /// The same, as the very process that is started: for whoever sends it signals, or gives it a terminal.
    pub fn program_command(&self, subject: Subject, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(subject.program(program));
        command.args(args);
        self.settle(&mut command);
        command
    }

    /// A command of any program, in the same circumstances.
    pub fn command_at(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-k", "1", "60"]).arg(program).args(args);
        self.settle(&mut command);
        command
    }

    /// The daemon's command in a session of its own, by which everything that it starts is found again.
    pub fn daemon_command(&self, args: &[&str]) -> Command {
        self.session_command("supervisord", args)
    }

    /// The command of a program in a session of its own.
    pub fn session_command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.args(self.before).arg(self.subject.program(program)).args(args);
        self.settle(&mut command);
        command
    }

    /// The command of a binary in a session of its own.
    pub fn binary_command(&self, binary: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.arg(binary).args(args);
        self.settle(&mut command);
        command
    }

    /// The daemon's command in a session and with mounts of its own, which a line of shell makes; `None`, and says so, where
    /// that is not allowed.
    pub fn mounted_command(&self, mounts: &str, args: &[&str]) -> Option<Command> {
        let allowed = Command::new("unshare").args(["-m", "true"]).status();
        if !allowed.is_ok_and(|status| status.success()) {
            skipped("only root has mounts of its own");
            return None;
        }
        let script = format!("{mounts} && exec \"$0\" \"$@\"");
        let mut command = Command::new("setsid");
        command
            .args(["unshare", "-m", "sh", "-c", &script])
            .arg(self.subject.program("supervisord"))
            .args(args);
        self.settle(&mut command);
        Some(command)
    }

    fn settle(&self, command: &mut Command) {
        command
            .current_dir(self.dir())
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("TZ", "UTC")])
            .env("HOME", self.dir())
            .env("TMPDIR", self.dir())
            .stdin(Stdio::null());
    }

    /// Runs a command to its end.
    pub fn run(&self, mut command: Command) -> Outcome {
        let out = command.output().unwrap();
        Outcome {
            code: out.status.code(),
            stdout: self.neutral(&out.stdout),
            stderr: self.neutral(&out.stderr),
            command: self.neutral(format!("{command:?}").as_bytes()),
        }
    }

    /// Runs supervisord to its end.
    pub fn supervisord(&self, args: &[&str]) -> Outcome {
        self.run(self.command(self.subject, "supervisord", args))
    }

    /// Runs supervisorctl with the home's configuration and a line of words.
    pub fn ctl(&self, words: &str) -> Outcome {
        self.ctl_of(self.subject, words)
    }

    /// Runs the supervisorctl of a subject with the home's configuration.
    pub fn ctl_of(&self, subject: Subject, words: &str) -> Outcome {
        let args: Vec<&str> =
            ["-c", "supervisord.conf"].into_iter().chain(words.split_whitespace()).collect();
        self.run(self.command(subject, "supervisorctl", &args))
    }
}
