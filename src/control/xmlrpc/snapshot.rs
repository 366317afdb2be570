//! `getAllProcessInfo` as a document: written once for all who ask before something changes, and not once for each.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::plan::{blocking, value_of};
use crate::api::{Fault, Now, Reply, WallSecs};
use crate::wire::xmlrpc::encode_response;

/// So many are written in the loop: it takes less than a millisecond.
const FEW: usize = 500;
/// After so long it is of no use any more: it says what time it is.
const USEFUL: Duration = Duration::from_secs(1);

/// What a document is true of: a version of what is known of the processes, and a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    version: u64,
    at: WallSecs,
}

/// The last document. Whoever finds it locked waits for the one that is being written.
#[derive(Debug, Default)]
pub struct Snapshot {
    written: Mutex<Option<(Stamp, Bytes)>>,
}

impl Snapshot {
    /// The document of that stamp: the last one, or one of what is found out now.
    ///
    /// # Errors
    /// Those of finding out.
    pub(super) async fn document(
        self: &Arc<Self>,
        version: u64,
        now: Now,
        find_out: impl Future<Output = Result<Reply, Fault>>,
    ) -> Result<Bytes, Fault> {
        let stamp = Stamp { version, at: now.wall };
        let mut written = self.written.lock().await;
        if let Some((_, document)) = written.as_ref().filter(|(of, _)| *of == stamp) {
            return Ok(document.clone());
        }
        let document = Bytes::from(write(find_out.await?, now).await?);
        if written.replace((stamp, document.clone())).is_none() {
            tokio::spawn(Arc::clone(self).forget());
        }
        Ok(document)
    }

    /// Lets go of it when nobody has asked for another one for a while.
    async fn forget(self: Arc<Self>) {
        let mut last = None;
        loop {
            sleep(USEFUL).await;
            let mut written = self.written.lock().await;
            let stamp = written.as_ref().map(|(stamp, _)| *stamp);
            if stamp == last {
                *written = None;
                return;
            }
            last = stamp;
        }
    }
}

async fn write(reply: Reply, now: Now) -> Result<String, Fault> {
    let many = matches!(&reply, Reply::Infos(infos) if infos.len() > FEW);
    let write = move || encode_response(&value_of(reply, now));
    if many { blocking(write).await } else { Ok(write()) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use crate::api::FaultCode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_found_out_once_for_a_change_and_forgotten_when_nobody_asks() {
        let (snapshot, asked) = (Arc::new(Snapshot::default()), Cell::new(0));
        let at = |second| Now { wall: WallSecs(second), ..Now::default() };
        let ask = |version, second| {
            snapshot.document(version, at(second), async {
                asked.set(asked.get() + 1);
                Ok(Reply::Infos(Vec::new()))
            })
        };
        let (one, other) = tokio::join!(ask(1, 7), ask(1, 7));
        assert_eq!((one.unwrap(), asked.get()), (other.unwrap(), 1));
        for (version, second, times) in [(2, 7, 2), (2, 7, 2), (2, 8, 3)] {
            ask(version, second).await.unwrap();
            assert_eq!(asked.get(), times);
        }
        let refused = snapshot.document(3, at(8), async { Err(Fault::bare(FaultCode::ShutdownState)) });
        assert!(refused.await.is_err());
        while snapshot.written.lock().await.is_some() {
            sleep(USEFUL).await;
        }
        ask(2, 8).await.unwrap();
        assert_eq!(asked.get(), 4);
    }
}
