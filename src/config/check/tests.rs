//! Checking, on a ground made up for the purpose.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::load::load;
use crate::config::machine::{Look, Machine, User};

/// Files by path, with whether everybody may use them; root may all.
#[derive(Default)]
struct Stage {
    config: String,
    open: BTreeSet<PathBuf>,
    shut: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, &'static str>,
}

impl Stage {
    fn new(programs: &str) -> Self {
        let head = "[unix_http_server]\nfile=/run/s.sock\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=\
                    supervisor.rpcinterface:make_main_rpcinterface\n[supervisord]\nlogfile=/log/main.log\npidfile=/run/pid\n\
                    childlogdir=/log\n";
        let open = ["/", "/run", "/log", "/bin", "/etc", "/srv"].map(PathBuf::from).into();
        let files = [("/bin/tool", "\x7fELF\0"), ("/bin/sh", "\x7fELF\0"), ("/bin/php", "\x7fELF\0")];
        let files = files.map(|(path, head)| (PathBuf::from(path), head)).into();
        Self { config: format!("{head}{programs}"), open, files, ..Self::default() }
    }

    fn with(mut self, path: &str, head: &'static str) -> Self {
        self.files.insert(path.into(), head);
        self
    }

    fn shut(mut self, path: &str) -> Self {
        self.shut.insert(path.into());
        self
    }

    fn exists(&self, path: &Path) -> bool {
        self.open.contains(path) || self.shut.contains(path) || self.files.contains_key(path)
    }

    /// `line: severity: problem` of each finding.
    fn told(&self) -> Vec<String> {
        let loaded = load(self, Path::new("/etc/s.conf"), &Overrides::new()).unwrap();
        let one = |found: Diagnostic| {
            assert!(found.help.is_some(), "no remedy: {found:?}");
            let severity = if found.severity == Severity::Error { "error" } else { "warning" };
            format!("{}: {severity}: {}", found.source.unwrap_or_default(), found.problem)
        };
        all(&loaded, self).into_iter().map(one).collect()
    }
}

impl Machine for Stage {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("/etc/s.conf") {
            return Ok(self.config.clone().into_bytes());
        }
        self.files
            .get(path)
            .map(|text| text.as_bytes().to_vec())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn glob(&self, _: &str) -> Vec<PathBuf> {
        Vec::new()
    }
    fn is_dir(&self, path: &Path) -> bool {
        self.open.contains(path) || self.shut.contains(path)
    }
    fn current_dir(&self) -> PathBuf {
        "/".into()
    }
    fn host_name(&self) -> String {
        "stage".into()
    }
    fn environment(&self) -> BTreeMap<String, String> {
        [("PATH".to_owned(), "/bin".to_owned())].into()
    }
    fn user(&self, name: &str) -> Option<User> {
        (name == "www").then(|| User { uid: 33, gid: 33, home: "/srv".into() })
    }
    fn user_by_id(&self, _: u32) -> Option<User> {
        None
    }
    fn group(&self, _: &str) -> Option<u32> {
        None
    }
    fn own_uid(&self) -> u32 {
        0
    }
    fn has_group(&self, _: u32) -> bool {
        true
    }
    fn temporary_dir(&self) -> PathBuf {
        "/log".into()
    }
}

impl Ground for Stage {
    fn resolve(
        &self,
        command: &str,
        _: Option<&str>,
        _: Option<&Path>,
    ) -> Result<(PathBuf, Vec<String>), String> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let word = words.first().ok_or("command is empty")?;
        let file = Path::new("/bin").join(word);
        if self.exists(&file) { Ok((file, words)) } else { Err(format!("can't find command '{word}'")) }
    }
    fn look(&self, path: &Path) -> io::Result<Look> {
        if !self.exists(path) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        let is_dir = self.is_dir(path);
        Ok(Look { is_dir, is_file: !is_dir, listing: "drwx------ root root".into() })
    }
    fn may(&self, user: Option<u32>, path: &Path, _: Access) -> io::Result<()> {
        let error = |number| Err(io::Error::from_raw_os_error(number));
        match path.ancestors().any(|step| self.shut.contains(step)) {
            true if user.is_some() => error(libc::EACCES),
            _ if !self.exists(path) => error(libc::ENOENT),
            _ => Ok(()),
        }
    }
    fn head(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .map(|head| head.as_bytes().to_vec())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn is_member(&self, _: Option<u32>, group: u32) -> bool {
        group == 33
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_is_good_is_let_pass() {
    let program = "[program:x]\ncommand=php /srv/artisan work --out=/srv/new\ndirectory=/srv\nuser=www\n";
    assert_eq!(Stage::new(program).with("/srv/artisan", "").told(), NOTHING);
}

#[test]
fn directories_are_entered_as_the_user() {
    let program = "[program:x]\ncommand=tool\ndirectory=/srv/app\nuser=www\n";
    let missing =
        "directory=/srv/app: error: can't enter directory /srv/app as www: no such file or directory";
    assert_eq!(Stage::new(program).told(), [missing]);
    let denied = "directory=/srv/app: error: can't enter directory /srv/app as www: permission denied (drwx------ root \
                  root /srv/app)";
    assert_eq!(Stage::new(program).shut("/srv/app").told(), [denied]);
    let root = program.replace("user=www\n", "");
    assert_eq!(Stage::new(&root).shut("/srv/app").told(), NOTHING);
    let file = "directory=/srv/app: error: can't enter directory /srv/app as www: it is not a directory";
    assert_eq!(Stage::new(program).with("/srv/app", "").told(), [file]);
}

#[test]
fn commands_are_looked_for_and_into() {
    let told = |command: &str| {
        let stage = Stage::new(&format!("[program:x]\ncommand={command}\nuser=www\n"));
        let stage = stage
            .with("/bin/dos", "#!/bin/sh\r\n")
            .with("/bin/lost", "#!/bin/zsh\n")
            .with("/bin/bare", "echo\n");
        stage.with("/bin/env", "\x7fELF\0").with("/bin/nodeless", "#!/bin/env node\n").shut("/bin/own").told()
    };
    for (command, expected) in [
        ("nothing", "error: can't find command 'nothing'"),
        ("own", "error: can't execute /bin/own as www: permission denied (drwx------ root root /bin/own)"),
        ("dos", "error: the interpreter line of /bin/dos ends with a carriage return (DOS line ends)"),
        ("lost", "error: can't execute /bin/zsh as www: no such file or directory"),
        ("bare", "error: /bin/bare is a text without an interpreter line"),
        ("nodeless", "error: the interpreter line of /bin/nodeless: can't find command 'node'"),
        ("php artisan", "error: can't read script /artisan as www: no such file or directory"),
        ("tool a && tool b", "warning: '&&' is handed to the program as it is: no shell runs this command"),
        ("tool --file=/none/such", "warning: argument /none/such: there is no such directory"),
        (
            "tool /bin/own",
            "warning: argument /bin/own can't be read as www: permission denied (drwx------ root root /bin/own)",
        ),
    ] {
        assert_eq!(told(command), [format!("command={command}: {expected}")], "{command}");
    }
}

#[test]
fn logs_are_opened_by_the_daemon() {
    let program = "[program:x]\ncommand=tool\nuser=www\nstdout_logfile=/private/x.log\nstderr_logfile=NONE\n";
    assert_eq!(Stage::new(program).shut("/private").told(), NOTHING);
    let mut stage = Stage::new(program).shut("/private");
    stage.config = stage.config.replace("[supervisord]", "[supervisord]\nuser=www");
    let denied = "stdout_logfile=/private/x.log: error: can't create the log in /private as www: permission denied \
                  (drwx------ root root /private)";
    assert_eq!(stage.told(), [denied]);
}

#[test]
fn a_journal_that_is_not_there_is_missed() {
    let program = "[program:x]\ncommand=tool\nstdout_logfile=journal\nstderr_logfile=journal-stream\n";
    let stage = Stage::new(program);
    let missing = |door: &str| format!("there is no journal at /run/systemd/journal/{door}");
    let told = stage.told();
    assert!(
        told[0].starts_with(&format!("stdout_logfile=journal: warning: {}", missing("socket"))),
        "{told:?}"
    );
    assert!(
        told[1].starts_with(&format!("stderr_logfile=journal-stream: error: {}", missing("stdout"))),
        "{told:?}"
    );
    let there = stage.with("/run/systemd/journal/socket", "").with("/run/systemd/journal/stdout", "");
    assert_eq!(there.told(), NOTHING);
}

#[test]
fn what_makes_no_sense_together_is_said() {
    let several =
        "[program:x]\ncommand=tool\nnumprocs=3\nprocess_name=%(process_num)d\nstdout_logfile=/log/x\n";
    let shared = "stdout_logfile=/log/x: warning: /log/x is also the log of every process of this program";
    assert_eq!(Stage::new(several).told(), [shared]);
    let both = "[program:x]\ncommand=tool\nstdout_logfile=/log/x\nstderr_logfile=/log/x\n";
    assert_eq!(Stage::new(both).told(), ["stderr_logfile=/log/x: warning: /log/x is also the log of stdout"]);
    let loops = "[program:x]\ncommand=tool\nstartsecs=0\nautorestart=true\n";
    assert!(
        Stage::new(loops).told()[0].starts_with("startsecs=0: warning: startsecs=0 with autorestart=true")
    );
    assert_eq!(Stage::new(&loops.replace("autorestart=true", "autorestart=false")).told(), NOTHING);
    let slow = "[program:x]\ncommand=tool\nstopwaitsecs=3600\n";
    assert_eq!(Stage::new(slow).told(), NOTHING);
    let told =
        Stage::new(slow).with("/lib/systemd/system/supervisor.service", "[Service]\nType=simple\n").told();
    let limit = "/lib/systemd/system/supervisor.service lets a stop take 90 seconds";
    assert_eq!(told, [format!("stopwaitsecs=3600: warning: stopwaitsecs=3600, but {limit}")]);
}

#[test]
fn a_daemon_that_nobody_can_reach_is_odd() {
    let mut stage = Stage::new("");
    stage.config = "[supervisord]\nlogfile=/log/l\npidfile=/run/p\nchildlogdir=/log\n".to_owned();
    assert_eq!(
        stage.told(),
        ["[supervisord]: warning: there is no server: supervisorctl cannot reach this supervisord"]
    );
}

#[test]
fn two_writers_of_one_log_are_told_in_the_order_of_the_file() {
    let programs = "[program:b]\ncommand=tool\nstdout_logfile=/log/x\n[program:a]\ncommand=tool\n\
                    stdout_logfile=/log/x\nstderr_logfile=/log/main.log\n";
    let expected = [
        "stdout_logfile=/log/x: warning: /log/x is also the log of b",
        "stderr_logfile=/log/main.log: warning: /log/main.log is also the log of supervisord itself",
    ];
    assert_eq!(Stage::new(programs).told(), expected);
}

#[test]
fn a_socket_takes_the_place_of_no_file() {
    let told = Stage::new("").with("/run/s.sock", "text").told();
    assert_eq!(
        told,
        ["file=/run/s.sock: error: can't create the socket /run/s.sock: there is a file of that name"]
    );
}

/// Nothing is said twice of what cannot be read, and all the rest is.
#[test]
fn an_error_hides_nothing_but_what_follows_from_it() {
    let stage = Stage::new(
        "[program:x]\ncommand=%(nonsense)s\ndirectory=/missing\nuser=nobdy\n[program:y]\ncommand=nothing\n",
    );
    let found = examine(&stage, Path::new("/etc/s.conf"), &Overrides::new());
    let told: Vec<String> = found.into_iter().map(|found| found.source.unwrap_or_default()).collect();
    assert_eq!(told, ["command=%(nonsense)s", "directory=/missing", "user=nobdy", "command=nothing"]);
}
