//! A request, as handlers see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;

use super::life::Life;
use super::room::{Part, Seat};
use crate::control::client::Client;

/// Bytes that the body of a request may have.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// How long the body of a request may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a body that are read though nobody wants them.
const PASSED_OVER: usize = 64 * 1024;
/// How long that may take.
const PASSING: Duration = Duration::from_secs(1);

/// A request.
#[derive(Debug)]
pub struct Ask {
    /// Who asks.
    pub client: Client,
    /// GET, POST …
    pub method: Method,
    /// The path, decoded.
    pub path: String,
    /// What follows the question mark, as it was sent.
    pub query: String,
    /// The head.
    pub headers: HeaderMap,
    body: Incoming,
    /// The connection, and the room that it has.
    pub seat: Seat,
}

impl Ask {
    /// Takes a request apart.
    #[must_use]
    pub fn new(request: Request<Incoming>, client: Client, seat: Seat) -> Self {
        let (head, body) = request.into_parts();
        Self {
            client,
            method: head.method,
            path: percent_decoded(head.uri.path()),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            seat,
        }
    }

    /// A header that is readable text.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads the body, which must say how long it is and come in time. Its part of the room is for what is made of it as well.
    ///
    /// # Errors
    /// 411, 400, 413, 503 or 408.
    pub async fn body(self, limit: usize) -> Result<(Bytes, Part), StatusCode> {
        let length = self.headers.get(header::CONTENT_LENGTH).ok_or(StatusCode::LENGTH_REQUIRED)?;
        let length: u64 = text(length).and_then(|text| text.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= limit);
        let part = self.seat.for_request(length.ok_or(StatusCode::PAYLOAD_TOO_LARGE)?).await?;
        let _reading = self.seat.life.reading();
        let body = Limited::new(self.body, limit).collect();
        match timeout(BODY_TIMEOUT, body).await {
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
            Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
            Ok(Ok(body)) => Ok((body.to_bytes(), part)),
        }
    }
}

/// Reads and drops the body of a request that is refused, if it is short and comes at once: a client that sends it after the
/// head would find the connection closed, and not the reason.
pub async fn pass_over(request: Request<Incoming>, life: &Arc<Life>) {
    // Who waits to be asked for it need not send it.
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let _reading = life.reading();
    let mut body = request.into_body();
    let read = async {
        let mut left = PASSED_OVER;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    let _ = timeout(PASSING, read).await;
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// Decodes `%41`; what is no such triple stays, and what is no UTF-8 is replaced (as Python's `unquote` does).
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high * 16 + low);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_as_python_does() {
        for (given, decoded) in [
            ("/logtail/a%3Ab", "/logtail/a:b"),
            ("/%C3%A9%ff", "/é\u{fffd}"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%+1", "/%zz%+1"),
            ("/a%2fb%00", "/a/b\0"),
        ] {
            assert_eq!(percent_decoded(given), decoded);
        }
    }
}
