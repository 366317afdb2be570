//! The web page: what supervisord shows to people, and lets them do.
//!
//! *May import:* api, runtime::handle, logs::read, control::{client, describe, http}. *Invariants:* what a program, a
//! configuration or a client says reaches a page only through [`html::esc`]; state changes by POST with the token of this
//! start; every page works without its script; nothing is loaded from elsewhere. *Tested:* beside each file; `tests/web.rs`
//! clicks through it in a browser.

pub mod action;
pub mod assets;
pub mod confirm;
pub mod form;
pub mod html;
pub mod live;
pub mod program;
pub mod serve;
pub mod status;
pub mod token;
pub mod view;
