use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use proptest::prelude::*;
use rustix::pipe::{PipeFlags, pipe_with};

use super::*;
use crate::logs::rotate::RotatingFile;

/// A daemon with one stream and its log.
struct Life {
    dir: tempfile::TempDir,
    cell: Cell,
    read: OwnedFd,
    write: File,
}

impl Life {
    fn new() -> Self {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let life = Self {
            dir: tempfile::tempdir().unwrap(),
            cell: Cell::create().unwrap(),
            read,
            write: write.into(),
        };
        fs::write(life.log(), "old\n").unwrap();
        life
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.log()).unwrap()
    }

    fn mark(&self) -> Option<Mark> {
        RotatingFile::open(self.log(), 0, 0).unwrap().mark()
    }

    /// What comes to the log by whoever.
    fn append(&self, text: &str) {
        fs::OpenOptions::new().append(true).open(self.log()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Reads what a program has written.
    fn read(&mut self, text: &str, carry: Carry) {
        self.write.write_all(text.as_bytes()).unwrap();
        let path = self.log();
        let context =
            Context { stream: stream_of(&self.read), whose: &"stdout of 'cat'", path: Some(&path), carry };
        assert_eq!(self.cell.read(&self.read, &context).unwrap(), text.len());
    }

    /// Dies; the next one finds the cell.
    fn dies(&mut self) -> Option<Unwritten> {
        let (cell, unwritten) = Cell::open(self.cell.keep().unwrap()).unwrap();
        self.cell = cell;
        unwritten
    }

    /// Dies, and the next one finishes.
    fn next(&mut self) -> Finished {
        assert!(self.dies().is_some());
        let finished = self.cell.finish();
        assert!(self.dies().is_none(), "it is done");
        finished
    }
}

#[test]
fn nothing_is_left_where_nothing_was_on_its_way() {
    let mut life = Life::new();
    assert_eq!(life.dies(), None);
    life.read("abc\n", Carry::default());
    life.cell.settle(stream_of(&life.read), Carry::default());
    assert_eq!(life.dies(), None);
    // A read that brought nothing: what is said of the stream may be half of the next.
    let context = Context { stream: 1, whose: &"x", path: None, carry: Carry::default() };
    let error = life.cell.read(&life.read, &context).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    life.cell.set(at::PATH, u64::MAX);
    assert_eq!(life.dies(), None);
}

#[test]
fn whenever_it_dies_what_was_read_is_there_once() {
    for written in ["", "a", "abc", "abc\n"] {
        let mut life = Life::new();
        life.read("abc\n", Carry::default());
        if !written.is_empty() {
            life.cell.writing(life.mark());
            life.append(written);
        }
        let Finished { said, echo } = life.next();
        assert_eq!(life.text(), "old\nabc\n", "{written:?} was written");
        assert_eq!(echo.unwrap().chunk, b"abc\n");
        let left = 4 - written.len();
        let expected = format!(
            "4 bytes of the stdout of 'cat' were on their way when supervisord died; {left} of them were still to be \
             written"
        );
        assert_eq!(said[0].to_string(), expected);
        // Written, and said.
        let mut life = Life::new();
        life.read("abc\n", Carry::default());
        life.cell.writing(life.mark());
        life.append(written);
        life.cell.wrote(written.len());
        life.next();
        assert_eq!(life.text(), "old\nabc\n", "{written:?} was written, and said");
    }
}

#[test]
fn whoever_finishes_may_die_as_well() {
    for written in ["", "b", "bc\n"] {
        let mut life = Life::new();
        life.read("abc\n", Carry::default());
        life.cell.writing(life.mark());
        life.append("a");
        life.dies().unwrap();
        // As `finish` does it.
        life.cell.done_with(1);
        if !written.is_empty() {
            life.cell.writing(life.mark());
            life.append(written);
        }
        life.next();
        assert_eq!(life.text(), "old\nabc\n", "{written:?} was written");
    }
}

#[test]
fn a_log_that_is_emptied_and_gets_its_old_size_gets_nothing_twice() {
    let mut life = Life::new();
    life.read("abc\n", Carry::default());
    life.cell.writing(life.mark());
    fs::write(life.log(), "").unwrap();
    life.dies().unwrap();
    life.cell.done_with(0);
    life.cell.writing(life.mark());
    life.append("abc\n");
    life.next();
    assert_eq!(life.text(), "abc\n");
}

#[test]
fn what_others_write_is_not_taken_for_ours() {
    for (behind, expected) in
        [("foreign\n", "old\nforeign\nabc\n"), ("foreign\nabc\n", "old\nforeign\nabc\n")]
    {
        let mut life = Life::new();
        life.read("abc\n", Carry::default());
        life.cell.writing(life.mark());
        life.append(behind);
        life.next();
        assert_eq!(life.text(), expected);
    }
}

#[test]
fn a_log_that_was_moved_is_found_and_the_rest_goes_where_its_name_is() {
    for (written, moved) in [("abc\n", "old\nabc\n"), ("a", "old\na")] {
        let mut life = Life::new();
        fs::set_permissions(life.log(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        life.read("abc\n", Carry::default());
        life.cell.writing(life.mark());
        life.append(written);
        fs::rename(life.log(), life.dir.path().join("log.1")).unwrap();
        life.next();
        assert_eq!(fs::read_to_string(life.dir.path().join("log.1")).unwrap(), moved);
        assert_eq!(life.text(), "abc\n"[written.len()..]);
        let mode = fs::metadata(life.log()).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o600);
    }
}

#[test]
fn escapes_and_captures_are_taken_out_of_what_is_finished() {
    let mut life = Life::new();
    let (mut stripper, mut capture) =
        (crate::logs::ansi::Stripper::default(), crate::logs::capture::Capture::new(100));
    stripper.strip(b"\x1b[3", &mut Vec::new());
    capture.feed(b"<!--XSUPER", &mut |_| {});
    let before = Carry::new(Some(&stripper), Some(&capture));
    life.read("1mVISOR:BEGIN-->hello<!--XSUPERVISOR:END-->one\x1b[0mtwo<!--\x1b[", before);
    life.cell.writing(life.mark());
    life.append("on");
    let echo = life.next().echo.unwrap();
    assert_eq!((life.text().as_str(), echo.carry), ("old\nonetwo", before));
    let after = life.cell.stands(stream_of(&life.read)).unwrap();
    assert_eq!(after.capture(100).unwrap().stand(), (&b"<!--"[..], false));
    assert_eq!(after.stripper().unwrap().code(), 2);
}

#[test]
fn where_streams_stand_is_kept_and_forgotten() {
    let mut life = Life::new();
    let mut stripper = crate::logs::ansi::Stripper::default();
    stripper.strip(b"\x1b", &mut Vec::new());
    let carry = Carry::new(Some(&stripper), None);
    for stream in 1..=300 {
        life.cell.settle(stream, carry);
    }
    life.dies();
    let known = u64_of(SLOTS);
    assert_eq!((life.cell.stands(known), life.cell.stands(known + 1)), (Some(carry), None));
    life.cell.settle(7, Carry::default());
    life.cell.forget(8);
    life.cell.settle(1000, carry);
    life.dies();
    let stands = [7, 8, 9, 1000].map(|stream| life.cell.stands(stream).is_some());
    assert_eq!(stands, [false, false, true, true]);
}

#[test]
fn what_a_listener_said_is_told_once() {
    for told in [false, true] {
        let mut life = Life::new();
        life.read("READY\n", Carry::default());
        if told {
            life.cell.told();
        }
        life.cell.writing(life.mark());
        life.append("READY\n");
        assert_eq!(life.next().echo.unwrap().told, told);
        assert_eq!(life.text(), "old\nREADY\n");
    }
}

#[test]
fn a_log_that_cannot_be_written_is_said() {
    let mut life = Life::new();
    life.read("abc\n", Carry::default());
    fs::remove_dir_all(life.dir.path()).unwrap();
    let Finished { said, echo } = life.next();
    assert!(said[0].to_string().ends_with("log' when supervisord died: ENOENT"), "{said:?}");
    assert!(echo.is_some());
}

#[test]
fn what_is_no_pipe_is_read_all_the_same() {
    let mut life = Life::new();
    fs::write(life.log(), "from a file").unwrap();
    life.read = File::open(life.log()).unwrap().into();
    let context = Context { stream: 5, whose: &"x", path: None, carry: Carry::default() };
    assert_eq!(life.cell.read(&life.read, &context).unwrap(), 11);
    assert_eq!(life.cell.chunk(11), b"from a file");
    assert_eq!(life.dies().unwrap().len(), 11);
}

#[test]
fn foreign_memory_and_other_versions_are_refused() {
    let life = Life::new();
    let why = |cell: &Cell| Cell::open(cell.keep().unwrap()).unwrap_err().to_string();
    life.cell.set(at::MAGIC, MAGIC + (1 << 56));
    assert_eq!(why(&life.cell), "it is a cell of another version");
    life.cell.set(at::MAGIC, 0);
    assert_eq!(why(&life.cell), "it is no cell");
    assert!(Cell::open(File::open("/dev/null").unwrap().into()).is_err());
    assert!(
        Cell::open(Shared::create(c"x", SIZE + 1).unwrap().as_fd().try_clone_to_owned().unwrap()).is_err()
    );
}

proptest! {
    /// Whatever is found, it is refused or can be made sense of.
    #[test]
    fn no_memory_is_too_strange(
        words in prop::collection::vec((0..32_usize, prop_oneof![
            any::<u64>(), 0..4096_u64, 16_000..150_000_u64, Just(0x13), Just(0x201), Just(0x102)]), 0..20),
        chunk in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut cell = Cell::create().unwrap();
        cell.memory.put(CHUNK_AT, &chunk);
        for (word, value) in words.into_iter().filter(|(word, _)| *word != at::MAGIC) {
            cell.set(word, value);
        }
        match Cell::open(cell.keep().unwrap()) {
            Ok((_, Some(unwritten))) => prop_assert!(unwritten.len() <= u64_of(CHUNK)),
            Ok((_, None)) => {}
            Err(error) => prop_assert_eq!(error.kind(), io::ErrorKind::InvalidData),
        }
    }

    #[test]
    fn a_word_is_read_as_it_was_written(word in any::<u64>()) {
        if let Some(known) = Word::unpack(word) {
            prop_assert_eq!(known.pack(), word);
        }
    }
}
