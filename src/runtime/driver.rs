//! The loop: wait → fact → engine → deeds → repeat. One task owns the engine.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::afterwards::Afterwards;
use super::children::Children;
use super::handle::{Call, Configs, Desk, News, Origin, Standing};
use super::kept::log::Log;
use super::kept::{Kept, Recovered};
use super::pulse::{Alarm, Pulse};
use super::signals::Signals;
use super::status;
use super::takeover::{Legacy, Succession};
use crate::api::{ConfigInfo, Fault, Level, Notice, ProcessName, Reply, Signal, SupervisorState};
use crate::config::check::Trouble;
use crate::config::spec::{GroupSpec, ProcessSpec};
use crate::engine::{Effect, Engine, Errand, Input, LoadReason, Phase, ProcessId, Ticket};
use crate::logs::main_log::MainLog;
use crate::logs::plane::{Claim, Plane};
use crate::system::clock;
use crate::system::epoll::Epoll;
use crate::system::memory;
use crate::systemd::notify::ServiceManager;

/// Reads the configuration; runs on a thread of its own, because disks and name services may be slow.
pub type Loader = Arc<dyn Fn(LoadReason) -> Result<Vec<GroupSpec>, String> + Send + Sync>;

/// What the daemon gives the loop.
pub struct Parts {
    /// The requests.
    pub desk: Desk,
    /// The children's output.
    pub plane: Plane,
    /// What the plane and the loader tell.
    pub facts: mpsc::UnboundedReceiver<Fact>,
    /// Where the loader tells it.
    pub teller: mpsc::UnboundedSender<Fact>,
    /// The main log.
    pub log: Arc<MainLog>,
    /// Reads the configuration.
    pub loader: Loader,
    /// Lets clients in; done when the first turn is over, so that none finds a house half built.
    pub serve: Box<dyn FnOnce()>,
    /// What every child gets.
    pub surroundings: super::children::Surroundings,
    /// Reap what is not ours too: we are PID 1, or a subreaper.
    pub reap_strangers: bool,
    /// Whoever may take over from us.
    pub succession: Succession,
    /// What the binary before us has left, if we have taken over.
    pub legacy: Option<Legacy>,
    /// What a daemon that has died has left, if we go on with that.
    pub recovered: Option<Box<Recovered>>,
    /// What is kept for us, so that programs outlive us.
    pub kept: Option<Kept>,
}

/// What another thread tells the loop.
#[derive(Debug)]
pub enum Fact {
    /// For the engine.
    Input(Input),
    /// An event listener said something; the claim is given back when it was taken in.
    Heard(Input, Claim),
    /// The output of an ended process was taken to its end; what it said last.
    Drained(u64, Option<String>),
    /// Why a process ended badly, if that can be seen.
    Explained(ProcessId, Option<Trouble>),
    /// The installed binary could take over, or why not.
    Tried(Result<(), String>),
    /// The surfaces are ready for it.
    Settled,
}

/// What is taken in of each kind before the engine is told.
const AT_ONCE: usize = 32;

/// After so long something is done about what nobody wants any more.
const TIDY: Duration = Duration::from_millis(50);

/// Whoever waits for an answer.
pub(super) struct Waiting {
    pub(super) answer: oneshot::Sender<Result<Reply, Fault>>,
    pub(super) origin: Option<Origin>,
}

/// The loop's state.
pub(super) struct Driver {
    pub(super) engine: Engine,
    pub(super) children: Children,
    pub(super) log: Arc<MainLog>,
    pub(super) inbox: VecDeque<Input>,
    /// Facts about those who wait at their gates; nobody is born before these are let through.
    pub(super) births: VecDeque<Input>,
    pub(super) teller: mpsc::UnboundedSender<Fact>,
    pub(super) loader: Loader,
    pub(super) answers: HashMap<Ticket, Waiting>,
    pub(super) loads: BTreeMap<Errand, LoadReason>,
    pub(super) succession: Succession,
    pub(super) desk: Desk,
    manager: ServiceManager,
    /// What we do is written down here.
    pub(super) record: Option<Log>,
    /// What of the programs' output is on its way, for whoever takes over.
    pub(super) cell: Option<OwnedFd>,
    pub(super) last_ticket: u64,
    reap_strangers: bool,
    /// Every surface knows what is configured as of the last turn of the engine.
    shown_configs: bool,
    afterwards: Afterwards,
}

/// Runs until every program has been stopped; says whether to end or to begin again.
///
/// # Errors
/// When the kernel refuses a signal handler or an epoll.
pub async fn run(
    configured: Vec<GroupSpec>,
    parts: Parts,
    signals: &mut Signals,
) -> io::Result<SupervisorState> {
    // The programs are reaped through their pidfds: the signal itself tells of strangers, and the debug log of itself.
    if parts.reap_strangers || parts.log.level() <= Level::Debug {
        signals.also(Signal::CHLD)?;
    }
    let mut poll = Epoll::in_reactor()?;
    let (mut driver, mut facts, serve) = Driver::begin(configured, parts, poll.get_ref());
    let mut pulse = Pulse::new();
    let mut serve = Some(serve);
    let mut alarm = Alarm::new();
    loop {
        driver.settle(poll.get_ref());
        driver.tidy(false);
        driver.show();
        if let Some(mood) = driver.engine.finished() {
            if !driver.children.stop_plane() {
                let text = "the last output of programs is lost: a disk with logs does not answer";
                driver.log.line(Level::Error, text);
            }
            driver.children.places.clear();
            driver.children.empty_bag();
            return Ok(mood);
        }
        if let Some(serve) = serve.take() {
            serve();
            driver.manager.ready();
        }
        if driver.succession.is_settled() {
            driver.part(&mut facts, signals).await;
            continue;
        }
        pulse.beat(&mut driver.manager, driver.engine.mood());
        let over = driver.afterwards.is_over();
        let wake = driver.wake().into_iter().chain(pulse.wake()).min();
        alarm.set(wake);
        if over {
            // Last of all, so that it stays so while we wait.
            driver.give_back();
        }
        tokio::select! {
            Some(signal) = signals.next() => driver.signalled(signal),
            Some(fact) = facts.recv() => driver.told(fact),
            guard = poll.readable_mut() => {
                let mut guard = guard?;
                let (told, all) = driver.children.collect(guard.get_inner_mut());
                driver.inbox.extend(told);
                if all {
                    // What has come since wakes us again.
                    guard.clear_ready();
                }
            }
            Some(call) = driver.desk.calls.recv() => driver.asked(call),
            () = alarm.rings(), if alarm.is_set() => {
                if wake.is_some_and(|wake| wake <= Instant::now()) {
                    driver.in_time();
                }
            }
        }
        driver.take_in_what_waits(&mut facts);
        // Children that die without end would keep signals and timers from us.
        tokio::task::yield_now().await;
    }
}

impl Driver {
    /// The state that the loop begins with, whatever was there before us; where facts come, and what lets clients in.
    fn begin(
        configured: Vec<GroupSpec>,
        parts: Parts,
        poll: &Epoll,
    ) -> (Self, mpsc::UnboundedReceiver<Fact>, Box<dyn FnOnce()>) {
        let mut driver = Self {
            engine: Engine::new(configured),
            children: Children::new(parts.plane, parts.surroundings, parts.teller.clone()),
            log: parts.log,
            inbox: VecDeque::from([Input::Started]),
            births: VecDeque::new(),
            teller: parts.teller,
            loader: parts.loader,
            answers: HashMap::new(),
            loads: BTreeMap::new(),
            succession: parts.succession,
            desk: parts.desk,
            manager: ServiceManager::default(),
            record: None,
            cell: None,
            last_ticket: 0,
            reap_strangers: parts.reap_strangers,
            shown_configs: false,
            afterwards: Afterwards::new(),
        };
        if let Some(kept) = parts.kept {
            driver.begin_to_keep(kept);
        }
        if let Some(legacy) = parts.legacy {
            driver.take_over(poll, legacy);
        }
        driver.children.put_reports();
        driver.begin_record();
        if let Some(recovered) = parts.recovered {
            driver.recover(poll, *recovered);
        }
        (driver, parts.facts, parts.serve)
    }

    /// Tells the engine every fact and does every deed, until nothing is left.
    fn settle(&mut self, poll: &Epoll) {
        loop {
            self.inbox.extend(self.children.take_exits(poll));
            let Some(input) = self.births.pop_front().or_else(|| self.inbox.pop_front()) else { return };
            let ended = match &input {
                Input::Exited { id, .. } | Input::Unborn { id } => Some(*id),
                _ => None,
            };
            self.engine.handle(clock::now(), input);
            self.shown_configs = false;
            self.desk.set_version(self.engine.version());
            ended.into_iter().for_each(|id| self.children.is_told(id));
            // Before a client is told that its programs are stopped.
            self.close_sockets();
            let effects: Vec<Effect> = std::iter::from_fn(|| self.engine.poll_effect()).collect();
            self.afterwards.did(effects.len());
            self.write_down(&effects);
            for effect in effects {
                let bequeathed = effect.is_bequeathed();
                self.perform(poll, effect);
                if bequeathed {
                    self.deed_is_done();
                }
            }
        }
    }

    /// Takes in some of what waits besides, so that it needs no turn of its own, and nobody waits for a crowd of children.
    fn take_in_what_waits(&mut self, facts: &mut mpsc::UnboundedReceiver<Fact>) {
        for _ in 0..AT_ONCE {
            let Ok(call) = self.desk.calls.try_recv() else { break };
            self.asked(call);
        }
        for _ in 0..AT_ONCE {
            let Ok(fact) = facts.try_recv() else { break };
            self.told(fact);
        }
    }

    /// A shared socket stays open through the restarts of its programs.
    fn close_sockets(&mut self) {
        if self.children.sockets.is_empty() {
            return;
        }
        let engine = &self.engine;
        let idle = |phase: &Phase| {
            matches!(
                phase,
                Phase::Stopped
                    | Phase::Exited { restart: false }
                    | Phase::Fatal
                    | Phase::Unknown { pid: None }
            )
        };
        let closed = self.children.sockets.keep(|socket| {
            engine
                .processes()
                .any(|process| process.spec.socket.as_deref() == Some(socket) && !idle(&process.phase))
        });
        closed.into_iter().for_each(|item| self.children.take_out(Some(item)));
        for notice in self.children.sockets.take_notices() {
            self.log.note(&notice);
        }
    }

    /// What surfaces see of the new state; the service manager may wait for it.
    fn show(&mut self) {
        self.show_by(ServiceManager::status);
    }

    /// What surfaces and the service manager see of the new state.
    pub(super) fn show_now(&mut self) {
        self.show_by(ServiceManager::status_now);
    }

    fn show_by(&mut self, say: fn(&mut ServiceManager, &dyn Fn() -> String)) {
        let standing = Standing { state: self.engine.mood(), census: self.engine.census() };
        let named = |state| self.engine.names_in(state);
        say(&mut self.manager, &|| status::line(standing.state, &standing.census, named));
        self.desk.show(standing);
    }

    /// Tells every surface that something is in another state.
    pub(super) fn tell_change(&self) {
        self.desk.tell_change();
    }

    /// Tells whoever wants to know what has happened.
    pub(super) fn tell(&self, news: &News) {
        self.desk.tell(news);
    }

    /// Tells every surface what is configured; once a turn, however many deeds of it ask for that.
    pub(super) fn show_configs(&mut self) {
        if !std::mem::replace(&mut self.shown_configs, true) {
            self.desk.set_configs(configs(&self.engine));
        }
    }

    /// When the engine or a drain is due.
    fn wake(&self) -> Option<Instant> {
        let now = clock::now().mono;
        let untidy = self.children.is_untidy() || self.needs_bag() && self.children.is_bag_untidy();
        let untidy = untidy.then(|| now + TIDY);
        let deadlines = self.engine.deadline().into_iter().chain(self.children.deadline()).chain(untidy);
        let deadline = deadlines.min().map(|deadline| Instant::now() + deadline.since(now));
        let status = self.manager.wake().map(Instant::from_std);
        deadline.into_iter().chain(self.afterwards.wake()).chain(status).min()
    }

    /// Lets go of what nobody needs any more.
    fn tidy(&mut self, at_leisure: bool) {
        self.children.tidy();
        if self.needs_bag() {
            self.children.tidy_bag(at_leisure);
        }
    }

    /// Where all programs end, nobody looks into the bag: it goes as a whole when they have.
    fn needs_bag(&self) -> bool {
        self.engine.mood() == SupervisorState::Running
    }

    /// Something is due.
    fn in_time(&mut self) {
        self.tidy(true);
        self.inbox.push_back(Input::DeadlineReached);
    }

    /// Gives back what is not needed any more.
    fn give_back(&mut self) {
        self.inbox.shrink_to_fit();
        self.births.shrink_to_fit();
        self.engine.give_back();
        self.record.iter().for_each(Log::give_back);
        memory::tidy();
    }

    pub(super) fn asked(&mut self, call: Call) {
        if let Some(change) = call.request.change() {
            self.log.line(Level::Info, format!("{change} requested by {}", call.asker));
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.answers.insert(ticket, Waiting { answer: call.answer, origin: call.origin });
        self.inbox.push_back(Input::Request { ticket, request: call.request });
    }

    pub(super) fn told(&mut self, fact: Fact) {
        match fact {
            Fact::Input(input) => {
                if let Input::Loaded { errand, .. } = &input {
                    self.loads.remove(errand);
                    self.afterwards.again();
                }
                self.inbox.push_back(input);
            }
            Fact::Heard(input, _claim) => self.inbox.push_back(input),
            Fact::Drained(token, words) => self.children.drained(token, words),
            Fact::Explained(id, trouble) => self.children.explained(id, trouble),
            Fact::Tried(outcome) => self.tried(outcome),
            Fact::Settled => self.succession.settled(),
        }
    }

    pub(super) fn signalled(&mut self, signal: Signal) {
        if signal != Signal::CHLD {
            self.inbox.push_back(Input::SignalReceived(signal));
            return;
        }
        self.log.note(&Notice::SignalReceived { signal });
        self.reap_strangers();
    }

    /// Reaps those that are ours by adoption only.
    pub(super) fn reap_strangers(&self) {
        if self.reap_strangers {
            for notice in self.children.reap_strangers(self.succession.candidate()) {
                self.log.note(&notice);
            }
        }
    }
}

fn configs(engine: &Engine) -> Configs {
    let active: HashSet<&str> = engine.groups().iter().map(|group| group.spec.name.as_str()).collect();
    let group_infos = |group: &GroupSpec| {
        let in_use = active.contains(group.name.as_str());
        let group_name: Arc<str> = group.name.as_str().into();
        let one = |spec: &Arc<ProcessSpec>| ConfigInfo {
            name: ProcessName::new(Arc::clone(&group_name), Arc::clone(&spec.name)),
            group_priority: group.priority,
            in_use,
            spec: Arc::clone(spec),
        };
        group.processes.iter().map(one).collect::<Vec<_>>()
    };
    let mut infos: Vec<_> = engine.configured().iter().flat_map(group_infos).collect();
    infos.sort_by(|a, b| a.name.process.cmp(&b.name.process));
    Configs::new(infos)
}
