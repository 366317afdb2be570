//! Another binary takes over in place: it is tried first; then everything rests, what cannot be found out again is written
//! down, and we become it. When that fails, everything goes on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fmt;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::driver::{Driver, Fact, Waiting};
use super::handle::{Left, Parting};
use super::record::{ClientRecord, Ground, KeptRecord, Life, Record, VERSION};
use super::signals::Signals;
use crate::api::{Fault, FaultCode, Level, SupervisorState};
use crate::engine::{Errand, Input, Ticket};
use crate::logs::plane::{Paused, PlaneRecord};
use crate::system::epoll::Epoll;
use crate::system::errno::io_errno_words;
use crate::system::mask;
use crate::system::reexec::{Inheritance, become_binary, boot_id, in_memory, try_out};
use crate::systemd::notify::{Reloading, ServiceManager};

/// Tells a binary which descriptor the record is.
pub const VARIABLE: &str = "SUPERVISORD_RECORD";
/// Lets a binary say whether it could take over with the record on its stdin.
pub const TRIAL: &str = "--try-record";
/// What it says then.
pub const FINE: &str = "fine";

/// How long a binary may think about that.
const THINKING: Duration = Duration::from_secs(20);
/// How long the logs, and then the clients, may take to come to rest.
const RESTING: Duration = Duration::from_secs(2);
/// After so long without a signal none is on its way from the kernel.
const LULL: Duration = Duration::from_millis(5);

/// Whoever may take over from us, and how far that has come.
pub struct Succession {
    /// Where the binary is.
    pub binary: PathBuf,
    /// The arguments that we were given, our name first.
    pub arguments: Vec<OsString>,
    /// What was settled when the daemon started.
    pub ground: Box<dyn Fn() -> Ground>,
    /// Where the surfaces are told.
    pub partings: mpsc::UnboundedSender<Parting>,
    stage: Stage,
    reloading: Option<Reloading>,
    /// The number of the process in which it is tried.
    candidate: Arc<AtomicI32>,
}

enum Stage {
    Nothing,
    /// It is tried, or the surfaces settle.
    Preparing(Errand),
    Settled(Errand),
}

/// What the binary before us has left.
pub struct Legacy {
    /// What it knew.
    pub life: Life,
    /// Its descriptors.
    pub inheritance: Inheritance,
    /// Where the answers to its clients go.
    pub answers: HashMap<Ticket, Waiter>,
}

/// Where an answer goes that a client of the binary before us waits for.
pub type Waiter = oneshot::Sender<Result<crate::api::Reply, Fault>>;

impl Succession {
    /// Nobody takes over yet.
    pub fn new(
        binary: PathBuf,
        arguments: Vec<OsString>,
        partings: mpsc::UnboundedSender<Parting>,
        ground: Box<dyn Fn() -> Ground>,
    ) -> Self {
        Self {
            binary,
            arguments,
            ground,
            partings,
            stage: Stage::Nothing,
            reloading: None,
            candidate: Arc::default(),
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled(_))
    }

    pub(super) fn settled(&mut self) {
        if let Stage::Preparing(errand) = self.stage {
            self.stage = Stage::Settled(errand);
        }
    }

    pub(super) fn candidate(&self) -> Option<i32> {
        Some(self.candidate.load(Ordering::Acquire)).filter(|pid| *pid > 0)
    }

    fn tell(&self, parting: Parting) {
        // Surfaces that are gone have no clients.
        let _ = self.partings.send(parting);
    }
}

impl fmt::Debug for Succession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Succession").field("binary", &self.binary).finish_non_exhaustive()
    }
}

/// Has a binary say whether it could take over.
fn ask(binary: &std::path::Path, record: &[u8], candidate: &Arc<AtomicI32>) -> Result<(), String> {
    let tried = in_memory(record).and_then(|record| try_out(binary, TRIAL, record, THINKING, candidate));
    let (said, complaint) = tried.map_err(|error| io_errno_words(&error))?;
    if said.trim() == FINE {
        return Ok(());
    }
    let why = [complaint.trim(), said.trim()].into_iter().find(|text| !text.is_empty());
    Err(why.unwrap_or("it said nothing").to_owned())
}

impl Driver {
    /// Tries the installed binary, beside the loop.
    pub(super) fn reexec(&mut self, errand: Errand) {
        if !matches!(self.succession.stage, Stage::Nothing) {
            let outcome = Err(Fault::new(FaultCode::Failed, "another takeover is under way"));
            self.inbox.push_back(Input::Done { errand, outcome });
            return;
        }
        self.succession.stage = Stage::Preparing(errand);
        let record = self.state(PlaneRecord::default(), &[]).write();
        let (binary, candidate) = (self.succession.binary.clone(), Arc::clone(&self.succession.candidate));
        let teller = self.teller.clone();
        tokio::task::spawn_blocking(move || {
            let outcome = record.and_then(|record| ask(&binary, &record, &candidate));
            let outcome = outcome.map_err(|why| format!("{}: {why}", binary.display()));
            // A loop that has ended is not taken over.
            let _ = teller.send(Fact::Tried(outcome));
        });
    }

    /// The installed binary was tried.
    pub(super) fn tried(&mut self, outcome: Result<(), String>) {
        if let Err(problem) = outcome {
            return self.stay(&problem);
        }
        self.succession.reloading = Some(ServiceManager::reloading());
        let (settled, told) = oneshot::channel();
        self.succession.tell(Parting::Settle(settled));
        let teller = self.teller.clone();
        tokio::spawn(async move {
            // Surfaces that are gone are settled.
            let _ = told.await;
            let _ = teller.send(Fact::Settled);
        });
    }

    /// Lets everything rest, and becomes the other binary; or goes on.
    pub(super) async fn part(&mut self, facts: &mut mpsc::UnboundedReceiver<Fact>, signals: &mut Signals) {
        if self.engine.mood() != SupervisorState::Running {
            return self.stay("everything is being stopped");
        }
        let Some(paused) = self.rest().await else {
            return self.stay("the logs do not come to rest: a disk, or the journal, does not answer");
        };
        // An order to it may wait to be told done.
        self.log.settle();
        while let Ok(fact) = facts.try_recv() {
            self.told(fact);
        }
        while let Ok(call) = self.desk.calls.try_recv() {
            self.asked(call);
        }
        let clients = self.clients().await;
        // What comes from here on waits for the other binary.
        mask::block();
        while let Ok(Some(signal)) = timeout(LULL, signals.next()).await {
            self.signalled(signal);
        }
        self.children.tidy_wholly();
        let problem = self.jump(paused.record.clone(), &clients);
        mask::unblock();
        drop(paused);
        self.stay(&problem);
    }

    async fn rest(&self) -> Option<Paused> {
        timeout(RESTING, self.children.rest().ok()?).await.ok()?.ok()
    }

    /// Those who are connected, and can wait for the other binary.
    async fn clients(&self) -> Vec<Left> {
        let origins = self.answers.values().filter_map(|waiting| waiting.origin.as_ref());
        let waiting: HashSet<u64> = origins.map(|origin| origin.connection).collect();
        let (tell, told) = oneshot::channel();
        self.succession.tell(Parting::Leave(waiting, tell));
        timeout(RESTING, told).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Returns only when it fails: why.
    fn jump(&self, plane: PlaneRecord, clients: &[Left]) -> String {
        let record = self.state(plane, clients);
        let written =
            record.write().and_then(|text| in_memory(&text).map_err(|error| io_errno_words(&error)));
        let memory = match written {
            Ok(memory) => memory,
            Err(problem) => return problem,
        };
        let mut descriptors = record.descriptors();
        descriptors.push(memory.as_raw_fd());
        let Succession { binary, arguments, .. } = &self.succession;
        self.log.line(Level::Info, format!("{} takes over", binary.display()));
        self.log.settle();
        let variable = (VARIABLE, memory.as_raw_fd().to_string());
        let error = become_binary(binary, arguments, variable, &descriptors);
        format!("{}: {}", binary.display(), io_errno_words(&error))
    }

    fn state(&self, plane: PlaneRecord, clients: &[Left]) -> Record {
        let here: HashSet<u64> = clients.iter().map(|left| left.connection).collect();
        let answers = self.answers.iter().filter_map(|(ticket, waiting)| {
            Some((*ticket, waiting.origin.clone().filter(|origin| here.contains(&origin.connection))?))
        });
        let takeover = match self.succession.stage {
            Stage::Nothing => None,
            Stage::Preparing(errand) | Stage::Settled(errand) => Some(errand),
        };
        let client = |left: &Left| ClientRecord {
            connection: left.connection,
            server: left.server,
            fd: left.fd.as_raw_fd(),
        };
        Record {
            version: VERSION,
            writer: crate::api::VERSION.to_owned(),
            boot: boot_id(),
            ground: (self.succession.ground)(),
            life: Life {
                engine: self.engine.clone(),
                inbox: self.inbox.iter().cloned().collect(),
                loads: self.loads.clone(),
                takeover,
                last_ticket: self.last_ticket,
                answers: answers.collect::<BTreeMap<_, _>>(),
                children: self.children.record(),
                plane,
            },
            clients: clients.iter().map(client).collect(),
            kept: self.kept(),
        }
    }

    fn kept(&self) -> Option<KeptRecord> {
        let bag = self.children.bag()?.ends().map(|end| end.as_raw_fd());
        let (record, cell) = (self.record.as_ref()?.as_fd().as_raw_fd(), self.cell.as_ref()?.as_raw_fd());
        Some(KeptRecord { record, cell, bag })
    }

    /// Nobody takes over: everything goes on.
    fn stay(&mut self, problem: &str) {
        let stage = std::mem::replace(&mut self.succession.stage, Stage::Nothing);
        let (Stage::Preparing(errand) | Stage::Settled(errand)) = stage else { return };
        self.succession.tell(Parting::Stay);
        self.succession.reloading = None;
        self.log.line(Level::Error, format!("takeover refused, everything goes on as it was: {problem}"));
        let outcome = Err(Fault::new(FaultCode::Failed, problem));
        self.inbox.push_back(Input::Done { errand, outcome });
    }

    /// Goes on with what the binary before us has left.
    pub(super) fn take_over(&mut self, poll: &Epoll, legacy: Legacy) {
        let Legacy { mut life, mut inheritance, mut answers } = legacy;
        self.children.put_inherited(&mut life.children, &life.plane, &life.engine, &inheritance);
        self.engine = life.engine;
        self.engine.share_specs();
        self.last_ticket = life.last_ticket;
        let origins = life.answers.into_iter();
        self.answers = origins
            .filter_map(|(ticket, origin)| {
                let answer = answers.remove(&ticket)?;
                Some((ticket, Waiting { answer, origin: Some(origin) }))
            })
            .collect();
        let (mut missing, inputs) = self.children.resume(poll, life.children, &mut inheritance);
        if let Some(plane) = self.children.plane() {
            missing.extend(plane.resume(life.plane, &mut inheritance));
        }
        missing.iter().for_each(|notice| self.log.note(notice));
        let done = life.takeover.map(|errand| Input::Done { errand, outcome: Ok(()) });
        self.inbox = life.inbox.into_iter().chain(inputs).chain(done).collect();
        for (errand, reason) in life.loads {
            self.load(errand, reason);
        }
        self.show_configs();
        self.reap_strangers();
    }
}
