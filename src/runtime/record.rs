//! What a daemon leaves to the one that takes over: everything that cannot be found out again. JSON, whose unknown keys are
//! ignored, so that a record may be read by an older binary; descriptors are in it by their numbers.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::children::Ended;
use super::handle::Origin;
use crate::api::ProcessName;
use crate::config::error::Diagnostic;
use crate::config::spec::{DaemonSpec, Leftovers, ProcessSpec, SocketSpec};
use crate::engine::{Engine, Errand, Input, LoadReason, ProcessId, Ticket};
use crate::logs::plane::{ChannelId, PlaneRecord};
use crate::system::listen::SocketFile;

/// The form of the record. A binary that knows a lower number only cannot take over.
pub const VERSION: u32 = 1;

/// What the daemon leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its form.
    pub version: u32,
    /// Who wrote it, for people.
    pub writer: String,
    /// The machine's name for the time since it was started last: the clocks of two such times do not agree.
    pub boot: String,
    /// What was settled when the daemon started.
    pub ground: Ground,
    /// What the loop knows.
    pub life: Life,
    /// Clients that are connected.
    #[serde(default)]
    pub clients: Vec<ClientRecord>,
    /// What is kept for the case that we die.
    #[serde(default)]
    pub kept: Option<KeptRecord>,
}

/// What is kept for the case that we die, as the service manager holds it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRecord {
    /// The record of what is decided.
    pub record: RawFd,
    /// What of the programs' output is on its way.
    pub cell: RawFd,
    /// The two ends of the bag.
    pub bag: [RawFd; 2],
}

/// What was settled when the daemon started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The configuration file.
    pub file: PathBuf,
    /// Its text, if it can be read only once.
    #[serde(default)]
    pub text: Option<Vec<u8>>,
    /// What the command line says otherwise.
    pub overrides: BTreeMap<String, String>,
    /// `[supervisord]` and the servers.
    pub spec: DaemonSpec,
    /// The soft limit of open files that a child gets.
    pub nofile_soft: Option<u64>,
    /// The control sockets, in the order of the configuration.
    pub listeners: Vec<RawFd>,
    /// Those that the service manager had opened, with its names for them.
    #[serde(default)]
    pub passed: Vec<(String, RawFd)>,
    /// The files of those that have one.
    pub socket_files: Vec<SocketFile>,
    /// The pidfile is ours.
    pub wrote_pid: bool,
    /// The tree of cgroups that is ours to divide.
    pub cgroups: Option<PathBuf>,
    /// What is odd about the configuration.
    #[serde(default)]
    pub findings: Vec<Diagnostic>,
}

/// What the loop knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// All decisions.
    pub engine: Engine,
    /// Facts that it was not told yet.
    pub inbox: Vec<Input>,
    /// The configuration is being read for these.
    #[serde(default)]
    pub loads: BTreeMap<Errand, LoadReason>,
    /// The takeover itself, to be told done.
    pub takeover: Option<Errand>,
    /// The last ticket that was given out.
    pub last_ticket: u64,
    /// Clients that wait for an answer.
    #[serde(default)]
    pub answers: BTreeMap<Ticket, Origin>,
    /// The children.
    pub children: ChildrenRecord,
    /// Their output.
    #[serde(default)]
    pub plane: PlaneRecord,
}

impl Life {
    /// What it had in a bag is in none any more.
    pub fn is_kept_nowhere(&mut self) {
        let ChildrenRecord { children, sockets, reports, .. } = &mut self.children;
        children.iter_mut().for_each(|child| child.item = None);
        sockets.iter_mut().for_each(|socket| socket.item = None);
        reports.iter_mut().for_each(|reports| reports.item = None);
    }
}

/// The children, and what belongs to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildrenRecord {
    /// The number of the next stream.
    pub next_channel: u64,
    /// Those that are not wholly gone.
    pub children: Vec<ChildRecord>,
    /// The sockets that they share.
    #[serde(default)]
    pub sockets: Vec<SocketRecord>,
    /// Where they live.
    #[serde(default)]
    pub places: PlacesRecord,
    /// Where they tell what fails before exec.
    #[serde(default)]
    pub reports: Option<ReportsRecord>,
}

/// The pipe where children tell what fails before exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportsRecord {
    /// Its two ends.
    pub ends: [RawFd; 2],
    /// Its item in the bag.
    #[serde(default)]
    pub item: Option<u64>,
}

/// A child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRecord {
    /// Whose instance it is.
    pub id: ProcessId,
    /// Its name.
    pub name: ProcessName,
    /// Its number.
    pub pid: i32,
    /// The child itself.
    pub pidfd: RawFd,
    /// While it waits at its gate.
    #[serde(default)]
    pub gate: Option<RawFd>,
    /// What it tells before exec, where that has a pipe of its own.
    #[serde(default)]
    pub report: Option<RawFd>,
    /// By which birth it tells it in the pipe of all.
    #[serde(default)]
    pub birth: Option<u64>,
    /// Its stdin.
    pub stdin: Option<RawFd>,
    /// What waits to be written there.
    #[serde(default)]
    pub unsent: Vec<u8>,
    /// Its streams.
    pub channels: Vec<ChannelId>,
    /// What it was started from.
    pub spec: Arc<ProcessSpec>,
    /// The file that it runs.
    pub program: String,
    /// It has ended, and that is not told yet.
    #[serde(default)]
    pub(super) ended: Option<Ended>,
    /// Its item in the bag.
    #[serde(default)]
    pub item: Option<u64>,
}

/// A socket that programs share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketRecord {
    /// What it was opened for.
    pub spec: SocketSpec,
    /// The socket.
    pub fd: RawFd,
    /// Its file.
    pub file: Option<SocketFile>,
    /// Its item in the bag.
    #[serde(default)]
    pub item: Option<u64>,
}

/// Where the children live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacesRecord {
    /// Of each its cgroup.
    pub places: Vec<PlaceRecord>,
    /// Where somebody was killed.
    pub killed: Vec<PathBuf>,
}

/// The cgroup of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// Whose.
    pub id: ProcessId,
    /// Where.
    pub path: PathBuf,
    /// What becomes of what is left in it.
    pub leftovers: Leftovers,
    /// Something is left in it.
    pub watched: bool,
}

/// A client that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// The number of its connection.
    pub connection: u64,
    /// By which server it came.
    pub server: usize,
    /// The connection.
    pub fd: RawFd,
}

impl Record {
    /// Every descriptor in it.
    #[must_use]
    pub fn descriptors(&self) -> Vec<RawFd> {
        let Life { children, plane, .. } = &self.life;
        let of_child = |child: &ChildRecord| {
            let optional = [child.report, child.gate, child.stdin];
            optional.into_iter().flatten().chain([child.pidfd]).collect::<Vec<_>>()
        };
        let mut all = self.ground.listeners.clone();
        all.extend(self.ground.passed.iter().map(|(_, fd)| *fd));
        all.extend(children.children.iter().flat_map(of_child));
        all.extend(children.sockets.iter().map(|socket| socket.fd));
        all.extend(children.reports.iter().flat_map(|reports| reports.ends));
        all.extend(plane.files.iter().map(|file| file.fd));
        all.extend(plane.channels.iter().map(|channel| channel.fd));
        all.extend(self.clients.iter().map(|client| client.fd));
        all.extend(self.kept.iter().flat_map(|kept| kept.bag.into_iter().chain([kept.record, kept.cell])));
        all
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Why this binary cannot take over from its writer, for people.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
            writer: String,
        }
        let head: Head = serde_json::from_slice(text)
            .map_err(|error| format!("what it leaves cannot be read: {error}"))?;
        if head.version > VERSION {
            return Err(format!(
                "supervisord {} leaves its state in form {}, and this is supervisord {}, which knows form {VERSION}",
                head.writer,
                head.version,
                crate::api::VERSION
            ));
        }
        serde_json::from_slice(text)
            .map_err(|error| format!("the state of supervisord {} cannot be read: {error}", head.writer))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it cannot be written as JSON: a path is no text.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| format!("the state cannot be written: {error}"))
    }
}
