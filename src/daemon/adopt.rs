//! Programs that Python Supervisor runs become ours, with their pids and their pipes (`supervisord --takeover`).
//!
//! Nothing is changed until everything is in hand: the other supervisor is held still for a moment, what leads to its programs
//! is taken, and only then it is ended. Whatever fails before lets it go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::AcceptConn;
use serde::{Deserialize, Serialize};

use crate::api::{Level, ProcessName};
use crate::config::load::{self, Loaded};
use crate::config::spec::{DaemonSpec, GroupSpec, ServerAddress, ServerSpec, SocketAddress, SocketSpec};
use crate::ctl::client::Client;
use crate::logs::main_log::MainLog;
use crate::runtime::adopt::{self, Adoptee, Bundle, Ends, alive};
use crate::system::PidFd;
use crate::system::cgroup::Tree;
use crate::system::clock;
use crate::system::errno::io_errno_words;
use crate::system::foreign::{Descriptor, Frozen, descriptors};
use crate::system::mask;

use super::Invocation;
use super::takeover::Left;
use service::Service;
use told::{Theirs, Told};

pub(super) mod service;
mod told;

/// How often a moment is looked for in which nothing is on its way.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(30);

/// What was found, and can be told to another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Findings {
    /// The supervisor that has run them.
    pub(super) pid: i32,
    pub(super) version: String,
    pub(super) adoptees: Vec<Adoptee>,
    /// The sockets of our servers, by their sections.
    pub(super) sockets: BTreeMap<String, i32>,
}

impl Findings {
    /// For people.
    pub(super) fn summary(&self) -> String {
        let programs = match alive(&self.adoptees) {
            1 => "1 program".to_owned(),
            count => format!("{count} programs"),
        };
        format!("{programs} taken over from supervisord {} (pid {})", self.version, self.pid)
    }
}

/// Everything in hand.
pub(super) struct Adoption {
    pub(super) findings: Findings,
    pub(super) bundle: Bundle,
    /// Whoever gives it to us, until we say that we have it.
    pub(super) giver: Giver,
}

pub(super) enum Giver {
    /// The other supervisor, held still.
    Held(Frozen),
    /// Who has ended it, and has let systemd start us.
    Helper(UnixStream),
    /// It has died.
    Nobody,
}

impl Giver {
    fn seal(self) -> Result<(), String> {
        let frozen = match self {
            Self::Nobody => return Ok(()),
            Self::Held(frozen) => frozen,
            Self::Helper(stream) => {
                return service::acknowledge(stream).map_err(|error| {
                    format!("whoever takes over for us is gone: {}", io_errno_words(&error))
                });
            }
        };
        let pid = frozen.pid;
        frozen.end().map_err(|error| format!("can't end supervisord (pid {pid}): {}", io_errno_words(&error)))
    }
}

impl Adoption {
    /// From here on the programs are ours. What could fail is done before.
    pub(super) fn seal(
        self,
        groups: &[GroupSpec],
        spec: &DaemonSpec,
        tree: Option<&Tree>,
        log: &MainLog,
    ) -> Result<Left, String> {
        let Self { findings, bundle, giver } = self;
        let summary = findings.summary();
        let left = adopt::life(clock::now(), groups, (spec, tree), findings.adoptees, bundle);
        let (life, inheritance) = left.map_err(|error| format!("can't go on with its programs: {error}"))?;
        giver.seal()?;
        if !spec.nodaemon {
            // Whoever waits at the terminal.
            super::say(&mut io::stdout(), &summary);
        }
        log.line(Level::Info, summary);
        Ok(Left { life, clients: Vec::new(), inheritance, kept: None })
    }

    /// Whose instances are taken over.
    pub(super) fn names(&self) -> Vec<ProcessName> {
        let live = self.findings.adoptees.iter().filter(|adoptee| adoptee.pid().is_some());
        live.map(|adoptee| adoptee.adopted.name.clone()).collect()
    }

    /// The socket of a server, if the other supervisor had it.
    pub(super) fn socket(&self, server: &ServerSpec) -> Option<io::Result<OwnedFd>> {
        self.findings.sockets.get(&server.section).and_then(|fd| self.bundle.get(*fd)).map(OwnedFd::try_clone)
    }
}

/// What comes of the wish to take over.
pub(super) enum Begun {
    /// Everything is in hand, and we go on with it.
    Here(Box<Adoption>),
    /// Systemd has started another of us, which goes on with it; what was taken over.
    Elsewhere(String),
}

/// Takes over, or says why not.
pub(super) fn begin(invocation: &Invocation, loaded: &Loaded) -> Result<Begun, String> {
    // Nobody is to end us while the other one is held.
    mask::block();
    let unchanged = |why: String| format!("not taken over, everything goes on as it was: {why}");
    let (mut client, pid) = look(invocation, &loaded.groups).map_err(unchanged)?;
    let mut take = || take(&mut client, &loaded.groups, &loaded.daemon.servers);
    match Service::of(pid).map_err(unchanged)? {
        None => take().map(|adoption| Begun::Here(Box::new(adoption))).map_err(unchanged),
        Some(service) => match service::hand_over(&service, take) {
            Ok(summary) => Ok(Begun::Elsewhere(summary)),
            Err(Obstacle::Over(why)) => Err(format!("not taken over: {why}")),
            Err(Obstacle::Passing(why) | Obstacle::Lasting(why)) => Err(unchanged(why)),
        },
    }
}

/// Looks for what could be taken over, and changes nothing: what runs, or why not.
fn look(invocation: &Invocation, groups: &[GroupSpec]) -> Result<(Client, i32), String> {
    let (ctl, _) = load::load_ctl(&invocation.machine, &invocation.file).map_err(|error| error.problems())?;
    let mut client = Client::new(ctl.serverurl, ctl.username.as_deref(), ctl.password.as_deref());
    let told = Told::ask(&mut client)?;
    fits(&told, groups)?;
    Ok((client, told.pid))
}

fn fits(told: &Told, groups: &[GroupSpec]) -> Result<(), String> {
    let pid = told.pid;
    if pid <= 1 {
        return Err("it is PID 1: with it everything else would end".to_owned());
    }
    if told.alive().next().is_none() {
        return Err(format!("supervisord (pid {pid}) runs no program"));
    }
    let differences = told.differences(groups);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

/// Why not this time.
enum Obstacle {
    /// Something is on its way: it may be over in a moment.
    Passing(String),
    Lasting(String),
    /// It came too late: there is no way back.
    Over(String),
}

/// Takes everything in hand.
fn take(client: &mut Client, groups: &[GroupSpec], servers: &[ServerSpec]) -> Result<Adoption, String> {
    let mut tries = 1;
    loop {
        match try_to_take(client, groups, servers) {
            Ok(adoption) => return Ok(adoption),
            Err(Obstacle::Passing(_)) if tries < TRIES => tries += 1,
            Err(Obstacle::Passing(why) | Obstacle::Lasting(why) | Obstacle::Over(why)) => return Err(why),
        }
        std::thread::sleep(PAUSE);
    }
}

fn try_to_take(
    client: &mut Client,
    groups: &[GroupSpec],
    servers: &[ServerSpec],
) -> Result<Adoption, Obstacle> {
    let told = Told::ask(client).map_err(Obstacle::Lasting)?;
    fits(&told, groups).map_err(Obstacle::Lasting)?;
    let pid = told.pid;
    let failed = |step: &str| {
        let step = step.to_owned();
        move |error: io::Error| {
            let hint = match error.raw_os_error() {
                Some(libc::EACCES | libc::EPERM) => {
                    " (only root, or its own user, may; in a container with CAP_SYS_PTRACE)"
                }
                _ => "",
            };
            Obstacle::Lasting(format!("can't {step}: {}{hint}", io_errno_words(&error)))
        }
    };
    descriptors(pid).map_err(failed(&format!("look into supervisord (pid {pid})")))?;
    let frozen = Frozen::hold(pid).map_err(failed(&format!("hold supervisord (pid {pid}) still")))?;
    let now = clock::now();
    let mut hand = Hand {
        frozen: &frozen,
        open: frozen.descriptors().map_err(failed("look into it"))?,
        taken: BTreeSet::new(),
        bundle: Bundle::default(),
    };
    let mut children = frozen.children().map_err(failed("see its children"))?;
    let mut adoptees = Vec::new();
    for theirs in told.processes() {
        let name = &theirs.name;
        let Some(adopted) = theirs.adopted(now) else {
            return Err(Obstacle::Passing(format!("{name}: it is {}", theirs.state.name())));
        };
        let ends = if theirs.pid > 0 {
            if children.remove(&theirs.pid).is_none_or(|stat| stat.zombie) {
                return Err(Obstacle::Passing(format!("{name}: it is ending")));
            }
            let ends = hand.ends(&theirs).map_err(failed(&format!("take over {name}")))?;
            if let Some(wanted) = shared_socket(groups, name) {
                let socket = ends.socket.and_then(|socket| hand.bundle.get(socket));
                if !socket.is_some_and(|socket| Place::of_programs(wanted).is_of(socket)) {
                    let text = format!("{name}: its stdin is not the socket {}", wanted.address);
                    return Err(Obstacle::Lasting(text));
                }
            }
            Some(ends)
        } else {
            None
        };
        adoptees.push(Adoptee { adopted, ends });
    }
    if let Some(child) = children.keys().next() {
        return Err(Obstacle::Passing(format!("it has a child (pid {child}) of which it does not tell")));
    }
    let programs: Vec<i32> = told.alive().map(|theirs| theirs.pid).collect();
    if let Some((pipe, writer)) = hand.unknown_pipe(&programs) {
        let text = format!(
            "its descriptor {pipe} is written to by pid {writer}, which is no stdout or stderr of a program"
        );
        return Err(Obstacle::Lasting(text));
    }
    let sockets = hand.sockets(servers).map_err(failed("take its sockets"))?;
    let bundle = hand.bundle;
    let findings = Findings { pid, version: told.version.clone(), adoptees, sockets };
    Ok(Adoption { findings, bundle, giver: Giver::Held(frozen) })
}

fn shared_socket<'a>(groups: &'a [GroupSpec], name: &ProcessName) -> Option<&'a SocketSpec> {
    let group = groups.iter().find(|group| *group.name == *name.group)?;
    group.processes.iter().find(|spec| spec.name == name.process)?.socket.as_deref()
}

/// What is taken from the one that is held.
struct Hand<'a> {
    frozen: &'a Frozen,
    open: BTreeMap<i32, Descriptor>,
    taken: BTreeSet<i32>,
    bundle: Bundle,
}

impl Hand<'_> {
    /// A child of one that is held keeps its number, dead or alive.
    fn ends(&mut self, theirs: &Theirs<'_>) -> io::Result<Ends> {
        let pidfd = self.bundle.put(PidFd::open(theirs.pid)?.into_fd());
        let open = descriptors(theirs.pid)?;
        let mut end = |number: i32| {
            let theirs = open.get(&number).filter(|descriptor| descriptor.what.starts_with("pipe:"))?;
            let other = |(number, ours): &(&i32, &Descriptor)| {
                **number > 2 && ours.what == theirs.what && ours.writes != theirs.writes
            };
            let ours = *self.open.iter().find(other)?.0;
            // Stderr may be the same as stdout.
            self.taken.insert(ours).then_some(ours)
        };
        let (stdin, stdout, stderr) = (end(0), end(1), end(2));
        let shared = open.get(&0).filter(|descriptor| descriptor.what.starts_with("socket:"));
        let shared = shared.and_then(|theirs| self.open.iter().find(|(_, ours)| ours.what == theirs.what));
        let shared = shared.map(|(number, _)| self.frozen.share(*number)).transpose()?;
        Ok(Ends {
            socket: shared.map(|socket| self.bundle.put(socket)),
            pidfd,
            stdin: self.take(stdin, true)?,
            stdout: self.take(stdout, false)?,
            stderr: self.take(stderr, false)?,
        })
    }

    fn take(&mut self, number: Option<i32>, writes: bool) -> io::Result<Option<i32>> {
        let Some(number) = number else { return Ok(None) };
        match self.frozen.open_pipe(number, writes) {
            Ok(pipe) => Ok(Some(self.bundle.put(pipe))),
            // Nobody reads what would be written there.
            Err(error) if writes && error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A pipe that it reads, and that leads from a program by another way than stdout and stderr: that would be lost.
    fn unknown_pipe(&self, programs: &[i32]) -> Option<(i32, i32)> {
        let is_unknown = |number: i32, descriptor: &Descriptor| {
            number > 2
                && !descriptor.writes
                && descriptor.what.starts_with("pipe:")
                && !self.taken.contains(&number)
        };
        self.open.iter().filter(|(number, descriptor)| is_unknown(**number, descriptor)).find_map(
            |(number, descriptor)| Some((*number, self.frozen.held_below(programs, &descriptor.what)?)),
        )
    }

    /// The sockets that it listens at, and that are ours to listen at.
    fn sockets(&mut self, servers: &[ServerSpec]) -> io::Result<BTreeMap<String, i32>> {
        let mut found = BTreeMap::new();
        for (number, descriptor) in &self.open {
            if !descriptor.what.starts_with("socket:") {
                continue;
            }
            let socket = self.frozen.share(*number)?;
            if !getsockopt(&socket, AcceptConn).unwrap_or(false) {
                continue;
            }
            if let Some(server) = servers.iter().find(|server| Place::of_server(server).is_of(&socket)) {
                found.insert(server.section.clone(), self.bundle.put(socket));
            }
        }
        Ok(found)
    }
}

/// Where a socket listens.
enum Place<'a> {
    Path(&'a Path),
    Port(u16),
}

impl<'a> Place<'a> {
    fn of_server(server: &'a ServerSpec) -> Self {
        match &server.address {
            ServerAddress::Unix { path, .. } => Self::Path(path),
            ServerAddress::Inet { port, .. } => Self::Port(*port),
        }
    }

    fn of_programs(socket: &'a SocketSpec) -> Self {
        match &socket.address {
            SocketAddress::Unix { path, .. } => Self::Path(path),
            SocketAddress::Tcp { port, .. } => Self::Port(*port),
        }
    }

    /// Supervisor binds its own unix socket under another name, which ends with the pid that it had then.
    fn is_of(&self, socket: &OwnedFd) -> bool {
        let Ok(socket) = socket.try_clone() else { return false };
        match self {
            Self::Path(path) => {
                let own = UnixListener::from(socket).local_addr();
                let own = own.ok().and_then(|own| Some(own.as_pathname()?.to_str()?.to_owned()));
                let bare = |own: &str| {
                    let (name, pid) = own.rsplit_once('.')?;
                    pid.bytes().all(|digit| digit.is_ascii_digit()).then(|| name.to_owned())
                };
                own.is_some_and(|own| {
                    is_same_file(Path::new(&own), path)
                        || bare(&own).is_some_and(|own| is_same_file(Path::new(&own), path))
                })
            }
            Self::Port(port) => TcpListener::from(socket).local_addr().is_ok_and(|own| own.port() == *port),
        }
    }
}

/// By whatever path: `/var/run` is `/run`.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| -> Option<PathBuf> {
        Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
    };
    one == other || (real(one).is_some() && real(one) == real(other))
}
