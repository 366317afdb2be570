//! The rows (Supervisor 4.3 `options.py`).

use super::limits::LIMITS;
use super::{Kind, OptionRow, SectionRow};

/// How an option stands in the sample configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// With this value.
    On(&'static str),
    /// As a comment, with this value.
    Off(&'static str),
    /// Not at all.
    Hidden,
}

use Sample::{Hidden, Off, On};

pub(super) const fn row(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    sample: Sample,
    doc: &'static str,
) -> OptionRow {
    OptionRow { name, kind, default, sample, doc }
}

const fn section(
    name: &'static str,
    example: &'static str,
    doc: &'static str,
    options: &'static [&'static [OptionRow]],
) -> SectionRow {
    SectionRow { name, example, several: false, open: false, active: false, doc, options }
}

/// Every kind of section, in the order of the sample and of the manual.
pub const SECTIONS: &[SectionRow] = &[
    SectionRow {
        several: true,
        active: true,
        ..section(
            "unix_http_server",
            "unix_http_server",
            "The socket through which supervisorctl and other clients on this machine reach supervisord.",
            &[UNIX_HTTP_SERVER],
        )
    },
    SectionRow {
        several: true,
        ..section(
            "inet_http_server",
            "inet_http_server",
            "The same over TCP, off unless it is given. It is not encrypted, and whoever may use it can run programs: bind it \
             to localhost or to a network that you trust, and set a password. Never expose it to the internet.",
            &[INET_HTTP_SERVER],
        )
    },
    SectionRow {
        active: true,
        ..section("supervisord", "supervisord", "The daemon itself.", &[SUPERVISORD])
    },
    SectionRow {
        open: true,
        active: true,
        ..section(
            "rpcinterface:",
            "rpcinterface:supervisor",
            "The methods that clients can call. [rpcinterface:supervisor] must stay for supervisorctl to work; interfaces \
             written in Python cannot be loaded.",
            &[RPCINTERFACE],
        )
    },
    SectionRow {
        active: true,
        ..section(
            "supervisorctl",
            "supervisorctl",
            "How supervisorctl reaches supervisord: as one of the servers above says. Read from the main file alone.",
            &[SUPERVISORCTL],
        )
    },
    section(
        "program:",
        "program:theprogramname",
        "A program to be run, one section for each. It must stay in the foreground, and not daemonize itself.",
        &[PROGRAM, LIMITS],
    ),
    section(
        "eventlistener:",
        "eventlistener:theeventlistenername",
        "A program that is told of events on its stdin and answers on its stdout.",
        &[EVENTLISTENER, PROGRAM, LIMITS],
    ),
    section(
        "fcgi-program:",
        "fcgi-program:thefcgiprogramname",
        "A program whose processes share a listening socket, which each finds as its stdin.",
        &[FCGI_PROGRAM, PROGRAM, LIMITS],
    ),
    section(
        "group:",
        "group:thegroupname",
        "Programs to be started and stopped together, under one name.",
        &[GROUP],
    ),
    section("include", "include", "More files to read. They cannot include files themselves.", &[INCLUDE]),
    SectionRow {
        open: true,
        ..section(
            "ctlplugin:",
            "",
            "Actions for supervisorctl, written in Python: they cannot be loaded, and are left out with a warning.",
            &[CTLPLUGIN],
        )
    },
];

const USERNAME: OptionRow = row(
    "username",
    Kind::Text,
    "nobody is asked",
    Off("user"),
    "Who may use the server. It needs a password too.",
);
const PASSWORD: OptionRow = row(
    "password",
    Kind::Text,
    "none",
    Off("123"),
    "The password: a salted hash, as `supervisord --password-hash` makes it (not in Supervisor 4.3), in clear text, or as {SHA} \
     and the SHA-1 in hexadecimal digits.",
);
const READONLY: OptionRow = row(
    "readonly",
    Kind::Boolean,
    "false",
    Off("false"),
    "Clients of this server may look at everything, and change nothing. Not in Supervisor 4.3.",
);

const UNIX_HTTP_SERVER: &[OptionRow] = &[
    row("file", Kind::File, "required", On("/tmp/supervisor.sock"), "The path of the socket."),
    row("chmod", Kind::Mode, "0700", Off("0700"), "The permissions of the socket."),
    row("chown", Kind::Owner, "unchanged", Off("nobody:nogroup"), "The owner of the socket."),
    USERNAME,
    PASSWORD,
    READONLY,
];

const INET_HTTP_SERVER: &[OptionRow] = &[
    row(
        "port",
        Kind::Port,
        "required",
        Off("127.0.0.1:9001"),
        "Where to listen: host:port, or [address]:port for IPv6. Without a host, or with *, on every interface of IPv4; \
         this needs a password, or insecure=true.",
    ),
    USERNAME,
    PASSWORD,
    READONLY,
    row(
        "hosts",
        Kind::Names,
        "none",
        Hidden,
        "Names, separated by commas, by which browsers may call the server, besides its own name, localhost and addresses; * is any. \
         For servers without a password, and for pages behind a proxy. Not in Supervisor 4.3.",
    ),
    row(
        "insecure",
        Kind::Boolean,
        "false",
        Off("false"),
        "Listen beyond this machine without a password. Whoever can reach the server can then run programs as the user of \
         supervisord. Not in Supervisor 4.3.",
    ),
];

const SUPERVISORD: &[OptionRow] = &[
    row(
        "logfile",
        Kind::File,
        "supervisord.log in the current directory",
        On("/tmp/supervisord.log"),
        "The main log. `syslog` sends it there, `journal` to the systemd journal with fields; that may stand beside a file, as \
         in /a/path,journal.",
    ),
    row(
        "logfile_maxbytes",
        Kind::Bytes,
        "50MB",
        On("50MB"),
        "The size at which the main log is rotated. 0: never, as devices and pipes need it.",
    ),
    row("logfile_backups", Kind::Integer, "10", On("10"), "How many rotated main logs are kept."),
    row(
        "loglevel",
        Kind::Level,
        "info",
        On("info"),
        "What goes to the main log: critical, error, warn, info, debug, trace or blather. From debug on, the output of the \
         programs is repeated in it.",
    ),
    row(
        "pidfile",
        Kind::File,
        "supervisord.pid in the current directory",
        On("/tmp/supervisord.pid"),
        "Where supervisord writes its process id.",
    ),
    row("nodaemon", Kind::Boolean, "false", On("false"), "Stay in the foreground."),
    row(
        "silent",
        Kind::Boolean,
        "false",
        On("false"),
        "In the foreground, do not repeat the main log on stdout.",
    ),
    row(
        "minfds",
        Kind::Integer,
        "1024",
        On("1024"),
        "The file descriptors that must be available. The limit is raised, or supervisord does not start.",
    ),
    row(
        "minprocs",
        Kind::Integer,
        "200",
        On("200"),
        "The processes that must be available to the user. The limit is raised, or supervisord does not start.",
    ),
    row(
        "umask",
        Kind::Mode,
        "022",
        Off("022"),
        "The umask of supervisord and of programs that do not set their own.",
    ),
    row(
        "user",
        Kind::User,
        "whoever starts it",
        Off("supervisord"),
        "The user that supervisord becomes, when root starts it.",
    ),
    row(
        "identifier",
        Kind::Text,
        "supervisor",
        Off("supervisor"),
        "The name of this supervisord, in the names of AUTO logs, for clients and for event listeners.",
    ),
    row(
        "directory",
        Kind::Directory,
        "unchanged",
        Off("/tmp"),
        "The directory into which supervisord changes.",
    ),
    row("nocleanup", Kind::Boolean, "false", Off("true"), "Keep the AUTO logs of former runs."),
    row("childlogdir", Kind::Directory, "$TMPDIR, or /tmp", Off("/tmp"), "Where AUTO logs of programs go."),
    row(
        "environment",
        Kind::Environment,
        "empty",
        Off("KEY=\"value\""),
        "Variables for the environment of every program. It is expanded twice: a literal per cent sign is written %%%%.",
    ),
    row(
        "strip_ansi",
        Kind::Boolean,
        "false",
        Off("false"),
        "Remove ANSI escape sequences from the logs of programs.",
    ),
    row(
        "dbus",
        Kind::Bus,
        "auto",
        Hidden,
        "The bus on which programs can be seen and controlled as org.supervisord.Supervisor1. auto: as a service of systemd, \
         the system bus for root and the session bus for any other user; elsewhere none.",
    ),
];

const RPCINTERFACE: &[OptionRow] = &[row(
    "supervisor.rpcinterface_factory",
    Kind::Python,
    "required",
    On("supervisor.rpcinterface:make_main_rpcinterface"),
    "What makes the interface. Only the one shown here is built in.",
)];

const SUPERVISORCTL: &[OptionRow] = &[
    row(
        "serverurl",
        Kind::Text,
        "http://localhost:9001",
        On("unix:///tmp/supervisor.sock"),
        "Where supervisord listens: unix:///path or http://host:port.",
    ),
    row("username", Kind::Text, "none", Off("chris"), "As in the section of the server."),
    row("password", Kind::Text, "none", Off("123"), "As in the section of the server, in clear text."),
    row("prompt", Kind::Text, "supervisor", Off("mysupervisor"), "The prompt of the shell."),
    row("history_file", Kind::File, "none", Off("~/.sc_history"), "Where the shell keeps its history."),
];

const PROGRAM: &[OptionRow] = &[
    row(
        "command",
        Kind::Command,
        "required",
        Off("/bin/cat"),
        "The command, with arguments. It is split into words as a shell does, but no shell runs it; without a slash it is \
         looked for in PATH.",
    ),
    row(
        "process_name",
        Kind::Text,
        "%(program_name)s",
        Off("%(program_name)s"),
        "The name of each process. With numprocs above 1 it must contain %(process_num)d.",
    ),
    row("numprocs", Kind::Integer, "1", Off("1"), "How many processes to run."),
    row("numprocs_start", Kind::Integer, "0", Off("0"), "The first process_num."),
    row(
        "directory",
        Kind::WorkingDirectory,
        "that of supervisord",
        Off("/tmp"),
        "The directory in which the program runs.",
    ),
    row("umask", Kind::Mode, "that of supervisord", Off("022"), "The umask of the program."),
    row("priority", Kind::Integer, "999", Off("999"), "Lower starts earlier and stops later."),
    row(
        "autostart",
        Kind::Boolean,
        "true",
        Off("true"),
        "Start it when supervisord starts, or when it is added.",
    ),
    row(
        "startsecs",
        Kind::Integer,
        "1",
        Off("1"),
        "Seconds that it must stay up to count as started. 0: it counts at once, whatever becomes of it.",
    ),
    row(
        "startretries",
        Kind::Integer,
        "3",
        Off("3"),
        "How often a failed start is tried again, each a second later than the last.",
    ),
    row(
        "autorestart",
        Kind::AutoRestart,
        "unexpected",
        Off("unexpected"),
        "Whether to start it again when it ends after it had started. `unexpected`: unless its exit code is among exitcodes.",
    ),
    row("exitcodes", Kind::ExitCodes, "0", Off("0"), "The exit codes that are expected."),
    row("stopsignal", Kind::Signal, "TERM", Off("QUIT"), "The signal that asks it to stop."),
    row("stopwaitsecs", Kind::Integer, "10", Off("10"), "Seconds that it gets to stop before SIGKILL."),
    row(
        "stopasgroup",
        Kind::Boolean,
        "false",
        Off("false"),
        "Send the stop signal to its whole process group. It implies killasgroup.",
    ),
    row(
        "killasgroup",
        Kind::Boolean,
        "as stopasgroup",
        Off("false"),
        "Send SIGKILL to its whole process group.",
    ),
    row(
        "user",
        Kind::User,
        "that of supervisord",
        Off("chrism"),
        "The user as whom it runs, with the groups of that user. supervisord must be root.",
    ),
    row("redirect_stderr", Kind::Boolean, "false", Off("true"), "Send its stderr where its stdout goes."),
    row(
        "stdout_logfile",
        Kind::LogFile,
        "AUTO",
        Off("/a/path"),
        "The log of its stdout. AUTO is a file in childlogdir that goes when supervisord starts anew, NONE no log. `journal` \
         sends its lines to the systemd journal, with fields; it may stand beside a file, as in /a/path,journal. \
         `journal-stream` gives the program a stream of its own to the journal, of which supervisord sees nothing. It is \
         expanded twice: a literal per cent sign is written %%%%.",
    ),
    row(
        "stdout_logfile_maxbytes",
        Kind::Bytes,
        "50MB",
        Off("1MB"),
        "The size at which that log is rotated. 0: never, as devices and pipes need it.",
    ),
    row("stdout_logfile_backups", Kind::Integer, "10", Off("10"), "How many rotated logs are kept."),
    row(
        "stdout_capture_maxbytes",
        Kind::Bytes,
        "0",
        Off("1MB"),
        "The most that is kept of what the program writes between <!--XSUPERVISOR:BEGIN--> and <!--XSUPERVISOR:END-->, to \
         be sent as an event. 0: no capture.",
    ),
    row("stdout_events_enabled", Kind::Boolean, "false", Off("false"), "Send an event for what it writes."),
    row(
        "stdout_syslog",
        Kind::Boolean,
        "false",
        Off("false"),
        "Send its stdout to syslog too, with its name.",
    ),
    row("stderr_logfile", Kind::LogFile, "AUTO", Off("/a/path"), "The log of its stderr. As stdout_logfile."),
    row(
        "stderr_logfile_maxbytes",
        Kind::Bytes,
        "50MB",
        Off("1MB"),
        "The size at which that log is rotated. 0: never.",
    ),
    row("stderr_logfile_backups", Kind::Integer, "10", Off("10"), "How many rotated logs are kept."),
    row("stderr_capture_maxbytes", Kind::Bytes, "0", Off("1MB"), "As stdout_capture_maxbytes, for stderr."),
    row(
        "stderr_events_enabled",
        Kind::Boolean,
        "false",
        Off("false"),
        "Send an event for what it writes there.",
    ),
    row(
        "stderr_syslog",
        Kind::Boolean,
        "false",
        Off("false"),
        "Send its stderr to syslog too, with its name.",
    ),
    row(
        "environment",
        Kind::Environment,
        "empty",
        Off("A=\"1\",B=\"2\""),
        "Variables for its environment, over those of [supervisord]. Values with other than letters and digits need quotes.",
    ),
    row(
        "serverurl",
        Kind::Text,
        "AUTO",
        Off("AUTO"),
        "What it finds in SUPERVISOR_SERVER_URL. AUTO is the first server of this configuration.",
    ),
];

const EVENTLISTENER: &[OptionRow] = &[
    row(
        "events",
        Kind::Events,
        "required",
        Off("EVENT"),
        "The kinds of events that it is told of. One that covers others stands for them, EVENT for all.",
    ),
    row(
        "buffer_size",
        Kind::Integer,
        "10",
        Off("10"),
        "How many events may wait for it before the oldest is discarded.",
    ),
    row(
        "result_handler",
        Kind::Python,
        "supervisor.dispatchers:default_handler",
        Hidden,
        "What judges its answers. Others than the default are Python code, and cannot be loaded.",
    ),
];

const FCGI_PROGRAM: &[OptionRow] = &[
    row(
        "socket",
        Kind::Socket,
        "required",
        Off("tcp://localhost:9000"),
        "The socket that its processes share: tcp://host:port or unix:///absolute/path.",
    ),
    row(
        "socket_backlog",
        Kind::Integer,
        "that of the system",
        Off("1024"),
        "How many connections may wait to be accepted.",
    ),
    row(
        "socket_owner",
        Kind::Owner,
        "the user of the program",
        Off("chrism:web"),
        "The owner of a unix socket.",
    ),
    row("socket_mode", Kind::Mode, "0700", Off("0700"), "The permissions of a unix socket."),
];

const GROUP: &[OptionRow] = &[
    row(
        "programs",
        Kind::Names,
        "empty",
        Off("progname1,progname2"),
        "The programs of the group, by the names of their sections. They are no groups of their own then.",
    ),
    row("priority", Kind::Integer, "999", Off("999"), "Lower starts earlier and stops later."),
];

const INCLUDE: &[OptionRow] = &[row(
    "files",
    Kind::Patterns,
    "required",
    Off("relative/directory/*.ini"),
    "The files, separated by blanks, with * and ?. Paths are relative to this file.",
)];

const CTLPLUGIN: &[OptionRow] =
    &[row("supervisor.ctl_factory", Kind::Python, "required", Hidden, "What makes the plugin.")];
