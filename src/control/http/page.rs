//! Answers made of text.

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::ask::Ask;
use super::body::Body;
use super::route::{Outcome, Site};

/// `/ok.html`
///
/// # Errors
/// None.
pub async fn ok(_: &Site, _: Ask) -> Outcome {
    Ok(of("text/plain", "OK"))
}

/// An answer with status 200.
#[must_use]
pub fn of(kind: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(content));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Supervisor's page for a status that is an error.
#[must_use]
pub fn error(status: StatusCode) -> Response<Body> {
    explained(status, status.canonical_reason().unwrap_or("Error"))
}

/// The same, with another text than usual.
#[must_use]
pub fn explained(status: StatusCode, reason: &str) -> Response<Body> {
    let page = format!(
        "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n\
         <p>Error code {}.\r\n<p>Message: {}.\r\n</body>\r\n",
        status.as_u16(),
        reason.trim_end_matches('.')
    );
    let mut response = of("text/html", page);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"default\""));
    }
    let unread = [StatusCode::UNAUTHORIZED, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
    if unread.contains(&status) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
