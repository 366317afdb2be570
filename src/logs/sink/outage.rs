//! A sink that takes nothing: what it dropped, when it is tried again, and what people are told of that.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::api::{Level, Notice};
use crate::system::errno::errno_words;

/// How long a sink that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How long nothing more is said of a sink that fails again and again.
const QUIET: Duration = Duration::from_secs(60);

/// The troubles of one sink.
#[derive(Debug, Default)]
pub struct Outage {
    now: Option<Trouble>,
    /// Bytes that were dropped in troubles of which nothing was said.
    unsaid: u64,
    quiet_until: Option<Instant>,
}

#[derive(Debug)]
struct Trouble {
    words: String,
    dropped: u64,
    retry_at: Instant,
    said: bool,
}

/// What became of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// How many were dropped.
    pub dropped: u64,
    /// What is to be said about that.
    pub said: Vec<Notice>,
}

impl Written {
    /// Adds a line to say.
    pub fn say(&mut self, level: Level, text: String) {
        self.said.push(Notice::other(level, text));
    }
}

/// What another binary has to know of the troubles of a sink; what was said is said again after a minute at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageRecord {
    words: Option<String>,
    dropped: u64,
    said: bool,
    unsaid: u64,
}

impl Outage {
    /// What is known of it.
    #[must_use]
    pub fn record(&self) -> OutageRecord {
        let now = self.now.as_ref();
        OutageRecord {
            words: now.map(|trouble| trouble.words.clone()),
            dropped: now.map_or(0, |trouble| trouble.dropped),
            said: now.is_some_and(|trouble| trouble.said),
            unsaid: self.unsaid,
        }
    }

    /// Goes on with one that is known; the sink is tried with the next bytes.
    #[must_use]
    pub fn resume(record: OutageRecord) -> Self {
        let OutageRecord { words, dropped, said, unsaid } = record;
        let now = words.map(|words| Trouble { words, dropped, retry_at: Instant::now(), said });
        Self { now, unsaid, quiet_until: None }
    }

    /// The sink takes nothing.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.now.is_some()
    }

    /// It is not to be tried yet.
    #[must_use]
    pub fn is_left_alone(&self, now: Instant) -> bool {
        self.now.as_ref().is_some_and(|trouble| now < trouble.retry_at)
    }

    /// It is tried with the next bytes.
    pub fn retry(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.now {
            trouble.retry_at = now;
        }
    }

    /// How many bytes are missing since it began, and why.
    #[must_use]
    pub fn missing(&self) -> (u64, &str) {
        self.now.as_ref().map_or((0, ""), |trouble| (trouble.dropped, trouble.words.as_str()))
    }

    /// Some bytes were dropped because the sink is left alone.
    pub fn drop(&mut self, bytes: u64, written: &mut Written) {
        if let Some(trouble) = &mut self.now {
            trouble.dropped += bytes;
        }
        written.dropped += bytes;
    }

    /// The sink failed, and so many bytes were dropped.
    pub fn fail(&mut self, what: &str, now: Instant, error: &io::Error, bytes: u64, written: &mut Written) {
        // Whoever only has to read is asked again at once.
        let (pause, words) = match error.kind() {
            io::ErrorKind::WouldBlock => (Duration::ZERO, "its reader does not keep up".to_owned()),
            _ => (RETRY, error.raw_os_error().map_or_else(|| error.to_string(), errno_words)),
        };
        let (dropped, said) = self.now.take().map_or((0, false), |before| (before.dropped, before.said));
        let say = !said && self.quiet_until.is_none_or(|until| until <= now);
        if say {
            self.quiet_until = Some(now + QUIET);
            written.say(Level::Error, format!("cannot write to {what}, dropping output: {words}"));
        }
        self.now = Some(Trouble { words, dropped, retry_at: now + pause, said: said || say });
        self.drop(bytes, written);
    }

    /// The sink works again.
    pub fn end(&mut self, what: &str, written: &mut Written) {
        let Some(trouble) = self.now.take() else { return };
        self.unsaid += trouble.dropped;
        if trouble.said {
            let dropped = std::mem::take(&mut self.unsaid);
            written.say(Level::Warn, format!("writing to {what} works again, {dropped} bytes were dropped"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_is_said_once_a_minute_and_counted_all_the_time() {
        let mut outage = Outage::default();
        let (begin, full) = (Instant::now(), io::Error::from_raw_os_error(libc::ENOSPC));
        let mut said = Vec::new();
        for second in 0..=70 {
            let mut written = Written::default();
            outage.fail("x", begin + Duration::from_secs(second), &full, 10, &mut written);
            outage.end("x", &mut written);
            assert_eq!(written.dropped, 10);
            said.extend(written.said.iter().map(|notice| format!("{second}: {notice}")));
        }
        let failed = "cannot write to x, dropping output: no space left on device";
        let works = |bytes: u32| format!("writing to x works again, {bytes} bytes were dropped");
        let expected = [
            format!("0: {failed}"),
            format!("0: {}", works(10)),
            format!("60: {failed}"),
            format!("60: {}", works(600)),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_trouble_that_lasts_is_said_though_the_one_before_was_just_over() {
        let mut outage = Outage::default();
        let (begin, full) = (Instant::now(), io::Error::from_raw_os_error(libc::ENOSPC));
        let mut written = Written::default();
        outage.fail("x", begin, &full, 1, &mut written);
        outage.end("x", &mut written);
        assert_eq!(written.said.len(), 2);
        for second in 1..100 {
            outage.fail("x", begin + Duration::from_secs(second), &full, 1, &mut written);
        }
        assert_eq!(written.said.len(), 3);
        assert_eq!(outage.missing(), (99, "no space left on device"));
    }
}
