//! What a call comes to, and doing it.

use std::os::fd::OwnedFd;

use tokio::sync::watch;
use zbus::OwnedObjectPath;

use super::path;
use super::refusal::{Refusal, error_name};
use crate::api::{
    Asker, Channel, Fault, FaultCode, ProcessInfo, ProcessName, ProcessResult, Reply, Request, RereadResult,
    Signal, Target,
};
use crate::logs::read;
use crate::runtime::handle::Supervisor;

/// What a call comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// All processes.
    List,
    /// The path of a process.
    FindProcess(ProcessName),
    /// The path of a group.
    FindGroup(String),
    /// One request.
    Ask(Request),
    /// Stop, then start; the flag waits for both.
    Restart(Target, bool),
    /// Reread, and apply what differs in these groups; in all when none is named.
    Update(Vec<String>),
    /// Empty the logs of all of them.
    ClearLogs(Vec<Target>),
    /// Hand over a log.
    OpenLog(ProcessName, Channel),
    /// Let another binary take over.
    Reexec,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// It was done.
    Done,
    /// Path of a process or group.
    Path(OwnedObjectPath),
    /// All processes.
    Processes(Vec<ProcessInfo>),
    /// For each process.
    Results(Vec<ProcessResult>),
    /// Groups.
    Groups(RereadResult),
    /// A log to be read.
    Log(OwnedFd),
    /// Another binary begins when this is dropped.
    Leaving(watch::Receiver<()>),
}

impl Plan {
    /// To start somebody.
    #[must_use]
    pub fn start(target: Target, wait: bool) -> Self {
        Self::Ask(Request::Start { target, wait })
    }

    /// To stop somebody.
    #[must_use]
    pub fn stop(target: Target, wait: bool) -> Self {
        Self::Ask(Request::Stop { target, wait })
    }

    /// To signal somebody.
    #[must_use]
    pub fn signal(target: Target, signal: Signal) -> Self {
        Self::Ask(Request::Signal { target, signal })
    }

    /// What it would change or tell that not everybody may know, in words.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        Some(match self {
            Self::List | Self::FindProcess(_) | Self::FindGroup(_) => return None,
            Self::Ask(request) => return request.change(),
            Self::Restart(target, _) => {
                let stop = Request::Stop { target: target.clone(), wait: true }.change()?;
                format!("re{}", stop.replacen("stop", "start", 1))
            }
            Self::Update(_) => "update of the configuration".to_owned(),
            Self::ClearLogs(targets) => match targets.as_slice() {
                [one] => return Request::ClearLogs(one.clone()).change(),
                several => format!("clearing of the logs of {} names", several.len()),
            },
            Self::OpenLog(name, channel) => {
                let told = Request::ClearLogs(Target::Process(name.clone())).change()?;
                told.replacen("clearing of the logs", &format!("opening of the {} log", channel.name()), 1)
            }
            Self::Reexec => return Request::Reexec.change(),
        })
    }

    /// Whom it is about, when it is one process, one group or all: what a rule of polkit can look at.
    #[must_use]
    pub fn about(&self) -> Option<Target> {
        match self {
            Self::Ask(request) => match request {
                Request::Start { target, .. }
                | Request::Stop { target, .. }
                | Request::Signal { target, .. }
                | Request::ClearLogs(target) => Some(target.clone()),
                Request::SendStdin { name, .. } | Request::Info(name) | Request::Details(name) => {
                    Some(Target::Process(name.clone()))
                }
                Request::AddGroup(name) | Request::RemoveGroup(name) => Some(Target::Group(name.clone())),
                Request::Infos
                | Request::AllDetails
                | Request::Reread
                | Request::ClearMainLog
                | Request::RemoteEvent { .. }
                | Request::ReopenLogs
                | Request::Shutdown
                | Request::Restart
                | Request::Reexec => None,
            },
            Self::Restart(target, _) => Some(target.clone()),
            Self::ClearLogs(targets) => match targets.as_slice() {
                [one] => Some(one.clone()),
                _ => None,
            },
            Self::OpenLog(name, _) | Self::FindProcess(name) => Some(Target::Process(name.clone())),
            Self::FindGroup(name) => Some(Target::Group(name.clone())),
            Self::Update(_) | Self::List | Self::Reexec => None,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// The fault with which it was refused.
    pub async fn perform(self, supervisor: &Supervisor, asker: &Asker) -> Result<Outcome, Fault> {
        match self {
            Self::List => infos(supervisor, asker).await.map(Outcome::Processes),
            Self::FindProcess(name) => {
                supervisor.call(asker, Request::Info(name.clone())).await?;
                Ok(Outcome::Path(path::of_process(&name)))
            }
            Self::FindGroup(name) => {
                let groups = infos(supervisor, asker).await?;
                let found = groups.iter().any(|info| *info.name.group == *name);
                if !found {
                    return Err(Fault::new(FaultCode::BadName, name));
                }
                Ok(Outcome::Path(path::of_group(&name)))
            }
            Self::Ask(request) => {
                let about = Self::Ask(request.clone()).about();
                supervisor.call(asker, request).await.map(|reply| outcome(reply, about))
            }
            Self::Restart(target, wait) => restart(supervisor, asker, target, wait).await,
            Self::Update(groups) => update(supervisor, asker, &groups).await.map(Outcome::Groups),
            Self::ClearLogs(targets) => {
                let mut results = Vec::new();
                for target in targets {
                    results.extend(clear(supervisor, asker, target).await);
                }
                Ok(Outcome::Results(results))
            }
            Self::OpenLog(name, channel) => open_log(supervisor, asker, name, channel).await,
            Self::Reexec => reexec(supervisor, asker).await,
        }
    }
}

fn outcome(reply: Reply, about: Option<Target>) -> Outcome {
    match (reply, about) {
        (Reply::Results(results), _) => Outcome::Results(results),
        (Reply::Reread(result), _) => Outcome::Groups(result),
        (_, Some(Target::Process(name))) => Outcome::Results(vec![ProcessResult { name, outcome: Ok(()) }]),
        _ => Outcome::Done,
    }
}

async fn infos(supervisor: &Supervisor, asker: &Asker) -> Result<Vec<ProcessInfo>, Fault> {
    match supervisor.call(asker, Request::Infos).await? {
        Reply::Infos(infos) => Ok(infos),
        _ => Err(Fault::bare(FaultCode::Failed)),
    }
}

/// As supervisorctl does it: who does not run is started all the same.
async fn restart(
    supervisor: &Supervisor,
    asker: &Asker,
    target: Target,
    wait: bool,
) -> Result<Outcome, Fault> {
    match supervisor.call(asker, Request::Stop { target: target.clone(), wait }).await {
        Err(fault) if fault.code != FaultCode::NotRunning => return Err(fault),
        _ => {}
    }
    let about = Some(target.clone());
    supervisor.call(asker, Request::Start { target, wait }).await.map(|reply| outcome(reply, about))
}

async fn clear(supervisor: &Supervisor, asker: &Asker, target: Target) -> Vec<ProcessResult> {
    let name = match &target {
        Target::Process(name) => name.clone(),
        Target::Group(group) => ProcessName::new(group.clone(), "*"),
        Target::All => ProcessName::new("all", "all"),
    };
    match supervisor.call(asker, Request::ClearLogs(target)).await {
        Ok(Reply::Results(results)) => results,
        Ok(_) => vec![ProcessResult { name, outcome: Ok(()) }],
        Err(fault) => vec![ProcessResult { name, outcome: Err(fault) }],
    }
}

/// As supervisorctl's `update` does it; what was done of what differs.
async fn update(supervisor: &Supervisor, asker: &Asker, groups: &[String]) -> Result<RereadResult, Fault> {
    let Reply::Reread(found) = supervisor.call(asker, Request::Reread).await? else {
        return Err(Fault::bare(FaultCode::Failed));
    };
    let everything = groups.is_empty() || groups.iter().any(|name| name == "all");
    if !everything {
        let active = infos(supervisor, asker).await?;
        let known = |name: &String| {
            active.iter().any(|info| *info.name.group == **name) || found.added.contains(name)
        };
        if let Some(stranger) = groups.iter().find(|name| !known(name)) {
            return Err(Fault::new(FaultCode::BadName, stranger));
        }
    }
    let wanted = |name: &String| everything || groups.contains(name);
    let mut done = RereadResult::default();
    for name in found.removed.into_iter().filter(wanted) {
        remove(supervisor, asker, &name).await?;
        done.removed.push(name);
    }
    for name in found.changed.into_iter().filter(wanted) {
        remove(supervisor, asker, &name).await?;
        supervisor.call(asker, Request::AddGroup(name.clone())).await?;
        done.changed.push(name);
    }
    for name in found.added.into_iter().filter(wanted) {
        supervisor.call(asker, Request::AddGroup(name.clone())).await?;
        done.added.push(name);
    }
    Ok(done)
}

async fn remove(supervisor: &Supervisor, asker: &Asker, group: &str) -> Result<(), Fault> {
    let stop = Request::Stop { target: Target::Group(group.to_owned()), wait: true };
    if let Reply::Results(results) = supervisor.call(asker, stop).await? {
        let stubborn = results.into_iter().find_map(|result| result.outcome.err());
        if let Some(fault) = stubborn.filter(|fault| fault.code == FaultCode::Failed) {
            return Err(fault);
        }
    }
    supervisor.call(asker, Request::RemoveGroup(group.to_owned())).await.map(|_| ())
}

/// The connection to the bus ends with this binary, so that nobody can be answered afterwards.
async fn reexec(supervisor: &Supervisor, asker: &Asker) -> Result<Outcome, Fault> {
    let mut leaving = supervisor.leaving();
    tokio::select! {
        answer = supervisor.call(asker, Request::Reexec) => answer.map(|_| Outcome::Done),
        // The handle has the other end.
        _ = leaving.changed() => Ok(Outcome::Leaving(leaving)),
    }
}

async fn open_log(
    supervisor: &Supervisor,
    asker: &Asker,
    name: ProcessName,
    channel: Channel,
) -> Result<Outcome, Fault> {
    let told = name.to_string();
    let Reply::Info(info) = supervisor.call(asker, Request::Info(name)).await? else {
        return Err(Fault::bare(FaultCode::Failed));
    };
    let path = match channel {
        Channel::Stdout => info.stdout_logfile,
        Channel::Stderr => info.stderr_logfile,
    };
    let path = path.ok_or_else(|| Fault::new(FaultCode::NoFile, told))?;
    let open = move || {
        read::open(&path).map(|(file, _)| Outcome::Log(file.into())).map_err(|error| {
            let code = if error.kind() == std::io::ErrorKind::NotFound {
                FaultCode::NoFile
            } else {
                FaultCode::Failed
            };
            Fault::new(code, path.display().to_string())
        })
    };
    tokio::task::spawn_blocking(open).await.map_err(|_| Fault::bare(FaultCode::Failed))?
}

/// A result as three texts: who, the name of the error (empty when it was done), and the error in words.
#[must_use]
pub fn told(result: &ProcessResult) -> (String, String, String) {
    let (error, message) = match &result.outcome {
        Ok(()) => (String::new(), String::new()),
        Err(fault) => {
            let refusal = Refusal::from(fault.clone());
            (error_name(fault.code), refusal.message)
        }
    };
    (result.name.to_string(), error, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_told_in_words() {
        let web = || Target::from_namespec("web");
        for (plan, words) in [
            (Plan::List, None),
            (Plan::start(web(), true), Some("start of 'web'")),
            (Plan::Restart(web(), true), Some("restart of 'web'")),
            (Plan::Restart(Target::from_namespec("stop:*"), true), Some("restart of 'stop:*'")),
            (Plan::Update(Vec::new()), Some("update of the configuration")),
            (Plan::ClearLogs(vec![web()]), Some("clearing of the logs of 'web'")),
            (Plan::ClearLogs(vec![web(), web()]), Some("clearing of the logs of 2 names")),
            (
                Plan::OpenLog(ProcessName::new("a\n", "b"), Channel::Stderr),
                Some("opening of the stderr log of 'a\\n:b'"),
            ),
        ] {
            assert_eq!(plan.words().as_deref(), words);
        }
    }

    #[test]
    fn a_rule_is_told_one_target_or_none() {
        let web = || Target::from_namespec("web");
        assert_eq!(Plan::ClearLogs(vec![web()]).about(), Some(web()));
        assert_eq!(Plan::ClearLogs(vec![web(), Target::All]).about(), None);
        assert_eq!(Plan::Update(vec!["web".into()]).about(), None);
        assert_eq!(Plan::start(Target::All, true).about(), Some(Target::All));
    }
}
