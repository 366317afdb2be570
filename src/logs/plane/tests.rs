use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use rustix::pipe::{PipeFlags, pipe_with};

use super::*;
use crate::api::ProcessName;
use crate::api::event::Channel;
use crate::logs::cell::{Carry, Context, stream_of};
use crate::system::reexec::Inheritance;

fn plane() -> (Plane, Receiver<PlaneEvent>) {
    let (tell, told) = channel();
    let plane = Plane::start(Box::new(move |event| tell.send(event).unwrap())).unwrap();
    (plane, told)
}

fn pipe() -> (OwnedFd, fs::File) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    (read, write.into())
}

fn spec(path: &Path) -> ChannelSpec {
    ChannelSpec {
        source: Source { name: ProcessName::new("cat", "cat"), pid: 7, channel: Channel::Stdout },
        purpose: Purpose::Program { capture: 0, events: false },
        target: Some(path.into()),
        maxbytes: 0,
        backups: 0,
        strip_ansi: false,
        syslog: false,
        journal: false,
        window: false,
        repeat: false,
    }
}

#[test]
fn what_a_child_wrote_is_whole_after_the_drain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (plane, told) = plane();
    for (id, text) in [(1, "one\n"), (2, "two\n")] {
        let (read, mut write) = pipe();
        plane.open(ChannelId(id), read, plane.prepare(spec(&path)).unwrap()).unwrap();
        write.write_all(text.as_bytes()).unwrap();
        // The writer stays: a grandchild may hold the pipe.
        plane.drain(vec![ChannelId(id)], id);
        assert!(
            matches!(told.recv().unwrap(), PlaneEvent::Drained(token, Some(words)) if token == id && words == text.trim())
        );
        drop(write);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
}

#[test]
fn stopping_drains_everything_and_escapes_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (plane, _told) = plane();
    let (read, mut write) = pipe();
    let log = plane.prepare(ChannelSpec { strip_ansi: true, ..spec(&path) }).unwrap();
    plane.open(ChannelId(1), read, log).unwrap();
    write.write_all(b"\x1b[31mred\x1b[0m").unwrap();
    plane.stop();
    assert_eq!(fs::read_to_string(&path).unwrap(), "red");
}

#[test]
fn logs_are_cleared_open_or_not_and_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let (open, closed) = (dir.path().join("open"), dir.path().join("closed"));
    fs::write(&open, "old").unwrap();
    fs::write(&closed, "old").unwrap();
    let (plane, told) = plane();
    let (read, mut write) = pipe();
    plane.open(ChannelId(1), read, plane.prepare(spec(&open)).unwrap()).unwrap();
    let paths = [open.clone(), closed.clone(), dir.path().join("missing")];
    plane.clear(paths.map(Arc::from).into(), 7);
    assert!(matches!(told.recv().unwrap(), PlaneEvent::Cleared(7, Ok(()))));
    assert_eq!(fs::read_to_string(&closed).unwrap(), "");
    fs::rename(&open, dir.path().join("moved")).unwrap();
    plane.reopen_all();
    write.write_all(b"new").unwrap();
    plane.stop();
    assert!(fs::read_to_string(dir.path().join("moved")).unwrap().len() <= 3);
    assert!(open.exists());
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error_for_the_caller() {
    let (plane, _told) = plane();
    let error = plane.prepare(spec(Path::new("/no/such/dir/log"))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
}

/// The descriptors of a record, as another process gets them.
fn inherited(record: &PlaneRecord) -> Inheritance {
    let files = record.files.iter().map(|file| file.fd);
    let numbers = files.chain(record.channels.iter().map(|channel| channel.fd));
    Inheritance::from_parts(numbers.map(|number| (number, crate::system::fds::duplicate(number).unwrap())))
}

#[test]
fn what_rests_goes_on_elsewhere_between_two_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (old, told) = plane();
    let (read, mut write) = pipe();
    let purpose = Purpose::Program { capture: 100, events: true };
    let log = old.prepare(ChannelSpec { strip_ansi: true, purpose, ..spec(&path) }).unwrap();
    old.open(ChannelId(1), read, log).unwrap();
    write.write_all(b"one \x1b[31mtwo<!--XSUPERVISOR:BEGIN-->hel\x1b[3").unwrap();
    // What was read is told as events.
    let seen = told.iter().take(2).filter(|event| matches!(event, PlaneEvent::Observed(..))).count();
    assert_eq!(seen, 2);
    let paused = old.pause().unwrap().blocking_recv().unwrap();
    // It may be written down, and read by another binary.
    let text = serde_json::to_string(&paused.record).unwrap();
    let record: PlaneRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(record, paused.record);
    write.write_all(b"1mlo<!--XSUPERVISOR:END-->three").unwrap();
    let (new, told) = plane();
    assert!(new.resume(record.clone(), &mut inherited(&record)).is_empty());
    new.drain(vec![ChannelId(1)], 5);
    let drained = |event: &PlaneEvent| matches!(event, PlaneEvent::Drained(5, Some(_)));
    let events: Vec<PlaneEvent> =
        std::iter::from_fn(|| told.recv().ok().filter(|event| !drained(event))).collect();
    let message = events.iter().find_map(|event| match event {
        PlaneEvent::Observed(Event::ProcessCommunication { data, .. }, _) => Some(data.clone()),
        _ => None,
    });
    assert_eq!(message.as_deref(), Some(&b"hello"[..]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one twothree");
    let missing = new.resume(record, &mut Inheritance::default());
    let said: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[1].ends_with("the stdout of 'cat' was lost when this supervisord took over: EBADF"),
        "{said:?}"
    );
    drop(paused);
}

#[test]
fn a_rest_that_nobody_wants_any_more_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (plane, told) = plane();
    drop(plane.pause().unwrap());
    let paused = plane.pause().unwrap().blocking_recv().unwrap();
    let (read, mut write) = pipe();
    plane.open(ChannelId(1), read, plane.prepare(spec(&path)).unwrap()).unwrap();
    write.write_all(b"later").unwrap();
    plane.drain(vec![ChannelId(1)], 1);
    drop(paused);
    assert!(matches!(told.recv().unwrap(), PlaneEvent::Drained(1, Some(words)) if words == "later"));
}

#[test]
fn what_a_daemon_that_died_had_on_its_way_is_in_the_log_and_is_told_when_its_stream_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (read, mut write) = pipe();
    let mut died = Cell::create().unwrap();
    write.write_all(b"one\n").unwrap();
    let context = Context {
        stream: stream_of(&read),
        whose: &"stdout of 'cat'",
        path: Some(&path),
        carry: Carry::default(),
    };
    assert_eq!(died.read(&read, &context).unwrap(), 4);
    let (cell, unwritten) = Cell::open(died.keep().unwrap()).unwrap();
    assert!(unwritten.is_some());
    let (tell, told) = channel();
    let plane = Plane::start_with(Box::new(move |event| tell.send(event).unwrap()), Some(cell)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    assert!(matches!(told.recv().unwrap(), PlaneEvent::Note(_)));
    let purpose = Purpose::Program { capture: 0, events: true };
    plane.open(ChannelId(9), read, plane.prepare(ChannelSpec { purpose, ..spec(&path) }).unwrap()).unwrap();
    write.write_all(b"two\n").unwrap();
    plane.drain(vec![ChannelId(9)], 1);
    for expected in [&b"one\n"[..], b"two\n"] {
        let event = told.recv().unwrap();
        assert!(
            matches!(&event, PlaneEvent::Observed(Event::ProcessLog { data, .. }, _) if data == expected),
            "{event:?}"
        );
    }
    assert!(matches!(told.recv().unwrap(), PlaneEvent::Drained(1, Some(words)) if words == "one | two"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    plane.stop();
    assert_eq!(Cell::open(died.keep().unwrap()).unwrap().1, None);
}

/// Writes numbered lines as fast as they are taken, and looks for them in the log and its backups.
fn flood(plane: &Plane, told: &Receiver<PlaneEvent>, lines: usize, at_once: usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    rustix::io::ioctl_fionbio(&read, true).unwrap();
    let log = plane.prepare(ChannelSpec { maxbytes: 300_000, backups: 1000, ..spec(&path) }).unwrap();
    plane.open(ChannelId(1), read, log).unwrap();
    let mut write = fs::File::from(write);
    let line = |n: usize| format!("{n:099}\n");
    for first in (0..lines).step_by(at_once) {
        let text: String = (first..first + at_once).map(line).collect();
        write.write_all(text.as_bytes()).unwrap();
    }
    drop(write);
    plane.drain(vec![ChannelId(1)], 1);
    assert!(told.iter().any(|event| matches!(event, PlaneEvent::Drained(1, Some(_)))));
    let backups = (1..).map(|n| dir.path().join(format!("log.{n}"))).take_while(|backup| backup.exists());
    let mut files: Vec<PathBuf> = std::iter::once(path).chain(backups).collect();
    assert!(files.len() > 3);
    files.reverse();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(text.lines().eq((0..lines).map(|n| format!("{n:099}"))), "{} bytes", text.len());
}

#[test]
fn nothing_of_a_flood_is_lost_or_moved_whether_it_comes_in_lines_or_in_blocks() {
    for at_once in [1, 1000] {
        let (plane, told) = plane();
        flood(&plane, &told, 20_000, at_once);
        let (tell, told) = channel();
        let notify = Box::new(move |event| tell.send(event).unwrap());
        let plane = Plane::start_with(notify, Some(Cell::create().unwrap())).unwrap();
        flood(&plane, &told, 20_000, at_once);
    }
}

#[test]
fn a_listener_is_heard_beside_a_flood() {
    let dir = tempfile::tempdir().unwrap();
    let (plane, told) = plane();
    let (read, mut write) = pipe();
    plane.open(ChannelId(1), read, plane.prepare(spec(&dir.path().join("log"))).unwrap()).unwrap();
    let (read, mut listener) = pipe();
    let purpose = Purpose::Listener(5);
    let log = plane.prepare(ChannelSpec { purpose, target: None, ..spec(Path::new("")) }).unwrap();
    plane.open(ChannelId(2), read, log).unwrap();
    for word in ["READY\n", "RESULT 2\nOK"] {
        (0..100).for_each(|_| write.write_all(b"line\n").unwrap());
        listener.write_all(word.as_bytes()).unwrap();
        let heard = told.iter().find_map(|event| match event {
            PlaneEvent::Listener(5, said, _) => Some(said),
            _ => None,
        });
        assert_eq!(heard.as_deref(), Some(word.as_bytes()));
    }
    drop(listener);
    plane.drain(vec![ChannelId(2), ChannelId(1)], 1);
    assert!(
        matches!(told.recv().unwrap(), PlaneEvent::Drained(1, Some(words)) if words == "line | line | line")
    );
}

#[test]
fn what_has_come_to_its_end_needs_no_drain_unless_events_are_made_of_it() {
    let (plane, told) = plane();
    let opened = |id: u64, events: bool, text: &str| {
        let (read, mut write) = pipe();
        let purpose = Purpose::Program { capture: 0, events };
        let log = plane.prepare(ChannelSpec { purpose, target: None, ..spec(Path::new("")) }).unwrap();
        plane.open(ChannelId(id), read, log).unwrap();
        write.write_all(text.as_bytes()).unwrap();
        write
    };
    let (quiet, empty) = (opened(1, false, "bye\n"), opened(2, false, ""));
    assert_eq!(plane.drained(&[ChannelId(1), ChannelId(2)]), None);
    drop((quiet, empty));
    let words = loop {
        match plane.drained(&[ChannelId(1), ChannelId(2)]) {
            Some(words) => break words,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(words.as_deref(), Some("bye"));
    drop(opened(3, true, "event\n"));
    while !matches!(told.recv().unwrap(), PlaneEvent::Observed(..)) {}
    plane.drain(vec![ChannelId(3)], 3);
    assert!(matches!(told.recv().unwrap(), PlaneEvent::Drained(3, Some(words)) if words == "event"));
    assert_eq!(plane.drained(&[ChannelId(3)]), None, "what was told may be on its way");
}
