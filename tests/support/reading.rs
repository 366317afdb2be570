//! What a configuration means to either subject, found without starting a daemon: theirs through Supervisor's own options
//! object, ours through `config::load`; in one shape, as JSON.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value as Json, json};
use supervisord::api::{EventKind, Level};
use supervisord::config::error::{Diagnostic, LoadError};
use supervisord::config::load::{Loaded, Overrides, load, load_ctl};
use supervisord::config::machine::{Machine, User};
use supervisord::config::spec::{
    AutoRestart, CtlSpec, DaemonSpec, GroupKind, GroupSpec, LogSpec, LogTarget, ProcessSpec, ServerAddress,
    ServerSpec, SocketAddress, SocketSpec,
};
use supervisord::system::machine::OsMachine;

use super::home::Subject;
use super::python::Python;

/// This machine, seen from a directory and with an environment.
#[derive(Debug, Clone)]
pub struct Place {
    /// The current directory.
    pub directory: PathBuf,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
}

impl Machine for Place {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsMachine::default().read(path)
    }
    fn glob(&self, pattern: &str) -> Vec<PathBuf> {
        OsMachine::default().glob(pattern)
    }
    fn is_dir(&self, path: &Path) -> bool {
        OsMachine::default().is_dir(path)
    }
    fn current_dir(&self) -> PathBuf {
        self.directory.clone()
    }
    fn host_name(&self) -> String {
        OsMachine::default().host_name()
    }
    fn environment(&self) -> BTreeMap<String, String> {
        self.environment.clone()
    }
    fn user(&self, name: &str) -> Option<User> {
        OsMachine::default().user(name)
    }
    fn user_by_id(&self, uid: u32) -> Option<User> {
        OsMachine::default().user_by_id(uid)
    }
    fn group(&self, name: &str) -> Option<u32> {
        OsMachine::default().group(name)
    }
    fn has_group(&self, gid: u32) -> bool {
        OsMachine::default().has_group(gid)
    }
    fn own_uid(&self) -> u32 {
        OsMachine::default().own_uid()
    }
    fn temporary_dir(&self) -> PathBuf {
        self.environment.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }
}

/// What a subject made of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It works, and means this.
    Settings(Json),
    /// It does not: theirs tells its first reason, ours all.
    Refused(Vec<Reason>),
}

/// Why a configuration does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// In Supervisor's words.
    pub words: String,
    /// The section of a program, and the file, where they are told.
    pub place: Option<(String, String)>,
}

/// Which program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// supervisord
    Daemon,
    /// supervisorctl
    Client,
}

static PYTHON: LazyLock<Mutex<Python>> = LazyLock::new(|| Mutex::new(Python::start()));

impl Place {
    /// What a file of this place means to a subject.
    pub fn read_as(&self, subject: Subject, reader: Reader, file: &str) -> Reading {
        match subject {
            Subject::Ours => self.ours(reader, file),
            Subject::Theirs => {
                self.theirs(reader, file, &mut PYTHON.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    /// What a file of this place means to Supervisor.
    pub fn theirs(&self, reader: Reader, file: &str, python: &mut Python) -> Reading {
        let kind = match reader {
            Reader::Daemon => "load",
            Reader::Client => "ctl",
        };
        let mut answer =
            python.ask(&json!({kind: file, "directory": self.directory, "environment": self.environment}));
        match answer["settings"].take() {
            Json::Null => {
                let words = answer["refused"].as_str().or(answer["crashed"].as_str());
                Reading::Refused(vec![reason_of_theirs(words.unwrap())])
            }
            settings => Reading::Settings(settings),
        }
    }

    /// What a file of this place means to us.
    pub fn ours(&self, reader: Reader, file: &str) -> Reading {
        let file = Path::new(file);
        let read = match reader {
            Reader::Daemon => load(self, file, &Overrides::new()).map(|loaded| settings(&loaded)),
            Reader::Client => load_ctl(self, file).map(|(spec, _)| client(&spec)),
        };
        match read {
            Ok(settings) => Reading::Settings(settings),
            Err(LoadError(found)) => Reading::Refused(found.iter().map(reason_of_ours).collect()),
        }
    }
}

/// Takes `WORDS in section 'S' (file: 'F')` apart.
fn reason_of_theirs(text: &str) -> Reason {
    let parts = text.strip_suffix("')").and_then(|text| {
        let (head, file) = text.rsplit_once(" (file: '")?;
        let (words, section) = head.strip_suffix('\'')?.rsplit_once(" in section '")?;
        Some((words.to_owned(), (section.to_owned(), file.to_owned())))
    });
    let (words, place) = parts.map_or_else(|| (text.to_owned(), None), |(words, place)| (words, Some(place)));
    Reason { words, place }
}

fn reason_of_ours(found: &Diagnostic) -> Reason {
    let file = found.file.display().to_string();
    let place = found.section.clone().map(|section| (section, file));
    Reason { words: found.problem.clone(), place }
}

fn settings(loaded: &Loaded) -> Json {
    json!({
        "supervisord": daemon(&loaded.daemon),
        "servers": loaded.daemon.servers.iter().map(server).collect::<Vec<_>>(),
        "groups": loaded.groups.iter().map(group).collect::<Vec<_>>(),
        "warnings": warnings(&loaded.warnings),
        "infos": loaded.infos,
    })
}

/// Those that Supervisor has as well, each once.
fn warnings(found: &[Diagnostic]) -> Vec<&str> {
    let mut told: Vec<&str> = Vec::new();
    for warning in found.iter().filter(|found| found.verbatim) {
        if !told.contains(&warning.problem.as_str()) {
            told.push(&warning.problem);
        }
    }
    told
}

fn daemon(spec: &DaemonSpec) -> Json {
    json!({
        "logfile": spec.logfile.as_deref().unwrap_or(Path::new("syslog")),
        "logfile_maxbytes": spec.logfile_maxbytes,
        "logfile_backups": spec.logfile_backups,
        "loglevel": level(spec.loglevel),
        "pidfile": spec.pidfile,
        "umask": spec.umask,
        "nodaemon": spec.nodaemon,
        "silent": spec.silent,
        "minfds": spec.minfds,
        "minprocs": spec.minprocs,
        "nocleanup": spec.nocleanup,
        "childlogdir": spec.childlogdir,
        "directory": spec.directory,
        "strip_ansi": spec.strip_ansi,
        "identifier": spec.identifier,
        "uid": spec.user.as_ref().map(|user| user.uid),
        "environment": spec.environment,
    })
}

fn level(level: Level) -> u8 {
    match level {
        Level::Blather => 3,
        Level::Trace => 5,
        Level::Debug => 10,
        Level::Info => 20,
        Level::Warn => 30,
        Level::Error => 40,
        Level::Critical => 50,
    }
}

fn number_or_minus_one(id: Option<u32>) -> i64 {
    id.map_or(-1, i64::from)
}

fn server(spec: &ServerSpec) -> Json {
    let auth = spec.auth.as_ref();
    let mut found = json!({
        "section": spec.section,
        "username": auth.map(|auth| &auth.username),
        "password": auth.map(|auth| auth.password.to_string()),
    });
    match &spec.address {
        ServerAddress::Unix { path, mode, uid, gid } => {
            found["file"] = json!(path);
            found["chmod"] = json!(mode);
            found["chown"] = json!([number_or_minus_one(*uid), number_or_minus_one(*gid)]);
        }
        ServerAddress::Inet { host, port } => {
            found["host"] = json!(host);
            found["port"] = json!(port);
        }
    }
    found
}

fn group(spec: &GroupSpec) -> Json {
    let mut found = json!({
        "name": spec.name,
        "priority": spec.priority,
        "processes": spec.processes.iter().map(|spec| process(spec)).collect::<Vec<_>>(),
    });
    if let GroupKind::Listeners(pool) = &spec.kind {
        let mut names: Vec<&str> = pool.events.iter().copied().map(EventKind::name).collect();
        names.sort_unstable();
        found["events"] = json!(names);
        found["buffer_size"] = json!(pool.buffer_size);
    }
    if let Some(spec) = spec.processes.first().and_then(|process| process.socket.as_ref()) {
        found["socket"] = socket(spec);
    }
    found
}

fn socket(spec: &SocketSpec) -> Json {
    let mut found = json!({"url": spec.address.to_string(), "backlog": spec.backlog});
    if let SocketAddress::Unix { mode, uid, gid, .. } = &spec.address {
        found["mode"] = json!(mode);
        found["owner"] = match (uid, gid) {
            (None, None) => Json::Null,
            (uid, gid) => json!([number_or_minus_one(*uid), number_or_minus_one(*gid)]),
        };
    }
    found
}

fn process(spec: &ProcessSpec) -> Json {
    json!({
        "name": spec.name,
        "command": spec.command,
        "directory": spec.directory,
        "umask": spec.umask,
        "priority": spec.priority,
        "autostart": spec.autostart,
        "autorestart": match spec.autorestart {
            AutoRestart::Never => "false",
            AutoRestart::Unexpected => "unexpected",
            AutoRestart::Always => "true",
        },
        "startsecs": spec.startsecs,
        "startretries": spec.startretries,
        "exitcodes": spec.exitcodes,
        "stopsignal": spec.stopsignal.number(),
        "stopwaitsecs": spec.stopwaitsecs,
        "stopasgroup": spec.stopasgroup,
        "killasgroup": spec.killasgroup,
        "redirect_stderr": spec.redirect_stderr,
        "environment": spec.environment,
        "serverurl": spec.serverurl,
        "uid": spec.user.as_ref().map(|user| user.uid),
        "stdout": channel(&spec.stdout),
        "stderr": channel(&spec.stderr),
    })
}

fn channel(spec: &LogSpec) -> Json {
    json!({
        "logfile": match &spec.target {
            LogTarget::None => json!("NONE"),
            LogTarget::Auto => json!("AUTO"),
            LogTarget::File(path) => json!(path),
        },
        "maxbytes": spec.maxbytes,
        "backups": spec.backups,
        "capture_maxbytes": spec.capture_maxbytes,
        "events_enabled": spec.events_enabled,
        "syslog": spec.syslog,
    })
}

fn client(spec: &CtlSpec) -> Json {
    json!({
        "serverurl": spec.serverurl,
        "username": spec.username,
        "password": spec.password,
        "prompt": spec.prompt,
        "history_file": spec.history_file,
    })
}
