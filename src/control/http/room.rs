//! How much memory the clients of a listener may take, whatever they send or do not read.
//!
//! | what | bound |
//! |---|---|
//! | heads and buffers | [`HEAD_LIMIT`](super::HEAD_LIMIT) for each connection |
//! | small requests and answers | [`FREE_REQUEST`] and [`FREE_ANSWER`] for each connection, and what is made of them |
//! | larger requests | [`REQUESTS`] for all connections of the listener, counted with what is made of them |
//! | larger answers | [`ANSWERS`] for all connections of the listener, from before they are made until they are sent |
//! | calls whose client has left | [`CALLS`] for the listener |
//!
//! Whoever needs room waits for it in a queue; whoever has some and neither sends nor reads for a second makes way. Each
//! listener has rooms of its own, so that a flood over TCP takes nothing from the clients of the unix socket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::life::{Connections, Life};
use crate::wire::xmlrpc::CALL_ELEMENT_LIMIT;

/// Bytes of a request for which no room is needed.
pub const FREE_REQUEST: usize = 4 << 10;
/// Bytes of an answer for which no room is needed.
pub const FREE_ANSWER: usize = 32 << 10;
/// Bytes for the other requests.
pub const REQUESTS: usize = 64 << 20;
/// Bytes for the other answers: as many as the largest takes, while it is made.
pub const ANSWERS: usize = 96 << 20;
/// Calls under way.
pub const CALLS: usize = 1024;

/// Documents and pages of a listener that are read or made beside the loop at a time: there are few processors.
const DESKS: usize = 2;

/// How long to wait for room.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before others are asked to make way.
const COURTESY: Duration = Duration::from_millis(20);
/// What room is counted in.
const UNIT: usize = 1 << 10;

/// The connections of a listener, and the room that they have.
#[derive(Debug)]
pub struct Rooms {
    /// Who is there.
    pub known: Connections,
    /// For requests, and what is made of them.
    requests: Room,
    /// For answers, and what they are made of.
    answers: Room,
    /// For calls.
    calls: Arc<Semaphore>,
    /// For work beside the loop.
    desks: Semaphore,
}

#[derive(Debug)]
struct Room {
    units: Arc<Semaphore>,
    size: u32,
    /// Whoever needs no more than this many bytes needs none.
    free: usize,
}

/// A client's connection, where it takes its part of the rooms.
#[derive(Debug, Clone)]
pub struct Seat {
    /// The connection.
    pub life: Arc<Life>,
    /// The rooms of its listener.
    pub rooms: Arc<Rooms>,
}

/// A part of a room; given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Part(Option<OwnedSemaphorePermit>);

impl Default for Rooms {
    fn default() -> Self {
        Self {
            known: Connections::default(),
            requests: Room::new(REQUESTS, FREE_REQUEST),
            answers: Room::new(ANSWERS, FREE_ANSWER),
            calls: Arc::new(Semaphore::new(CALLS)),
            desks: Semaphore::new(DESKS),
        }
    }
}

impl Seat {
    /// Room for a request of that length, before it is read, and for what is made of it: an element of four bytes becomes a
    /// value of a hundred, but a call has a limited number of them.
    ///
    /// # Errors
    /// 503 when others take it all for too long.
    pub async fn for_request(&self, length: usize) -> Result<Part, StatusCode> {
        if length <= FREE_REQUEST {
            return Ok(Part(None));
        }
        let made_of_it = length.saturating_mul(24).min(CALL_ELEMENT_LIMIT * 100);
        self.take(&self.rooms.requests, length.saturating_mul(4).saturating_add(made_of_it)).await
    }

    /// Room for an answer that takes so many bytes while it is made.
    ///
    /// # Errors
    /// 503 when others take it all for too long.
    pub async fn for_answer(&self, bytes: usize) -> Result<Part, StatusCode> {
        self.take(&self.rooms.answers, bytes).await
    }

    /// An answer that takes as much room as it is long, until it is sent.
    ///
    /// # Errors
    /// 503 when it is larger than was thought, and others take all the room for too long.
    pub async fn hold(&self, part: Part, answer: impl Into<Bytes>) -> Result<Bytes, StatusCode> {
        let answer = answer.into();
        let part = match part.cut(units(answer.len())) {
            Some(part) => part,
            None => self.for_answer(answer.len()).await?,
        };
        Ok(if part.0.is_some() { Bytes::from_owner(Held { answer, _part: part }) } else { answer })
    }

    /// The right to make a call, which outlives its client.
    ///
    /// # Errors
    /// 503 when too many are under way for too long.
    pub async fn for_call(&self) -> Result<OwnedSemaphorePermit, StatusCode> {
        let _spared = self.life.waits();
        let turn = timeout(PATIENCE, Arc::clone(&self.rooms.calls).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    async fn take(&self, room: &Room, bytes: usize) -> Result<Part, StatusCode> {
        if bytes <= room.free {
            return Ok(Part(None));
        }
        let mut wanted =
            std::pin::pin!(Arc::clone(&room.units).acquire_many_owned(units(bytes).min(room.size)));
        let _spared = self.life.waits();
        let began = Instant::now();
        // Whoever has left needs none.
        while began.elapsed() < PATIENCE && !self.life.is_gone() {
            if let Ok(got) = timeout(COURTESY, wanted.as_mut()).await {
                return got.map(|permit| Part(Some(permit))).map_err(|_| StatusCode::SERVICE_UNAVAILABLE);
            }
            self.rooms.known.make_way();
        }
        Err(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl Rooms {
    /// Does work where nobody waits for it but those who have asked for the like.
    ///
    /// # Errors
    /// 500 when it panics.
    pub async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StatusCode> {
        let desk = self.desks.acquire().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let done = tokio::task::spawn_blocking(work).await;
        drop(desk);
        done.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Room {
    fn new(bytes: usize, free: usize) -> Self {
        let size = units(bytes);
        Self { units: Arc::new(Semaphore::new(bytes / UNIT)), size, free }
    }
}

impl Part {
    /// Gives back what is not needed. `None`: more is needed.
    fn cut(self, needed: u32) -> Option<Self> {
        let Some(mut permit) = self.0 else {
            return (needed <= units(FREE_ANSWER)).then_some(Self(None));
        };
        let has = permit.num_permits();
        let spare = has.checked_sub(usize::try_from(needed).ok()?)?;
        drop(permit.split(spare));
        Some(Self(Some(permit)))
    }
}

/// An answer and its room.
struct Held {
    answer: Bytes,
    _part: Part,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Surface;

    fn seat(rooms: &Arc<Rooms>) -> Seat {
        let surface = Surface::Unix { pid: None, uid: 0, gid: 0 };
        Seat { life: rooms.known.enter(surface), rooms: Arc::clone(rooms) }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_needs_room_waits_until_there_is_some() {
        let mine = seat(&Arc::default());
        for _ in 0..1000 {
            drop(mine.for_answer(FREE_ANSWER).await.unwrap());
        }
        let all = mine.for_answer(usize::MAX).await.unwrap();
        let (free, small) = (mine.for_answer(FREE_ANSWER).await.unwrap(), "x".repeat(FREE_ANSWER));
        assert_eq!(mine.hold(free, small.clone()).await.unwrap(), small);
        let refused = Err(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(mine.for_answer(FREE_ANSWER + 1).await.map(drop), refused);
        // What is larger than was thought has to wait as well.
        let free = mine.for_answer(0).await.unwrap();
        assert_eq!(mine.hold(free, "x".repeat(FREE_ANSWER + 1)).await.map(drop), refused);
        // Requests have a room of their own.
        drop(mine.for_request(1 << 20).await.unwrap());
        let (waited, held) = tokio::join!(mine.for_answer(1 << 20), async {
            mine.hold(all, "x".repeat(1 << 20)).await.unwrap()
        });
        drop(waited.unwrap());
        // What is held takes its length, and no more.
        drop(mine.for_answer(ANSWERS - (1 << 20)).await.unwrap());
        assert_eq!(mine.for_answer(ANSWERS).await.map(drop), refused);
        let sent = held.slice(7..);
        drop(held);
        assert_eq!(mine.for_answer(ANSWERS).await.map(drop), refused);
        drop(sent);
        drop(mine.for_answer(ANSWERS).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_makes_way_for_who_needs_room() {
        let mine = seat(&Arc::default());
        let deaf = seat(&mine.rooms).life;
        let _answer = deaf.busy();
        deaf.wrote(false);
        let all = mine.for_answer(ANSWERS).await.unwrap();
        let (part, ()) = tokio::join!(mine.for_answer(ANSWERS), async {
            deaf.leave.notified().await;
            drop(all);
        });
        drop(part.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_left_needs_no_room() {
        let mine = seat(&Arc::default());
        let _all = mine.for_answer(ANSWERS).await.unwrap();
        let other = seat(&mine.rooms);
        mine.rooms.known.leave(&other.life);
        let began = Instant::now();
        assert!(other.for_answer(ANSWERS).await.is_err() && began.elapsed() < PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_under_way_are_limited() {
        let mine = seat(&Arc::default());
        let mut calls = Vec::new();
        while let Ok(call) = mine.for_call().await {
            calls.push(call);
        }
        assert_eq!(calls.len(), CALLS);
        calls.pop();
        drop(mine.for_call().await.unwrap());
    }
}
