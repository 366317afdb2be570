//! The vocabulary: plain values that every surface shares.
//!
//! *May import:* std and serde. *Invariants:* no value here performs anything, and none knows a wire.
//! *Tested:* beside each type.

pub mod asker;
pub mod details;
pub mod event;
pub mod event_kind;
pub mod fault;
pub mod happening;
pub mod hush;
pub mod info;
pub mod names;
pub mod notice;
pub mod request;
pub mod signal;
pub mod state;
pub mod text;
pub mod time;
pub mod wait_status;

pub use asker::{Asker, Surface};
pub use details::{AutoRestart, Dropped, ProcessDetails, Usage};
pub use event::{Channel, Event};
pub use event_kind::EventKind;
pub use fault::{Fault, FaultCode};
pub use hush::Hush;
pub use info::{ConfigInfo, ProcessInfo, ProcessResult, RereadResult};
pub use names::{ProcessName, Target};
pub use notice::{Level, Notice};
pub use request::{Reply, Request};
pub use signal::Signal;
pub use state::{Census, ListenerState, ProcessState, SupervisorState};
pub use time::{Mono, Now, WallSecs};
pub use wait_status::WaitStatus;

/// The version of XML-RPC's contract that clients check (Supervisor 4.3 `rpcinterface.py`, `API_VERSION`).
pub const API_VERSION: &str = "3.0";

/// The version of this product.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
