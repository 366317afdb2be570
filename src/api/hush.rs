//! Lines that anybody could cause, told a few at a time.

use std::time::Duration;

use super::Mono;

/// Lines in a period.
const LINES: u32 = 10;
/// The period.
pub const PERIOD: Duration = Duration::from_secs(60);

/// Counts lines.
#[derive(Debug, Default)]
pub struct Hush {
    since: Option<Mono>,
    said: u32,
    missed: u64,
}

impl Hush {
    /// Whether a line may be said now; if so, how many were not since the last one that was.
    pub fn may_speak(&mut self, now: Mono) -> Option<u64> {
        if self.since.is_none_or(|since| now.since(since) >= PERIOD) {
            (self.since, self.said) = (Some(now), 0);
        }
        if self.said == LINES {
            self.missed += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_and_the_rest_is_counted() {
        let (mut hush, start) = (Hush::default(), Mono(5));
        let said = (0..1000).filter(|_| hush.may_speak(start).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(hush.may_speak(start + PERIOD), Some(990));
        assert_eq!(hush.may_speak(start + PERIOD), Some(0));
    }
}
