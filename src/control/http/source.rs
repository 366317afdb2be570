//! Where clients come from, as far as they share what they do.

use std::net::{IpAddr, Ipv6Addr};

use crate::api::Surface;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A process of this machine.
    Process(i32),
    /// A user of this machine.
    Uid(u32),
    /// IPv6: a network of 64 bits, because that is what one host is given.
    Address(IpAddr),
}

impl Source {
    /// As near as it is known: one of several clients of the same user.
    #[must_use]
    pub fn nearest(surface: Surface) -> Self {
        match surface {
            Surface::Unix { pid: Some(pid), .. } => Self::Process(pid),
            Surface::Unix { pid: None, .. } | Surface::Bus { .. } | Surface::Inet { .. } => Self::of(surface),
        }
    }

    /// Who answers for it: all clients of a user, or of a host.
    #[must_use]
    pub fn of(surface: Surface) -> Self {
        match surface {
            Surface::Unix { uid, .. } | Surface::Bus { uid, .. } => Self::Uid(uid),
            Surface::Inet { address } => Self::Address(match address.ip().to_canonical() {
                IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
                ip @ IpAddr::V4(_) => ip,
            }),
        }
    }
}
