//! What happens as time goes by: the loop is woken; the service manager is told that the loop turns, and that a shutdown goes on
//! (sd_notify(3)).

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::api::SupervisorState;
use crate::systemd::notify::ServiceManager;

/// How long a shutdown may go on without a word before the service manager loses patience; said again at a quarter of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rings when something is due, or before: what is put off, as most is, costs nothing.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    at: Option<Instant>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())), at: None }
    }

    /// Something is due then.
    pub(super) fn set(&mut self, due: Option<Instant>) {
        if let Some(due) = due
            && self.at.is_none_or(|at| due < at)
        {
            self.sleep.as_mut().reset(due);
            self.at = Some(due);
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.at.is_some()
    }

    pub(super) async fn rings(&mut self) {
        self.sleep.as_mut().await;
        self.at = None;
    }
}

/// When something is to be told.
pub(super) struct Pulse {
    /// Of the watchdog's pings; `None`: nobody waits for them.
    period: Option<Duration>,
    ping_at: Option<Instant>,
    /// `None` unless stopping.
    extend_at: Option<Instant>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        let period = ServiceManager::watchdog_period();
        Self { period, ping_at: period.map(|period| Instant::now() + period), extend_at: None }
    }

    /// Tells what is due. The loop has made a full turn: this is the only place that says so.
    pub(super) fn beat(&mut self, manager: &mut ServiceManager, mood: SupervisorState) {
        let now = Instant::now();
        if mood != SupervisorState::Running && self.extend_at.is_none() {
            manager.stopping();
            self.extend_at = Some(now);
        }
        if self.extend_at.is_some_and(|at| at <= now) {
            manager.extend_timeout(PATIENCE);
            self.extend_at = Some(now + PATIENCE / 4);
        }
        if let (Some(at), Some(period)) = (self.ping_at, self.period)
            && at <= now
        {
            manager.alive();
            self.ping_at = Some(now + period);
        }
    }

    /// When something is due next.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.ping_at.into_iter().chain(self.extend_at).min()
    }
}
