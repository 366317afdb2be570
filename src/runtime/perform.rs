//! Deeds: one arm for each effect.

use std::path::Path;
use std::sync::Arc;

use super::children::Order;
use super::driver::{Driver, Fact, Waiting};
use super::handle::News;
use super::plan;
use crate::api::{Event, Fault, FaultCode, Level, Notice, ProcessName, Reply};
use crate::config::spec::{LogSpec, LogTarget, ProcessSpec};
use crate::engine::{Effect, Errand, Input, LoadReason, Pending, ProcessId};
use crate::system::epoll::Epoll;
use crate::system::files;

impl Driver {
    pub(super) fn perform(&mut self, poll: &Epoll, effect: Effect) {
        match effect {
            Effect::Note(notice) => self.log.note(&notice),
            Effect::Publish(event) => self.publish(event),
            Effect::Reply { ticket, answer } => {
                if let Ok(Reply::Reread(result)) = &answer {
                    self.tell(&News::Reread(Arc::new(result.clone())));
                    // Whoever has reread sees the new configuration in the next answer.
                    self.show_configs();
                }
                if let Some(Waiting { answer: waiting, .. }) = self.answers.remove(&ticket) {
                    // Whoever is told something finds it in the log as well, and on every surface.
                    self.log.settle();
                    self.show_now();
                    // Who no longer waits is not told; the work was done all the same.
                    let _ = waiting.send(answer);
                }
            }
            Effect::PrepareLogs { id, name, spec } => self.prepare_logs(id, &name, &spec),
            Effect::Probe { errand, spec } => {
                let outcome = plan::probe(&self.children.surroundings, &spec).map(|_| ()).map_err(|error| {
                    let code = if error.is_no_file() { FaultCode::NoFile } else { FaultCode::NotExecutable };
                    Fault::new(code, error.to_string())
                });
                self.inbox.push_back(Input::Done { errand, outcome });
            }
            Effect::Spawn { id, name, spec, stdout, stderr, listener } => {
                let order = Order { id, name: &name, spec: &spec, stdout, stderr, listener };
                let input = self.children.spawn(poll, &order);
                let mut notices = self.children.sockets.take_notices();
                notices.extend(self.children.places.take_notices());
                for notice in notices {
                    self.log.note(&notice);
                }
                self.births.push_back(input);
            }
            Effect::Release { id } => self.children.release(id),
            Effect::Signal { id, pid, signal, group, errand } => {
                let sent = self.children.signal(id, pid, signal, group);
                self.signal_sent(id, errand, sent);
            }
            Effect::SignalLeftovers { id, signal } => self.children.places.signal(id, signal),
            Effect::KillLeftovers { id } => self.children.places.kill(id),
            Effect::Load { errand, reason } => self.load(errand, reason),
            Effect::ClearLogs { errand, id, files } => {
                let _ = id;
                if let Some(plane) = self.children.plane() {
                    plane.clear(files, errand.0);
                }
            }
            Effect::ClearMainLog { errand } => {
                let teller = self.teller.clone();
                self.log.clear(move |outcome| {
                    let outcome = outcome.map_err(main_log_fault);
                    let _ = teller.send(Fact::Input(Input::Done { errand, outcome }));
                });
            }
            Effect::Deliver { id, pool, pending } => {
                let envelope = envelope(&self.children.surroundings.identifier, &pool, &pending);
                if self.children.send_stdin(poll, id, envelope.as_bytes()).is_err() {
                    self.inbox.push_back(Input::Undelivered { id, serial: pending.serial });
                }
            }
            Effect::SendStdin { errand, id, data } => {
                let outcome = self.children.send_stdin(poll, id, &data);
                self.inbox.push_back(Input::Done { errand, outcome });
            }
            Effect::Reexec { errand } => self.reexec(errand),
            Effect::ReopenLogs => {
                self.log.reopen();
                if let Some(plane) = self.children.plane() {
                    plane.reopen_all();
                }
            }
            Effect::Forget { id } => {
                self.children.places.forget(id);
                self.show_configs();
            }
            Effect::Finish(_) => {}
        }
    }

    /// Who listens: the surfaces, through the configuration that they show and the news that they tell on.
    fn publish(&mut self, event: Arc<Event>) {
        if matches!(*event, Event::GroupAdded(_) | Event::GroupRemoved(_) | Event::SupervisorState(_)) {
            self.show_configs();
        }
        if matches!(*event, Event::ProcessState { .. } | Event::GroupAdded(_) | Event::GroupRemoved(_)) {
            self.tell_change();
        }
        self.tell(&News::Event(event));
    }

    fn signal_sent(&mut self, id: ProcessId, errand: Option<Errand>, sent: Result<(), String>) {
        match (errand, sent) {
            (errand, Err(problem)) => self.inbox.push_back(Input::SignalFailed { id, errand, problem }),
            (Some(errand), Ok(())) => self.inbox.push_back(Input::Done { errand, outcome: Ok(()) }),
            (None, Ok(())) => {}
        }
    }

    pub(super) fn load(&mut self, errand: Errand, reason: LoadReason) {
        self.loads.insert(errand, reason);
        let loader = Arc::clone(&self.loader);
        let teller = self.teller.clone();
        tokio::task::spawn_blocking(move || {
            let outcome = loader(reason);
            let _ = teller.send(Fact::Input(Input::Loaded { errand, outcome }));
        });
    }

    fn prepare_logs(&mut self, id: ProcessId, name: &ProcessName, spec: &ProcessSpec) {
        let stdout = self.log_file(name, "stdout", &spec.stdout);
        let stderr = self.log_file(name, "stderr", &spec.stderr);
        self.inbox.push_back(Input::LogsPrepared { id, stdout, stderr });
    }

    fn log_file(&mut self, name: &ProcessName, channel: &str, spec: &LogSpec) -> Option<Arc<Path>> {
        let around = &self.children.surroundings;
        match &spec.target {
            LogTarget::None => None,
            LogTarget::File(path) => Some(Arc::clone(path)),
            LogTarget::Auto => {
                let made =
                    files::create_auto_log(&around.childlogdir, &name.process, channel, &around.identifier);
                made.map(Arc::from)
                    .map_err(|error| {
                        let text = format!("could not create the {channel} log of {name}: {error}");
                        self.log.note(&Notice::other(Level::Critical, text));
                    })
                    .ok()
            }
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn main_log_fault(error: std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::NotFound => Fault::bare(FaultCode::NoFile),
        _ => Fault::new(FaultCode::Failed, error.to_string()),
    }
}

/// What a listener reads (Supervisor 4.3 `process.py`, `_eventEnvelope`). `len` counts characters, as theirs does.
fn envelope(identifier: &str, pool: &str, pending: &Pending) -> String {
    let payload = pending.event.payload();
    let (serial, pool_serial, name) = (pending.serial, pending.pool_serial, pending.event.kind().name());
    let length = payload.chars().count();
    format!(
        "ver:3.0 server:{identifier} serial:{serial} pool:{pool} poolserial:{pool_serial} eventname:{name} len:{length}\n{payload}"
    )
}
