//! What is known of processes, as every surface shows it.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultCode};
use super::names::ProcessName;
use super::state::{ListenerState, ProcessState};
use super::time::{Mono, WallSecs};

/// What is known of one process (Supervisor 4.3 `rpcinterface.py`, `getProcessInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Group and name.
    pub name: ProcessName,
    /// Supervisor's word for what it is doing.
    pub state: ProcessState,
    /// When it was last started; `None` before the first start.
    pub start: Option<WallSecs>,
    /// The same by the clock that decides; uptime is counted from here.
    pub since: Option<Mono>,
    /// When it last ended; `None` before the first end.
    pub stop: Option<WallSecs>,
    /// Why it could not be started, or ended badly; empty when all is well.
    pub spawnerr: String,
    /// Exit code of its last end; -1 after a signal; 0 while there is none.
    pub exitstatus: i32,
    /// Its process id; 0 when it has none.
    pub pid: i32,
    /// Where its stdout goes, if to a file.
    pub stdout_logfile: Option<Arc<Path>>,
    /// Where its stderr goes, if to a file.
    pub stderr_logfile: Option<Arc<Path>>,
    /// Where it stands as an event listener, if it is one.
    pub listener: Option<ListenerState>,
}

/// What is configured for one process (Supervisor 4.3 `rpcinterface.py`, `getAllConfigInfo`): its spec, with its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigInfo<S> {
    /// Group and name.
    pub name: ProcessName,
    /// Priority of the group.
    pub group_priority: i64,
    /// The group is active.
    pub in_use: bool,
    /// What should run. A parameter only because the vocabulary knows nothing of configuration.
    pub spec: S,
}

/// The outcome for one process of a request for several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessResult {
    /// Group and name.
    pub name: ProcessName,
    /// `Ok`, or why not.
    pub outcome: Result<(), Fault>,
}

impl ProcessResult {
    /// The `status` on the wire: 80, or the code of the fault.
    #[must_use]
    pub fn status(&self) -> FaultCode {
        self.outcome.as_ref().err().map_or(FaultCode::Success, |fault| fault.code)
    }
}

/// What `reread` found: names of groups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RereadResult {
    /// In the file, not active.
    pub added: Vec<String>,
    /// Active, and not as in the file.
    pub changed: Vec<String>,
    /// Active, not in the file.
    pub removed: Vec<String>,
}
