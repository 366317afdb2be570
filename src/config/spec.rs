//! What should run: fully expanded, comparable, and saved with what was started from it.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::Limits;
pub use super::password::{Password, Pbkdf2};
pub use crate::api::AutoRestart;
use crate::api::{EventKind, Level, Signal};

/// `[supervisord]` and the servers (contract of Supervisor 4.3 `options.py`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonSpec {
    /// The file of the main log; `None`: syslog, unless it goes to the journal.
    pub logfile: Option<PathBuf>,
    /// The main log goes to the journal.
    #[serde(default)]
    pub journal: bool,
    /// Bytes at which the main log is rotated; 0 or less: never.
    pub logfile_maxbytes: i64,
    /// How many rotated main logs are kept.
    pub logfile_backups: i64,
    /// What is written to the main log.
    pub loglevel: Level,
    /// Where our process id is written.
    pub pidfile: PathBuf,
    /// Of the daemon and, unless they say otherwise, its programs.
    pub umask: u32,
    /// Stay in the foreground.
    pub nodaemon: bool,
    /// In the foreground: do not repeat the main log on stdout.
    pub silent: bool,
    /// Descriptors that must be available.
    pub minfds: i64,
    /// Processes that must be available.
    pub minprocs: i64,
    /// Keep the AUTO logs of former runs.
    pub nocleanup: bool,
    /// Where AUTO logs go.
    pub childlogdir: PathBuf,
    /// Whom to become.
    pub user: Option<UserSpec>,
    /// Where to go.
    pub directory: Option<PathBuf>,
    /// Remove ANSI escapes from the programs' output.
    pub strip_ansi: bool,
    /// For every program; already merged into each [`ProcessSpec`].
    pub environment: BTreeMap<String, String>,
    /// Our name, in AUTO logs and to clients.
    pub identifier: String,
    /// The bus on which we can be reached.
    #[serde(default)]
    pub dbus: BusChoice,
    /// Control sockets, in the order of the file.
    pub servers: Vec<ServerSpec>,
    /// `[rpcinterface:supervisor]` is there.
    pub rpcinterface: bool,
    /// The configuration file, absolute.
    pub file: PathBuf,
}

/// `dbus=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BusChoice {
    /// `auto`: that of our user, when a service manager has started us.
    #[default]
    Auto,
    /// `system`
    System,
    /// `session`
    Session,
    /// `off`: none.
    Off,
}

/// A user, resolved when the configuration was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSpec {
    /// As written.
    pub name: String,
    /// Its number.
    pub uid: u32,
}

/// A control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// The section that asked for it.
    pub section: String,
    /// Where.
    pub address: ServerAddress,
    /// Who may use it; `None`: whoever can connect.
    pub auth: Option<Credentials>,
    /// Nothing may be changed through it.
    pub readonly: bool,
    /// Names by which browsers may call it, besides those that it has; `*`: any.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// Where a control socket listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerAddress {
    /// `[unix_http_server]`.
    Unix {
        /// The socket file, absolute.
        path: PathBuf,
        /// Permissions, 0700 unless told.
        mode: u32,
        /// Owner; `None`: unchanged.
        uid: Option<u32>,
        /// Group; `None`: unchanged.
        gid: Option<u32>,
    },
    /// `[inet_http_server]`.
    Inet {
        /// A name or an address, one of IPv6 in brackets. Empty: every interface.
        host: String,
        /// 1..=65535.
        port: u16,
    },
}

impl ServerAddress {
    /// Nobody reaches it but from this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Inet { host, .. } => {
                host == "localhost" || bare(host).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
        }
    }
}

/// A host without the brackets that an address of IPv6 stands in.
#[must_use]
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A user name and a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Never empty.
    pub username: String,
    /// Or a hash of it.
    pub password: Password,
}

/// A group of processes: a `[group:x]`, or a program by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Lower starts first and stops last.
    pub priority: i64,
    /// Its processes, in autostart order: (priority, name) in a program's own group, (priority, order of `programs=`) in a
    /// `[group:x]`.
    pub processes: Vec<Arc<ProcessSpec>>,
    /// What its processes are.
    #[serde(default)]
    pub kind: GroupKind,
}

/// What the processes of a group are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupKind {
    /// Programs.
    #[default]
    Programs,
    /// Event listeners, one pool: an `[eventlistener:x]`.
    Listeners(PoolSpec),
}

/// Which events a pool of listeners is told, and how many may wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSpec {
    /// Whatever one of these covers; sorted, each once.
    pub events: Vec<EventKind>,
    /// Events that may wait before the oldest is discarded; 1 or more.
    pub buffer_size: usize,
}

/// `leftovers=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leftovers {
    /// `kill`: what a process has started ends with it.
    #[default]
    Kill,
    /// `leave`: as with Supervisor, whoever survives the process goes on.
    Leave,
}

/// What should run as one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Its name within the group.
    pub name: Arc<str>,
    /// One line, to be split as a POSIX shell splits words, when it is spawned.
    pub command: String,
    /// Where it runs.
    pub directory: Option<PathBuf>,
    /// Its umask; `None`: ours.
    pub umask: Option<u32>,
    /// Lower starts first and stops last.
    pub priority: i64,
    /// Start it when its group is added.
    pub autostart: bool,
    /// Start it again when it ends.
    pub autorestart: AutoRestart,
    /// Seconds that it must stay up to count as started.
    pub startsecs: i64,
    /// Failed starts after which it is given up: one more than this.
    pub startretries: i64,
    /// Exit codes that are no surprise.
    pub exitcodes: Vec<i32>,
    /// What asks it to stop.
    pub stopsignal: Signal,
    /// Seconds until SIGKILL.
    pub stopwaitsecs: i64,
    /// Send the stop signal to the process group.
    pub stopasgroup: bool,
    /// Send SIGKILL to the process group.
    pub killasgroup: bool,
    /// Whom it runs as; `None`: as we do.
    pub user: Option<UserSpec>,
    /// Stderr goes where stdout goes.
    pub redirect_stderr: bool,
    /// Its stdout.
    pub stdout: LogSpec,
    /// Its stderr; [`LogTarget::None`] with `redirect_stderr`.
    pub stderr: LogSpec,
    /// The daemon's `environment=`, overlaid by the program's.
    pub environment: BTreeMap<String, String>,
    /// `SUPERVISOR_SERVER_URL`; `None`: AUTO.
    pub serverurl: Option<String>,
    /// The listening socket that it finds as its stdin, shared with every process that names the same. Boxed: most have none.
    #[serde(default)]
    pub socket: Option<Box<SocketSpec>>,
    /// What becomes of what it has started when it ends.
    #[serde(default)]
    pub leftovers: Leftovers,
    /// What it may use.
    #[serde(default)]
    pub limits: Arc<Limits>,
}

/// `socket=` of an `[fcgi-program:x]`, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SocketSpec {
    /// Where it listens.
    pub address: SocketAddress,
    /// Connections that may wait to be accepted; `None`: as many as the system allows.
    pub backlog: Option<u16>,
}

/// Where a shared socket listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SocketAddress {
    /// `tcp://host:port`
    Tcp {
        /// In lower case.
        host: String,
        /// 1..=65535.
        port: u16,
    },
    /// `unix:///path`
    Unix {
        /// The socket file, absolute.
        path: PathBuf,
        /// Permissions, 0700 unless told.
        mode: u32,
        /// Owner; `None`: unchanged.
        uid: Option<u32>,
        /// Group; `None`: unchanged.
        gid: Option<u32>,
    },
}

/// As it is written in `socket=`.
impl std::fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Unix { path, .. } => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Where a channel of a process goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpec {
    /// File.
    pub target: LogTarget,
    /// Bytes at which it is rotated; 0 or less: never.
    pub maxbytes: i64,
    /// How many rotated files are kept.
    pub backups: i64,
    /// Bytes of a capture; 0 or less: no captures.
    pub capture_maxbytes: i64,
    /// Emit PROCESS_LOG events.
    pub events_enabled: bool,
    /// Send lines to syslog.
    pub syslog: bool,
    /// How it goes to the journal.
    #[serde(default)]
    pub journal: ToJournal,
}

impl LogSpec {
    /// Its file only holds the last lines, for those who ask us; the log is the journal.
    #[must_use]
    pub fn is_window(&self) -> bool {
        self.journal == ToJournal::Lines && self.target == LogTarget::Auto
    }
}

/// `journal` or `journal-stream` in `stdout_logfile=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToJournal {
    /// Not at all.
    #[default]
    No,
    /// We send its lines there, as entries with fields.
    Lines,
    /// It writes there itself, and we see nothing of it.
    Stream,
}

/// `stdout_logfile=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogTarget {
    /// `NONE`
    None,
    /// `AUTO`: a file of our choosing in `childlogdir`.
    Auto,
    /// A file.
    File(Arc<Path>),
}

/// `[supervisorctl]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CtlSpec {
    /// `unix:///path` or `http://host:port`.
    pub serverurl: String,
    /// For HTTP Basic authentication.
    pub username: Option<String>,
    /// For HTTP Basic authentication.
    pub password: Option<String>,
    /// Of the shell.
    pub prompt: String,
    /// Of the shell.
    pub history_file: Option<PathBuf>,
}

impl Default for CtlSpec {
    fn default() -> Self {
        Self {
            serverurl: "http://localhost:9001".to_owned(),
            username: None,
            password: None,
            prompt: "supervisor".to_owned(),
            history_file: None,
        }
    }
}
