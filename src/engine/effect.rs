//! Deeds, in the imperative.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ledger::{Errand, Ticket};
use super::pool::Pending;
use super::process::ProcessId;
use crate::api::{Event, Fault, Notice, ProcessName, Reply, Signal, SupervisorState};
use crate::config::spec::ProcessSpec;

/// Something to do. From the engine to the driver, to be done in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Write a line to the main log.
    Note(Notice),
    /// Tell whoever listens, but for the event listeners, who are told by `Deliver`.
    Publish(Arc<Event>),
    /// Write an event to a listener's stdin; answer `Undelivered` if it is closed.
    Deliver {
        /// To whom.
        id: ProcessId,
        /// Its pool.
        pool: String,
        /// What.
        pending: Pending,
    },
    /// Answer a request.
    Reply {
        /// Which.
        ticket: Ticket,
        /// The answer.
        answer: Result<Reply, Fault>,
    },
    /// Create the AUTO logs; answer `LogsPrepared`.
    PrepareLogs {
        /// Whose.
        id: ProcessId,
        /// Its name.
        name: ProcessName,
        /// What should run.
        spec: Arc<ProcessSpec>,
    },
    /// Look whether the command could be run; answer `Done` with NO_FILE or NOT_EXECUTABLE if not.
    Probe {
        /// To be answered.
        errand: Errand,
        /// What should run.
        spec: Arc<ProcessSpec>,
    },
    /// Fork, gated; answer `Spawned` or `SpawnFailed`.
    Spawn {
        /// Which.
        id: ProcessId,
        /// Its name.
        name: ProcessName,
        /// What should run.
        spec: Arc<ProcessSpec>,
        /// File of its stdout.
        stdout: Option<Arc<Path>>,
        /// File of its stderr.
        stderr: Option<Arc<Path>>,
        /// Its stdout is the event listener protocol: tell it as `ListenerWrote`.
        listener: bool,
    },
    /// Open the gate: the process becomes the program. If we die before, it ends by itself and never was.
    Release {
        /// Which.
        id: ProcessId,
    },
    /// Send a signal: with an errand answer `Done`; answer a failure, with or without, as `SignalFailed`.
    Signal {
        /// To whom.
        id: ProcessId,
        /// Its pid.
        pid: i32,
        /// What.
        signal: Signal,
        /// To its process group.
        group: bool,
        /// To be answered.
        errand: Option<Errand>,
    },
    /// Send a signal to everything that an ended process has left behind; `Emptied` tells when nothing is left.
    SignalLeftovers {
        /// Whose.
        id: ProcessId,
        /// What.
        signal: Signal,
    },
    /// Kill everything that an ended process has left behind, at once.
    KillLeftovers {
        /// Whose.
        id: ProcessId,
    },
    /// Read the configuration; answer `Loaded`.
    Load {
        /// To be answered.
        errand: Errand,
        /// What for.
        reason: LoadReason,
    },
    /// Empty the logs of a process; answer `Done`.
    ClearLogs {
        /// To be answered.
        errand: Errand,
        /// Whose.
        id: ProcessId,
        /// Files, for when nothing is open.
        files: Vec<Arc<Path>>,
    },
    /// Empty the main log; answer `Done`.
    ClearMainLog {
        /// To be answered.
        errand: Errand,
    },
    /// Write to a stdin; answer `Done`.
    SendStdin {
        /// To be answered.
        errand: Errand,
        /// Whose.
        id: ProcessId,
        /// What.
        data: Vec<u8>,
    },
    /// Let the installed binary take over; it answers `Done`, or we do when it cannot.
    Reexec {
        /// To be answered.
        errand: Errand,
    },
    /// Reopen every log file.
    ReopenLogs,
    /// Forget whatever is kept for a process.
    Forget {
        /// Which.
        id: ProcessId,
    },
    /// Everything has stopped: end, or begin again.
    Finish(SupervisorState),
}

impl Effect {
    /// A deed towards others that nothing repeats by itself: if we die with it on the record and undone, whoever comes after us
    /// does it. The rest is either done again by [`super::Input::Recovered`], or was for those who are gone with us.
    #[must_use]
    pub fn is_bequeathed(&self) -> bool {
        match self {
            Self::Note(_)
            | Self::Signal { .. }
            | Self::SignalLeftovers { .. }
            | Self::KillLeftovers { .. }
            | Self::ClearLogs { .. }
            | Self::ClearMainLog { .. }
            | Self::ReopenLogs
            | Self::Forget { .. } => true,
            // A listener that was told something gets it again, in a fresh instance. Who wanted something written to a stdin was
            // not told that it is.
            Self::Deliver { .. }
            | Self::SendStdin { .. }
            | Self::Publish(_)
            | Self::Reply { .. }
            | Self::PrepareLogs { .. }
            | Self::Probe { .. }
            | Self::Spawn { .. }
            | Self::Release { .. }
            | Self::Load { .. }
            | Self::Reexec { .. }
            | Self::Finish(_) => false,
        }
    }
}

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadReason {
    /// To compare it with what is active.
    Reread,
    /// To find out whether a restart would work.
    Restart,
}
