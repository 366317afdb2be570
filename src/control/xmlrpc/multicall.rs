//! `system.multicall`: calls strictly one after the other, answered by bare values and fault structs.

use super::Interface;
use crate::api::{Fault, FaultCode};
use crate::control::client::Client;
use crate::control::describe::structure;
use crate::wire::xmlrpc::{Call, Value};

/// Runs the calls.
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
    for call in calls {
        let outcome = match read(&call) {
            Ok(call) => interface.call(client, call).await,
            Err(fault) => Err(fault),
        };
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
