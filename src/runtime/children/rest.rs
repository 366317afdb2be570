//! The children at rest: written down for another binary, and gone on with.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Child, Children, STDIN};
use crate::api::{Level, Notice, WaitStatus};
use crate::engine::{Evidence, Input, ProcessId};
use crate::logs::plane::{Paused, Plane};
use crate::runtime::record::{ChildRecord, ChildrenRecord, ReportsRecord};
use crate::system::epoll::{Epoll, Interest};
use crate::system::pidfd::PidFd;
use crate::system::reexec::Inheritance;
use crate::system::spawn::{self, Gate, Report};

impl Children {
    /// What another binary has to know of them, but for their streams.
    pub(in crate::runtime) fn record(&self) -> ChildrenRecord {
        let raw = |fd: &OwnedFd| fd.as_raw_fd();
        let one = |(id, child): (&ProcessId, &Child)| ChildRecord {
            id: *id,
            name: child.name.clone(),
            pid: child.pid,
            pidfd: child.pidfd.as_raw_fd(),
            gate: child.gate.as_ref().map(|gate| gate.as_fd().as_raw_fd()),
            report: child.report.as_ref().and_then(Report::own).map(|fd| fd.as_raw_fd()),
            birth: child.report.as_ref().and_then(Report::birth),
            stdin: child.stdin.as_ref().map(raw),
            unsent: child.unsent.clone(),
            channels: child.channels.clone(),
            spec: Arc::clone(&child.spec),
            program: child.program.clone(),
            ended: child.ended.as_deref().cloned(),
            item: child.item,
        };
        let reports = spawn::with_report_ends(|ends| Ok(ends.map(|end| end.as_raw_fd())));
        ChildrenRecord {
            next_channel: self.next_channel,
            children: self.children.iter().map(|(id, child)| one((id, child))).collect(),
            sockets: self.sockets.record(),
            places: self.places.record(),
            reports: reports.ok().map(|ends| ReportsRecord { ends, item: self.reports }),
        }
    }

    /// Goes on with those of the binary before us. What of them is missing is told, and what has happened.
    pub(in crate::runtime) fn resume(
        &mut self,
        poll: &Epoll,
        record: ChildrenRecord,
        inheritance: &mut Inheritance,
    ) -> (Vec<Notice>, Vec<Input>) {
        let mut missing = Vec::new();
        self.next_channel = self.next_channel.max(record.next_channel);
        if let Some(ReportsRecord { ends, item }) = record.reports {
            let given = ends.map(|fd| inheritance.give(fd));
            self.go_on_with_reports(given.into_iter().collect(), item);
        }
        self.sockets.resume(record.sockets, inheritance);
        let mut inputs = self.places.resume(poll, record.places);
        for child in record.children {
            let (id, name) = (child.id, child.name.clone());
            match Child::resume(poll, child, inheritance) {
                Ok(child) => self.take_in(id, child),
                Err(error) => {
                    let text = format!("'{name}' was lost when this supervisord took over: {error}");
                    missing.push(Notice::other(Level::Critical, text));
                    let (status, evidence) = (WaitStatus::Lost, Evidence::default());
                    inputs.push(Input::Exited { id, status, evidence });
                }
            }
        }
        (missing, inputs)
    }

    /// One of those that somebody before us has started.
    pub(super) fn take_in(&mut self, id: ProcessId, child: Child) {
        if let Some(ended) = &child.ended {
            self.ended.insert((ended.told_by, id));
        }
        self.children.insert(id, Box::new(child));
        self.look_whether_known(id);
    }

    pub(in crate::runtime) fn rest(&self) -> io::Result<oneshot::Receiver<Paused>> {
        self.plane.as_ref().map_or_else(|| Err(io::ErrorKind::NotConnected.into()), Plane::pause)
    }
}

impl Child {
    pub(super) fn resume(
        poll: &Epoll,
        record: ChildRecord,
        inheritance: &mut Inheritance,
    ) -> io::Result<Self> {
        let ChildRecord { id, name, pid, channels, unsent, spec, program, ended, item, .. } = record;
        // A child that is not reaped keeps its number.
        let pidfd =
            inheritance.give(record.pidfd).map_or_else(|_| PidFd::open(pid), |fd| Ok(PidFd::new(fd)))?;
        let gate = record.gate.and_then(|fd| inheritance.give(fd).ok()).map(Gate::from);
        let report = record.report.map(|fd| inheritance.give(fd)).transpose()?.map(Report::from);
        let report = report.or(record.birth.map(Report::Birth));
        let stdin = record.stdin.and_then(|fd| inheritance.give(fd).ok());
        if ended.is_none() {
            poll.add(&pidfd, id.0, Interest::READ_ONCE)?;
        }
        if let Some(stdin) = stdin.as_ref().filter(|_| !unsent.is_empty()) {
            poll.add(stdin, id.0 | STDIN, Interest::WRITE)?;
        }
        let ended = ended.map(Box::new);
        Ok(Self { name, pid, pidfd, gate, report, stdin, unsent, channels, spec, program, ended, item })
    }
}
