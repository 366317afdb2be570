//! `[program:x]` and `[group:x]`.

use std::collections::BTreeMap;

use super::expand::Value;
use super::load::Context;
use super::reader::Reader;
use super::section::Section;
use super::spec::{AutoRestart, DaemonSpec, GroupKind, GroupSpec, LogSpec, LogTarget, ProcessSpec};
use super::{environment, fcgi, listener, value};
use crate::api::{ProcessName, Signal};

pub(super) fn read(context: &mut Context<'_>, daemon: &DaemonSpec) -> Vec<GroupSpec> {
    let mut grouped = Vec::new();
    let mut groups = explicit_groups(context, daemon, &mut grouped);
    for kind in [Kind::Program, Kind::Fcgi] {
        for section in context.sections_named(kind.prefix()) {
            let name = section.name[kind.prefix().len()..].trim().to_owned();
            if grouped.contains(&name) {
                continue;
            }
            match value::name(&name) {
                Err(problem) => context.errors.push(section.problem(problem, None)),
                Ok(name) => groups.push(own_group(context, daemon, kind, &section, name)),
            }
        }
    }
    groups.extend(listener::read(context, daemon));
    groups.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    groups
}

/// The two kinds of programs.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Program,
    Fcgi,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Program => "program:",
            Self::Fcgi => "fcgi-program:",
        }
    }

    fn processes(
        self,
        context: &mut Context<'_>,
        daemon: &DaemonSpec,
        section: &Section,
        program: &str,
        group: &str,
    ) -> Vec<ProcessSpec> {
        match self {
            Self::Program => processes(context, daemon, section, program, group),
            Self::Fcgi => fcgi::processes(context, daemon, section, program, group),
        }
    }
}

fn own_group(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    kind: Kind,
    section: &Section,
    name: String,
) -> GroupSpec {
    let mut processes = kind.processes(context, daemon, section, &name, &name);
    processes.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    let priority = processes.first().map_or(999, |process| process.priority);
    GroupSpec { name, priority, processes, kind: GroupKind::Programs }
}

fn explicit_groups(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    grouped: &mut Vec<String>,
) -> Vec<GroupSpec> {
    let mut groups = Vec::new();
    for section in context.sections_named("group:") {
        let name = match value::name(&section.name["group:".len()..]) {
            Ok(name) => name,
            Err(problem) => {
                context.errors.push(section.problem(problem, None));
                continue;
            }
        };
        let mut reader = Reader::new(context, &section);
        let priority = reader.integer("priority", 999);
        let programs = value::list(&reader.text("programs").unwrap_or_default());
        let mut members = Vec::new();
        for program in programs {
            let found = |kind: Kind| context.section(&format!("{}{program}", kind.prefix()));
            let (kind, member) = match (found(Kind::Program), found(Kind::Fcgi)) {
                (Some(member), None) => (Kind::Program, member),
                (None, Some(member)) => (Kind::Fcgi, member),
                (both, _) => {
                    let problem = match both {
                        Some(_) => {
                            format!("name {program} is ambiguous (exists as program and fcgi-program)")
                        }
                        None => format!("names unknown program or fcgi-program {program}"),
                    };
                    let problem = format!("[{}] {problem}", section.name);
                    context.errors.push(section.problem(problem, Some("programs")));
                    continue;
                }
            };
            members.extend(kind.processes(context, daemon, &member, &program, &name));
            grouped.push(program);
        }
        members.sort_by_key(|process| process.priority);
        groups.push(GroupSpec { name, priority, processes: members, kind: GroupKind::Programs });
    }
    groups
}

/// The processes of one section, in one group.
pub(super) fn processes(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    section: &Section,
    program: &str,
    group: &str,
) -> Vec<ProcessSpec> {
    let host = context.machine.host_name();
    let errors = context.errors.len();
    let mut reader = Reader::new(context, section);
    reader.names.insert("program_name".into(), program.into());
    reader.names.insert("group_name".into(), group.into());
    reader.names.insert("host_node_name".into(), Value::Text(host));
    let numprocs = reader.integer("numprocs", 1);
    let first = reader.integer("numprocs_start", 0);
    let base = common(&mut reader, daemon);
    let unexpanded = section.get("process_name").map_or("%(program_name)s", |entry| entry.value.as_str());
    if let Err(problem) = value::name(unexpanded) {
        reader.fail("process_name", problem);
    }
    if numprocs > 1 && !unexpanded.contains("%(process_num)") {
        let problem = "%(process_num) must be present within process_name when numprocs > 1".to_owned();
        reader.fail("process_name", problem);
    }
    if section.get("command").is_none() {
        let problem = format!("program section {} does not specify a command", section.name);
        reader.fail("command", problem);
    }
    reader.names.insert("numprocs".into(), Value::Number(numprocs));
    let mut processes = Vec::new();
    for number in first..first.saturating_add(numprocs.min(100_000)) {
        let process = one(&mut reader, daemon, &base, number);
        let name = ProcessName { group: group.to_owned(), process: process.name.clone() };
        reader.context.came_from(name, &section.name);
        processes.push(process);
        if reader.context.errors.len() > errors {
            break;
        }
    }
    processes
}

/// What is the same for every process of a section.
fn common(reader: &mut Reader<'_, '_>, daemon: &DaemonSpec) -> ProcessSpec {
    let stopasgroup = reader.boolean("stopasgroup", false);
    let killasgroup = reader.boolean("killasgroup", stopasgroup);
    if stopasgroup && !killasgroup {
        reader.fail("killasgroup", "Cannot set stopasgroup=true and killasgroup=false".to_owned());
    }
    let signal = |text: &str| {
        let kind = if text.trim().parse::<i64>().is_ok() { "number" } else { "name" };
        Signal::parse(text).ok_or_else(|| format!("value '{text}' is not a valid signal {kind}"))
    };
    let log = LogSpec {
        target: LogTarget::Auto,
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: 0,
        events_enabled: false,
        syslog: false,
    };
    let serverurl = reader.text("serverurl").filter(|url| !url.trim().eq_ignore_ascii_case("auto"));
    let umask = reader.text("umask").is_some().then(|| reader.parse("umask", 0o022, value::octal));
    ProcessSpec {
        name: String::new(),
        command: String::new(),
        directory: None,
        umask,
        priority: reader.integer("priority", 999),
        autostart: reader.boolean("autostart", true),
        autorestart: reader.parse("autorestart", AutoRestart::Unexpected, value::auto_restart),
        startsecs: reader.integer("startsecs", 1),
        startretries: reader.integer("startretries", 3),
        exitcodes: reader.parse("exitcodes", vec![0], value::exit_codes),
        stopsignal: reader.parse("stopsignal", Signal::TERM, signal),
        stopwaitsecs: reader.integer("stopwaitsecs", 10),
        stopasgroup,
        killasgroup,
        user: reader.user("user"),
        redirect_stderr: reader.boolean("redirect_stderr", false),
        stdout: log.clone(),
        stderr: log,
        environment: daemon.environment.clone(),
        serverurl,
        socket: None,
    }
}

fn one(reader: &mut Reader<'_, '_>, daemon: &DaemonSpec, base: &ProcessSpec, number: i64) -> ProcessSpec {
    let mut spec = base.clone();
    let shared = reader.names.clone();
    reader.names.insert("process_num".into(), Value::Number(number));
    let own: BTreeMap<_, _> = reader.parse("environment", BTreeMap::new(), environment::parse);
    for (name, text) in &own {
        reader.names.insert(format!("ENV_{name}"), Value::Text(text.clone()));
    }
    spec.environment = daemon.environment.clone();
    spec.environment.extend(own);
    spec.name = reader
        .text("process_name")
        .or_else(|| {
            reader.names.get("program_name").map(|name| match name {
                Value::Text(text) => text.clone(),
                Value::Number(number) => number.to_string(),
            })
        })
        .unwrap_or_default();
    spec.command = reader.text("command").unwrap_or_default();
    spec.directory = reader.text("directory").map(Into::into);
    spec.stdout = log(reader, "stdout");
    spec.stderr = log(reader, "stderr");
    if spec.redirect_stderr {
        if matches!(spec.stderr.target, LogTarget::File(_)) {
            let name = &reader.section.name;
            let problem = format!(
                "For [{name}], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename has been ignored"
            );
            let warning = reader.section.warning_of_theirs(problem, "stderr_logfile");
            reader.context.warn_once(warning);
        }
        spec.stderr.target = LogTarget::None;
    }
    reader.names = shared;
    spec
}

fn log(reader: &mut Reader<'_, '_>, channel: &str) -> LogSpec {
    let key = |option: &str| format!("{channel}_{option}");
    let file = reader.text(&key("logfile"));
    let mut syslog = reader.boolean(&key("syslog"), false);
    let target = match file.as_deref().map(str::to_lowercase).as_deref() {
        None | Some("auto") => LogTarget::Auto,
        Some("none" | "off" | "") => LogTarget::None,
        Some("syslog") => {
            syslog = true;
            LogTarget::None
        }
        Some(_) => {
            let text = file.unwrap_or_default();
            LogTarget::File(reader.checked_file(&key("logfile"), &text))
        }
    };
    LogSpec {
        target,
        maxbytes: reader.bytes(&key("logfile_maxbytes"), 50 << 20),
        backups: reader.integer(&key("logfile_backups"), 10),
        capture_maxbytes: reader.bytes(&key("capture_maxbytes"), 0),
        events_enabled: reader.boolean(&key("events_enabled"), false),
        syslog,
    }
}
