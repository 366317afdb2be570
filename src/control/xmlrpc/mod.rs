//! XML-RPC: calls, looked up in one table and translated to requests.
//!
//! *May import:* api, wire, runtime::handle, config::{error, spec}, logs::read. *Invariants:* every method is a row of
//! [`methods::METHODS`], and introspection is drawn from it. *Tested:* beside each file, and in `control::http`.

pub mod args;
pub mod methods;
pub mod multicall;
pub mod plan;

use self::args::Args;
use self::methods::{Access, Method};
use crate::api::{Fault, FaultCode, SupervisorState};
use crate::control::client::Client;
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
    pub enabled: bool,
}

impl Interface {
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
        let plan = (method.plan)(&mut Args::new(call.params))?;
        plan::perform(self, client, plan).await
    }

    /// Runs a call, and writes its answer as a document.
    pub async fn answer(&self, client: &Client, call: Call) -> String {
        document(self.call(client, call).await)
    }

    /// Writes the answer to a call that was begun by the binary before us as a document.
    pub async fn answer_late(&self, connection: u64, answer: Answer, given: Option<String>) -> String {
        document(plan::end(self, self.supervisor.answer_for(connection, answer).await, given))
    }
}

fn document(outcome: Result<Value, Fault>) -> String {
    match outcome {
        Ok(value) => encode_response(&value),
        Err(fault) => encode_fault(fault.code.code(), &fault.to_string()),
    }
}
