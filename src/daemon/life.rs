//! One life: the loops, from when everything is open until every program has ended.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Footing, Invocation, takeover};
use crate::api::{Fault, FaultCode, Level, Notice, SupervisorState};
use crate::config::load;
use crate::config::spec::{BusChoice, DaemonSpec, GroupSpec, ServerAddress, ServerSpec, bare};
use crate::config::{check, error, waiting};
use crate::control;
use crate::control::http::Listener;
use crate::control::http::bind::SocketFile;
use crate::control::thread::{Means, Neighbour};
use crate::control::xmlrpc::Interface;
use crate::dbus::bus::{self, Bus};
use crate::engine::{Errand, Input, ProcessId};
use crate::logs::cell::Cell;
use crate::logs::main_log::MainLog;
use crate::logs::plane::{Plane, PlaneEvent};
use crate::runtime::children::Surroundings;
use crate::runtime::driver::{self, Fact, Loader, Parts};
use crate::runtime::handle::{About, Arrived, Findings, Supervisor};
use crate::runtime::kept::{Kept, Recovered};
use crate::runtime::record::Ground;
use crate::runtime::takeover::{Legacy, Succession};
use crate::system::cgroup::Tree;
use crate::system::rlimit;
use crate::system::{clock, files, mask};
use crate::systemd::notify::ServiceManager;
use crate::systemd::unit;

/// What a life is led in.
pub(super) struct House {
    pub(super) spec: DaemonSpec,
    pub(super) groups: Vec<GroupSpec>,
    /// What would go wrong.
    pub(super) found: Vec<error::Diagnostic>,
    pub(super) listeners: Vec<(Listener, ServerSpec)>,
    pub(super) files: Vec<SocketFile>,
    pub(super) log: MainLog,
    pub(super) wrote_pid: bool,
    /// What was there before us.
    pub(super) past: Past,
}

impl House {
    /// One that was settled in before us.
    pub(super) fn on(
        ground: Ground,
        listeners: Vec<(Listener, ServerSpec)>,
        log: MainLog,
        wrote_pid: bool,
        past: Past,
    ) -> Self {
        Self {
            groups: Vec::new(),
            found: ground.findings,
            files: ground.socket_files.into_iter().map(SocketFile::of).collect(),
            spec: ground.spec,
            listeners,
            log,
            wrote_pid,
            past,
        }
    }
}

/// What was there before a life.
pub(super) enum Past {
    /// Nothing.
    Nothing,
    /// A binary that has let us take over.
    Left(Box<takeover::Left>),
    /// A daemon that has died.
    Died(Box<Recovered>),
}

/// Leads a life to its end, and leaves nothing of it.
pub(super) fn keep(
    invocation: &Invocation,
    mut house: House,
    footing: &mut Footing,
) -> Result<SupervisorState, String> {
    let (pidfile, wrote_pid) = (house.spec.pidfile.clone(), house.wrote_pid);
    let files = std::mem::take(&mut house.files);
    let ended = loops(invocation, house, &files, footing);
    drop(files);
    if wrote_pid {
        files::remove_pidfile(&pidfile);
    }
    ended.map_err(|error| format!("the supervision loop could not run: {error}"))
}

/// `SUPERVISOR_SERVER_URL`: the first unix server, else the first inet server.
fn server_url(servers: &[ServerSpec]) -> Option<String> {
    let unix = servers.iter().find_map(|server| match &server.address {
        ServerAddress::Unix { path, .. } => Some(format!("unix://{}", path.display())),
        ServerAddress::Inet { .. } => None,
    });
    let inet = || {
        servers.iter().find_map(|server| match &server.address {
            ServerAddress::Inet { host, port } => Some(match host.as_str() {
                "" => format!("http://localhost:{port}"),
                host if host.contains(':') => format!("http://[{}]:{port}", bare(host)),
                host => format!("http://{host}:{port}"),
            }),
            ServerAddress::Unix { .. } => None,
        })
    };
    unix.or_else(inet)
}

/// What reads the configuration again: says in the main log what is odd about it that was not so before, and keeps all of
/// it for clients.
fn loader(
    invocation: &Invocation,
    log: &Arc<MainLog>,
    started: DaemonSpec,
    found: Vec<error::Diagnostic>,
) -> (Loader, watch::Receiver<Findings>) {
    let (machine, file, overrides) =
        (invocation.machine.clone(), invocation.file.clone(), invocation.overrides.clone());
    let log = Arc::clone(log);
    let said: BTreeSet<String> = found.iter().map(error::Diagnostic::line).collect();
    let said = Mutex::new(said);
    let (tell, findings) = watch::channel(Arc::new(found));
    let loader = move |_| {
        let _reloading = ServiceManager::reloading();
        let loaded = load::load(&machine, &file, &overrides).map_err(|error| error.to_string())?;
        let mut found = check::summary(&loaded, &machine);
        found.extend(waiting::for_a_restart(&started, &loaded));
        let lines: BTreeSet<String> = found.iter().map(error::Diagnostic::line).collect();
        let before = std::mem::replace(&mut *said.lock().unwrap_or_else(PoisonError::into_inner), lines);
        for line in found.iter().map(error::Diagnostic::line).filter(|line| !before.contains(line)) {
            log.line(Level::Warn, line);
        }
        tell.send_replace(Arc::new(found));
        Ok(loaded.groups)
    };
    (Arc::new(loader), findings)
}

/// The three threads: supervision here, control and the data plane beside it.
fn loops(
    invocation: &Invocation,
    house: House,
    files: &[SocketFile],
    footing: &mut Footing,
) -> io::Result<SupervisorState> {
    let House { spec, groups, found, listeners, log, wrote_pid, past, .. } = house;
    let cgroups = footing.cgroups.as_ref().ok().cloned();
    let (teller, facts) = mpsc::unbounded_channel();
    let (from_plane, log) = (teller.clone(), Arc::new(log));
    let (repeated, last_lines) = (Arc::clone(&log), Arc::clone(&log));
    let mut inherited = inherit(past, &log);
    let cell = inherited.cell(&log);
    let start = || Plane::start_with(Box::new(move |event| tell(event, &from_plane, &repeated)), cell);
    let plane = mask::aside(start)?;
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let about = About {
        identifier: spec.identifier.clone(),
        pid,
        logfile: spec.logfile.clone(),
        configuration: spec.file.clone(),
        journal: spec.journal,
    };
    let (loader, findings) = loader(invocation, &log, spec.clone(), found);
    let (supervisor, desk) = Supervisor::new(about, findings.clone(), plane.drops(), clock::now);
    let supervisor = supervisor.measuring_in(cgroups.clone());
    let bus = on_the_bus(&spec, &supervisor, &log);
    let interface = Interface::new(supervisor, spec.rpcinterface);
    let (open, opened) = oneshot::channel();
    let warned = Arc::clone(&log);
    let warn = Arc::new(move |text| warned.note(&Notice::Refused { text }));
    let (partings, parting) = mpsc::unbounded_channel();
    // Kept as long as the sockets: they are handed on by these.
    let ears = listeners.iter().map(|(listener, _)| listener.copy()).collect::<io::Result<Vec<OwnedFd>>>()?;
    inherited.keep_ears(&spec.servers, &ears, &log);
    let means = Means { interface, warn, files: rlimit::files_soft().unwrap_or(1024), neighbour: bus };
    let start = || control::thread::start(listeners, inherited.arrived, means, opened, parting);
    let control = mask::aside(start)?;
    // A control thread that is gone has said why.
    let serve = Box::new(move || {
        let _ = open.send(());
    });
    // As PID 1 of a container, orphans come to us.
    let reap_strangers = pid == 1;
    let surroundings = surroundings(invocation, &spec, cgroups);
    let ground = ground(invocation, spec, &ears, files, footing, wrote_pid);
    let ground = move || Ground { findings: findings.borrow().to_vec(), ..ground.clone() };
    let succession =
        Succession::new(footing.binary.clone(), footing.arguments.clone(), partings, Box::new(ground));
    let parts = Parts {
        desk,
        plane,
        facts,
        teller,
        log,
        loader,
        serve,
        surroundings,
        reap_strangers,
        succession,
        legacy: inherited.legacy,
        recovered: inherited.recovered,
        kept: inherited.kept,
    };
    let Some((runtime, signals)) = &mut footing.supervision else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let ended = runtime.block_on(driver::run(groups, parts, signals));
    // Nobody is left who could need it.
    Kept::end();
    // Its listeners must be closed before a restart binds them again.
    let _ = control.join();
    drop(ears);
    // Not left to the last who lets go of it: a thread may be stuck in a disk.
    last_lines.end();
    ended
}

/// What the loops begin with.
#[derive(Default)]
struct Inherited {
    legacy: Option<Legacy>,
    arrived: Vec<Arrived>,
    recovered: Option<Box<Recovered>>,
    kept: Option<Kept>,
    /// It is kept from now on only.
    is_fresh: bool,
}

impl Inherited {
    /// What of the programs' output is on its way, where that is kept.
    fn cell(&mut self, log: &MainLog) -> Option<Cell> {
        let recovered = self.recovered.as_mut().map(|recovered| &mut recovered.kept);
        let handed_over = self.kept.as_mut().or(recovered)?.hand_over_cell();
        let (cell, problem) = handed_over
            .inspect_err(|error| {
                log.line(Level::Warn, format!("a crash would cost output of programs: {error}"));
            })
            .ok()?;
        problem.into_iter().for_each(|problem| log.line(Level::Critical, problem));
        Some(cell)
    }

    /// The control sockets are to be there after a crash.
    fn keep_ears(&mut self, servers: &[ServerSpec], ears: &[OwnedFd], log: &MainLog) {
        let Some(kept) = self.kept.as_mut().filter(|_| self.is_fresh) else { return };
        if let Err(error) = kept.put_ears(servers.iter().map(|server| server.section.clone()).collect(), ears)
        {
            log.line(
                Level::Warn,
                format!("the control sockets do not outlive a crash of supervisord: {error}"),
            );
        }
    }
}

fn inherit(past: Past, log: &Arc<MainLog>) -> Inherited {
    match past {
        Past::Nothing => Inherited { kept: begin_to_keep(log), is_fresh: true, ..Inherited::default() },
        Past::Left(left) => {
            let (legacy, arrived, kept) = left.divide();
            let is_fresh = kept.is_none();
            let kept = kept.or_else(|| begin_to_keep(log));
            Inherited { legacy: Some(legacy), arrived, kept, is_fresh, recovered: None }
        }
        Past::Died(recovered) => Inherited { recovered: Some(recovered), ..Inherited::default() },
    }
}

/// Where there is a service manager, it keeps what programs need to outlive us.
fn begin_to_keep(log: &Arc<MainLog>) -> Option<Kept> {
    if !ServiceManager::is_ours() {
        return None;
    }
    look_for_guarantees(log);
    Kept::begin()
        .inspect_err(|error| {
            let text = format!("programs do not outlive a crash of supervisord: {error}");
            log.line(Level::Warn, text);
        })
        .ok()
}

/// Says which guarantee is off, beside everything else: it takes the service manager a while to tell.
fn look_for_guarantees(log: &Arc<MainLog>) {
    let log = Arc::clone(log);
    let look = move || {
        for text in unit::missing_guarantees() {
            log.line(Level::Warn, text);
        }
    };
    // Without a thread nobody is told.
    let _ = mask::aside(|| std::thread::Builder::new().name("unit".to_owned()).spawn(look));
}

/// What every child gets.
fn surroundings(invocation: &Invocation, spec: &DaemonSpec, cgroups: Option<Tree>) -> Surroundings {
    let own = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    Surroundings {
        environment: Surroundings::inherited(own),
        server_url: server_url(&spec.servers),
        childlogdir: spec.childlogdir.clone(),
        identifier: spec.identifier.clone(),
        strip_ansi: spec.strip_ansi,
        repeat_output: spec.loglevel <= Level::Debug,
        nofile_soft: invocation
            .nofile_soft
            .map(|given| rlimit::files_for_a_child(given, spec.minfds, ServiceManager::is_ours())),
        cgroups,
        common: OnceLock::new(),
    }
}

/// What answers on D-Bus, if the daemon is to be there.
fn on_the_bus(spec: &DaemonSpec, supervisor: &Supervisor, log: &Arc<MainLog>) -> Option<Neighbour> {
    let wanted = spec.dbus != BusChoice::Auto;
    let bus = Bus::choose(spec.dbus, ServiceManager::is_ours(), nix::unistd::Uid::effective().is_root())?;
    let log = Arc::clone(log);
    let say = Arc::new(move |level, text| log.line(level, text));
    let parts = bus::Parts { supervisor: supervisor.clone(), bus, wanted, say };
    Some(Box::new(move |closing| Box::pin(bus::run(parts, closing))))
}

/// What the data plane tells: facts to the loop. Lines go to the main log at once, because what programs write must not
/// queue up before the loop.
fn tell(event: PlaneEvent, facts: &mpsc::UnboundedSender<Fact>, log: &MainLog) {
    let fact = match event {
        PlaneEvent::Drained(token, words) => Fact::Drained(token, words),
        PlaneEvent::Cleared(token, outcome) => {
            let outcome = outcome.map_err(|problem| Fault::new(FaultCode::Failed, problem));
            Fact::Input(Input::Done { errand: Errand(token), outcome })
        }
        PlaneEvent::Observed(event, claim) => Fact::Heard(Input::Observed(event), claim),
        PlaneEvent::Listener(id, bytes, claim) => {
            Fact::Heard(Input::ListenerWrote { id: ProcessId(id), bytes: Some(bytes) }, claim)
        }
        PlaneEvent::Flooded(id) => Fact::Input(Input::ListenerWrote { id: ProcessId(id), bytes: None }),
        PlaneEvent::Note(notice) => return log.note(&notice),
    };
    // A loop that has ended wants no facts.
    let _ = facts.send(fact);
}

/// What another binary has to know of how this life was begun.
fn ground(
    invocation: &Invocation,
    spec: DaemonSpec,
    ears: &[OwnedFd],
    files: &[SocketFile],
    footing: &Footing,
    wrote_pid: bool,
) -> Ground {
    Ground {
        file: invocation.file.clone(),
        text: invocation.machine.kept_text(),
        overrides: invocation.overrides.clone(),
        spec,
        nofile_soft: invocation.nofile_soft,
        listeners: ears.iter().map(OwnedFd::as_raw_fd).collect(),
        passed: footing.passed.iter().map(|socket| (socket.name.clone(), socket.fd.as_raw_fd())).collect(),
        socket_files: files.iter().map(SocketFile::parts).collect(),
        wrote_pid,
        cgroups: footing.cgroups.as_ref().ok().map(|tree| tree.root().to_owned()),
        findings: Vec::new(),
    }
}
