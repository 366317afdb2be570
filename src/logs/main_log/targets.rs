//! Where the lines of the main log go, on a thread of their own.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::Journal;
use super::queue::{Batch, Line, Order, Queue};
use super::{MainLogSpec, line};
use crate::api::{Level, Notice};
use crate::logs::sink::{FileSink, Syslog};
use crate::system::errno::errno_words;
use crate::system::fds;
use crate::systemd::journal::{SOCKET, is_stream};

/// Bytes after which nothing is added to a write.
const TOGETHER: usize = 16 << 10;

/// The targets.
#[derive(Debug)]
pub(super) struct Targets {
    path: Option<PathBuf>,
    file: Option<FileSink>,
    syslog: Option<Syslog>,
    journal: Option<Journal>,
    stdout: Option<FileSink>,
}

/// One of our own descriptors, as a log.
fn stream(name: &str) -> Option<FileSink> {
    FileSink::open(Path::new(name), 0, 0).ok()
}

impl Targets {
    /// Opens them.
    ///
    /// # Errors
    /// Those of open(2).
    pub(super) fn open(spec: &MainLogSpec) -> io::Result<Self> {
        let file = spec.file.as_deref();
        let own = file.and_then(fds::own_descriptor);
        let file = file.map(|file| FileSink::open(file, spec.maxbytes, spec.backups)).transpose()?;
        // What goes to stdout as a file is not repeated there; a stdout that is closed has nobody to tell.
        let repeat = spec.stdout && own != Some(1);
        let mut targets = Self {
            path: spec.file.clone(),
            syslog: (file.is_none() && !spec.journal).then(Syslog::default),
            journal: None,
            file,
            stdout: repeat.then(|| stream("/dev/stdout")).flatten(),
        };
        if spec.journal {
            targets.open_journal(Path::new(SOCKET), spec);
        }
        Ok(targets)
    }

    fn open_journal(&mut self, path: &Path, spec: &MainLogSpec) {
        let error = match Journal::open(path) {
            Ok(journal) => {
                self.journal = Some(journal);
                // It would have every line twice.
                self.stdout.take_if(|_| is_stream(io::stdout()));
                return;
            }
            Err(error) => error,
        };
        let instead = match (&self.file, &self.stdout) {
            (Some(_), _) => "its file alone",
            (None, Some(_)) => "stdout",
            (None, None) if spec.stays => {
                self.stdout = stream("/dev/stderr");
                "stderr"
            }
            (None, None) => {
                self.syslog = Some(Syslog::default());
                "syslog"
            }
        };
        let why = error.raw_os_error().map_or_else(|| error.to_string(), errno_words);
        let text =
            format!("there is no journal at {} ({why}): the main log goes to {instead}", path.display());
        let notice = Notice::other(Level::Critical, text);
        self.write(&Line { text: line(&notice), notice: None });
        if let Some(mut stderr) = stream("/dev/stderr").filter(|_| instead != "stderr") {
            stderr.write(&line(&notice));
        }
    }

    /// Does what is ordered, until it is told to end.
    pub(super) fn run(mut self, queue: &Queue) {
        loop {
            let Batch { mut orders, lost, ends } = queue.take();
            while let Some(order) = orders.pop_front() {
                self.obey(order, &mut orders, queue);
            }
            if lost > 0 {
                let text = format!("the main log does not keep up: {lost} lines were lost before this one");
                self.say(Notice::other(Level::Error, text));
                queue.written(1, 0);
            }
            if ends {
                return;
            }
            queue.linger();
        }
    }

    /// Does what is ordered; lines with those that follow.
    fn obey(&mut self, order: Order, others: &mut VecDeque<Order>, queue: &Queue) {
        match order {
            Order::Line(mut line) => {
                let lines = self.gather(&mut line, others);
                self.write(&line);
                return queue.written(lines, line.text.len());
            }
            Order::Reopen => {
                if let Some(Err(error)) = self.file.as_mut().map(FileSink::reopen) {
                    let why = error.raw_os_error().map_or_else(|| error.to_string(), errno_words);
                    let text = format!("could not reopen the main log: {why}");
                    self.say(Notice::other(Level::Error, text));
                }
            }
            Order::Clear(told) => told(self.clear()),
        }
        queue.done();
    }

    /// Adds the lines that follow, where one write makes no difference to the file: up to the one that fills it. How many
    /// lines that are.
    fn gather(&self, line: &mut Line, others: &mut VecDeque<Order>) -> u64 {
        let alone = self.syslog.is_some() || self.journal.is_some() || self.stdout.is_some();
        let file = self.file.as_ref().filter(|_| !alone);
        let room = file.map_or(0, FileSink::room).min(TOGETHER);
        let mut lines = 1;
        while line.text.len() < room
            && let Some(Order::Line(next)) = others.pop_front_if(|next| matches!(next, Order::Line(_)))
        {
            line.text.extend_from_slice(&next.text);
            lines += 1;
        }
        lines
    }

    fn clear(&mut self) -> io::Result<()> {
        if !self.path.as_deref().is_some_and(Path::exists) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.say(Notice::other(Level::Info, "reopening log file"));
        self.file.as_mut().map_or(Ok(()), FileSink::clear)
    }

    /// A line of our own.
    fn say(&mut self, notice: Notice) {
        self.write(&Line { text: line(&notice), notice: Some(notice) });
    }

    fn write(&mut self, told: &Line) {
        for trouble in self.put(told) {
            let text = line(&trouble);
            let told = Line { text, notice: Some(trouble) };
            // A line like others, which may lead to more of its kind: those are not said.
            self.put(&told);
            // And to whoever started us, because the log that fails cannot tell.
            // It is opened now: a copy that was kept would hold his terminal or pipe open when we have left it.
            if told.notice.is_some_and(|trouble| trouble.level() >= Level::Warn)
                && let Some(mut stderr) = stream("/dev/stderr")
            {
                stderr.write(&told.text);
            }
        }
    }

    /// Writes a line; what the targets say to that.
    fn put(&mut self, told: &Line) -> Vec<Notice> {
        let mut said = Vec::new();
        for sink in self.file.iter_mut().chain(&mut self.stdout) {
            said.extend(sink.write(&told.text).said);
        }
        if let Some(syslog) = &mut self.syslog {
            said.extend(syslog.send(None, &told.text).said);
        }
        if let (Some(journal), Some(notice)) = (&self.journal, &told.notice) {
            journal.send(notice);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_wait_are_written_together_where_that_makes_no_difference() {
        let dir = tempfile::tempdir().unwrap();
        let spec = |maxbytes: i64, stdout: bool| MainLogSpec {
            level: Level::Info,
            file: Some(dir.path().join("main")),
            journal: false,
            maxbytes,
            backups: 0,
            stdout,
            stays: true,
        };
        let line = || Line { text: b"0123456789".to_vec(), notice: None };
        let gathered = |spec: &MainLogSpec| {
            let mut others: VecDeque<Order> = (0..4).map(|_| Order::Line(line())).collect();
            others.insert(3, Order::Reopen);
            let mut first = line();
            let lines = Targets::open(spec).unwrap().gather(&mut first, &mut others);
            assert_eq!((first.text.len() as u64, others.len() as u64), (10 * lines, 6 - lines));
            lines
        };
        assert_eq!(gathered(&spec(0, false)), 4, "up to what is no line");
        assert_eq!(gathered(&spec(1 << 20, false)), 4);
        assert_eq!(gathered(&spec(20, false)), 2, "up to the one that fills it");
        assert_eq!(gathered(&spec(21, false)), 3);
        assert_eq!(gathered(&spec(0, true)), 1, "who reads that may be slow, and lose more than a line");
        let mut pipe = spec(0, false);
        pipe.file = Some("/dev/null".into());
        assert_eq!(gathered(&pipe), 1);
    }

    #[test]
    fn stdout_is_written_once_when_it_is_the_file() {
        let spec = |file: &str| MainLogSpec {
            level: Level::Info,
            file: Some(file.into()),
            journal: false,
            maxbytes: 0,
            backups: 0,
            stdout: true,
            stays: true,
        };
        assert!(Targets::open(&spec("/dev/stdout")).unwrap().stdout.is_none());
        assert!(Targets::open(&spec("/dev/null")).unwrap().stdout.is_some());
    }
}
