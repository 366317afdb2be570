//! One process: what it is really doing, and what is remembered of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::ledger::Waiter;
use super::listener::Listener;
use crate::api::{
    Dropped, Mono, ProcessDetails, ProcessInfo, ProcessName, ProcessState, WaitStatus, WallSecs,
};
use crate::config::spec::{LogTarget, ProcessSpec};

/// Names a process for as long as its group is active; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u64);

/// What a process is really doing, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Never started, or stopped by request.
    Stopped,
    /// To be forked when nothing of its last instance is left.
    Clearing {
        /// It is not to be forked at all.
        stop: bool,
    },
    /// Its fork was ordered.
    Spawning {
        /// It is to be stopped as soon as it has a pid.
        stop: bool,
    },
    /// Up for less than `startsecs`.
    Starting {
        /// Its pid.
        pid: i32,
        /// Since when.
        since: Mono,
    },
    /// Up.
    Running {
        /// Its pid.
        pid: i32,
    },
    /// Told to stop.
    Stopping {
        /// Its pid.
        pid: i32,
        /// When SIGKILL is due.
        kill_at: Mono,
    },
    /// Stopped, but for what it has left behind.
    Emptying {
        /// The pid that it had.
        pid: i32,
        /// How it ended.
        status: WaitStatus,
    },
    /// Waits for its next try.
    Backoff {
        /// When it is due.
        until: Mono,
    },
    /// Ended by itself.
    Exited {
        /// It is to be started again, at once.
        restart: bool,
    },
    /// Given up.
    Fatal,
    /// Could not be signalled; it may still live.
    Unknown {
        /// Its pid, while it lives.
        pid: Option<i32>,
    },
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its key.
    pub id: ProcessId,
    /// Group and name.
    pub name: ProcessName,
    /// What should run.
    pub spec: Arc<ProcessSpec>,
    /// What it does.
    pub phase: Phase,
    /// Failed starts in a row.
    pub tries: u32,
    /// How often it was started again by itself, since somebody or `autostart=` started it.
    #[serde(default)]
    pub restarts: u64,
    /// Its last start.
    pub started: Option<(Mono, WallSecs)>,
    /// Its last end.
    pub ended: Option<WallSecs>,
    /// Exit code of its last end.
    pub exitstatus: Option<i32>,
    /// Why it could not be started, or ended badly.
    pub spawnerr: Option<String>,
    /// Why it failed, for people; `None` when all is well.
    #[serde(default)]
    pub diagnosis: Option<String>,
    /// When what its last instance has left behind is killed; `None`: nothing is left, or nobody minds.
    #[serde(default)]
    pub emptying: Option<Mono>,
    /// Its log files have names.
    pub prepared: bool,
    /// File of its stdout.
    pub stdout_logfile: Option<Arc<Path>>,
    /// File of its stderr.
    pub stderr_logfile: Option<Arc<Path>>,
    /// What it said as an event listener, if it is one. Boxed: most are none.
    pub listener: Option<Box<Listener>>,
    /// Told when it has a pid, or will not.
    pub launch_waiters: Vec<Waiter>,
    /// Told when it runs, or will not.
    pub start_waiters: Vec<Waiter>,
    /// Told when it has stopped.
    pub stop_waiters: Vec<Waiter>,
    /// Start it again when it has stopped, and tell these.
    pub start_after_stop: Vec<(Waiter, bool)>,
}

pub(super) fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

fn file_of(target: &LogTarget) -> Option<Arc<Path>> {
    match target {
        LogTarget::File(path) => Some(Arc::clone(path)),
        LogTarget::None | LogTarget::Auto => None,
    }
}

/// A process without what it was made from, and without what it has not, which is read as such. A test holds it to have
/// whatever else there is.
#[derive(Serialize)]
#[serde(remote = "Process")]
struct Fields {
    id: ProcessId,
    name: ProcessName,
    phase: Phase,
    tries: u32,
    restarts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<(Mono, WallSecs)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<WallSecs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exitstatus: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spawnerr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnosis: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emptying: Option<Mono>,
    prepared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_logfile: Option<Arc<Path>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_logfile: Option<Arc<Path>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<Box<Listener>>,
    launch_waiters: Vec<Waiter>,
    start_waiters: Vec<Waiter>,
    stop_waiters: Vec<Waiter>,
    start_after_stop: Vec<(Waiter, bool)>,
}

/// The same, borrowed.
pub(super) struct WithoutSpec<'a>(pub(super) &'a Process);

impl Serialize for WithoutSpec<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields::serialize(self.0, serializer)
    }
}

impl Process {
    pub(super) fn new(id: ProcessId, group: &Arc<str>, spec: Arc<ProcessSpec>) -> Self {
        Self {
            id,
            name: ProcessName::new(Arc::clone(group), Arc::clone(&spec.name)),
            stdout_logfile: file_of(&spec.stdout.target),
            stderr_logfile: file_of(&spec.stderr.target),
            spec,
            phase: Phase::Stopped,
            prepared: false,
            tries: 0,
            restarts: 0,
            started: None,
            ended: None,
            exitstatus: None,
            spawnerr: None,
            diagnosis: None,
            emptying: None,
            listener: None,
            launch_waiters: Vec::new(),
            start_waiters: Vec::new(),
            stop_waiters: Vec::new(),
            start_after_stop: Vec::new(),
        }
    }

    /// Supervisor's word for the phase.
    #[must_use]
    pub fn state(&self) -> ProcessState {
        match self.phase {
            Phase::Stopped => ProcessState::Stopped,
            Phase::Clearing { .. } | Phase::Spawning { .. } | Phase::Starting { .. } => {
                ProcessState::Starting
            }
            Phase::Running { .. } => ProcessState::Running,
            Phase::Stopping { .. } | Phase::Emptying { .. } => ProcessState::Stopping,
            Phase::Backoff { .. } => ProcessState::Backoff,
            Phase::Exited { .. } => ProcessState::Exited,
            Phase::Fatal => ProcessState::Fatal,
            Phase::Unknown { .. } => ProcessState::Unknown,
        }
    }

    /// Its pid, if it has one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        match self.phase {
            Phase::Starting { pid, .. } | Phase::Running { pid } | Phase::Stopping { pid, .. } => Some(pid),
            Phase::Unknown { pid } => pid,
            Phase::Stopped
            | Phase::Clearing { .. }
            | Phase::Spawning { .. }
            | Phase::Emptying { .. }
            | Phase::Backoff { .. }
            | Phase::Exited { .. }
            | Phase::Fatal => None,
        }
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let live = matches!(self.phase, Phase::Starting { .. } | Phase::Running { .. });
        let penance = self.listener.as_ref().filter(|_| live).and_then(|listener| listener.restart_at);
        self.phase_deadline().into_iter().chain(penance).chain(self.emptying).min()
    }

    /// When something is due, by the phase alone.
    #[must_use]
    pub fn phase_deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Starting { since, .. } => Some(since + seconds(self.spec.startsecs)),
            Phase::Stopping { kill_at, .. } => Some(kill_at),
            Phase::Backoff { until } => Some(until),
            Phase::Stopped
            | Phase::Clearing { .. }
            | Phase::Spawning { .. }
            | Phase::Emptying { .. }
            | Phase::Running { .. }
            | Phase::Exited { .. }
            | Phase::Fatal
            | Phase::Unknown { .. } => None,
        }
    }

    /// What every surface shows.
    #[must_use]
    pub fn info(&self) -> ProcessInfo {
        ProcessInfo {
            name: self.name.clone(),
            state: self.state(),
            start: self.started.map(|(_, wall)| wall),
            since: self.started.map(|(mono, _)| mono),
            stop: self.ended,
            spawnerr: self.spawnerr.clone().unwrap_or_default(),
            exitstatus: self.exitstatus.unwrap_or(0),
            pid: self.pid().unwrap_or(0),
            stdout_logfile: self.stdout_logfile.clone(),
            stderr_logfile: self.stderr_logfile.clone(),
            listener: self.listener.as_ref().map(|listener| listener.state),
        }
    }

    /// All that is known here of what people want to see; what it uses and what was dropped is known elsewhere.
    #[must_use]
    pub fn details(&self) -> ProcessDetails {
        let spec = &self.spec;
        ProcessDetails {
            info: self.info(),
            restarts: self.restarts,
            diagnosis: self.diagnosis.clone().unwrap_or_default(),
            usage: None,
            dropped: Dropped::default(),
            command: spec.command.clone(),
            directory: spec.directory.clone(),
            user: spec.user.as_ref().map(|user| user.name.clone()),
            autostart: spec.autostart,
            autorestart: spec.autorestart,
            priority: spec.priority,
        }
    }
}
