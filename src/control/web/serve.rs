//! Requests for pages to answers.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::action::{self, Action};
use super::assets::Asset;
use super::confirm;
use super::form::Form;
use super::html::{Around, quote};
use super::live::{self, Live, Watcher};
use super::program::{self, Log, Output};
use super::status::{self, Filter, Oddity};
use super::token::Token;
use super::view::Row;
use crate::api::{Fault, FaultCode, ProcessDetails, Reply, Request, Target};
use crate::control::client::Client;
use crate::control::http::ask::Ask;
use crate::control::http::body::{Body, Feed, streamed};
use crate::control::http::page::of;
use crate::control::http::room::Seat;
use crate::control::http::route::{Ending, Outcome, Site};
use crate::logs::read;
use crate::runtime::handle::Supervisor;

/// Bytes that a form may have.
const FORM_LIMIT: usize = 64 * 1024;
/// Bytes that a process takes while the page is made.
const A_PROCESS: usize = 8 * 1024;
/// How long nothing may be said on a stream of events: proxies and browsers give up on what is silent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a page may take to read what it is sent.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// Only our own script and sheet; no page of others may show ours in a frame, and no form of ours goes elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const STALE: &str = "ERROR: nothing was done, because the form is from before supervisord was started";

/// What the pages of all listeners share.
#[derive(Debug)]
pub struct Web {
    supervisor: Supervisor,
    token: Token,
    live: Arc<Live>,
}

impl Web {
    /// The pages of this start of the daemon.
    ///
    /// # Errors
    /// When the kernel has no random bytes.
    pub fn new(supervisor: Supervisor) -> io::Result<Arc<Self>> {
        let token = Token::new()?;
        let live = Live::new(supervisor.clone(), token.boot());
        Ok(Arc::new(Self { supervisor, token, live }))
    }

    fn around(&self, client: &Client, message: Option<&str>) -> Around {
        let about = self.supervisor.about();
        Around {
            identifier: about.identifier.clone(),
            pid: about.pid,
            state: self.supervisor.state(),
            boot: self.token.boot(),
            token: (!client.readonly).then(|| self.token.text().to_owned()),
            now: live::seconds(self.supervisor.now()),
            message: message.map(str::to_owned),
        }
    }

    /// The end of a log, read beside the loop.
    async fn tail(
        &self,
        path: Option<impl AsRef<Path> + Send + 'static>,
        limit: u64,
    ) -> Result<read::Tail, Fault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        blocking(move || {
            let path = path.as_ref().map(AsRef::as_ref);
            // Why there is nothing to be read; `tail` itself finds nothing wrong.
            read::read(path, 0, 1)?;
            Ok(read::tail(path, 0, limit))
        })
        .await?
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::bare(FaultCode::Failed))
}

/// `/`, `/index.html`: the processes; with `action=` something is done, or asked first.
///
/// # Errors
/// Those of a request that cannot be read; 400 for an action that does not exist; 403 where nothing may be changed; 503 when
/// there is no room for the page.
pub async fn index(site: &Site, ask: Ask) -> Outcome {
    let (posted, client) = (ask.method == Method::POST, ask.client.clone());
    let as_json = ask.header(&header::ACCEPT).is_some_and(|kinds| kinds.contains("application/json"));
    let query = ask.query.clone();
    let seat = ask.seat.clone();
    let form = form(ask, &query).await?;
    let web = &site.web;
    match Action::read(&form).map_err(|_| StatusCode::BAD_REQUEST)? {
        None => programs(site, &seat, &client, &form).await,
        Some(Action::Refresh) => Ok(act(web, &client, Action::Refresh, &form, as_json).await),
        Some(_) if client.readonly => Err(StatusCode::FORBIDDEN),
        Some(action) if !posted => Ok(html(confirm::page(&web.around(&client, None), &action))),
        Some(_) if !web.token.is(form.get("token").unwrap_or_default()) && as_json => {
            Ok(with_status(StatusCode::FORBIDDEN, told(false, STALE)))
        }
        Some(action) if !web.token.is(form.get("token").unwrap_or_default()) => {
            let page = confirm::page(&web.around(&client, Some(STALE)), &action);
            Ok(with_status(StatusCode::FORBIDDEN, html(page)))
        }
        Some(action) => Ok(act(web, &client, action, &form, as_json).await),
    }
}

async fn act(web: &Arc<Web>, client: &Client, action: Action, form: &Form, as_json: bool) -> Response<Body> {
    let whom = if let Action::Named(_, name) = &action { Some(name.clone()) } else { None };
    let outcome = action::perform(&web.supervisor, &client.asker, action).await;
    if as_json {
        return told(outcome.ok, &outcome.message);
    }
    let message = quote(&outcome.message);
    let place = match (form.get("page"), whom) {
        (Some("tail"), Some(name)) => format!("tail.html?processname={}&message={message}", quote(&name)),
        _ => format!("./?message={message}"),
    };
    let mut response = with_status(StatusCode::SEE_OTHER, html(String::new()));
    insert(&mut response, header::LOCATION, &place);
    response
}

/// The fields of a request, whose body is read if it is a POST.
async fn form(ask: Ask, query: &str) -> Result<Form, StatusCode> {
    if ask.method != Method::POST {
        return Ok(Form::read(query, b""));
    }
    let (body, _part) = ask.body(FORM_LIMIT).await?;
    Ok(Form::read(query, &body))
}

async fn programs(site: &Site, seat: &Seat, client: &Client, form: &Form) -> Outcome {
    let web = &site.web;
    let part = seat.for_answer(web.supervisor.configs().len().saturating_mul(A_PROCESS)).await?;
    let all = match web.supervisor.call(&client.asker, Request::AllDetails).await {
        Ok(Reply::AllDetails(all)) => all,
        _ => return Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    let rows = live::rows(&all, web.supervisor.now(), &web.live.rates());
    let filter = Filter::new(form.get("q"), form.get("show"));
    let around = web.around(client, form.get("message"));
    let oddities = oddities(&web.supervisor);
    let page = site.rooms.beside(move || status::page(&around, &rows, &filter, &oddities)).await?;
    Ok(html(seat.hold(part, page).await?))
}

fn oddities(supervisor: &Supervisor) -> Vec<Oddity> {
    let findings = supervisor.findings();
    let told = findings.iter().map(|found| Oddity {
        place: match found.line {
            Some(line) => format!("{}:{line}", found.file.display()),
            None => found.file.display().to_string(),
        },
        problem: found.problem.clone(),
        help: found.help.clone().unwrap_or_default(),
    });
    told.collect()
}

/// `/tail.html`: a process and its log.
///
/// # Errors
/// Those of a request that cannot be read.
pub async fn tail(site: &Site, ask: Ask) -> Outcome {
    let (web, client, query) = (&site.web, ask.client.clone(), ask.query.clone());
    let seat = ask.seat.clone();
    let form = form(ask, &query).await?;
    let around = web.around(&client, form.get("message"));
    let Some(name) = form.get("processname") else {
        let title = program::title("None");
        return Ok(html(program::missing(&around, &title, "No process name found")));
    };
    let details = match details(web, &client, name).await {
        Ok(details) => details,
        Err(fault) => {
            let text = format!("ERROR: unexpected rpc fault [{}] {fault}", fault.code.code());
            return Ok(html(program::missing(&around, &program::title(name), &text)));
        }
    };
    let output = match form.get("channel") {
        Some("stderr") => Output::Stderr,
        _ => Output::Stdout,
    };
    let limit = program::limit(form.get("limit"));
    let part = seat.for_answer(weight(limit)).await?;
    let log = log_of(web, &details, output, limit).await;
    let row = Row::new(&details, web.supervisor.now(), &web.live.rates());
    let page = site.rooms.beside(move || program::page(&around, &details, &row, output, &log)).await?;
    Ok(html(seat.hold(part, page).await?))
}

/// Bytes that a page with so much of a log takes while it is made: a byte may become six.
fn weight(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_mul(12)
}

async fn details(web: &Web, client: &Client, name: &str) -> Result<ProcessDetails, Fault> {
    let bad = || Fault::new(FaultCode::BadName, name);
    let Target::Process(process) = Target::from_namespec(name) else { return Err(bad()) };
    match web.supervisor.call(&client.asker, Request::Details(process)).await {
        Ok(Reply::Details(details)) => Ok(*details),
        Err(fault) if fault.code != FaultCode::BadName => Err(fault),
        _ => Err(bad()),
    }
}

async fn log_of(web: &Web, details: &ProcessDetails, output: Output, limit: u64) -> Log {
    let info = &details.info;
    let name = info.name.to_string();
    let paths = [info.stdout_logfile.clone(), info.stderr_logfile.clone()];
    let (path, channel) = match output {
        Output::Stdout => (paths[0].clone(), ""),
        Output::Stderr => (paths[1].clone(), "/stderr"),
    };
    let size =
        |path: Option<Arc<Path>>| path.and_then(|path| std::fs::metadata(path).ok()).map(|found| found.len());
    let sizes = blocking(move || paths.map(size)).await.unwrap_or_default();
    let tail = web.tail(path, limit).await.map_err(|fault| match fault.code {
        FaultCode::NoFile => format!("No file for {name}"),
        code => format!("ERROR: unexpected rpc fault [{}] {fault}", code.code()),
    });
    Log {
        label: format!("{} of {name}", output.word()),
        page: program::address(&name, output),
        limit,
        tail,
        stream: format!("logtail/{}{channel}", quote(&name)),
        sizes,
    }
}

/// `/mainlog.html`
///
/// # Errors
/// 503 when there is no room for the page.
pub async fn main_log(site: &Site, ask: Ask) -> Outcome {
    let web = &site.web;
    let form = Form::read(&ask.query, b"");
    let (seat, limit) = (ask.seat, program::limit(form.get("limit")));
    let part = seat.for_answer(weight(limit)).await?;
    let logfile = web.supervisor.about().logfile.clone();
    let shown = logfile.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let tail = web.tail(logfile, limit).await.map_err(|fault| match fault.code {
        FaultCode::NoFile => "The main log is not a file, or is not there".to_owned(),
        code => format!("ERROR: unexpected rpc fault [{}] {fault}", code.code()),
    });
    let log = Log {
        label: "main log".into(),
        page: "mainlog.html".into(),
        limit,
        tail,
        stream: "mainlogtail".into(),
        sizes: [None; 2],
    };
    let around = web.around(&ask.client, None);
    let page = site.rooms.beside(move || program::main_log(&around, &shown, &log)).await?;
    Ok(html(seat.hold(part, page).await?))
}

/// `/events`: everything, and then what changes, as server-sent events.
///
/// # Errors
/// 503 when too many watch.
pub async fn events(site: &Site, ask: Ask) -> Outcome {
    let watcher = site.web.live.watch(&ask.client.asker).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    let (feed, body) = streamed();
    tokio::spawn(follow(watcher, feed, site.ending()));
    let mut response = Response::new(body);
    insert(&mut response, header::CONTENT_TYPE, "text/event-stream");
    insert(&mut response, header::CACHE_CONTROL, "no-cache");
    insert(&mut response, HeaderName::from_static("x-accel-buffering"), "no");
    Ok(response)
}

async fn follow(mut watcher: Watcher, feed: Feed, mut ending: Ending) {
    loop {
        let message = tokio::select! {
            message = watcher.next() => message,
            () = sleep(HEARTBEAT) => Some(":\n\n".into()),
            () = feed.left() => return,
            () = ending.come() => return,
        };
        let Some(message) = message else { return };
        if !matches!(timeout(READ_LIMIT, feed.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// The sheet, the scripts and the icon.
///
/// # Errors
/// 404 for what is not there.
pub async fn asset(_: &Site, ask: Ask) -> Outcome {
    let asset = Asset::at(&ask.path).ok_or(StatusCode::NOT_FOUND)?;
    let mut response = of(asset.kind, asset.content);
    if ask.header(&header::IF_NONE_MATCH).is_some_and(|given| asset.is_known(given)) {
        response = with_status(StatusCode::NOT_MODIFIED, Response::new(Body::from("")));
    }
    insert(&mut response, header::ETAG, &asset.tag());
    insert(&mut response, header::CACHE_CONTROL, "no-cache");
    insert(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    Ok(response)
}

fn html(page: impl Into<Bytes>) -> Response<Body> {
    let mut response = of("text/html;charset=utf-8", page);
    for (name, value) in [
        (header::PRAGMA, "no-cache"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: forms would no longer say where they come from.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        insert(&mut response, name, value);
    }
    response
}

fn told(ok: bool, message: &str) -> Response<Body> {
    let mut response = of("application/json", json!({ "ok": ok, "message": message }).to_string());
    insert(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

fn with_status(status: StatusCode, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = status;
    response
}

fn insert(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // What is quoted or ours can stand in a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
