//! What is known of connections, so that those who keep a place for nothing make room.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::socket::Socket;

/// How long a head may take to come when others wait for the place.
const HEAD_PATIENCE: Duration = Duration::from_millis(100);
/// How long a body may take to come, or an answer may wait to be read, when others wait for the place.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether all is answered.
const GLANCE: Duration = Duration::from_millis(5);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It waits for the next request, since then.
    Idle(Instant),
    /// A head is being read, or nothing ever came, since then.
    Head(Instant),
    /// The body of a request is being read, since then.
    Body(Instant),
    /// A password is being checked that was not known to be right, since then.
    Doubtful(Instant),
    /// A request is being answered.
    Busy,
    /// The answer is complete, and on its way.
    Sending,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The client takes up nothing, since then.
    stalled: Option<Instant>,
    /// Nothing ever came.
    silent: bool,
    /// Whoever reads on when it is not held any more.
    held: Option<Waker>,
}

impl State {
    /// No request is under way.
    fn is_between(&self) -> bool {
        self.silent || matches!(self.phase, Phase::Idle(_))
    }
}

/// What is known of a connection.
#[derive(Debug)]
pub struct Life {
    /// Its number, which no other connection has.
    pub id: u64,
    state: Mutex<State>,
    socket: OnceLock<Socket>,
    hold: watch::Receiver<bool>,
    /// Told when the connection has to make room.
    pub leave: Notify,
}

impl Life {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever leaves now takes nothing along that the client could still get.
    #[must_use]
    pub fn is_expendable(&self) -> bool {
        let state = self.state();
        state.stalled.is_some() || matches!(state.phase, Phase::Head(_) | Phase::Body(_) | Phase::Doubtful(_))
    }

    /// Over which socket it goes.
    pub fn goes_over(&self, socket: Socket) {
        // Told once.
        let _ = self.socket.set(socket);
    }

    /// A request is there; it is being answered until what is returned is dropped.
    #[must_use]
    pub fn busy(self: &Arc<Self>) -> Busy {
        let mut state = self.state();
        (state.phase, state.silent) = (Phase::Busy, false);
        drop(state);
        Busy(Arc::clone(self))
    }

    /// The body of the request is being read, until what is returned is dropped.
    #[must_use]
    pub fn reading(self: &Arc<Self>) -> Spared {
        self.state().phase = Phase::Body(Instant::now());
        Spared(Arc::clone(self))
    }

    /// Who asks is being found out, until what is returned is dropped.
    #[must_use]
    pub fn doubtful(self: &Arc<Self>) -> Spared {
        self.state().phase = Phase::Doubtful(Instant::now());
        Spared(Arc::clone(self))
    }

    /// Nothing may be read now: it would be the beginning of a request, and none is begun any more.
    pub(super) fn is_held(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        let held = state.is_between() && *self.hold.borrow();
        state.held = held.then(|| context.waker().clone());
        held
    }

    fn go_on(&self) {
        if let Some(waker) = self.state().held.take() {
            waker.wake();
        }
    }

    /// The same connection, for another process.
    fn copy(&self) -> Option<OwnedFd> {
        self.socket.get()?.copy().ok()
    }

    /// Something was read, or the end of what there was; whether it belongs to a head.
    pub(super) fn read(&self, something: bool) -> bool {
        let mut state = self.state();
        state.silent &= !something;
        if something && matches!(state.phase, Phase::Idle(_)) {
            state.phase = Phase::Head(Instant::now());
        }
        matches!(state.phase, Phase::Head(_))
    }

    /// The client takes up what is written, or does not.
    pub(super) fn wrote(&self, something: bool) {
        let mut state = self.state();
        state.stalled = if something { None } else { state.stalled.or_else(|| Some(Instant::now())) };
    }

    /// Everything is written.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        if state.phase == Phase::Sending {
            state.phase = Phase::Idle(Instant::now());
        }
    }
}

/// A request is being answered.
#[derive(Debug)]
pub struct Busy(Arc<Life>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.state().phase = Phase::Sending;
    }
}

/// A request that could be spared, until this is dropped.
#[derive(Debug)]
pub struct Spared(Arc<Life>);

impl Drop for Spared {
    fn drop(&mut self) {
        self.0.state().phase = Phase::Busy;
    }
}

/// Resolves when it is held, or not.
pub async fn until(hold: &mut watch::Receiver<bool>, wanted: bool) {
    // Whoever could change it is gone: nothing is held any more.
    let _ = hold.wait_for(|held| *held == wanted).await;
}

/// The number of the next connection of any listener.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The connections of a listener.
#[derive(Debug, Default)]
pub struct Connections {
    lives: Mutex<Vec<Arc<Life>>>,
    /// Nothing new is begun.
    hold: watch::Sender<bool>,
}

impl Connections {
    fn lives(&self) -> MutexGuard<'_, Vec<Arc<Life>>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection.
    pub fn enter(&self) -> Arc<Life> {
        self.enter_as(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Enters a connection that has a number already.
    pub fn enter_as(&self, id: u64) -> Arc<Life> {
        NEXT.fetch_max(id.saturating_add(1), Ordering::Relaxed);
        let state = State { phase: Phase::Head(Instant::now()), stalled: None, silent: true, held: None };
        let life = Arc::new(Life {
            id,
            state: Mutex::new(state),
            socket: OnceLock::new(),
            hold: self.hold.subscribe(),
            leave: Notify::new(),
        });
        self.lives().push(Arc::clone(&life));
        life
    }

    /// Begins nothing new, or does again.
    pub fn set_hold(&self, hold: bool) {
        self.hold.send_replace(hold);
        if !hold {
            self.lives().iter().for_each(|life| life.go_on());
        }
    }

    /// Tells whether nothing new is begun.
    pub fn hold(&self) -> watch::Receiver<bool> {
        self.hold.subscribe()
    }

    /// Resolves when no request is under way but those of clients that are spared.
    pub async fn at_rest(&self, spared: impl Fn(u64) -> bool) {
        let busy = |life: &Arc<Life>| !life.state().is_between() && !spared(life.id);
        while self.lives().iter().any(busy) {
            sleep(GLANCE).await;
        }
    }

    /// Copies of those connections that have no request under way, or are spared, with their numbers.
    pub fn copies(&self, spared: impl Fn(u64) -> bool) -> Vec<(u64, OwnedFd)> {
        let lives = self.lives();
        let resting = lives.iter().filter(|life| life.state().is_between() || spared(life.id));
        resting.filter_map(|life| Some((life.id, life.copy()?))).collect()
    }

    /// Forgets a connection.
    pub fn leave(&self, life: &Life) {
        self.lives().retain(|known| known.id != life.id);
    }

    /// Asks the connection that can best be spared to leave, the longest first: one that is idle, one that guesses
    /// passwords, one that has sent no head, one that does not read its answer, one that does not send its body. So those
    /// who only connect keep nobody out.
    pub fn make_room(&self) {
        let now = Instant::now();
        let lives = self.lives();
        let rank = |life: &Life| {
            let state = life.state();
            let waits = |since: Instant, patience| (now - since >= patience).then_some(since);
            let stalled = || Some((3, waits(state.stalled?, PATIENCE)?));
            match state.phase {
                Phase::Idle(since) => Some((0, since)),
                Phase::Doubtful(since) => Some((1, since)),
                Phase::Head(since) => Some((2, waits(since, HEAD_PATIENCE)?)),
                Phase::Body(since) => Some((4, waits(since, PATIENCE)?)),
                Phase::Busy | Phase::Sending => stalled(),
            }
        };
        let ranked = lives.iter().filter_map(|life| Some((rank(life)?, life)));
        if let Some((_, life)) = ranked.min_by_key(|(rank, _)| *rank) {
            life.leave.notify_one();
        }
    }

    /// Resolves when no answer is being made or sent.
    pub async fn settled(&self) {
        let busy = |life: &Arc<Life>| matches!(life.state().phase, Phase::Busy | Phase::Sending);
        while self.lives().iter().any(busy) {
            sleep(GLANCE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(life: &Life) -> bool {
        let mut told = Box::pin(life.leave.notified());
        let mut context = Context::from_waker(Waker::noop());
        told.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_can_best_be_spared_make_room() {
        let connections = Connections::default();
        let [idle, silent, deaf, slow, busy, guesser] = [(); 6].map(|()| connections.enter());
        let all = [&idle, &silent, &deaf, &slow, &busy, &guesser];
        let spared = |expected: Option<&Arc<Life>>| {
            connections.make_room();
            let left = all.map(|life| leaves(life));
            assert_eq!(left, all.map(|life| expected.is_some_and(|expected| expected.id == life.id)));
            expected.into_iter().for_each(|life| connections.leave(life));
        };
        let _answers = [&deaf, &slow, &busy, &guesser].map(Life::busy);
        let _body = slow.reading();
        deaf.wrote(false);
        drop(idle.busy());
        spared(None);
        idle.flushed();
        let _doubt = guesser.doubtful();
        spared(Some(&idle));
        spared(Some(&guesser));
        tokio::time::advance(HEAD_PATIENCE).await;
        spared(Some(&silent));
        spared(None);
        tokio::time::advance(PATIENCE).await;
        assert!(deaf.is_expendable() && slow.is_expendable() && !busy.is_expendable());
        spared(Some(&deaf));
        spared(Some(&slow));
        tokio::time::advance(PATIENCE).await;
        spared(None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_awaited_until_it_is_written() {
        let connections = Connections::default();
        let life = connections.enter();
        let answer = life.busy();
        assert!(tokio::time::timeout(PATIENCE, connections.settled()).await.is_err());
        drop(answer);
        assert!(tokio::time::timeout(PATIENCE, connections.settled()).await.is_err());
        life.flushed();
        connections.settled().await;
    }
}
