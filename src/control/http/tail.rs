//! `/logtail` and `/mainlogtail`: the end of a log, and then whatever is added to it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::ask::Ask;
use super::body::{Feed, Left, streamed};
use super::route::{Ending, Outcome, Site};
use crate::api::{ProcessName, Reply, Request, Target};
use crate::control::web::form::Form;
use crate::logs::read::follow::{Begin, Step, Tail, Watch, Watcher};

/// Bytes before the end with which a follower begins.
const HEAD: u64 = 1024;
/// Followers that a listener has at a time.
const PLACES: usize = 64;
/// After news, how long to wait for more of it.
const GATHER: Duration = Duration::from_millis(20);
/// Between two looks where the kernel does not tell: at what is not there, or when it has no watches left.
const INTERVAL: Duration = Duration::from_millis(500);

/// What the followers of a listener's clients need.
#[derive(Debug)]
pub struct Followers {
    watcher: Option<Arc<Watcher>>,
    places: Arc<Semaphore>,
}

impl Followers {
    /// None yet.
    #[must_use]
    pub fn new(watcher: Option<Arc<Watcher>>) -> Self {
        Self { watcher, places: Arc::new(Semaphore::new(PLACES)) }
    }
}

/// `/logtail/NAMESPEC[/CHANNEL]`
///
/// # Errors
/// 404 when there is no such process, channel or log, 503 when there are too many followers.
pub async fn of_process(site: &Site, ask: Ask) -> Outcome {
    let (name, channel) = named(&ask.path).ok_or(StatusCode::NOT_FOUND)?;
    let reply = site.interface.supervisor.call(&ask.client.asker, Request::Info(name)).await;
    let Ok(Reply::Info(info)) = reply else { return Err(StatusCode::NOT_FOUND) };
    let path = match channel {
        "stdout" => info.stdout_logfile,
        "stderr" => info.stderr_logfile,
        _ => None,
    };
    follow(site, path, begin(&ask.query)).await
}

/// `/mainlogtail`
///
/// # Errors
/// 404 when there is no such file, 503 when there are too many followers.
pub async fn of_main_log(site: &Site, ask: Ask) -> Outcome {
    follow(site, site.interface.supervisor.about().logfile.clone(), begin(&ask.query)).await
}

/// The process and the channel that a path names.
fn named(path: &str) -> Option<(ProcessName, &str)> {
    let (_, rest) = path.trim_start_matches('/').split_once('/')?;
    let (namespec, channel) = rest.split_once('/').unwrap_or((rest, "stdout"));
    match Target::from_namespec(namespec) {
        Target::Process(name) => Some((name, channel)),
        Target::Group(_) | Target::All => None,
    }
}

/// `from=` is an offset in the file: where the page ends that goes on with this.
fn begin(query: &str) -> Begin {
    let form = Form::read(query, b"");
    let offset = form.get("from").and_then(|text| text.parse().ok());
    offset.map_or(Begin::BeforeEnd(HEAD), Begin::At)
}

async fn follow(site: &Site, path: Option<impl AsRef<Path> + Send + 'static>, begin: Begin) -> Outcome {
    let path = path.ok_or(StatusCode::NOT_FOUND)?;
    let followers = &site.followers;
    let place = Arc::clone(&followers.places).try_acquire_owned();
    let place = place.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let opened = blocking(move || {
        let tail = Tail::open(path.as_ref(), begin)?;
        let modified = tail.modified()?;
        Ok((tail, modified))
    });
    let (tail, modified) = opened.await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })?;
    let (feed, body) = streamed();
    let (watcher, ending) = (followers.watcher.clone(), site.ending());
    tokio::spawn(async move {
        tokio::select! {
            _ = Follower { watcher, feed: &feed, ending }.run(tail) => {}
            () = feed.left() => {}
        }
        drop(place);
    });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let modified = Timestamp::try_from(modified).ok();
    let modified = modified.and_then(|at| DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok());
    if let Some(modified) = modified.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(header::LAST_MODIFIED, modified);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=utf-8"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

struct Follower<'a> {
    watcher: Option<Arc<Watcher>>,
    feed: &'a Feed,
    ending: Ending,
}

impl Follower<'_> {
    /// Sends what is there and what comes, until the client leaves, the log cannot be read or the server closes.
    async fn run(mut self, mut tail: Tail) -> Result<(), Left> {
        let mut watch = self.watch(&tail);
        while !self.ending.is_now() {
            let looked = blocking(move || {
                let step = tail.step()?;
                Ok((tail, step))
            });
            let Ok((again, step)) = looked.await else { return Ok(()) };
            tail = again;
            match step {
                Step::Data(bytes) => self.feed.send(bytes).await?,
                Step::Truncated => self.feed.send("==> File truncated <==\n").await?,
                Step::Replaced => watch = self.watch(&tail),
                Step::Quiet | Step::Missing => {
                    let told = watch.as_ref().filter(|_| step == Step::Quiet);
                    tokio::select! {
                        () = news(told) => {}
                        () = self.ending.come() => return Ok(()),
                    }
                }
            }
        }
        Ok(())
    }

    fn watch(&self, tail: &Tail) -> Option<Watch> {
        self.watcher.as_ref()?.watch(tail).ok()
    }
}

async fn news(watch: Option<&Watch>) {
    match watch {
        Some(watch) => {
            watch.changed().await;
            sleep(GATHER).await;
        }
        None => sleep(INTERVAL).await,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_tells_where_to_begin() {
        assert_eq!(begin("from=7"), Begin::At(7));
        for query in ["", "from=", "from=-1", "from=x", "x=1"] {
            assert_eq!(begin(query), Begin::BeforeEnd(HEAD), "{query}");
        }
    }

    #[test]
    fn paths_name_a_process_and_a_channel() {
        let name = ProcessName::new;
        for (path, expected) in [
            ("/logtail/x", Some((name("x", "x"), "stdout"))),
            ("//logtail/g:x/stderr", Some((name("g", "x"), "stderr"))),
            ("/logtailed/x/", Some((name("x", "x"), ""))),
            ("/logtail/x/stdout/", Some((name("x", "x"), "stdout/"))),
            ("/logtail/g:*", None),
            ("/logtail", None),
        ] {
            assert_eq!(named(path), expected, "{path}");
        }
    }
}
