//! What the page shows of each process, as text. The page and its live changes are drawn from the same rows.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::html::size;
use crate::api::{ListenerState, Mono, Now, ProcessDetails, ProcessInfo, ProcessState};
use crate::control::describe::{description, uptime};

/// What a state means to whoever looks at many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// It runs.
    Running,
    /// It is on its way up or down.
    Changing,
    /// Somebody has to look at it.
    Failed,
    /// It does not run, as it was told.
    Stopped,
}

impl Tone {
    /// In the order of the page.
    pub const ALL: [Self; 4] = [Self::Running, Self::Failed, Self::Changing, Self::Stopped];

    /// Its word, in addresses and classes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Changing => "changing",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    fn of(details: &ProcessDetails) -> Self {
        match details.info.state {
            ProcessState::Running if details.info.listener == Some(ListenerState::Unknown) => Self::Failed,
            ProcessState::Running => Self::Running,
            ProcessState::Starting | ProcessState::Stopping => Self::Changing,
            ProcessState::Fatal | ProcessState::Backoff | ProcessState::Unknown => Self::Failed,
            ProcessState::Exited if !details.diagnosis.is_empty() => Self::Failed,
            ProcessState::Stopped | ProcessState::Exited => Self::Stopped,
        }
    }
}

/// A process, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its namespec.
    pub id: String,
    /// Its group.
    #[serde(skip)]
    pub group: String,
    /// Supervisor's word, in small letters.
    pub state: String,
    /// Supervisor's class for it.
    pub class: &'static str,
    /// What it means.
    pub tone: Tone,
    /// Its pid, if it has one.
    pub pid: String,
    /// Since when it runs, in seconds of the monotonic clock.
    pub since: Option<u64>,
    /// Its uptime when the page was made; the page goes on counting.
    #[serde(skip)]
    pub uptime: String,
    /// How often it was started again by itself, if it was.
    pub restarts: String,
    /// How much of one processor it uses.
    pub cpu: String,
    /// Its memory.
    pub memory: String,
    /// What else is to be said of its state; of a failed one, why.
    pub note: String,
    /// It can be started.
    pub start: bool,
    /// It can be stopped.
    pub stop: bool,
}

impl Row {
    /// What is shown of a process.
    #[must_use]
    pub fn new(details: &ProcessDetails, now: Now, rates: &Rates) -> Self {
        let info = &details.info;
        let runs = info.pid != 0;
        let since = info.since.filter(|_| runs);
        Self {
            id: info.name.to_string(),
            group: info.name.group.to_string(),
            state: info.state.name().to_lowercase(),
            class: class(info.state),
            tone: Tone::of(details),
            pid: if runs { info.pid.to_string() } else { String::new() },
            since: since.map(|since| since.0 / 1_000_000_000),
            uptime: since.map_or_else(String::new, |since| uptime(now.mono.since(since).as_secs())),
            restarts: if details.restarts == 0 { String::new() } else { details.restarts.to_string() },
            cpu: rates.of(details, now).map_or_else(String::new, percent),
            memory: details.usage.filter(|_| runs).map_or_else(String::new, |usage| size(usage.memory)),
            note: note(details, now),
            start: info.state.is_stopped(),
            stop: info.state.is_running(),
        }
    }
}

/// Supervisor's class for a state (4.3 `web.py`, `css_class_for_state`).
fn class(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Running => "statusrunning",
        ProcessState::Fatal | ProcessState::Backoff => "statuserror",
        ProcessState::Stopped
        | ProcessState::Starting
        | ProcessState::Stopping
        | ProcessState::Exited
        | ProcessState::Unknown => "statusnominal",
    }
}

fn percent(rate: f64) -> String {
    if rate >= 9.95 { format!("{rate:.0} %") } else { format!("{rate:.1} %") }
}

fn note(details: &ProcessDetails, now: Now) -> String {
    let mut parts = vec![state_note(details, now)];
    let dropped = details.dropped.stdout + details.dropped.stderr;
    if dropped > 0 {
        parts.push(format!("{} of its output are lost, because its log could not be written", size(dropped)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

fn state_note(details: &ProcessDetails, now: Now) -> String {
    let info = &details.info;
    if !details.diagnosis.is_empty() {
        return details.diagnosis.clone();
    }
    match info.state {
        ProcessState::Fatal | ProcessState::Backoff => description(info, now),
        ProcessState::Running if info.listener == Some(ListenerState::Unknown) => {
            "broke the event listener protocol: it is sent no more events".to_owned()
        }
        ProcessState::Stopped if info.start.is_none() => "not started".to_owned(),
        ProcessState::Stopped => format!("since {}", description(info, now)),
        ProcessState::Exited => format!("{}, {}", ending(info), description(info, now)),
        ProcessState::Unknown => "could not be signalled".to_owned(),
        ProcessState::Running | ProcessState::Starting | ProcessState::Stopping => String::new(),
    }
}

fn ending(info: &ProcessInfo) -> String {
    match info.exitstatus {
        code @ 0.. => format!("exit status {code}"),
        _ => "ended by a signal".to_owned(),
    }
}

/// How much of a processor each process uses, from what it had used before.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    before: HashMap<i32, (Duration, Mono)>,
    rates: HashMap<i32, f64>,
}

/// Rates are taken over at least this long: shorter ones say more of the clock than of the process.
const SPAN: Duration = Duration::from_millis(700);

impl Rates {
    /// Takes in what they have used by now.
    pub fn update(&mut self, all: &[ProcessDetails], now: Mono) {
        let known = std::mem::take(&mut self.before);
        let before_rates = std::mem::take(&mut self.rates);
        for details in all {
            let (pid, Some(usage)) = (details.info.pid, details.usage) else { continue };
            let Some(&(cpu, at)) = known.get(&pid).filter(|_| pid != 0) else {
                self.before.insert(pid, (usage.cpu, now));
                continue;
            };
            let span = now.since(at);
            if span < SPAN {
                self.before.insert(pid, (cpu, at));
                self.rates.extend(before_rates.get(&pid).map(|rate| (pid, *rate)));
            } else {
                self.before.insert(pid, (usage.cpu, now));
                self.rates.insert(pid, share(usage.cpu.saturating_sub(cpu), span));
            }
        }
    }

    /// What is known best: the present rate, else the average since the start, as `ps` tells it.
    fn of(&self, details: &ProcessDetails, now: Now) -> Option<f64> {
        let pid = Some(details.info.pid).filter(|pid| *pid != 0)?;
        if let Some(rate) = self.rates.get(&pid) {
            return Some(*rate);
        }
        let span = now.mono.since(details.info.since?);
        (span >= SPAN).then(|| details.usage.map(|usage| share(usage.cpu, span))).flatten()
    }
}

fn share(cpu: Duration, span: Duration) -> f64 {
    100.0 * cpu.as_secs_f64() / span.as_secs_f64()
}

#[cfg(test)]
/// Processes for the tests of other files.
pub mod tests {
    use super::*;
    use crate::api::{AutoRestart, Dropped, ProcessName, Usage, WallSecs};

    /// A process for tests.
    pub fn details(namespec: &str, state: ProcessState) -> ProcessDetails {
        let (group, process) = namespec.split_once(':').unwrap_or((namespec, namespec));
        let runs = state.is_running() && state != ProcessState::Backoff;
        ProcessDetails {
            info: ProcessInfo {
                name: ProcessName::new(group, process),
                state,
                start: Some(WallSecs(0)),
                since: Some(Mono(5_000_000_000)),
                stop: None,
                spawnerr: String::new(),
                exitstatus: 0,
                pid: if runs { 77 } else { 0 },
                stdout_logfile: None,
                stderr_logfile: None,
                listener: None,
            },
            restarts: 2,
            diagnosis: String::new(),
            usage: Some(Usage { cpu: Duration::from_secs(1), memory: 34 << 20, tasks: 1 }),
            dropped: Dropped::default(),
            command: "/bin/cat".into(),
            directory: None,
            user: None,
            autostart: true,
            autorestart: AutoRestart::Unexpected,
            priority: 999,
        }
    }

    /// A time for tests.
    pub const NOW: Now = Now { mono: Mono(15_000_000_000), wall: WallSecs(10) };

    fn row(details: &ProcessDetails) -> Row {
        Row::new(details, NOW, &Rates::default())
    }

    #[test]
    fn a_running_process() {
        let row = row(&details("web:a", ProcessState::Running));
        let texts =
            [&row.id, &row.state, &row.pid, &row.uptime, &row.restarts, &row.cpu, &row.memory, &row.note];
        assert_eq!(texts, ["web:a", "running", "77", "0:00:10", "2", "10 %", "34.0 MB", ""]);
        assert_eq!((row.class, row.tone, row.start, row.stop), ("statusrunning", Tone::Running, false, true));
        assert_eq!(row.since, Some(5));
    }

    #[test]
    fn what_is_said_of_each_state() {
        let with = |state, change: fn(&mut ProcessDetails)| {
            let mut details = details("a", state);
            change(&mut details);
            let row = row(&details);
            (row.tone, row.note)
        };
        use ProcessState::{Backoff, Exited, Fatal, Running, Starting, Stopped};
        assert_eq!(with(Stopped, |d| d.info.start = None), (Tone::Stopped, "not started".into()));
        assert_eq!(with(Starting, |_| ()), (Tone::Changing, String::new()));
        assert_eq!(with(Fatal, |d| d.info.spawnerr = "why".into()), (Tone::Failed, "why".into()));
        assert_eq!(with(Backoff, |d| d.diagnosis = "plain".into()), (Tone::Failed, "plain".into()));
        assert_eq!(with(Exited, |d| d.diagnosis = "plain".into()), (Tone::Failed, "plain".into()));
        let (tone, note) = with(Exited, |d| d.info.exitstatus = -1);
        assert!(tone == Tone::Stopped && note.starts_with("ended by a signal, "), "{note}");
        let (tone, note) = with(Exited, |_| ());
        assert!(tone == Tone::Stopped && note.starts_with("exit status 0, "), "{note}");
        let (tone, note) = with(Running, |d| d.info.listener = Some(ListenerState::Unknown));
        assert!(tone == Tone::Failed && note.starts_with("broke the event"), "{note}");
        let (_, note) = with(Running, |d| d.dropped.stderr = 2048);
        assert_eq!(note, "2.0 kB of its output are lost, because its log could not be written");
    }

    #[test]
    fn a_rate_is_what_was_used_since_the_last_look() {
        let mut rates = Rates::default();
        let mut process = details("a", ProcessState::Running);
        let mut look = |tenths: u64, cpu: u64, rates: &mut Rates| {
            process.usage = Some(Usage { cpu: Duration::from_millis(cpu), memory: 0, tasks: 1 });
            let now = Now { mono: Mono(tenths * 100_000_000), ..NOW };
            rates.update(std::slice::from_ref(&process), now.mono);
            Row::new(&process, now, rates).cpu
        };
        assert_eq!(look(150, 1000, &mut rates), "10 %");
        assert_eq!(look(160, 1500, &mut rates), "50 %");
        assert_eq!(look(161, 1600, &mut rates), "50 %");
        assert_eq!(look(170, 1503, &mut rates), "0.3 %");
    }
}
