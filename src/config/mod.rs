//! Text → types; pure.

pub mod spec;
