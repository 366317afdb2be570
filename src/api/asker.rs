//! Who asks, and through what.

use std::fmt;
use std::net::SocketAddr;

/// Whoever asks for something: told with every state change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Where the wish came in.
    pub surface: Surface,
    /// The name that was proved with a password.
    pub user: Option<String>,
}

/// Where a wish comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// `[unix_http_server]`: the peer, as the kernel knows it.
    Unix {
        /// Its process; `None` when the kernel does not tell.
        pid: Option<i32>,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// `[inet_http_server]`.
    Inet {
        /// The peer.
        address: SocketAddr,
    },
    /// D-Bus: the sender, as the bus knows it.
    Bus {
        /// Its process; `None` when the bus does not tell.
        pid: Option<i32>,
        /// Its user.
        uid: u32,
    },
}

/// As it stands in the main log.
impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "user '{user}', ")?;
        }
        match self.surface {
            Surface::Unix { pid: Some(pid), uid, .. } => write!(f, "uid {uid} (pid {pid}) over unix socket"),
            Surface::Unix { pid: None, uid, .. } => write!(f, "uid {uid} over unix socket"),
            Surface::Bus { pid: Some(pid), uid } => write!(f, "uid {uid} (pid {pid}) over D-Bus"),
            Surface::Bus { pid: None, uid } => write!(f, "uid {uid} over D-Bus"),
            Surface::Inet { address } => write!(f, "{address} over TCP"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_is_told_in_a_few_words() {
        let mut asker = Asker { surface: Surface::Unix { pid: Some(7), uid: 1000, gid: 1 }, user: None };
        assert_eq!(asker.to_string(), "uid 1000 (pid 7) over unix socket");
        asker.surface = Surface::Bus { pid: Some(7), uid: 1000 };
        assert_eq!(asker.to_string(), "uid 1000 (pid 7) over D-Bus");
        asker.user = Some("me".to_owned());
        asker.surface = Surface::Inet { address: ([127, 0, 0, 1], 80).into() };
        assert_eq!(asker.to_string(), "user 'me', 127.0.0.1:80 over TCP");
    }
}
