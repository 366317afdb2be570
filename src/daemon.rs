//! The composition root: arguments → configuration → sockets → loop. The only file that knows every room.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};

use crate::api::{Fault, FaultCode, Level, Notice, SupervisorState};
use crate::cli;
use crate::config::load::{self, Loaded, Overrides};
use crate::config::spec::{BusChoice, DaemonSpec, GroupSpec, ServerAddress, ServerSpec, bare};
use crate::config::{check, error, waiting};
use crate::control;
use crate::control::http::Listener;
use crate::control::http::auth;
use crate::control::http::bind::SocketFile;
use crate::control::thread::{Means, Neighbour};
use crate::control::xmlrpc::Interface;
use crate::dbus::bus::{self, Bus};
use crate::engine::{Errand, Input, ProcessId};
use crate::logs::main_log::{MainLog, MainLogSpec};
use crate::logs::plane::{Plane, PlaneEvent};
use crate::runtime::children::Surroundings;
use crate::runtime::driver::{self, Fact, Loader, Parts};
use crate::runtime::handle::{About, Findings, Supervisor};
use crate::runtime::record::Ground;
use crate::runtime::signals::Signals;
use crate::runtime::takeover::{Succession, TRIAL, VARIABLE};
use crate::system::cgroup::{self, NoTree, Tree};
use crate::system::machine::OsMachine;
use crate::system::rlimit::{self, Limit};
use crate::system::terminal::Hidden;
use crate::system::{clock, daemonize, files, mask, memory, reexec, user};
use crate::systemd::listen::{self, Passed};
use crate::systemd::notify::ServiceManager;

mod sockets;
mod takeover;

/// A usage, configuration or start-up error.
const USAGE: u8 = 2;

const ROOT_WARNING: &str = "Supervisor is running as root.  Privileges were not dropped because no user is specified in \
                            the config file.  If you intend to run as root, you can set user=root in the config file to \
                            avoid this message.";

const SEARCH_WARNING: &str = "warning: Supervisord is running as root and it is searching for its configuration file in default \
                              locations (including its current working directory); you probably want to specify a \"-c\" \
                              argument specifying an absolute path to a configuration file for improved security.";

/// What the command line said.
struct Invocation {
    machine: OsMachine,
    file: PathBuf,
    overrides: Overrides,
    /// The soft limit of open files that we were given.
    nofile_soft: Option<u64>,
}

/// Runs supervisord; the first argument is the program's name.
#[must_use]
pub fn run(args: &[OsString]) -> ExitCode {
    let text: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let program = text.first().map_or("supervisord", String::as_str);
    let words = text.get(1..).unwrap_or_default();
    let left = reexec::take_variable(VARIABLE);
    let ended = match words {
        [trial] if trial == TRIAL => takeover::examine(),
        _ => match left {
            Some(number) => takeover::resume(args, &number),
            None => start(program, args, words),
        },
    };
    match ended {
        Ok(code) => code,
        Err(text) => {
            say(&mut io::stderr(), &text);
            ExitCode::from(USAGE)
        }
    }
}

fn say(out: &mut dyn Write, text: &str) {
    // A terminal that is gone has nobody to tell.
    let _ = writeln!(out, "{}", text.trim_end());
}

fn usage_error(program: &str, text: &str) -> String {
    format!("Error: {text}\nFor help, use {program} -h")
}

fn start(program: &str, all: &[OsString], args: &[String]) -> Result<ExitCode, String> {
    let parsed = cli::parse(cli::SUPERVISORD, args).map_err(|text| usage_error(program, &text))?;
    for (option, _) in &parsed.options {
        match *option {
            "help" => {
                say(&mut io::stdout(), &cli::usage(program));
                return Ok(ExitCode::SUCCESS);
            }
            "version" => {
                say(&mut io::stdout(), crate::api::VERSION);
                return Ok(ExitCode::SUCCESS);
            }
            "password-hash" => {
                let hash = password_hash().map_err(|error| usage_error(program, &error.to_string()))?;
                say(&mut io::stdout(), &hash);
                return Ok(ExitCode::SUCCESS);
            }
            "empty-cgroups" => {
                cgroup::clear(!ServiceManager::ended_for_good())
                    .map_err(|why| usage_error(program, &why.to_string()))?;
                return Ok(ExitCode::SUCCESS);
            }
            _ => {}
        }
    }
    if !parsed.words.is_empty() {
        let words = parsed.words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        let text = format!("positional arguments are not supported: [{words}]");
        return Err(usage_error(program, &text));
    }
    if parsed.get("configuration").is_none() && nix::unistd::Uid::effective().is_root() {
        say(&mut io::stderr(), SEARCH_WARNING);
    }
    let file =
        config_file(program, parsed.get("configuration")).map_err(|text| usage_error(program, &text))?;
    let machine = OsMachine::keeping(&file).map_err(|error| {
        usage_error(program, &format!("could not read config file {}: {error}", file.display()))
    })?;
    memory::give_back();
    let (overrides, nofile_soft) = (overrides(&parsed), rlimit::files_soft());
    let invocation = Invocation { machine, file, overrides, nofile_soft };
    if parsed.get("check").is_some() {
        return examine(program, args, &invocation, parsed.get("format"));
    }
    let passed = listen::take().map_err(|error| {
        usage_error(program, &format!("can't take what the service manager passes: {error}"))
    })?;
    let footing = Footing::new(all, Tree::take(), passed);
    lives(program, args, &invocation, footing, None)
}

/// One life after the other, as often as a restart is asked for; the first may be what is left of another's.
fn lives(
    program: &str,
    args: &[String],
    invocation: &Invocation,
    mut footing: Footing,
    mut left: Option<House>,
) -> Result<ExitCode, String> {
    loop {
        let ended = match left.take() {
            Some(house) => keep(invocation, house, &mut footing),
            None => {
                let loaded =
                    read(invocation).map_err(|error| complaint(program, args, invocation, &error.0))?;
                serve_once(invocation, loaded, &mut footing)
            }
        };
        if ended.map_err(|text| usage_error(program, &text))? != SupervisorState::Restarting {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// `--password-hash`: a salted hash of the line that is typed or piped in.
fn password_hash() -> io::Result<String> {
    let stdin = io::stdin();
    let hidden = if stdin.is_terminal() { Some(Hidden::open()?) } else { None };
    if hidden.is_some() {
        let _ = io::stderr().write_all(b"Password: ");
    }
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    if hidden.is_some() {
        let _ = io::stderr().write_all(b"\n");
    }
    let password = line.strip_suffix('\n').unwrap_or(&line);
    if password.is_empty() {
        return Err(io::Error::other("there is no password on standard input"));
    }
    Ok(auth::hash(password)?.to_string())
}

/// `--check`: tells what would go wrong, and starts nothing.
fn examine(
    program: &str,
    args: &[String],
    invocation: &Invocation,
    format: Option<&str>,
) -> Result<ExitCode, String> {
    let Invocation { machine, file, overrides, .. } = invocation;
    let found = check::examine(machine, file, overrides);
    if wrong_option(invocation, &found).is_some() {
        return Err(complaint(program, args, invocation, &found));
    }
    let text = match format {
        Some("json") => error::json(&found),
        None | Some("text") => {
            format!("{}\n{}: {}", error::render(&found), file.display(), error::counts(&found))
        }
        Some(other) => {
            let problem = format!("invalid value for --format '{other}': use text or json");
            return Err(usage_error(program, &problem));
        }
    };
    say(&mut io::stdout(), text.trim_start());
    Ok(match found.iter().map(|found| found.severity).max() {
        None => ExitCode::SUCCESS,
        Some(error::Severity::Warning) => ExitCode::from(1),
        Some(error::Severity::Error) => ExitCode::from(2),
    })
}

/// What is wrong: with the command line in Supervisor's words, with a file as compilers tell it.
fn complaint(
    program: &str,
    args: &[String],
    invocation: &Invocation,
    errors: &[error::Diagnostic],
) -> String {
    match wrong_option(invocation, errors) {
        // Supervisor resolves the user later, where the option is no longer known.
        Some(("user", _, problem)) => usage_error(program, problem),
        Some((option, value, problem)) => {
            let option = cli::spelled(cli::SUPERVISORD, args, option);
            usage_error(program, &format!("invalid value for {option} '{value}': {problem}"))
        }
        None => error::render(errors),
    }
}

/// The option of the command line that is wrong, its value, and what is wrong with it.
fn wrong_option<'a>(
    invocation: &'a Invocation,
    errors: &'a [error::Diagnostic],
) -> Option<(&'a str, &'a String, &'a String)> {
    errors.iter().find_map(|diagnostic| {
        let given = diagnostic.file == Path::new(load::COMMAND_LINE);
        let option = diagnostic.source.as_ref().filter(|_| given)?.split('=').next()?;
        Some((option, invocation.overrides.get(option)?, &diagnostic.problem))
    })
}

fn overrides(parsed: &cli::Parsed) -> Overrides {
    let not_ours = ["configuration", "help", "version", "profile_options", "check", "format"];
    let given = parsed.options.iter().filter(|(option, _)| !not_ours.contains(option));
    let is_flag = |long: &str| cli::SUPERVISORD.iter().any(|opt| opt.long == long && opt.value.is_none());
    let text = |(option, value): &(&'static str, String)| {
        ((*option).to_owned(), if is_flag(option) { "true".to_owned() } else { value.clone() })
    };
    given.map(text).collect()
}

fn config_file(program: &str, given: Option<&str>) -> Result<PathBuf, String> {
    if let Some(given) = given {
        let path = Path::new(given);
        if !path.exists() {
            return Err(format!("could not find config file {given}"));
        }
        return std::path::absolute(path)
            .map_err(|error| format!("could not read config file {given}: {error}"));
    }
    let paths = load::search_paths(program);
    let found = paths.iter().find(|path| path.exists());
    found.and_then(|path| std::path::absolute(path).ok()).ok_or_else(|| {
        let tried = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        format!(
            "No config file found at default paths ({tried}); use the -c option to specify a config file at a different path"
        )
    })
}

fn read(invocation: &Invocation) -> Result<Loaded, error::LoadError> {
    load::load(&invocation.machine, &invocation.file, &invocation.overrides)
}

/// What outlives a restart.
struct Footing {
    supervision: Option<Supervision>,
    /// Where each program gets a cgroup of its own.
    cgroups: Result<Tree, NoTree>,
    /// Sockets that the service manager has opened.
    passed: Vec<Passed>,
    /// Where the binary is that may take over one day.
    binary: PathBuf,
    arguments: Vec<OsString>,
}

impl Footing {
    fn new(arguments: &[OsString], cgroups: Result<Tree, NoTree>, passed: Vec<Passed>) -> Self {
        let name = arguments.first().map(OsString::as_os_str).unwrap_or_default();
        Self {
            supervision: None,
            cgroups,
            passed,
            binary: reexec::own_binary(name),
            arguments: arguments.to_vec(),
        }
    }
}

/// The loop's means, and the signals that come between two lives. Made after the daemon has left the terminal, because it
/// does not survive a fork.
type Supervision = (Runtime, Signals);

/// From here on no signal ends us; whoever reads the pidfile may send some.
fn begin() -> io::Result<Supervision> {
    // Signals are for this thread alone.
    let runtime = Builder::new_current_thread().enable_all().on_thread_start(mask::block).build()?;
    let signals = Signals::listen(&runtime)?;
    // Those that came while a binary took over.
    mask::unblock();
    Ok((runtime, signals))
}

/// One life, from a configuration to the end of every program.
fn serve_once(
    invocation: &Invocation,
    loaded: Loaded,
    footing: &mut Footing,
) -> Result<SupervisorState, String> {
    let first = footing.supervision.is_none();
    // While we are whom the service manager started: to look at everything in everybody's place.
    let found = check::summary(&loaded, &invocation.machine);
    let spec = loaded.daemon;
    let mut lines: Vec<(Level, String)> = Vec::new();
    if first {
        if let (Ok(tree), Some(user)) = (&footing.cgroups, &spec.user) {
            tree.give_to(user.uid);
        }
        lines.push(become_user(&spec)?);
        lines.extend(footing.cgroups.as_ref().err().map(without_cgroups));
    }
    lines.extend(found.iter().map(|finding| (Level::Warn, finding.line())));
    lines.extend(loaded.infos.into_iter().map(|text| (Level::Info, text)));
    if first {
        for (limit, wanted) in [(Limit::Files, spec.minfds), (Limit::Processes, spec.minprocs)] {
            lines.extend(rlimit::ensure(limit, wanted)?.map(|text| (Level::Info, text)));
        }
    }
    let opened = sockets::open(&spec, &footing.passed)?;
    if first {
        lines.extend(sockets::unasked(&spec, &footing.passed).into_iter().map(|text| (Level::Warn, text)));
    }
    for notice in &opened.notices {
        say(&mut io::stderr(), notice);
    }
    let ready = if spec.nodaemon || !first {
        None
    } else {
        Some(daemonize::daemonize().map_err(|error| format!("can't daemonize: {error}"))?)
    };
    settle_in(&spec)?;
    if first {
        footing.supervision = Some(begin().map_err(|error| format!("can't listen to signals: {error}"))?);
    }
    let log = open_log(&spec)?;
    if !spec.nocleanup {
        let warnings = files::clean_auto_logs(&spec.childlogdir, &spec.identifier);
        lines.extend(warnings.into_iter().map(|text| (Level::Warn, text)));
    }
    for (level, text) in lines {
        log.line(level, text);
    }
    announce(&spec, &log, ready.is_some());
    if let Some(directory) = &spec.directory {
        log.line(Level::Info, format!("set current directory: '{}'", directory.display()));
    }
    if let Some(ready) = ready {
        // A log that cannot be written is told to whoever starts us, while he can be.
        log.settle();
        ready.signal().map_err(|error| format!("can't leave the terminal: {error}"))?;
    }
    let wrote_pid = files::write_pidfile(&spec.pidfile).is_ok();
    if wrote_pid {
        log.line(Level::Info, format!("supervisord started with pid {}", std::process::id()));
    } else {
        log.line(Level::Critical, format!("could not write pidfile {}", spec.pidfile.display()));
    }
    let sockets::Opened { listeners, files, .. } = opened;
    let house = House { spec, groups: loaded.groups, found, listeners, files, log, wrote_pid, left: None };
    keep(invocation, house, footing)
}

/// What a life is led in.
struct House {
    spec: DaemonSpec,
    groups: Vec<GroupSpec>,
    /// What would go wrong.
    found: Vec<error::Diagnostic>,
    listeners: Vec<(Listener, ServerSpec)>,
    files: Vec<SocketFile>,
    log: MainLog,
    wrote_pid: bool,
    /// What the binary before us has left.
    left: Option<takeover::Left>,
}

/// Leads a life to its end, and leaves nothing of it.
fn keep(invocation: &Invocation, mut house: House, footing: &mut Footing) -> Result<SupervisorState, String> {
    let (pidfile, wrote_pid) = (house.spec.pidfile.clone(), house.wrote_pid);
    let files = std::mem::take(&mut house.files);
    let ended = loops(invocation, house, &files, footing);
    drop(files);
    if wrote_pid {
        files::remove_pidfile(&pidfile);
    }
    ended.map_err(|error| format!("the supervision loop could not run: {error}"))
}

fn become_user(spec: &DaemonSpec) -> Result<(Level, String), String> {
    match &spec.user {
        Some(wanted) => Ok((Level::Info, user::drop_privileges(wanted.uid)?)),
        None if nix::unistd::Uid::effective().is_root() => Ok((Level::Critical, ROOT_WARNING.to_owned())),
        None => Ok((Level::Debug, "no user is configured".to_owned())),
    }
}

/// Told aloud where there is somebody to mend it: the administrator of a service.
fn without_cgroups(why: &NoTree) -> (Level, String) {
    let level = if ServiceManager::is_ours() { Level::Warn } else { Level::Debug };
    let text = format!(
        "programs get no cgroups of their own, and what leaves their process group outlives them: {why}"
    );
    (level, text)
}

fn settle_in(spec: &DaemonSpec) -> Result<(), String> {
    if let Some(directory) = &spec.directory {
        std::env::set_current_dir(directory)
            .map_err(|error| format!("can't chdir into '{}': {error}", directory.display()))?;
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(spec.umask));
    Ok(())
}

fn open_log(spec: &DaemonSpec) -> Result<MainLog, String> {
    let log = MainLogSpec {
        level: spec.loglevel,
        file: spec.logfile.clone(),
        journal: spec.journal,
        maxbytes: spec.logfile_maxbytes,
        backups: spec.logfile_backups,
        stdout: spec.nodaemon && !spec.silent,
        stays: spec.nodaemon,
    };
    mask::aside(|| MainLog::open(&log)).map_err(|error| {
        let file =
            spec.logfile.as_ref().map_or_else(|| "syslog".to_owned(), |file| file.display().to_string());
        format!("could not open the main log {file}: {error}")
    })
}

fn announce(spec: &DaemonSpec, log: &MainLog, daemonized: bool) {
    for server in &spec.servers {
        if spec.rpcinterface {
            log.line(Level::Info, "RPC interface 'supervisor' initialized");
        }
        if server.auth.is_none() {
            let section = server.section.split(':').next().unwrap_or_default();
            let text = format!("Server '{section}' running without any HTTP authentication checking");
            log.line(Level::Critical, text);
        }
    }
    if daemonized {
        log.line(Level::Info, "daemonizing the supervisord process");
    }
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
    let House { spec, groups, found, listeners, log, wrote_pid, left, .. } = house;
    let cgroups = footing.cgroups.as_ref().ok().cloned();
    let (teller, facts) = mpsc::unbounded_channel();
    let (from_plane, log) = (teller.clone(), Arc::new(log));
    let (repeated, last_lines) = (Arc::clone(&log), Arc::clone(&log));
    let start = || Plane::start(Box::new(move |event| tell(event, &from_plane, &repeated)));
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
    let interface = Interface { supervisor, enabled: spec.rpcinterface };
    let (open, opened) = oneshot::channel();
    let warned = Arc::clone(&log);
    let warn = Arc::new(move |text| warned.note(&Notice::Refused { text }));
    let (partings, parting) = mpsc::unbounded_channel();
    // Kept as long as the sockets: they are handed on by these.
    let ears = listeners.iter().map(|(listener, _)| listener.copy()).collect::<io::Result<Vec<OwnedFd>>>()?;
    let (legacy, arrived) = left.map(takeover::Left::divide).unzip();
    let arrived = arrived.unwrap_or_default();
    let means = Means { interface, warn, files: rlimit::files_soft().unwrap_or(1024), neighbour: bus };
    let start = || control::thread::start(listeners, arrived, means, opened, parting);
    let control = mask::aside(start)?;
    // A control thread that is gone has said why.
    let serve = Box::new(move || {
        let _ = open.send(());
    });
    // As PID 1 of a container, orphans come to us.
    let reap_strangers = pid == 1;
    let own = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let surroundings = Surroundings {
        environment: Surroundings::inherited(own),
        server_url: server_url(&spec.servers),
        childlogdir: spec.childlogdir.clone(),
        identifier: spec.identifier.clone(),
        strip_ansi: spec.strip_ansi,
        repeat_output: spec.loglevel <= Level::Debug,
        nofile_soft: invocation
            .nofile_soft
            .map(|given| rlimit::files_for_a_child(given, spec.minfds, ServiceManager::is_ours())),
        cgroups: cgroups.clone(),
    };
    let (binary, arguments) = (footing.binary.clone(), footing.arguments.clone());
    let ground = Ground {
        file: invocation.file.clone(),
        text: invocation.machine.kept_text(),
        overrides: invocation.overrides.clone(),
        spec,
        nofile_soft: invocation.nofile_soft,
        listeners: ears.iter().map(OwnedFd::as_raw_fd).collect(),
        passed: footing.passed.iter().map(|socket| (socket.name.clone(), socket.fd.as_raw_fd())).collect(),
        socket_files: files.iter().map(SocketFile::parts).collect(),
        wrote_pid,
        cgroups: cgroups.map(|tree| tree.root().to_owned()),
        findings: Vec::new(),
    };
    let ground = move || Ground { findings: findings.borrow().to_vec(), ..ground.clone() };
    let succession = Succession::new(binary, arguments, partings, Box::new(ground));
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
        legacy,
    };
    let Some((runtime, signals)) = &mut footing.supervision else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let ended = runtime.block_on(driver::run(groups, parts, signals));
    // Its listeners must be closed before a restart binds them again.
    let _ = control.join();
    drop(ears);
    // Not left to the last who lets go of it: a thread may be stuck in a disk.
    last_lines.end();
    ended
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
