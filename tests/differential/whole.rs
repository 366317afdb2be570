//! Random configurations: several files, every kind of section, values of every kind, and everything that can be expanded.

use std::fmt::Write as _;

use super::dice::Dice;
use super::values::{
    BOOLEANS, BYTES, CODES, DIRECTORIES, EVENTS, INTEGERS, LEVELS, LOGS, MODES, NAMES, ODD, OWNERS, PATHS,
    PORTS, PROCESS_NAMES, RESTARTS, SECTIONS, SIGNALS, SOCKETS, USERS, WORDS,
};

/// An option and what its values are made of; `WORDS` are strung together.
type Option = (&'static str, &'static [&'static str]);

const ENVIRONMENT: &[&str] = &["ENVIRONMENT"];

const PROGRAM: &[Option] = &[
    ("command", WORDS),
    ("command", WORDS),
    ("process_name", PROCESS_NAMES),
    ("numprocs", &["1", "2", "3", "12", "0", "-1", "x"]),
    ("numprocs_start", &["0", "1", "9", "-2"]),
    ("priority", INTEGERS),
    ("autostart", BOOLEANS),
    ("autorestart", RESTARTS),
    ("startsecs", INTEGERS),
    ("startretries", INTEGERS),
    ("exitcodes", CODES),
    ("stopsignal", SIGNALS),
    ("stopwaitsecs", INTEGERS),
    ("stopasgroup", BOOLEANS),
    ("killasgroup", BOOLEANS),
    ("user", USERS),
    ("redirect_stderr", BOOLEANS),
    ("stdout_logfile", LOGS),
    ("stdout_logfile_maxbytes", BYTES),
    ("stdout_logfile_backups", INTEGERS),
    ("stdout_capture_maxbytes", BYTES),
    ("stdout_events_enabled", BOOLEANS),
    ("stdout_syslog", BOOLEANS),
    ("stderr_logfile", LOGS),
    ("stderr_logfile_maxbytes", BYTES),
    ("stderr_syslog", BOOLEANS),
    ("environment", ENVIRONMENT),
    ("environment", ENVIRONMENT),
    ("directory", WORDS),
    ("umask", MODES),
    ("serverurl", WORDS),
    ("serverurl", &["AUTO", "auto"]),
];

const LISTENER: &[Option] = &[
    ("events", EVENTS),
    ("events", EVENTS),
    ("buffer_size", INTEGERS),
    ("priority", INTEGERS),
    ("redirect_stderr", BOOLEANS),
];

const FCGI: &[Option] = &[
    ("socket", SOCKETS),
    ("socket", SOCKETS),
    ("socket_backlog", &["1", "65535", "0", "65536", "x", ""]),
    ("socket_owner", OWNERS),
    ("socket_mode", MODES),
];

const DAEMON: &[Option] = &[
    ("logfile", PATHS),
    ("logfile_maxbytes", BYTES),
    ("logfile_backups", INTEGERS),
    ("loglevel", LEVELS),
    ("pidfile", PATHS),
    ("umask", MODES),
    ("nodaemon", BOOLEANS),
    ("silent", BOOLEANS),
    ("minfds", INTEGERS),
    ("minprocs", INTEGERS),
    ("nocleanup", BOOLEANS),
    ("childlogdir", DIRECTORIES),
    ("user", USERS),
    ("directory", DIRECTORIES),
    ("strip_ansi", BOOLEANS),
    ("environment", ENVIRONMENT),
    ("environment", ENVIRONMENT),
    ("identifier", WORDS),
];

const SERVER: &[Option] = &[("username", WORDS), ("password", WORDS)];
const UNIX: &[Option] =
    &[("file", &["%(here)s/s", "~/s", "s", "sub/../s", "%(ENV_A)s"]), ("chmod", MODES), ("chown", OWNERS)];
const INET: &[Option] = &[("port", PORTS)];
const GROUP: &[Option] = &[("programs", NAMES), ("programs", NAMES), ("priority", INTEGERS)];

/// The options of a section, and those without which it means nothing.
fn options(section: &str) -> (Vec<Option>, String) {
    let kind = section.split_once(':').map_or(section, |(kind, _)| kind);
    let (tables, needed): (&[&[Option]], &str) = match kind {
        "program" => (&[PROGRAM], "command=/bin/cat\n"),
        "eventlistener" => (&[PROGRAM, LISTENER], "command=/bin/cat\nevents=TICK_5\n"),
        "fcgi-program" => (&[PROGRAM, FCGI], "command=/bin/cat\nsocket=tcp://localhost:9000\n"),
        "group" => (&[GROUP], ""),
        "unix_http_server" => (&[UNIX, SERVER], "file=%(here)s/s\n"),
        "inet_http_server" => (&[INET, SERVER], "port=9001\ninsecure=true\n"),
        "DEFAULT" => (&[PROGRAM, DAEMON], ""),
        _ => (&[DAEMON], ""),
    };
    (tables.iter().copied().flatten().copied().collect(), needed.to_owned())
}

fn value(dice: &mut Dice, from: &[&str]) -> String {
    if from == ENVIRONMENT {
        return environment(dice);
    }
    if from != WORDS {
        // Most values are good, or hardly a file would be read.
        let good = if dice.one_in(12) { from.len() } else { from.len().div_ceil(2) };
        return dice.pick(&from[..good]).to_owned();
    }
    let mut text = dice.some(6, WORDS);
    if dice.one_in(12) {
        text.push_str(dice.pick(ODD));
        text.push_str(dice.pick(WORDS));
    }
    // Where there are includes, theirs takes this apart (RE-49).
    text.replace("%%(here)s", "%%(ENV_X)s")
}

fn environment(dice: &mut Dice) -> String {
    let keys = ["A", "B", "LOG", "PATH", "a.b-c", "X"];
    let values = [
        "\"x y\"",
        "'z'",
        "1",
        "%(ENV_X)s",
        "\"%(ENV_Q)s\"",
        "\"%(here)s\"",
        "\"%%\"",
        "\"%%%%\"",
        "\"100%%%%(ENV_X)s\"",
        "/a:/b",
        "\"%(process_num)d\"",
        "'%(program_name)s'",
        "\"'q'\"",
        "\"é\"",
        "\"a\n  b\"",
        "\"%(host_node_name)s\"",
        "%(ENV_A)s",
        "\"a;b\"",
        "\"a#b\"",
        "\"%(group_name)s\"",
        "-1.5",
    ];
    let odd = [
        "", "\"", "'", "#c", "a b", "é", "=", "@", ",", "\\", "\"\"", "a'b'c", "%", "%(nope)s", "\"a\"b\"",
        "%Y", "$x", "ß",
    ];
    let between = [",", ",", ",", ", ", ",\n  ", " ,", ";", ""];
    let mut text = String::new();
    for _ in 0..dice.throw() % 4 {
        let value = if dice.one_in(12) { dice.pick(&odd) } else { dice.pick(&values) };
        let _ = write!(text, "{}={value}{}", dice.pick(&keys), dice.pick(&between));
    }
    text
}

fn section(dice: &mut Dice, name: &str) -> String {
    let (options, needed) = options(name);
    let mut text = format!("[{name}]\n");
    if !dice.one_in(20) {
        text.push_str(&needed);
    }
    let count = if dice.one_in(3) { 0 } else { dice.throw() % 6 };
    for _ in 0..count {
        let (key, from) = options[usize::try_from(dice.throw()).unwrap_or(0) % options.len()];
        let _ = writeln!(text, "{key}={}", value(dice, from));
    }
    text
}

/// The files of a seed: names and contents, the main file first.
pub fn files(seed: u64) -> Vec<(String, String)> {
    let mut dice = Dice::new(seed);
    let mut files = vec![("main.conf".to_owned(), String::new())];
    if dice.one_in(2) {
        let words = [
            "conf.d/*.conf",
            "%(here)s/conf.d/?.conf",
            "%(ENV_N)s.ini",
            "nothing/*",
            "conf.d/[ab].conf\n  extra.ini",
            "conf.d",
        ];
        files[0].1 = format!(
            "[include]\nfiles={} {}\n",
            dice.pick(&words),
            dice.pick(&["", "", "extra.ini", "%%", "%(nope)s"])
        );
        for name in ["conf.d/a.conf", "conf.d/b.conf", "extra.ini", "7.ini"] {
            if dice.one_in(2) {
                files.push((name.to_owned(), String::new()));
            }
        }
    }
    let main = if dice.one_in(30) { String::new() } else { section(&mut dice, "supervisord") };
    files[0].1.push_str(&main);
    for (_, text) in &mut files {
        for _ in 0..dice.throw() % 4 {
            let name = dice.pick(SECTIONS).to_owned();
            text.push_str(&section(&mut dice, &name));
        }
    }
    files
}
