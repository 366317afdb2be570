//! THE TABLES of properties: one row gives value, signature, announcement and introspection.

use std::collections::HashMap;
use std::path::Path;

use zbus::Variant;

use super::path;
use super::table::Interface;
use crate::api::{ProcessDetails, ProcessInfo, ProcessName, ProcessState, VERSION, WallSecs};
use crate::runtime::handle::{About, Standing};

/// Whether a change of it is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It does not change while the object is there.
    Never,
    /// Yes, by `PropertiesChanged`.
    Told,
    /// No: look when you want to know.
    Untold,
}

impl Change {
    /// The value of `EmitsChangedSignal` in introspection.
    #[must_use]
    pub fn annotation(self) -> &'static str {
        match self {
            Self::Never => "const",
            Self::Told => "true",
            Self::Untold => "false",
        }
    }
}

/// Values by the names of their properties.
pub type Values = HashMap<&'static str, Variant<'static>>;

/// A property of an object that is told from a `T`.
pub struct Property<T> {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub signature: &'static str,
    /// Whether a change of it is announced.
    pub change: Change,
    /// Its value.
    pub value: fn(&T) -> Variant<'static>,
}

/// The supervisor as a whole.
#[derive(Debug)]
pub struct Daemon {
    /// What does not change.
    pub about: About,
    /// What does.
    pub standing: Standing,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its processes.
    pub members: Vec<ProcessName>,
}

macro_rules! properties {
    ($($table:ident: $kind:ty => $doc:literal { $($name:ident $signature:literal $change:ident => $value:expr;)* })*) => {
        $(
            #[doc = $doc]
            pub const $table: &[Property<$kind>] = &[$(Property {
                name: stringify!($name),
                signature: $signature,
                change: Change::$change,
                value: $value,
            }),*];
        )*
    };
}

properties! {
    MANAGER: Daemon => "Of the supervisor as a whole." {
        Version "s" Never => |_| text(VERSION);
        Identifier "s" Never => |daemon| text(&daemon.about.identifier);
        PID "u" Never => |daemon| pid(daemon.about.pid);
        ConfigurationFile "s" Never => |daemon| text(&daemon.about.configuration.to_string_lossy());
        State "s" Told => |daemon| text(daemon.standing.state.name());
        NProcesses "u" Told => |daemon| count(daemon.standing.census.total());
        NStopped "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Stopped));
        NStarting "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Starting));
        NRunning "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Running));
        NBackoff "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Backoff));
        NStopping "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Stopping));
        NExited "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Exited));
        NFatal "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Fatal));
        NUnknown "u" Told => |daemon| count(daemon.standing.census.of(ProcessState::Unknown));
    }
    GROUP: Group => "Of a group." {
        Name "s" Never => |group| text(&group.name);
        Processes "ao" Never => |group| {
            let paths = group.members.iter().map(|member| path::of_process(member).into_inner());
            Variant::from(paths.collect::<Vec<_>>())
        };
    }
    PROCESS: ProcessInfo => "Of a process: what is known without looking at it." {
        Id "s" Never => |info| text(&info.name.to_string());
        Name "s" Never => |info| text(&info.name.process);
        Group "s" Never => |info| text(&info.name.group);
        State "s" Told => |info| text(info.state.name());
        StateCode "i" Told => |info| Variant::from(info.state.code());
        PID "u" Told => |info| pid(info.pid);
        StartTimestamp "t" Told => |info| microseconds(info.start);
        StopTimestamp "t" Told => |info| microseconds(info.stop);
        ExitStatus "i" Told => |info| Variant::from(info.exitstatus);
        SpawnError "s" Told => |info| text(&info.spawnerr);
        StdoutLogfile "s" Told => |info| file(info.stdout_logfile.as_deref());
        StderrLogfile "s" Told => |info| file(info.stderr_logfile.as_deref());
    }
    DETAILS: ProcessDetails => "Of a process: what it uses, and what is configured." {
        Restarts "t" Untold => |details| Variant::from(details.restarts);
        CPUUsageNSec "t" Untold => |details| {
            let nanos = |cpu: std::time::Duration| u64::try_from(cpu.as_nanos()).unwrap_or(UNKNOWN);
            Variant::from(details.usage.map_or(UNKNOWN, |usage| nanos(usage.cpu)))
        };
        MemoryCurrent "t" Untold => |details| Variant::from(details.usage.map_or(UNKNOWN, |usage| usage.memory));
        TasksCurrent "t" Untold => |details| Variant::from(details.usage.map_or(UNKNOWN, |usage| usage.tasks));
        StdoutDropped "t" Untold => |details| Variant::from(details.dropped.stdout);
        StderrDropped "t" Untold => |details| Variant::from(details.dropped.stderr);
        Autostart "b" Untold => |details| Variant::from(details.autostart);
        Autorestart "s" Untold => |details| text(details.autorestart.name());
        Priority "x" Untold => |details| Variant::from(details.priority);
    }
}

/// What is not known, as systemd writes it.
const UNKNOWN: u64 = u64::MAX;

/// A text without the one character that no string of D-Bus may have.
#[must_use]
pub fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn text(text: &str) -> Variant<'static> {
    Variant::from(clean(text))
}

fn pid(pid: i32) -> Variant<'static> {
    Variant::from(u32::try_from(pid).unwrap_or(0))
}

fn count(count: usize) -> Variant<'static> {
    Variant::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn microseconds(time: Option<WallSecs>) -> Variant<'static> {
    let seconds = time.and_then(|time| u64::try_from(time.0).ok()).unwrap_or(0);
    Variant::from(seconds.saturating_mul(1_000_000))
}

fn file(path: Option<&Path>) -> Variant<'static> {
    path.map_or_else(|| text(""), |path| text(&path.to_string_lossy()))
}

/// The values of the rows that `wanted` picks.
fn values<T>(table: &[Property<T>], of: &T, wanted: impl Fn(&Property<T>) -> bool) -> Values {
    table.iter().filter(|row| wanted(row)).map(|row| (row.name, (row.value)(of))).collect()
}

/// All properties of the supervisor.
#[must_use]
pub fn daemon(daemon: &Daemon) -> Values {
    values(MANAGER, daemon, |_| true)
}

/// All properties of a group.
#[must_use]
pub fn group(group: &Group) -> Values {
    values(GROUP, group, |_| true)
}

/// All properties of a process.
#[must_use]
pub fn process(details: &ProcessDetails) -> Values {
    let mut all = values(PROCESS, &details.info, |_| true);
    all.extend(values(DETAILS, details, |_| true));
    all
}

/// The properties of a process whose changes are told.
#[must_use]
pub fn changing(info: &ProcessInfo) -> Values {
    values(PROCESS, info, |row| row.change == Change::Told)
}

/// The properties of the supervisor that are not what they were.
#[must_use]
pub fn difference(before: &Daemon, after: &Daemon) -> Values {
    values(MANAGER, after, |row| row.change == Change::Told && (row.value)(before) != (row.value)(after))
}

/// Name, signature and announcement of every property of an interface.
#[must_use]
pub fn rows(interface: Interface) -> Vec<(&'static str, &'static str, Change)> {
    fn heads<T>(table: &[Property<T>]) -> impl Iterator<Item = (&'static str, &'static str, Change)> {
        table.iter().map(|row| (row.name, row.signature, row.change))
    }
    match interface {
        Interface::Manager => heads(MANAGER).collect(),
        Interface::Group => heads(GROUP).collect(),
        Interface::Process => heads(PROCESS).chain(heads(DETAILS)).collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::{AutoRestart, Census, Dropped};

    pub(in crate::dbus) fn details(name: &str, state: ProcessState) -> ProcessDetails {
        ProcessDetails {
            info: ProcessInfo {
                name: ProcessName::new("web", name),
                state,
                start: Some(WallSecs(2)),
                since: None,
                stop: None,
                spawnerr: "a\0b".into(),
                exitstatus: -1,
                pid: 7,
                stdout_logfile: Some(Path::new("/log").into()),
                stderr_logfile: None,
                listener: None,
            },
            restarts: 3,
            diagnosis: "its secret last words".into(),
            usage: None,
            dropped: Dropped::default(),
            command: "cat --password=secret".into(),
            directory: None,
            user: None,
            autostart: true,
            autorestart: AutoRestart::Unexpected,
            priority: 999,
        }
    }

    fn matches(interface: Interface, values: &Values) {
        let rows = rows(interface);
        assert_eq!(rows.len(), values.len());
        for (name, signature, _) in rows {
            assert_eq!(values[name].value_signature().to_string(), signature, "{name}");
        }
    }

    #[test]
    fn values_have_the_types_of_their_rows() {
        let about = About {
            identifier: "me".into(),
            pid: 1,
            logfile: None,
            journal: false,
            configuration: "/etc/x.conf".into(),
        };
        let census = Census::new([(ProcessState::Running, 2)]);
        let after = Daemon { about: about.clone(), standing: Standing { census, ..Standing::default() } };
        matches(Interface::Manager, &daemon(&after));
        let members = vec![ProcessName::new("web", "a")];
        matches(Interface::Group, &group(&Group { name: "web".into(), members }));
        matches(Interface::Process, &process(&details("a", ProcessState::Running)));
        let before = Daemon { about: about.clone(), standing: Standing::default() };
        let changed = difference(&before, &after);
        assert_eq!(changed.len(), 2);
        assert_eq!((&changed["NProcesses"], &changed["NRunning"]), (&Variant::U32(2), &Variant::U32(2)));
    }

    #[test]
    fn what_programs_wrote_and_their_commands_are_no_property() {
        let shown = format!("{:?}", process(&details("a", ProcessState::Fatal)));
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("a\u{fffd}b"), "{shown}");
    }
}
