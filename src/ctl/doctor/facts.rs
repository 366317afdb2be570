//! What doctor looks at: gathered without changing anything, and without waiting long for anybody.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program that is asked may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks whether it has ended.
const GLANCE: Duration = Duration::from_millis(10);

/// What is asked of systemd.
const PROPERTIES: &str = "Id,LoadState,ActiveState,FragmentPath,MainPID,Type,KillMode,FileDescriptorStoreMax,Delegate,TimeoutStopUSec,NeedDaemonReload";

/// A control socket's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocketFile {
    pub(super) path: PathBuf,
    /// `None`: there is none.
    pub(super) mode: Option<u32>,
}

/// A unit, as systemd knows it: property and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit(Vec<(String, String)>);

impl Unit {
    /// A property; empty where it is not known.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

/// Everything that the checks know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// systemd is PID 1.
    pub(super) systemd: bool,
    /// `supervisord.service`, if systemd answers.
    pub(super) unit: Option<Unit>,
    /// A unit file that an administrator has copied to the old name.
    pub(super) copied_unit: Option<PathBuf>,
    /// Where the daemon is; why it does not answer.
    pub(super) unreachable: Option<String>,
    /// What its configuration makes it warn of.
    pub(super) warnings: Vec<String>,
    /// The process that is the daemon.
    pub(super) daemon_pid: Option<i64>,
    /// The largest `stopwaitsecs`, and whose it is.
    pub(super) longest_stop: Option<(u64, String)>,
    pub(super) socket: Option<SocketFile>,
    /// Supervisors in Python that run.
    pub(super) python: Vec<i32>,
    /// cgroup v2 is mounted where systemd has it.
    pub(super) cgroup2: bool,
    /// Controllers that the unit has; `None`: it has no cgroup, or it cannot be read.
    pub(super) controllers: Option<Vec<String>>,
    /// The system bus, its policy for us, and polkit are there.
    pub(super) bus: bool,
    pub(super) bus_policy: bool,
    pub(super) polkit: bool,
    /// polkit's own unit.
    pub(super) polkit_unit: Option<Unit>,
}

impl Facts {
    /// What this machine shows, without asking the daemon.
    pub(super) fn of_this_machine(socket: Option<&Path>) -> Self {
        let systemd = Path::new("/run/systemd/system").exists();
        let known = |name| if systemd { unit(name) } else { None };
        let unit = known("supervisord.service");
        let copied = Path::new("/etc/systemd/system/supervisor.service");
        let is_copied = fs::symlink_metadata(copied).is_ok_and(|found| found.is_file());
        let there = |path: &str| Path::new(path).exists();
        Self {
            systemd,
            controllers: unit.as_ref().and_then(controllers),
            unit,
            copied_unit: is_copied.then(|| copied.to_owned()),
            socket: socket.map(socket_file),
            python: pythons(),
            cgroup2: there("/sys/fs/cgroup/cgroup.controllers"),
            bus: there("/run/dbus/system_bus_socket"),
            bus_policy: there("/usr/share/dbus-1/system.d/org.supervisord.Supervisor1.conf"),
            polkit: there("/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"),
            polkit_unit: known("polkit.service"),
            ..Self::default()
        }
    }
}

fn socket_file(path: &Path) -> SocketFile {
    let found = fs::metadata(path).ok().filter(|found| found.file_type().is_socket());
    SocketFile { path: path.to_owned(), mode: found.map(|found| found.mode() & 0o777) }
}

fn unit(name: &str) -> Option<Unit> {
    let mut command = Command::new("systemctl");
    command.args(["show", name, "--property", PROPERTIES]);
    said(command).map(|text| Unit::parse(&text))
}

fn controllers(unit: &Unit) -> Option<Vec<String>> {
    let pid: u32 = unit.get("MainPID").parse().ok().filter(|pid| *pid != 0)?;
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // The daemon sits in a branch of its own below the unit.
    let own = own.strip_suffix("/supervisor").unwrap_or(own);
    let listed = fs::read_to_string(Path::new("/sys/fs/cgroup").join(own).join("cgroup.controllers")).ok()?;
    Some(listed.split_whitespace().map(str::to_owned).collect())
}

/// Processes that Python runs, and whose script is called supervisord.
fn pythons() -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| is_python(&line))).collect()
}

fn is_python(command: &[u8]) -> bool {
    let names =
        command.split(|byte| *byte == 0).map(|word| word.rsplit(|byte| *byte == b'/').next().unwrap_or(word));
    let mut names = names.skip_while(|name| name.is_empty());
    names.next().is_some_and(|name| name.starts_with(b"python"))
        && names.take(3).any(|name| name == b"supervisord")
}

/// What a program prints, if it succeeds in time.
fn said(mut command: Command) -> Option<String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.ok()?;
    let deadline = Instant::now() + PATIENCE;
    // What it prints fits into the pipe.
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > deadline {
            end(&mut child);
            return None;
        }
        std::thread::sleep(GLANCE);
    }
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    child.wait().ok().filter(std::process::ExitStatus::success).map(|_| text)
}

fn end(child: &mut Child) {
    // It may have ended meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_in_python_is_told_from_ours() {
        assert!(is_python(b"/usr/bin/python3\0/usr/bin/supervisord\0-n\0"));
        assert!(is_python(b"python3.11\0-u\0/opt/venv/bin/supervisord\0"));
        assert!(!is_python(b"/usr/bin/supervisord\0-n\0"));
        assert!(!is_python(b"/usr/bin/python3\0/usr/bin/supervisorctl\0"));
    }

    #[test]
    fn properties_are_read() {
        let unit = Unit::parse("KillMode=mixed\nDelegate=yes\n\n");
        assert_eq!((unit.get("KillMode"), unit.get("Delegate"), unit.get("Type")), ("mixed", "yes", ""));
    }
}
