//! supervisorctl: the commands, their words and their exit codes.
//!
//! *May import:* api, wire, cli, config::{error, spec}, system::{interrupt, terminal}. *Invariants:* Supervisor's texts, columns and
//! exit codes; what was said is shown before the next wait; no call is sent twice; what is typed ahead is never lost.
//! *Tested:* beside each file with a daemon of paper, and against both daemons in `tests/`.

mod candidates;
pub mod client;
pub mod commands;
pub mod complete;
mod configuration;
mod connection;
pub mod console;
mod describe;
mod doctor;
mod editor;
pub mod flags;
mod follow;
mod foreground;
mod history;
pub mod http;
pub mod json;
mod lines;
mod logs;
mod merged;
mod patterns;
mod processes;
mod progress;
mod session;
mod shell;
mod source;
mod status;
mod waiting;
mod watch;

#[cfg(test)]
mod tests;

pub use session::Session;
pub use shell::{Style, run};
