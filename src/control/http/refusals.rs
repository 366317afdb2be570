//! Wrong passwords, told in the main log: a few lines a minute, and how many more there were.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::api::{Asker, Hush, Mono, Surface};

/// Who was refused.
#[derive(Clone)]
pub struct Refusals {
    warn: Arc<dyn Fn(String) + Send + Sync>,
    /// The time of the lines counts from here.
    began: Instant,
    /// Who guesses must not fill a disk, nor hide what else is told.
    hush: Arc<Mutex<Hush>>,
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").field("hush", &self.hush).finish_non_exhaustive()
    }
}

impl Refusals {
    /// Tells them to this, which may wait for a disk.
    pub fn new(warn: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { warn: Arc::new(warn), began: Instant::now(), hush: Arc::default() }
    }

    /// Another one.
    pub(super) fn tell(&self, surface: Surface) {
        let Some(passed_over) = self.turn() else { return };
        let from = Asker { surface, user: None };
        let more = match passed_over {
            0 => String::new(),
            count => format!(" ({count} more since the last of these lines)"),
        };
        let warn = Arc::clone(&self.warn);
        let line = format!("wrong user name or password from {from}{more}");
        // The log is written whether or not somebody waits for it.
        drop(tokio::task::spawn_blocking(move || warn(line)));
    }

    /// How many were passed over since the last line, when it is time for one.
    fn turn(&self) -> Option<u64> {
        let now = Mono(0) + self.began.elapsed();
        self.hush.lock().unwrap_or_else(PoisonError::into_inner).may_speak(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_refusals_is_a_few_lines() {
        let (sender, lines) = mpsc::channel();
        let refusals = Refusals::new(move |line| sender.send(line).unwrap());
        let surface = Surface::Inet { address: "192.0.2.7:4711".parse().unwrap() };
        for _ in 0..1000 {
            refusals.tell(surface);
        }
        tokio::time::advance(crate::api::hush::PERIOD).await;
        refusals.tell(surface);
        drop(refusals);
        let mut lines: Vec<String> = lines.iter().collect();
        lines.sort();
        let line = "wrong user name or password from 192.0.2.7:4711 over TCP";
        let mut expected = vec![line.to_owned(); 10];
        expected.push(format!("{line} (990 more since the last of these lines)"));
        assert_eq!(lines, expected);
    }
}
