//! Who is measured.

use std::path::{Path, PathBuf};

/// Those that are measured beside each other, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// C programs that make only the system calls (`benches/programs`).
    Floor,
    /// What cargo has just built, or `$SUPERVISORD_UNDER_BENCH`.
    Ours,
    /// `$SUPERVISORD_B`: another build of ours, to compare two of them in one run.
    Other,
    /// Python Supervisor 4.3.0.
    Supervisor,
    /// s6-svscan, with s6-log.
    S6,
    /// runsvdir, with svlogd.
    Runit,
}

impl Subject {
    pub const ALL: [Self; 6] =
        [Self::Floor, Self::Ours, Self::Other, Self::Supervisor, Self::S6, Self::Runit];
    pub const PEERS: [Self; 3] = [Self::Supervisor, Self::S6, Self::Runit];

    pub fn key(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Ours => "ours",
            Self::Other => "b",
            Self::Supervisor => "supervisor",
            Self::S6 => "s6",
            Self::Runit => "runit",
        }
    }

    pub fn heading(self) -> &'static str {
        match self {
            Self::Supervisor => "Supervisor 4.3.0",
            _ => self.key(),
        }
    }

    /// Takes Supervisor's configuration.
    pub fn is_supervisor(self) -> bool {
        matches!(self, Self::Ours | Self::Other | Self::Supervisor)
    }

    /// The daemon's binary; the floor's depends on what is measured.
    pub fn program(self) -> PathBuf {
        match self {
            Self::Ours => variable("SUPERVISORD_UNDER_BENCH")
                .unwrap_or_else(|| env!("CARGO_BIN_EXE_supervisord").into()),
            Self::Other => variable("SUPERVISORD_B").unwrap_or_default(),
            Self::Supervisor => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/theirs/bin/supervisord"),
            Self::S6 => "/usr/bin/s6-svscan".into(),
            Self::Runit => "/usr/bin/runsvdir".into(),
            Self::Floor => PathBuf::new(),
        }
    }

    /// The supervisorctl that belongs to it.
    pub fn control(self) -> PathBuf {
        self.program().with_file_name("supervisorctl")
    }

    /// Whether it can be measured here.
    pub fn is_there(self) -> bool {
        self == Self::Floor || self.program().exists()
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}
