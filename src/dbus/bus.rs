//! The connection: made in the background, and made again for as long as the daemon lives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use zbus::connection::Builder;
use zbus::{Connection, MessageStream};

use super::serve::Service;
use super::{NAME, announce};
use crate::api::Level;
use crate::config::spec::BusChoice;
use crate::runtime::handle::Supervisor;

/// A bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// The one of the machine.
    System,
    /// The one of a user's session.
    Session,
}

impl Bus {
    /// The bus of a configuration. Unasked, only who was started by a service manager goes on one: of those there is one,
    /// while daemons that people start would fight over the name.
    #[must_use]
    pub fn choose(choice: BusChoice, managed: bool, root: bool) -> Option<Self> {
        match choice {
            BusChoice::System => Some(Self::System),
            BusChoice::Session => Some(Self::Session),
            BusChoice::Auto if managed => Some(if root { Self::System } else { Self::Session }),
            BusChoice::Auto | BusChoice::Off => None,
        }
    }
}

/// As it stands in the main log.
impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system bus",
            Self::Session => "session bus",
        })
    }
}

/// Writes a line to the main log.
pub type Say = Arc<dyn Fn(Level, String) + Send + Sync>;

/// What the daemon gives.
#[derive(Clone)]
pub struct Parts {
    /// Whom calls are for.
    pub supervisor: Supervisor,
    /// Where.
    pub bus: Bus,
    /// Somebody has asked for this bus, and wants to know when it is not there.
    pub wanted: bool,
    /// Writes to the main log.
    pub say: Say,
}

/// Until the first attempt to find a bus that is gone, and between the first two.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts, at most.
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Serves on the bus, whenever there is one. Never ends by itself.
pub async fn run(parts: Parts) {
    let mut pause = FIRST_PAUSE;
    let mut told = None;
    loop {
        match join(&parts).await {
            Ok((service, stream)) => {
                (pause, told) = (FIRST_PAUSE, None);
                serve(service, stream).await;
                (parts.say)(Level::Info, format!("D-Bus: the {} is gone; waiting for it", parts.bus));
            }
            Err(problem) => {
                if told.as_ref() != Some(&problem) {
                    let level = if parts.wanted { Level::Warn } else { Level::Info };
                    (parts.say)(level, format!("D-Bus: going without the {}: {problem}", parts.bus));
                }
                told = Some(problem);
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn serve(service: Arc<Service>, stream: MessageStream) {
    let announcer = tokio::spawn(announce::run(Arc::clone(&service)));
    service.answer_all(stream).await;
    announcer.abort();
}

/// Connects, and asks for the name; who has it already keeps it, and hands it over when it ends.
async fn join(parts: &Parts) -> Result<(Arc<Service>, MessageStream), String> {
    let builder = match parts.bus {
        Bus::System => Builder::system(),
        Bus::Session => Builder::session(),
    };
    let connection = builder.build().await.map_err(|error| error.to_string())?;
    // Before the name, so that no call is missed.
    let stream = MessageStream::from(&connection);
    let owned = request_name(&connection).await?;
    let line = if owned {
        format!("D-Bus: on the {} as {NAME}", parts.bus)
    } else {
        format!("D-Bus: another process is {NAME} on the {}; waiting until it ends", parts.bus)
    };
    (parts.say)(if owned { Level::Info } else { Level::Warn }, line);
    Ok((Arc::new(Service::new(parts.clone(), connection)), stream))
}

/// Replies of `RequestName`.
const PRIMARY_OWNER: u32 = 1;
const ALREADY_OWNER: u32 = 4;

/// Asks for the name, waiting in line for it; whether it is ours. Nobody can take it away.
///
/// # Errors
/// When the bus does not let us have it.
pub async fn request_name(connection: &Connection) -> Result<bool, String> {
    let bus = "org.freedesktop.DBus";
    let call =
        connection.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "RequestName", &(NAME, 0_u32));
    let refused = |error: zbus::Error| format!("{error} (is {NAME}.conf in /usr/share/dbus-1/system.d?)");
    let reply = call.await.map_err(refused)?;
    let code: u32 = reply.body().deserialize().map_err(|error| error.to_string())?;
    Ok(matches!(code, PRIMARY_OWNER | ALREADY_OWNER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_goes_on_a_bus_unasked_but_a_service() {
        let chosen = |choice| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|(managed, root)| Bus::choose(choice, managed, root))
        };
        assert_eq!(chosen(BusChoice::Auto), [None, None, Some(Bus::Session), Some(Bus::System)]);
        assert_eq!(chosen(BusChoice::Off), [None; 4]);
        assert_eq!(chosen(BusChoice::System), [Some(Bus::System); 4]);
        assert_eq!(chosen(BusChoice::Session), [Some(Bus::Session); 4]);
    }
}
