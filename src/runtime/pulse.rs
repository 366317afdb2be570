//! What the service manager is told as time goes by: that the loop turns, and that a shutdown goes on (sd_notify(3)).

use std::time::Duration;

use tokio::time::Instant;

use crate::api::SupervisorState;
use crate::systemd::notify::ServiceManager;

/// How long a shutdown may go on without a word before the service manager loses patience; said again at a quarter of it.
const PATIENCE: Duration = Duration::from_secs(10);

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
