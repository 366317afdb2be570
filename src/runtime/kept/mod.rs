//! What is kept for us, so that programs outlive a supervisord that dies: the record of what it knew ([`log`]), and the bag
//! with the descriptors of what it had. The service manager holds both (`systemd::store`).
//!
//! A turn is written down before anything of it is done; a child is put into the bag before it is let through its gate. So
//! no program runs that is not in both.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::{Ground, KeptRecord};
use crate::api::{Mono, SupervisorState, WallSecs};
use crate::engine::{Effect, Engine, ProcessId};
use crate::logs::cell::Cell;
use crate::system::bag::{Bag, Item};
use crate::system::pidfd::is_running;
use crate::system::reexec::Inheritance;
use crate::system::spawn;
use crate::systemd::listen::Passed;
use crate::systemd::store;
use log::Log;

pub mod frame;
pub mod log;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worlds;

const RECORD: &str = "supervisord-record";
const CELL: &str = "supervisord-cell";
const BAG: [&str; 2] = ["supervisord-bag-in", "supervisord-bag-out"];

/// The pieces that are not the engine's.
pub(super) const GROUND: &str = "ground";
pub(super) const SOCKETS: &str = "sockets";
pub(super) const CHILD: &str = "child/";

/// So many lives within that time that all ended by a crash, and nobody goes on trying the same.
const LIVES: Duration = Duration::from_secs(60);

/// Busy with no process, but with what was written down and not done.
pub(super) const DEEDS: u64 = u64::MAX;

/// What is kept while we live.
#[derive(Debug)]
pub struct Kept {
    /// What we know.
    pub log: Log,
    /// What we have.
    pub bag: Bag,
    /// What of the programs' output is on its way; another hand on it is the data plane's.
    pub cell: OwnedFd,
}

/// What an item of the bag is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// The sockets where clients come, in the order of the configuration.
    Ears {
        /// The sections of the servers.
        sections: Vec<String>,
        /// Who listens there: its version and its pid.
        whose: (String, i32),
    },
    /// A socket that programs share.
    Socket,
    /// The pipe where children tell what fails before exec: its two ends.
    Reports,
    /// A child.
    Child {
        /// The process that it is an instance of, as `group:name`.
        name: String,
        /// Its number.
        pid: i32,
        /// When it was started.
        since: (Mono, WallSecs),
        /// The files of its stdout and its stderr.
        logs: [Option<Arc<Path>>; 2],
        /// What each descriptor is.
        roles: Vec<Role>,
    },
}

/// What a descriptor of a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "as they are called everywhere")]
pub enum Role {
    Pidfd,
    Report,
    Stdin,
    Stdout,
    Stderr,
}

impl Label {
    fn text(&self) -> Vec<u8> {
        // Plain data.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Puts descriptors into the bag.
///
/// # Errors
/// Those of [`Bag::put`].
pub(super) fn put(bag: &mut Bag, label: &Label, fds: &[BorrowedFd<'_>]) -> io::Result<u64> {
    bag.put(&label.text(), fds)
}

impl Kept {
    /// An empty record and an empty bag, which the service manager keeps.
    ///
    /// # Errors
    /// `EMFILE`; `TimedOut` when the service manager does not listen.
    pub fn begin() -> io::Result<Self> {
        let kept = Self { log: Log::create()?, bag: Bag::new()?, cell: Cell::create()?.keep()? };
        Self::end();
        store::keep(RECORD, kept.log.as_fd())?;
        store::keep(CELL, kept.cell.as_fd())?;
        for (name, end) in BAG.into_iter().zip(kept.bag.ends()) {
            store::keep(name, end)?;
        }
        store::settle()?;
        Ok(kept)
    }

    /// Goes on with what the binary before us has handed over.
    ///
    /// # Errors
    /// Why it cannot be gone on with, for people.
    pub fn resume(kept: &KeptRecord, inheritance: &mut Inheritance) -> Result<Self, String> {
        let mut give = |fd: RawFd| inheritance.give(fd).map_err(|error| error.to_string());
        let [into, out] = kept.bag;
        let (record, cell, into, out) = (give(kept.record)?, give(kept.cell)?, give(into)?, give(out)?);
        let (bag, _) = Bag::open(into, out).map_err(|error| error.to_string())?;
        Ok(Self { log: Log::open(record)?.log, bag, cell })
    }

    /// What of the programs' output is on its way, for the data plane; one that cannot be gone on with is told, and replaced.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn hand_over_cell(&mut self) -> io::Result<(Cell, Option<String>)> {
        match Cell::open(self.cell.try_clone()?) {
            Ok((cell, _)) => Ok((cell, None)),
            Err(error) => {
                let cell = Cell::create()?;
                self.cell = cell.keep()?;
                store::let_go(CELL);
                store::keep(CELL, self.cell.as_fd())?;
                Ok((cell, Some(format!("what was on its way to the programs' logs is lost: {error}"))))
            }
        }
    }

    /// Puts the sockets where clients come into the bag.
    ///
    /// # Errors
    /// Those of [`Bag::put`].
    pub fn put_ears(&mut self, sections: Vec<String>, ears: &[OwnedFd]) -> io::Result<()> {
        let ears: Vec<BorrowedFd<'_>> = ears.iter().map(OwnedFd::as_fd).collect();
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        let whose = (crate::api::VERSION.to_owned(), pid);
        put(&mut self.bag, &Label::Ears { sections, whose }, &ears).map(drop)
    }

    /// Nothing is kept any more when this returns, as long as nobody here holds it.
    pub fn release() {
        Self::end();
        // A manager that does not listen keeps the sockets, and whoever binds them says so.
        let _ = store::settle();
    }

    /// Nothing is to be kept any more.
    pub fn end() {
        [RECORD, CELL].into_iter().chain(BAG).for_each(store::let_go);
    }

    /// Takes what a daemon before us has left out of what was passed to us.
    ///
    /// # Errors
    /// When it cannot be gone on with as a whole.
    pub fn take(passed: &mut Vec<Passed>) -> Result<Option<Recovered>, Unreadable> {
        let record = store::take(passed, RECORD);
        let [into, out] = BAG.map(|name| store::take(passed, name));
        let cell = store::take(passed, CELL);
        let open = |(into, out)| {
            spawn::prepare();
            Bag::open(into, out)
        };
        let opened = into.zip(out).map(open);
        let (bag, treasure) = match opened.transpose() {
            Ok(Some((bag, items))) => (Ok(bag), Treasure::of(items)),
            Ok(None) => (Err("the programs' descriptors are missing".to_owned()), Treasure::default()),
            Err(error) => (Err(format!("the programs' descriptors: {error}")), Treasure::default()),
        };
        let Some(record) = record else {
            return if treasure.0.is_empty() {
                Ok(None)
            } else {
                Err(Unreadable { why: "the record is missing".to_owned(), treasure })
            };
        };
        match Self::read(record, bag, cell) {
            Ok(recovered)
                if recovered.engine.mood() != SupervisorState::Running && !treasure.anybody_lives() =>
            {
                // It had come to its end, or whoever has ended it has ended the programs too: this is another beginning.
                drop((recovered, treasure));
                Self::release();
                Ok(None)
            }
            Ok(recovered) => Ok(Some(Recovered { treasure, ..recovered })),
            Err(why) => Err(Unreadable { why, treasure }),
        }
    }

    fn read(record: OwnedFd, bag: Result<Bag, String>, cell: Option<OwnedFd>) -> Result<Recovered, String> {
        let mut found = Log::open(record)?;
        let bag = bag?;
        let cell = cell.ok_or("what was on its way to the logs is missing")?;
        let lives = found.lives;
        found.log.live(next_life(lives)).map_err(|error| error.to_string())?;
        let ground = found.pieces.get(GROUND).ok_or("ground is missing")?;
        let ground: Ground = serde_json::from_slice(ground).map_err(|error| format!("{GROUND}: {error}"))?;
        let engine = Engine::of_pieces(&found.pieces)?;
        let too_often = too_often(lives);
        let blamed = found.busy.filter(|_| too_often);
        let deadly = blamed == Some(DEEDS);
        let undone = if deadly { Vec::new() } else { found.undone };
        let blamed = blamed.filter(|_| !deadly).map(ProcessId);
        Ok(Recovered {
            kept: Self { log: found.log, bag, cell },
            ground,
            engine,
            pieces: found.pieces,
            undone,
            blamed,
            treasure: Treasure::default(),
        })
    }
}

/// What a daemon has left, and cannot be gone on with as a whole.
#[derive(Debug)]
pub struct Unreadable {
    /// Why, for people.
    pub why: String,
    /// What it had.
    pub treasure: Treasure,
}

/// A life that goes on where another has died.
#[derive(Debug)]
pub struct Recovered {
    /// To be kept further.
    pub kept: Kept,
    /// How that life was begun.
    pub ground: Ground,
    /// All that was decided.
    pub engine: Engine,
    /// The pieces of the record.
    pub pieces: BTreeMap<String, Vec<u8>>,
    /// What was decided and not done; nothing, if several lives have died doing it in a short time.
    pub undone: Vec<Effect>,
    /// With that process several lives have died in a short time.
    pub blamed: Option<ProcessId>,
    /// The descriptors.
    pub treasure: Treasure,
}

impl Recovered {
    /// The sockets where clients come, by the numbers that [`Ground::listeners`] has from now on.
    pub fn ears(&mut self) -> Inheritance {
        let ears = self.treasure.take_ears();
        let numbered: Vec<(RawFd, OwnedFd)> = (0..).zip(ears).collect();
        self.ground.listeners = numbered.iter().map(|(number, _)| *number).collect();
        Inheritance::from_parts(numbered)
    }
}

/// What was in the bag.
#[derive(Debug, Default)]
pub struct Treasure(HashMap<u64, (Label, Vec<OwnedFd>)>);

impl Treasure {
    fn of(items: Vec<Item>) -> Self {
        let read = |item: Item| Some((item.number, (serde_json::from_slice(&item.label).ok()?, item.fds)));
        Self(items.into_iter().filter_map(read).collect())
    }

    /// Whether any child has not ended.
    #[must_use]
    pub fn anybody_lives(&self) -> bool {
        let children = self.0.values().filter_map(|(label, fds)| match label {
            Label::Child { roles, .. } => roles.iter().zip(fds).find(|(role, _)| **role == Role::Pidfd),
            Label::Ears { .. } | Label::Socket | Label::Reports => None,
        });
        let mut children = children.map(|(_, pidfd)| pidfd);
        children.any(is_running)
    }

    fn take_ears(&mut self) -> Vec<OwnedFd> {
        let ears = self.take_last(|label| matches!(label, Label::Ears { .. }));
        ears.map(|(_, fds)| fds).unwrap_or_default()
    }

    /// Where children tell what fails before exec, with its number.
    pub(super) fn take_reports(&mut self) -> Option<(u64, Vec<OwnedFd>)> {
        self.take_last(|label| matches!(label, Label::Reports))
    }

    fn take_last(&mut self, is_wanted: impl Fn(&Label) -> bool) -> Option<(u64, Vec<OwnedFd>)> {
        let wanted = self.0.iter().filter(|(_, (label, _))| is_wanted(label));
        let number = wanted.map(|(number, _)| *number).max()?;
        self.0.remove(&number).map(|(_, fds)| (number, fds))
    }

    /// A shared socket.
    pub(super) fn take_socket(&mut self, number: u64) -> Option<OwnedFd> {
        self.0.remove(&number).and_then(|(_, fds)| fds.into_iter().next())
    }

    /// What belongs to a child.
    pub(super) fn take_child(&mut self, number: u64) -> HashMap<Role, OwnedFd> {
        match self.0.remove(&number) {
            Some((Label::Child { roles, .. }, fds)) => roles.into_iter().zip(fds).collect(),
            _ => HashMap::new(),
        }
    }

    /// All of it, the oldest first.
    #[must_use]
    pub fn into_items(self) -> Vec<(Label, Vec<OwnedFd>)> {
        let items: BTreeMap<u64, (Label, Vec<OwnedFd>)> = self.0.into_iter().collect();
        items.into_values().collect()
    }

    /// What nobody has asked for.
    pub(super) fn rest(self) -> impl Iterator<Item = u64> {
        self.0.into_keys()
    }
}

fn next_life([_, second, third]: [Mono; 3]) -> [Mono; 3] {
    [second, third, crate::system::clock::now().mono]
}

fn too_often([first, ..]: [Mono; 3]) -> bool {
    first != Mono(0) && crate::system::clock::now().mono.since(first) < LIVES
}
