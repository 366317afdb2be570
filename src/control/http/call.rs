//! `/RPC2`: a call of XML-RPC.

use hyper::StatusCode;

use super::ask::{Ask, BODY_LIMIT};
use super::page;
use super::route::{Outcome, Site};
use crate::control::client::Client;
use crate::wire::xmlrpc::decode_call;

/// Runs the call in the body.
///
/// # Errors
/// Those of reading it, and 400 when it is no call.
pub async fn answer(site: &Site, ask: Ask) -> Outcome {
    let client = Client { connection: Some(ask.life.id), ..ask.client.clone() };
    let body = ask.body(BODY_LIMIT).await?;
    let call = decode_call(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    drop(body);
    // A task of its own: the work goes on when the client leaves.
    let interface = site.interface.clone();
    let work = tokio::spawn(async move { interface.answer(&client, call).await });
    let document = work.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(page::of("text/xml", document))
}
