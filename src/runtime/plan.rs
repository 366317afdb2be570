//! From what should run to what the child needs between fork and exec.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::explain;
use crate::api::ProcessName;
use crate::config::check::Trouble;
use crate::config::limits::Resource;
use crate::config::spec::ProcessSpec;
use crate::system::cgroup::Tree;
use crate::system::command::{CommandError, Resolved, resolve};
use crate::system::spawn::{ProcessLimit, SpawnPlan};
use crate::system::user::identity_of;

/// What every child gets.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Our own environment, without what belongs to the daemon alone.
    pub environment: BTreeMap<String, String>,
    /// `SUPERVISOR_SERVER_URL`, where `serverurl` is AUTO.
    pub server_url: Option<String>,
    /// Where AUTO logs go.
    pub childlogdir: PathBuf,
    /// In the names of AUTO logs.
    pub identifier: String,
    /// Remove ANSI escapes from output.
    pub strip_ansi: bool,
    /// Whether the main log repeats what they write.
    pub repeat_output: bool,
    /// The soft limit of open files for a child; `None`: as we have.
    pub nofile_soft: Option<u64>,
    /// Where each child gets a cgroup of its own.
    pub cgroups: Option<Tree>,
    /// What all children get of the environment, by name, as they get it.
    pub common: OnceLock<Vec<(String, Arc<CStr>)>>,
}

/// What the service manager tells the daemon, and no child may see (sd_notify(3), sd_listen_fds(3), systemd.exec(5)).
const DAEMON_ONLY: &[&str] = &[
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "SYSTEMD_EXEC_PID",
];

impl Surroundings {
    /// What all children get of the environment, unless theirs says otherwise.
    fn common(&self) -> &[(String, Arc<CStr>)] {
        let entry = |(name, value): (&String, &String)| {
            // What was given to us has no NUL in it.
            Some((name.clone(), CString::new(format!("{name}={value}")).ok()?.into()))
        };
        self.common.get_or_init(|| self.environment.iter().filter_map(entry).collect())
    }

    /// What children inherit of an environment.
    #[must_use]
    pub fn inherited(own: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
        own.into_iter().filter(|(name, _)| !DAEMON_ONLY.contains(&name.as_str())).collect()
    }
}

pub(super) struct Plan {
    pub(super) plan: SpawnPlan,
    pub(super) program: String,
}

/// Whether the command could be run.
pub(super) fn probe(around: &Surroundings, spec: &ProcessSpec) -> Result<Resolved, CommandError> {
    let configured = spec.environment.get("PATH").map(String::as_str);
    let own = around.environment.get("PATH").map(String::as_str);
    resolve(&spec.command, configured, own, spec.directory.as_deref())
}

/// Prepares everything, or says why not, for `spawnerr`.
pub(super) fn prepare(
    around: &Surroundings,
    name: &ProcessName,
    spec: &ProcessSpec,
) -> Result<Plan, Trouble> {
    let resolved = probe(around, spec).map_err(|error| explain::command(spec, &error))?;
    assemble(around, name, spec, &resolved).map_err(explain::only)
}

fn assemble(
    around: &Surroundings,
    name: &ProcessName,
    spec: &ProcessSpec,
    resolved: &Resolved,
) -> Result<Plan, String> {
    let program = resolved.program.display().to_string();
    let text = |text: &str| CString::new(text).map_err(|_| nul_in(text.as_bytes()));
    let identity = spec.user.as_ref().map(|user| identity_of(user.uid)).transpose()?;
    let directory = spec.directory.as_ref().map(|dir| text(&dir.to_string_lossy())).transpose()?;
    let plan = SpawnPlan {
        program: text(&program)?,
        argv: resolved.argv.iter().map(|word| text(word)).collect::<Result<_, _>>()?,
        envp: environment(around, name, spec)?,
        directory,
        umask: spec.umask,
        identity,
        stdin: None,
        stdout: None,
        stderr: None,
        redirect_stderr: spec.redirect_stderr,
        limits: limits(around, spec),
        cgroup: None,
        apart: spec.limits.memory_max.is_some() || spec.limits.cpu_quota.is_some(),
    };
    Ok(Plan { plan, program })
}

/// What setrlimit(2) is told: the soft limit of open files, and what is configured.
fn limits(around: &Surroundings, spec: &ProcessSpec) -> Vec<ProcessLimit> {
    let configured = &spec.limits.resources;
    let nofile =
        around.nofile_soft.filter(|_| configured.iter().all(|limit| limit.resource != Resource::Nofile));
    let inherited = nofile.map(|soft| ProcessLimit { resource: libc::RLIMIT_NOFILE, soft, hard: None });
    let own = configured.iter().map(|limit| ProcessLimit {
        resource: number(limit.resource),
        soft: limit.soft,
        hard: Some(limit.hard),
    });
    inherited.into_iter().chain(own).collect()
}

fn number(resource: Resource) -> u32 {
    match resource {
        Resource::As => libc::RLIMIT_AS,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Fsize => libc::RLIMIT_FSIZE,
        Resource::Memlock => libc::RLIMIT_MEMLOCK,
        Resource::Nofile => libc::RLIMIT_NOFILE,
        Resource::Nproc => libc::RLIMIT_NPROC,
        Resource::Stack => libc::RLIMIT_STACK,
    }
}

/// Ours, then SUPERVISOR_*, then the configured, which may override all (Supervisor 4.3 `process.py`, `_spawn_as_child`).
fn environment(
    around: &Surroundings,
    name: &ProcessName,
    spec: &ProcessSpec,
) -> Result<Vec<Arc<CStr>>, String> {
    let mut own: BTreeMap<&str, &str> = BTreeMap::new();
    own.insert("SUPERVISOR_ENABLED", "1");
    if let Some(url) = spec.serverurl.as_ref().or(around.server_url.as_ref()) {
        own.insert("SUPERVISOR_SERVER_URL", url);
    }
    own.insert("SUPERVISOR_PROCESS_NAME", &name.process);
    own.insert("SUPERVISOR_GROUP_NAME", &name.group);
    own.extend(spec.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let common = around.common();
    let mut all: Vec<Arc<CStr>> = Vec::with_capacity(common.len() + own.len());
    // Both are in the order of their names.
    let mut others = own.keys().peekable();
    for (name, entry) in common {
        while others.next_if(|other| **other < name.as_str()).is_some() {}
        if others.peek().is_none_or(|other| **other != name.as_str()) {
            all.push(Arc::clone(entry));
        }
    }
    let mut entry = Vec::with_capacity(256);
    for (name, value) in own {
        entry.clear();
        [name, "=", value].iter().for_each(|part| entry.extend_from_slice(part.as_bytes()));
        entry.push(0);
        all.push(CStr::from_bytes_with_nul(&entry).map_err(|_| nul_in(&entry[..entry.len() - 1]))?.into());
    }
    Ok(all)
}

fn nul_in(text: &[u8]) -> String {
    format!("a NUL byte in {:?}", String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::program;

    fn environment_of(around: &[(&str, &str)], own: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let pairs = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let around = Surroundings { environment: pairs(around), ..Surroundings::default() };
        let mut spec = program("p");
        spec.environment.extend(pairs(own));
        let all = environment(&around, &ProcessName::new("g", "p"), &spec)?;
        Ok(all.iter().map(|entry| entry.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn what_is_configured_comes_instead_of_ours() {
        let ours =
            [("A", "1"), ("HOME", "/root"), ("PATH", "/bin"), ("SUPERVISOR_ENABLED", "no"), ("Z", "1")];
        let all = environment_of(&ours, &[("A", "2"), ("B", ""), ("PATH", "/x=y"), ("ZZ", "3")]).unwrap();
        let expected = [
            "HOME=/root",
            "Z=1",
            "A=2",
            "B=",
            "PATH=/x=y",
            "SUPERVISOR_ENABLED=1",
            "SUPERVISOR_GROUP_NAME=g",
            "SUPERVISOR_PROCESS_NAME=p",
            "ZZ=3",
        ];
        assert_eq!(all, expected);
        let all = environment_of(&ours, &[("SUPERVISOR_ENABLED", "0")]).unwrap();
        assert!(all.iter().any(|entry| entry == "SUPERVISOR_ENABLED=0"), "{all:?}");
        assert_eq!(all.len(), 7, "{all:?}");
    }

    #[test]
    fn no_entry_is_cut_off_at_a_nul() {
        let problem = environment_of(&[], &[("A", "x\0y")]).unwrap_err();
        assert_eq!(problem, r#"a NUL byte in "A=x\0y""#);
    }
}
