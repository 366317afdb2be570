//! The machine that figures come from.

use std::fs;

/// The load averages, as the kernel says them.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

pub fn described(load_before: &str) -> String {
    let cores = std::thread::available_parallelism().unwrap();
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let kib: u64 = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel = kernel.trim().split('-').next().unwrap();
    format!(
        "Measured on {cores} cores with {} GiB, Linux {kernel}; load before {load_before}, after {}.",
        kib >> 20,
        load()
    )
}
