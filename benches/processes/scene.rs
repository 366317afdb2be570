//! What a daemon is given to do.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::Programs;
use crate::subject::Subject;

/// What the programs do.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Waits to be ended.
    Stay,
    /// Ends at once.
    Brief,
    /// Waits to be killed.
    Deaf,
    /// Says so many bytes, in lines.
    Lines(u64),
    /// Says so many bytes, in blocks.
    Blocks(u64),
    /// Says a line so many times a second.
    Chatter(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    None,
    /// One for stdout.
    Out,
    /// One each for stdout and stderr.
    Both,
}

#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub program: Program,
    pub count: usize,
    pub logs: Logs,
    /// Each program is one of its own, not one process of many.
    pub apart: bool,
    /// More lines of the programs' sections.
    pub options: &'static str,
    /// The daemon is on a D-Bus of its own.
    pub bus: bool,
    /// Under a service manager: programs outlive the daemon.
    pub kept: bool,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            program: Program::Stay,
            count: 1,
            logs: Logs::None,
            apart: false,
            options: "",
            bus: false,
            kept: false,
        }
    }
}

impl Program {
    fn binary(self) -> &'static str {
        match self {
            Self::Stay | Self::Brief | Self::Deaf => "stamp",
            Self::Lines(_) | Self::Blocks(_) | Self::Chatter(_) => "talk",
        }
    }

    /// What tells the program what to do: all daemons hand their environment on.
    pub fn environment(self) -> [(&'static str, String); 2] {
        let (mode, number) = match self {
            Self::Stay => ("stay", None),
            Self::Brief => ("brief", None),
            Self::Deaf => ("deaf", None),
            Self::Lines(bytes) => ("lines", Some(bytes)),
            Self::Blocks(bytes) => ("blocks", Some(bytes)),
            Self::Chatter(rate) => ("chatter", Some(rate)),
        };
        let name = if mode == "chatter" { "BENCH_RATE" } else { "BENCH_BYTES" };
        [("BENCH_MODE", mode.to_owned()), (name, number.unwrap_or_default().to_string())]
    }
}

impl Scene {
    /// The command of the daemon, in whose home everything is.
    pub fn command(&self, subject: Subject, programs: &Programs, home: &Path) -> Command {
        let program = programs.path(self.program.binary());
        match subject {
            Subject::Floor => self.floor(programs, &program, home),
            Subject::S6 => {
                self.services(&program, home, "exec s6-log -b n10 s50000000");
                let mut command = Command::new(subject.program());
                command.arg("-c").arg((self.count * 2 + 10).to_string()).arg(home.join("services"));
                command
            }
            Subject::Runit => {
                self.services(&program, home, "exec svlogd");
                let mut command = Command::new(subject.program());
                command.arg(home.join("services"));
                command
            }
            Subject::Ours | Subject::Other | Subject::Supervisor => {
                let file = home.join("supervisord.conf");
                fs::write(&file, self.configuration(subject, &program, home)).unwrap();
                let mut command = Command::new(subject.program());
                command.arg("-c").arg(file);
                command
            }
        }
    }

    fn floor(&self, programs: &Programs, program: &Path, home: &Path) -> Command {
        let called = |name: &str| Command::new(programs.path(name));
        let count = self.count.to_string();
        let mut command = match self.program {
            Program::Lines(_) | Program::Blocks(_) => called("log"),
            _ if self.logs == Logs::None => called("keep"),
            _ => called("hold"),
        };
        match self.program {
            Program::Lines(_) => command.arg("lines").arg(program).arg(self.log(home)),
            Program::Blocks(_) => command.arg("blocks").arg(program).arg(self.log(home)),
            _ if self.logs == Logs::None => command.arg(count).arg(program),
            _ => command.arg(count).arg(program).arg(home),
        };
        command
    }

    fn configuration(&self, subject: Subject, program: &Path, home: &Path) -> String {
        let dir = home.display();
        let bus = match subject {
            Subject::Supervisor => "",
            _ if self.bus => "dbus=session\n",
            _ => "dbus=off\n",
        };
        let mut text = format!(
            "[supervisord]\nnodaemon=true\nsilent=true\nminfds={}\nlogfile={dir}/main.log\npidfile={dir}/pid\nchildlogdir={dir}\n{bus}\
             [unix_http_server]\nfile={dir}/sock\n\
             [supervisorctl]\nserverurl=unix://{dir}/sock\n\
             [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n",
            minfds(self.count)
        );
        let logs = match self.logs {
            Logs::None => "stdout_logfile=NONE\nstderr_logfile=NONE\n".to_owned(),
            Logs::Out => format!("stdout_logfile={}\nstderr_logfile=NONE\n", self.log(home).display()),
            Logs::Both => String::new(),
        };
        let body = format!("command={}\nautorestart=true\n{logs}{}\n", program.display(), self.options);
        if self.apart {
            for number in 0..self.count {
                write!(text, "[program:p{number:05}]\n{body}").unwrap();
            }
        } else {
            let many = format!("numprocs={}\nprocess_name=%(process_num)05d\n", self.count);
            write!(text, "[program:p]\n{many}{body}").unwrap();
        }
        text
    }

    /// The log of a scene with one program.
    fn log(&self, home: &Path) -> PathBuf {
        if self.count == 1 { home.join("out.log") } else { home.join("%(process_num)05d.log") }
    }

    /// A directory for each program, as s6 and runit want it; `run` is the program itself, so that no shell comes between.
    fn services(&self, program: &Path, home: &Path, logger: &str) {
        for number in 0..self.count {
            let service = home.join("services").join(format!("{number:05}"));
            fs::create_dir_all(&service).unwrap();
            symlink(program, service.join("run")).unwrap();
            // When s6 kills what it has told to end.
            fs::write(service.join("timeout-kill"), "2000\n").unwrap();
            if self.logs != Logs::None {
                let logs = home.join("logs").join(format!("{number:05}"));
                fs::create_dir_all(&logs).unwrap();
                fs::create_dir(service.join("log")).unwrap();
                fs::write(logs.join("config"), "s50000000\nn10\n").unwrap();
                let run = service.join("log/run");
                fs::write(&run, format!("#!/bin/sh\n{logger} {}\n", logs.display())).unwrap();
                fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }

    /// The files in which the log of a scene with one program is, oldest first.
    pub fn log_files(&self, subject: Subject, home: &Path) -> Vec<PathBuf> {
        if matches!(subject, Subject::S6 | Subject::Runit) {
            let entries = fs::read_dir(home.join("logs/00000")).unwrap();
            let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            files.retain(|file| {
                let name = file.file_name().unwrap().to_string_lossy();
                name.starts_with('@') || name == "current"
            });
            // `@` comes before `current`, and times in order.
            files.sort();
            return files;
        }
        let newest = self.log(home);
        let backup = |number: usize| PathBuf::from(format!("{}.{number}", newest.display()));
        let mut files: Vec<_> = (1..=10).rev().map(backup).collect();
        files.push(newest);
        files.retain(|file| file.exists());
        files
    }
}

/// As many descriptors as so many programs need, and there may be; Supervisor closes each of them in each child.
fn minfds(count: usize) -> u64 {
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    hard.min(1024.max(200 + 6 * count as u64))
}
