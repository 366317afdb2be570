//! What happens to a process and is explained in the journal's catalog (`systemd/supervisord.catalog`).

use super::notice::Notice;

/// Something that the catalog explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// It has a process id.
    Started,
    /// It has stayed up for `startsecs`.
    Running,
    /// It could not be started.
    NotStarted,
    /// It has ended because it was asked to.
    Stopped,
    /// It has ended by itself, as expected.
    Exited,
    /// It has ended by itself, and not as expected.
    Failed,
    /// It is not tried again.
    GaveUp,
    /// A client was not let in.
    Refused,
}

/// THE TABLE of their `MESSAGE_ID`s, which never change.
pub const HAPPENINGS: &[(Happening, &str)] = &[
    (Happening::Started, "61f5a8c5e6ac45458b1cf98796cfdbe2"),
    (Happening::Running, "41f9a669abc946f7812301d2c2205913"),
    (Happening::NotStarted, "5359122dc70a47f39bd27a56676b4df0"),
    (Happening::Stopped, "75acda511e9d4b87b2c64072bc39882c"),
    (Happening::Exited, "6cd211a94a2a4dd7acef01fb702f5e77"),
    (Happening::Failed, "ba0d3a9365ee43abaffe66bfec7cfd8b"),
    (Happening::GaveUp, "f6205cc4ae9d40638483f254b0b102fc"),
    (Happening::Refused, "208f8e0fbd464c1293c9a36e6462e765"),
];

impl Happening {
    /// Its `MESSAGE_ID`.
    #[must_use]
    pub fn id(self) -> Option<&'static str> {
        HAPPENINGS.iter().find(|(happening, _)| *happening == self).map(|(_, id)| *id)
    }

    /// What a line of the main log tells of, if that is explained.
    #[must_use]
    pub fn of(notice: &Notice) -> Option<Self> {
        Some(match notice {
            Notice::Spawned { .. } => Self::Started,
            Notice::Success { .. } => Self::Running,
            Notice::SpawnError { .. } | Notice::ExecFailed { .. } => Self::NotStarted,
            Notice::Stopped { .. } => Self::Stopped,
            Notice::Exited { expected: true, .. } => Self::Exited,
            Notice::Exited { expected: false, .. } => Self::Failed,
            Notice::GaveUp { .. } => Self::GaveUp,
            Notice::Refused { .. } => Self::Refused,
            _ => return None,
        })
    }
}
