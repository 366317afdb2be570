//! The composition root: arguments → configuration → sockets → loop. The only file that knows every room.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::api::{Level, SupervisorState};
use crate::cli;
use crate::config::load::{self, Loaded, Overrides};
use crate::config::spec::{DaemonSpec, GroupSpec};
use crate::config::{check, error};
use crate::logs::main_log::{MainLog, MainLogSpec};
use crate::runtime::kept::{Kept, Unreadable};
use crate::runtime::signals::Signals;
use crate::runtime::takeover::{TRIAL, VARIABLE};
use crate::system::cgroup::{self, NoTree, Tree};
use crate::system::machine::OsMachine;
use crate::system::rlimit::{self, Limit};
use crate::system::{daemonize, fds, files, mask, memory, reexec, user};
use crate::systemd::listen::{self, Passed};
use crate::systemd::notify::ServiceManager;
use arguments::{complaint, config_file, examine, overrides, password_hash};
use life::{House, Past, keep};

mod adopt;
mod arguments;
mod life;
mod orphans;
mod recovery;
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
    let given = reexec::take_variable(adopt::service::VARIABLE);
    let ended = match words {
        [trial] if trial == TRIAL => takeover::examine(),
        _ => match left {
            Some(number) => takeover::resume(args, &number),
            None => start(program, args, words, given),
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

fn start(
    program: &str,
    all: &[OsString],
    args: &[String],
    given: Option<String>,
) -> Result<ExitCode, String> {
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
    let mut passed = Vec::new();
    let mut unrecoverable = None;
    if parsed.get("check").is_none() {
        passed = listen::take().map_err(|error| {
            usage_error(program, &format!("can't take what the service manager passes: {error}"))
        })?;
        match Kept::take(&mut passed) {
            Ok(Some(recovered)) if !recovery::was_ended_for_good(&recovered) => {
                return Ok(recovery::go_on(program, all, recovered, passed));
            }
            // What is kept would keep our sockets from us.
            Ok(Some(_)) => Kept::release(),
            Ok(None) => {}
            Err(unreadable) => unrecoverable = Some(unreadable),
        }
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
    let mut footing = Footing::new(all, Tree::take(), passed);
    footing.unrecoverable = unrecoverable;
    if parsed.get("takeover").is_some() {
        rlimit::raise_files();
        let loaded = read(&invocation).map_err(|error| complaint(program, args, &invocation, &error.0))?;
        match adopt::begin(&invocation, &loaded) {
            Ok(adopt::Begun::Here(adoption)) => footing.adoption = Some(*adoption),
            Ok(adopt::Begun::Elsewhere(summary)) => {
                say(&mut io::stdout(), &summary);
                return Ok(ExitCode::SUCCESS);
            }
            Err(why) => {
                say(&mut io::stderr(), &why);
                return Ok(ExitCode::FAILURE);
            }
        }
    } else if let Some(path) = given {
        rlimit::raise_files();
        footing.adoption = adopt::service::receive(&path)?;
    }
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
    /// What another supervisor has run until now.
    adoption: Option<adopt::Adoption>,
    /// Why we could not go on with what a daemon that has died has left.
    unrecoverable: Option<Unreadable>,
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
            adoption: None,
            unrecoverable: None,
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
    // Where each process stands in the files is not asked any more, and need not stay for the whole life.
    drop((loaded.warnings, loaded.origins));
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
    let unreadable = footing.unrecoverable.take();
    let mut adoption = footing.adoption.take();
    if let Some(Unreadable { why, treasure }) = unreadable {
        let text =
            format!("the supervisord before this one has died, and not all of it can be gone on with: {why}");
        lines.push((Level::Critical, text));
        adoption = orphans::gather(treasure, &loaded.groups, footing.cgroups.as_ref().ok());
    }
    let opened = sockets::open(&spec, &footing.passed, adoption.as_ref())?;
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
        fds::make_room(files_needed(&loaded.groups));
        footing.supervision = Some(begin().map_err(|error| format!("can't listen to signals: {error}"))?);
    }
    let log = open_log(&spec)?;
    // Those of the programs that are taken over are in use.
    if !spec.nocleanup && adoption.is_none() {
        let warnings = files::clean_auto_logs(&spec.childlogdir, &spec.identifier);
        lines.extend(warnings.into_iter().map(|text| (Level::Warn, text)));
    }
    for (level, text) in lines {
        log.line(level, text);
    }
    let adopted = adoption.as_ref().map(adopt::Adoption::names).unwrap_or_default();
    let orphans =
        footing.cgroups.as_ref().ok().filter(|_| first).map_or(0, |tree| tree.end_orphans(&adopted));
    if orphans > 0 {
        let text = format!("ended what a supervisord before this one had left of {orphans} programs");
        log.line(Level::Warn, text);
    }
    announce(&spec, &log, ready.is_some());
    if let Some(directory) = &spec.directory {
        log.line(Level::Info, format!("set current directory: '{}'", directory.display()));
    }
    let left = adoption
        .map(|adoption| adoption.seal(&loaded.groups, &spec, footing.cgroups.as_ref().ok(), &log))
        .transpose()?;
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
    let past = left.map_or(Past::Nothing, |left| Past::Left(Box::new(left)));
    let house = House { spec, groups: loaded.groups, found, listeners, files, log, wrote_pid, past };
    keep(invocation, house, footing)
}

/// About as many as we have open when all programs run.
fn files_needed(groups: &[GroupSpec]) -> usize {
    /// A pidfd, three pipes and two logs.
    const EACH: usize = 6;
    const OURS: usize = 256;
    OURS + EACH * groups.iter().map(|group| group.processes.len()).sum::<usize>()
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
