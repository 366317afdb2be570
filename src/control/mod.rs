//! Surfaces: HTTP, XML-RPC and the web page, translated to the vocabulary and back.
//!
//! *May import:* api, wire, runtime::handle, config::{error, spec}, logs::read; never engine. *Invariants:* surfaces hold no state of
//! processes; whatever a client sends or withholds, memory, time and connections are bounded. *Tested:* beside each file.

pub mod client;
pub mod describe;
pub mod http;
pub mod thread;
pub mod web;
pub mod xmlrpc;
