//! Values that are good by themselves, and make no sense together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Check, Program};
use crate::api::ProcessName;
use crate::config::load::Loaded;
use crate::config::section::Section;
use crate::config::spec::{AutoRestart, LogTarget};

impl<'a> Check<'a> {
    /// Without startsecs no start fails, and so none is delayed.
    pub(super) fn restarts(&mut self, program: &Program<'_>) {
        if program.spec.startsecs == 0 && program.spec.autorestart == AutoRestart::Always {
            let problem = "startsecs=0 with autorestart=true: a program that cannot run is started again for ever, without a pause";
            let help = "use startsecs=1 or more, or autorestart=false";
            self.warn(program.section, "startsecs", problem.to_owned(), help.to_owned());
        }
    }

    /// A service manager that is not told of a slow stop kills everything before it is over.
    pub(super) fn stop_timeout(&mut self, program: &Program<'_>) {
        let Some(unit) = &self.unit else { return };
        let wait = u64::try_from(program.spec.stopwaitsecs).unwrap_or(0);
        if let Some(limit) = unit.stop_limit_secs().filter(|limit| wait > *limit) {
            let (problem, help) = (
                format!("stopwaitsecs={wait}, but {} lets a stop take {limit} seconds", unit.file.display()),
                format!("set TimeoutStopSec={} there, or Type=notify", wait.saturating_add(10)),
            );
            self.warn(program.section, "stopwaitsecs", problem, help);
        }
    }

    /// Two writers of one file rotate it under each other's hands.
    pub(super) fn shared_logs(&mut self, loaded: &Loaded) {
        let own = loaded.daemon.logfile.as_ref().map(|file| self.base.join(file));
        for (path, mut writers) in self.writers(loaded) {
            writers.sort_by_key(Writer::place);
            let mut first = own.as_ref().filter(|own| **own == path).map(|_| "supervisord itself".to_owned());
            for (at, writer) in writers.iter().enumerate() {
                if let Some((other, help)) = writer.shares_with(&writers[..at], first.as_deref()) {
                    let problem = format!("{} is also the log of {other}", path.display());
                    self.warn(writer.section, writer.option, problem, help.to_owned());
                }
                first.get_or_insert_with(|| writer.name.to_string());
            }
        }
    }

    /// Who writes each file.
    fn writers(&self, loaded: &Loaded) -> BTreeMap<PathBuf, Vec<Writer<'a>>> {
        let mut writers: BTreeMap<PathBuf, Vec<Writer<'a>>> = BTreeMap::new();
        for group in &loaded.groups {
            for spec in &group.processes {
                let name = ProcessName::new(group.name.as_str(), spec.name.clone());
                let Some(section) = self.origins.section_of(&name) else { continue };
                for (option, log) in [("stdout_logfile", &spec.stdout), ("stderr_logfile", &spec.stderr)] {
                    let LogTarget::File(file) = &log.target else { continue };
                    let path = self.base.join(file);
                    if !path.starts_with("/dev") && !path.starts_with("/proc") {
                        writers.entry(path).or_default().push(Writer { name: name.clone(), section, option });
                    }
                }
            }
        }
        writers
    }
}

/// A process that writes a log, and the option that says so.
struct Writer<'a> {
    name: ProcessName,
    section: &'a Section,
    option: &'static str,
}

impl Writer<'_> {
    /// File and line.
    fn place(&self) -> (PathBuf, usize) {
        let entry = self.section.get(self.option);
        entry.map_or_else(|| (self.section.file.clone(), 0), |entry| (entry.file.clone(), entry.line))
    }

    /// Who of those before it writes the same file, and what would help.
    fn shares_with(&self, earlier: &[Self], first: Option<&str>) -> Option<(String, &'static str)> {
        let twin = earlier.iter().find(|other| other.section.name == self.section.name);
        Some(match twin {
            Some(twin) if twin.name == self.name => {
                (twin.option.replace("_logfile", ""), "use redirect_stderr=true instead of stderr_logfile")
            }
            Some(_) => (
                "every process of this program".to_owned(),
                "put %(process_num)d or %(process_name)s into the name of the file",
            ),
            None => (first?.to_owned(), "give each program a log of its own"),
        })
    }
}
