//! What a value may be.

/// The type of an option's value (Supervisor 4.3 `datatypes.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A command line.
    Command,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Bytes, with a unit.
    Bytes,
    /// An octal mode.
    Mode,
    /// A level of the main log.
    Level,
    /// A signal by name or number.
    Signal,
    /// Exit codes between commas.
    ExitCodes,
    /// `true`, `false` or `unexpected`.
    AutoRestart,
    /// A user by name or number.
    User,
    /// `user` or `user:group`.
    Owner,
    /// A file, whose directory exists.
    File,
    /// A log: a file, `AUTO`, `NONE`, `journal` or `journal-stream`.
    LogFile,
    /// A directory that exists.
    Directory,
    /// A directory, looked for when it is needed.
    WorkingDirectory,
    /// `NAME="value"` between commas.
    Environment,
    /// `host:port`.
    Port,
    /// `tcp://…` or `unix://…`.
    Socket,
    /// Names between commas.
    Names,
    /// Kinds of events between commas.
    Events,
    /// Patterns of files.
    Patterns,
    /// `kill` or `leave`.
    Leftovers,
    /// `auto`, `system`, `session` or `off`.
    Bus,
    /// An amount with a unit, or `infinity`.
    Amount,
    /// A limit, or `soft:hard`.
    SoftAndHard,
    /// A percentage.
    Percent,
    /// The name of Python code.
    Python,
}

impl Kind {
    /// What was expected, for somebody who wrote something else.
    #[must_use]
    pub fn expected(self) -> Option<&'static str> {
        Some(match self {
            Self::Text | Self::Command | Self::Patterns | Self::Python => return None,
            Self::Integer => "use a whole number",
            Self::Boolean => "use true or false",
            Self::Bytes => "use bytes, or a whole number with KB, MB or GB, as in 50MB",
            Self::Mode => "use an octal mode, as in 022 or 0700",
            Self::Level => "use one of critical, error, warn, info, debug, trace, blather",
            Self::Signal => "use a signal name or number, as in TERM, HUP, INT, QUIT, KILL, USR1 or USR2",
            Self::ExitCodes => "use numbers from 0 to 255, separated by commas",
            Self::AutoRestart => "use true, false or unexpected",
            Self::User => "use the name or number of a user of this machine (getent passwd)",
            Self::Owner => "use user or user:group, by names or numbers of this machine",
            Self::File | Self::LogFile => "create the directory first, with mkdir -p",
            Self::Directory | Self::WorkingDirectory => "create the directory, or name one that exists",
            Self::Environment => "write KEY=\"value\" pairs, separated by commas",
            Self::Port => "use host:port, as in 127.0.0.1:9001",
            Self::Socket => "use tcp://host:port or unix:///absolute/path",
            Self::Names => "name programs that have a [program:x] section, separated by commas",
            Self::Leftovers => "use kill or leave",
            Self::Bus => "use auto, system, session or off",
            Self::Amount => "use a whole number, with K, M, G or T where it is bytes, or infinity",
            Self::SoftAndHard => "use one limit, or soft:hard, as in 1024:4096",
            Self::Percent => "use a percentage of one processor, as in 150%",
            Self::Events => {
                "name kinds of events, as in PROCESS_STATE, TICK_60 or EVENT for all, separated by commas"
            }
        })
    }

    /// Its name, for the manual.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Command => "command",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Bytes => "bytes",
            Self::Mode => "octal mode",
            Self::Level => "level",
            Self::Signal => "signal",
            Self::ExitCodes => "exit codes",
            Self::AutoRestart => "boolean or unexpected",
            Self::User => "user",
            Self::Owner => "user[:group]",
            Self::File => "file",
            Self::LogFile => "file, AUTO, NONE, journal or journal-stream",
            Self::Directory | Self::WorkingDirectory => "directory",
            Self::Environment => "KEY=\"value\",…",
            Self::Port => "[host:]port",
            Self::Socket => "tcp://host:port or unix:///path",
            Self::Names => "names",
            Self::Events => "event names",
            Self::Patterns => "file patterns",
            Self::Leftovers => "kill or leave",
            Self::Bus => "auto, system, session or off",
            Self::Amount => "amount",
            Self::SoftAndHard => "soft[:hard]",
            Self::Percent => "percentage",
            Self::Python => "module:name",
        }
    }
}
