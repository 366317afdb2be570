//! Programs that another supervisor has run until now: from what was found of them, what a binary of ours would have left.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{ChildRecord, ChildrenRecord, Life, PlaceRecord, PlacesRecord, SocketRecord};
use crate::api::Level;
use crate::api::Now;
use crate::api::event::{Channel, Source};
use crate::config::spec::{
    DaemonSpec, GroupSpec, LogSpec, ProcessSpec, SocketAddress, SocketSpec, ToJournal,
};
use crate::engine::{Adopted, Engine, Found, Input, Process};
use crate::logs::capture::Capture;
use crate::logs::plane::{ChannelId, ChannelRecord, ChannelSpec, FileRecord, PlaneRecord, Purpose};
use crate::logs::sink::FileSink;
use crate::system::cgroup::Tree;
use crate::system::foreign::family;
use crate::system::listen::file_at;
use crate::system::reexec::Inheritance;

/// How often those are looked for that a program has started, while it is moved.
const MOVES: u32 = 10;

/// A process, and where its ends are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoptee {
    /// How it was left.
    pub adopted: Adopted,
    /// While it lives.
    pub ends: Option<Ends>,
}

/// What leads to a process, by numbers in a [`Bundle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// The process itself.
    pub pidfd: RawFd,
    /// Its stdin.
    pub stdin: Option<RawFd>,
    /// Its stdout.
    pub stdout: Option<RawFd>,
    /// Its stderr.
    pub stderr: Option<RawFd>,
    /// The listening socket that is its stdin, and that it shares with others.
    pub socket: Option<RawFd>,
}

/// Descriptors, numbered as they came.
#[derive(Debug, Default)]
pub struct Bundle(Vec<OwnedFd>);

impl Adoptee {
    /// Its pid, while it lives.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        match self.adopted.now {
            Found::Alive { pid, .. } => Some(pid),
            Found::Stopped | Found::Exited | Found::Failed | Found::Fatal => None,
        }
    }
}

impl Bundle {
    /// Those that somebody has sent.
    #[must_use]
    pub fn of(descriptors: Vec<OwnedFd>) -> Self {
        Self(descriptors)
    }

    /// Takes one; its number.
    pub fn put(&mut self, fd: OwnedFd) -> RawFd {
        self.0.push(fd);
        RawFd::try_from(self.0.len() - 1).unwrap_or(RawFd::MAX)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, number: RawFd) -> Option<&OwnedFd> {
        self.0.get(usize::try_from(number).ok()?)
    }

    /// All of them, in their order.
    #[must_use]
    pub fn all(&self) -> &[OwnedFd] {
        &self.0
    }

    fn inherited(self) -> Inheritance {
        Inheritance::from_parts((0..).zip(self.0))
    }
}

/// What the loop begins with.
///
/// # Errors
/// When a log cannot be opened.
pub fn life(
    now: Now,
    groups: &[GroupSpec],
    (spec, tree): (&DaemonSpec, Option<&Tree>),
    adoptees: Vec<Adoptee>,
    mut bundle: Bundle,
) -> io::Result<(Life, Inheritance)> {
    let mut engine = Engine::new(groups.to_vec());
    let ends: BTreeMap<_, _> =
        adoptees.iter().filter_map(|one| Some((one.adopted.name.clone(), one.ends?))).collect();
    let all = adoptees.into_iter().map(|adoptee| adoptee.adopted).collect();
    engine.handle(now, Input::Adopted(all));
    let mut builder = Builder {
        spec,
        bundle: &mut bundle,
        plane: PlaneRecord::default(),
        files: BTreeSet::new(),
        sockets: Vec::new(),
    };
    let mut children = Vec::new();
    let mut places = PlacesRecord::default();
    for process in engine.processes() {
        if let (Some(ends), Some(pid)) = (ends.get(&process.name), process.pid()) {
            children.push(builder.child(process, pid, *ends)?);
            places.places.extend(tree.and_then(|tree| house(tree, process, pid)));
        }
    }
    let (plane, sockets) = (builder.plane, builder.sockets);
    let next_channel = plane.channels.len() as u64 + 1;
    let life = Life {
        engine,
        // What the engine has decided is done after the first fact.
        inbox: vec![Input::DeadlineReached],
        loads: BTreeMap::new(),
        takeover: None,
        last_ticket: 0,
        answers: BTreeMap::new(),
        children: ChildrenRecord { next_channel, children, sockets, places, reports: None },
        plane,
    };
    Ok((life, bundle.inherited()))
}

/// Moves a program, with whatever it has started, to a cgroup of its own; `None`: it stays where it is.
fn house(tree: &Tree, process: &Process, pid: i32) -> Option<PlaceRecord> {
    let leaf = tree.leaf(&process.name);
    leaf.make().ok()?;
    let mut moved = BTreeSet::new();
    for _ in 0..MOVES {
        // Whoever was born meanwhile is found in the next round.
        let missing: Vec<i32> = family(pid).into_iter().filter(|member| !moved.contains(member)).collect();
        if missing.is_empty() {
            break;
        }
        for member in missing {
            // Who is gone needs no place.
            let _ = leaf.admit(member);
            moved.insert(member);
        }
    }
    let (id, path, leftovers) = (process.id, leaf.path().to_owned(), process.spec.leftovers);
    Some(PlaceRecord { id, path, leftovers, watched: false })
}

struct Builder<'a> {
    spec: &'a DaemonSpec,
    bundle: &'a mut Bundle,
    plane: PlaneRecord,
    files: BTreeSet<Arc<Path>>,
    sockets: Vec<SocketRecord>,
}

impl Builder<'_> {
    fn child(&mut self, process: &Process, pid: i32, ends: Ends) -> io::Result<ChildRecord> {
        let spec = &process.spec;
        let streams = [
            (Channel::Stdout, ends.stdout, &process.stdout_logfile, &spec.stdout),
            (Channel::Stderr, ends.stderr, &process.stderr_logfile, &spec.stderr),
        ];
        let mut channels = Vec::new();
        for (channel, fd, target, log) in streams {
            if let Some(fd) = fd {
                let target = target.as_ref();
                channels.push(self.channel(process, (pid, channel), fd, target, log)?);
            }
        }
        if let (Some(fd), Some(socket)) = (ends.socket, &spec.socket) {
            self.socket(fd, socket);
        }
        Ok(ChildRecord {
            id: process.id,
            name: process.name.clone(),
            pid,
            pidfd: ends.pidfd,
            gate: None,
            // It became its program long ago.
            report: None,
            birth: None,
            stdin: ends.stdin,
            unsent: Vec::new(),
            channels,
            spec: Arc::clone(spec),
            program: program(spec),
            ended: None,
            item: None,
        })
    }

    /// A socket is opened once, whoever shares it.
    fn socket(&mut self, fd: RawFd, spec: &SocketSpec) {
        if self.sockets.iter().all(|known| known.spec != *spec) {
            let file = match &spec.address {
                SocketAddress::Unix { path, .. } => file_at(path),
                SocketAddress::Tcp { .. } => None,
            };
            self.sockets.push(SocketRecord { spec: spec.clone(), fd, file, item: None });
        }
    }

    fn channel(
        &mut self,
        process: &Process,
        (pid, channel): (i32, Channel),
        fd: RawFd,
        target: Option<&Arc<Path>>,
        log: &LogSpec,
    ) -> io::Result<ChannelId> {
        if let Some(path) = target {
            self.file(path, log)?;
        }
        let capture = usize::try_from(log.capture_maxbytes).unwrap_or(0);
        let listener = process.listener.is_some() && channel == Channel::Stdout;
        let purpose = if listener {
            Purpose::Listener(process.id.0)
        } else {
            Purpose::Program { capture, events: log.events_enabled }
        };
        let id = ChannelId(self.plane.channels.len() as u64 + 1);
        self.plane.channels.push(ChannelRecord {
            id,
            fd,
            spec: ChannelSpec {
                source: Source { name: process.name.clone(), pid, channel },
                purpose,
                target: target.cloned(),
                maxbytes: log.maxbytes,
                backups: log.backups,
                strip_ansi: self.spec.strip_ansi,
                syslog: log.syslog,
                journal: log.journal == ToJournal::Lines,
                window: log.is_window(),
                repeat: self.spec.loglevel <= Level::Debug,
            },
            stripper: self.spec.strip_ansi.then(Default::default),
            capture: (capture > 0 && !listener).then(|| Capture::new(capture)),
            last_words: Default::default(),
            lost: 0,
            journal: Default::default(),
        });
        Ok(id)
    }

    /// A log is opened once, whoever writes there.
    fn file(&mut self, path: &Arc<Path>, log: &LogSpec) -> io::Result<()> {
        if !self.files.insert(Arc::clone(path)) {
            return Ok(());
        }
        let opened = FileSink::open(Arc::clone(path), log.maxbytes, log.backups)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let fd = self.bundle.put(opened.as_fd().try_clone_to_owned()?);
        self.plane.files.push(FileRecord { path: Arc::clone(path), fd, sink: opened.record() });
        Ok(())
    }
}

fn program(spec: &ProcessSpec) -> String {
    spec.command.split_whitespace().next().unwrap_or_default().to_owned()
}

/// How many of them live.
#[must_use]
pub fn alive(adoptees: &[Adoptee]) -> usize {
    adoptees.iter().filter(|adoptee| adoptee.pid().is_some()).count()
}
