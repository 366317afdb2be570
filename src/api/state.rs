//! Supervisor's words for what a process and the supervisor are doing (Supervisor 4.3 `states.py`).

use serde::{Deserialize, Serialize};

/// The eight states of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProcessState {
    /// Not running: never started, or stopped by request.
    Stopped,
    /// Started, and not yet up for `startsecs`.
    Starting,
    /// Up.
    Running,
    /// Ended before `startsecs`; will be tried again.
    Backoff,
    /// Asked to stop; not gone yet.
    Stopping,
    /// Ended by itself after it had been up.
    Exited,
    /// Given up: could not be started `startretries` times.
    Fatal,
    /// Could not be signalled.
    Unknown,
}

impl ProcessState {
    /// All of them, by code.
    pub const ALL: [Self; 8] = [
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Backoff,
        Self::Stopping,
        Self::Exited,
        Self::Fatal,
        Self::Unknown,
    ];

    /// The number that XML-RPC's `state` carries.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Stopped => 0,
            Self::Starting => 10,
            Self::Running => 20,
            Self::Backoff => 30,
            Self::Stopping => 40,
            Self::Exited => 100,
            Self::Fatal => 200,
            Self::Unknown => 1000,
        }
    }

    /// The word that XML-RPC's `statename`, `supervisorctl status` and events carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Backoff => "BACKOFF",
            Self::Stopping => "STOPPING",
            Self::Exited => "EXITED",
            Self::Fatal => "FATAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// May be removed, and does not hold up a shutdown.
    #[must_use]
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped | Self::Exited | Self::Fatal | Self::Unknown)
    }

    /// Refuses `start` with ALREADY_STARTED and accepts `stop`.
    #[must_use]
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Backoff | Self::Starting)
    }

    /// Accepts `signal`.
    #[must_use]
    pub fn is_signallable(self) -> bool {
        matches!(self, Self::Running | Self::Starting | Self::Stopping)
    }
}

/// How many processes are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census([usize; ProcessState::ALL.len()]);

impl Census {
    /// From the states and their numbers.
    #[must_use]
    pub fn new(counts: impl IntoIterator<Item = (ProcessState, usize)>) -> Self {
        let mut census = Self::default();
        for (state, count) in counts {
            census.0[state as usize] += count;
        }
        census
    }

    /// How many are in that state.
    #[must_use]
    pub fn of(&self, state: ProcessState) -> usize {
        self.0[state as usize]
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }
}

/// What the supervisor as a whole is doing: Supervisor's `mood`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SupervisorState {
    /// Programs are kept running.
    Running,
    /// Programs are being stopped, to be started from a fresh configuration.
    Restarting,
    /// Programs are being stopped, to end.
    Shutdown,
}

impl SupervisorState {
    /// The number that `getState` answers.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Running => 1,
            Self::Restarting => 0,
            Self::Shutdown => -1,
        }
    }

    /// The word that `getState` answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Restarting => "RESTARTING",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

/// Where an event listener stands in its protocol (Supervisor 4.3 `states.py`, `EventListenerStates`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ListenerState {
    /// It has not said yet that it is ready.
    Acknowledged,
    /// It waits for an event.
    Ready,
    /// It was sent an event, and has not answered.
    Busy,
    /// It broke the protocol, and is sent no more.
    Unknown,
}

impl ListenerState {
    /// The word in the main log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Ready => "READY",
            Self::Busy => "BUSY",
            Self::Unknown => "UNKNOWN",
        }
    }
}
