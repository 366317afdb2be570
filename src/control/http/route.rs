//! Requests to answers.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::auth;
use super::guard::Busy;
use crate::api::VERSION;
use crate::config::spec::Credentials;
use crate::control::xmlrpc::Interface;
use crate::wire::xmlrpc::decode_call;

/// Bytes that the body of a request may have.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// How long the body of a request may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const INDEX: &str = "<!DOCTYPE html>\n<html><head><title>Supervisor Status</title></head>\n\
    <body><p>supervisord is running. The status page is yet to come; use <code>supervisorctl</code> until then.</p>\
    </body></html>\n";

/// What a listener answers with.
#[derive(Debug)]
pub struct Site {
    /// Who may come in; `None`: whoever can connect.
    pub auth: Option<Credentials>,
    /// XML-RPC.
    pub interface: Interface,
}

/// The body of an answer; the connection counts as busy as long as it is there.
#[derive(Debug)]
pub struct Answer {
    body: Full<Bytes>,
    _busy: Busy,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers a request.
pub async fn answer(site: &Site, request: Request<Incoming>, busy: Busy) -> Response<Answer> {
    let mut response = match route(site, request).await {
        Ok((kind, text)) => {
            let mut response = Response::new(Full::from(text));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        }
        Err(status) => error_page(status),
    };
    if let Ok(name) = HeaderValue::from_str(&format!("supervisord/{VERSION}")) {
        response.headers_mut().insert(header::SERVER, name);
    }
    response.map(|body| Answer { body, _busy: busy })
}

async fn route(site: &Site, request: Request<Incoming>) -> Result<(&'static str, String), StatusCode> {
    if let Some(credentials) = &site.auth {
        let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        if !auth::admits(credentials, given) {
            return Err(StatusCode::UNAUTHORIZED);
        }
    }
    let path = request.uri().path();
    if path.starts_with("/RPC2") {
        return call(site, request).await.map(|document| ("text/xml", document));
    }
    match path {
        "/" | "/index.html" if request.method() == Method::GET => {
            Ok(("text/html;charset=utf-8", INDEX.to_owned()))
        }
        "/ok.html" if request.method() == Method::GET => Ok(("text/plain", "OK".to_owned())),
        _ => Err(StatusCode::NOT_FOUND),
    }
}

async fn call(site: &Site, request: Request<Incoming>) -> Result<String, StatusCode> {
    if request.method() != Method::POST {
        return Err(StatusCode::BAD_REQUEST);
    }
    let length = request.headers().get(header::CONTENT_LENGTH).ok_or(StatusCode::LENGTH_REQUIRED)?;
    let length: u64 =
        length.to_str().ok().and_then(|text| text.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
    if usize::try_from(length).map_or(true, |length| length > BODY_LIMIT) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Err(_) => return Err(StatusCode::REQUEST_TIMEOUT),
        Ok(Err(_)) => return Err(StatusCode::BAD_REQUEST),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let call = decode_call(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    // A task of its own: the work goes on when the client leaves.
    let interface = site.interface.clone();
    let work = tokio::spawn(async move { interface.answer(call).await });
    work.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

fn error_page(status: StatusCode) -> Response<Full<Bytes>> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let page = format!(
        "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n\
         <p>Error code {}.\r\n<p>Message: {reason}.\r\n</body>\r\n",
        status.as_u16()
    );
    let mut response = Response::new(Full::from(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"default\""));
    }
    let unread = [StatusCode::UNAUTHORIZED, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
    if unread.contains(&status) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
