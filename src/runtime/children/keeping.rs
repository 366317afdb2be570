//! The children as they outlive us: their descriptors in the bag, the rest in the record; and gone on with after a crash.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Not;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Child, Children, DRAIN_LIMIT, Ended, Order};
use crate::api::event::Channel;
use crate::api::{Level, Notice, WaitStatus};
use crate::engine::{Engine, Evidence, Input, Pieces, Process, ProcessId};
use crate::logs::plane::PlaneRecord;
use crate::runtime::kept::{self, CHILD, Label, Role, SOCKETS, Treasure};
use crate::runtime::record::{ChildRecord, ChildrenRecord, SocketRecord};
use crate::runtime::sockets::Sockets;
use crate::system::bag::Bag;
use crate::system::clock;
use crate::system::epoll::Epoll;
use crate::system::errno::io_errno_words;
use crate::system::reexec::Inheritance;
use crate::system::spawn::{self, Report, Spawned};

/// Items of the bag that are looked at when something else is done.
const IN_PASSING: usize = 2;
/// The same when there is time.
const AT_LEISURE: usize = 64;
/// So many descriptors are not closed here.
const CROWD: usize = 32;

/// Of a child what cannot be found out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChildPiece<'a> {
    pid: i32,
    item: Option<u64>,
    program: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birth: Option<u64>,
    #[serde(default, skip_serializing_if = "is_none")]
    unsent: Cow<'a, [u8]>,
    #[serde(default, skip_serializing_if = "Not::not")]
    deaf: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Cow<'a, Ended>>,
}

fn is_none(bytes: &[u8]) -> bool {
    bytes.is_empty()
}

impl ChildPiece<'_> {
    /// For when the child is gone.
    fn into_owned(self) -> ChildPiece<'static> {
        ChildPiece {
            program: self.program.into_owned().into(),
            unsent: self.unsent.into_owned().into(),
            ended: self.ended.map(|ended| Cow::Owned(ended.into_owned())),
            ..self
        }
    }
}

impl Children {
    /// From here on children outlive us.
    pub(in crate::runtime) fn keep_in(&mut self, bag: Bag) {
        self.bag = Some(bag);
    }

    /// Another binary is to have it too.
    pub(in crate::runtime) fn bag(&self) -> Option<&Bag> {
        self.bag.as_ref()
    }

    /// Puts what belongs to a child into the bag.
    pub(super) fn put_by(&mut self, order: &Order<'_>, spawned: &Spawned) -> Option<u64> {
        let name = order.name;
        let bag = self.bag.as_mut()?;
        let streams =
            [(Role::Stdin, &spawned.stdin), (Role::Stdout, &spawned.stdout), (Role::Stderr, &spawned.stderr)];
        let streams = streams.into_iter().filter_map(|(role, fd)| Some((role, fd.as_ref()?.as_fd())));
        let own = [(Role::Pidfd, spawned.pidfd.as_fd())];
        let (roles, fds): (Vec<Role>, Vec<BorrowedFd<'_>>) = own.into_iter().chain(streams).unzip();
        let now = clock::now();
        let logs = [order.stdout.clone(), order.stderr.clone()];
        let since = (now.mono, now.wall);
        let label = Label::Child { name: name.to_string(), pid: spawned.pid, since, logs, roles };
        match kept::put(bag, &label, &fds) {
            Ok(item) => Some(item),
            Err(error) => {
                let why = io_errno_words(&error);
                self.places.warn(format!("'{name}' would not outlive a crash of supervisord: {why}"));
                None
            }
        }
    }

    /// Puts those into the bag that whoever was before us had in none.
    pub(in crate::runtime) fn put_inherited(
        &mut self,
        children: &mut ChildrenRecord,
        plane: &PlaneRecord,
        engine: &Engine,
        inheritance: &Inheritance,
    ) {
        let Some(bag) = &mut self.bag else { return };
        Sockets::put_inherited(&mut children.sockets, bag, inheritance);
        for child in children.children.iter_mut().filter(|child| child.item.is_none()) {
            let streams = plane.channels.iter().filter(|channel| child.channels.contains(&channel.id));
            let streams = streams.map(|channel| match channel.spec.source.channel {
                Channel::Stdout => (Role::Stdout, channel.fd),
                Channel::Stderr => (Role::Stderr, channel.fd),
            });
            let own =
                [(Role::Pidfd, Some(child.pidfd)), (Role::Report, child.report), (Role::Stdin, child.stdin)];
            let own = own.into_iter().filter_map(|(role, fd)| Some((role, fd?)));
            let held = own.chain(streams).filter_map(|(role, fd)| Some((role, inheritance.get(fd)?)));
            let (roles, fds): (Vec<Role>, Vec<BorrowedFd<'_>>) = held.unzip();
            let process = engine.process(child.id);
            let since = process.and_then(|process| process.started).unwrap_or_default();
            let logs =
                process.map(|process| [process.stdout_logfile.clone(), process.stderr_logfile.clone()]);
            let (name, logs) = (child.name.to_string(), logs.unwrap_or_default());
            let label = Label::Child { name, pid: child.pid, since, logs, roles };
            child.item = kept::put(bag, &label, &fds).ok();
        }
    }

    pub(in crate::runtime) fn take_out(&mut self, item: Option<u64>) {
        if let (Some(bag), Some(item)) = (&mut self.bag, item) {
            bag.discard(item);
        }
    }

    /// A child is gone, and its end is not told yet: whoever comes after a crash is to know of it.
    pub(super) fn leave(&mut self, id: ProcessId, child: &Child) {
        if self.bag.is_some() {
            self.leaving.insert(id, child.piece().into_owned());
        }
    }

    /// An end was told: it needs to be remembered no more.
    pub(in crate::runtime) fn is_told(&mut self, id: ProcessId) {
        let piece = self.leaving.remove(&id);
        self.take_out(piece.and_then(|piece| piece.item));
        self.changed.insert(id);
    }

    /// Closes what nobody needs any more.
    pub(in crate::runtime) fn tidy(&mut self) {
        spawn::tidy();
        self.close_spent();
    }

    /// Lets a little of what nobody wants any more go from the bag.
    pub(in crate::runtime) fn tidy_bag(&mut self, at_leisure: bool) {
        if let Some(bag) = &mut self.bag {
            bag.tidy(if at_leisure { AT_LEISURE } else { IN_PASSING });
        }
    }

    /// To close a pipe or a pidfd takes the kernel as long as anything else in the life of a program: of many, another thread
    /// does that.
    fn close_spent(&mut self) {
        let spent = std::mem::take(&mut self.spent);
        if let Some(plane) = self.plane.as_ref().filter(|_| spent.len() >= CROWD) {
            plane.close(spent);
        }
    }

    /// Lets all of it go: another binary does not know of it.
    pub(in crate::runtime) fn tidy_wholly(&mut self) {
        if let Some(bag) = &mut self.bag {
            bag.tidy(usize::MAX);
        }
    }

    /// Everybody has ended: nothing of them is kept any more.
    pub(in crate::runtime) fn empty_bag(&mut self) {
        if let Some(bag) = self.bag.take() {
            bag.empty();
        }
    }

    /// There is something to close.
    pub(in crate::runtime) fn is_untidy(&self) -> bool {
        spawn::tidy()
    }

    /// Something in the bag is wanted no more.
    pub(in crate::runtime) fn is_bag_untidy(&self) -> bool {
        self.bag.as_ref().is_some_and(Bag::is_untidy)
    }

    /// Writes down what has changed since this was last asked.
    pub(in crate::runtime) fn write_changes(&mut self, into: &mut impl Pieces) {
        while let Some(id) = self.changed.pop_first() {
            self.write_piece(id, into);
        }
        if self.sockets.take_changed() {
            into.set(SOCKETS, &self.sockets.record());
        }
    }

    /// Nobody writes down what has changed so far.
    pub(in crate::runtime) fn forget_changes(&mut self) {
        self.changed.clear();
    }

    /// Writes down all pieces that there are.
    pub(in crate::runtime) fn write_everything(&mut self, into: &mut impl Pieces) {
        self.changed.clear();
        self.children.keys().chain(self.leaving.keys()).for_each(|id| self.write_piece(*id, into));
        self.sockets.take_changed();
        into.set(SOCKETS, &self.sockets.record());
    }

    fn write_piece(&self, id: ProcessId, into: &mut impl Pieces) {
        let name = format_args!("{CHILD}{}", id.0);
        match self.children.get(&id) {
            Some(child) => into.set(name, &child.piece()),
            None => into.put(name, self.leaving.get(&id)),
        }
    }

    /// A child has ended at its gate.
    pub(super) fn unborn(&mut self, id: ProcessId) -> Option<Input> {
        let child = self.children.remove(&id)?;
        self.leave(id, &child);
        if let Some(plane) = &self.plane {
            // Nobody waits for that.
            plane.drain(child.channels, u64::MAX);
        }
        Some(Input::Unborn { id })
    }

    /// Goes on with what a daemon that has died had: what is missing of it, and what has happened meanwhile. Nothing is done
    /// to anybody yet.
    pub(in crate::runtime) fn recover(
        &mut self,
        poll: &Epoll,
        engine: &Engine,
        pieces: &BTreeMap<String, Vec<u8>>,
        mut treasure: Treasure,
        blamed: Option<ProcessId>,
        busy: &dyn Fn(ProcessId),
    ) -> (Vec<Notice>, Vec<Input>) {
        self.recover_sockets(pieces, &mut treasure);
        self.recover_reports(&mut treasure);
        let (mut missing, mut inputs) = (Vec::new(), Vec::new());
        for process in engine.processes() {
            busy(process.id);
            self.places.recover(process.id, &process.name, &process.spec);
            if process.emptying.is_some() && !self.places.leftovers(poll, process.id) {
                inputs.push(Input::Emptied { id: process.id });
            }
            if process.pid().is_none() {
                continue;
            }
            if blamed == Some(process.id) {
                let leftovers = self.places.leftovers(poll, process.id);
                inputs.push(Input::Parked { id: process.id, leftovers });
                continue;
            }
            if let Err(problem) = self.recover_child(poll, process, pieces, &mut treasure) {
                let text =
                    format!("'{}' was lost with the supervisord before this one: {problem}", process.name);
                missing.push(Notice::other(Level::Critical, text));
                let leftovers = self.places.leftovers(poll, process.id);
                let evidence = Evidence { leftovers, ..Evidence::default() };
                inputs.push(Input::Exited { id: process.id, status: WaitStatus::Lost, evidence });
            }
        }
        for number in treasure.rest() {
            self.take_out(Some(number));
        }
        missing.extend(self.places.take_notices());
        (missing, inputs)
    }

    fn recover_sockets(&mut self, pieces: &BTreeMap<String, Vec<u8>>, treasure: &mut Treasure) {
        let record = pieces.get(SOCKETS).and_then(|text| serde_json::from_slice(text).ok());
        let mut record: Vec<SocketRecord> = record.unwrap_or_default();
        let mut numbered: Vec<(RawFd, OwnedFd)> = Vec::new();
        for (number, socket) in (0..).zip(&mut record) {
            socket.fd = number;
            numbered.extend(socket.item.and_then(|item| treasure.take_socket(item)).map(|fd| (number, fd)));
        }
        self.sockets.resume(record, &mut Inheritance::from_parts(numbered));
    }

    fn recover_reports(&mut self, treasure: &mut Treasure) {
        if let Some((item, ends)) = treasure.take_reports() {
            self.go_on_with_reports(Ok(ends), Some(item));
        }
        self.put_reports();
    }

    /// What children of those before us tell before exec comes to us.
    pub(super) fn go_on_with_reports(&mut self, ends: io::Result<Vec<OwnedFd>>, item: Option<u64>) {
        let ends = ends.and_then(|ends| ends.try_into().map_err(|_| io::ErrorKind::InvalidData.into()));
        match ends.and_then(|ends| spawn::go_on_with_reports(&ends)) {
            Ok(()) => self.reports = item,
            Err(error) => {
                self.take_out(item);
                let why = io_errno_words(&error);
                self.places
                    .warn(format!("what programs could not be executed for is not told any more: {why}"));
            }
        }
    }

    /// What children tell before exec is in the bag, if there is one, before any of them.
    pub(in crate::runtime) fn put_reports(&mut self) {
        let (Some(bag), None) = (&mut self.bag, self.reports) else { return };
        let put = |ends: [BorrowedFd<'_>; 2]| kept::put(bag, &Label::Reports, &ends);
        match spawn::with_report_ends(put) {
            Ok(item) => self.reports = Some(item),
            Err(error) => {
                let why = io_errno_words(&error);
                self.places.warn(format!("what fails at a crash of supervisord would not be told: {why}"));
            }
        }
    }

    fn recover_child(
        &mut self,
        poll: &Epoll,
        process: &Process,
        pieces: &BTreeMap<String, Vec<u8>>,
        treasure: &mut Treasure,
    ) -> Result<(), String> {
        let piece =
            pieces.get(&format!("{CHILD}{}", process.id.0)).ok_or("nothing was written down of it")?;
        let piece: ChildPiece<'_> = serde_json::from_slice(piece).map_err(|error| error.to_string())?;
        if Some(piece.pid) != process.pid() {
            return Err(format!("pid {} was written down", piece.pid));
        }
        let item = piece.item.ok_or("its descriptors were not kept")?;
        let mut fds = treasure.take_child(item);
        let outputs = [fds.remove(&Role::Stdout), fds.remove(&Role::Stderr)];
        let ended = piece.ended.is_some();
        let mut child = Child::recover(poll, process, piece, fds).map_err(|error| io_errno_words(&error))?;
        child.channels = self.reconnect(process, outputs)?;
        if let (Some(plane), true) = (&self.plane, ended) {
            plane.drain(child.channels.clone(), process.id.0);
        }
        self.take_in(process.id, child);
        Ok(())
    }

    /// Leads its output on to where it went. A log that cannot be opened any more must not end the program.
    fn reconnect(
        &mut self,
        process: &Process,
        outputs: [Option<OwnedFd>; 2],
    ) -> Result<Vec<super::ChannelId>, String> {
        let order = |stdout, stderr| Order {
            id: process.id,
            name: &process.name,
            spec: &process.spec,
            stdout,
            stderr,
            listener: process.listener.is_some(),
        };
        let logs = self.open_logs(&order(process.stdout_logfile.clone(), process.stderr_logfile.clone()));
        let logs = logs.or_else(|trouble| {
            self.places.warn(format!("the output of '{}' is lost: {}", process.name, trouble.problem));
            self.open_logs(&order(None, None)).map_err(|trouble| trouble.problem)
        })?;
        let pid = process.pid().unwrap_or(0);
        let outputs = outputs.into_iter().flatten().zip(logs);
        self.connect(pid, outputs).map_err(|error| io_errno_words(&error))
    }
}

impl Child {
    pub(super) fn piece(&self) -> ChildPiece<'_> {
        ChildPiece {
            pid: self.pid,
            item: self.item,
            program: Cow::Borrowed(&self.program),
            birth: self.report.as_ref().and_then(Report::birth),
            unsent: Cow::Borrowed(&self.unsent),
            deaf: self.stdin.is_none(),
            ended: self.ended.as_deref().map(Cow::Borrowed),
        }
    }

    fn recover(
        poll: &Epoll,
        process: &Process,
        piece: ChildPiece<'_>,
        mut fds: HashMap<Role, OwnedFd>,
    ) -> io::Result<Self> {
        let ChildPiece { pid, item, program, birth, unsent, deaf, ended } = piece;
        let reports = fds.contains_key(&Role::Report);
        let numbers = [Role::Pidfd, Role::Report, Role::Stdin];
        let parts = (0..).zip(numbers).filter_map(|(number, role)| Some((number, fds.remove(&role)?)));
        let mut inheritance = Inheritance::from_parts(parts.collect::<Vec<(RawFd, OwnedFd)>>());
        let told_by = clock::now().mono + DRAIN_LIMIT;
        let record = ChildRecord {
            id: process.id,
            name: process.name.clone(),
            pid,
            pidfd: 0,
            gate: None,
            report: reports.then_some(1),
            birth,
            stdin: Some(2).filter(|_| !deaf),
            unsent: unsent.into_owned(),
            channels: Vec::new(),
            spec: Arc::clone(&process.spec),
            program: program.into_owned(),
            ended: ended.map(|ended| Ended {
                told_by,
                drained: false,
                explained: true,
                ..ended.into_owned()
            }),
            item,
        };
        Self::resume(poll, record, &mut inheritance)
    }
}
