//! Which session a packet belongs to (RFC 5880 section 6.8.6, RFC 5881 sections 3 and 5, RFC 5883 section 4).

use std::net::IpAddr;

use super::observed::Rejections;
use super::peer::{Parameters, Peer};
use crate::wire::{Invalid, Packet, TTL};

/// How a datagram arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival<'a> {
    pub(super) from: IpAddr,
    pub(super) to: Option<IpAddr>,
    /// The kernel's index of the interface.
    pub(super) interface: u32,
    pub(super) ttl: Option<u8>,
    pub(super) multihop: bool,
    pub(super) vrf: Option<&'a str>,
}

/// Why a datagram is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reject {
    Invalid(Invalid),
    UnknownPeer,
    UnknownDiscriminator,
    Mismatched,
    Ttl,
}

impl Rejections {
    pub(super) fn count(&mut self, reject: Reject) {
        let counter = match reject {
            Reject::Invalid(Invalid::Authentication) => &mut self.authentication,
            Reject::Invalid(_) => &mut self.invalid,
            Reject::UnknownPeer => &mut self.unknown_peer,
            Reject::UnknownDiscriminator => &mut self.unknown_discriminator,
            Reject::Mismatched => &mut self.mismatched,
            Reject::Ttl => &mut self.ttl,
        };
        *counter += 1;
    }
}

/// A session as packets see it.
pub(super) trait Candidate {
    fn peer(&self) -> &Peer;
    fn parameters(&self) -> &Parameters;
    /// The kernel's index of the peer's interface, if it names one that exists.
    fn interface(&self) -> Option<u32>;
}

/// Finds the discriminator of the session of a datagram, and the packet in it. `by_discriminator` looks up one session,
/// `all` goes through them.
pub(super) fn find<'a, C: Candidate + 'a>(
    bytes: &[u8],
    arrival: &Arrival<'_>,
    by_discriminator: impl FnOnce(u32) -> Option<&'a C>,
    all: impl Iterator<Item = (u32, &'a C)>,
) -> Result<(u32, Packet), Reject> {
    // The cheapest first: what comes from afar is not even read (RFC 5881 section 5).
    if !arrival.multihop && arrival.ttl != Some(TTL) {
        return Err(Reject::Ttl);
    }
    let packet = Packet::decode(bytes).map_err(Reject::Invalid)?;
    let (discriminator, candidate) = if packet.your_discriminator == 0 {
        let of_peer = all.filter(|(_, candidate)| matches(*candidate, arrival));
        // One that says more about where packets come from knows better.
        let specific = |peer: &Peer| (peer.interface.is_some(), peer.source.is_some());
        of_peer.max_by_key(|(_, candidate)| specific(candidate.peer())).ok_or(Reject::UnknownPeer)?
    } else {
        let candidate = by_discriminator(packet.your_discriminator).ok_or(Reject::UnknownDiscriminator)?;
        // The RFC would take it without looking further. A number can be guessed, so the rest must agree, too.
        if !matches(candidate, arrival) {
            return Err(Reject::Mismatched);
        }
        (packet.your_discriminator, candidate)
    };
    if arrival.multihop && arrival.ttl.is_none_or(|ttl| ttl < candidate.parameters().minimum_ttl) {
        return Err(Reject::Ttl);
    }
    Ok((discriminator, packet))
}

fn matches(candidate: &impl Candidate, arrival: &Arrival<'_>) -> bool {
    let peer = candidate.peer();
    peer.address == arrival.from
        && peer.multihop == arrival.multihop
        && peer.vrf.as_deref() == arrival.vrf
        && peer.source.is_none_or(|source| arrival.to.is_none_or(|to| source == to))
        && (peer.interface.is_none() || candidate.interface() == Some(arrival.interface))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::{Diagnostic, State};

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    const ARRIVAL: Arrival<'_> =
        Arrival { from: PEER, to: Some(OWN), interface: 7, ttl: Some(255), multihop: false, vrf: None };

    struct Known(Peer, Option<u32>);

    impl Candidate for Known {
        fn peer(&self) -> &Peer {
            &self.0
        }
        fn parameters(&self) -> &Parameters {
            const {
                &Parameters {
                    session: crate::Config {
                        transmit_interval: std::time::Duration::from_millis(300),
                        receive_interval: std::time::Duration::from_millis(300),
                        detect_multiplier: 3,
                        passive: false,
                    },
                    minimum_ttl: 250,
                }
            }
        }
        fn interface(&self) -> Option<u32> {
            self.1
        }
    }

    fn packet(your_discriminator: u32) -> Vec<u8> {
        let packet = Packet {
            diagnostic: Diagnostic::None,
            state: State::Down,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: 3,
            my_discriminator: 99,
            your_discriminator,
            desired_min_tx: 1,
            required_min_rx: 1,
            required_min_echo_rx: 0,
        };
        packet.encode().to_vec()
    }

    /// Among sessions with the discriminators 1, 2, ...
    fn found(known: &[Known], bytes: &[u8], arrival: &Arrival<'_>) -> Result<u32, Reject> {
        let all = || (1_u32..).zip(known);
        let by = |wanted| all().find(|(number, _)| *number == wanted).map(|(_, known)| known);
        find(bytes, arrival, by, all()).map(|(discriminator, _)| discriminator)
    }

    #[test]
    fn first_packet_is_found_by_its_sender_and_the_most_specific_session_wins() {
        let peer = || Peer::single_hop(PEER);
        let known = [Known(peer(), None), Known(peer().from(OWN), None), Known(peer().on("eth0"), Some(7))];
        assert_eq!(found(&known, &packet(0), &ARRIVAL), Ok(3));
        assert_eq!(found(&known, &packet(0), &Arrival { interface: 8, ..ARRIVAL }), Ok(2));
        assert_eq!(found(&known, &packet(0), &Arrival { interface: 8, to: Some(PEER), ..ARRIVAL }), Ok(1));
        assert_eq!(found(&known, &packet(0), &Arrival { from: OWN, ..ARRIVAL }), Err(Reject::UnknownPeer));
        assert_eq!(found(&known, &packet(0), &Arrival { vrf: Some("red"), ..ARRIVAL }), Err(Reject::UnknownPeer));
    }

    #[test]
    fn discriminator_decides_and_the_sender_must_agree() {
        let known = [Known(Peer::single_hop(PEER), None), Known(Peer::single_hop(OWN), None)];
        assert_eq!(found(&known, &packet(1), &ARRIVAL), Ok(1));
        assert_eq!(found(&known, &packet(2), &ARRIVAL), Err(Reject::Mismatched));
        assert_eq!(found(&known, &packet(3), &ARRIVAL), Err(Reject::UnknownDiscriminator));
    }

    #[test]
    fn interface_that_does_not_exist_matches_nothing() {
        let known = [Known(Peer::single_hop(PEER).on("eth0"), None)];
        assert_eq!(found(&known, &packet(0), &ARRIVAL), Err(Reject::UnknownPeer));
    }

    #[test]
    fn single_hop_must_come_with_255_and_several_with_the_minimum_at_least() {
        let known = [Known(Peer::single_hop(PEER), None), Known(Peer::multihop(PEER), None)];
        for ttl in [Some(254), Some(1), None] {
            assert_eq!(found(&known, &packet(0), &Arrival { ttl, ..ARRIVAL }), Err(Reject::Ttl));
        }
        let multihop = |ttl| Arrival { ttl, multihop: true, ..ARRIVAL };
        assert_eq!(found(&known, &packet(0), &multihop(Some(250))), Ok(2));
        for ttl in [Some(249), None] {
            assert_eq!(found(&known, &packet(2), &multihop(ttl)), Err(Reject::Ttl));
        }
        assert_eq!(found(&known, &packet(1), &multihop(Some(255))), Err(Reject::Mismatched));
    }

    #[test]
    fn each_reason_has_its_counter() {
        let mut rejections = Rejections::default();
        for reject in [
            Reject::Invalid(Invalid::Short),
            Reject::Invalid(Invalid::Authentication),
            Reject::UnknownPeer,
            Reject::UnknownDiscriminator,
            Reject::Mismatched,
            Reject::Ttl,
        ] {
            rejections.count(reject);
        }
        let once = Rejections {
            invalid: 1,
            authentication: 1,
            unknown_peer: 1,
            unknown_discriminator: 1,
            mismatched: 1,
            ttl: 1,
        };
        assert_eq!(rejections, once);
    }
}
