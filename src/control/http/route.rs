//! The table of places: which handler answers which request.

use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::watch;

use super::ask::{Ask, pass_over};
use super::body::Body;
use super::gate::Gate;
use super::life::{Life, until};
use super::origin::{self, Names};
use super::room::{Rooms, Seat};
use super::tail::{self, Followers};
use super::{call, page};
use crate::api::{Asker, Surface, VERSION};
use crate::control::client::Client;
use crate::control::web::serve::{self, Web};
use crate::control::xmlrpc::Interface;

/// What a listener answers with.
#[derive(Debug)]
pub struct Site {
    /// Who may come in; `None`: whoever can connect.
    pub gate: Option<Gate>,
    /// By which names it is called.
    pub names: Names,
    /// How many connections it may have.
    pub places: usize,
    /// The connections, and the memory that they may take.
    pub rooms: Arc<Rooms>,
    /// Nothing may be changed through this listener.
    pub readonly: bool,
    /// XML-RPC, and the supervisor.
    pub interface: Interface,
    /// The pages.
    pub web: Arc<Web>,
    /// Clients that follow logs.
    pub followers: Followers,
    /// The server closes when the other end is dropped; streams have to end then.
    pub closing: watch::Receiver<()>,
}

impl Site {
    /// Tells streams when to end.
    #[must_use]
    pub fn ending(&self) -> Ending {
        Ending { closing: self.closing.clone(), hold: self.rooms.known.hold() }
    }
}

/// When streams have to end: the server closes, or another binary takes over.
#[derive(Debug, Clone)]
pub struct Ending {
    closing: watch::Receiver<()>,
    hold: watch::Receiver<bool>,
}

impl Ending {
    /// It is now.
    #[must_use]
    pub fn is_now(&self) -> bool {
        *self.hold.borrow() || self.closing.has_changed().unwrap_or(true)
    }

    /// Resolves when it is.
    pub async fn come(&mut self) {
        let Self { closing, hold } = self;
        tokio::select! {
            _ = closing.changed() => {}
            () = until(hold, true) => {}
        }
    }
}

/// What a handler comes to: an answer, or a status for which the error page is sent.
pub type Outcome = Result<Response<Body>, StatusCode>;

/// What answers a request.
pub type Handler = for<'a> fn(&'a Site, Ask) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A row of the table.
#[derive(Debug)]
pub struct Route {
    /// Where.
    place: Place,
    /// How it may be asked.
    methods: &'static [Method],
    /// The status for whoever asks otherwise.
    otherwise: StatusCode,
    handler: Handler,
}

/// What paths a row is for.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Every path that starts so.
    Below(&'static str),
    /// This one.
    At(&'static str),
}

impl Place {
    fn covers(self, path: &str) -> bool {
        match self {
            Self::Below(start) => path.starts_with(start),
            Self::At(place) => path == place,
        }
    }
}

macro_rules! routes {
    ($($methods:expr, $place:expr, $otherwise:ident => $handler:path;)*) => {
        /// The table: the first row that covers the path is asked.
        const ROUTES: &[Route] = &[$(Route {
            place: $place,
            methods: $methods,
            otherwise: StatusCode::$otherwise,
            handler: |site, ask| Box::pin($handler(site, ask)),
        }),*];
    };
}

routes! {
    &[Method::POST], Place::Below("/RPC2"), BAD_REQUEST => call::answer;
    &[Method::GET], Place::Below("/logtail"), BAD_REQUEST => tail::of_process;
    &[Method::GET], Place::Below("/mainlogtail"), BAD_REQUEST => tail::of_main_log;
    &[Method::GET, Method::HEAD, Method::POST], Place::At("/"), NOT_FOUND => serve::index;
    &[Method::GET, Method::HEAD, Method::POST], Place::At("/index.html"), NOT_FOUND => serve::index;
    &[Method::GET, Method::HEAD, Method::POST], Place::At("/tail.html"), NOT_FOUND => serve::tail;
    &[Method::GET, Method::HEAD], Place::At("/mainlog.html"), NOT_FOUND => serve::main_log;
    &[Method::GET], Place::At("/events"), NOT_FOUND => serve::events;
    &[Method::GET, Method::HEAD], Place::Below("/stylesheets/"), BAD_REQUEST => serve::asset;
    &[Method::GET, Method::HEAD], Place::Below("/scripts/"), BAD_REQUEST => serve::asset;
    &[Method::GET, Method::HEAD], Place::Below("/images/"), BAD_REQUEST => serve::asset;
    &[Method::GET, Method::HEAD, Method::POST], Place::At("/ok.html"), NOT_FOUND => page::ok;
}

/// Answers a request that came over a surface.
pub async fn answer(
    site: &Arc<Site>,
    request: Request<Incoming>,
    surface: Surface,
    life: Arc<Life>,
) -> Response<Body> {
    let mut response = route(site, request, surface, life).await.unwrap_or_else(page::error);
    if let Ok(name) = HeaderValue::from_str(&format!("supervisord/{VERSION}")) {
        response.headers_mut().insert(header::SERVER, name);
    }
    response
}

/// The name that was given with a password, or why nothing is done.
async fn admit(
    site: &Site,
    request: &Request<Incoming>,
    surface: Surface,
    life: &Arc<Life>,
) -> Result<Option<String>, Outcome> {
    let headers = request.headers();
    let user = match &site.gate {
        None => None,
        Some(gate) => {
            let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
            Some(gate.admit(given, surface, life).await.ok_or(Err(StatusCode::UNAUTHORIZED))?)
        }
    };
    let objection = match *request.method() {
        Method::GET | Method::HEAD => origin::stranger(&site.names, headers, false),
        _ => origin::objection(&site.names, headers),
    };
    if let Some(objection) = objection {
        return Err(Ok(page::explained(StatusCode::FORBIDDEN, objection)));
    }
    Ok(user)
}

async fn route(site: &Arc<Site>, request: Request<Incoming>, surface: Surface, life: Arc<Life>) -> Outcome {
    let user = match admit(site, &request, surface, &life).await {
        Ok(user) => user,
        Err(refusal) => {
            pass_over(request, &life).await;
            return refusal;
        }
    };
    let client = Client { asker: Asker { surface, user }, readonly: site.readonly, connection: None };
    let seat = Seat { life, rooms: Arc::clone(&site.rooms) };
    let ask = Ask::new(request, client, seat.clone());
    let found = ROUTES.iter().find(|route| route.place.covers(&ask.path)).ok_or(StatusCode::NOT_FOUND)?;
    if !found.methods.contains(&ask.method) {
        return Err(found.otherwise);
    }
    let call = seat.for_call().await?;
    let site = Arc::clone(site);
    // A task of its own: the work goes on when the client leaves, and so does the count of the room that it takes.
    let work = tokio::spawn(async move {
        let outcome = (found.handler)(&site, ask).await;
        drop(call);
        outcome
    });
    work.await.unwrap_or(Err(StatusCode::INTERNAL_SERVER_ERROR))
}
