//! supervisord: starts programs, keeps them running, and answers for them.
//!
//! The rooms of the house, lowest first; each may import only what stands before it
//! (`tests/architecture.rs` holds the directions):
//!
//! | room | for what |
//! |---|---|
//! | [`api`] | the vocabulary: plain values that every surface shares |
//! | [`wire`] | XML-RPC documents, read and written |
//! | [`cli`] | the option grammar of both command lines |
//! | [`config`] | text → types; pure |
//! | [`engine`] | the decisions; pure, deterministic, serialisable |
//! | [`system`] | the kernel; the only room with `unsafe` |
//! | [`logs`] | the children's bytes → sinks, and the main log |
//! | [`systemd`] | sd_notify and its kin, as adapters without policy |
//! | [`runtime`] | the loop: waits, tells the engine, performs what it decides |
//! | [`control`] | HTTP and XML-RPC: wire ⇄ api |
//! | [`dbus`] | D-Bus: objects, signals and polkit ⇄ api |
//! | [`ctl`] | supervisorctl |
//! | [`docs`] | manual pages and completions for shells, from the tables |
//! | [`pidproxy`] | a command, and signals to the daemon that it starts |
//! | [`control_command`] | the composition root of supervisorctl |
//! | [`daemon`] | the composition root, the only file that knows every room |
//!
//! `ARCHITECTURE.md` tells the reasons.

pub mod api;
pub mod cli;
pub mod config;
pub mod control;
pub mod control_command;
pub mod ctl;
pub mod daemon;
pub mod dbus;
pub mod docs;
pub mod engine;
pub mod logs;
pub mod pidproxy;
pub mod runtime;
pub mod system;
pub mod systemd;
pub mod wire;
