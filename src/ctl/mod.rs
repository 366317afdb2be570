//! supervisorctl: the commands, their words and their exit codes.
//!
//! *May import:* api, wire, cli, config::{error, spec}. *Invariants:* Supervisor's texts, columns and exit codes; output in one write.
//! *Tested:* beside each file with a daemon of paper, and against both daemons in `tests/`.

pub mod client;
pub mod commands;
pub mod complete;
mod configuration;
pub mod flags;
pub mod json;
mod logs;
mod patterns;
mod processes;
mod session;
mod status;
mod waiting;

#[cfg(test)]
mod tests;

pub use session::{Session, run};
