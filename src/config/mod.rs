//! Text → types; pure.
//!
//! What loading needs of the world comes in through [`machine::Machine`]. *May import:* api. *Invariants:* every error of a
//! load is told, each with file and line; the same files give the same specs. *Tested:* beside each file.

pub mod check;
mod daemon;
pub mod diff;
mod doubles;
pub mod environment;
pub mod error;
pub mod expand;
mod fcgi;
pub mod ini;
pub mod limits;
mod listener;
pub mod load;
mod log;
pub mod machine;
pub mod options;
mod password;
mod program;
mod reader;
mod remedy;
mod section;
mod sections;
mod server;
pub mod spec;
pub mod value;
pub mod waiting;
