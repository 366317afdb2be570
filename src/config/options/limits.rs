//! The rows that Supervisor does not have: what becomes of a program's leftovers, and what it may use.

use super::table::Sample::Hidden;
use super::table::row;
use super::{Kind, OptionRow};

pub(super) const LIMITS: &[OptionRow] = &[
    row(
        "leftovers",
        Kind::Leftovers,
        "kill",
        Hidden,
        "What becomes of what it has started when it ends. kill: it is sent stopsignal, and SIGKILL after stopwaitsecs; \
         leave: it goes on, for a program that leaves a daemon behind. Needs cgroups: without them, whatever has left \
         the process group goes on.",
    ),
    row(
        "memory_max",
        Kind::Amount,
        "infinity",
        Hidden,
        "Bytes of memory of all its processes together, as in 512M.",
    ),
    row(
        "memory_high",
        Kind::Amount,
        "infinity",
        Hidden,
        "Bytes above which it is slowed down to give memory back.",
    ),
    row(
        "cpu_weight",
        Kind::Integer,
        "100",
        Hidden,
        "Its share when the processors are all busy, from 1 to 10000.",
    ),
    row(
        "cpu_quota",
        Kind::Percent,
        "none",
        Hidden,
        "Processor time that it may use, 100% being one processor.",
    ),
    row("tasks_max", Kind::Amount, "infinity", Hidden, "Processes and threads that it may have."),
    row(
        "limit_as",
        Kind::SoftAndHard,
        "that of supervisord",
        Hidden,
        "Bytes of address space of each process.",
    ),
    row(
        "limit_core",
        Kind::SoftAndHard,
        "that of supervisord",
        Hidden,
        "Bytes of a core file. 0: none is written.",
    ),
    row(
        "limit_cpu",
        Kind::SoftAndHard,
        "that of supervisord",
        Hidden,
        "Seconds of processor time of each process.",
    ),
    row(
        "limit_data",
        Kind::SoftAndHard,
        "that of supervisord",
        Hidden,
        "Bytes of data segment of each process.",
    ),
    row("limit_fsize", Kind::SoftAndHard, "that of supervisord", Hidden, "Bytes of a file that it writes."),
    row(
        "limit_memlock",
        Kind::SoftAndHard,
        "that of supervisord",
        Hidden,
        "Bytes that it may lock into memory.",
    ),
    row("limit_nofile", Kind::SoftAndHard, "that of supervisord", Hidden, "Open files of each process."),
    row("limit_nproc", Kind::SoftAndHard, "that of supervisord", Hidden, "Processes of its user."),
    row("limit_stack", Kind::SoftAndHard, "that of supervisord", Hidden, "Bytes of stack of each process."),
];
