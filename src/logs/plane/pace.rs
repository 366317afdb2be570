//! How long the thread leaves the pipes alone, so that one read brings many lines.
//!
//! A line that comes alone is written at once. Where the thread need not wait long for the next, it rests between its turns:
//! two milliseconds at most, and never for longer than any of the pipes takes to fill to a quarter at the pace it has. A pipe
//! that is in a hurry for long is made wider.
//!
//! Where streams end closely, as in a storm of deaths, it rests as well, for half a millisecond; unless somebody had to ask a
//! moment ago for what they still held.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

use crate::logs::cell::CHUNK;

/// The longest rest.
const LONGEST: Duration = Duration::from_millis(2);
/// The rest after streams that have ended.
const AFTER_ENDS: Duration = Duration::from_micros(500);
/// How long ends are looked at at once, when somebody could not wait for that.
const HASTE: Duration = Duration::from_millis(20);
/// Who comes after a longer wait comes alone: too little would come in a rest.
const CLOSE: Duration = Duration::from_micros(500);
/// What is not worth a rest.
const SHORTEST: Duration = Duration::from_micros(50);
/// Who allows less than this is in a hurry.
const HURRY: Duration = Duration::from_micros(250);
/// Turns of hurry after which a pipe is made wider.
const HURRIED: u8 = 16;
/// How wide.
const WIDE: usize = 256 * 1024;
/// The part of a pipe that may fill up while it is left alone.
const SHARE: usize = 4;
/// The part from which it may be full: each write may take a page of which it fills a little more than half.
const FULL: usize = 2;

/// The pace of the streams.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    /// From the turn before to this one, and how much of that was a wait.
    period: Duration,
    waited: Duration,
    /// What this turn allows.
    rest: Option<Duration>,
    /// Until then no end waits.
    haste: Option<Instant>,
}

/// What a pipe holds.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// `None`: nobody has looked yet.
    bytes: Option<u32>,
    hurried: u8,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, period: Duration::ZERO, waited: Duration::ZERO, rest: None, haste: None }
    }

    /// A turn begins, and its wait was over now.
    pub(super) fn turn(&mut self, waits: Instant, now: Instant) {
        self.waited = now.saturating_duration_since(waits);
        self.period = now.saturating_duration_since(self.began);
        self.began = now;
        self.rest = None;
    }

    /// In this turn the read of one pipe has brought so much.
    pub(super) fn heard(&mut self, count: usize, room: &mut Room) {
        let alone = self.waited > CLOSE;
        let allowed = match u32::try_from(count) {
            Ok(0) => return,
            _ if alone || room.is_full(count) => Duration::ZERO,
            Err(_) => Duration::ZERO,
            Ok(count) => self.period * room.share() / count,
        };
        let allowed = allowed.min(LONGEST);
        room.hurried = if alone || allowed >= HURRY { 0 } else { room.hurried.saturating_add(1) };
        self.rest = Some(self.rest.map_or(allowed, |rest| rest.min(allowed)));
    }

    /// In this turn a stream has come to its end.
    pub(super) fn ended(&mut self) {
        let haste = self.haste.is_some_and(|until| self.began < until);
        if self.waited <= CLOSE && !haste {
            self.rest.get_or_insert(AFTER_ENDS);
        }
    }

    /// Somebody has asked for what a stream still holds, instead of finding that it has ended.
    pub(super) fn asked(&mut self, now: Instant) {
        self.haste = Some(now + HASTE);
    }

    /// How long the pipes can be left alone now.
    pub(super) fn rest(&self) -> Option<Duration> {
        self.rest.filter(|rest| *rest >= SHORTEST)
    }
}

impl Room {
    /// Looks how much that is, which only matters once something comes from a pipe.
    pub(super) fn look(&mut self, pipe: &OwnedFd) {
        // What is no pipe has no room that we know of: it is never left alone.
        let size = || fcntl_getpipe_size(pipe).ok().and_then(|size| u32::try_from(size).ok());
        self.bytes = self.bytes.or_else(|| Some(size().unwrap_or(0)));
    }

    fn bytes(&self) -> usize {
        self.bytes.map_or(0, |bytes| bytes as usize)
    }

    /// What may come until it is read again.
    fn share(&self) -> u32 {
        u32::try_from((self.bytes() / SHARE).min(CHUNK / 2)).unwrap_or(0)
    }

    /// Its writer may wait for us, or there was more than one read can bring.
    fn is_full(&self, count: usize) -> bool {
        count >= (self.bytes() / FULL).min(CHUNK)
    }

    /// Makes a pipe wider whose writer is in a hurry, where the system allows that.
    pub(super) fn widen(&mut self, pipe: &OwnedFd) {
        if self.hurried < HURRIED || self.bytes() >= WIDE {
            return;
        }
        self.hurried = 0;
        if let Ok(size) = fcntl_setpipe_size(pipe, WIDE) {
            self.bytes = u32::try_from(size).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    /// What is allowed when these came, so long after the turn before, from pipes of 64 KiB, after such a wait.
    fn rest_after(period: Duration, waited: Duration, counts: &[usize]) -> Option<Duration> {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.turn(start + period - waited, start + period);
        counts.iter().for_each(|count| pace.heard(*count, &mut Room { bytes: Some(65_536), hurried: 0 }));
        pace.rest()
    }

    fn looked_at(pipe: &OwnedFd) -> Room {
        let mut room = Room::default();
        room.look(pipe);
        room
    }

    fn rest(period: Duration, counts: &[usize]) -> Option<Duration> {
        rest_after(period, Duration::ZERO, counts)
    }

    #[test]
    fn what_comes_alone_is_followed_by_no_rest_and_what_comes_closely_by_a_short_one() {
        assert_eq!(rest_after(1000 * MICRO, 501 * MICRO, &[100]), None);
        assert_eq!(rest_after(1000 * MICRO, CLOSE, &[100]), Some(LONGEST));
        assert_eq!(rest(10 * MICRO, &[]), None, "nothing came: a command, the end of a stream");
        assert_eq!(rest(10 * MICRO, &[0]), None);
        assert_eq!(rest(10 * MICRO, &[100]), Some(1638 * MICRO + Duration::from_nanos(400)));
        assert_eq!(rest(1000 * MICRO, &[100, 200]), Some(LONGEST));
    }

    #[test]
    fn ends_that_come_closely_are_followed_by_a_rest_unless_somebody_is_in_haste() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut rest_at = |at: Duration, waited: Duration, asked: bool, count: usize| {
            pace.turn(start + at - waited, start + at);
            if asked {
                pace.asked(start + at);
            }
            pace.ended();
            pace.heard(count, &mut Room { bytes: Some(65_536), hurried: 0 });
            pace.rest()
        };
        assert_eq!(rest_at(1000 * MICRO, 501 * MICRO, false, 0), None, "it comes alone");
        assert_eq!(rest_at(1100 * MICRO, 100 * MICRO, false, 0), Some(AFTER_ENDS));
        assert_eq!(
            rest_at(1200 * MICRO, Duration::ZERO, false, 16_384),
            Some(100 * MICRO),
            "no pipe fills up"
        );
        assert_eq!(rest_at(1300 * MICRO, Duration::ZERO, true, 0), None);
        assert_eq!(rest_at(1300 * MICRO + HASTE - MICRO, Duration::ZERO, false, 0), None);
        assert_eq!(rest_at(1300 * MICRO + HASTE, Duration::ZERO, false, 0), Some(AFTER_ENDS));
    }

    #[test]
    fn no_pipe_fills_up_meanwhile() {
        // The fastest decides.
        assert_eq!(rest(100 * MICRO, &[100, 16_384, 10]), Some(100 * MICRO));
        assert_eq!(rest(100 * MICRO, &[100, 32_767]).map(|rest| rest.as_micros()), Some(50));
        assert_eq!(rest(5000 * MICRO, &[100, 32_768]), None, "it may be full");
        assert_eq!(rest(60 * MICRO, &[30_000]), None, "that is not worth it");
    }

    #[test]
    fn what_is_no_pipe_is_never_left_alone() {
        let mut room = looked_at(&std::fs::File::open("/dev/null").unwrap().into());
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.turn(start, start + MICRO);
        pace.heard(1, &mut room);
        assert_eq!(pace.rest(), None);
    }

    #[test]
    fn a_pipe_that_is_in_a_hurry_for_long_is_made_wider() {
        let (read, _write) = rustix::pipe::pipe().unwrap();
        let mut room = looked_at(&read);
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        let mut turns = |period: Duration, room: &mut Room, count: u8| {
            for _ in 0..count {
                now += period;
                pace.turn(now, now);
                pace.heard(10_000, room);
                room.widen(&read);
            }
            fcntl_getpipe_size(&read).unwrap()
        };
        let narrow = turns(100 * MICRO, &mut room, HURRIED - 1);
        assert!(narrow < WIDE);
        assert_eq!(turns(LONGEST, &mut room, 1), narrow, "it has time");
        assert_eq!(turns(100 * MICRO, &mut room, HURRIED - 1), narrow);
        assert_eq!(turns(100 * MICRO, &mut room, 1), WIDE);
        assert_eq!(room.share(), 65_536);
    }
}
