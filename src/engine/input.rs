//! Facts, in the past tense.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::adopt::Adopted;
use super::ledger::{Errand, Ticket};
use super::process::ProcessId;
use crate::api::{Event, Fault, Request, Signal, WaitStatus};
use crate::config::spec::GroupSpec;

/// Something that happened. From the driver to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The loop runs: activate what is configured.
    Started,
    /// The loop runs, and another supervisor has left these: activate what is configured, with them.
    Adopted(Vec<Adopted>),
    /// Somebody asked for something.
    Request {
        /// To be answered once.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// The AUTO logs of a process have names now; answers `Effect::PrepareLogs`.
    LogsPrepared {
        /// Whose.
        id: ProcessId,
        /// File of its stdout.
        stdout: Option<Arc<Path>>,
        /// File of its stderr.
        stderr: Option<Arc<Path>>,
    },
    /// The process was forked, and waits at its gate; answers `Effect::Spawn`.
    Spawned {
        /// Which.
        id: ProcessId,
        /// Its pid.
        pid: i32,
    },
    /// The process could not be forked; answers `Effect::Spawn`.
    SpawnFailed {
        /// Which.
        id: ProcessId,
        /// Why, for `spawnerr`.
        reason: String,
        /// What would help; may be empty.
        help: String,
    },
    /// The process ended, and all its output was taken.
    Exited {
        /// Which.
        id: ProcessId,
        /// How.
        status: WaitStatus,
        /// What else is known of it.
        evidence: Evidence,
    },
    /// Nothing is left of what a process had started.
    Emptied {
        /// Whose.
        id: ProcessId,
    },
    /// A signal could not be sent (other than ESRCH).
    SignalFailed {
        /// To whom.
        id: ProcessId,
        /// The deed, if it was given an errand.
        errand: Option<Errand>,
        /// Why.
        problem: String,
    },
    /// A deed that was given an errand was done, or not.
    Done {
        /// Which.
        errand: Errand,
        /// How it went.
        outcome: Result<(), Fault>,
    },
    /// The configuration was read; answers `Effect::Load`.
    Loaded {
        /// Which.
        errand: Errand,
        /// The groups, or every problem as one text.
        outcome: Result<Vec<GroupSpec>, String>,
    },
    /// A listener wrote to its stdout; `None`: more than could be taken in.
    ListenerWrote {
        /// Which.
        id: ProcessId,
        /// What.
        bytes: Option<Vec<u8>>,
    },
    /// An event could not be written to a listener's stdin, which is closed; answers `Effect::Deliver`.
    Undelivered {
        /// To whom.
        id: ProcessId,
        /// Its number among all events.
        serial: u64,
    },
    /// Something happened that listeners may want to know: output of a process.
    Observed(Event),
    /// A signal came to the daemon.
    SignalReceived(Signal),
    /// The state is that of a daemon which has died; what it had is ours again.
    Recovered,
    /// The process ended at its gate, since nobody let it through: it has run nothing.
    Unborn {
        /// Which.
        id: ProcessId,
    },
    /// Going on with the process has cost several daemons their lives.
    Parked {
        /// Which.
        id: ProcessId,
        /// Something of it is still there.
        leftovers: bool,
    },
    /// The time that `Engine::deadline` named has come.
    DeadlineReached,
}

/// What is known of an end besides its status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// It never became the program: the step that failed, and why.
    pub failure: Option<String>,
    /// What would help, or what is wrong with how it is configured.
    pub advice: Option<String>,
    /// What it wrote last.
    pub last_words: Option<String>,
    /// Something that it started is still there.
    pub leftovers: bool,
}
