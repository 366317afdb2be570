//! Text → types; pure.

pub mod diff;
pub mod environment;
pub mod error;
pub mod expand;
pub mod ini;
pub mod spec;
pub mod value;
