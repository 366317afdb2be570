//! Where the lines of the main log go, on a thread of their own.

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
            let Batch { orders, lost, ends } = queue.take();
            for order in orders {
                let line = if let Order::Line(line) = &order { Some(line.text.len()) } else { None };
                self.obey(order);
                queue.finish(line);
            }
            if lost > 0 {
                let text = format!("the main log does not keep up: {lost} lines were lost before this one");
                self.say(Notice::other(Level::Error, text));
                queue.finish(Some(0));
            }
            if ends {
                return;
            }
            queue.linger();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Line(line) => self.write(&line),
            Order::Reopen => {
                let Some(Err(error)) = self.file.as_mut().map(FileSink::reopen) else { return };
                let why = error.raw_os_error().map_or_else(|| error.to_string(), errno_words);
                let text = format!("could not reopen the main log: {why}");
                self.say(Notice::other(Level::Error, text));
            }
            Order::Clear(told) => told(self.clear()),
        }
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
