//! What is known of connections, so that those who keep a place for nothing make room.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::socket::Socket;
use super::source::Source;
use crate::api::Surface;

/// How long a head may take to come when others wait for the place.
const HEAD_PATIENCE: Duration = Duration::from_millis(100);
/// How long a body may take to come, or an answer may wait to be read, when others wait for the place.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same for one of a crowd, which has most of the places and needs no more.
const CROWD_PATIENCE: Duration = Duration::from_millis(10);
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
    /// Who asks is being found out, or room for the answer is waited for, since then.
    Waits(Instant),
    /// A request is being answered.
    Busy,
    /// The answer is complete, and on its way.
    Sending,
    /// The connection has ended.
    Gone,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The client takes up nothing, since then.
    stalled: Option<Instant>,
    /// The answer may take as long as the client likes: it is made as it is read.
    endless: bool,
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
    from: Source,
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
        state.stalled.is_some() || matches!(state.phase, Phase::Head(_) | Phase::Body(_) | Phase::Waits(_))
    }

    /// The connection has ended.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state().phase == Phase::Gone
    }

    fn turn(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase != Phase::Gone {
            state.phase = phase;
        }
    }

    /// Over which socket it goes.
    pub fn goes_over(&self, socket: Socket) {
        // Told once.
        let _ = self.socket.set(socket);
    }

    /// A request is there; it is being answered until what is returned is dropped.
    #[must_use]
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.turn(Phase::Busy);
        self.state().silent = false;
        Busy(Arc::clone(self))
    }

    /// The body of the request is being read, until what is returned is dropped.
    #[must_use]
    pub fn reading(self: &Arc<Self>) -> Spared {
        self.turn(Phase::Body(Instant::now()));
        Spared(Arc::clone(self))
    }

    /// Nothing is done yet: who asks is being found out, or there is no room for the answer, until what is returned is
    /// dropped.
    #[must_use]
    pub fn waits(self: &Arc<Self>) -> Spared {
        self.turn(Phase::Waits(Instant::now()));
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

    /// The client takes up what is written, or does not; whether it has a limited time for that.
    pub(super) fn wrote(&self, something: bool) -> bool {
        let mut state = self.state();
        state.stalled = if something { None } else { state.stalled.or_else(|| Some(Instant::now())) };
        !something && !state.endless
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

impl Busy {
    /// The answer is made as it is read, and whoever pauses may go on.
    pub(super) fn endless(&self) {
        self.0.state().endless = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.turn(Phase::Sending);
    }
}

/// A request that could be spared, until this is dropped.
#[derive(Debug)]
pub struct Spared(Arc<Life>);

impl Drop for Spared {
    fn drop(&mut self) {
        self.0.turn(Phase::Busy);
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
    pub fn enter(&self, surface: Surface) -> Arc<Life> {
        self.enter_as(NEXT.fetch_add(1, Ordering::Relaxed), surface)
    }

    /// Enters a connection that has a number already.
    pub fn enter_as(&self, id: u64, surface: Surface) -> Arc<Life> {
        NEXT.fetch_max(id.saturating_add(1), Ordering::Relaxed);
        let phase = Phase::Head(Instant::now());
        let life = Arc::new(Life {
            id,
            from: Source::nearest(surface),
            state: Mutex::new(State { phase, stalled: None, endless: false, silent: true, held: None }),
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

    /// Forgets a connection that has ended.
    pub fn leave(&self, life: &Life) {
        life.state().phase = Phase::Gone;
        self.lives().retain(|known| known.id != life.id);
    }

    /// Asks the connection that can best be spared to leave: one of a crowd before any other, and then, the longest first, one that is idle, one that guesses
    /// passwords or waits for room, one that has sent no head, one that does not read its answer, one that does not send its
    /// body. So those who only connect keep nobody out. A crowd from one place is given no time for its heads, and little for
    /// its bodies and its answers: who comes from elsewhere should not have to wait for it.
    pub fn make_room(&self) {
        let now = Instant::now();
        let lives = self.lives();
        let crowd = crowd(&lives);
        let rank = |life: &Life| {
            let state = life.state();
            let (head_patience, patience) = match Some(life.from) == crowd {
                true => (Duration::ZERO, CROWD_PATIENCE),
                false => (HEAD_PATIENCE, PATIENCE),
            };
            let waits = |since: Instant, patience| (now - since >= patience).then_some(since);
            let stalled = || Some((3, waits(state.stalled?, patience)?));
            match state.phase {
                Phase::Idle(since) => Some((0, since)),
                Phase::Waits(since) => Some((1, since)),
                Phase::Head(since) => Some((2, waits(since, head_patience)?)),
                Phase::Body(since) => Some((4, waits(since, patience)?)),
                Phase::Busy | Phase::Sending => stalled(),
                Phase::Gone => None,
            }
        };
        let ranked = lives.iter().filter_map(|life| Some(((Some(life.from) != crowd, rank(life)?), life)));
        if let Some((_, life)) = ranked.min_by_key(|(rank, _)| *rank) {
            life.leave.notify_one();
        }
    }

    /// Asks all those to leave who take up room and neither send nor read.
    pub fn make_way(&self) {
        let stuck = |state: &State| {
            let body = if let Phase::Body(since) = state.phase { Some(since) } else { None };
            state.stalled.or(body).is_some_and(|since| since.elapsed() >= PATIENCE)
        };
        for life in self.lives().iter().filter(|life| stuck(&life.state())) {
            life.leave.notify_one();
        }
    }

    /// Resolves when nobody is left who is being answered and reads the answer, or whose request has just come.
    pub async fn settled(&self) {
        let waits = |life: &Arc<Life>| {
            let state = life.state();
            match state.phase {
                Phase::Idle(_) | Phase::Waits(_) | Phase::Gone => false,
                Phase::Head(since) | Phase::Body(since) => since.elapsed() < HEAD_PATIENCE,
                Phase::Busy | Phase::Sending => state.stalled.is_none_or(|since| since.elapsed() < PATIENCE),
            }
        };
        while self.lives().iter().any(waits) {
            sleep(GLANCE).await;
        }
    }
}

/// Where at least half of the connections come from. It is asked for each connection of a flood: sorting what is mostly equal
/// is quicker than counting in a map.
fn crowd(lives: &[Arc<Life>]) -> Option<Source> {
    let mut from: Vec<Source> = lives.iter().map(|life| life.from).collect();
    from.sort_unstable();
    let many = from.chunk_by(Source::eq).find(|same| same.len() > 1 && 2 * same.len() >= lives.len())?;
    many.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pid: i32) -> Surface {
        Surface::Unix { pid: Some(pid), uid: 0, gid: 0 }
    }

    fn leaves(life: &Life) -> bool {
        let mut told = Box::pin(life.leave.notified());
        let mut context = Context::from_waker(Waker::noop());
        told.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_can_best_be_spared_make_room() {
        let connections = Connections::default();
        let [idle, silent, deaf, slow, busy, guesser] =
            [1, 2, 3, 4, 5, 6].map(|pid| connections.enter(from(pid)));
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
        let _doubt = guesser.waits();
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
    async fn a_crowd_from_one_place_makes_room_at_once() {
        let connections = Connections::default();
        let other = connections.enter(from(1));
        let many = [(); 3].map(|()| connections.enter(from(2)));
        connections.make_room();
        assert!(leaves(&many[0]) && !leaves(&other));
        many.iter().for_each(|life| connections.leave(life));
        connections.make_room();
        assert!(many[0].is_gone() && !leaves(&other));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_does_not_read_makes_room_soon() {
        let connections = Connections::default();
        let other = connections.enter(from(1));
        let many = [(); 3].map(|()| connections.enter(from(2)));
        let _answers = [&other, &many[0], &many[1], &many[2]].map(Life::busy);
        let _body = many[1].reading();
        [&other, &many[0]].into_iter().for_each(|life| _ = life.wrote(false));
        connections.make_room();
        assert!(many.iter().all(|life| !leaves(life)));
        tokio::time::advance(CROWD_PATIENCE).await;
        for life in &many[..2] {
            connections.make_room();
            assert!(leaves(life) && !leaves(&other));
            connections.leave(life);
        }
        // One of them goes before somebody else who could be spared as well.
        let _waits = (other.waits(), many[2].waits());
        let third = connections.enter(from(2));
        connections.make_room();
        assert!(leaves(&many[2]) && !leaves(&other));
        connections.leave(&third);
        drop(_waits);
        // Who is one of two is no crowd.
        connections.make_room();
        assert!(!leaves(&other) && !leaves(&many[2]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_awaited_until_it_is_written() {
        let connections = Connections::default();
        let life = connections.enter(from(1));
        let answer = life.busy();
        assert!(tokio::time::timeout(PATIENCE, connections.settled()).await.is_err());
        drop(answer);
        assert!(tokio::time::timeout(PATIENCE, connections.settled()).await.is_err());
        life.flushed();
        connections.settled().await;
    }
}
