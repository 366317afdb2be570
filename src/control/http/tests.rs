//! A server, driven with raw bytes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use super::gate::Gate;
use super::guard::Limits;
use super::origin::Names;
use super::refusals::Refusals;
use super::room::{Rooms, Seat};
use super::route::Site;
use super::tail::Followers;
use super::{CONNECTION_LIMIT, Listener, places, serve_within};
use crate::api::{Fault, FaultCode, Now, Reply, Request, SupervisorState, Surface};
use crate::config::spec::{Credentials, Password};
use crate::control::web::serve::Web;
use crate::control::xmlrpc::Interface;
use crate::logs::plane::Drops;
use crate::runtime::handle::{About, Arrived, Desk, Findings, Standing, Supervisor};
use crate::wire::xmlrpc::{Call, Value, decode_response, encode_call};

const HEAD_TIMEOUT: Duration = Duration::from_millis(300);
const LIMITS: Limits = Limits { head: HEAD_TIMEOUT, stall: HEAD_TIMEOUT };

/// A desk that knows no process, and does whatever else it is told.
async fn desk(mut desk: Desk, shutting_down: bool) {
    if shutting_down {
        desk.show(Standing { state: SupervisorState::Shutdown, ..Standing::default() });
    }
    while let Some(call) = desk.calls.recv().await {
        let answer = match call.request {
            Request::Info(name) => Err(Fault::new(FaultCode::BadName, name.to_string())),
            Request::Infos => Ok(Reply::Infos(vec![])),
            Request::AllDetails => Ok(Reply::AllDetails(vec![])),
            _ => Ok(Reply::Done),
        };
        let _ = call.answer.send(answer);
    }
}

struct Server {
    path: PathBuf,
    rooms: Arc<Rooms>,
    _dir: tempfile::TempDir,
    _close: watch::Sender<()>,
}

async fn start(auth: Option<Credentials>, enabled: bool, shutting_down: bool) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = Listener::Unix(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (close, closing) = watch::channel(());
    let site = Site { closing, ..site(auth, enabled, shutting_down, None) };
    let rooms = Arc::clone(&site.rooms);
    tokio::spawn(serve_within(listener, site, Vec::new(), LIMITS));
    Server { path, rooms, _dir: dir, _close: close }
}

fn site(auth: Option<Credentials>, enabled: bool, shutting_down: bool, logfile: Option<PathBuf>) -> Site {
    let about =
        About { identifier: "me".into(), pid: 7, logfile, journal: false, configuration: "/c".into() };
    let (supervisor, side) =
        Supervisor::new(about, watch::channel(Findings::default()).1, Drops::default(), Now::default);
    tokio::spawn(desk(side, shutting_down));
    let followers = Followers::new(None);
    let closing = watch::channel(()).1;
    let web = Web::new(supervisor.clone()).unwrap();
    Site {
        gate: auth.map(|auth| Gate::new(auth, Refusals::new(|_| ()))),
        names: Names::none(),
        places: CONNECTION_LIMIT,
        rooms: Arc::default(),
        readonly: false,
        interface: Interface::new(supervisor, enabled),
        web,
        followers,
        closing,
    }
}

fn post(body: &str) -> String {
    format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Sends bytes, and reads one answer: its status, head and body.
async fn ask(socket: &mut UnixStream, bytes: &str) -> (u16, String, String) {
    socket.write_all(bytes.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return (text[9..12].parse().unwrap(), head.to_owned(), body.to_owned());
            }
        }
        assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0, "{text}");
    }
}

async fn once(path: &Path, bytes: &str) -> (u16, String, String) {
    ask(&mut UnixStream::connect(path).await.unwrap(), bytes).await
}

async fn rpc(path: &Path, method: &str, params: Vec<Value>) -> Result<Value, (i64, String)> {
    let document = encode_call(&Call { method: method.into(), params });
    let (status, head, body) = once(path, &post(&document)).await;
    assert_eq!(status, 200);
    assert!(head.contains("text/xml"), "{head}");
    decode_response(body.as_bytes()).unwrap()
}

#[tokio::test]
async fn calls_are_answered_and_faults_are_supervisors() {
    let server = start(None, true, false).await;
    let path = &server.path;
    assert_eq!(rpc(path, "supervisor.getPID", vec![]).await, Ok(Value::Int(7)));
    assert_eq!(rpc(path, "supervisor.stopProcess", vec![Value::string("a")]).await, Ok(Value::Bool(true)));
    for (method, params, code, text) in [
        ("supervisor.nope", vec![], 1, "UNKNOWN_METHOD"),
        ("supervisor.getPID", vec![Value::Int(1)], 2, "INCORRECT_PARAMETERS"),
        ("supervisor.getProcessInfo", vec![Value::string("a:*")], 10, "BAD_NAME: a:*"),
        ("supervisor.getProcessInfo", vec![Value::string("a:a")], 10, "BAD_NAME: a:a"),
        ("supervisor.signalProcess", vec![Value::string("a"), Value::string("X")], 10, "BAD_NAME: a"),
        ("supervisor.readLog", vec![Value::Int(0), Value::Int(0)], 20, "NO_FILE: syslog"),
        ("system.methodHelp", vec![Value::string("x")], 4, "SIGNATURE_UNSUPPORTED"),
    ] {
        assert_eq!(rpc(path, method, params).await, Err((code, text.into())), "{method}");
    }
    let call = |name: &str| Value::Struct(vec![("methodName".into(), Value::string(name))]);
    let calls = vec![call("supervisor.getPID"), call("system.multicall"), call("supervisor.getAPIVersion")];
    let Ok(Value::Array(results)) = rpc(path, "system.multicall", vec![Value::Array(calls)]).await else {
        panic!()
    };
    assert_eq!((&results[0], &results[2]), (&Value::Int(7), &Value::string("3.0")));
    let text = "INCORRECT_PARAMETERS: Recursive system.multicall forbidden";
    assert_eq!(results[1].member("faultString"), Some(&Value::string(text)));
}

#[tokio::test]
async fn a_connection_is_kept_while_it_is_idle_and_closed_when_a_head_is_late() {
    let server = start(None, true, false).await;
    let mut kept = UnixStream::connect(&server.path).await.unwrap();
    let call = post(&encode_call(&Call { method: "system.listMethods".into(), params: vec![] }));
    assert_eq!(ask(&mut kept, &call).await.0, 200);
    tokio::time::sleep(HEAD_TIMEOUT * 3).await;
    assert_eq!(ask(&mut kept, &call).await.0, 200);
    for half in ["", "POST /RPC2 HT"] {
        let mut late = UnixStream::connect(&server.path).await.unwrap();
        late.write_all(half.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(HEAD_TIMEOUT * 5, late.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{half:?}");
    }
    kept.write_all(b"POST /RP").await.unwrap();
    assert!(tokio::time::timeout(HEAD_TIMEOUT * 5, kept.read_u8()).await.unwrap().is_err());
}

#[tokio::test]
async fn bad_requests_are_told_so() {
    let server = start(None, true, false).await;
    for (status, bytes) in [
        (400, post("<nope")),
        (400, post("<m/>")),
        (400, post("")),
        (400, "GET /RPC2 HTTP/1.1\r\n\r\n".to_owned()),
        (411, "POST /RPC2 HTTP/1.1\r\n\r\n".to_owned()),
        (413, "POST /RPC2 HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n".to_owned()),
        (404, "GET /logtail/x HTTP/1.1\r\n\r\n".to_owned()),
        (200, "GET / HTTP/1.0\r\n\r\n".to_owned()),
        (431, format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000))),
    ] {
        assert_eq!(once(&server.path, &bytes).await.0, status, "{}", &bytes[..bytes.len().min(80)]);
    }
    let (_, _, page) = once(&server.path, &post("<nope")).await;
    assert_eq!(page.len(), 136);
}

#[tokio::test]
async fn passwords_are_asked_for() {
    let auth = Credentials { username: "a".into(), password: Password::Plain("b".into()) };
    let server = start(Some(auth), true, false).await;
    let (status, head, _) = once(&server.path, "GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(status, 401);
    assert!(head.contains("Basic realm=\"default\""), "{head}");
    assert_eq!(once(&server.path, "GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n").await.0, 200);
}

#[tokio::test]
async fn the_state_gate_and_the_missing_interface() {
    let server = start(None, true, true).await;
    let gated = rpc(&server.path, "supervisor.getPID", vec![]).await;
    assert_eq!(gated, Err((6, "SHUTDOWN_STATE".into())));
    let state = rpc(&server.path, "supervisor.getState", vec![]).await.unwrap();
    assert_eq!(state.member("statecode"), Some(&Value::Int(-1)));
    let bare = start(None, false, false).await;
    assert_eq!(rpc(&bare.path, "supervisor.getPID", vec![]).await, Err((1, "UNKNOWN_METHOD".into())));
    let Ok(Value::Array(names)) = rpc(&bare.path, "system.listMethods", vec![]).await else { panic!() };
    assert_eq!(names.len(), 4);
}

/// Opens a connection of either kind.
trait Connect {
    async fn connect(&self) -> Box<dyn Stream>;
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Connect for PathBuf {
    async fn connect(&self) -> Box<dyn Stream> {
        Box::new(UnixStream::connect(self).await.unwrap())
    }
}

impl Connect for SocketAddr {
    async fn connect(&self) -> Box<dyn Stream> {
        Box::new(TcpStream::connect(self).await.unwrap())
    }
}

/// As Supervisor's clients follow: with a line end too many, which stays in the server's buffer.
async fn followers_come_and_go(at: impl Connect) {
    let follow = async || {
        let mut stream = at.connect().await;
        stream.write_all(b"GET /mainlogtail HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n").await.unwrap();
        let mut read = Vec::new();
        while !read.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        (stream, String::from_utf8(read).unwrap())
    };
    for _ in 0..200 {
        let (_, head) = follow().await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    }
    let mut kept = Vec::new();
    let full = loop {
        match follow().await {
            (stream, head) if head.starts_with("HTTP/1.1 200 OK") => kept.push(stream),
            (_, head) => break head,
        }
    };
    assert!(full.starts_with("HTTP/1.1 503 Service Unavailable"), "{full}");
    assert_eq!(kept.len(), 64);
}

#[tokio::test]
async fn followers_that_leave_are_noticed_and_too_many_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, log) = (dir.path().join("s"), dir.path().join("log"));
    std::fs::write(&log, "").unwrap();
    let (_close, closing) = watch::channel(());
    let unix = Listener::Unix(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    for listener in [unix, Listener::Inet(tcp)] {
        let site = Site { closing: closing.clone(), ..site(None, true, false, Some(log.clone())) };
        tokio::spawn(serve_within(listener, site, Vec::new(), LIMITS));
    }
    followers_come_and_go(path).await;
    followers_come_and_go(address).await;
}

/// While another binary takes over no request is begun, and none is lost: neither on a connection that is kept, nor on one
/// that is new or waits to be let in.
#[tokio::test]
async fn what_is_held_is_begun_later_or_by_another() {
    let server = start(None, true, false).await;
    let call = post(&encode_call(&Call { method: "supervisor.getPID".into(), params: vec![] }));
    let mut kept = UnixStream::connect(&server.path).await.unwrap();
    assert_eq!(ask(&mut kept, &call).await.0, 200);
    let silent = UnixStream::connect(&server.path).await.unwrap();
    while server.rooms.known.copies(|_| false).len() < 2 {
        tokio::task::yield_now().await;
    }
    server.rooms.known.set_hold(true);
    kept.write_all(call.as_bytes()).await.unwrap();
    let mut waiting = UnixStream::connect(&server.path).await.unwrap();
    waiting.write_all(call.as_bytes()).await.unwrap();
    server.rooms.known.at_rest(|_| false).await;
    let copies = server.rooms.known.copies(|_| false);
    assert_eq!(copies.len(), 2);
    // Nothing was read: another binary would find the request where it is.
    let available = |fd: &std::os::fd::OwnedFd| rustix::io::ioctl_fionread(fd).unwrap();
    let mut found: Vec<u64> = copies.iter().map(|(_, fd)| available(fd)).collect();
    found.sort_unstable();
    assert_eq!(found, [0, u64::try_from(call.len()).unwrap()]);
    server.rooms.known.set_hold(false);
    assert_eq!(ask(&mut kept, "").await.0, 200);
    assert_eq!(ask(&mut waiting, "").await.0, 200);
    drop(silent);
}

/// A client of another binary is served as one of ours, and told what it asked there.
#[tokio::test]
async fn clients_arrive_with_what_they_wait_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = Listener::Unix(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (_close, closing) = watch::channel(());
    let site = Site { closing, ..site(None, true, false, None) };
    let pair = || {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours.into(), UnixStream::from_std(theirs).unwrap())
    };
    let ((idle, mut asks), (busy, mut waits)) = (pair(), pair());
    let (tell, told) = tokio::sync::oneshot::channel();
    let arrived = vec![
        Arrived { connection: 700, server: 0, fd: idle, waits: None },
        Arrived { connection: 701, server: 0, fd: busy, waits: Some((told, Some("a:*".into()))) },
    ];
    tokio::spawn(serve_within(listener, site, arrived, LIMITS));
    let call = post(&encode_call(&Call { method: "supervisor.getPID".into(), params: vec![] }));
    assert_eq!(ask(&mut asks, &call).await.0, 200);
    tell.send(Err(Fault::new(FaultCode::BadName, "a"))).unwrap();
    let (status, head, body) = ask(&mut waits, "").await;
    assert!(status == 200 && head.contains("connection: close"), "{head}");
    assert_eq!(decode_response(body.as_bytes()).unwrap(), Err((10, "BAD_NAME: a:*".to_owned())));
}

#[test]
fn listeners_share_half_of_the_files() {
    for (listeners, files, each) in
        [(1, 1024, 256), (2, 1024, 256), (4, 1024, 128), (1, 100, 50), (0, 1024, 256), (9, 64, 8)]
    {
        assert_eq!(places(listeners, files), each, "{listeners} {files}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (path, log) = (dir.path().join("s"), dir.path().join("log"));
    std::fs::write(&log, "x".repeat(8 << 20)).unwrap();
    let listener = Listener::Unix(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (_close, closing) = watch::channel(());
    let site = Site { closing, ..site(None, true, false, Some(log)) };
    let rooms = Arc::clone(&site.rooms);
    tokio::spawn(serve_within(listener, site, Vec::new(), LIMITS));
    let document = encode_call(&Call {
        method: "supervisor.readLog".into(),
        params: vec![Value::Int(0), Value::Int(0)],
    });
    let mut deaf = UnixStream::connect(&path).await.unwrap();
    deaf.write_all(post(&document).as_bytes()).await.unwrap();
    deaf.readable().await.unwrap();
    // All the room there is can only be had when the answer has been given up.
    let surface = Surface::Unix { pid: None, uid: 0, gid: 0 };
    let mine = Seat { life: rooms.known.enter(surface), rooms };
    drop(mine.for_answer(usize::MAX).await.unwrap());
    let mut read = Vec::new();
    let ended = deaf.read_to_end(&mut read).await;
    assert!(read.len() < 8 << 20, "{ended:?} after {}", read.len());
}
