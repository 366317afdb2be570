//! What is written to a child's stdin.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use super::{Children, STDIN, STDIN_LIMIT};
use crate::api::{Fault, FaultCode};
use crate::engine::ProcessId;
use crate::system::epoll::{Epoll, Interest};

impl Children {
    /// Writes to a stdin; what the pipe does not take waits, up to a limit.
    pub(in crate::runtime) fn send_stdin(
        &mut self,
        poll: &Epoll,
        id: ProcessId,
        data: &[u8],
    ) -> Result<(), Fault> {
        let Some(child) = self.children.get_mut(&id) else { return Err(Fault::bare(FaultCode::NotRunning)) };
        let closed = Fault::new(FaultCode::NoFile, child.name.to_string());
        if child.stdin.is_none() {
            return Err(closed);
        }
        // An event is written whole or not at all, and a listener gets the next one when it has answered the last.
        if !child.unsent.is_empty() && child.unsent.len() + data.len() > STDIN_LIMIT {
            let text = format!("stdin is full: {} bytes wait to be read", child.unsent.len());
            return Err(Fault::new(FaultCode::Failed, text));
        }
        self.changed.insert(id);
        let was_empty = child.unsent.is_empty();
        child.unsent.extend_from_slice(data);
        if was_empty
            && let Some(stdin) = &child.stdin
            && poll.add(stdin, id.0 | STDIN, Interest::WRITE).is_err()
        {
            child.unsent.clear();
            return Err(Fault::new(FaultCode::Failed, "stdin cannot be watched"));
        }
        self.flush_stdin(poll, id);
        // Nobody reads it any more.
        if self.children.get(&id).is_some_and(|child| child.stdin.is_none()) { Err(closed) } else { Ok(()) }
    }

    pub(super) fn flush_stdin(&mut self, poll: &Epoll, id: ProcessId) {
        let Some(child) = self.children.get_mut(&id) else { return };
        let Some(stdin) = child.stdin.take() else { return };
        self.changed.insert(id);
        let mut file = std::fs::File::from(stdin);
        let wrote = file.write(&child.unsent);
        let stdin = OwnedFd::from(file);
        match wrote {
            Ok(count) => {
                child.unsent.drain(..count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => {
                // Nobody will ever read it.
                let _ = poll.remove(&stdin);
                child.unsent.clear();
                return;
            }
        }
        if child.unsent.is_empty() {
            let _ = poll.remove(&stdin);
        }
        child.stdin = Some(stdin);
    }
}
