//! Who calls, as the bus knows it.

use nix::unistd::Uid;
use zbus::Connection;
use zbus::fdo::ConnectionCredentials;
use zbus::names::UniqueName;

use super::refusal::Refusal;
use crate::api::{Asker, Surface};

/// A caller.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Told with what is asked.
    pub asker: Asker,
    /// Its user.
    pub uid: u32,
}

impl Caller {
    /// Root and our own user may do everything: they could without us.
    #[must_use]
    pub fn may_everything(&self) -> bool {
        self.uid == 0 || self.uid == Uid::effective().as_raw()
    }
}

/// We ourselves: in whose name is asked what only looks, and of which nothing is said.
#[must_use]
pub fn ourselves() -> Asker {
    asker(Uid::effective().as_raw(), Some(std::process::id()))
}

fn asker(uid: u32, pid: Option<u32>) -> Asker {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok());
    Asker { surface: Surface::Bus { pid, uid }, user: None }
}

/// Asks the bus who a sender is. Its names are never used again, so that the answer is about the one that called.
///
/// # Errors
/// When the bus does not tell: the caller may be gone.
pub async fn identify(connection: &Connection, sender: &UniqueName<'_>) -> Result<Caller, Refusal> {
    let bus = "org.freedesktop.DBus";
    let unknown =
        |error: zbus::Error| Refusal::denied(format!("the bus does not tell who {sender} is: {error}"));
    let reply = connection
        .call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "GetConnectionCredentials", &sender)
        .await
        .map_err(unknown)?;
    let credentials: ConnectionCredentials = reply.body().deserialize().map_err(unknown)?;
    let uid = credentials
        .unix_user_id()
        .ok_or_else(|| Refusal::denied(format!("the bus does not tell the user of {sender}")))?;
    Ok(Caller { asker: asker(uid, credentials.process_id()), uid })
}
