//! The signals that mean something to us, heard from the first life to the last: one that comes while a restart is between
//! two loops waits for the next one.

use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::api::Signal;
use crate::system::mask::HEARD;

/// What was heard.
#[derive(Debug)]
pub struct Signals {
    listening: Vec<Signal>,
    sender: mpsc::UnboundedSender<Signal>,
    received: mpsc::UnboundedReceiver<Signal>,
}

impl Signals {
    /// Listens from now on, in a runtime that must outlive it.
    ///
    /// # Errors
    /// When the kernel refuses a handler.
    pub fn listen(runtime: &Runtime) -> io::Result<Self> {
        let (sender, received) = mpsc::unbounded_channel();
        let mut signals = Self { listening: Vec::new(), sender, received };
        let _in_runtime = runtime.enter();
        HEARD.into_iter().try_for_each(|wanted| signals.also(wanted))?;
        Ok(signals)
    }

    /// Listens to one more.
    pub(super) fn also(&mut self, wanted: Signal) -> io::Result<()> {
        if self.listening.contains(&wanted) {
            return Ok(());
        }
        let mut stream = signal(SignalKind::from_raw(wanted.number()))?;
        let sender = self.sender.clone();
        tokio::spawn(async move { while stream.recv().await.is_some() && sender.send(wanted).is_ok() {} });
        self.listening.push(wanted);
        Ok(())
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Option<Signal> {
        self.received.recv().await
    }
}
