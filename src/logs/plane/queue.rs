//! Commands on their way to the thread: so many at most, and no more memory than those take that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use super::Command;

/// Commands that wait while the thread is held up by a disk.
const LIMIT: usize = 8192;

/// Commands that wait while the thread keeps up.
const FEW: usize = 64;

/// Where commands are given; dropped, the thread is to end.
pub(super) struct Commands {
    sender: Sender<Command>,
    waiting: Arc<AtomicUsize>,
}

/// Where they are taken.
pub(super) struct Queue {
    receiver: Receiver<Command>,
    waiting: Arc<AtomicUsize>,
}

/// Both ends.
pub(super) fn queue() -> (Commands, Queue) {
    let ((sender, receiver), waiting) = (channel(), Arc::new(AtomicUsize::new(0)));
    (Commands { sender, waiting: Arc::clone(&waiting) }, Queue { receiver, waiting })
}

impl Commands {
    /// Whether there was room for it, and somebody to take it.
    pub(super) fn give(&self, command: Command) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= LIMIT {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.sender.send(command).is_ok()
    }

    /// Whether few are waiting.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < FEW
    }
}

impl Queue {
    /// The next one.
    ///
    /// # Errors
    /// There is none, or there will never be one again.
    pub(super) fn take(&self) -> Result<Command, TryRecvError> {
        let command = self.receiver.try_recv()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many() {
        let (commands, queue) = queue();
        assert!((0..FEW).all(|_| commands.is_short() && commands.give(Command::Reopen)));
        assert!(!commands.is_short());
        assert!((FEW..LIMIT).all(|_| commands.give(Command::Reopen)));
        assert!(!commands.give(Command::Reopen));
        assert!(queue.take().is_ok());
        assert!(commands.give(Command::Reopen) && !commands.give(Command::Reopen));
        drop(commands);
        assert!((0..LIMIT).all(|_| queue.take().is_ok()));
        assert_eq!(queue.take().err(), Some(TryRecvError::Disconnected));
    }
}
