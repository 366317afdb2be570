//! The children themselves: their descriptors, from the fork until the last of their output was taken.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::api::event::{Channel, Source};
use crate::api::{Level, Mono, Notice, ProcessName, Signal, WaitStatus};
use crate::config::check::Trouble;
use crate::config::spec::{LogSpec, ProcessSpec, ToJournal};
use crate::engine::{Evidence, Input, ProcessId};
use crate::logs::plane::{ChannelId, ChannelSpec, Plane, Prepared, Purpose};
use crate::system::bag::Bag;
use crate::system::clock;
use crate::system::epoll::{Epoll, Interest};
use crate::system::errno::io_errno_words;
use crate::system::pidfd::{PidFd, kill_group, reap_strangers};
use crate::system::spawn::{Gate, Report, Spawned, Step, abandon, dispatcher_problem, spawn};

use super::driver::Fact;
use super::explain::{self, Explainer};
use super::places::{PLACE, Places};
pub use super::plan::Surroundings;
use super::plan::{self, Plan};
use super::sockets::Sockets;
use super::streams;
use keeping::ChildPiece;

mod keeping;
mod rest;
mod stdin;

/// Bytes that may wait for a child to read its stdin.
const STDIN_LIMIT: usize = 1 << 20;

/// How long the end of a process waits for its last output to be written. A disk that hangs must not delay a restart.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// Children that are looked at before others have their turn.
const AT_ONCE: usize = 32;

/// Marks the epoll token of a stdin; the rest of a token is the process's key.
const STDIN: u64 = 1 << 63;

struct Child {
    name: ProcessName,
    pid: i32,
    pidfd: PidFd,
    gate: Option<Gate>,
    /// `None`: another supervisor has started it.
    report: Option<Report>,
    stdin: Option<OwnedFd>,
    unsent: Vec<u8>,
    channels: Vec<ChannelId>,
    /// For the sentences about a failure.
    spec: Arc<ProcessSpec>,
    /// The same.
    program: String,
    /// Boxed: most have not.
    ended: Option<Box<Ended>>,
    /// Its item in the bag.
    item: Option<u64>,
}

/// What to start.
pub(super) struct Order<'a> {
    pub(super) id: ProcessId,
    pub(super) name: &'a ProcessName,
    pub(super) spec: &'a Arc<ProcessSpec>,
    /// File of its stdout.
    pub(super) stdout: Option<Arc<Path>>,
    /// File of its stderr.
    pub(super) stderr: Option<Arc<Path>>,
    /// Its stdout is the event listener protocol.
    pub(super) listener: bool,
}

fn purpose(log: &LogSpec, listener: Option<ProcessId>) -> Purpose {
    let capture = usize::try_from(log.capture_maxbytes).unwrap_or(0);
    listener.map_or(Purpose::Program { capture, events: log.events_enabled }, |id| Purpose::Listener(id.0))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    status: WaitStatus,
    evidence: Evidence,
    told_by: Mono,
    drained: bool,
    explained: bool,
}

/// All children that are not wholly gone.
pub(super) struct Children {
    plane: Option<Plane>,
    pub(super) surroundings: Surroundings,
    pub(super) sockets: Sockets,
    explainer: Explainer,
    pub(super) places: Places,
    /// Boxed: half of the places in a tree are empty.
    children: BTreeMap<ProcessId, Box<Child>>,
    /// Those of them that have ended, by when that must be told.
    ended: BTreeSet<(Mono, ProcessId)>,
    /// Those of whose end all is known.
    known: BTreeSet<ProcessId>,
    next_channel: u64,
    /// Where they outlive us, if anywhere.
    bag: Option<Bag>,
    /// The item of what they tell before exec.
    reports: Option<u64>,
    /// Of those whose end is being told.
    leaving: BTreeMap<ProcessId, ChildPiece<'static>>,
    /// Of whom something is to be written down.
    changed: BTreeSet<ProcessId>,
    /// What belonged to those who are gone.
    spent: Vec<OwnedFd>,
}

impl Children {
    pub(super) fn new(plane: Plane, surroundings: Surroundings, teller: mpsc::UnboundedSender<Fact>) -> Self {
        Self {
            plane: Some(plane),
            sockets: Sockets::default(),
            explainer: Explainer::new(teller),
            places: Places::new(surroundings.cgroups.clone()),
            surroundings,
            children: BTreeMap::new(),
            ended: BTreeSet::new(),
            known: BTreeSet::new(),
            next_channel: 1,
            bag: None,
            reports: None,
            leaving: BTreeMap::new(),
            changed: BTreeSet::new(),
            spent: Vec::new(),
        }
    }

    pub(super) fn plane(&self) -> Option<&Plane> {
        self.plane.as_ref()
    }

    /// Takes the last output, and ends the data plane; `false`: a disk hangs, and output is lost.
    pub(super) fn stop_plane(&mut self) -> bool {
        self.plane.take().is_none_or(Plane::stop)
    }

    /// Forks a process, which waits at its gate.
    pub(super) fn spawn(&mut self, poll: &Epoll, order: &Order<'_>) -> Input {
        let id = order.id;
        match self.try_spawn(poll, order) {
            Ok(pid) => Input::Spawned { id, pid },
            Err(Trouble { problem, help }) => Input::SpawnFailed { id, reason: problem, help },
        }
    }

    fn try_spawn(&mut self, poll: &Epoll, order: &Order<'_>) -> Result<i32, Trouble> {
        let Order { id, name, spec, .. } = *order;
        let Plan { mut plan, program } = plan::prepare(&self.surroundings, name, spec)?;
        // Before the fork, so that nobody has to be taken back when that fails.
        let logs = self.open_logs(order)?;
        let socket = spec.socket.as_ref().map(|socket| self.sockets.share(socket, self.bag.as_mut()));
        plan.stdin = socket.transpose().map_err(explain::only)?;
        plan.stdout = streams::own(name, "stdout", &spec.stdout)?;
        plan.stderr = streams::own(name, "stderr", &spec.stderr)?;
        let (leaf, door) = self.places.prepare(id, name, spec).unzip();
        plan.cgroup = door.flatten();
        let spawned = spawn(plan).map_err(|error| explain::only(error.text(&name.process)))?;
        if let Some(leaf) = leaf.filter(|_| !spawned.in_cgroup) {
            self.places.admit(&leaf, spawned.pid);
        }
        let item = self.put_by(order, &spawned);
        let Spawned { pid, pidfd, gate, report, stdin, stdout, stderr, .. } = spawned;
        let connected = poll
            .add(&pidfd, id.0, Interest::READ_ONCE)
            .and_then(|()| self.connect(pid, [stdout, stderr].into_iter().flatten().zip(logs)));
        let channels = match connected {
            Ok(channels) => channels,
            Err(error) => {
                self.take_out(item);
                abandon(pid, gate);
                return Err(explain::only(dispatcher_problem(&name.process, &error)));
            }
        };
        let child = Child {
            name: name.clone(),
            pid,
            pidfd,
            gate: Some(gate),
            report: Some(report),
            stdin,
            unsent: Vec::new(),
            channels,
            spec: Arc::clone(spec),
            program,
            ended: None,
            item,
        };
        self.children.insert(id, Box::new(child));
        self.changed.insert(id);
        Ok(pid)
    }

    /// Stdout, and stderr unless that goes the same way; what leads past us has no log of ours.
    fn open_logs(&self, order: &Order<'_>) -> Result<Vec<Prepared>, Trouble> {
        let Order { id, name, spec, ref stdout, ref stderr, listener } = *order;
        let Some(plane) = &self.plane else { return Ok(Vec::new()) };
        let mut outputs = vec![(Channel::Stdout, stdout, &spec.stdout)];
        if !spec.redirect_stderr {
            outputs.push((Channel::Stderr, stderr, &spec.stderr));
        }
        let open = |(channel, target, log): (Channel, &Option<Arc<Path>>, &LogSpec)| {
            let asked = ChannelSpec {
                source: Source { name: name.clone(), pid: 0, channel },
                purpose: purpose(log, (listener && channel == Channel::Stdout).then_some(id)),
                target: target.clone(),
                maxbytes: log.maxbytes,
                backups: log.backups,
                strip_ansi: self.surroundings.strip_ansi,
                syslog: log.syslog,
                journal: log.journal == ToJournal::Lines,
                window: log.is_window(),
                repeat: self.surroundings.repeat_output,
            };
            let path = asked.target.clone();
            plane.prepare(asked).map_err(|error| explain::log(name, spec, path, &error))
        };
        outputs.into_iter().filter(|(_, _, log)| log.journal != ToJournal::Stream).map(open).collect()
    }

    fn connect(
        &mut self,
        pid: i32,
        streams: impl Iterator<Item = (OwnedFd, Prepared)>,
    ) -> io::Result<Vec<ChannelId>> {
        let Some(plane) = &self.plane else { return Ok(Vec::new()) };
        let mut channels = Vec::with_capacity(2);
        for (stream, mut log) in streams {
            let channel = ChannelId(self.next_channel);
            self.next_channel += 1;
            log.spec.source.pid = pid;
            plane.open(channel, stream, log)?;
            channels.push(channel);
        }
        Ok(channels)
    }

    /// Opens a gate.
    pub(super) fn release(&mut self, id: ProcessId) {
        if let Some(gate) = self.children.get_mut(&id).and_then(|child| child.gate.take()) {
            gate.open();
        }
    }

    /// Sends a signal; a process that is just gone is no error.
    pub(super) fn signal(&self, id: ProcessId, pid: i32, signal: Signal, group: bool) -> Result<(), String> {
        let Some(child) = self.children.get(&id).filter(|child| child.pid == pid) else { return Ok(()) };
        let sent = if group { kill_group(pid, signal) } else { child.pidfd.signal(signal) };
        match sent {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(io_errno_words(&error)),
            _ => Ok(()),
        }
    }

    /// Takes in what the kernel has to tell of some children; what of it is to be told at once, and whether that was all.
    pub(super) fn collect(&mut self, poll: &mut Epoll) -> (Vec<Input>, bool) {
        let (mut told, mut left) = (Vec::new(), AT_ONCE);
        while left > 0 {
            // What is told once must be taken in.
            let Ok(ready) = poll.wait_for(left, Some(Duration::ZERO)) else { return (told, true) };
            let tokens: Vec<u64> = ready.iter().map(|(token, _)| *token).collect();
            if tokens.is_empty() {
                return (told, true);
            }
            left -= tokens.len();
            for token in tokens {
                let id = ProcessId(token & !(STDIN | PLACE));
                if token & STDIN != 0 {
                    self.flush_stdin(poll, id);
                } else if token & PLACE != 0 {
                    told.extend(self.places.look(poll, id));
                } else {
                    told.extend(self.reap(poll, id));
                }
            }
        }
        (told, false)
    }

    fn reap(&mut self, poll: &Epoll, id: ProcessId) -> Option<Input> {
        let child = self.children.get_mut(&id)?;
        let status = match child.pidfd.try_reap() {
            Ok(None) => {
                let _ = poll.modify(&child.pidfd, id.0, Interest::READ_ONCE);
                return None;
            }
            Ok(Some(status)) => status,
            // It is not our child: another supervisord has started it.
            Err(_) => match child.pidfd.status_of_stranger(child.pid) {
                Some(status) => status,
                None => {
                    let _ = poll.modify(&child.pidfd, id.0, Interest::END_ONCE);
                    return None;
                }
            },
        };
        let is_well = status == WaitStatus::Exited(0);
        let failure = child.report.as_ref().filter(|_| !is_well).and_then(Report::read);
        if failure.is_some_and(|failure| failure.step == Step::Gate) {
            return self.unborn(id);
        }
        let suspect = failure.is_some() || matches!(status, WaitStatus::Exited(code) if code != 0);
        let asked = suspect && self.explainer.ask(id, &child.spec, failure);
        let words = failure.map(|failure| explain::plainly(&child.spec, &child.program, failure));
        let starved = matches!(status, WaitStatus::Signalled { signal: Signal::KILL, .. })
            && self.places.ran_out_of_memory(id);
        let advice = starved.then(|| explain::starved(&child.spec));
        let told_by = clock::now().mono + DRAIN_LIMIT;
        let said = self.plane.as_ref().map_or(Some(None), |plane| plane.drained(&child.channels));
        let (drained, last_words) = (said.is_some(), said.flatten());
        let evidence = Evidence { failure: words, advice, last_words, ..Evidence::default() };
        child.ended = Some(Box::new(Ended { status, evidence, told_by, drained, explained: !asked }));
        if let Some(plane) = self.plane.as_ref().filter(|_| !drained) {
            plane.drain(child.channels.clone(), id.0);
        }
        self.ended.insert((told_by, id));
        self.changed.insert(id);
        self.look_whether_known(id);
        None
    }

    fn look_whether_known(&mut self, id: ProcessId) {
        if self.ended(id).is_some_and(|ended| ended.drained && ended.explained) {
            self.known.insert(id);
        }
    }

    /// The last output of a process was taken.
    pub(super) fn drained(&mut self, token: u64, words: Option<String>) {
        if let Some(ended) = self.ended(ProcessId(token)) {
            ended.drained = true;
            ended.evidence.last_words = words;
            self.look_whether_known(ProcessId(token));
        }
    }

    /// Why a process ended badly is known, as far as it can be.
    pub(super) fn explained(&mut self, id: ProcessId, trouble: Option<Trouble>) {
        let Some(ended) = self.ended(id) else { return };
        ended.explained = true;
        match trouble {
            Some(Trouble { problem, help }) if ended.evidence.failure.is_some() => {
                ended.evidence.failure = Some(problem);
                ended.evidence.advice = Some(help);
            }
            Some(Trouble { problem, help }) => ended.evidence.advice = Some(format!("{problem}; {help}")),
            None => {}
        }
        self.look_whether_known(id);
    }

    fn ended(&mut self, id: ProcessId) -> Option<&mut Ended> {
        self.children.get_mut(&id).and_then(|child| child.ended.as_deref_mut())
    }

    /// The ends that may be told now.
    pub(super) fn take_exits(&mut self, poll: &Epoll) -> Vec<Input> {
        if self.ended.is_empty() {
            return Vec::new();
        }
        let now = clock::now().mono;
        let mut told = std::mem::take(&mut self.known);
        told.extend(self.ended.iter().take_while(|(told_by, _)| *told_by <= now).map(|(_, id)| *id));
        told.into_iter().filter_map(|id| self.take_exit(poll, id)).collect()
    }

    fn take_exit(&mut self, poll: &Epoll, id: ProcessId) -> Option<Input> {
        let child = *self.children.remove(&id)?;
        self.leave(id, &child);
        if let Some(stdin) = child.stdin.as_ref().filter(|_| !child.unsent.is_empty()) {
            // It is waited for, and may stay open for longer than anybody would look at it.
            let _ = poll.remove(stdin);
        }
        self.spent.extend([Some(child.pidfd.into_fd()), child.stdin].into_iter().flatten());
        let Ended { status, mut evidence, told_by, .. } = *child.ended?;
        self.ended.remove(&(told_by, id));
        evidence.leftovers = self.places.leftovers(poll, id);
        Some(Input::Exited { id, status, evidence })
    }

    /// When an end must be told, drained or not.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.ended.first().map(|(told_by, _)| *told_by)
    }

    /// Reaps those that are ours by adoption only.
    pub(super) fn reap_strangers(&self, candidate: Option<i32>) -> Vec<Notice> {
        let known = |pid: i32| Some(pid) == candidate || self.children.values().any(|child| child.pid == pid);
        let line = |(pid, status)| Notice::other(Level::Info, format!("reaped unknown pid {pid} ({status})"));
        reap_strangers(&known).into_iter().map(line).collect()
    }
}
