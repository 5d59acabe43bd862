//! The frames that an observer sends and reads: ARP (RFC 826, RFC 5227) and Neighbor Discovery (RFC 4861).
//!
//! Written here once more, and not taken from the announcer: an observer that shares its code would share its mistakes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::layout::Mac;

/// Ethertypes.
pub(super) const ARP: u16 = 0x0806;
pub(super) const IPV6: u16 = 0x86dd;

/// Ethernet, IPv4, and the lengths of their addresses: how an ARP packet for IPv4 begins (RFC 826).
const ARP_FOR_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];
const ICMPV6: u8 = 58;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// The hop limit of a message that no router has passed on (RFC 4861, 7.1).
const FROM_THIS_LINK: u8 = 255;
/// The S flag (RFC 4861, 4.4).
const SOLICITED: u8 = 0x40;
/// Options with a hardware address (RFC 4861, 4.6.1).
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;

/// Somebody says that an address is his.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// The address.
    pub(super) address: IpAddr,
    /// Where it is said to be.
    pub(super) mac: Mac,
    /// The answer to somebody's question, or an announcement to all.
    pub(super) answer: bool,
}

/// The question who has `target`, as a frame; `mac` and `address` ask.
pub(super) fn question(mac: Mac, address: IpAddr, target: IpAddr) -> Option<Vec<u8>> {
    match (address, target) {
        (IpAddr::V4(address), IpAddr::V4(target)) => Some(request(mac, address, target)),
        (IpAddr::V6(address), IpAddr::V6(target)) => Some(solicitation(mac, address, target)),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

fn request(mac: Mac, address: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let unknown = [0; 6];
    let head = ethernet(Mac([0xff; 6]), mac, ARP);
    let parts: [&[u8]; 7] = [&head, &ARP_FOR_IPV4, &REQUEST, &mac.0, &address.octets(), &unknown, &target.octets()];
    parts.concat()
}

fn solicitation(mac: Mac, address: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    // The solicited-node group (RFC 4291, 2.7.1) and its hardware address (RFC 2464, 7).
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let own = [&[SOURCE_ADDRESS, 1][..], &mac.0].concat();
    let unchecked = [&[NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0][..], &target.octets(), &own].concat();
    let sum = checksum(address, group, &unchecked);
    let [kind, code, _, _, rest @ ..] = unchecked.as_slice() else { return Vec::new() };
    let length = u16::try_from(unchecked.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = ethernet(Mac([0x33, 0x33, 0xff, a, b, c]), mac, IPV6);
    let parts: [&[u8]; 9] = [
        &head,
        &[0x60, 0, 0, 0],
        &length,
        &[ICMPV6, FROM_THIS_LINK],
        &address.octets(),
        &group.octets(),
        &[*kind, *code],
        &sum.to_be_bytes(),
        rest,
    ];
    parts.concat()
}

fn ethernet(to: Mac, from: Mac, protocol: u16) -> Vec<u8> {
    [&to.0[..], &from.0, &protocol.to_be_bytes()].concat()
}

/// The checksum of an ICMPv6 message whose own is zero (RFC 4443, 2.3).
fn checksum(from: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let pseudo = [&from.octets()[..], &to.octets(), &length, &[0, 0, 0, ICMPV6]].concat();
    let words = |bytes: &[u8]| -> u32 {
        bytes
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
                [high] => u32::from(u16::from_be_bytes([*high, 0])),
                _ => 0,
            })
            .sum()
    };
    let mut sum = words(&pseudo).wrapping_add(words(message));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// What a frame claims; none for every other frame, and for one that is not well formed.
pub(super) fn claim(frame: &[u8]) -> Option<Claim> {
    let (head, payload) = frame.split_first_chunk::<14>()?;
    let [.., high, low] = *head;
    match u16::from_be_bytes([high, low]) {
        ARP => arp_claim(payload),
        IPV6 => neighbor_claim(payload),
        _ => None,
    }
}

fn arp_claim(packet: &[u8]) -> Option<Claim> {
    let packet = packet.strip_prefix(&ARP_FOR_IPV4)?;
    let (operation, rest) = packet.split_first_chunk::<2>()?;
    let (sender, rest) = rest.split_first_chunk::<6>()?;
    let (address, rest) = rest.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<6>()?;
    let (target, _padding) = rest.split_first_chunk::<4>()?;
    let announcement = address == target;
    // A question that is none about the sender's own address claims that, too; but nobody asks from a service's.
    let answer = *operation == REPLY && !announcement;
    (answer || announcement).then_some(Claim { address: IpAddr::from(*address), mac: Mac(*sender), answer })
}

fn neighbor_claim(packet: &[u8]) -> Option<Claim> {
    let (head, message) = packet.split_first_chunk::<40>()?;
    let [_, _, _, _, _, _, ICMPV6, FROM_THIS_LINK, ..] = *head else { return None };
    let ([NEIGHBOR_ADVERTISEMENT, 0, _, _, flags, _, _, _], rest) = message.split_first_chunk::<8>()? else {
        return None;
    };
    let (target, options) = rest.split_first_chunk::<16>()?;
    let [TARGET_ADDRESS, 1, mac @ ..] = options.first_chunk::<8>()? else { return None };
    Some(Claim { address: IpAddr::from(*target), mac: Mac(*mac), answer: flags & SOLICITED != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: Mac = Mac([2, 0, 0, 0, 0xfe, 1]);
    const OWNER: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn arp(operation: u8, target: [u8; 4]) -> Vec<u8> {
        let mut frame = request(OWNER, Ipv4Addr::new(10, 10, 52, 0), target.into());
        frame[21] = operation;
        frame
    }

    #[test]
    fn a_request_asks_everybody_and_claims_nothing() {
        let frame = question(ASKER, "10.10.0.200".parse().unwrap(), "10.10.52.0".parse().unwrap()).unwrap();
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[..6], [0xff; 6]);
        assert_eq!(frame[28..32], [10, 10, 0, 200]);
        assert_eq!(frame[38..], [10, 10, 52, 0]);
        assert_eq!(claim(&frame), None);
    }

    #[test]
    fn replies_and_announcements_are_claims() {
        let address = "10.10.52.0".parse().unwrap();
        let answer = Claim { address, mac: OWNER, answer: true };
        assert_eq!(claim(&arp(2, [10, 10, 0, 200])), Some(answer));
        let announcement = Claim { answer: false, ..answer };
        assert_eq!(claim(&arp(1, [10, 10, 52, 0])), Some(announcement));
        assert_eq!(claim(&arp(2, [10, 10, 52, 0])), Some(announcement));
        assert_eq!(claim(&arp(1, [10, 10, 52, 0])[..41]), None);
    }

    #[test]
    fn a_solicitation_is_the_one_that_rfc_4861_asks_for() {
        let target: Ipv6Addr = "fd00:10:10::52:0".parse().unwrap();
        let address: Ipv6Addr = "fd00:10:10::200".parse().unwrap();
        let frame = question(ASKER, address.into(), target.into()).unwrap();
        assert_eq!(frame.len(), 14 + 40 + 32);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x52, 0, 0]);
        assert_eq!(frame[38..54], "ff02::1:ff52:0".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(frame[20..22], [ICMPV6, FROM_THIS_LINK]);
        assert_eq!(frame[62..78], target.octets());
        // With its checksum in place, a message sums up to zero.
        assert_eq!(checksum(address, "ff02::1:ff52:0".parse().unwrap(), &frame[54..]), 0);
        assert_eq!(question(ASKER, address.into(), "10.10.52.0".parse().unwrap()), None);
    }

    #[test]
    fn an_advertisement_is_a_claim_and_an_answer_only_when_it_was_asked_for() {
        let target: Ipv6Addr = "fd00:10:10::52:0".parse().unwrap();
        let mut frame = solicitation(OWNER, "fe80::1".parse().unwrap(), target);
        assert_eq!(claim(&frame), None);
        frame[54] = NEIGHBOR_ADVERTISEMENT;
        frame[78] = TARGET_ADDRESS;
        assert_eq!(claim(&frame), Some(Claim { address: target.into(), mac: OWNER, answer: false }));
        frame[58] = SOLICITED;
        assert_eq!(claim(&frame), Some(Claim { address: target.into(), mac: OWNER, answer: true }));
        frame[21] = 64;
        assert_eq!(claim(&frame), None, "a router passed it on");
    }
}
