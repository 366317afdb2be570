use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSliceMut, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Mutex;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use tempfile::TempDir;

use super::*;
use crate::api::ProcessName;
use crate::api::event::{Channel, Source};

/// What an entry says.
type Fields = BTreeMap<String, Vec<u8>>;

/// A journald that only listens.
struct Journald {
    path: PathBuf,
    socket: UnixDatagram,
    _dir: TempDir,
}

impl Journald {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path, _dir: dir }
    }

    fn hear(&self) -> Fields {
        let mut buffer = vec![0; 4 << 20];
        let mut space = nix::cmsg_space!([i32; 1]);
        let (length, rights) = {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let fd = self.socket.as_raw_fd();
            let told = recvmsg::<()>(fd, &mut parts, Some(&mut space), MsgFlags::empty()).unwrap();
            let rights = told.cmsgs().unwrap().find_map(|message| match message {
                ControlMessageOwned::ScmRights(rights) => rights.first().copied(),
                _ => None,
            });
            (told.bytes, rights)
        };
        buffer.truncate(length);
        if let Some(memory) = rights {
            File::open(format!("/proc/self/fd/{memory}")).unwrap().read_to_end(&mut buffer).unwrap();
        }
        parsed(&buffer)
    }

    fn hear_message(&self) -> String {
        String::from_utf8(self.hear()["MESSAGE"].clone()).unwrap()
    }
}

fn parsed(mut entry: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = (&entry[..end], &entry[end + 1..]);
        let (name, value, rest) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (&line[..at], &line[at + 1..], rest),
            None => {
                let (length, rest) = rest.split_at(8);
                let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
                (line, &rest[..length], &rest[length + 1..])
            }
        };
        let before = fields.insert(String::from_utf8(name.to_vec()).unwrap(), value.to_vec());
        assert!(before.is_none());
        entry = rest;
    }
    assert!(entry.is_empty());
    fields
}

/// What was said aloud.
type Said = Arc<Mutex<Vec<String>>>;

struct Bench {
    journal: Arc<Journal>,
    drops: Drops,
    said: Said,
}

impl Bench {
    fn new(path: &Path) -> Self {
        let (drops, said) = (Drops::default(), Said::default());
        let record = Arc::clone(&said);
        let say = Arc::new(move |notice: Notice| record.lock().unwrap().push(notice.to_string()));
        let journal = Arc::new(Journal::start(path, drops.clone(), say).unwrap());
        Self { journal, drops, said }
    }

    fn lines(&self) -> Lines {
        let name = ProcessName::new("web", "web_00");
        let source = Source { name, pid: 42, channel: Channel::Stderr };
        Lines::new(Arc::clone(&self.journal), source, true)
    }

    fn lost(&self) -> u64 {
        self.drops.of(&ProcessName::new("web", "web_00")).stderr
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn each_line_is_an_entry_that_says_whose_it_is() {
    let journald = Journald::start();
    let bench = Bench::new(&journald.path);
    let mut lines = bench.lines();
    for part in ["one\n<3>t", "wo\n\n<9>no\n", "<4>", "end"] {
        assert_eq!(lines.take(part.as_bytes()), Default::default());
    }
    assert_eq!(lines.finish(), Default::default());
    let entry = journald.hear();
    let expected = [
        ("MESSAGE", "one"),
        ("OBJECT_PID", "42"),
        ("PRIORITY", "6"),
        ("SUPERVISOR_GROUP", "web"),
        ("SUPERVISOR_PROCESS", "web_00"),
        ("SUPERVISOR_STREAM", "stderr"),
        ("SYSLOG_IDENTIFIER", "web_00"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(entry, Fields::from(expected));
    for (priority, message) in [("3", "two"), ("6", ""), ("6", "<9>no"), ("4", "end")] {
        let entry = journald.hear();
        assert_eq!(
            (&entry["PRIORITY"][..], &entry["MESSAGE"][..]),
            (priority.as_bytes(), message.as_bytes())
        );
    }
    assert!(bench.journal.end(LONG));
    assert_eq!(lines.take(b"late\n").dropped, 5, "after the end nothing is taken");
}

#[test]
fn a_long_line_and_one_of_bytes_arrive_whole() {
    let journald = Journald::start();
    let bench = Bench::new(&journald.path);
    let mut lines = bench.lines();
    let long: Vec<u8> = (0..900_000_u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    for part in long.chunks(4096) {
        lines.take(part);
    }
    lines.take(b"\n\x00\xff\x1b=\r\n");
    assert!(journald.hear()["MESSAGE"] == long);
    assert_eq!(journald.hear()["MESSAGE"], b"\x00\xff\x1b=\r");
}

#[test]
fn a_line_without_an_end_has_a_limit() {
    let journald = Journald::start();
    let bench = Bench::new(&journald.path);
    let mut lines = bench.lines();
    let written = (0..3).map(|_| lines.take(&[b'x'; 1 << 19]).dropped).sum::<u64>() + lines.finish().dropped;
    let received = journald.hear()["MESSAGE"].len() + journald.hear()["MESSAGE"].len();
    assert_eq!((received, written), (3 << 19, 0));
}

#[test]
fn a_journald_that_takes_nothing_holds_nobody_up_and_what_is_lost_is_counted_and_said() {
    const COUNT: u64 = 8000;
    let journald = Journald::start();
    let bench = Bench::new(&journald.path);
    let mut lines = bench.lines();
    let (line, mut dropped, mut said) = ([b'x'; 1000], 0, Vec::new());
    let mut write = |lines: &mut Lines, bytes: &[u8]| {
        let written = lines.take(bytes);
        said.extend(written.said.iter().map(ToString::to_string));
        written.dropped
    };
    for _ in 0..COUNT {
        dropped += write(&mut lines, &line) + write(&mut lines, b"\n");
    }
    assert!(dropped > 0 && dropped % 1001 == 0, "{dropped}");
    let calm = Source { name: ProcessName::new("calm", "calm"), pid: 43, channel: Channel::Stdout };
    let mut calm = Lines::new(Arc::clone(&bench.journal), calm, true);
    assert_eq!(calm.take(b"calm\n").dropped, 0, "a flood takes nobody else's place");
    let (mut heard, mut missing) = (0, 0);
    let mut listen_until = |last: &str| loop {
        match journald.hear_message() {
            message if message == last => break,
            message if message.as_bytes() == line => heard += 1,
            note => {
                let note = note.strip_prefix("supervisord: ").unwrap();
                let bytes = note.strip_suffix(" bytes of output are missing here").unwrap();
                missing += bytes.parse::<u64>().unwrap();
            }
        }
    };
    listen_until("calm");
    assert_eq!(write(&mut lines, b"again\n"), 0);
    listen_until("again");
    assert_eq!((heard + dropped / 1001, missing), (COUNT, dropped));
    let failed = "cannot write to the journal for 'web:web_00', dropping output: it does not keep up";
    assert_eq!(said.iter().filter(|text| *text == failed).count(), 1, "said once: {said:?}");
    assert!(said.last().unwrap().starts_with("writing to the journal for 'web:web_00' works again, "));
}

#[test]
fn a_journald_that_is_restarted_gets_every_line() {
    let mut journald = Journald::start();
    let bench = Bench::new(&journald.path);
    let mut lines = bench.lines();
    lines.take(b"before\n");
    assert_eq!(journald.hear_message(), "before");
    std::fs::remove_file(&journald.path).unwrap();
    lines.take(b"meanwhile\n");
    journald.socket = UnixDatagram::bind(&journald.path).unwrap();
    lines.take(b"after\n");
    assert_eq!(journald.hear_message(), "meanwhile");
    assert_eq!(journald.hear_message(), "after");
    assert!(bench.journal.end(LONG));
    assert_eq!((bench.lost(), bench.said.lock().unwrap().len()), (0, 0));
}

#[test]
fn without_a_journald_that_is_said_and_the_end_does_not_wait_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let bench = Bench::new(&path);
    bench.lines().take(b"nobody hears this\n");
    let begun = Instant::now();
    while bench.said.lock().unwrap().is_empty() {
        assert!(begun.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(5));
    }
    let missing = "no such file or directory";
    let told = format!("cannot write to the journal ({}), lines wait: {missing}", path.display());
    assert_eq!(*bench.said.lock().unwrap(), [told]);
    assert!(!bench.journal.end(Duration::from_millis(10)));
    while bench.lost() == 0 {
        assert!(begun.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(bench.lost(), 18);
}
