//! THE TABLE of interfaces: one row gives dispatch, signature, right and introspection.

use super::given::Given;
use super::perform::Plan;
use super::refusal::Refusal;
use crate::api::Request;

/// An interface of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// The supervisor as a whole.
    Manager,
    /// A group.
    Group,
    /// A process.
    Process,
}

impl Interface {
    /// Its name on the bus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Manager => "org.supervisord.Supervisor1.Manager",
            Self::Group => "org.supervisord.Supervisor1.Group",
            Self::Process => "org.supervisord.Supervisor1.Process",
        }
    }
}

/// What a caller needs to be allowed. Each but the first is an action of polkit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Nothing: whoever reaches the bus may look.
    Look,
    /// To start, stop and signal, to write to a stdin and to clear logs.
    Processes,
    /// To reread the configuration and to apply it.
    Configuration,
    /// To read what programs have written.
    Logs,
    /// To end the supervisor, to begin anew, to let another binary take over, to reopen the logs.
    Supervisor,
}

impl Right {
    /// The action that polkit is asked about.
    #[must_use]
    pub fn action(self) -> Option<&'static str> {
        Some(match self {
            Self::Look => return None,
            Self::Processes => "org.supervisord.Supervisor1.manage-processes",
            Self::Configuration => "org.supervisord.Supervisor1.manage-configuration",
            Self::Logs => "org.supervisord.Supervisor1.read-logs",
            Self::Supervisor => "org.supervisord.Supervisor1.manage-supervisor",
        })
    }
}

/// The name and the signature of an argument.
pub type Arg = (&'static str, &'static str);

/// Translates the arguments.
pub type Planner = fn(&mut Given) -> Result<Plan, Refusal>;

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Where it is.
    pub interface: Interface,
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub input: &'static [Arg],
    /// What it answers.
    pub output: &'static [Arg],
    /// What its caller needs.
    pub right: Right,
    /// Answered when the state is reached; a twin, [`WITH_FLAGS`] behind the name, takes flags as well.
    pub waits: bool,
    /// What it comes to.
    pub plan: Planner,
}

/// Behind the name of a method that takes flags as its last argument.
pub const WITH_FLAGS: &str = "WithFlags";

/// The last argument of such a method.
pub const FLAGS: Arg = ("flags", "as");

/// The flag that asks for an answer at once, not when the state is reached.
pub const NO_WAIT: &str = "no-wait";

impl Method {
    /// The row of that name in that interface, and whether it is called with flags.
    #[must_use]
    pub fn find(interface: Interface, name: &str) -> Option<(&'static Self, bool)> {
        let of = |wanted: &str| METHODS.iter().find(|row| row.interface == interface && row.name == wanted);
        let with_flags = || name.strip_suffix(WITH_FLAGS).and_then(of).filter(|row| row.waits);
        of(name).map(|row| (row, false)).or_else(|| with_flags().map(|row| (row, true)))
    }

    /// The signature of its arguments.
    #[must_use]
    pub fn signature(&self, with_flags: bool) -> String {
        let flags = with_flags.then_some(&FLAGS);
        self.input.iter().chain(flags).map(|(_, signature)| *signature).collect()
    }
}

const NAME: Arg = ("name", "s");
const SIGNAL: Arg = ("signal", "s");
const DATA: Arg = ("data", "ay");
const NAMES: Arg = ("names", "as");
const PATH: Arg = ("path", "o");
/// Process, error (empty when it was done), and the error in words.
const RESULTS: Arg = ("results", "a(sss)");
const GROUPS: Arg = ("groups", "as");
const ADDED: Arg = ("added", "as");
const CHANGED: Arg = ("changed", "as");
const REMOVED: Arg = ("removed", "as");
/// Name, path, state and pid.
const PROCESSES: Arg = ("processes", "a(sosu)");

macro_rules! methods {
    ($($interface:ident $name:ident ($($in:ident),*) -> ($($out:ident),*) $right:ident $(, $waits:ident)? => $plan:expr;)*) => {
        /// The methods, in the order of introspection.
        pub const METHODS: &[Method] = &[$(Method {
            interface: Interface::$interface,
            name: stringify!($name),
            input: &[$($in),*],
            output: &[$($out),*],
            right: Right::$right,
            waits: false $(|| !stringify!($waits).is_empty())?,
            plan: $plan,
        }),*];
    };
}

methods! {
    Manager ListProcesses () -> (PROCESSES) Look => |_| Ok(Plan::List);
    Manager GetProcess (NAME) -> (PATH) Look => |given| Ok(Plan::FindProcess(given.process()?));
    Manager GetGroup (NAME) -> (PATH) Look => |given| Ok(Plan::FindGroup(given.text()?));
    Manager StartProcess (NAME) -> (RESULTS) Processes, waits => |given| Ok(Plan::start(given.target()?, given.wait));
    Manager StopProcess (NAME) -> (RESULTS) Processes, waits => |given| Ok(Plan::stop(given.target()?, given.wait));
    Manager RestartProcess (NAME) -> (RESULTS) Processes, waits => |given| Ok(Plan::Restart(given.target()?, given.wait));
    Manager SignalProcess (NAME, SIGNAL) -> (RESULTS) Processes => |given| Ok(Plan::signal(given.target()?, given.signal()?));
    Manager StartGroup (NAME) -> (RESULTS) Processes, waits => |given| Ok(Plan::start(given.group()?, given.wait));
    Manager StopGroup (NAME) -> (RESULTS) Processes, waits => |given| Ok(Plan::stop(given.group()?, given.wait));
    Manager RestartGroup (NAME) -> (RESULTS) Processes, waits => |given| Ok(Plan::Restart(given.group()?, given.wait));
    Manager SignalGroup (NAME, SIGNAL) -> (RESULTS) Processes => |given| Ok(Plan::signal(given.group()?, given.signal()?));
    Manager StartAll () -> (RESULTS) Processes, waits => |given| Ok(Plan::start(given.this(), given.wait));
    Manager StopAll () -> (RESULTS) Processes, waits => |given| Ok(Plan::stop(given.this(), given.wait));
    Manager RestartAll () -> (RESULTS) Processes, waits => |given| Ok(Plan::Restart(given.this(), given.wait));
    Manager SignalAll (SIGNAL) -> (RESULTS) Processes => |given| Ok(Plan::signal(given.this(), given.signal()?));
    Manager SendStdin (NAME, DATA) -> () Processes => |given| {
        Ok(Plan::Ask(Request::SendStdin { name: given.process()?, data: given.bytes() }))
    };
    Manager ClearLogs (NAMES) -> (RESULTS) Processes => |given| Ok(Plan::ClearLogs(given.targets()));
    Manager Reread () -> (ADDED, CHANGED, REMOVED) Configuration => |_| Ok(Plan::Ask(Request::Reread));
    Manager Update (GROUPS) -> (ADDED, CHANGED, REMOVED) Configuration => |given| Ok(Plan::Update(given.list()));
    Manager AddGroup (NAME) -> () Configuration => |given| Ok(Plan::Ask(Request::AddGroup(given.text()?)));
    Manager RemoveGroup (NAME) -> () Configuration => |given| Ok(Plan::Ask(Request::RemoveGroup(given.text()?)));
    Manager ReopenLogs () -> () Supervisor => |_| Ok(Plan::Ask(Request::ReopenLogs));
    Manager Reload () -> () Supervisor => |_| Ok(Plan::Ask(Request::Restart));
    Manager Reexec () -> () Supervisor => |_| Ok(Plan::Reexec);
    Manager Shutdown () -> () Supervisor => |_| Ok(Plan::Ask(Request::Shutdown));
    Group Start () -> (RESULTS) Processes, waits => |given| Ok(Plan::start(given.this(), given.wait));
    Group Stop () -> (RESULTS) Processes, waits => |given| Ok(Plan::stop(given.this(), given.wait));
    Group Restart () -> (RESULTS) Processes, waits => |given| Ok(Plan::Restart(given.this(), given.wait));
    Group Signal (SIGNAL) -> (RESULTS) Processes => |given| Ok(Plan::signal(given.this(), given.signal()?));
    Group ClearLogs () -> (RESULTS) Processes => |given| Ok(Plan::Ask(Request::ClearLogs(given.this())));
    Group Remove () -> () Configuration => |given| Ok(Plan::Ask(Request::RemoveGroup(given.this_group()?)));
    Process Start () -> () Processes, waits => |given| Ok(Plan::start(given.this(), given.wait));
    Process Stop () -> () Processes, waits => |given| Ok(Plan::stop(given.this(), given.wait));
    Process Restart () -> () Processes, waits => |given| Ok(Plan::Restart(given.this(), given.wait));
    Process Signal (SIGNAL) -> () Processes => |given| Ok(Plan::signal(given.this(), given.signal()?));
    Process SendStdin (DATA) -> () Processes => |given| {
        Ok(Plan::Ask(Request::SendStdin { name: given.this_process()?, data: given.bytes() }))
    };
    Process ClearLogs () -> () Processes => |given| Ok(Plan::Ask(Request::ClearLogs(given.this())));
    Process OpenLog (CHANNEL) -> (DESCRIPTOR) Logs => |given| Ok(Plan::OpenLog(given.this_process()?, given.channel()?));
}

const CHANNEL: Arg = ("channel", "s");
const DESCRIPTOR: Arg = ("descriptor", "h");

/// A signal of the [`Interface::Manager`].
#[derive(Debug)]
pub struct Signal {
    /// Its name.
    pub name: &'static str,
    /// What it carries.
    pub args: &'static [Arg],
}

/// The signals, in the order of introspection.
pub const SIGNALS: &[Signal] = &[
    Signal { name: "ProcessStateChanged", args: &[NAME, PATH, ("from", "s"), ("to", "s"), ("pid", "u")] },
    Signal { name: "GroupAdded", args: &[NAME] },
    Signal { name: "GroupRemoved", args: &[NAME] },
    Signal { name: "ConfigurationReread", args: &[ADDED, CHANGED, REMOVED] },
    Signal { name: "Event", args: &[NAME, ("headers", "a{ss}"), ("data", "s")] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_interface_and_name() {
        let found =
            |interface, name| Method::find(interface, name).map(|(row, flags)| (row.signature(flags), flags));
        assert_eq!(found(Interface::Manager, "StartProcess"), Some(("s".into(), false)));
        assert_eq!(found(Interface::Manager, "StartProcessWithFlags"), Some(("sas".into(), true)));
        assert_eq!(found(Interface::Process, "StopWithFlags"), Some(("as".into(), true)));
        assert_eq!(found(Interface::Manager, "SignalProcessWithFlags"), None);
        assert_eq!(found(Interface::Process, "StartProcess"), None);
    }

    #[test]
    fn every_row_stands_once_and_can_be_read() {
        for (at, row) in METHODS.iter().enumerate() {
            let same = |other: &Method| other.interface == row.interface && other.name == row.name;
            assert!(!METHODS[..at].iter().any(same), "{}", row.name);
            for flags in [false, row.waits] {
                let signature = row.signature(flags);
                assert!(Given::SIGNATURES.contains(&signature.as_str()), "{} {signature}", row.name);
            }
        }
    }

    #[test]
    fn only_looking_needs_no_right() {
        let free: Vec<_> =
            METHODS.iter().filter(|row| row.right == Right::Look).map(|row| row.name).collect();
        assert_eq!(free, ["ListProcesses", "GetProcess", "GetGroup"]);
    }
}
