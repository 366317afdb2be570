//! The loop: waits for facts, tells the engine, performs what it decides.
//!
//! *May import:* engine, logs, system, systemd, config, api. *Invariants:* one task owns the engine; nothing here waits for a
//! child, a disk or a client. *Tested:* by the programs in `tests/`.

pub mod adopt;
mod afterwards;
pub mod children;
pub mod driver;
mod explain;
pub mod handle;
pub mod kept;
pub mod news;
mod perform;
mod places;
mod plan;
mod pulse;
pub mod record;
mod recording;
pub mod signals;
mod sockets;
pub mod status;
mod streams;
pub mod takeover;
