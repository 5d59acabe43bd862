//! Whether a received frame asks for something we announce, claims something we care for, or is none of our business.

use pnet_base::MacAddr;

use crate::wire::arp::{ArpFrame, Operation};

/// What a frame may be to us, before looking at addresses announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relevance {
    /// The sender claims its protocol address.
    pub(super) claims: bool,
    /// The sender wants to know the target address, and from us if it is ours.
    pub(super) asks: bool,
}

/// Judges `frame`, received on an interface with hardware address `mac`.
///
/// A question is a request sent to everybody or to us. A probe (sender 0.0.0.0) is one too: the answer defends the
/// address (RFC 5227 §2.1.1). A request from an address for itself tells and does not ask (RFC 5227 §2.3).
pub(super) fn judge(frame: &ArpFrame, mac: MacAddr) -> Relevance {
    let to_us = frame.destination.is_broadcast() || frame.destination == mac;
    Relevance {
        claims: !frame.sender_ip.is_unspecified(),
        asks: frame.operation == Operation::Request && to_us && !frame.is_announcement(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const OWN: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const OTHER: MacAddr = MacAddr(2, 0, 0, 0, 0, 2);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
    const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

    #[test]
    fn frames_are_judged_by_operation_destination_and_addresses() {
        let everybody = MacAddr::broadcast();
        let group = MacAddr(1, 0, 0x5e, 0, 0, 1);
        let zero = Ipv4Addr::UNSPECIFIED;
        for (name, operation, destination, sender_ip, claims, asks) in [
            ("question to all", Operation::Request, everybody, CLIENT, true, true),
            ("question to us", Operation::Request, OWN, CLIENT, true, true),
            ("question to another station", Operation::Request, OTHER, CLIENT, true, false),
            ("question to a group", Operation::Request, group, CLIENT, true, false),
            ("probe", Operation::Request, everybody, zero, false, true),
            ("announcement", Operation::Request, everybody, VIP, true, false),
            ("gratuitous reply", Operation::Reply, everybody, VIP, true, false),
            ("reply to us", Operation::Reply, OWN, CLIENT, true, false),
            ("other operation", Operation::Unknown(8), OWN, CLIENT, true, false),
        ] {
            let frame = ArpFrame {
                source: OTHER,
                destination,
                operation,
                sender_mac: OTHER,
                sender_ip,
                target_mac: MacAddr::zero(),
                target_ip: VIP,
            };
            assert_eq!(judge(&frame, OWN), Relevance { claims, asks }, "{name}");
        }
    }
}
