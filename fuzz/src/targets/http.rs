//! A whole server of HTTP: heads, bodies, passwords, paths, pages and calls, from the socket on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use supervisord::api::{Fault, FaultCode, Now, Reply, Request};
use supervisord::config::spec::{Credentials, Password};
use supervisord::control::http::gate::Gate;
use supervisord::control::http::origin::Names;
use supervisord::control::http::refusals::Refusals;
use supervisord::control::http::route::Site;
use supervisord::control::http::tail::Followers;
use supervisord::control::http::{Listener, serve};
use supervisord::control::web::serve::Web;
use supervisord::control::xmlrpc::Interface;
use supervisord::logs::plane::Drops;
use supervisord::runtime::handle::{About, Desk, Findings, Supervisor};
use supervisord::wire::xmlrpc::decode_response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

/// A server that has said nothing for so long waits for more.
const IDLE: Duration = Duration::from_millis(5);
/// Packets that an input is cut into at most.
const PACKETS: usize = 32;
/// What nobody may get into a page as it is (a word of the dictionary).
const MARK: &[u8] = b"<fuzz>";

/// Whatever is sent, every answer is one of HTTP, a call is answered by a document that can be read, nothing of the input is
/// markup in a page, and without the password there is no answer but a refusal.
pub fn run(bytes: &[u8]) {
    thread_local! {
        static SERVERS: Servers = Servers::start();
    }
    let (cut, bytes) = super::chunks(bytes);
    let cut = cut.max(bytes.len() / PACKETS + 1);
    SERVERS.with(|servers| {
        for answer in answers(&servers.ask(&servers.open, bytes, cut)) {
            answer.is_good();
        }
        for answer in answers(&servers.ask(&servers.shut, bytes, cut)) {
            assert!(answer.code >= 400, "{answer:?} without a password");
        }
    });
}

/// Two servers, one of them with a password.
struct Servers {
    runtime: Runtime,
    open: PathBuf,
    shut: PathBuf,
    _close: watch::Sender<()>,
    _dir: tempfile::TempDir,
}

impl Servers {
    fn start() -> Self {
        // As in a program of Rust, which libFuzzer's `main` does not make: to write to whoever has left is an error, and no end.
        let pipe: SigSet = [Signal::SIGPIPE].into_iter().collect();
        pipe.thread_block().expect("there is such a signal");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a loop can be had");
        let dir = tempfile::tempdir().expect("a directory can be made");
        let (open, shut) = (dir.path().join("open"), dir.path().join("shut"));
        let (close, closing) = watch::channel(());
        runtime.block_on(async {
            let password = Password::Plain("f3a81c05d6e94b7298".into());
            let gate = Gate::new(Credentials { username: "u".into(), password }, Refusals::new(|_| ()));
            for (path, gate) in [(&open, None), (&shut, Some(gate))] {
                let listener =
                    UnixListener::bind(path).and_then(UnixListener::into_std).expect("it can be bound");
                tokio::spawn(serve(Listener::Unix(listener), site(gate, closing.clone()), Vec::new()));
            }
        });
        Self { runtime, open, shut, _close: close, _dir: dir }
    }

    /// What is answered to these bytes until the server closes, or waits for more.
    fn ask(&self, path: &Path, bytes: &[u8], cut: usize) -> Vec<u8> {
        self.runtime.block_on(async {
            let mut socket = UnixStream::connect(path).await.expect("somebody listens");
            let mut answer = Vec::new();
            for packet in bytes.chunks(cut) {
                if socket.write_all(packet).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            while let Ok(Ok(1..)) = timeout(IDLE, socket.read_buf(&mut answer)).await {
                // A stream never ends by itself.
                if answer.windows(17).any(|window| window == b"text/event-stream") {
                    break;
                }
            }
            answer
        })
    }
}

fn site(gate: Option<Gate>, closing: watch::Receiver<()>) -> Site {
    let about = About { identifier: "me".into(), ..About::default() };
    let findings = watch::channel(Findings::default()).1;
    let (supervisor, side) = Supervisor::new(about, findings, Drops::default(), Now::default);
    tokio::spawn(desk(side));
    let web = Web::new(supervisor.clone()).expect("there are random numbers");
    let interface = Interface::new(supervisor, true);
    let followers = Followers::new(None);
    Site {
        gate,
        names: Names::none(),
        readonly: false,
        interface,
        web,
        places: 256,
        rooms: Arc::default(),
        followers,
        closing,
    }
}

/// Knows no process, and does whatever else it is told.
async fn desk(mut desk: Desk) {
    while let Some(call) = desk.calls.recv().await {
        let answer = match call.request {
            Request::Info(name) | Request::Details(name) => {
                Err(Fault::new(FaultCode::BadName, name.to_string()))
            }
            Request::Infos => Ok(Reply::Infos(Vec::new())),
            Request::AllDetails => Ok(Reply::AllDetails(Vec::new())),
            _ => Ok(Reply::Done),
        };
        let _ = call.answer.send(answer);
    }
}

/// An answer: its status, head and body.
#[derive(Debug)]
struct Answer<'a> {
    code: u16,
    kind: String,
    body: &'a [u8],
}

impl Answer<'_> {
    fn is_good(&self) {
        // 500 is what a handler that panics is answered by.
        assert!(self.code >= 200 && self.code != 500, "{self:?}");
        if self.code == 200 && self.kind.starts_with("text/xml") && !self.body.is_empty() {
            let document = decode_response(self.body);
            assert!(document.is_ok(), "{document:?} of {self:?}");
        }
        let is_page = self.kind.starts_with("text/html");
        assert!(!is_page || !self.body.windows(MARK.len()).any(|window| window == MARK), "{self:?}");
    }
}

/// The answers that came whole, up to the first that is a stream.
fn answers(mut bytes: &[u8]) -> Vec<Answer<'_>> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let head = match response.parse(bytes).expect("the server speaks HTTP") {
            httparse::Status::Complete(head) => head,
            httparse::Status::Partial => break,
        };
        let header = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| String::from_utf8_lossy(header.value).into_owned())
        };
        let Some(length) = header("content-length").and_then(|text| text.parse::<usize>().ok()) else {
            break;
        };
        let rest = &bytes[head..];
        // A request with HEAD is answered without a body, whose length is told all the same.
        let length = if rest.starts_with(b"HTTP/1.") { 0 } else { length };
        let Some(body) = rest.get(..length) else { break };
        let (code, kind) = (response.code.unwrap_or_default(), header("content-type").unwrap_or_default());
        answers.push(Answer { code, kind, body });
        bytes = &rest[length..];
    }
    answers
}
