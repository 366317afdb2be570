//! sd_notify(3): readiness, status, watchdog and the time that a shutdown needs.

use std::time::Duration;

use sd_notify::NotifyState;

/// What is said to the service manager. Says each status once.
#[derive(Debug, Default)]
pub struct ServiceManager {
    status: String,
}

impl ServiceManager {
    /// How often it wants to hear that we are well: half of `WATCHDOG_USEC`, so that one ping may be late.
    #[must_use]
    pub fn watchdog_period() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|period| !period.is_zero())
    }

    /// We were started as a notifying service.
    #[must_use]
    pub fn is_ours() -> bool {
        std::env::var_os("NOTIFY_SOCKET").is_some()
    }

    /// READY=1: the control sockets answer and the autostart programs were launched.
    pub fn ready(&self) {
        say(&[NotifyState::Ready]);
    }

    /// STATUS=: one line; a line that was said last is not said again.
    pub fn status(&mut self, status: &str) {
        if self.status != status {
            // A program's name must not smuggle in a second assignment.
            status.replace(['\n', '\r'], " ").clone_into(&mut self.status);
            say(&[NotifyState::Status(&self.status)]);
        }
    }

    /// WATCHDOG=1: the loop has made a full turn.
    pub fn alive(&self) {
        say(&[NotifyState::Watchdog]);
    }

    /// RELOADING=1 and MONOTONIC_USEC=: the configuration is being read, or another binary takes over, until the answer is
    /// dropped.
    #[must_use]
    pub fn reloading() -> Reloading {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            say(&[NotifyState::Reloading, now]);
        }
        Reloading
    }

    /// In ExecStopPost=: whether the service was told to end, and is not about to be started again.
    #[must_use]
    pub fn ended_for_good() -> bool {
        std::env::var("SERVICE_RESULT").is_ok_and(|result| matches!(result.as_str(), "success" | "timeout"))
    }

    /// STOPPING=1: shutdown has begun.
    pub fn stopping(&self) {
        say(&[NotifyState::Stopping]);
    }

    /// EXTEND_TIMEOUT_USEC=: shutdown needs this much longer, counted from now; a later call counts anew.
    pub fn extend_timeout(&self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        say(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }
}

/// As long as something is being changed; READY=1 afterwards.
#[derive(Debug)]
pub struct Reloading;

impl Drop for Reloading {
    fn drop(&mut self) {
        say(&[NotifyState::Ready]);
    }
}

/// A manager that does not listen must not hold up the programs.
fn say(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
