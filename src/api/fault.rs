//! Refusals: the eighteen codes of Supervisor's XML-RPC (4.3 `xmlrpc.py`, `Faults`).

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! fault_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum FaultCode { $($(#[$doc])* $variant,)* }

        impl FaultCode {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub fn code(self) -> i32 { match self { $(Self::$variant => $code,)* } }

            /// The word on the wire.
            #[must_use]
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }
        }
    };
}

fault_codes! {
    /// No such method.
    UnknownMethod = 1 "UNKNOWN_METHOD",
    /// Wrong number or types of arguments.
    IncorrectParameters = 2 "INCORRECT_PARAMETERS",
    /// Arguments that contradict each other or are out of range.
    BadArguments = 3 "BAD_ARGUMENTS",
    /// No signature or help for the method.
    SignatureUnsupported = 4 "SIGNATURE_UNSUPPORTED",
    /// The supervisor is shutting down or restarting.
    ShutdownState = 6 "SHUTDOWN_STATE",
    /// No such process or group.
    BadName = 10 "BAD_NAME",
    /// No such signal.
    BadSignal = 11 "BAD_SIGNAL",
    /// The command, or the log, is not there.
    NoFile = 20 "NO_FILE",
    /// The command cannot be executed.
    NotExecutable = 21 "NOT_EXECUTABLE",
    /// It was tried and did not work.
    Failed = 30 "FAILED",
    /// The process ended while its start was waited for.
    AbnormalTermination = 40 "ABNORMAL_TERMINATION",
    /// The process could not be started.
    SpawnError = 50 "SPAWN_ERROR",
    /// The process runs already.
    AlreadyStarted = 60 "ALREADY_STARTED",
    /// The process does not run.
    NotRunning = 70 "NOT_RUNNING",
    /// No fault; only inside the results of a request for several processes.
    Success = 80 "SUCCESS",
    /// The group is active already.
    AlreadyAdded = 90 "ALREADY_ADDED",
    /// A process of the group is not stopped.
    StillRunning = 91 "STILL_RUNNING",
    /// The configuration cannot be read.
    CantReread = 92 "CANT_REREAD",
}

/// A refusal: its code and, mostly, the name or the reason that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Fault {
    /// Why.
    pub code: FaultCode,
    /// About what; the part behind the colon of the fault string.
    pub extra: Option<String>,
}

impl Fault {
    /// A fault without a detail.
    #[must_use]
    pub fn bare(code: FaultCode) -> Self {
        Self { code, extra: None }
    }

    /// A fault about something.
    pub fn new(code: FaultCode, extra: impl Into<String>) -> Self {
        Self { code, extra: Some(extra.into()) }
    }
}

/// The fault string: `NAME`, or `NAME: EXTRA`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.extra {
            None => f.write_str(self.code.name()),
            Some(extra) => write!(f, "{}: {extra}", self.code.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eighteen_faults() {
        assert_eq!(FaultCode::ALL.len(), 18);
    }
}
