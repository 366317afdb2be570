//! XML-RPC: calls, looked up in one table and translated to requests.
//!
//! *May import:* api, wire, runtime::handle, config::{error, spec}, logs::read. *Invariants:* every method is a row of
//! [`methods::METHODS`], and introspection is drawn from it. *Tested:* beside each file, and in `control::http`.

pub mod args;
pub mod methods;
pub mod multicall;
pub mod plan;
mod snapshot;

use std::sync::Arc;

use bytes::Bytes;

use self::args::Args;
use self::methods::{Access, Method, Weight};
use self::plan::Plan;
use self::snapshot::Snapshot;
use crate::api::{Fault, FaultCode, Request, SupervisorState};
use crate::control::client::Client;
use crate::logs::read::ANSWER_LIMIT;
use crate::runtime::handle::{Answer, Supervisor};
use crate::wire::xmlrpc::{Call, Value, encode_fault, encode_response};

/// What a client is told who may only look.
pub const READONLY: &str = "this server is read-only: its section of the configuration says readonly=true";

/// What clients can call.
#[derive(Debug, Clone)]
pub struct Interface {
    /// Whom the calls are for.
    pub supervisor: Supervisor,
    /// `[rpcinterface:supervisor]` is configured; without it there is only `system`.
    enabled: bool,
    snapshot: Arc<Snapshot>,
}

/// What is told to a client that has called.
#[derive(Debug)]
pub enum Told {
    /// A value that is still to be written.
    Value(Value),
    /// A document that others may get as well.
    Document(Bytes),
}

/// Bytes of a value with a name in it, and of the text that is made of it.
const LITTLE: usize = 1 << 10;
/// The same for all that is known of a process.
const A_PROCESS: usize = 12 << 10;

/// A log is in memory as bytes and as the text that is made of them, where a byte may become four.
fn read_weight(params: &[Value]) -> usize {
    let mut numbers =
        params.iter().rev().map(|param| if let Value::Int(number) = param { *number } else { 0 });
    let (length, offset) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let asked = if length > 0 { length.unsigned_abs() } else { offset.min(0).unsigned_abs() };
    let asked = if asked == 0 { ANSWER_LIMIT } else { asked.min(ANSWER_LIMIT) };
    usize::try_from(asked).unwrap_or(usize::MAX).saturating_mul(6).saturating_add(LITTLE)
}

impl Interface {
    /// The calls; `enabled`: `[rpcinterface:supervisor]` is configured, without which there is only `system`.
    #[must_use]
    pub fn new(supervisor: Supervisor, enabled: bool) -> Self {
        Self { supervisor, enabled, snapshot: Arc::default() }
    }

    /// The row of that name, if it can be called here.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Method> {
        Method::find(name).filter(|method| self.enabled || !method.name.starts_with("supervisor."))
    }

    /// Runs a call.
    ///
    /// # Errors
    /// The fault that the client is to see.
    pub async fn call(&self, client: &Client, call: Call) -> Result<Value, Fault> {
        plan::perform(self, client, self.plan(client, call)?).await
    }

    /// Runs a call whose answer is a document of its own.
    ///
    /// # Errors
    /// The fault that the client is to see.
    pub async fn tell(&self, client: &Client, call: Call) -> Result<Told, Fault> {
        match self.plan(client, call)? {
            Plan::Ask(Request::Infos, _) => {
                // The version first: what is told may be newer than it says, and never older.
                let (version, now) = (self.supervisor.version(), self.supervisor.now());
                let origin = plan::origin(client, None);
                let infos = self.supervisor.call_from(&client.asker, origin, Request::Infos);
                self.snapshot.document(version, now, infos).await.map(Told::Document)
            }
            plan => plan::perform(self, client, plan).await.map(Told::Value),
        }
    }

    /// What a call comes to.
    fn plan(&self, client: &Client, call: Call) -> Result<Plan, Fault> {
        let method = self.find(&call.method).ok_or_else(|| Fault::bare(FaultCode::UnknownMethod))?;
        if !method.takes(call.params.len()) {
            return Err(Fault::bare(FaultCode::IncorrectParameters));
        }
        if !method.always && self.supervisor.state() != SupervisorState::Running {
            return Err(Fault::bare(FaultCode::ShutdownState));
        }
        if client.readonly && method.access == Access::Changes {
            return Err(Fault::new(FaultCode::Failed, READONLY));
        }
        (method.plan)(&mut Args::new(call.params))
    }

    /// Writes the answer to a call that was begun by the binary before us as a document.
    pub async fn answer_late(&self, connection: u64, answer: Answer, given: Option<String>) -> String {
        document(&plan::end(self, self.supervisor.answer_for(connection, answer).await, given))
    }

    /// Bytes that the answer to a call takes at most while it is made, as far as that can be known.
    #[must_use]
    pub fn weight(&self, call: &Call) -> usize {
        let method = self.find(&call.method);
        method.map_or(LITTLE, |method| match method.weight {
            Weight::Little => LITTLE,
            Weight::Log => read_weight(&call.params),
            Weight::Everything => self.supervisor.configs().len().saturating_mul(A_PROCESS),
            Weight::Calls => multicall::weight(self, &call.params),
        })
    }
}

/// The outcome of a call as a document.
fn document(outcome: &Result<Value, Fault>) -> String {
    match outcome {
        Ok(value) => encode_response(value),
        Err(fault) => encode_fault(fault.code.code(), &fault.to_string()),
    }
}

/// What a client is told as a document.
pub fn written(told: Result<Told, Fault>) -> Bytes {
    match told {
        Ok(Told::Document(document)) => document,
        Ok(Told::Value(value)) => encode_response(&value).into(),
        Err(fault) => document(&Err(fault)).into(),
    }
}
