//! What happens, for surfaces that tell it on: a queue for each, with room for bursts, and nobody waits for a slow one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::api::{Event, RereadResult};

/// News that a listener may be behind before it misses some: more than five thousand processes cause when all are stopped.
const LIMIT: usize = 16 * 1024;

/// News from which on the output of programs is no longer told: it is large, and would push out what matters.
const OUTPUT_LIMIT: usize = 64;

/// Something that has happened.
#[derive(Debug, Clone)]
pub enum News {
    /// What event listeners are told as well.
    Event(Arc<Event>),
    /// Somebody has read the configuration again.
    Reread(Arc<RereadResult>),
}

#[derive(Debug)]
struct Line {
    queue: mpsc::Sender<News>,
    missed: Arc<AtomicBool>,
}

/// Tells everybody who listens.
#[derive(Debug, Clone, Default)]
pub struct Teller(Arc<Mutex<Vec<Line>>>);

/// One who listens.
#[derive(Debug)]
pub struct Listener {
    queue: mpsc::Receiver<News>,
    missed: Arc<AtomicBool>,
}

impl Teller {
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody listen from now on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        let (sender, queue) = mpsc::channel(LIMIT);
        let missed = Arc::new(AtomicBool::new(false));
        self.lines().push(Line { queue: sender, missed: Arc::clone(&missed) });
        Listener { queue, missed }
    }

    /// Tells it to everybody, and waits for nobody.
    pub fn tell(&self, news: &News) {
        let output = matches!(news, News::Event(event) if event.is_output());
        self.lines().retain(|line| {
            if output && LIMIT - line.queue.capacity() >= OUTPUT_LIMIT {
                return true;
            }
            match line.queue.try_send(news.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    line.missed.store(true, Ordering::Relaxed);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}

impl Listener {
    /// The next news; `None` when there will be none.
    pub async fn next(&mut self) -> Option<News> {
        self.queue.recv().await
    }

    /// The next news, if there are any yet.
    pub fn waiting(&mut self) -> Option<News> {
        self.queue.try_recv().ok()
    }

    /// Whether news other than output were missed since this was asked last.
    #[must_use]
    pub fn has_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::event::Source;
    use crate::api::{Channel, ProcessName};

    fn group(name: &str) -> News {
        News::Event(Arc::new(Event::GroupAdded(name.to_owned())))
    }

    fn output() -> News {
        let from = Source { name: ProcessName::new("g", "p"), pid: 7, channel: Channel::Stdout };
        News::Event(Arc::new(Event::ProcessLog { from, data: Vec::new() }))
    }

    #[test]
    fn a_slow_listener_misses_the_newest_and_knows_it() {
        let teller = Teller::default();
        let (mut slow, mut quick) = (teller.listen(), teller.listen());
        for _ in 0..LIMIT + 1 {
            teller.tell(&group("a"));
            assert!(quick.waiting().is_some());
        }
        assert!(slow.has_missed() && !slow.has_missed() && !quick.has_missed());
        assert_eq!(std::iter::from_fn(|| slow.waiting()).count(), LIMIT);
        drop(slow);
        teller.tell(&group("b"));
        assert_eq!(teller.lines().len(), 1, "who is gone is forgotten");
    }

    #[test]
    fn output_is_dropped_first() {
        let teller = Teller::default();
        let mut listener = teller.listen();
        for _ in 0..1000 {
            teller.tell(&output());
        }
        teller.tell(&group("a"));
        assert_eq!(std::iter::from_fn(|| listener.waiting()).count(), OUTPUT_LIMIT + 1);
        assert!(!listener.has_missed());
    }
}
