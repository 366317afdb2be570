//! The kernel: processes, descriptors, users, limits and files, spoken of in types.
//!
//! *May import:* api. *Invariants:* the only room with `unsafe`, and each block says why it is sound; between fork and exec
//! only prepared memory and async-signal-safe calls; every descriptor is owned and close-on-exec. *Tested:* beside each file.

pub mod bag;
pub mod cgroup;
pub mod clock;
pub mod command;
pub mod daemonize;
pub mod epoll;
pub mod errno;
pub mod fds;
pub mod files;
pub mod foreign;
mod glob;
mod ground;
pub mod handover;
pub mod inotify;
pub mod interrupt;
pub mod listen;
pub mod machine;
pub mod mapping;
pub mod mask;
pub mod memfd;
pub mod memory;
pub mod output;
pub mod pidfd;
pub mod reexec;
pub mod rlimit;
pub mod shared;
pub mod spawn;
pub mod stranger;
pub mod terminal;
pub mod usage;
pub mod user;

pub use command::{CommandError, Resolved, resolve};
pub use epoll::Epoll;
pub use errno::{errno_name, io_errno_name};
pub use pidfd::PidFd;
pub use spawn::{ExecFailure, Gate, Report, SpawnError, SpawnPlan, Spawned, Step, spawn};
pub use user::Identity;
