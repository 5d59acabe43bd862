//! Which of two connections stays (RFC 4271 section 6.8 with RFC 6286 section 2.3).

use crate::wire::Open;

/// Who made a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// This side.
    Outgoing,
    /// The peer.
    Incoming,
}

/// The connection that stays is the one made by the side with the higher BGP Identifier; by that with the higher AS number
/// where they are equal, which internal peers cannot be.
pub(super) fn stays(own: &Open, peer: &Open) -> Direction {
    if (own.router_id, own.asn) > (peer.router_id, peer.asn) { Direction::Outgoing } else { Direction::Incoming }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn open(router_id: [u8; 4], asn: u32) -> Open {
        Open { asn, hold_time: 90, router_id: Ipv4Addr::from(router_id), capabilities: Vec::new() }
    }

    #[test]
    fn the_connection_of_the_higher_identifier_stays_and_of_the_higher_as_among_equals() {
        for (low, high) in [
            (open([10, 0, 0, 1], 9), open([10, 0, 0, 2], 1)),
            (open([10, 0, 0, 1], 9), open([200, 0, 0, 1], 9)), // as unsigned numbers
            (open([10, 0, 0, 1], 1), open([10, 0, 0, 1], 4_200_000_000)),
        ] {
            assert_eq!(stays(&high, &low), Direction::Outgoing);
            assert_eq!(stays(&low, &high), Direction::Incoming);
        }
    }
}
