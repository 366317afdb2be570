//! The handle: the only thing that a surface holds.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, mpsc, oneshot, watch};

pub use super::news::{Listener, News};

use super::news::Teller;
use crate::api::{
    Asker, Census, ConfigInfo, Fault, FaultCode, Now, ProcessDetails, Reply, Request, SupervisorState,
};
use crate::config::error::Diagnostic;
use crate::config::spec::ProcessSpec;
use crate::logs::plane::Drops;
use crate::system::cgroup::Tree;
use crate::system::usage::usage_of;

/// Requests that may be under way before the next one has to wait.
pub const QUEUE_LIMIT: usize = 1024;

/// A request on its way to the loop, with the place for its answer.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Who asks.
    pub asker: Asker,
    /// By what; `None`: the answer is only a part of what the client waits for.
    pub origin: Option<Origin>,
    /// Where the answer goes; dropping it abandons the answer, never the work.
    pub answer: oneshot::Sender<Result<Reply, Fault>>,
}

/// A client that waits for an answer, and for nothing else: whoever has its connection can give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The number of its connection.
    pub connection: u64,
    /// The name that it gave, for faults that are about that.
    pub given: Option<String>,
}

/// What the loop asks of the surfaces when another binary takes over.
#[derive(Debug)]
pub enum Parting {
    /// Begin nothing new, and say when only such clients are left as can be handed over. What stands in the way for too
    /// long is given up.
    Settle(oneshot::Sender<()>),
    /// Say who is left, after the answers that were given by now: none but these connections get another one.
    Leave(HashSet<u64>, oneshot::Sender<Vec<Left>>),
    /// It does not: go on.
    Stay,
}

/// A client that another binary can go on with.
#[derive(Debug)]
pub struct Left {
    /// The number of its connection.
    pub connection: u64,
    /// By which of the servers it came, as they stand in the configuration.
    pub server: usize,
    /// The connection.
    pub fd: OwnedFd,
}

/// While this is held, no other binary takes over, unless it takes too long.
pub type Answering = OwnedRwLockReadGuard<()>;

/// Where an answer of the loop comes.
pub type Answer = oneshot::Receiver<Result<Reply, Fault>>;

/// A client that another binary has left to us.
#[derive(Debug)]
pub struct Arrived {
    /// The number of its connection.
    pub connection: u64,
    /// By which of the servers it came.
    pub server: usize,
    /// The connection.
    pub fd: OwnedFd,
    /// The answer that it waits for, and the name that it gave.
    pub waits: Option<(Answer, Option<String>)>,
}

/// What does not change while the daemon runs.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// `identifier=`
    pub identifier: String,
    /// Our process id.
    pub pid: i32,
    /// The main log, if it is a file.
    pub logfile: Option<PathBuf>,
    /// It goes to the journal.
    pub journal: bool,
    /// The main file of the configuration.
    pub configuration: PathBuf,
}

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What the supervisor as a whole is doing.
    pub state: SupervisorState,
    /// How many processes are in each state.
    pub census: Census,
}

impl Default for Standing {
    fn default() -> Self {
        Self { state: SupervisorState::Running, census: Census::default() }
    }
}

/// Everything that is configured, by process name.
pub type Configs = Arc<Vec<ConfigInfo<Arc<ProcessSpec>>>>;

/// What is odd about the configuration as it was last read, and what would go wrong with it.
pub type Findings = Arc<Vec<Diagnostic>>;

/// The handle: cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Supervisor {
    calls: mpsc::Sender<Call>,
    standing: watch::Receiver<Standing>,
    changes: watch::Receiver<()>,
    news: Teller,
    configs: Arc<RwLock<Configs>>,
    findings: watch::Receiver<Findings>,
    drops: Drops,
    about: Arc<About>,
    clock: fn() -> Now,
    cgroups: Option<Tree>,
    /// The connections whose clients wait for nothing but an answer of the loop.
    waiting: Arc<Mutex<HashSet<u64>>>,
    /// Tells whoever cannot be handed over that another binary begins.
    leaving: Arc<watch::Sender<()>>,
    /// Read by those whose clients nobody else could answer.
    answering: Arc<tokio::sync::RwLock<()>>,
    version: Arc<AtomicU64>,
}

/// The loop's side of the handle.
#[derive(Debug)]
pub struct Desk {
    /// What surfaces ask.
    pub calls: mpsc::Receiver<Call>,
    standing: watch::Sender<Standing>,
    changes: watch::Sender<()>,
    news: Teller,
    configs: Arc<RwLock<Configs>>,
    version: Arc<AtomicU64>,
}

impl Supervisor {
    /// A handle and the side of it that the loop keeps.
    #[must_use]
    pub fn new(
        about: About,
        findings: watch::Receiver<Findings>,
        drops: Drops,
        clock: fn() -> Now,
    ) -> (Self, Desk) {
        let (calls, receiver) = mpsc::channel(QUEUE_LIMIT);
        let (standing, standing_seen) = watch::channel(Standing::default());
        let (changes, changes_seen) = watch::channel(());
        let news = Teller::default();
        let configs = Arc::new(RwLock::new(Configs::default()));
        let (shown, about) = (Arc::clone(&configs), Arc::new(about));
        let version = Arc::new(AtomicU64::new(0));
        let handle = Self {
            calls,
            standing: standing_seen,
            changes: changes_seen,
            news: news.clone(),
            configs: shown,
            findings,
            drops,
            about,
            clock,
            cgroups: None,
            waiting: Arc::default(),
            leaving: Arc::default(),
            answering: Arc::default(),
            version: Arc::clone(&version),
        };
        (handle, Desk { calls: receiver, standing, changes, news, configs, version })
    }

    /// The same, which finds in their cgroups what programs use.
    #[must_use]
    pub fn measuring_in(mut self, cgroups: Option<Tree>) -> Self {
        self.cgroups = cgroups;
        self
    }

    /// Asks, and waits for the answer: at once, or when the state that the request waits for is reached.
    ///
    /// # Errors
    /// The fault with which the request was refused; `SHUTDOWN_STATE` when the loop has ended.
    pub async fn call(&self, asker: &Asker, request: Request) -> Result<Reply, Fault> {
        self.call_from(asker, None, request).await
    }

    /// The same, for a client that waits for nothing but this answer.
    ///
    /// # Errors
    /// As for [`Supervisor::call`].
    pub async fn call_from(
        &self,
        asker: &Asker,
        origin: Option<Origin>,
        request: Request,
    ) -> Result<Reply, Fault> {
        let (answer, answered) = oneshot::channel();
        let _waits = origin.as_ref().map(|origin| Waits::new(self, origin.connection));
        let call = Call { request, asker: asker.clone(), origin, answer };
        self.calls.send(call).await.map_err(|_| gone())?;
        self.answered(answered).await
    }

    /// The answer for a client that waited for it already when we took over.
    ///
    /// # Errors
    /// As for [`Supervisor::call`].
    pub async fn answer_for(&self, connection: u64, answer: Answer) -> Result<Reply, Fault> {
        let _waits = Waits::new(self, connection);
        self.answered(answer).await
    }

    async fn answered(&self, answer: Answer) -> Result<Reply, Fault> {
        Ok(match answer.await.unwrap_or_else(|_| Err(gone()))? {
            Reply::AllDetails(all) => Reply::AllDetails(self.measured(all).await?),
            Reply::Details(one) => match self.measured(vec![*one]).await?.pop() {
                Some(one) => Reply::Details(Box::new(one)),
                None => return Err(gone()),
            },
            reply => reply,
        })
    }

    /// Whether the client of that connection waits for nothing but an answer of the loop.
    #[must_use]
    pub fn is_waiting(&self, connection: u64) -> bool {
        self.waiting().contains(&connection)
    }

    /// Tells when another binary begins, to clients whose connection it cannot be left. It waits until this is dropped.
    #[must_use]
    pub fn leaving(&self) -> watch::Receiver<()> {
        self.leaving.subscribe()
    }

    /// Tells them, and waits until each has been answered.
    pub async fn take_leave(&self) {
        self.leaving.send_replace(());
        self.leaving.closed().await;
    }

    /// To be held until a client is answered that another binary could not answer.
    pub async fn answering(&self) -> Answering {
        Arc::clone(&self.answering).read_owned().await
    }

    /// Waits until all of them are answered; while this is held nothing is begun for another one.
    pub async fn all_answered(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.answering).write_owned().await
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With what the engine cannot know. Looking takes a while, and nobody else waits for it.
    async fn measured(&self, mut all: Vec<ProcessDetails>) -> Result<Vec<ProcessDetails>, Fault> {
        let (drops, cgroups) = (self.drops.clone(), self.cgroups.clone());
        let measure = move || {
            let alive = all.iter().filter(|one| one.info.pid > 0);
            let place = |one: &ProcessDetails| cgroups.as_ref().map(|tree| tree.leaf(&one.info.name));
            let usages = usage_of(&alive.map(|one| (one.info.pid, place(one))).collect());
            for one in &mut all {
                one.usage = usages.get(&one.info.pid).copied();
                one.dropped = drops.of(&one.info.name);
            }
            all
        };
        tokio::task::spawn_blocking(measure).await.map_err(|_| Fault::bare(FaultCode::Failed))
    }

    /// What the supervisor as a whole is doing.
    #[must_use]
    pub fn state(&self) -> SupervisorState {
        self.standing.borrow().state
    }

    /// As long as it is the same, so is what is known of all processes; uptimes aside.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Tells whenever a process, a group or the supervisor has come into another state.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.clone()
    }

    /// The same, and how many processes are in each state; it tells when that changes.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// What happens from now on.
    #[must_use]
    pub fn news(&self) -> Listener {
        self.news.listen()
    }

    /// What does not change.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Everything that is configured.
    #[must_use]
    pub fn configs(&self) -> Configs {
        match self.configs.read() {
            Ok(configs) => Arc::clone(&configs),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    /// What was found when the configuration was last read.
    #[must_use]
    pub fn findings(&self) -> Findings {
        Arc::clone(&self.findings.borrow())
    }

    /// The clocks, for uptimes and `now`.
    #[must_use]
    pub fn now(&self) -> Now {
        (self.clock)()
    }
}

fn gone() -> Fault {
    Fault::bare(FaultCode::ShutdownState)
}

/// A client that waits for an answer of the loop, until this is dropped.
struct Waits<'a> {
    supervisor: &'a Supervisor,
    connection: u64,
}

impl<'a> Waits<'a> {
    fn new(supervisor: &'a Supervisor, connection: u64) -> Self {
        supervisor.waiting().insert(connection);
        Self { supervisor, connection }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.supervisor.waiting().remove(&self.connection);
    }
}

impl Desk {
    /// Tells every surface how things stand.
    pub fn show(&self, standing: Standing) {
        let mut another_state = false;
        self.standing.send_if_modified(|seen| {
            another_state = seen.state != standing.state;
            std::mem::replace(seen, standing) != standing
        });
        if another_state {
            self.tell_change();
        }
    }

    /// Tells whoever watches that something is in another state.
    pub fn tell_change(&self) {
        self.changes.send_replace(());
    }

    /// Tells whoever wants to know what has happened.
    pub fn tell(&self, news: &News) {
        self.news.tell(news);
    }

    /// Tells which version of what is known answers are of from now on.
    pub fn set_version(&self, version: u64) {
        self.version.store(version, Ordering::Release);
    }

    /// Tells every surface what is configured now.
    pub fn set_configs(&self, configs: Configs) {
        match self.configs.write() {
            Ok(mut seen) => *seen = configs,
            Err(poisoned) => *poisoned.into_inner() = configs,
        }
    }
}
