//! Whether a received frame asks for something we announce, claims something we care for, or is none of our business.

use std::net::{IpAddr, Ipv6Addr};

use pnet_base::MacAddr;

use super::io::{Claim, Family};
use crate::wire::arp::{self, ArpFrame, Operation};
use crate::wire::ndp::{self, Message, NdpFrame};

/// A frame of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    Arp(ArpFrame),
    Ndp(NdpFrame),
}

/// That somebody says to hold an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) vip: IpAddr,
    /// Where it is said to be.
    pub(super) mac: MacAddr,
    pub(super) claim: Claim,
}

impl Frame {
    /// What `bytes` are, if they are a frame of either family and break none of its rules.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        ArpFrame::parse(bytes).map(Self::Arp).ok().or_else(|| NdpFrame::parse(bytes).map(Self::Ndp).ok())
    }

    pub(super) fn family(&self) -> Family {
        match self {
            Self::Arp(_) => Family::Ipv4,
            Self::Ndp(_) => Family::Ipv6,
        }
    }

    /// Whether the station `mac` sent it, or is said to have.
    pub(super) fn is_from(&self, mac: MacAddr) -> bool {
        match self {
            Self::Arp(frame) => frame.source == mac || frame.sender_mac == mac,
            Self::Ndp(frame) => frame.source == mac || frame.link_layer == Some(mac),
        }
    }

    /// The address that its sender says to hold. A probe says nothing (RFC 5227 §1.1, RFC 4862 §5.4.2).
    pub(super) fn claimed(&self) -> Option<Claimed> {
        match self {
            Self::Arp(frame) => {
                let claim = if frame.operation == Operation::Reply { Claim::ArpReply } else { Claim::ArpRequest };
                let claimed = Claimed { vip: IpAddr::V4(frame.sender_ip), mac: frame.sender_mac, claim };
                (!frame.sender_ip.is_unspecified()).then_some(claimed)
            }
            Self::Ndp(frame) => match frame.message {
                Message::Solicitation => None,
                Message::Advertisement { .. } => Some(Claimed {
                    vip: IpAddr::V6(frame.target),
                    mac: frame.link_layer.unwrap_or(frame.source),
                    claim: Claim::Advertisement,
                }),
            },
        }
    }

    /// The address that its sender wants to know of, if he asks everybody, a group, or the station `mac`. A probe is a
    /// question too: the answer defends the address (RFC 5227 §2.1.1, RFC 4862 §5.4.3). An ARP request from an address
    /// for itself tells and does not ask (RFC 5227 §2.3).
    pub(super) fn asked(&self, mac: MacAddr) -> Option<IpAddr> {
        match self {
            Self::Arp(frame) => {
                let to_us = frame.destination.is_broadcast() || frame.destination == mac;
                let asks = frame.operation == Operation::Request && to_us && !frame.is_announcement();
                asks.then_some(IpAddr::V4(frame.target_ip))
            }
            Self::Ndp(frame) => {
                let to_us = frame.destination.is_multicast() || frame.destination == mac;
                (frame.message == Message::Solicitation && to_us).then_some(IpAddr::V6(frame.target))
            }
        }
    }

    /// The answer from the station `mac`; it sends from `source`, or else from the address asked for.
    pub(super) fn answer(&self, mac: MacAddr, source: Option<Ipv6Addr>) -> Vec<u8> {
        match self {
            Self::Arp(frame) => arp::answer(frame, mac).encode(),
            Self::Ndp(frame) => ndp::answer(frame, mac, source.unwrap_or(frame.target)).encode(),
        }
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
    const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x64);
    const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);

    #[test]
    fn arp_is_judged_by_operation_destination_and_addresses() {
        let everybody = MacAddr::broadcast();
        let group = MacAddr(1, 0, 0x5e, 0, 0, 1);
        let zero = Ipv4Addr::UNSPECIFIED;
        for (name, operation, destination, sender_ip, claims, asks) in [
            ("question to all", Operation::Request, everybody, CLIENT, Some(Claim::ArpRequest), true),
            ("question to us", Operation::Request, OWN, CLIENT, Some(Claim::ArpRequest), true),
            ("question to another station", Operation::Request, OTHER, CLIENT, Some(Claim::ArpRequest), false),
            ("question to a group", Operation::Request, group, CLIENT, Some(Claim::ArpRequest), false),
            ("probe", Operation::Request, everybody, zero, None, true),
            ("announcement", Operation::Request, everybody, VIP, Some(Claim::ArpRequest), false),
            ("gratuitous reply", Operation::Reply, everybody, VIP, Some(Claim::ArpReply), false),
            ("reply to us", Operation::Reply, OWN, CLIENT, Some(Claim::ArpReply), false),
            ("other operation", Operation::Unknown(8), OWN, CLIENT, Some(Claim::ArpRequest), false),
        ] {
            let frame = Frame::Arp(ArpFrame {
                source: OTHER,
                destination,
                operation,
                sender_mac: OTHER,
                sender_ip,
                target_mac: MacAddr::zero(),
                target_ip: VIP,
            });
            let claimed = claims.map(|claim| Claimed { vip: sender_ip.into(), mac: OTHER, claim });
            assert_eq!(frame.claimed(), claimed, "{name}");
            assert_eq!(frame.asked(OWN), asks.then_some(IpAddr::V4(VIP)), "{name}");
        }
    }

    #[test]
    fn ndp_is_judged_by_message_and_destination() {
        let probe = ndp::probe(OTHER, VIP6);
        let question = NdpFrame { source_ip: CLIENT6, link_layer: Some(OTHER), ..probe };
        let announcement = ndp::announcement(OTHER, CLIENT6, VIP6);
        for (name, frame, claims, asks) in [
            ("question to the group", question, false, true),
            ("question to us", NdpFrame { destination: OWN, ..question }, false, true),
            ("question to another station", NdpFrame { destination: OTHER, ..question }, false, false),
            ("probe", probe, false, true),
            ("announcement", announcement, true, false),
            ("announcement without its option", NdpFrame { link_layer: None, ..announcement }, true, false),
            ("answer to us", NdpFrame { destination: OWN, ..ndp::answer(&question, OTHER, CLIENT6) }, true, false),
        ] {
            let claimed = claims.then_some(Claimed { vip: VIP6.into(), mac: OTHER, claim: Claim::Advertisement });
            assert_eq!(Frame::Ndp(frame).claimed(), claimed, "{name}");
            assert_eq!(Frame::Ndp(frame).asked(OWN), asks.then_some(IpAddr::V6(VIP6)), "{name}");
        }
    }

    #[test]
    fn answer_comes_from_the_own_address_or_else_from_the_one_asked_for() {
        let question = NdpFrame { source_ip: CLIENT6, ..ndp::probe(OTHER, VIP6) };
        let own: Ipv6Addr = "fe80::1".parse().expect("an address");
        for (source, expected) in [(Some(own), own), (None, VIP6)] {
            let answer = NdpFrame::parse(&Frame::Ndp(question).answer(OWN, source)).expect("a frame");
            assert_eq!((answer.source_ip, answer.destination_ip), (expected, CLIENT6));
        }
    }
}
