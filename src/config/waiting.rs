//! What a configuration that is read again says about the daemon itself, which holds when it is restarted. Supervisor takes a
//! part of it over at once, and says nothing of the rest.

use super::error::{Diagnostic, Severity};
use super::load::Loaded;
use super::section::Section;
use super::spec::DaemonSpec;

/// An option of `[supervisord]`, and whether it is another.
type Changed = (&'static str, fn(&DaemonSpec, &DaemonSpec) -> bool);

macro_rules! options {
    ($($name:ident),+ $(,)?) => {
        [$((stringify!($name), |old, new| old.$name != new.$name)),+]
    };
}

/// `environment` is missing: its programs change with it.
const OPTIONS: [Changed; 16] = options![
    logfile_maxbytes,
    logfile_backups,
    loglevel,
    pidfile,
    umask,
    nodaemon,
    silent,
    minfds,
    minprocs,
    nocleanup,
    childlogdir,
    user,
    directory,
    strip_ansi,
    identifier,
    dbus,
];

const HELP: &str =
    "restart supervisord (supervisorctl reload, which restarts every program), or leave it as it was";

/// Warnings of what is not as the daemon was started with.
#[must_use]
pub fn for_a_restart(started: &DaemonSpec, loaded: &Loaded) -> Vec<Diagnostic> {
    let Some(own) = loaded.origins.section("supervisord") else { return Vec::new() };
    let warn = |section: &Section, option: &str, problem: String| {
        section.finding(Severity::Warning, option, problem, HELP.to_owned())
    };
    let logfile: Changed = ("logfile", |old, new| (&old.logfile, old.journal) != (&new.logfile, new.journal));
    let changed =
        [logfile].into_iter().chain(OPTIONS).filter(|(_, changed)| changed(started, &loaded.daemon));
    let mut found: Vec<Diagnostic> = changed
        .map(|(name, _)| {
            warn(own, name, format!("{name} has changed, and waits for a restart of supervisord"))
        })
        .collect();
    let (old, new) = (&started.servers, &loaded.daemon.servers);
    for server in new.iter().filter(|server| !old.contains(server)) {
        let Some(section) = loaded.origins.section(&server.section) else { continue };
        let name = &server.section;
        found.push(warn(
            section,
            "",
            format!("[{name}] has changed, and waits for a restart of supervisord"),
        ));
    }
    for server in old.iter().filter(|server| !new.iter().any(|other| other.section == server.section)) {
        let name = &server.section;
        found.push(warn(own, "", format!("[{name}] is gone, but served until supervisord is restarted")));
    }
    found
}
