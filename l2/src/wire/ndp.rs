//! Neighbor Solicitations and Advertisements over Ethernet (RFC 4861 §4.3, §4.4): strict parsing (§7.1), and the frames
//! an announcer sends.
//!
//! | frame | IPv6 destination | from | flags | link-layer option |
//! | --- | --- | --- | --- | --- |
//! | [`announcement`] | ff02::1 | own | Override | own |
//! | [`gateway_announcement`] | gateway | own | Override | own |
//! | [`answer`] | asker | own | Solicited, Override | own |
//! | [`answer`] to a probe | ff02::1 | own | Override | own |
//! | [`probe`] | solicited-node group of the VIP | :: | - | none |
//!
//! Override is always set, since without it a neighbour keeps another hardware address it knows (RFC 4861 §7.2.5), and
//! Router never: the VIP is a host, whatever the node is for addresses of its own.
//!
//! Packets with extension headers are not looked into: neighbours on a link send none (RFC 6980 forbids fragments).

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet_packet::icmpv6::{self, Icmpv6Packet};
use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};

use super::ETHERNET_LEN;

/// The group of all nodes on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Length in bytes of an IPv6 header without extensions.
const IPV6_LEN: usize = 40;

/// Length in bytes of a solicitation or advertisement without options.
const MESSAGE_LEN: usize = 24;

/// Length in bytes of an option with an Ethernet address.
const LINK_LAYER_OPTION_LEN: usize = 8;

/// What no router can forward, so that whoever sent it is on this link (RFC 4861 §11.2).
const HOP_LIMIT: u8 = 255;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// What a message says of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// Asks for its hardware address.
    Solicitation,
    /// Tells it.
    Advertisement {
        /// The sender is a router.
        router: bool,
        /// Answers a solicitation.
        solicited: bool,
        /// Replaces what is known already.
        overriding: bool,
    },
}

/// A solicitation or advertisement in its Ethernet frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NdpFrame {
    /// Ethernet source.
    pub source: MacAddr,
    /// Ethernet destination.
    pub destination: MacAddr,
    /// IPv6 source; `::` in a probe (RFC 4862 §5.4.2).
    pub source_ip: Ipv6Addr,
    /// IPv6 destination.
    pub destination_ip: Ipv6Addr,
    /// Asks or tells.
    pub message: Message,
    /// The address it is about.
    pub target: Ipv6Addr,
    /// The sender's hardware address: the option "source link-layer address" of a solicitation, "target link-layer
    /// address" of an advertisement.
    pub link_layer: Option<MacAddr>,
}

/// Why bytes are no [`NdpFrame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NdpError {
    /// The frame ends before the message does.
    #[error("frame of {0} bytes is shorter than its message")]
    Truncated(usize),
    /// Not IPv6 at all.
    #[error("ethertype {0:#06x} is not IPv6")]
    EtherType(u16),
    /// IPv6 of another version, or something other than ICMPv6.
    #[error("IP version {version} with next header {next_header} is not ICMPv6 without extensions")]
    Header {
        /// Of the header.
        version: u8,
        /// What follows it.
        next_header: u8,
    },
    /// It may come from beyond a router.
    #[error("hop limit {0} is not 255")]
    HopLimit(u8),
    /// ICMPv6, but another message.
    #[error("ICMPv6 type {kind} code {code} is neither solicitation nor advertisement")]
    Message {
        /// ICMPv6 type.
        kind: u8,
        /// ICMPv6 code.
        code: u8,
    },
    /// The checksum is wrong.
    #[error("the checksum is wrong")]
    Checksum,
    /// A group has no hardware address to ask for.
    #[error("target {0} is a group")]
    Target(Ipv6Addr),
    /// An option without length, longer than the message, or with an address that is not Ethernet's.
    #[error("option of type {0} has a wrong length")]
    Option(u8),
    /// No station sends from such an address, and answering it would reach everybody.
    #[error("hardware address {0} is not that of a station")]
    SenderHardware(MacAddr),
    /// A group sends nothing.
    #[error("source {0} is a group")]
    Source(Ipv6Addr),
    /// A probe that is not sent to the solicited-node group, or that tells a hardware address (RFC 4861 §7.1.1).
    #[error("a solicitation from :: must go to a solicited-node group and tell no hardware address")]
    Probe,
    /// It says that it answers somebody and tells all (RFC 4861 §7.1.2).
    #[error("an advertisement to the group {0} cannot be solicited")]
    Solicited(Ipv6Addr),
}

impl NdpFrame {
    /// Reads a frame; bytes after the IPv6 packet are padding.
    ///
    /// # Errors
    /// [`NdpError`] says which rule the bytes break.
    pub fn parse(bytes: &[u8]) -> Result<Self, NdpError> {
        let truncated = NdpError::Truncated(bytes.len());
        let ethernet = EthernetPacket::new(bytes).ok_or(truncated)?;
        if ethernet.get_ethertype() != EtherTypes::Ipv6 {
            return Err(NdpError::EtherType(ethernet.get_ethertype().0));
        }
        let ip = bytes.get(ETHERNET_LEN..).and_then(Ipv6Packet::new).ok_or(truncated)?;
        let (version, IpNextHeaderProtocol(next_header)) = (ip.get_version(), ip.get_next_header());
        if version != 6 || ip.get_next_header() != IpNextHeaderProtocols::Icmpv6 {
            return Err(NdpError::Header { version, next_header });
        }
        if ip.get_hop_limit() != HOP_LIMIT {
            return Err(NdpError::HopLimit(ip.get_hop_limit()));
        }
        let start = ETHERNET_LEN + IPV6_LEN;
        let payload = bytes.get(start..start + usize::from(ip.get_payload_length())).ok_or(truncated)?;
        let (Some(&[kind, code]), Some(&[flags]), Some(target), Some(options), Some(icmp)) = (
            payload.first_chunk::<2>(),
            payload.get(4..).and_then(|rest| rest.first_chunk::<1>()),
            payload.get(8..).and_then(|rest| rest.first_chunk::<16>()),
            payload.get(MESSAGE_LEN..),
            Icmpv6Packet::new(payload),
        ) else {
            return Err(truncated);
        };
        let (message, option) = match (kind, code) {
            (SOLICITATION, 0) => (Message::Solicitation, SOURCE_LINK_LAYER),
            (ADVERTISEMENT, 0) => {
                let [router, solicited, overriding] = [ROUTER, SOLICITED, OVERRIDE].map(|flag| flags & flag != 0);
                (Message::Advertisement { router, solicited, overriding }, TARGET_LINK_LAYER)
            }
            _ => return Err(NdpError::Message { kind, code }),
        };
        let (source_ip, destination_ip) = (ip.get_source(), ip.get_destination());
        if icmpv6::checksum(&icmp, &source_ip, &destination_ip) != icmp.get_checksum() {
            return Err(NdpError::Checksum);
        }
        let frame = Self {
            source: ethernet.get_source(),
            destination: ethernet.get_destination(),
            source_ip,
            destination_ip,
            message,
            target: Ipv6Addr::from(*target),
            link_layer: link_layer(options, option)?,
        };
        frame.checked()
    }

    /// The rules that concern several fields.
    fn checked(self) -> Result<Self, NdpError> {
        if self.target.is_multicast() {
            return Err(NdpError::Target(self.target));
        }
        if self.source_ip.is_multicast() {
            return Err(NdpError::Source(self.source_ip));
        }
        let group = |mac: &MacAddr| mac.is_zero() || mac.is_multicast();
        if let Some(mac) = [Some(self.source), self.link_layer].into_iter().flatten().find(group) {
            return Err(NdpError::SenderHardware(mac));
        }
        match self.message {
            Message::Solicitation
                if self.is_probe() && (!is_solicited_node(self.destination_ip) || self.link_layer.is_some()) =>
            {
                Err(NdpError::Probe)
            }
            Message::Advertisement { solicited: true, .. } if self.destination_ip.is_multicast() => {
                Err(NdpError::Solicited(self.destination_ip))
            }
            Message::Solicitation | Message::Advertisement { .. } => Ok(self),
        }
    }

    /// Writes the frame.
    pub fn encode(&self) -> Vec<u8> {
        let options = if self.link_layer.is_some() { LINK_LAYER_OPTION_LEN } else { 0 };
        let mut message = Vec::with_capacity(MESSAGE_LEN + options);
        let (kind, flags, option) = match self.message {
            Message::Solicitation => (SOLICITATION, 0, SOURCE_LINK_LAYER),
            Message::Advertisement { router, solicited, overriding } => {
                let flags = [(router, ROUTER), (solicited, SOLICITED), (overriding, OVERRIDE)];
                let flags = flags.into_iter().filter_map(|(set, flag)| set.then_some(flag)).sum();
                (ADVERTISEMENT, flags, TARGET_LINK_LAYER)
            }
        };
        message.extend([kind, 0, 0, 0, flags, 0, 0, 0]);
        message.extend(self.target.octets());
        if let Some(mac) = self.link_layer {
            message.extend([option, 1]);
            message.extend(mac.octets());
        }
        let checksum = Icmpv6Packet::new(&message)
            .map(|packet| icmpv6::checksum(&packet, &self.source_ip, &self.destination_ip).to_be_bytes());
        if let (Some(place), Some(checksum)) = (message.get_mut(2..4), checksum) {
            place.copy_from_slice(&checksum);
        }
        let mut frame = vec![0; ETHERNET_LEN + IPV6_LEN];
        let (header, packet) = frame.split_at_mut(ETHERNET_LEN);
        if let (Some(mut ethernet), Some(mut ip)) = (MutableEthernetPacket::new(header), MutableIpv6Packet::new(packet))
        {
            ethernet.set_destination(self.destination);
            ethernet.set_source(self.source);
            ethernet.set_ethertype(EtherTypes::Ipv6);
            ip.set_version(6);
            ip.set_payload_length(u16::try_from(message.len()).unwrap_or_default());
            ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
            ip.set_hop_limit(HOP_LIMIT);
            ip.set_source(self.source_ip);
            ip.set_destination(self.destination_ip);
        }
        frame.extend(message);
        frame
    }

    /// Whether this asks from nowhere whether anybody holds the target (RFC 4862 §5.4.2).
    pub fn is_probe(&self) -> bool {
        self.message == Message::Solicitation && self.source_ip.is_unspecified()
    }
}

/// The solicited-node group of `address` (RFC 4291 §2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The hardware address of a group (RFC 2464 §7).
pub fn group_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr::new(0x33, 0x33, a, b, c, d)
}

/// The unsolicited advertisement to all nodes that `vip` is at `mac` (RFC 4861 §7.2.6), from `source`, an address of the
/// sender.
pub fn announcement(mac: MacAddr, source: Ipv6Addr, vip: Ipv6Addr) -> NdpFrame {
    NdpFrame {
        source: mac,
        destination: group_mac(ALL_NODES),
        source_ip: source,
        destination_ip: ALL_NODES,
        message: Message::Advertisement { router: false, solicited: false, overriding: true },
        target: vip,
        link_layer: Some(mac),
    }
}

/// The same to a router alone, at `router_mac`.
pub fn gateway_announcement(
    mac: MacAddr,
    source: Ipv6Addr,
    vip: Ipv6Addr,
    router: Ipv6Addr,
    router_mac: MacAddr,
) -> NdpFrame {
    NdpFrame { destination: router_mac, destination_ip: router, ..announcement(mac, source, vip) }
}

/// The advertisement to whoever sent `solicitation`: its target is at `mac`. One that came from nowhere is answered to
/// all nodes, which defends the address (RFC 4861 §7.2.4).
pub fn answer(solicitation: &NdpFrame, mac: MacAddr, source: Ipv6Addr) -> NdpFrame {
    let to_all = announcement(mac, source, solicitation.target);
    if solicitation.is_probe() {
        return to_all;
    }
    NdpFrame {
        destination: solicitation.link_layer.unwrap_or(solicitation.source),
        destination_ip: solicitation.source_ip,
        message: Message::Advertisement { router: false, solicited: true, overriding: true },
        ..to_all
    }
}

/// The question whether anybody holds `vip`, from nobody (RFC 4862 §5.4.2).
pub fn probe(mac: MacAddr, vip: Ipv6Addr) -> NdpFrame {
    let group = solicited_node(vip);
    NdpFrame {
        source: mac,
        destination: group_mac(group),
        source_ip: Ipv6Addr::UNSPECIFIED,
        destination_ip: group,
        message: Message::Solicitation,
        target: vip,
        link_layer: None,
    }
}

fn is_solicited_node(address: Ipv6Addr) -> bool {
    solicited_node(address) == address
}

/// The first option of type `wanted`. Every option must be well-formed (RFC 4861 §7.1), those of other types are passed
/// over.
fn link_layer(mut options: &[u8], wanted: u8) -> Result<Option<MacAddr>, NdpError> {
    let mut found = None;
    while let Some((&kind, rest)) = options.split_first() {
        let len = rest.first().map_or(0, |units| usize::from(*units) * 8);
        let (Some(option), Some(following)) = (options.get(..len), options.get(len..)) else {
            return Err(NdpError::Option(kind));
        };
        match *option {
            [] => return Err(NdpError::Option(kind)),
            [_, _, ref address @ ..] if kind == wanted && address.len() == 6 => {
                found = found.or_else(|| address.first_chunk::<6>().copied().map(MacAddr::from));
            }
            _ if kind == wanted => return Err(NdpError::Option(kind)),
            _ => {}
        }
        options = following;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
