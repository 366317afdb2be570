//! THE TABLE of commands: one row gives the name, the help and what it does.

use super::session::Session;
use super::{configuration, describe, doctor, flags, foreground, logs, merged, processes, shell, status};

/// A command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What `help NAME` prints (Supervisor 4.3 `supervisorctl.py`).
    pub help: &'static str,
    /// What may stand behind it, for shells that complete words.
    pub words: Words,
    /// Where `help` lists it.
    pub listed: Listed,
    pub(super) run: fn(&mut Session<'_>, &[&str]),
}

/// What the words behind a command are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// There are none.
    Nothing,
    /// A command.
    Topic,
    /// Names of processes, `group:*` or `all`.
    Processes,
    /// Names of groups.
    Groups,
    /// A signal, then names of processes.
    SignalAndProcesses,
    /// `-f` or a number of bytes, then the name of a process, then `stdout` or `stderr`.
    Log,
    /// `-f` or a number of bytes.
    MainLog,
}

/// A place in what `help` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Among Supervisor's commands.
    Default,
    /// Among those that Supervisor has not.
    More,
    /// Nowhere, as in Supervisor.
    Nowhere,
}

/// The row of a command.
#[must_use]
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// Every command, sorted.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "add",
        help: "add <name> [...]\tActivates any updates in config for process/group",
        words: Words::Groups,
        listed: Listed::Default,
        run: configuration::add,
    },
    Command {
        name: "avail",
        help: "avail\t\t\tDisplay all configured processes",
        words: Words::Nothing,
        listed: Listed::Default,
        run: configuration::avail,
    },
    Command {
        name: "clear",
        help: "clear <name>\t\tClear a process' log files.\nclear <name> <name>\tClear multiple process' log files\nclear all\t\tClear all process' log files",
        words: Words::Processes,
        listed: Listed::Default,
        run: logs::clear,
    },
    Command {
        name: "describe",
        help: "describe <name>\t\tTell all that is known of a process, with the last lines of its logs\ndescribe <gname>:*\tTell it of all processes in a group\ndescribe all\t\tTell it of all processes",
        words: Words::Processes,
        listed: Listed::More,
        run: describe::describe,
    },
    Command {
        name: "doctor",
        help: "doctor\t\t\tSay what is off with the daemon, its unit and its surroundings, and what helps",
        words: Words::Nothing,
        listed: Listed::More,
        run: doctor::doctor,
    },
    Command {
        name: "exit",
        help: "exit\tExit the supervisor shell.",
        words: Words::Nothing,
        listed: Listed::Default,
        run: shell::quit,
    },
    Command {
        name: "fg",
        help: "fg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit",
        words: Words::Processes,
        listed: Listed::Default,
        run: foreground::fg,
    },
    Command {
        name: "help",
        help: "help\t\tPrint a list of available actions\nhelp <action>\tPrint help for <action>",
        words: Words::Topic,
        listed: Listed::Nowhere,
        run: help,
    },
    Command {
        name: "logs",
        help: "logs <name> [...]\tShow the last lines of both logs of processes, each line with the name of its process\nlogs <gname>:*\t\tShow those of all processes in a group\nlogs all\t\tShow those of all processes",
        words: Words::Processes,
        listed: Listed::More,
        run: merged::logs,
    },
    Command {
        name: "maintail",
        help: "maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)\nmaintail -100\tlast 100 *bytes* of supervisord main log file\nmaintail\tlast 1600 *bytes* of supervisor main log file\n",
        words: Words::MainLog,
        listed: Listed::Default,
        run: logs::maintail,
    },
    Command {
        name: "open",
        help: "open <url>\tConnect to a remote supervisord process.\n\t\t(for UNIX domain socket, use unix:///socket/path)",
        words: Words::Nothing,
        listed: Listed::Default,
        run: shell::open,
    },
    Command {
        name: "pid",
        help: "pid\t\t\tGet the PID of supervisord.\npid <name>\t\tGet the PID of a single child process by name.\npid all\t\t\tGet the PID of every child process, one per line.",
        words: Words::Processes,
        listed: Listed::Default,
        run: processes::pid,
    },
    Command {
        name: "quit",
        help: "quit\tExit the supervisor shell.",
        words: Words::Nothing,
        listed: Listed::Default,
        run: shell::quit,
    },
    Command {
        name: "reexec",
        help: "reexec\t\t\tLet the installed supervisord take over in place; every process goes on",
        words: Words::Nothing,
        listed: Listed::More,
        run: configuration::reexec,
    },
    Command {
        name: "reload",
        help: "reload \t\tRestart the remote supervisord.",
        words: Words::Nothing,
        listed: Listed::Default,
        run: configuration::reload,
    },
    Command {
        name: "remove",
        help: "remove <name> [...]\tRemoves process/group from active config",
        words: Words::Groups,
        listed: Listed::Default,
        run: configuration::remove,
    },
    Command {
        name: "reread",
        help: "reread \t\t\tReload the daemon's configuration files without add/remove",
        words: Words::Nothing,
        listed: Listed::Default,
        run: configuration::reread,
    },
    Command {
        name: "restart",
        help: "restart <name>\t\tRestart a process\nrestart <gname>:*\tRestart all processes in a group\nrestart <name> <name>\tRestart multiple processes or groups\nrestart all\t\tRestart all processes\nNote: restart does not reread config files. For that, see reread and update.",
        words: Words::Processes,
        listed: Listed::Default,
        run: processes::restart,
    },
    Command {
        name: "shutdown",
        help: "shutdown \tShut the remote supervisord down.",
        words: Words::Nothing,
        listed: Listed::Default,
        run: configuration::shutdown,
    },
    Command {
        name: "signal",
        help: "signal <signal name> <name>\t\tSignal a process\nsignal <signal name> <gname>:*\t\tSignal all processes in a group\nsignal <signal name> <name> <name>\tSignal multiple processes or groups\nsignal <signal name> all\t\tSignal all processes",
        words: Words::SignalAndProcesses,
        listed: Listed::Default,
        run: processes::signal,
    },
    Command {
        name: "start",
        help: "start <name>\t\tStart a process\nstart <gname>:*\t\tStart all processes in a group\nstart <name> <name>\tStart multiple processes or groups\nstart all\t\tStart all processes",
        words: Words::Processes,
        listed: Listed::Default,
        run: processes::start,
    },
    Command {
        name: "status",
        help: "status <name>\t\tGet status for a single process\nstatus <gname>:*\tGet status for all processes in a group\nstatus <name> <name>\tGet status for multiple named processes\nstatus\t\t\tGet all process status info",
        words: Words::Processes,
        listed: Listed::Default,
        run: status::status,
    },
    Command {
        name: "stop",
        help: "stop <name>\t\tStop a process\nstop <gname>:*\t\tStop all processes in a group\nstop <name> <name>\tStop multiple processes or groups\nstop all\t\tStop all processes",
        words: Words::Processes,
        listed: Listed::Default,
        run: processes::stop,
    },
    Command {
        name: "tail",
        help: "tail [-f] <name> [stdout|stderr] (default stdout)\nEx:\ntail -f <name>\t\tContinuous tail of named process stdout\n\t\t\tCtrl-C to exit.\ntail -100 <name>\tlast 100 *bytes* of process stdout\ntail <name> stderr\tlast 1600 *bytes* of process stderr",
        words: Words::Log,
        listed: Listed::Default,
        run: logs::tail,
    },
    Command {
        name: "update",
        help: "update\t\t\tReload config and add/remove as necessary, and will restart affected programs\nupdate all\t\tReload config and add/remove as necessary, and will restart affected programs\nupdate <gname> [...]\tUpdate specific groups",
        words: Words::Groups,
        listed: Listed::Default,
        run: configuration::update,
    },
    Command {
        name: "version",
        help: "version\t\t\tShow the version of the remote supervisord process",
        words: Words::Nothing,
        listed: Listed::Default,
        run: configuration::version,
    },
];

/// How wide the lists are: what Python's `cmd` leaves of a terminal of 80 columns.
const WIDTH: usize = 79;

fn help(session: &mut Session<'_>, words: &[&str]) {
    if words.is_empty() {
        session.say(format_args!(""));
        list(session, "default", Listed::Default);
        return list(session, "more", Listed::More);
    }
    let topic = words.join(" ");
    match find(&topic) {
        Some(command) => session.say(format_args!("{}{}", command.help, flags::help(command.name))),
        None => session.say(format_args!("*** No help on {topic}")),
    }
}

/// The names in columns, sorted down (Python's `cmd.Cmd.print_topics`).
fn list(session: &mut Session<'_>, kind: &str, listed: Listed) {
    let commands = COMMANDS.iter().filter(|command| command.listed == listed);
    let names: Vec<&str> = commands.map(|command| command.name).collect();
    if names.is_empty() {
        return;
    }
    let title = format!("{kind} commands (type help <topic>):");
    session.say(format_args!("{title}\n{}", "=".repeat(title.len())));
    let (rows, widths) = (1..=names.len())
        .map(|rows| {
            let widths: Vec<usize> =
                names.chunks(rows).map(|column| column.iter().map(|n| n.len()).max().unwrap_or(0)).collect();
            (rows, widths)
        })
        .find(|(_, widths)| widths.iter().sum::<usize>() + 2 * (widths.len() - 1) <= WIDTH)
        .unwrap_or((names.len(), vec![WIDTH]));
    for row in 0..rows {
        let cells = widths.iter().enumerate().filter_map(|(column, width)| {
            names.get(column * rows + row).map(|name| format!("{name:<width$}"))
        });
        session.say(format_args!("{}", cells.collect::<Vec<_>>().join("  ")));
    }
    session.say(format_args!(""));
}
