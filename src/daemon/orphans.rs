//! What a daemon that has died has left, when its record cannot be read: the programs that are proved to be its own, by what it had
//! in its bag, are adopted by their names; whatever else is left of it is ended.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::adopt::{Adoption, Findings, Giver};
use crate::api::{Mono, ProcessName};
use crate::config::spec::{GroupSpec, ProcessSpec};
use crate::engine::{Adopted, Found};
use crate::runtime::adopt::{Adoptee, Bundle, Ends};
use crate::runtime::kept::{Label, Role, Treasure};
use crate::system::cgroup::Tree;
use crate::system::clock;
use crate::system::pidfd::is_running;

/// What can be gone on with; `None`: nobody lives.
pub(super) fn gather(treasure: Treasure, groups: &[GroupSpec], tree: Option<&Tree>) -> Option<Adoption> {
    let mut findings =
        Findings { pid: 0, version: String::new(), adoptees: Vec::new(), sockets: BTreeMap::new() };
    let mut bundle = Bundle::default();
    for (label, fds) in treasure.into_items() {
        match label {
            Label::Ears { sections, whose } => {
                (findings.version, findings.pid) = whose;
                let numbered = fds.into_iter().map(|fd| bundle.put(fd));
                findings.sockets = sections.into_iter().zip(numbered).collect();
            }
            // Opened anew when it is needed.
            Label::Socket => {}
            // Whoever lives is a program, or is ended.
            Label::Reports => {}
            Label::Child { name, pid, since, logs, roles } => {
                let Some((name, spec)) = find(&name, groups) else { continue };
                if tree.is_some_and(|tree| !tree.leaf(&name).pids().contains(&pid)) {
                    continue;
                }
                let Some(ends) = ends(roles, fds, &mut bundle) else { continue };
                let up = up_since(since.0, spec) <= clock::now().mono;
                let [stdout, stderr] = logs;
                let adopted = Adopted {
                    name,
                    now: Found::Alive { pid, up },
                    started: Some(since),
                    ended: None,
                    exitstatus: None,
                    spawnerr: None,
                    stdout,
                    stderr,
                };
                findings.adoptees.push(Adoptee { adopted, ends: Some(ends) });
            }
        }
    }
    let giver = Giver::Nobody;
    (!findings.adoptees.is_empty()).then_some(Adoption { findings, bundle, giver })
}

fn find<'a>(name: &str, groups: &'a [GroupSpec]) -> Option<(ProcessName, &'a ProcessSpec)> {
    let processes = groups.iter().flat_map(|group| group.processes.iter().map(move |spec| (group, spec)));
    let mut named =
        processes.map(|(group, spec)| (ProcessName::new(group.name.clone(), spec.name.clone()), &**spec));
    named.find(|(found, _)| found.to_string() == name)
}

fn up_since(since: Mono, spec: &ProcessSpec) -> Mono {
    since + Duration::from_secs(u64::try_from(spec.startsecs).unwrap_or(0))
}

/// What leads to a child, if it lives.
fn ends(roles: Vec<Role>, fds: Vec<OwnedFd>, bundle: &mut Bundle) -> Option<Ends> {
    let mut fds: Vec<(Role, OwnedFd)> = roles.into_iter().zip(fds).collect();
    fds.iter().find(|(role, pidfd)| *role == Role::Pidfd && is_running(pidfd))?;
    let mut take = |wanted: Role| {
        let at = fds.iter().position(|(role, _)| *role == wanted)?;
        Some(bundle.put(fds.swap_remove(at).1))
    };
    Some(Ends {
        pidfd: take(Role::Pidfd)?,
        stdin: take(Role::Stdin),
        stdout: take(Role::Stdout),
        stderr: take(Role::Stderr),
        socket: None,
    })
}
