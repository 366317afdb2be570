//! Reads a program's log while it is rotated, and holds it to what the program must have said (`benches/programs/crash.c`).

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LINE: usize = 100;
const BACKUPS: usize = 3;

#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// What is no whole line yet.
    rest: Vec<u8>,
    /// Who speaks, and the number of its next line.
    speaking: Option<(String, u64)>,
    pub incarnations: u64,
    pub lines: u64,
    pub rotations: u64,
    pub wrong: u64,
}

impl Tail {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            rest: Vec::new(),
            speaking: None,
            incarnations: 0,
            lines: 0,
            rotations: 0,
            wrong: 0,
        }
    }

    /// Reads all that is there.
    pub fn read(&mut self) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        while let Some(file) = &mut self.file {
            file.read_to_end(&mut self.rest).unwrap();
            let Some(next) = follower(&self.path, file) else { break };
            // What came between the reading and the rotation.
            file.read_to_end(&mut self.rest).unwrap();
            self.file = Some(next);
            self.rotations += 1;
        }
        let whole = self.rest.len() / LINE * LINE;
        let rest = self.rest.split_off(whole);
        let lines = std::mem::replace(&mut self.rest, rest);
        lines.chunks(LINE).for_each(|line| self.take(line));
    }

    fn take(&mut self, line: &[u8]) {
        self.lines += 1;
        let text = String::from_utf8_lossy(line);
        let mut words = text.split(' ');
        let (who, number, what) = (words.next().unwrap(), words.next(), words.next());
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let expected = match &self.speaking {
            Some((speaker, next)) => speaker == who && Some(*next) == number,
            None => number == Some(0),
        };
        let whole = text.ends_with(".\n") && matches!(what, Some("more" | "last"));
        if !expected || !whole {
            self.blame(&format!("{text:?}, where {:?} speaks", self.speaking));
        }
        self.incarnations += u64::from(number == Some(0));
        self.speaking = (what != Some("last")).then(|| (who.to_owned(), number.unwrap_or_default() + 1));
    }

    /// Everybody has ended.
    pub fn finish(&mut self) {
        if self.speaking.is_some() || !self.rest.is_empty() {
            self.blame(&format!("{:?} has not come to an end; {:?}", self.speaking, self.rest));
        }
    }

    fn blame(&mut self, what: &str) {
        self.wrong += 1;
        if self.wrong < 10 {
            eprintln!("{}: {what}", self.path.display());
        }
    }
}

/// The file that was begun after this one; nothing when it is the newest.
fn follower(path: &Path, file: &File) -> Option<File> {
    let inode = file.metadata().unwrap().ino();
    let backup = |number: usize| match number {
        0 => path.to_owned(),
        number => PathBuf::from(format!("{}.{number}", path.display())),
    };
    let is = |number: &usize| fs::metadata(backup(*number)).is_ok_and(|file| file.ino() == inode);
    // Rotation goes from the oldest to the newest; so do we, lest one slips by.
    loop {
        let place = (0..=BACKUPS).rev().find(is);
        match place {
            Some(0) => return None,
            Some(place) => {
                if let Ok(next) = File::open(backup(place - 1)) {
                    // It was not renamed meanwhile.
                    if is(&place) {
                        return Some(next);
                    }
                }
            }
            None => assert!(backup(0).exists(), "{}: read too slowly, or removed", path.display()),
        }
    }
}
