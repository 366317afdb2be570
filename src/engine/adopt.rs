//! Programs that another supervisor has run until now: they become ours as they are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::process::{Phase, ProcessId};
use super::{Effect, Engine, Waiter};
use crate::api::{Level, Mono, Notice, Now, ProcessName, SupervisorState, WallSecs};
use crate::config::spec::AutoRestart;

/// How another supervisor has left a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Which.
    pub name: ProcessName,
    /// What it does.
    pub now: Found,
    /// Its last start.
    pub started: Option<(Mono, WallSecs)>,
    /// Its last end.
    pub ended: Option<WallSecs>,
    /// Exit code of its last end.
    pub exitstatus: Option<i32>,
    /// Why it could not be started, or ended badly.
    pub spawnerr: Option<String>,
    /// File of its stdout.
    pub stdout: Option<Arc<Path>>,
    /// File of its stderr.
    pub stderr: Option<Arc<Path>>,
}

/// What a process that is adopted does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// It lives; whether it is up is a matter of time.
    Alive {
        /// Its pid.
        pid: i32,
        /// It was up for `startsecs`.
        up: bool,
    },
    /// It was stopped, or never started.
    Stopped,
    /// It ended by itself.
    Exited,
    /// It failed, and was to be tried again.
    Failed,
    /// It was given up.
    Fatal,
}

impl Engine {
    /// Activates what is configured, with the processes that are there. What is not configured is not adopted.
    pub(super) fn adopt(&mut self, now: Now, all: Vec<Adopted>) {
        for spec in self.configured.clone() {
            let _ = self.add_group(spec);
        }
        let mut known = BTreeSet::new();
        for adopted in all {
            if let Some(id) = self.find(&adopted.name) {
                known.insert(id);
                self.take_in(now, id, adopted);
            }
        }
        // Their logs have names already.
        self.effects.retain(|effect| !matches!(effect, Effect::PrepareLogs { id, .. } if known.contains(id)));
        for id in known {
            self.begin_anew(now, id);
        }
        self.publish(crate::api::Event::SupervisorState(SupervisorState::Running));
    }

    fn take_in(&mut self, now: Now, id: ProcessId, adopted: Adopted) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Adopted { now: found, started, ended, exitstatus, spawnerr, stdout, stderr, .. } = adopted;
        process.prepared = true;
        (process.stdout_logfile, process.stderr_logfile) = (stdout, stderr);
        (process.started, process.ended) = (started, ended);
        (process.exitstatus, process.spawnerr) = (exitstatus, spawnerr);
        let since = started.map_or(now.mono, |(mono, _)| mono);
        process.phase = match found {
            Found::Alive { pid, up: true } => Phase::Running { pid },
            Found::Alive { pid, up: false } => Phase::Starting { pid, since },
            Found::Stopped => Phase::Stopped,
            Found::Failed => {
                process.tries = 1;
                Phase::Backoff { until: now.mono }
            }
            Found::Fatal => Phase::Fatal,
            Found::Exited => {
                let code = exitstatus.unwrap_or(0);
                let restart = match process.spec.autorestart {
                    AutoRestart::Always => true,
                    AutoRestart::Unexpected => !process.spec.exitcodes.contains(&code),
                    AutoRestart::Never => false,
                };
                Phase::Exited { restart }
            }
        };
        if let Found::Alive { pid, .. } = found {
            let text = format!("adopted: '{}' with pid {pid}", process.name.process);
            self.note(Notice::other(Level::Info, text));
        }
    }

    /// What an event listener was told last only the other supervisor knew: a fresh one begins at the beginning.
    fn begin_anew(&mut self, now: Now, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id).filter(|process| process.listener.is_some()) else {
            return;
        };
        let Some(pid) = process.pid() else { return };
        process.start_after_stop.push((Waiter::Nobody, false));
        let text = format!("restarting {}: which event it was told last is not known", process.name.process);
        self.note(Notice::other(Level::Info, text));
        self.stop_live(now, id, pid);
    }
}
