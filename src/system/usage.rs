//! What processes use, from one look at `/proc` and at their cgroups.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::time::Duration;

use super::cgroup::Leaf;
use crate::api::Usage;

/// How far up a process's ancestors are looked at: `/proc` may change while it is read.
const ANCESTORS: usize = 64;

/// A process, as proc_pid_stat(5) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    parent: i32,
    group: i32,
    ticks: u64,
    threads: u64,
    pages: u64,
}

/// What each of these processes uses, with everything in its cgroup, where it has one, however far that has gone; elsewhere
/// with its offspring: its descendants, and what is left of its process group when they have lost their parent. Who is not there
/// is left out.
#[must_use]
pub fn usage_of(processes: &HashMap<i32, Option<Leaf>>) -> HashMap<i32, Usage> {
    let rows = rows();
    let housed = housed(processes);
    let pids: HashSet<i32> = processes.keys().copied().collect();
    let mut sums: HashMap<i32, Row> = HashMap::new();
    for (pid, row) in &rows {
        let owner = housed.get(pid).copied().or_else(|| owner(&rows, &pids, *pid));
        let Some(owner) = owner else { continue };
        let sum = sums.entry(owner).or_insert(Row { ticks: 0, threads: 0, pages: 0, ..*row });
        sum.ticks += row.ticks;
        sum.threads += row.threads;
        sum.pages += row.pages;
    }
    let counted = |(pid, sum): (i32, Row)| {
        let place = processes.get(&pid)?.as_ref().filter(|_| housed.contains_key(&pid));
        Some((pid, place.map_or(usage(sum), |place| counted(place, usage(sum)))))
    };
    sums.into_iter().filter(|(pid, _)| rows.contains_key(pid)).filter_map(counted).collect()
}

/// Whoever is in the cgroup of one of these processes, with that process.
fn housed(processes: &HashMap<i32, Option<Leaf>>) -> HashMap<i32, i32> {
    let mut housed = HashMap::new();
    for (owner, place) in processes {
        let members = place.as_ref().map(Leaf::pids).unwrap_or_default();
        // Where the process itself is elsewhere, so is what it has started.
        if members.contains(owner) {
            housed.extend(members.into_iter().map(|pid| (pid, *owner)));
        }
    }
    housed
}

fn usage(sum: Row) -> Usage {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let hertz = rustix::param::clock_ticks_per_second().max(1);
    Usage {
        cpu: Duration::from_millis(sum.ticks.saturating_mul(1000) / hertz),
        memory: sum.pages.saturating_mul(page),
        tasks: sum.threads,
    }
}

/// What the cgroup has counted itself; memory and tasks it counts only where it has the controllers.
fn counted(place: &Leaf, summed: Usage) -> Usage {
    let number = |file: &str| place.read(file)?.trim().parse::<u64>().ok();
    let cpu = place.read("cpu.stat").and_then(|stat| cpu_time(&stat));
    Usage {
        cpu: cpu.unwrap_or(summed.cpu),
        memory: number("memory.current").unwrap_or(summed.memory),
        tasks: number("pids.current").unwrap_or(summed.tasks),
    }
}

/// `usage_usec` of `cpu.stat`.
fn cpu_time(stat: &str) -> Option<Duration> {
    let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    micros.trim().parse().ok().map(Duration::from_micros)
}

fn rows() -> HashMap<i32, Row> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let mut stat = Vec::new();
    let row = |pid: i32| {
        stat.clear();
        // Who has ended meanwhile uses nothing.
        File::open(format!("/proc/{pid}/stat")).ok()?.read_to_end(&mut stat).ok()?;
        Some((pid, parse(&String::from_utf8_lossy(&stat))?))
    };
    entries.flatten().filter_map(pid).filter_map(row).collect()
}

/// A name may contain anything; what counts stands behind its last parenthesis.
fn parse(stat: &str) -> Option<Row> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // Numbered from 1 in the manual, where the state is the third.
    let number = |nth: usize| fields.get(nth - 3)?.parse::<i64>().ok();
    let count = |nth: usize| number(nth).map(|count| u64::try_from(count).unwrap_or(0));
    Some(Row {
        parent: i32::try_from(number(4)?).ok()?,
        group: i32::try_from(number(5)?).ok()?,
        ticks: count(14)? + count(15)? + count(16)? + count(17)?,
        threads: count(20)?,
        pages: count(24)?,
    })
}

/// To which of these a process belongs.
fn owner(rows: &HashMap<i32, Row>, pids: &HashSet<i32>, pid: i32) -> Option<i32> {
    let mut at = pid;
    for _ in 0..ANCESTORS {
        if pids.contains(&at) {
            return Some(at);
        }
        let row = rows.get(&at)?;
        if pids.contains(&row.group) {
            return Some(row.group);
        }
        at = row.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name_of_the_process_is() {
        let stat = "7 (a) b ) S 3 5 7 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 9 0 123 4096 17 18446744073709551615 1\n";
        let row = Row { parent: 3, group: 5, ticks: 154, threads: 9, pages: 17 };
        assert_eq!(parse(stat), Some(row));
        assert_eq!(parse("7 (a) S 3"), None);
    }

    #[test]
    fn offspring_belongs_to_its_ancestor_or_else_to_its_group() {
        let row = |parent, group| Row { parent, group, ticks: 0, threads: 1, pages: 1 };
        let rows = HashMap::from([
            (10, row(1, 10)),
            (11, row(10, 10)),
            (12, row(11, 12)),
            (13, row(1, 10)),
            (14, row(13, 14)),
            (20, row(1, 20)),
        ]);
        let pids = HashSet::from([10]);
        let owned = |pid| owner(&rows, &pids, pid);
        assert_eq!([11, 12, 13, 14].map(owned), [Some(10); 4]);
        assert_eq!([20, 1, 99].map(owned), [None; 3]);
    }

    #[test]
    fn what_a_cgroup_has_counted_is_read() {
        assert_eq!(cpu_time("usage_usec 1500000\nuser_usec 7\n"), Some(Duration::from_millis(1500)));
        assert_eq!(cpu_time("user_usec 7\n"), None);
    }

    #[test]
    fn we_ourselves_use_something_and_nobody_uses_nothing() {
        let own = i32::try_from(std::process::id()).unwrap();
        let used = usage_of(&HashMap::from([(own, None), (i32::MAX, None)]));
        assert!(used[&own].memory > 0 && used[&own].tasks > 0);
        assert_eq!(used.len(), 1);
    }
}
