//! The unit that starts us on this machine, as far as it limits a stop (systemd.service(5)).

use std::path::{Path, PathBuf};

use crate::config::machine::Ground;

/// Where administrators and packages put units, the most important first (systemd.unit(5)).
const DIRECTORIES: &[&str] =
    &["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system"];

const NAMES: &[&str] = &["supervisord.service", "supervisor.service"];

/// `DefaultTimeoutStopSec=` (systemd-system.conf(5)).
const DEFAULT_STOP_SECS: u64 = 90;

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) file: PathBuf,
    /// It hears us ask for more time.
    notified: bool,
    /// `None`: it waits for ever.
    timeout_secs: Option<u64>,
}

impl Unit {
    pub(super) fn find(ground: &dyn Ground) -> Option<Self> {
        let places =
            NAMES.iter().flat_map(|name| DIRECTORIES.iter().map(move |dir| Path::new(dir).join(name)));
        let (file, text) = places.into_iter().find_map(|file| Some((file.clone(), read(ground, &file)?)))?;
        let mut unit = Self { file: file.clone(), notified: false, timeout_secs: Some(DEFAULT_STOP_SECS) };
        unit.take(&text);
        let name = file.file_name()?.to_string_lossy().into_owned();
        let drop_ins =
            DIRECTORIES.iter().rev().flat_map(|dir| ground.glob(&format!("{dir}/{name}.d/*.conf")));
        for text in drop_ins.filter_map(|file| read(ground, &file)) {
            unit.take(&text);
        }
        Some(unit)
    }

    fn take(&mut self, text: &str) {
        for (key, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            match key.trim() {
                "Type" => self.notified = value.trim().starts_with("notify"),
                "TimeoutStopSec" | "TimeoutSec" => self.timeout_secs = seconds(value.trim()),
                _ => {}
            }
        }
    }

    /// Seconds after which it kills us in the middle of a stop; `None`: it does not.
    pub(super) fn stop_limit_secs(&self) -> Option<u64> {
        self.timeout_secs.filter(|_| !self.notified)
    }
}

fn read(ground: &dyn Ground, file: &Path) -> Option<String> {
    String::from_utf8(ground.read(file).ok()?).ok()
}

/// A time span (systemd.time(7)); `None`: for ever.
fn seconds(text: &str) -> Option<u64> {
    if text == "infinity" || text == "0" {
        return None;
    }
    let mut total = 0_u64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "" | "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hr" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            _ => return None,
        };
        total = total.saturating_add(number.saturating_mul(unit));
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_systemds() {
        for (text, expected) in [
            ("90", Some(90)),
            ("5min 20s", Some(320)),
            ("1h", Some(3600)),
            ("infinity", None),
            ("2d", Some(172_800)),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_unit_that_hears_nothing_limits_a_stop() {
        let mut unit = Unit { file: PathBuf::new(), notified: false, timeout_secs: Some(DEFAULT_STOP_SECS) };
        unit.take("[Service]\nType=simple\n");
        assert_eq!(unit.stop_limit_secs(), Some(90));
        unit.take("[Service]\nTimeoutStopSec=5min\n");
        assert_eq!(unit.stop_limit_secs(), Some(300));
        unit.take("[Service]\nType=notify-reload\n");
        assert_eq!(unit.stop_limit_secs(), None);
    }
}
