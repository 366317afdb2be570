//! The children's bytes → sinks, and the main log.
//!
//! *May import:* api, system, config::spec, systemd::journal. *Invariants:* the bytes flow on a thread of their own, so that a
//! disk that hangs delays nobody but itself; a sink that fails drops, counts, says so once and tries again; nothing is
//! allocated for a line of a file. *Tested:* beside each file.

pub mod ansi;
pub mod capture;
pub mod cell;
pub mod last_words;
pub mod main_log;
pub mod plane;
pub mod read;
pub mod rotate;
pub mod sink;

pub use main_log::{MainLog, MainLogSpec};
pub use plane::{ChannelId, ChannelSpec, Plane, PlaneEvent};
pub use rotate::RotatingFile;
