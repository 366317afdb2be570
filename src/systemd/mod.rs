//! Adapters to the service manager, without policy.
//!
//! *May import:* api, system. *Invariants:* without a service manager `notify` does nothing and never fails; `journal` and
//! `listen` say what failed. *Tested:* beside each file, and in the systemd box (`tests/systemd.rs`).

pub mod journal;
pub mod listen;
pub mod notify;
pub mod store;
pub mod unit;
