//! THE TABLE of methods: one row gives dispatch, arity, help and signature (Supervisor 4.3 `rpcinterface.py`).

use super::args::Args;
use super::plan::{Channel, Plan};
use crate::api::{Fault, FaultCode, Request, Signal, Target};

/// What a row does with its arguments.
pub type Planner = fn(&mut Args) -> Result<Plan, Fault>;

/// A row.
#[derive(Debug)]
pub struct Method {
    /// `namespace.method`.
    pub name: &'static str,
    /// Its former names.
    pub aliases: &'static [&'static str],
    /// Type of the result, then types and names of the arguments.
    pub result: &'static str,
    /// Types and names of the arguments.
    pub params: &'static [(&'static str, &'static str)],
    /// How many of the arguments may be left out.
    pub optional: usize,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Whether it changes anything.
    pub access: Access,
    /// Answered while the supervisor shuts down.
    pub always: bool,
    /// How large the answer may be.
    pub weight: Weight,
    /// Translates the arguments.
    pub plan: Planner,
}

/// What a method does to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It looks.
    Reads,
    /// It changes something: refused where nothing may be changed.
    Changes,
}

/// How large an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A few values, or what a change has come to.
    Little,
    /// As many bytes of a log as the last two arguments, offset and length, ask for.
    Log,
    /// Something about each process.
    Everything,
    /// That of several calls.
    Calls,
}

impl Method {
    /// The row of that name or alias.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name || method.aliases.contains(&name))
    }

    /// What `system.methodHelp` answers.
    #[must_use]
    pub fn help(&self) -> String {
        let mut help = format!(" {}\n\n", self.summary);
        for (kind, name) in self.params {
            help.push_str(&format!("        @param {kind} {name}\n"));
        }
        help.push_str(&format!("        @return {} result\n        ", self.result));
        help
    }

    /// What `system.methodSignature` answers.
    pub fn signature(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.result).chain(self.params.iter().map(|(kind, _)| *kind))
    }

    /// The method takes that many arguments.
    #[must_use]
    pub fn takes(&self, count: usize) -> bool {
        (self.params.len() - self.optional..=self.params.len()).contains(&count)
    }
}

/// The names of all methods, sorted, aliases included.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = METHODS
        .iter()
        .flat_map(|method| std::iter::once(method.name).chain(method.aliases.iter().copied()))
        .collect();
    names.sort_unstable();
    names
}

const NAME: (&str, &str) = ("string", "name");
const SIGNAL: (&str, &str) = ("string", "signal");
const WAIT: (&str, &str) = ("boolean", "wait");
const OFFSET: (&str, &str) = ("int", "offset");
const LENGTH: (&str, &str) = ("int", "length");

macro_rules! weight {
    () => {
        Weight::Little
    };
    ($weight:ident) => {
        Weight::$weight
    };
}

macro_rules! methods {
    ($($name:literal $(= $alias:literal)? ($($param:expr),*) $([$optional:literal])? -> $result:literal $access:ident
       $(, $always:ident)? $(/ $weight:ident)?: $summary:literal => $plan:expr;)*) => {
        /// The table.
        pub const METHODS: &[Method] = &[$(Method {
            name: $name,
            aliases: &[$($alias)?],
            result: $result,
            params: &[$($param),*],
            optional: 0 $(+ $optional)?,
            summary: $summary,
            access: Access::$access,
            always: false $(|| stringify!($always).len() > 0)?,
            weight: weight!($($weight)?),
            plan: $plan,
        }),*];
    };
}

methods! {
    "supervisor.getAPIVersion" = "supervisor.getVersion" () -> "string" Reads:
        "Return the version of the RPC API used by supervisord" => |_| Ok(Plan::ApiVersion);
    "supervisor.getSupervisorVersion" () -> "string" Reads:
        "Return the version of the supervisor package in use by supervisord" => |_| Ok(Plan::Version);
    "supervisor.getIdentification" () -> "string" Reads:
        "Return identifying string of supervisord" => |_| Ok(Plan::Identification);
    "supervisor.getState" () -> "struct" Reads, always:
        "Return current state of supervisord as a struct with keys int statecode, string statename" => |_| Ok(Plan::State);
    "supervisor.getPID" () -> "int" Reads: "Return the PID of supervisord" => |_| Ok(Plan::Pid);
    "supervisor.readLog" = "supervisor.readMainLog" (OFFSET, LENGTH) -> "string" Reads / Log:
        "Read length bytes from the main log starting at offset"
        => |args| Ok(Plan::ReadMain { offset: args.int()?, length: args.int()? });
    "supervisor.clearLog" () -> "boolean" Changes: "Clear the main log" => |_| Ok(Plan::ask(Request::ClearMainLog));
    "supervisor.shutdown" () -> "boolean" Changes: "Shut down the supervisor process" => |_| Ok(Plan::ask(Request::Shutdown));
    "supervisor.restart" () -> "boolean" Changes: "Restart the supervisor process" => |_| Ok(Plan::ask(Request::Restart));
    "supervisor.reexec" () -> "boolean" Changes:
        "Let the installed supervisord take over in place, while every program goes on; it answers (not in Supervisor 4.3)"
        => |_| Ok(Plan::ask(Request::Reexec));
    "supervisor.reloadConfig" () -> "array" Changes:
        "Reload the configuration; the result is [[added, changed, removed]], three arrays of names of groups"
        => |_| Ok(Plan::ask(Request::Reread));
    "supervisor.getConfigWarnings" () -> "array" Reads:
        "What would go wrong with the configuration as it was last read; an array of structs (not in Supervisor 4.3)"
        => |_| Ok(Plan::ConfigWarnings);
    "supervisor.addProcessGroup" (NAME) -> "boolean" Changes: "Update the config for a running process from config file"
        => |args| Ok(Plan::ask(Request::AddGroup(args.text()?)));
    "supervisor.removeProcessGroup" (NAME) -> "boolean" Changes: "Remove a stopped process from the active configuration"
        => |args| Ok(Plan::ask(Request::RemoveGroup(args.text()?)));
    "supervisor.startProcess" (NAME, WAIT) [1] -> "boolean" Changes:
        "Start a process (name, or ``group:name``, or ``group:*``), and wait for it to be fully started"
        => |args| named(args, |target, args| Request::Start { target, wait: args.wait() });
    "supervisor.startProcessGroup" (NAME, WAIT) [1] -> "array" Changes:
        "Start all processes in the group named 'name'; the result is an array of process status info structs"
        => |args| Ok(Plan::ask(Request::Start { target: Target::Group(args.text()?), wait: args.wait() }));
    "supervisor.startAllProcesses" (WAIT) [1] -> "array" Changes: "Start all processes listed in the configuration file"
        => |args| Ok(Plan::ask(Request::Start { target: Target::All, wait: args.wait() }));
    "supervisor.stopProcess" (NAME, WAIT) [1] -> "boolean" Changes:
        "Stop a process named by name (or ``group:name``, or ``group:*``), and wait for it to be fully stopped"
        => |args| named(args, |target, args| Request::Stop { target, wait: args.wait() });
    "supervisor.stopProcessGroup" (NAME, WAIT) [1] -> "array" Changes: "Stop all processes in the process group named 'name'"
        => |args| Ok(Plan::ask(Request::Stop { target: Target::Group(args.text()?), wait: args.wait() }));
    "supervisor.stopAllProcesses" (WAIT) [1] -> "array" Changes: "Stop all processes in the process list"
        => |args| Ok(Plan::ask(Request::Stop { target: Target::All, wait: args.wait() }));
    "supervisor.signalProcess" (NAME, SIGNAL) -> "boolean" Changes:
        "Send an arbitrary UNIX signal, as name ('HUP') or number ('1'), to the process named by name" => |args| {
            let given = args.text()?;
            signal(Target::from_namespec(&given), given, args)
        };
    "supervisor.signalProcessGroup" (NAME, SIGNAL) -> "array" Changes:
        "Send a signal to all processes in the group named 'name'" => |args| {
            let given = args.text()?;
            signal(Target::Group(given.clone()), given, args)
        };
    "supervisor.signalAllProcesses" (SIGNAL) -> "array" Changes: "Send a signal to all processes in the process list"
        => |args| signal(Target::All, String::new(), args);
    "supervisor.getAllConfigInfo" () -> "array" Reads / Everything:
        "Get info about all available process configurations, one struct for each process" => |_| Ok(Plan::Configs);
    "supervisor.getProcessInfo" (NAME) -> "struct" Reads: "Get info about a process named name (or 'group:name')"
        => |args| args.process().map(|(name, given)| Plan::Ask(Request::Info(name), Some(given)));
    "supervisor.getAllProcessInfo" () -> "array" Reads / Everything: "Get info about all processes" => |_| Ok(Plan::ask(Request::Infos));
    "supervisor.getProcessDetails" (NAME) -> "struct" Reads:
        "Get all that is known of a process: its info, its configuration, what it uses and why it failed (not in Supervisor 4.3)"
        => |args| args.process().map(|(name, given)| Plan::Ask(Request::Details(name), Some(given)));
    "supervisor.getAllProcessDetails" () -> "array" Reads / Everything:
        "Get all that is known of all processes; an array of structs (not in Supervisor 4.3)"
        => |_| Ok(Plan::ask(Request::AllDetails));
    "supervisor.readProcessStdoutLog" = "supervisor.readProcessLog" (NAME, OFFSET, LENGTH) -> "string" Reads / Log:
        "Read length bytes from name's stdout log starting at offset" => |args| read(args, Channel::Stdout);
    "supervisor.readProcessStderrLog" (NAME, OFFSET, LENGTH) -> "string" Reads / Log:
        "Read length bytes from name's stderr log starting at offset" => |args| read(args, Channel::Stderr);
    "supervisor.tailProcessStdoutLog" = "supervisor.tailProcessLog" (NAME, OFFSET, LENGTH) -> "array" Reads / Log:
        "Read the last length bytes of the stdout log; the result is [string bytes, int offset, bool overflow]"
        => |args| tail(args, Channel::Stdout);
    "supervisor.tailProcessStderrLog" (NAME, OFFSET, LENGTH) -> "array" Reads / Log:
        "Read the last length bytes of the stderr log; the result is [string bytes, int offset, bool overflow]"
        => |args| tail(args, Channel::Stderr);
    "supervisor.clearProcessLogs" = "supervisor.clearProcessLog" (NAME) -> "boolean" Changes:
        "Clear the stdout and stderr logs for the named process and reopen them"
        => |args| args.process().map(|(name, given)| Plan::Ask(Request::ClearLogs(Target::Process(name)), Some(given)));
    "supervisor.clearAllProcessLogs" () -> "array" Changes: "Clear all process log files"
        => |_| Ok(Plan::ask(Request::ClearLogs(Target::All)));
    "supervisor.sendProcessStdin" (NAME, ("string", "chars")) -> "boolean" Changes:
        "Send a string of chars, as UTF-8, to the stdin of the process name" => |args| {
            let given = args.text()?;
            let data = args.bytes()?;
            match Target::from_namespec(&given) {
                Target::Process(name) => Ok(Plan::Ask(Request::SendStdin { name, data }, Some(given))),
                Target::Group(_) | Target::All => Err(Fault::new(FaultCode::BadName, given)),
            }
        };
    "supervisor.sendRemoteCommEvent" (("string", "type"), ("string", "data")) -> "boolean" Changes, always:
        "Send an event that will be received by event listeners subscribing to the RemoteCommunicationEvent"
        => |args| Ok(Plan::ask(Request::RemoteEvent { kind: args.text()?, data: args.text()? }));
    "system.listMethods" () -> "array" Reads, always: "Return an array listing the available method names"
        => |_| Ok(Plan::ListMethods);
    "system.methodHelp" (NAME) -> "string" Reads, always: "Return a string showing the method's documentation"
        => |args| Ok(Plan::Help(args.text()?));
    "system.methodSignature" (NAME) -> "array" Reads, always:
        "Return an array describing the method signature in the form [rtype, ptype, ptype...]"
        => |args| Ok(Plan::Signature(args.text()?));
    "system.multicall" (("array", "calls")) -> "array" Reads, always / Calls:
        "Process an array of structs {methodName, params} in order, and return an array of results and fault structs"
        => |args| Ok(Plan::Multicall(args.array()?));
}

fn named(args: &mut Args, request: fn(Target, &mut Args) -> Request) -> Result<Plan, Fault> {
    let given = args.text()?;
    Ok(Plan::Ask(request(Target::from_namespec(&given), args), Some(given)))
}

fn signal(target: Target, given: String, args: &mut Args) -> Result<Plan, Fault> {
    let text = args.text()?;
    Ok(match Signal::parse(&text) {
        Some(signal) => Plan::Ask(Request::Signal { target, signal }, Some(given)),
        None => Plan::BadSignal { target, given, text },
    })
}

fn read(args: &mut Args, channel: Channel) -> Result<Plan, Fault> {
    let (name, given) = args.process()?;
    Ok(Plan::Read { name, given, channel, offset: args.int()?, length: args.int()? })
}

fn tail(args: &mut Args, channel: Channel) -> Result<Plan, Fault> {
    let (name, given) = args.process()?;
    Ok(Plan::Tail { name, given, channel, offset: args.int()?, length: args.int()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_supervisors_forty_one_methods_and_says_which_are_ours() {
        let names = names();
        let ours =
            METHODS.iter().filter(|method| method.summary.ends_with("(not in Supervisor 4.3)")).count();
        assert_eq!(names.len() - ours, 41, "{names:?}");
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
        let start = Method::find("supervisor.startProcess").unwrap();
        assert_eq!(start.signature().collect::<Vec<_>>(), ["boolean", "string", "boolean"]);
        assert!(start.takes(1) && start.takes(2) && !start.takes(0) && !start.takes(3));
    }
}
