//! Adapters to the service manager, without policy.
//!
//! *May import:* api, system. *Invariants:* without a service manager every call does nothing; nothing here fails.
//! *Tested:* in the systemd box (`tests/systemd.rs`).

pub mod notify;
