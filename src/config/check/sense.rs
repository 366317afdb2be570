//! Values that are good by themselves, and make no sense together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Check, Program};
use crate::api::ProcessName;
use crate::config::load::Loaded;
use crate::config::spec::{AutoRestart, LogTarget};

impl Check<'_> {
    pub(super) fn restarts(&mut self, program: &Program<'_>) {
        if program.spec.startsecs == 0 && program.spec.autorestart == AutoRestart::Always {
            let problem =
                "startsecs=0 with autorestart=true: a program that cannot run is started again for ever, \
                           without a pause"
                    .to_owned();
            let help = "use startsecs=1 or more, or autorestart=unexpected".to_owned();
            self.warn(program.section, "startsecs", problem, help);
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
        let origins = self.origins;
        let mut writers: BTreeMap<PathBuf, (ProcessName, &str)> = BTreeMap::new();
        for group in &loaded.groups {
            for spec in &group.processes {
                let name = ProcessName { group: group.name.clone(), process: spec.name.clone() };
                for (option, log) in [("stdout_logfile", &spec.stdout), ("stderr_logfile", &spec.stderr)] {
                    let LogTarget::File(file) = &log.target else { continue };
                    let path = self.base.join(file);
                    if path.starts_with("/dev") || path.starts_with("/proc") {
                        continue;
                    }
                    let Some((first, channel)) = writers.get(&path).cloned() else {
                        writers.insert(path, (name.clone(), option));
                        continue;
                    };
                    let Some(section) = origins.section_of(&name) else { continue };
                    let help = if first == name {
                        "use redirect_stderr=true instead of stderr_logfile".to_owned()
                    } else if origins.section_of(&first).map(|first| &first.name) == Some(&section.name) {
                        "put %(process_num)d or %(process_name)s into the name of the file".to_owned()
                    } else {
                        "give each program a log of its own".to_owned()
                    };
                    let other = if first == name {
                        channel.replace("_logfile", "")
                    } else if help.contains("process_num") {
                        "every process of this program".to_owned()
                    } else {
                        first.to_string()
                    };
                    let problem = format!("{} is also the log of {other}", path.display());
                    self.warn(section, option, problem, help);
                }
            }
        }
    }
}
