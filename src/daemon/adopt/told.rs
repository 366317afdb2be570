//! What another supervisor tells of its programs, and how that differs from our configuration.

use std::path::Path;
use std::sync::Arc;

use crate::api::{Mono, Now, ProcessName, ProcessState, WallSecs};
use crate::config::spec::{GroupSpec, LogSpec, LogTarget, ProcessSpec};
use crate::ctl::client::Rpc;
use crate::engine::{Adopted, Found};
use crate::wire::xmlrpc::Value;

/// What it tells.
pub(super) struct Told {
    /// Its process.
    pub(super) pid: i32,
    pub(super) version: String,
    processes: Vec<Value>,
    configs: Vec<Value>,
}

/// A process, as it tells.
pub(super) struct Theirs<'a> {
    pub(super) name: ProcessName,
    pub(super) state: ProcessState,
    pub(super) pid: i32,
    info: &'a Value,
}

impl Told {
    /// Asks.
    pub(super) fn ask(rpc: &mut dyn Rpc) -> Result<Self, String> {
        let url = rpc.url().to_owned();
        let mut call = |method: &str| {
            rpc.call(&format!("supervisor.{method}"), Vec::new())
                .map_err(|error| format!("{url}: {method}: {error}"))
        };
        let pid = match call("getPID")? {
            Value::Int(pid) => i32::try_from(pid).unwrap_or(0),
            _ => 0,
        };
        let version = call("getSupervisorVersion")?.as_str().unwrap_or_default().to_owned();
        if !version.starts_with("4.") {
            return Err(format!(
                "it is supervisord {version}, and this one takes over from Supervisor 4; `supervisorctl reexec` is for our own"
            ));
        }
        let array = |value| if let Value::Array(values) = value { values } else { Vec::new() };
        Ok(Self {
            pid,
            version,
            processes: array(call("getAllProcessInfo")?),
            configs: array(call("getAllConfigInfo")?),
        })
    }

    /// Its processes.
    pub(super) fn processes(&self) -> impl Iterator<Item = Theirs<'_>> {
        self.processes.iter().filter_map(Theirs::of)
    }

    /// Those that live.
    pub(super) fn alive(&self) -> impl Iterator<Item = Theirs<'_>> {
        self.processes().filter(|theirs| theirs.pid > 0)
    }

    fn config(&self, name: &ProcessName) -> Option<&Value> {
        let is =
            |value: &&Value| text(value, "group") == &*name.group && text(value, "name") == &*name.process;
        self.configs.iter().find(is)
    }

    /// What is not as our configuration has it, of the processes that live: line by line.
    pub(super) fn differences(&self, groups: &[GroupSpec]) -> Vec<String> {
        let mut found = Vec::new();
        for theirs in self.alive() {
            let name = theirs.name.to_string();
            let group = groups.iter().find(|group| *group.name == *theirs.name.group);
            let ours =
                group.and_then(|group| group.processes.iter().find(|spec| spec.name == theirs.name.process));
            match (ours, self.config(&theirs.name)) {
                (None, _) => found.push(format!("{name}: it is not in the configuration")),
                (_, None) => found.push(format!("{name}: it does not tell what that is")),
                (Some(ours), Some(config)) => {
                    let all = compare(ours, config, &theirs);
                    found.extend(all.into_iter().map(|difference| format!("{name}: {difference}")));
                }
            }
        }
        found
    }
}

impl<'a> Theirs<'a> {
    fn of(info: &'a Value) -> Option<Self> {
        let state = text(info, "statename");
        Some(Self {
            name: ProcessName::new(text(info, "group"), text(info, "name")),
            state: ProcessState::ALL.into_iter().find(|known| known.name() == state)?,
            pid: i32::try_from(int(info, "pid")).ok()?,
            info,
        })
    }

    /// What becomes of it here; `None` while it is on its way to another state.
    pub(super) fn adopted(&self, now: Now) -> Option<Adopted> {
        let found = match self.state {
            ProcessState::Running => Found::Alive { pid: self.pid, up: true },
            ProcessState::Starting if self.pid > 0 => Found::Alive { pid: self.pid, up: false },
            ProcessState::Stopped => Found::Stopped,
            ProcessState::Exited => Found::Exited,
            ProcessState::Backoff => Found::Failed,
            ProcessState::Fatal => Found::Fatal,
            ProcessState::Starting | ProcessState::Stopping | ProcessState::Unknown => return None,
        };
        let seconds = |member| Some(WallSecs(int(self.info, member))).filter(|wall| wall.0 > 0);
        let since = |wall: WallSecs| {
            let ago = u64::try_from(now.wall.0 - wall.0).unwrap_or(0);
            (Mono(now.mono.0.saturating_sub(ago * 1_000_000_000)), wall)
        };
        let file = |member| {
            Some(Path::new(text(self.info, member)).into())
                .filter(|path: &Arc<Path>| !path.as_os_str().is_empty())
        };
        let ended = seconds("stop");
        Some(Adopted {
            name: self.name.clone(),
            now: found,
            started: seconds("start").map(since),
            ended,
            exitstatus: ended.map(|_| i32::try_from(int(self.info, "exitstatus")).unwrap_or(-1)),
            spawnerr: Some(text(self.info, "spawnerr").to_owned()).filter(|text| !text.is_empty()),
            stdout: file("stdout_logfile"),
            stderr: file("stderr_logfile"),
        })
    }
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.member(member).and_then(Value::as_str).unwrap_or_default()
}

fn int(value: &Value, member: &str) -> i64 {
    match value.member(member) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    }
}

/// `none`, a word, or a number, as people read it.
fn shown(value: &Value, member: &str) -> String {
    match value.member(member) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Bool(truth)) => truth.to_string(),
        _ => "none".to_owned(),
    }
}

/// What a process is, told twice. How it is looked after may change at any time, and is not compared.
fn compare(ours: &ProcessSpec, config: &Value, theirs: &Theirs<'_>) -> Vec<String> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let none = || "none".to_owned();
    let mut found = Vec::new();
    let mut differ = |what: &str, runs: String, says: String| {
        if runs != says {
            found.push(format!("it runs with {what}={runs}, and the configuration says {what}={says}"));
        }
    };
    differ("command", words(text(config, "command")), words(&ours.command));
    let directory = ours.directory.as_ref().map_or_else(none, |path| path.display().to_string());
    differ("directory", shown(config, "directory"), directory);
    let user = ours.user.as_ref().map_or_else(none, |user| user.uid.to_string());
    differ("user", shown(config, "uid"), user);
    differ("redirect_stderr", shown(config, "redirect_stderr"), ours.redirect_stderr.to_string());
    for (key, log) in [("stdout_logfile", &ours.stdout), ("stderr_logfile", &ours.stderr)] {
        let runs = Some(text(theirs.info, key)).filter(|path| !path.is_empty()).unwrap_or("none");
        match &log.target {
            // Its name was made up.
            LogTarget::Auto if runs != "none" => {}
            LogTarget::Auto => differ(key, runs.to_owned(), "AUTO".to_owned()),
            LogTarget::None => differ(key, runs.to_owned(), none()),
            LogTarget::File(path) => differ(key, runs.to_owned(), path.display().to_string()),
        }
    }
    let direct = |log: &LogSpec| log.journal == crate::config::spec::ToJournal::Stream;
    if direct(&ours.stdout) || direct(&ours.stderr) {
        found.push("the configuration says that it writes to the journal itself".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::config::load;
    use crate::system::machine::OsMachine;

    const FILE: &str = "[program:web]\ncommand=/bin/web  -p 1\ndirectory=/\nstdout_logfile=/tmp/web\n\
                        [program:idle]\ncommand=/bin/idle\n";

    fn groups() -> Vec<GroupSpec> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("supervisord.conf");
        let head = "[supervisord]\nlogfile=%(here)s/log\npidfile=%(here)s/pid\n";
        std::fs::write(&file, head.to_owned() + FILE).unwrap();
        let machine = OsMachine::keeping(&file).unwrap();
        load::load(&machine, &file, &load::Overrides::new()).unwrap().groups
    }

    fn structure(members: &[(&'static str, Value)]) -> Value {
        Value::Struct(members.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone())).collect())
    }

    fn info(name: &str, state: &str, pid: i64) -> Value {
        structure(&[
            ("group", Value::string(name)),
            ("name", Value::string(name)),
            ("statename", Value::string(state)),
            ("pid", Value::Int(pid)),
            ("start", Value::Int(1000)),
            ("stop", Value::Int(0)),
            ("exitstatus", Value::Int(0)),
            ("spawnerr", Value::string("")),
            ("stdout_logfile", Value::string("/tmp/web")),
            ("stderr_logfile", Value::string("/tmp/web-stderr---supervisor-x.log")),
        ])
    }

    fn told(processes: Vec<Value>, command: &str, directory: &str) -> Told {
        let config = structure(&[
            ("group", Value::string("web")),
            ("name", Value::string("web")),
            ("command", Value::string(command)),
            ("directory", Value::string(directory)),
            ("uid", Value::string("none")),
            ("redirect_stderr", Value::Bool(false)),
        ]);
        Told { pid: 7, version: "4.3.0".to_owned(), processes, configs: vec![config] }
    }

    #[test]
    fn a_program_that_is_the_same_is_found_the_same() {
        let groups = groups();
        let alive = vec![info("web", "RUNNING", 8), info("idle", "STOPPED", 0)];
        let same = told(alive.clone(), "/bin/web -p 1", "/");
        assert_eq!(same.differences(&groups), Vec::<String>::new());
        let other = told(alive, "/bin/web", "none");
        let expected = [
            "web: it runs with command=/bin/web, and the configuration says command=/bin/web -p 1",
            "web: it runs with directory=none, and the configuration says directory=/",
        ];
        assert_eq!(other.differences(&groups), expected);
        let stranger = told(vec![info("api", "RUNNING", 9), info("idle", "RUNNING", 10)], "", "");
        let expected = ["api: it is not in the configuration", "idle: it does not tell what that is"];
        assert_eq!(stranger.differences(&groups), expected);
    }

    #[test]
    fn what_is_told_becomes_what_is_adopted() {
        let now = Now { mono: Mono(500_000_000_000), wall: WallSecs(1100) };
        let adopted = |state: &str, pid| Theirs::of(&info("web", state, pid)).unwrap().adopted(now);
        let up = adopted("RUNNING", 8).unwrap();
        assert_eq!(up.now, Found::Alive { pid: 8, up: true });
        assert_eq!(up.started, Some((Mono(400_000_000_000), WallSecs(1000))), "a hundred seconds ago");
        assert_eq!((up.ended, up.exitstatus, up.spawnerr), (None, None, None));
        assert_eq!(up.stdout, Some(Path::new("/tmp/web").into()));
        for (state, found) in [
            ("STOPPED", Found::Stopped),
            ("EXITED", Found::Exited),
            ("BACKOFF", Found::Failed),
            ("FATAL", Found::Fatal),
        ] {
            assert_eq!(adopted(state, 0).unwrap().now, found);
        }
        assert_eq!(adopted("STOPPING", 8), None);
        assert!(Theirs::of(&info("web", "DREAMING", 8)).is_none());
    }
}
