//! What a call comes to, and doing it.

use std::path::Path;
use std::sync::Arc;

use super::methods::{self, Method};
use super::{Interface, multicall};
use crate::api::{
    API_VERSION, Fault, FaultCode, Now, ProcessInfo, ProcessName, ProcessResult, Reply, Request, Target,
    VERSION,
};
use crate::control::client::Client;
use crate::control::describe;
use crate::logs::read;
use crate::runtime::handle::Origin;
use crate::wire::xmlrpc::Value;

/// An output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// stdout
    Stdout,
    /// stderr
    Stderr,
}

/// What a call comes to. `given` is the name as the client wrote it, for its fault.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum Plan {
    ApiVersion,
    Version,
    Identification,
    State,
    Pid,
    Configs,
    ConfigWarnings,
    /// A request; its reply says what the answer looks like.
    Ask(Request, Option<String>),
    /// A signal that does not exist: refused, after the name has been found.
    BadSignal {
        target: Target,
        given: String,
        text: String,
    },
    ReadMain {
        offset: i64,
        length: i64,
    },
    Read {
        name: ProcessName,
        given: String,
        channel: Channel,
        offset: i64,
        length: i64,
    },
    Tail {
        name: ProcessName,
        given: String,
        channel: Channel,
        offset: i64,
        length: i64,
    },
    ListMethods,
    Help(String),
    Signature(String),
    Multicall(Vec<Value>),
}

impl Plan {
    /// A request that is not about a name.
    #[must_use]
    pub fn ask(request: Request) -> Self {
        Self::Ask(request, None)
    }
}

/// Does it.
pub async fn perform(interface: &Interface, client: &Client, plan: Plan) -> Result<Value, Fault> {
    let supervisor = &interface.supervisor;
    Ok(match plan {
        Plan::ApiVersion => Value::string(API_VERSION),
        Plan::Version => Value::string(VERSION),
        Plan::Identification => Value::string(&supervisor.about().identifier),
        Plan::Pid => Value::Int(supervisor.about().pid.into()),
        Plan::Configs => describe::config_infos(&supervisor.configs()),
        Plan::ConfigWarnings => describe::findings(&supervisor.findings()),
        Plan::State => {
            let state = supervisor.state();
            let code = Value::Int(state.code().into());
            describe::structure([("statecode", code), ("statename", Value::string(state.name()))])
        }
        Plan::Ask(request, given) => {
            let reply = supervisor.call_from(&client.asker, origin(client, given.clone()), request).await;
            end(interface, reply, given)?
        }
        Plan::BadSignal { target, given, text } => {
            bad_signal(interface, client, target, given, &text).await?
        }
        Plan::ReadMain { offset, length } => {
            let about = supervisor.about();
            let elsewhere = if about.journal { "journal" } else { "syslog" };
            let path = about.logfile.clone().ok_or_else(|| Fault::new(FaultCode::NoFile, elsewhere))?;
            Value::String(blocking(move || read::read(Some(&path), offset, length)).await??)
        }
        Plan::Read { name, given, channel, offset, length } => {
            let path = logfile(interface, client, name, given, channel).await?;
            Value::String(blocking(move || read::read(path.as_deref(), offset, length)).await??)
        }
        Plan::Tail { name, given, channel, offset, length } => {
            let path = logfile(interface, client, name, given, channel).await?;
            let tail = blocking(move || read::tail(path.as_deref(), offset, length)).await?;
            Value::Array(vec![Value::String(tail.text), Value::Int(tail.offset), Value::Bool(tail.overflow)])
        }
        Plan::ListMethods => {
            let names = methods::names().into_iter().filter(|name| interface.find(name).is_some());
            Value::Array(names.map(Value::string).collect())
        }
        Plan::Help(name) => Value::String(known(interface, &name)?.help()),
        Plan::Signature(name) => {
            Value::Array(known(interface, &name)?.signature().map(Value::string).collect())
        }
        // Boxed: it performs plans in its turn.
        Plan::Multicall(calls) => Box::pin(multicall::run(interface, client, calls)).await?,
    })
}

/// What a client is told in the end.
pub(super) fn end(
    interface: &Interface,
    reply: Result<Reply, Fault>,
    given: Option<String>,
) -> Result<Value, Fault> {
    reply.map(|reply| value_of(reply, interface.supervisor.now())).map_err(|fault| as_given(fault, given))
}

/// The name in a fault is written as the client wrote it.
fn as_given(fault: Fault, given: Option<String>) -> Fault {
    let about_the_name = matches!(
        fault.code,
        FaultCode::BadName
            | FaultCode::AlreadyStarted
            | FaultCode::NotRunning
            | FaultCode::SpawnError
            | FaultCode::AbnormalTermination
    );
    match given {
        Some(given) if about_the_name => Fault::new(fault.code, given),
        _ => fault,
    }
}

/// Which connection waits for the answer, if that is all that it waits for.
pub(super) fn origin(client: &Client, given: Option<String>) -> Option<Origin> {
    client.connection.map(|connection| Origin { connection, given })
}

pub(super) fn value_of(reply: Reply, now: Now) -> Value {
    match reply {
        Reply::Done => Value::Bool(true),
        Reply::Info(info) => describe::process_info(&info, now),
        Reply::Infos(infos) => {
            Value::Array(infos.iter().map(|info| describe::process_info(info, now)).collect())
        }
        Reply::Details(details) => describe::process_details(&details, now),
        Reply::AllDetails(all) => {
            Value::Array(all.iter().map(|details| describe::process_details(details, now)).collect())
        }
        Reply::Results(results) => describe::results(&results),
        Reply::Reread(result) => describe::reread(&result),
    }
}

async fn info(
    interface: &Interface,
    client: &Client,
    name: ProcessName,
    given: String,
) -> Result<ProcessInfo, Fault> {
    let reply = interface.supervisor.call(&client.asker, Request::Info(name)).await;
    match reply.map_err(|fault| as_given(fault, Some(given)))? {
        Reply::Info(info) => Ok(*info),
        _ => Err(Fault::bare(FaultCode::Failed)),
    }
}

async fn logfile(
    interface: &Interface,
    client: &Client,
    name: ProcessName,
    given: String,
    channel: Channel,
) -> Result<Option<Arc<Path>>, Fault> {
    let info = info(interface, client, name, given).await?;
    Ok(match channel {
        Channel::Stdout => info.stdout_logfile,
        Channel::Stderr => info.stderr_logfile,
    })
}

async fn bad_signal(
    interface: &Interface,
    client: &Client,
    target: Target,
    given: String,
    text: &str,
) -> Result<Value, Fault> {
    let refused = || Fault::new(FaultCode::BadSignal, text);
    let wanted = match target {
        Target::Process(name) => {
            info(interface, client, name, given).await?;
            return Err(refused());
        }
        Target::Group(group) => Some(group),
        Target::All => None,
    };
    let Reply::Infos(mut infos) = interface.supervisor.call(&client.asker, Request::Infos).await? else {
        return Err(Fault::bare(FaultCode::Failed));
    };
    if let Some(group) = wanted {
        infos.retain(|info| *info.name.group == *group);
        if infos.is_empty() {
            return Err(Fault::new(FaultCode::BadName, given));
        }
    }
    infos.retain(|info| info.state.is_signallable());
    let results: Vec<_> =
        infos.into_iter().map(|info| ProcessResult { name: info.name, outcome: Err(refused()) }).collect();
    Ok(describe::results(&results))
}

fn known(interface: &Interface, name: &str) -> Result<&'static Method, Fault> {
    interface.find(name).ok_or_else(|| Fault::bare(FaultCode::SignatureUnsupported))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::bare(FaultCode::Failed))
}
