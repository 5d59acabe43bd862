//! ARP over Ethernet for IPv4 (RFC 826): strict parsing, and the frames an announcer sends.
//!
//! | frame | Ethernet destination | operation | target hardware | target protocol |
//! | --- | --- | --- | --- | --- |
//! | [`announce_request`] | broadcast | request | zero | VIP |
//! | [`announce_reply`] | broadcast | reply | own | VIP |
//! | [`gateway_request`] | gateway or broadcast | request | zero | gateway |
//! | [`answer`] | asker | reply | asker | asker |
//! | [`probe`] | broadcast | request | zero | VIP |
//!
//! The sender fields hold the own hardware address and the VIP; a probe has 0.0.0.0 instead of the VIP, so that nobody
//! learns from it (RFC 5227 §2.1.1). The request form is the announcement of RFC 5227
//! §2.3; the reply form is that of RFC 5944 §4.6 with the own address as target, because Linux takes a reply as
//! gratuitous only then and otherwise keeps an entry younger than its lock time of one second.
//!
//! Frames are padded with zeros to [`FRAME_LEN`], the Ethernet minimum without checksum, so that drivers that do not pad
//! need not.

use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperation, ArpOperations, ArpPacket, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};

use super::ETHERNET_LEN;

/// Length in bytes of every frame built here: the Ethernet minimum (IEEE 802.3) without frame check sequence.
pub const FRAME_LEN: usize = 60;

/// Length in bytes of an ARP packet for IPv4 over Ethernet.
const ARP_LEN: usize = 28;

/// Length in bytes of a hardware address.
const HARDWARE_LEN: u8 = 6;

/// Length in bytes of a protocol address.
const PROTOCOL_LEN: u8 = 4;

/// What an ARP packet is for (`ar$op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Asks for the hardware address of the target, 1.
    Request,
    /// Tells that of the sender, 2.
    Reply,
    /// Something else, such as RARP or `InARP`; carried, never acted upon.
    Unknown(u16),
}

impl From<ArpOperation> for Operation {
    fn from(operation: ArpOperation) -> Self {
        match operation {
            ArpOperations::Request => Self::Request,
            ArpOperations::Reply => Self::Reply,
            ArpOperation(code) => Self::Unknown(code),
        }
    }
}

impl From<Operation> for ArpOperation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Request => ArpOperations::Request,
            Operation::Reply => ArpOperations::Reply,
            Operation::Unknown(code) => Self(code),
        }
    }
}

/// An ARP packet for IPv4 in its Ethernet frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpFrame {
    /// Ethernet source.
    pub source: MacAddr,
    /// Ethernet destination.
    pub destination: MacAddr,
    /// What the packet is for.
    pub operation: Operation,
    /// Sender hardware address (`ar$sha`).
    pub sender_mac: MacAddr,
    /// Sender protocol address (`ar$spa`); 0.0.0.0 in a probe (RFC 5227 §1.1).
    pub sender_ip: Ipv4Addr,
    /// Target hardware address (`ar$tha`), meaningless in requests.
    pub target_mac: MacAddr,
    /// Target protocol address (`ar$tpa`).
    pub target_ip: Ipv4Addr,
}

/// Why bytes are no [`ArpFrame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArpError {
    /// The frame ends before the packet does.
    #[error("frame of {0} bytes is shorter than an ARP packet")]
    Truncated(usize),
    /// Not ARP at all.
    #[error("ethertype {0:#06x} is not ARP")]
    EtherType(u16),
    /// ARP, but not for IPv4 over Ethernet.
    #[error(
        "ARP for hardware type {hardware}, protocol {protocol:#06x} with addresses of {hardware_len} and {protocol_len} bytes is not IPv4 over Ethernet"
    )]
    Family {
        /// `ar$hrd`
        hardware: u16,
        /// `ar$pro`
        protocol: u16,
        /// `ar$hln`
        hardware_len: u8,
        /// `ar$pln`
        protocol_len: u8,
    },
    /// No station sends from such an address, and answering it would reach everybody.
    #[error("sender hardware address {0} is not that of a station")]
    SenderHardware(MacAddr),
}

impl ArpFrame {
    /// Reads a frame; bytes after the packet are padding.
    ///
    /// # Errors
    /// [`ArpError`] says which rule the bytes break.
    pub fn parse(bytes: &[u8]) -> Result<Self, ArpError> {
        let truncated = ArpError::Truncated(bytes.len());
        let ethernet = EthernetPacket::new(bytes).ok_or(truncated)?;
        let ether_type = ethernet.get_ethertype();
        if ether_type != EtherTypes::Arp {
            return Err(ArpError::EtherType(ether_type.0));
        }
        let arp = bytes.get(ETHERNET_LEN..ETHERNET_LEN + ARP_LEN).and_then(ArpPacket::new).ok_or(truncated)?;
        if arp.get_hardware_type() != ArpHardwareTypes::Ethernet
            || arp.get_protocol_type() != EtherTypes::Ipv4
            || arp.get_hw_addr_len() != HARDWARE_LEN
            || arp.get_proto_addr_len() != PROTOCOL_LEN
        {
            return Err(ArpError::Family {
                hardware: arp.get_hardware_type().0,
                protocol: arp.get_protocol_type().0,
                hardware_len: arp.get_hw_addr_len(),
                protocol_len: arp.get_proto_addr_len(),
            });
        }
        let sender_mac = arp.get_sender_hw_addr();
        if sender_mac.is_zero() || sender_mac.is_multicast() {
            return Err(ArpError::SenderHardware(sender_mac));
        }
        Ok(Self {
            source: ethernet.get_source(),
            destination: ethernet.get_destination(),
            operation: arp.get_operation().into(),
            sender_mac,
            sender_ip: arp.get_sender_proto_addr(),
            target_mac: arp.get_target_hw_addr(),
            target_ip: arp.get_target_proto_addr(),
        })
    }

    /// Writes the frame, padded to [`FRAME_LEN`].
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = vec![0; FRAME_LEN];
        let (header, packet) = frame.split_at_mut(ETHERNET_LEN);
        if let (Some(mut ethernet), Some(mut arp)) = (MutableEthernetPacket::new(header), MutableArpPacket::new(packet))
        {
            ethernet.set_destination(self.destination);
            ethernet.set_source(self.source);
            ethernet.set_ethertype(EtherTypes::Arp);
            arp.set_hardware_type(ArpHardwareTypes::Ethernet);
            arp.set_protocol_type(EtherTypes::Ipv4);
            arp.set_hw_addr_len(HARDWARE_LEN);
            arp.set_proto_addr_len(PROTOCOL_LEN);
            arp.set_operation(self.operation.into());
            arp.set_sender_hw_addr(self.sender_mac);
            arp.set_sender_proto_addr(self.sender_ip);
            arp.set_target_hw_addr(self.target_mac);
            arp.set_target_proto_addr(self.target_ip);
        }
        frame
    }

    /// Whether this is a request that tells instead of asks: sender and target are the same address (RFC 5227 §2.3).
    pub fn is_announcement(&self) -> bool {
        self.sender_ip == self.target_ip
    }
}

/// The announcement every stack learns from: a broadcast request from the VIP for the VIP (RFC 5227 §2.3).
pub fn announce_request(mac: MacAddr, vip: Ipv4Addr) -> ArpFrame {
    ArpFrame {
        source: mac,
        destination: MacAddr::broadcast(),
        operation: Operation::Request,
        sender_mac: mac,
        sender_ip: vip,
        target_mac: MacAddr::zero(),
        target_ip: vip,
    }
}

/// The same news as a broadcast reply, for stacks that learn only from replies (RFC 5944 §4.6).
pub fn announce_reply(mac: MacAddr, vip: Ipv4Addr) -> ArpFrame {
    ArpFrame { operation: Operation::Reply, target_mac: mac, ..announce_request(mac, vip) }
}

/// A request from the VIP for the gateway's address; unicast if the gateway's hardware address is known. Even a stack
/// without an entry for the VIP makes one from it, since it is the target (RFC 826).
pub fn gateway_request(mac: MacAddr, vip: Ipv4Addr, gateway: Ipv4Addr, gateway_mac: Option<MacAddr>) -> ArpFrame {
    ArpFrame {
        destination: gateway_mac.unwrap_or_else(MacAddr::broadcast),
        target_ip: gateway,
        ..announce_request(mac, vip)
    }
}

/// The question whether anybody holds `vip`, from nobody (RFC 5227 §2.1.1).
pub fn probe(mac: MacAddr, vip: Ipv4Addr) -> ArpFrame {
    ArpFrame { sender_ip: Ipv4Addr::UNSPECIFIED, ..announce_request(mac, vip) }
}

/// The unicast reply to `request`: its target address is at `mac`. Probes (RFC 5227 §2.1.1) are answered in the same
/// form.
pub fn answer(request: &ArpFrame, mac: MacAddr) -> ArpFrame {
    ArpFrame {
        source: mac,
        destination: request.sender_mac,
        operation: Operation::Reply,
        sender_mac: mac,
        sender_ip: request.target_ip,
        target_mac: request.sender_mac,
        target_ip: request.sender_ip,
    }
}

#[cfg(test)]
mod tests;
