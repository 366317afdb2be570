//! The clocks.
#![allow(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::api::{Mono, Now, WallSecs};

/// Reads both clocks.
#[must_use]
pub fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Now { mono: mono(), wall: WallSecs(i64::try_from(wall).unwrap_or(i64::MAX)) }
}

fn mono() -> Mono {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec for the length of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let (secs, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    Mono(secs * 1_000_000_000 + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let (first, second) = (now(), now());
        assert!(second.mono >= first.mono && first.mono.0 > 0 && first.wall.0 > 1_700_000_000);
    }
}
