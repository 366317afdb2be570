//! A control group for each program (cgroups(7)), below the one that the service manager has delegated to us.
//!
//! ```text
//! supervisord.service/          delegated (systemd: Delegate=yes)
//! ├── supervisor/               ourselves
//! ├── web:web_00/               a program, and whatever it starts
//! └── web:web_01/
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};

use crate::api::{ProcessName, Signal};

/// Where we ourselves live.
const OURS: &str = "supervisor";

/// Where systemd runs the helpers of a service whose tree is delegated.
const HELPERS: &str = ".control";

/// How long those who were killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A name of a directory has at most 255 bytes.
const NAME_LIMIT: usize = 200;

/// Looks at what is left before a kernel without `cgroup.kill` (Linux 5.14) is taken to have won.
const KILL_ROUNDS: usize = 100;

/// The tree that is ours to divide.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
}

/// Why there is none; for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTree {
    /// No cgroup v2 is mounted, or we are not in it.
    #[error("this machine has no cgroup v2")]
    NoV2,
    /// Nobody has given us a part of it.
    #[error("the cgroup {0} was not delegated to supervisord (systemd: Delegate=yes)")]
    NotDelegated(String),
    /// It is ours, and cannot be used.
    #[error("{0}")]
    Unusable(String),
}

impl Tree {
    /// Takes the delegated tree that we were started in, and moves us to a branch of our own.
    ///
    /// # Errors
    /// Why programs will have to share the cgroup that we are in.
    pub fn take() -> Result<Self, NoTree> {
        let own = own_cgroup().ok_or(NoTree::NoV2)?;
        let root = match own.parent() {
            // Started anew in place.
            Some(parent) if own.ends_with(OURS) && is_delegated(parent) => parent.to_owned(),
            _ if is_delegated(&own) => own,
            _ => return Err(NoTree::NotDelegated(own.display().to_string())),
        };
        let tree = Self { root };
        let ours = tree.root.join(OURS);
        make(&ours)
            .and_then(|()| write(&ours.join("cgroup.procs"), "0"))
            .map_err(|error| NoTree::Unusable(format!("can't enter {}: {error}", ours.display())))?;
        Ok(tree)
    }

    /// The one that we divided before another binary took over from us.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Lets a user divide it, whom we are about to become.
    pub fn give_to(&self, uid: u32) {
        let files =
            ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"].map(|file| self.root.join(file));
        for path in files.iter().chain([&self.root]) {
            // Who may not have it says so when he needs it.
            let _ = std::os::unix::fs::chown(path, Some(uid), None);
        }
    }

    /// Ends the programs that a daemon has left which nobody goes on with, all but those: they must not meet those that are
    /// started. How many cgroups had some.
    #[must_use]
    pub fn end_orphans(&self, adopted: &[ProcessName]) -> usize {
        let spared: Vec<PathBuf> = adopted.iter().map(|name| self.leaf(name).path).collect();
        let places = places_below(&self.root).into_iter().filter(|place| !spared.contains(&place.path));
        let places = places.filter(|place| {
            !place.path.ends_with(OURS) && place.watch().is_ok_and(|watch| watch.is_populated())
        });
        let ended: Vec<Leaf> = places.inspect(Leaf::kill).collect();
        for place in &ended {
            place.remove_within(GONE_WITHIN);
        }
        ended.len()
    }

    /// The place of a program.
    #[must_use]
    pub fn leaf(&self, name: &ProcessName) -> Leaf {
        Leaf { path: self.root.join(leaf_name(name)) }
    }

    /// Has a controller (`memory`, `cpu`, `pids`) reach the programs.
    ///
    /// # Errors
    /// `ENOENT` when the machine or the service manager does not offer it.
    pub fn enable(&self, controller: &str) -> io::Result<()> {
        let file = self.root.join("cgroup.subtree_control");
        let on = fs::read_to_string(&file)?;
        if on.split_whitespace().any(|word| word == controller) {
            return Ok(());
        }
        write(&file, &format!("+{controller}"))
    }
}

/// For a helper that runs when the daemon has ended (systemd: `ExecStopPost=`). Ends whoever is left in the tree; or leaves the
/// programs to the next daemon, which can be started only where no controller is on: a cgroup has processes or controllers.
///
/// # Errors
/// When we are not such a helper.
pub fn clear(leave_programs: bool) -> Result<(), NoTree> {
    let own = own_cgroup().ok_or(NoTree::NoV2)?;
    let root = own.parent().filter(|parent| own.ends_with(HELPERS) && is_delegated(parent));
    let root = root.ok_or_else(|| NoTree::NotDelegated(own.display().to_string()))?;
    if leave_programs {
        let file = root.join("cgroup.subtree_control");
        for controller in fs::read_to_string(&file).unwrap_or_default().split_whitespace() {
            // The others may still go.
            let _ = write(&file, &format!("-{controller}"));
        }
        return Ok(());
    }
    let places = places_below(root);
    places.iter().for_each(Leaf::kill);
    for place in places {
        place.remove_within(GONE_WITHIN);
    }
    Ok(())
}

/// Everybody's place, but for that of helpers.
fn places_below(root: &Path) -> Vec<Leaf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let is_place = |entry: &fs::DirEntry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != HELPERS
    };
    entries.filter(is_place).map(|entry| Leaf { path: entry.path() }).collect()
}

/// The place of one program in the tree.
#[derive(Debug, Clone)]
pub struct Leaf {
    path: PathBuf,
}

impl Leaf {
    /// The place there.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes it, if it is not there.
    ///
    /// # Errors
    /// Those of mkdir(2).
    pub fn make(&self) -> io::Result<()> {
        make(&self.path)
    }

    /// Its directory, for whoever is born into it.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(&self) -> io::Result<OwnedFd> {
        OpenOptions::new().read(true).open(&self.path).map(OwnedFd::from)
    }

    /// Moves a process into it.
    ///
    /// # Errors
    /// Those of write(2) to `cgroup.procs`.
    pub fn admit(&self, pid: i32) -> io::Result<()> {
        write(&self.path.join("cgroup.procs"), &pid.to_string())
    }

    /// A descriptor that has something exceptional (`EPOLLPRI`) whenever it becomes populated or empty.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn watch(&self) -> io::Result<Watch> {
        fs::File::open(self.path.join("cgroup.events")).map(Watch)
    }

    /// Every process in it, and below it.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        let mut places = vec![self.path.clone()];
        while let Some(place) = places.pop() {
            let list = fs::read_to_string(place.join("cgroup.procs")).unwrap_or_default();
            pids.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
            let below = fs::read_dir(&place).into_iter().flatten().flatten();
            places
                .extend(below.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        }
        pids
    }

    /// Sends a signal to every process in it. Who is just being born is not reached: only [`Leaf::kill`] is sure.
    pub fn signal(&self, signal: Signal) {
        for pid in self.pids() {
            let number = nix::sys::signal::Signal::try_from(signal.number()).ok();
            // Whoever is gone needs no signal.
            let _ = kill(Pid::from_raw(pid), number);
        }
    }

    /// Ends every process in it: no fork escapes. Linux 6.14 and later kill whoever is born into it afterwards as well, so
    /// take it away before it is used again.
    pub fn kill(&self) {
        if write(&self.path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        for _ in 0..KILL_ROUNDS {
            if self.pids().is_empty() {
                return;
            }
            self.signal(Signal::KILL);
        }
    }

    /// Takes it away, with whatever places the program has made below it; in vain while somebody is in it. Says whether it
    /// is gone.
    pub fn remove(&self) -> bool {
        remove(&self.path);
        !self.path.exists()
    }

    /// Takes it away as soon as those who were killed are gone; whether that was soon enough.
    pub fn remove_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.remove() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(watch) = self.watch().ok().filter(|_| !left.is_zero()) else { return false };
            if watch.is_populated() {
                watch.wait(left);
            }
        }
        true
    }

    /// Sets a limit, as in `memory.max`.
    ///
    /// # Errors
    /// `ENOENT` when its controller is not there; those of write(2).
    pub fn set(&self, file: &str, value: &str) -> io::Result<()> {
        write(&self.path.join(file), value)
    }

    /// Reads a counter, as in `memory.current`.
    #[must_use]
    pub fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }

    /// How many processes in it the kernel has ended, ever, because memory ran out; 0 without the controller.
    #[must_use]
    pub fn memory_kills(&self) -> u64 {
        let events = self.read("memory.events").unwrap_or_default();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
        count.unwrap_or(0)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Tells whether anybody is in a place. Has something exceptional (`EPOLLPRI`) whenever that has changed since it was
/// asked last.
#[derive(Debug)]
pub struct Watch(fs::File);

impl Watch {
    /// Whether any process is in it, or below it.
    #[must_use]
    pub fn is_populated(&self) -> bool {
        let mut text = [0; 256];
        let size = self.0.read_at(&mut text, 0).unwrap_or(0);
        text.get(..size).unwrap_or_default().split(|byte| *byte == b'\n').any(|line| line == b"populated 1")
    }

    /// Waits for a change.
    fn wait(&self, limit: Duration) {
        let limit = rustix::event::Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let change = PollFd::new(&self.0, PollFlags::PRI);
        // An interrupted wait is a short one.
        let _ = poll(&mut [change], Some(&limit));
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `group:process`; a slash cannot be in it, and what is too long is cut and told apart by a number.
fn leaf_name(name: &ProcessName) -> String {
    let full = format!("{}:{}", name.group, name.process).replace(['/', '\n', '\0'], "_");
    // A hidden directory, or `..`.
    let full = if full.starts_with('.') { format!("_{full}") } else { full };
    if full.len() <= NAME_LIMIT {
        return full;
    }
    let cut = full.floor_char_boundary(NAME_LIMIT);
    let number = full.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}-{number:016x}", &full[..cut])
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// In one write(2), whose error is the answer.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn remove(path: &Path) {
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())) {
        remove(&entry.path());
    }
    let _ = fs::remove_dir(path);
}

/// The directory of the cgroup that we are in.
fn own_cgroup() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    locate(&mounts, own)
}

/// Where a cgroup is found in the file system (proc(5), `mountinfo`).
fn locate(mounts: &str, cgroup: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut head = head.split(' ').skip(3);
        let (root, point) = (head.next()?, head.next()?);
        if tail.split(' ').next()? != "cgroup2" {
            return None;
        }
        let below = if root == "/" { cgroup } else { cgroup.strip_prefix(root)? };
        Some(Path::new(point).join(below.trim_start_matches('/')))
    })
}

/// systemd marks what it delegates (systemd.resource-control(5)). In a container we may be PID 1 of a cgroup namespace,
/// whose top is ours if it can be written and is not the machine's own, which has no `cgroup.type`.
fn is_delegated(path: &Path) -> bool {
    let is_open = || OpenOptions::new().write(true).open(path.join("cgroup.procs")).is_ok();
    let own_namespace = || std::process::id() == 1 && path.join("cgroup.type").exists();
    let in_a_service =
        || std::env::var_os("INVOCATION_ID").is_some() && is_of_a_users_manager(path, is_marked);
    is_marked(path) || (own_namespace() || in_a_service()) && is_open()
}

fn is_marked(path: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0; 4];
        rustix::fs::getxattr(path, *name, &mut value).is_ok_and(|size| value.get(..size) == Some(b"1"))
    })
}

/// The manager of a user marks nothing: all of its tree was delegated to that user. A service in it is ours to divide, as no
/// other process is in there; a scope is not, as it has the shell that we were started from.
fn is_of_a_users_manager(path: &Path, is_marked: impl Fn(&Path) -> bool) -> bool {
    let has_name = |path: &Path, start: &str| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(start) && name.ends_with(".service"))
    };
    has_name(path, "") && path.ancestors().skip(1).any(|above| has_name(above, "user@") && is_marked(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_directories() {
        let leaf = |group: &str, process: &str| leaf_name(&ProcessName::new(group, process));
        assert_eq!(leaf("web", "web_00"), "web:web_00");
        assert_eq!(leaf("..", "a/b"), "_..:a_b");
        let long = leaf("g", &"x".repeat(400));
        assert!(
            long.len() < 255 && long.starts_with("g:xxx") && long != leaf("g", &"x".repeat(401)),
            "{long}"
        );
    }

    #[test]
    fn a_service_of_a_users_manager_is_its_own() {
        let marked = |path: &Path| path.ends_with("user@7.service");
        let manager = "/sys/fs/cgroup/user.slice/user-7.slice/user@7.service";
        let ours = |path: &str| is_of_a_users_manager(Path::new(path), marked);
        assert!(ours(&format!("{manager}/app.slice/supervisord.service")));
        assert!(!ours(&format!("{manager}/app.slice/terminal-1.scope")));
        assert!(!ours(manager));
        assert!(!ours("/sys/fs/cgroup/user.slice/user-8.slice/user@8.service/app.slice/supervisord.service"));
        assert!(!ours("/sys/fs/cgroup/system.slice/supervisord.service"));
    }

    #[test]
    fn those_who_were_killed_for_memory_are_counted() {
        let place = tempfile::tempdir().unwrap();
        let leaf = Leaf::at(place.path().to_owned());
        assert_eq!(leaf.memory_kills(), 0);
        fs::write(place.path().join("memory.events"), "low 0\nmax 31\noom 4\noom_kill 2\noom_group_kill 0\n")
            .unwrap();
        assert_eq!(leaf.memory_kills(), 2);
    }

    #[test]
    fn a_cgroup_is_found_where_it_is_mounted() {
        let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw";
        assert_eq!(
            locate(unified, "/system.slice/x.service"),
            Some("/sys/fs/cgroup/system.slice/x.service".into())
        );
        let hybrid = "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 25 0:28 /docker/1 /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        assert_eq!(locate(hybrid, "/docker/1"), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(locate(hybrid, "/other"), None);
        assert_eq!(locate("", "/"), None);
    }
}
