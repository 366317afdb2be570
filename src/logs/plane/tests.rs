use std::fs;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};

use rustix::pipe::{PipeFlags, pipe_with};

use super::*;
use crate::api::ProcessName;
use crate::api::event::Channel;

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
        target: Some(path.to_owned()),
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
    plane.clear(vec![open.clone(), closed.clone(), dir.path().join("missing")], 7);
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
