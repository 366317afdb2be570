//! `[supervisord]`, the servers and `[supervisorctl]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::expand::Value;
use super::load::{COMMAND_LINE, Context, Overrides};
use super::reader::Reader;
use super::section::Section;
use super::spec::{BusChoice, CtlSpec, DaemonSpec, ToJournal};
use super::value::Owner;
use super::{environment, ini, log, server, value};
use crate::api::Level;

pub(super) fn read(context: &mut Context<'_>, overrides: &Overrides) -> DaemonSpec {
    let section = context.section("supervisord").unwrap_or_else(|| {
        let missing = Section::new("supervisord".to_owned(), context.file.clone(), 1);
        let mut diagnostic =
            missing.problem(".ini file does not include supervisord section".to_owned(), None);
        (diagnostic.line, diagnostic.section, diagnostic.source) = (None, None, None);
        diagnostic.help = Some("add a line `[supervisord]`".to_owned());
        context.errors.push(diagnostic);
        missing
    });
    // What the command line overrides is still checked, as in Supervisor; then the command line is read in its place.
    let mut spec = daemon(context, &section);
    if !overrides.is_empty() && context.errors.is_empty() {
        let mut section = section.clone();
        for (key, text) in overrides {
            let value = text.replace('%', "%%");
            section.set(&PathBuf::from(COMMAND_LINE), ini::RawEntry { key: key.clone(), value, line: 1 });
        }
        spec = daemon(context, &section);
    }
    for (name, text) in &spec.environment {
        context.names.insert(format!("ENV_{name}"), Value::Text(text.clone()));
    }
    spec.servers = server::read(context);
    spec.rpcinterface = interfaces(context);
    spec
}

fn daemon(context: &mut Context<'_>, section: &Section) -> DaemonSpec {
    let file = context.file.clone();
    let temporary = context.machine.temporary_dir();
    let mut reader = Reader::new(context, section);
    let logfile = reader.text("logfile").unwrap_or_else(|| "supervisord.log".to_owned());
    let (journal, logfile) = log::split(&logfile);
    if journal == ToJournal::Stream {
        reader.fail("logfile", "journal-stream is for programs; use logfile=journal".to_owned());
    }
    let journal = journal != ToJournal::No;
    DaemonSpec {
        logfile: (logfile != "syslog" && !(journal && logfile.is_empty())).then(|| {
            let path = reader.checked_file("logfile", logfile);
            reader.absolute(&path)
        }),
        journal,
        logfile_maxbytes: reader.bytes("logfile_maxbytes", 50 << 20),
        logfile_backups: reader.integer("logfile_backups", 10),
        loglevel: reader.parse("loglevel", Level::Info, value::level),
        pidfile: reader.file("pidfile", "supervisord.pid"),
        umask: reader.parse("umask", 0o022, value::octal),
        nodaemon: reader.boolean("nodaemon", false),
        silent: reader.boolean("silent", false),
        minfds: reader.integer("minfds", 1024),
        minprocs: reader.integer("minprocs", 200),
        nocleanup: reader.boolean("nocleanup", false),
        childlogdir: reader.directory("childlogdir").unwrap_or(temporary),
        user: reader.user("user"),
        directory: reader.directory("directory"),
        strip_ansi: reader.boolean("strip_ansi", false),
        environment: environment(&mut reader),
        identifier: reader.text("identifier").unwrap_or_else(|| "supervisor".to_owned()),
        dbus: reader.parse("dbus", BusChoice::Auto, value::bus),
        servers: Vec::new(),
        rpcinterface: false,
        file,
    }
}

/// `environment=`, which Supervisor expands twice: a literal per cent sign is written `%%%%`.
fn environment(reader: &mut Reader<'_, '_>) -> BTreeMap<String, String> {
    let key = "environment";
    let text = reader.text(key).unwrap_or_default();
    reader.names.insert("host_node_name".into(), Value::Text(reader.context.machine.host_name()));
    let pairs = reader.expanded(key, &text, key).map(|text| environment::parse(&text));
    reader.names.remove("host_node_name");
    pairs.and_then(|pairs| reader.good(key, pairs)).unwrap_or_default()
}

/// The factory that Supervisor's main interface has; the only one that can be had without Python.
const MAIN_INTERFACE: &str = "supervisor.rpcinterface:make_main_rpcinterface";

/// Checks the `[rpcinterface:x]` sections; whether the main one is there.
fn interfaces(context: &mut Context<'_>) -> bool {
    python_code(context, "rpcinterface:", "supervisor.rpcinterface_factory", |name| match name {
        "rpcinterface:supervisor" => "the built-in supervisor interface is used instead",
        _ => "its methods are not there",
    });
    context.section("rpcinterface:supervisor").is_some()
}

/// Checks the `[ctlplugin:x]` sections.
pub(super) fn plugins(context: &mut Context<'_>) {
    python_code(context, "ctlplugin:", "supervisor.ctl_factory", |_| "its actions are not there");
}

/// Python code cannot be loaded: that is said, and the rest of the configuration works without it.
fn python_code(context: &mut Context<'_>, kind: &str, key: &str, instead: impl Fn(&str) -> &'static str) {
    for section in context.sections_named(kind) {
        let name = &section.name;
        if section.get(key).is_none() {
            let problem = format!("section [{name}] does not specify a {key}");
            context.errors.push(section.problem(problem, None));
            continue;
        }
        let Some(value) = Reader::without_here(context, &section).text(key) else { continue };
        if value != MAIN_INTERFACE {
            let instead = instead(name);
            let problem =
                format!("{value} cannot be resolved within [{name}]: it is Python code, and {instead}");
            context.warnings.push(section.warning(problem, Some(key)));
        }
    }
}

/// `user[:group]`; `None` when it is not given.
pub(super) fn owner(reader: &mut Reader<'_, '_>, key: &str, complaint: &str) -> Option<Owner> {
    let machine = reader.context.machine;
    reader.parsed(key, |text| value::owner(machine, text).ok_or_else(|| format!("{complaint} {text}")))
}

pub(super) fn read_ctl(context: &mut Context<'_>) -> CtlSpec {
    let default = CtlSpec::default();
    let Some(section) = context.section("supervisorctl") else {
        let missing = Section::new("supervisorctl".to_owned(), context.file.clone(), 1);
        let problem = ".ini file does not include supervisorctl section".to_owned();
        context.errors.push(missing.problem(problem, None));
        return default;
    };
    let mut reader = Reader::new(context, &section);
    let absolute = |reader: &Reader<'_, '_>, path: &str| reader.absolute(Path::new(&reader.home(path)));
    let serverurl = reader.text("serverurl").map(|url| match url.strip_prefix("unix://") {
        Some(path) => format!("unix://{}", absolute(&reader, path).display()),
        None => url,
    });
    let history = reader.text("history_file").filter(|path| !path.is_empty());
    let history_file = history.map(|path| absolute(&reader, &path));
    let mut reader = Reader::without_here(context, &section);
    CtlSpec {
        serverurl: serverurl.unwrap_or(default.serverurl),
        username: reader.text("username"),
        password: reader.text("password"),
        prompt: reader.text("prompt").unwrap_or(default.prompt),
        history_file,
    }
}
