//! `system.multicall`: calls strictly one after the other, answered by bare values and fault structs.

use super::Interface;
use crate::api::{Fault, FaultCode};
use crate::control::client::Client;
use crate::control::describe::structure;
use crate::wire::xmlrpc::{Call, Value};

/// Bytes that the results may have together.
const ANSWER_LIMIT: usize = 16 << 20;

const TOO_LARGE: &str = "the answers of this multicall are too large together: ask for less at a time";

/// What the answers to the calls take together.
pub fn weight(interface: &Interface, params: &[Value]) -> usize {
    let Some(Value::Array(calls)) = params.first() else { return 0 };
    let weights = calls.iter().map(|call| read(call).map_or(0, |call| interface.weight(&call)));
    calls.len().saturating_mul(super::LITTLE).saturating_add(weights.fold(0, usize::saturating_add))
}

/// Runs the calls. Those whose results would be too many together are run, and answered by a fault.
///
/// # Errors
/// INCORRECT_PARAMETERS when one of them is not a struct.
pub async fn run(interface: &Interface, client: &Client, calls: Vec<Value>) -> Result<Value, Fault> {
    if calls.iter().any(|call| !matches!(call, Value::Struct(_))) {
        return Err(Fault::bare(FaultCode::IncorrectParameters));
    }
    // An answer to one of them is not all that the client waits for.
    let client = &Client { connection: None, ..client.clone() };
    let mut results = Vec::with_capacity(calls.len());
    let mut size = 0_usize;
    for call in calls {
        let outcome = match read(&call) {
            Ok(call) => interface.call(client, call).await,
            Err(fault) => Err(fault),
        };
        let larger = size.saturating_add(outcome.as_ref().map_or(0, Value::size));
        let outcome = match outcome {
            Ok(_) if larger > ANSWER_LIMIT => Err(Fault::new(FaultCode::Failed, TOO_LARGE)),
            outcome => outcome,
        };
        if outcome.is_ok() {
            size = larger;
        }
        results.push(outcome.unwrap_or_else(|fault| {
            structure([
                ("faultCode", Value::Int(fault.code.code().into())),
                ("faultString", Value::string(fault.to_string())),
            ])
        }));
    }
    Ok(Value::Array(results))
}

fn read(call: &Value) -> Result<Call, Fault> {
    let incorrect = |why: &str| Fault::new(FaultCode::IncorrectParameters, why);
    let method =
        call.member("methodName").and_then(Value::as_str).ok_or_else(|| incorrect("No methodName"))?;
    if method == "system.multicall" {
        return Err(incorrect("Recursive system.multicall forbidden"));
    }
    let params = match call.member("params") {
        None => Vec::new(),
        Some(Value::Array(params)) => params.clone(),
        Some(_) => return Err(Fault::bare(FaultCode::IncorrectParameters)),
    };
    Ok(Call { method: method.to_owned(), params })
}
