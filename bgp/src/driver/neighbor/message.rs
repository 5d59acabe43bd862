//! Router solicitations and advertisements (RFC 4861 sections 4.1 and 4.2), as far as they concern neighbours.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

/// Type of a router solicitation.
pub(super) const SOLICITATION: u8 = 133;
/// Type of a router advertisement.
pub(super) const ADVERTISEMENT: u8 = 134;

/// What is sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver) enum Message {
    /// Who is a router, speak.
    Solicitation,
    /// The sender is a router.
    Advertisement {
        /// Router Lifetime, whole seconds up to 65,535.
        lifetime: Duration,
    },
}

impl Message {
    /// As it is given to a raw socket, which computes the checksum (RFC 3542 section 3.1).
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Solicitation => vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0],
            Self::Advertisement { lifetime } => {
                let mut octets = vec![ADVERTISEMENT, 0, 0, 0, 0, 0];
                let seconds = u16::try_from(lifetime.as_secs()).unwrap_or(u16::MAX);
                octets.extend_from_slice(&seconds.to_be_bytes());
                // Reachable Time and Retrans Timer: unspecified.
                octets.extend_from_slice(&[0; 8]);
                octets
            }
        }
    }

    /// Reads what a raw socket received; none for what is not valid (RFC 4861 sections 6.1.1 and 6.1.2). The kernel has checked
    /// the checksum.
    pub(super) fn decode(octets: &[u8], from: &SocketAddrV6, hop_limit: u8) -> Option<Self> {
        // A packet that came over a router has less.
        if hop_limit != 255 {
            return None;
        }
        match octets {
            [SOLICITATION, 0, _, _, _, _, _, _, options @ ..] if well_formed(options) => Some(Self::Solicitation),
            [ADVERTISEMENT, 0, _, _, _, _, high, low, rest @ ..] => {
                let options = rest.get(8..)?;
                let lifetime = Duration::from_secs(u16::from_be_bytes([*high, *low]).into());
                let valid = from.ip().is_unicast_link_local() && well_formed(options);
                valid.then_some(Self::Advertisement { lifetime })
            }
            _ => None,
        }
    }

    /// Where it is sent: all routers, all nodes.
    pub(super) const fn destination(self) -> Ipv6Addr {
        match self {
            Self::Solicitation => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
            Self::Advertisement { .. } => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        }
    }
}

/// Each option has a length, and none is of length zero.
fn well_formed(mut options: &[u8]) -> bool {
    while let [_, units, ..] = options {
        match options.get(usize::from(*units).saturating_mul(8)..) {
            Some(rest) if *units > 0 => options = rest,
            Some(_) | None => return false,
        }
    }
    options.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> SocketAddrV6 {
        SocketAddrV6::new(address.parse().unwrap(), 0, 0, 1)
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        let lifetime = Duration::from_secs(30);
        for message in [Message::Solicitation, Message::Advertisement { lifetime }] {
            assert_eq!(Message::decode(&message.encode(), &from("fe80::1"), 255), Some(message));
        }
    }

    #[test]
    fn what_came_over_a_router_or_not_from_a_link_local_address_is_no_advertisement() {
        let octets = Message::Advertisement { lifetime: Duration::ZERO }.encode();
        assert_eq!(Message::decode(&octets, &from("fe80::1"), 254), None);
        assert_eq!(Message::decode(&octets, &from("2001:db8::1"), 255), None);
    }

    #[test]
    fn malformed_messages_are_not_read() {
        let valid = Message::Advertisement { lifetime: Duration::from_secs(9) }.encode();
        for length in 0..valid.len() {
            assert_eq!(Message::decode(&valid[..length], &from("fe80::1"), 255), None, "{length} octets");
        }
        for option in [&[1_u8, 0][..], &[1], &[1, 1, 0, 0, 0, 0, 0], &[1, 2, 0, 0, 0, 0, 0, 0]] {
            let octets = [valid.as_slice(), option].concat();
            assert_eq!(Message::decode(&octets, &from("fe80::1"), 255), None, "{option:?}");
        }
        let octets = [valid.as_slice(), &[1, 1, 2, 0, 0, 0, 0, 1]].concat();
        assert!(Message::decode(&octets, &from("fe80::1"), 255).is_some());
    }
}
