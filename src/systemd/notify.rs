//! sd_notify(3): readiness, status, watchdog and the time that a shutdown needs.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// So long after a status the next one waits: nobody reads faster, and each is work for the manager as well.
const LULL: Duration = Duration::from_millis(100);

/// What is said to the service manager. Says each status once.
#[derive(Debug)]
pub struct ServiceManager {
    listens: bool,
    status: String,
    /// When the last status was said.
    said: Option<Instant>,
    /// A status waits.
    is_behind: bool,
}

impl Default for ServiceManager {
    fn default() -> Self {
        Self { listens: Self::is_ours(), status: String::new(), said: None, is_behind: false }
    }
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

    /// STATUS=: one line. One that comes soon after another waits: it is to be told again by [`Self::wake`].
    pub fn status(&mut self, line: &dyn Fn() -> String) {
        self.is_behind = self.said.is_some_and(|said| said.elapsed() < LULL);
        if !self.is_behind {
            self.status_now(line);
        }
    }

    /// STATUS=, whenever the last one was. A line that was said last is not said again.
    pub fn status_now(&mut self, line: &dyn Fn() -> String) {
        self.is_behind = false;
        if !self.listens {
            return;
        }
        // A program's name must not smuggle in a second assignment.
        let line = line().replace(['\n', '\r'], " ");
        if self.status != line {
            say(&[NotifyState::Status(&line)]);
            self.status = line;
            self.said = Some(Instant::now());
        }
    }

    /// When the status that waits may be said.
    #[must_use]
    pub fn wake(&self) -> Option<Instant> {
        self.said.filter(|_| self.is_behind).map(|said| said + LULL)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_soon_after_another_waits_unless_somebody_asks() {
        let mut manager = ServiceManager { listens: true, ..ServiceManager::default() };
        let say = |line: &'static str| move || line.to_owned();
        manager.status(&say("1 running"));
        assert_eq!((manager.status.as_str(), manager.wake()), ("1 running", None));
        manager.status(&say("2\nrunning"));
        assert_eq!(manager.status, "1 running");
        let due = manager.wake().unwrap();
        assert!(due > Instant::now());
        manager.said = manager.said.map(|said| said - LULL);
        manager.status(&say("2\nrunning"));
        assert_eq!((manager.status.as_str(), manager.wake()), ("2 running", None));
        manager.status(&say("3 running"));
        manager.status_now(&say("3 running"));
        assert_eq!((manager.status.as_str(), manager.wake()), ("3 running", None));
    }

    #[test]
    fn nothing_is_made_for_a_manager_that_is_not_there() {
        let mut manager = ServiceManager { listens: false, ..ServiceManager::default() };
        manager.status(&|| panic!("nobody reads that"));
        assert_eq!(manager.wake(), None);
    }
}
