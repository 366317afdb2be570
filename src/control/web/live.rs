//! Live changes by server-sent events: one look at the processes a second, shared by all who watch, and only while somebody
//! does; a state that changes is looked at without waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{sleep, timeout};

use super::view::{Rates, Row};
use crate::api::{Asker, Now, ProcessDetails, Reply, Request, SupervisorState};
use crate::runtime::handle::Supervisor;

/// Pages that may watch at a time.
pub const WATCHER_LIMIT: usize = 64;
/// Between two looks at what processes use.
const PERIOD: Duration = Duration::from_secs(1);
/// Between two looks at all, however much goes on.
const PAUSE: Duration = Duration::from_millis(150);
/// Messages that a page may be behind before it is sent everything anew.
const BEHIND_LIMIT: usize = 32;

/// Everything that a page shows of all processes.
#[derive(Debug, Clone, Default)]
struct Picture {
    state: Option<SupervisorState>,
    rows: Vec<Row>,
    now: u64,
}

#[derive(Debug)]
struct Shared {
    watchers: usize,
    looking: bool,
    /// What was seen last, and the same as a message, made when the first asks for it.
    picture: Option<(Picture, Option<Bytes>)>,
    rates: Rates,
    changes: broadcast::Sender<Bytes>,
}

/// What is looked at for all pages.
#[derive(Debug)]
pub struct Live {
    supervisor: Supervisor,
    boot: String,
    shared: Mutex<Shared>,
}

impl Live {
    /// Looks at nothing yet. `boot` names this start to the pages.
    #[must_use]
    pub fn new(supervisor: Supervisor, boot: String) -> Arc<Self> {
        let shared = Shared {
            watchers: 0,
            looking: false,
            picture: None,
            rates: Rates::default(),
            changes: broadcast::channel(BEHIND_LIMIT).0,
        };
        Arc::new(Self { supervisor, boot, shared: Mutex::new(shared) })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What processes use, as far as somebody has watched.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.shared().rates.clone()
    }

    /// Lets a page watch; `None` when too many do.
    #[must_use]
    pub fn watch(self: &Arc<Self>, asker: &Asker) -> Option<Watcher> {
        let mut shared = self.shared();
        if shared.watchers >= WATCHER_LIMIT {
            return None;
        }
        shared.watchers += 1;
        if !shared.looking {
            shared.looking = true;
            tokio::spawn(look(Arc::clone(self), asker.clone()));
        }
        let changes = shared.changes.subscribe();
        Some(Watcher { live: Arc::clone(self), changes, begun: false })
    }

    /// Shows what was seen to all who watch.
    fn show(&self, picture: Picture) {
        let mut shared = self.shared();
        let message = match &shared.picture {
            Some((before, _)) => difference(before, &picture),
            None => Some(everything(&self.boot, &picture)),
        };
        shared.picture = Some((picture, None));
        if let Some(message) = message {
            // Nobody may be left to be told.
            let _ = shared.changes.send(message);
        }
    }
}

/// Looks again and again, until nobody watches.
async fn look(live: Arc<Live>, asker: Asker) {
    let mut changed = live.supervisor.changes();
    loop {
        // First, so that what changes while we look wakes us again.
        changed.mark_unchanged();
        let answer = live.supervisor.call(&asker, Request::AllDetails).await;
        // A loop that has ended shows nothing any more; the connections end with it.
        let Ok(Reply::AllDetails(all)) = answer else { break };
        live.show(picture(&live, &all));
        sleep(PAUSE).await;
        let _ = timeout(PERIOD - PAUSE, changed.changed()).await;
        let mut shared = live.shared();
        if shared.watchers == 0 {
            (shared.looking, shared.picture, shared.rates) = (false, None, Rates::default());
            return;
        }
    }
    live.shared().looking = false;
}

fn picture(live: &Live, all: &[ProcessDetails]) -> Picture {
    let now = live.supervisor.now();
    let mut shared = live.shared();
    shared.rates.update(all, now.mono);
    let rows = rows(all, now, &shared.rates);
    Picture { state: Some(live.supervisor.state()), rows, now: seconds(now) }
}

/// The rows of all processes.
#[must_use]
pub fn rows(all: &[ProcessDetails], now: Now, rates: &Rates) -> Vec<Row> {
    all.iter().map(|details| Row::new(details, now, rates)).collect()
}

/// The clock that pages count uptimes by.
#[must_use]
pub fn seconds(now: Now) -> u64 {
    now.mono.0 / 1_000_000_000
}

fn message(event: &str, data: &serde_json::Value) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

fn everything(boot: &str, picture: &Picture) -> Bytes {
    let state = picture.state.map(SupervisorState::name);
    message("all", &json!({ "boot": boot, "now": picture.now, "state": state, "rows": picture.rows }))
}

/// What has changed since; `None` when nothing has. Who is not there any more is in `gone`.
fn difference(before: &Picture, after: &Picture) -> Option<Bytes> {
    let known: HashMap<&str, &Row> = before.rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let rows: Vec<&Row> = after.rows.iter().filter(|row| known.get(row.id.as_str()) != Some(row)).collect();
    let still: HashMap<&str, ()> = after.rows.iter().map(|row| (row.id.as_str(), ())).collect();
    let gone: Vec<&&str> = known.keys().filter(|id| !still.contains_key(**id)).collect();
    if rows.is_empty() && gone.is_empty() && before.state == after.state {
        return None;
    }
    let state = after.state.map(SupervisorState::name);
    Some(message("change", &json!({ "now": after.now, "state": state, "rows": rows, "gone": gone })))
}

/// A page that watches.
#[derive(Debug)]
pub struct Watcher {
    live: Arc<Live>,
    changes: broadcast::Receiver<Bytes>,
    begun: bool,
}

impl Watcher {
    /// The next message: everything at first, then what changes. `None`: there will be none.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            if let Some(all) = self.everything() {
                return Some(all);
            }
        }
        loop {
            match self.changes.recv().await {
                Ok(message) => return Some(message),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    if let Some(all) = self.everything() {
                        return Some(all);
                    }
                }
            }
        }
    }

    /// Everything, and after it what changes from then on.
    fn everything(&mut self) -> Option<Bytes> {
        let mut shared = self.live.shared();
        let changes = shared.changes.subscribe();
        let (picture, encoded) = shared.picture.as_mut()?;
        let all = encoded.get_or_insert_with(|| everything(&self.live.boot, picture)).clone();
        self.changes = changes;
        Some(all)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.live.shared().watchers -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ProcessState::{self, Running, Stopped};
    use crate::control::web::view::tests::{NOW, details};

    fn picture(state: SupervisorState, all: &[ProcessDetails]) -> Picture {
        Picture { state: Some(state), rows: rows(all, NOW, &Rates::default()), now: 1 }
    }

    fn told(message: &Bytes) -> (String, serde_json::Value) {
        let text = std::str::from_utf8(message).unwrap();
        let (event, data) = text.trim_end().split_once('\n').unwrap();
        (event.to_owned(), serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let running = SupervisorState::Running;
        let all = [details("a", Running), details("b", Running), details("c", Running)];
        let before = picture(running, &all);
        assert_eq!(difference(&before, &before), None);
        let after = picture(running, &[details("a", Running), details("b", Stopped)]);
        let (event, data) = told(&difference(&before, &after).unwrap());
        assert_eq!(event, "event: change");
        assert_eq!((&data["rows"][0]["id"], &data["rows"][1]), (&json!("b"), &json!(null)));
        assert_eq!((&data["rows"][0]["state"], &data["gone"]), (&json!("stopped"), &json!(["c"])));
        let leaving = picture(SupervisorState::Shutdown, &all);
        assert_eq!(told(&difference(&before, &leaving).unwrap()).1["state"], json!("SHUTDOWN"));
        let (event, data) = told(&everything("x", &before));
        assert_eq!(
            (event.as_str(), &data["boot"], &data["rows"][2]["id"]),
            ("event: all", &json!("x"), &json!("c"))
        );
    }

    #[test]
    fn a_name_cannot_end_a_message() {
        let mut details = details("a", ProcessState::Fatal);
        details.diagnosis = "x\n\nevent: all\ndata: {}\n\n".into();
        let message = everything("x", &picture(SupervisorState::Running, &[details]));
        assert_eq!(message.iter().filter(|byte| **byte == b'\n').count(), 3);
    }
}
