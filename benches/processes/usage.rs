//! What processes take, as the kernel counts it.
#![allow(dead_code, reason = "each bench looks at some of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

pub fn proc(pid: Pid, file: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(file)
}

/// Nanoseconds of CPU, of all threads that it has and had.
pub fn cpu(pid: Pid) -> u64 {
    // One that has just ended takes nothing any more.
    let time = ClockId::pid_cpu_clock_id(pid).and_then(clock_gettime);
    time.map_or(0, |time| u64::try_from(time.tv_sec() * 1_000_000_000 + time.tv_nsec()).unwrap())
}

/// A line of smaps_rollup, in KiB.
pub fn memory(pid: Pid, name: &str) -> u64 {
    let text = fs::read_to_string(proc(pid, "smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0, |line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

/// Context switches of all its threads, voluntary and not.
pub fn switches(pid: Pid) -> u64 {
    let Ok(threads) = fs::read_dir(proc(pid, "task")) else { return 0 };
    let of_thread = |path: PathBuf| {
        let text = fs::read_to_string(path.join("status")).unwrap_or_default();
        let lines = text.lines().filter(|line| line.contains("ctxt_switches"));
        lines.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    threads.map(|thread| of_thread(thread.unwrap().path())).sum()
}

/// How many entries a directory of it has: `fd`, `task`.
pub fn entries(pid: Pid, directory: &str) -> usize {
    fs::read_dir(proc(pid, directory)).map_or(0, Iterator::count)
}

/// All processes that descend from it.
pub fn descendants(of: Pid) -> Vec<Pid> {
    let mut children = BTreeMap::<i32, Vec<i32>>::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let after = stat.rsplit_once(") ").unwrap().1;
        children.entry(after.split(' ').nth(1).unwrap().parse().unwrap()).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut look = vec![of.as_raw()];
    while let Some(pid) = look.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(below.iter().copied().map(Pid::from_raw));
        look.extend(below);
    }
    found
}

/// What it runs; nothing when it has ended.
pub fn program(pid: Pid) -> PathBuf {
    fs::read_link(proc(pid, "exe")).unwrap_or_default()
}
