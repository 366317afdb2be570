//! Text → types; pure.

pub mod diff;
pub mod spec;
