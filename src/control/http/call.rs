//! `/RPC2`: a call of XML-RPC.

use hyper::StatusCode;

use super::ask::{Ask, BODY_LIMIT};
use super::page;
use super::route::{Outcome, Site};
use crate::control::client::Client;
use crate::control::xmlrpc::{Told, written};
use crate::wire::xmlrpc::decode_call;

/// What takes no longer to read or to write than this many bytes is done in the loop.
const QUICK: usize = 64 << 10;

/// Runs the call in the body.
///
/// # Errors
/// Those of reading it, 400 when it is no call, and 503 when there is no room for the answer.
pub async fn answer(site: &Site, ask: Ask) -> Outcome {
    let seat = ask.seat.clone();
    let client = Client { connection: Some(seat.life.id), ..ask.client.clone() };
    let (body, request) = ask.body(BODY_LIMIT).await?;
    let call = match body.len() {
        ..=QUICK => decode_call(&body),
        _ => site.rooms.beside(move || decode_call(&body)).await?,
    };
    let call = call.map_err(|_| StatusCode::BAD_REQUEST)?;
    let weight = site.interface.weight(&call);
    let part = seat.for_answer(weight).await?;
    let told = site.interface.tell(&client, call).await;
    drop(request);
    let document = match told {
        Ok(Told::Value(_)) if weight > QUICK => site.rooms.beside(move || written(told)).await?,
        told => written(told),
    };
    Ok(page::of("text/xml", seat.hold(part, document).await?))
}
