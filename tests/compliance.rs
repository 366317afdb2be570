//! One set of cases for Python Supervisor 4.3.0 and for ours: what both must do. `docs/compat.md` is its ledger.
//!
//! A case is a function of the subject; `compliance!` makes two tests of it, `ours::NAME` and `theirs::NAME`. It must hold
//! for theirs first: Supervisor is the specification, and theirs tells what it says.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

/// Makes two tests of each case: one for each subject.
macro_rules! compliance {
    ($($case:ident),+ $(,)?) => {
        mod ours {
            $(#[test] fn $case() { super::$case(crate::support::Subject::Ours); })+
        }
        mod theirs {
            $(#[test] fn $case() { super::$case(crate::support::Subject::Theirs); })+
        }
    };
}

#[path = "compliance/accounts.rs"]
mod accounts;
#[path = "compliance/clients.rs"]
mod clients;
#[path = "compliance/configuration.rs"]
mod configuration;
#[path = "compliance/control.rs"]
mod control;
#[path = "compliance/cross.rs"]
mod cross;
#[path = "compliance/ctl_logs.rs"]
mod ctl_logs;
#[path = "compliance/environment.rs"]
mod environment;
#[path = "compliance/events.rs"]
mod events;
#[path = "compliance/expansion.rs"]
mod expansion;
#[path = "compliance/fcgi.rs"]
mod fcgi;
#[path = "compliance/following.rs"]
mod following;
#[path = "compliance/grammar.rs"]
mod grammar;
#[path = "compliance/http.rs"]
mod http;
#[path = "compliance/include.rs"]
mod include;
#[path = "compliance/lives.rs"]
mod lives;
#[path = "compliance/logs.rs"]
mod logs;
#[path = "compliance/methods.rs"]
mod methods;
#[path = "compliance/multicall.rs"]
mod multicall;
#[path = "compliance/options.rs"]
mod options;
#[path = "compliance/pidproxy.rs"]
mod pidproxy;
#[path = "compliance/places.rs"]
mod places;
#[path = "compliance/programs.rs"]
mod programs;
#[path = "compliance/protocol.rs"]
mod protocol;
#[path = "compliance/reading.rs"]
mod reading;
#[path = "compliance/sections.rs"]
mod sections;
#[path = "compliance/shell.rs"]
mod shell;
#[path = "compliance/signals.rs"]
mod signals;
#[path = "compliance/spawning.rs"]
mod spawning;
#[path = "compliance/status.rs"]
mod status;
#[path = "compliance/stopping.rs"]
mod stopping;
#[path = "compliance/superlance.rs"]
mod superlance;
#[path = "compliance/syslog.rs"]
mod syslog;
#[path = "compliance/tails.rs"]
mod tails;
#[path = "compliance/values.rs"]
mod values;
#[path = "compliance/web.rs"]
mod web;

/// Waits until a pid is no longer a program's.
#[track_caller]
fn await_gone(daemon: &support::Daemon, pid: i32) {
    support::eventually(&format!("{pid} is gone"), || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        support::so(stat.is_empty(), format!("{stat}\n{}", daemon.home.read("main.log")))
    });
}
