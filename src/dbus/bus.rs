//! The connection: made in the background, and made again for as long as the daemon lives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
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
/// For what is under way when the daemon ends.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Between two attempts, at most.
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Serves on the bus, whenever there is one, until it is told to close; then what is under way is answered.
pub async fn run(parts: Parts, mut closing: watch::Receiver<()>) {
    let mut pause = FIRST_PAUSE;
    let mut told = None;
    loop {
        match join(&parts).await {
            Ok((service, stream)) => {
                (pause, told) = (FIRST_PAUSE, None);
                if serve(service, stream, &mut closing).await == End::Ours {
                    return;
                }
                (parts.say)(Level::Info, format!("D-Bus: the {} is gone; waiting for it", parts.bus));
            }
            // Its words may differ each time.
            Err((step, problem)) => {
                if told.replace(step) != Some(step) {
                    let level = if parts.wanted { Level::Warn } else { Level::Info };
                    (parts.say)(level, format!("D-Bus: going without the {}: {problem}", parts.bus));
                }
            }
        }
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            _ = closing.changed() => return,
        }
    }
}

/// Who has ended it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The bus.
    Theirs,
    /// The daemon.
    Ours,
}

async fn serve(service: Arc<Service>, stream: MessageStream, closing: &mut watch::Receiver<()>) -> End {
    let mut announcer = tokio::spawn(announce::run(Arc::clone(&service), closing.clone()));
    tokio::select! {
        () = service.answer_all(stream) => {
            announcer.abort();
            End::Theirs
        }
        _ = closing.changed() => {
            let last = async {
                // One that has ended has nothing more to tell.
                let _ = (&mut announcer).await;
                service.idle().await;
            };
            // A bus that hangs keeps nobody from ending.
            let _ = timeout(LAST_WORDS, last).await;
            End::Ours
        }
    }
}

/// What an attempt fails at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connect,
    Name,
}

/// Connects, and asks for the name; who has it already keeps it, and hands it over when it ends.
async fn join(parts: &Parts) -> Result<(Arc<Service>, MessageStream), (Step, String)> {
    let builder = match parts.bus {
        Bus::System => Builder::system(),
        Bus::Session => Builder::session(),
    };
    let connection = builder.build().await.map_err(|error| (Step::Connect, error.to_string()))?;
    // Before the name, so that no call is missed; and that it is ours is told in it.
    let stream = MessageStream::from(&connection);
    if !request_name(&connection).await.map_err(|problem| (Step::Name, problem))? {
        let bus = parts.bus;
        let line = format!("D-Bus: another process is {NAME} on the {bus}; waiting until it ends");
        (parts.say)(Level::Warn, line);
    }
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
