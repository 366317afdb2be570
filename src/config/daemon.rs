//! `[supervisord]`, the servers and `[supervisorctl]`.

use std::path::PathBuf;

use super::expand::Value;
use super::load::{COMMAND_LINE, Context, Overrides};
use super::reader::Reader;
use super::section::Section;
use super::spec::{Credentials, CtlSpec, DaemonSpec, ServerAddress, ServerSpec};
use super::{environment, ini, value};
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
    spec.servers = servers(context);
    spec.rpcinterface = interfaces(context);
    for (name, text) in &spec.environment {
        context.names.insert(format!("ENV_{name}"), Value::Text(text.clone()));
    }
    spec
}

fn daemon(context: &mut Context<'_>, section: &Section) -> DaemonSpec {
    let file = context.file.clone();
    let temporary = context.machine.temporary_dir();
    let mut reader = Reader::new(context, section);
    let level = |text: &str| Level::parse(text).ok_or_else(|| format!("bad logging level name '{text}'"));
    let syslog = reader.text("logfile").is_some_and(|text| text == "syslog");
    DaemonSpec {
        logfile: (!syslog).then(|| reader.file("logfile", "supervisord.log")),
        logfile_maxbytes: reader.bytes("logfile_maxbytes", 50 << 20),
        logfile_backups: reader.integer("logfile_backups", 10),
        loglevel: reader.parse("loglevel", Level::Info, level),
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
        environment: reader.parse("environment", Default::default(), environment::parse),
        identifier: reader.text("identifier").unwrap_or_else(|| "supervisor".to_owned()),
        servers: Vec::new(),
        rpcinterface: false,
        file,
    }
}

fn servers(context: &mut Context<'_>) -> Vec<ServerSpec> {
    let mut servers = Vec::new();
    for section in context.sections_named("inet_http_server") {
        let mut reader = Reader::new(context, &section);
        if section.get("port").is_none() {
            reader.fail("port", format!("section [{}] has no port value", section.name));
        }
        let address = reader.parse("port", ServerAddress::Inet { host: String::new(), port: 0 }, inet);
        let auth = credentials(&mut reader);
        let readonly = reader.boolean("readonly", false);
        servers.push(ServerSpec { section: section.name.clone(), address, auth, readonly });
    }
    for section in context.sections_named("unix_http_server") {
        let mut reader = Reader::new(context, &section);
        if section.get("file").is_none() {
            reader.fail("file", format!("section [{}] has no file value", section.name));
        }
        let path = reader.file("file", "supervisor.sock");
        let mode = reader.parse("chmod", 0o700, |text| {
            value::octal(text).map_err(|_| format!("Invalid chmod value {text}"))
        });
        let owner = owner(&mut reader, "chown", "Invalid sockchown value");
        let (uid, gid) = owner.unwrap_or((None, None));
        let auth = credentials(&mut reader);
        let readonly = reader.boolean("readonly", false);
        let address = ServerAddress::Unix { path, mode, uid, gid };
        servers.push(ServerSpec { section: section.name.clone(), address, auth, readonly });
    }
    servers
}

/// The factory that Supervisor's main interface has; the only one that can be had without Python.
const MAIN_INTERFACE: &str = "supervisor.rpcinterface:make_main_rpcinterface";

/// Checks the `[rpcinterface:x]` sections; whether the main one is there. Python code cannot be loaded: that is said, and the
/// rest of the configuration works without it.
fn interfaces(context: &mut Context<'_>) -> bool {
    let key = "supervisor.rpcinterface_factory";
    for section in context.sections_named("rpcinterface:") {
        let name = &section.name;
        let Some(factory) = section.get(key) else {
            let problem = format!("section [{name}] does not specify a {key}");
            context.errors.push(section.problem(problem, Some(key)));
            continue;
        };
        if factory.value.trim() == MAIN_INTERFACE {
            continue;
        }
        let instead = if name == "rpcinterface:supervisor" {
            "the built-in supervisor interface is used instead"
        } else {
            "its methods are not there"
        };
        let value = &factory.value;
        let problem = format!("{value} cannot be resolved within [{name}]: it is Python code, and {instead}");
        context.warnings.push(section.warning(problem, Some(key)));
    }
    context.section("rpcinterface:supervisor").is_some()
}

/// A user and perhaps a group.
type Owner = (Option<u32>, Option<u32>);

/// `user[:group]`; `None` when it is not given.
pub(super) fn owner(reader: &mut Reader<'_, '_>, key: &str, complaint: &str) -> Option<Owner> {
    let text = reader.text(key)?;
    let (user, group) = text.trim().split_once(':').map_or((text.trim(), None), |(u, g)| (u, Some(g)));
    let machine = reader.context.machine;
    let uid = user.parse().ok().or_else(|| machine.user(user).map(|user| user.uid));
    let gid = group.map(|group| group.parse().ok().or_else(|| machine.group(group)));
    match (uid, gid) {
        (Some(uid), None) => Some((Some(uid), None)),
        (Some(uid), Some(Some(gid))) => Some((Some(uid), Some(gid))),
        _ => {
            reader.fail(key, format!("{complaint} {text}"));
            None
        }
    }
}

fn credentials(reader: &mut Reader<'_, '_>) -> Option<Credentials> {
    let (username, password) = (reader.text("username"), reader.text("password"));
    if username.is_some() != password.is_some() {
        let problem = format!(
            "Section [{}] contains incomplete authentication: If a username or a password is specified, both the \
             username and password must be specified",
            reader.section.name
        );
        reader.fail("username", problem);
    }
    let username = username.filter(|name| !name.is_empty())?;
    Some(Credentials { username, password: password? })
}

/// `port`, `:port`, `*:port` or `host:port`.
fn inet(text: &str) -> Result<ServerAddress, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host.to_lowercase(), value::integer(port)?),
        None => {
            (String::new(), value::integer(text).map_err(|_| format!("not a valid port number: '{text}' "))?)
        }
    };
    let port = match port {
        ..1 => return Err(format!("{port} is below lower bound (1)")),
        port => u16::try_from(port).map_err(|_| format!("{port} is above upper bound (65535)"))?,
    };
    Ok(ServerAddress::Inet { host: if host == "*" { String::new() } else { host }, port })
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
    let plain = |key: &str| section.get(key).map(|entry| entry.value.clone());
    let serverurl = reader.text("serverurl").map(|url| match url.strip_prefix("unix://") {
        Some(path) => format!("unix://{}", reader.absolute(&reader.home(path)).display()),
        None => url,
    });
    CtlSpec {
        serverurl: serverurl.unwrap_or(default.serverurl),
        username: plain("username"),
        password: plain("password"),
        prompt: plain("prompt").unwrap_or(default.prompt),
        history_file: reader.text("history_file").map(|path| reader.absolute(&reader.home(&path))),
    }
}
