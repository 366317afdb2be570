//! What the tests of whole daemons share: a home for each, Supervisor's programs and ours behind one [`Subject`],
//! calls, patterns for what differs from run to run, and an end for everything that was started.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]
#![allow(dead_code, unused_imports, reason = "each test program uses its own part of this")]
#![allow(clippy::needless_pass_by_value, reason = "arguments of calls are written where they are made")]

pub mod browser;
pub mod bus;
pub mod daemon;
pub mod home;
pub mod machine;
pub mod package;
pub mod paper;
pub mod pattern;
pub mod proxy;
pub mod python;
pub mod reading;
pub mod rpc;
pub mod stream;
pub mod talk;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use daemon::Daemon;
pub use home::{Home, Subject};
pub use paper::Paper;

/// How long a condition may take to come true, on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Between two looks.
pub const GLANCE: Duration = Duration::from_millis(15);

/// Waits until `look` finds what it looks for. Its error is what it saw instead.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(_) if Instant::now() < deadline => std::thread::sleep(GLANCE),
            Err(seen) => panic!("not within {PATIENCE:?}: {what}; seen last:\n{seen}"),
        }
    }
}

/// An address of this machine where nobody listens, nor will: each test has a host of its own in 127.0.0.0/8.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()[3];
    let host = Ipv4Addr::new(127, 1 + number % 250, high, low.max(1));
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

/// `Ok` if it is so; else what was seen.
pub fn so(holds: bool, seen: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen.into()) }
}

/// Says that a test, or a part of it, does not run here.
#[allow(clippy::print_stderr, reason = "whoever runs the tests is to know")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// A port that nobody has, at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
