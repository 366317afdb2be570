//! `[program:x]` and `[group:x]`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::doubles::{self, Made};
use super::error::MOST_TOLD;
use super::expand::Value;
use super::load::Context;
use super::reader::Reader;
use super::section::Section;
use super::spec::{
    AutoRestart, DaemonSpec, GroupKind, GroupSpec, Leftovers, LogTarget, ProcessSpec, ToJournal,
};
use super::{environment, fcgi, limits, listener, log, value};
use crate::api::{ProcessName, Signal};

/// What has no `priority=`.
const PRIORITY: i64 = 999;

/// More processes of one program than anybody can mean.
const MOST_PROCESSES: i64 = 100_000;
/// The same of a group.
const MOST_MEMBERS: usize = 100_000;

pub(super) fn read(context: &mut Context<'_>, daemon: &DaemonSpec) -> Vec<GroupSpec> {
    let mut grouped = BTreeSet::new();
    let mut groups = explicit_groups(context, daemon, &mut grouped);
    groups.extend(own_groups(context, daemon, Kind::Program, &grouped));
    groups.extend(listener::read(context, daemon));
    groups.extend(own_groups(context, daemon, Kind::Fcgi, &grouped));
    groups.sort_by(|Made { spec: a, .. }, Made { spec: b, .. }| {
        (a.priority, &a.name).cmp(&(b.priority, &b.name))
    });
    doubles::warn(context, &groups);
    groups.into_iter().map(|made| made.spec).collect()
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
    ) -> Vec<Arc<ProcessSpec>> {
        match self {
            Self::Program => processes(context, daemon, section, program, group),
            Self::Fcgi => fcgi::processes(context, daemon, section, program, group),
        }
    }
}

/// The programs that are in no `[group:x]`: each is a group by itself.
fn own_groups(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    kind: Kind,
    grouped: &BTreeSet<String>,
) -> Vec<Made> {
    let mut groups = Vec::new();
    for section in context.sections_named(kind.prefix()) {
        if grouped.contains(&section.name) {
            continue;
        }
        let mut reader = Reader::new(context, &section);
        let Some(name) = reader.name(kind.prefix()) else { continue };
        // As of a group it is read with fewer names than as of a process.
        let priority = reader.integer("priority", PRIORITY);
        let processes = kind.processes(context, daemon, &section, &name, &name);
        let spec = GroupSpec { name, priority, processes, kind: GroupKind::Programs };
        groups.push(Made { spec, section: section.name });
    }
    groups
}

fn explicit_groups(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    grouped: &mut BTreeSet<String>,
) -> Vec<Made> {
    let mut groups = Vec::new();
    for section in context.sections_named("group:") {
        let mut reader = Reader::new(context, &section);
        let Some(name) = reader.name("group:") else { continue };
        let priority = reader.integer("priority", PRIORITY);
        let programs = value::list(&reader.text("programs").unwrap_or_default());
        let mut processes = members(context, daemon, &section, &programs, &name, grouped);
        processes.sort_by_key(|process| process.priority);
        let spec = GroupSpec { name, priority, processes, kind: GroupKind::Programs };
        groups.push(Made { spec, section: section.name });
    }
    groups
}

/// The processes of a `[group:x]`.
fn members(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    section: &Section,
    programs: &[String],
    group: &str,
    grouped: &mut BTreeSet<String>,
) -> Vec<Arc<ProcessSpec>> {
    let mut members = Vec::new();
    let before = context.errors.len();
    for program in programs {
        if members.len() > MOST_MEMBERS {
            let problem = format!("this group has more than {MOST_MEMBERS} processes");
            context.errors.push(section.problem(problem, Some("programs")));
        }
        if members.len() > MOST_MEMBERS || context.errors.len() > before + MOST_TOLD {
            break;
        }
        let found = |kind: Kind| context.section(&format!("{}{program}", kind.prefix()));
        let problem = match (found(Kind::Program), found(Kind::Fcgi)) {
            (Some(member), None) => {
                members.extend(Kind::Program.processes(context, daemon, &member, program, group));
                grouped.insert(member.name);
                continue;
            }
            (None, Some(member)) => {
                members.extend(Kind::Fcgi.processes(context, daemon, &member, program, group));
                grouped.insert(member.name);
                continue;
            }
            (Some(_), Some(_)) => format!("name {program} is ambiguous (exists as program and fcgi-program)"),
            (None, None) => format!("names unknown program or fcgi-program {program}"),
        };
        let problem = format!("[{}] {problem}", section.name);
        context.errors.push(section.problem(problem, Some("programs")));
    }
    members
}

/// The processes of one section, in one group, by name.
pub(super) fn processes(
    context: &mut Context<'_>,
    daemon: &DaemonSpec,
    section: &Section,
    program: &str,
    group: &str,
) -> Vec<Arc<ProcessSpec>> {
    let host = context.machine.host_name();
    let errors = context.errors.len();
    let mut reader = Reader::new(context, section);
    reader.names.insert("program_name".into(), program.trim().into());
    reader.names.insert("group_name".into(), group.into());
    reader.names.insert("host_node_name".into(), Value::Text(host));
    let numprocs = reader.integer("numprocs", 1);
    let first = reader.integer("numprocs_start", 0);
    let base = common(&mut reader, daemon);
    let unexpanded = section.get("process_name").map_or("%(program_name)s", |entry| entry.value.as_str());
    let name = reader.good("process_name", value::name(unexpanded)).unwrap_or_default();
    if numprocs > 1 && !name.contains("%(process_num)") {
        let problem = "%(process_num) must be present within process_name when numprocs > 1".to_owned();
        reader.fail("process_name", problem);
    }
    if numprocs > MOST_PROCESSES {
        reader.fail("numprocs", format!("{numprocs} processes are more than {MOST_PROCESSES}"));
    }
    if numprocs > 0 && section.get("command").is_none() {
        let problem = format!("program section {} does not specify a command", section.name);
        reader.fail("command", problem);
    }
    reader.names.insert("numprocs".into(), Value::Number(numprocs));
    let mut processes = Vec::new();
    for number in first..first.saturating_add(numprocs.min(MOST_PROCESSES)) {
        let process = one(&mut reader, daemon, &base, &name, number);
        let name = ProcessName::new(group, process.name.clone());
        reader.context.came_from(name, &section.name);
        processes.push(Arc::new(process));
        if reader.context.errors.len() > errors {
            break;
        }
    }
    processes.sort_by(|a, b| a.name.cmp(&b.name));
    processes
}

/// What is the same for every process of a section.
fn common(reader: &mut Reader<'_, '_>, daemon: &DaemonSpec) -> ProcessSpec {
    let stopasgroup = reader.boolean("stopasgroup", false);
    let killasgroup = reader.boolean("killasgroup", stopasgroup);
    if stopasgroup && !killasgroup {
        reader.fail("killasgroup", "Cannot set stopasgroup=true and killasgroup=false".to_owned());
    }
    let serverurl = reader.text("serverurl").filter(|url| !url.trim().eq_ignore_ascii_case("auto"));
    ProcessSpec {
        name: "".into(),
        command: String::new(),
        directory: None,
        umask: reader.parsed("umask", value::octal),
        priority: reader.integer("priority", PRIORITY),
        autostart: reader.boolean("autostart", true),
        autorestart: reader.parse("autorestart", AutoRestart::Unexpected, value::auto_restart),
        startsecs: reader.integer("startsecs", 1),
        startretries: reader.integer("startretries", 3),
        exitcodes: reader.parse("exitcodes", vec![0], value::exit_codes),
        stopsignal: reader.parse("stopsignal", Signal::TERM, value::signal),
        stopwaitsecs: reader.integer("stopwaitsecs", 10),
        stopasgroup,
        killasgroup,
        user: reader.user("user"),
        redirect_stderr: reader.boolean("redirect_stderr", false),
        stdout: log::channel(reader, "stdout"),
        stderr: log::channel(reader, "stderr"),
        environment: daemon.environment.clone(),
        serverurl,
        socket: None,
        leftovers: reader.parse("leftovers", Leftovers::Kill, value::leftovers),
        limits: Arc::new(limits::read(reader)),
    }
}

fn one(
    reader: &mut Reader<'_, '_>,
    daemon: &DaemonSpec,
    base: &ProcessSpec,
    name: &str,
    number: i64,
) -> ProcessSpec {
    let mut spec = base.clone();
    let shared = reader.names.clone();
    reader.names.insert("process_num".into(), Value::Number(number));
    let own = environment(reader);
    for (name, text) in &own {
        reader.names.insert(format!("ENV_{name}"), Value::Text(text.clone()));
    }
    spec.environment = daemon.environment.clone();
    spec.environment.extend(own);
    spec.name = reader.expanded("process_name", name, "process_name").unwrap_or_default().into();
    spec.command = reader.text("command").unwrap_or_default();
    spec.directory = reader.text("directory").map(Into::into);
    log::read(reader, "stdout", &mut spec.stdout);
    let named = log::read(reader, "stderr", &mut spec.stderr);
    if spec.redirect_stderr {
        if named {
            let problem = format!(
                "For [{}], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename has been ignored",
                reader.section.name
            );
            log::warn(reader, "stderr_logfile", problem);
        }
        (spec.stderr.target, spec.stderr.journal) = (LogTarget::None, ToJournal::No);
    }
    reader.names = shared;
    spec
}

/// `environment=`, which is expanded for each process, and once.
fn environment(reader: &mut Reader<'_, '_>) -> BTreeMap<String, String> {
    let key = "environment";
    let Some(entry) = reader.section.get(key) else { return BTreeMap::new() };
    let Some(text) = reader.expanded(key, &entry.value, key) else { return BTreeMap::new() };
    reader.good(key, environment::parse(&text)).unwrap_or_default()
}
