//! OPEN (RFC 4271 section 4.2; parameters over 255 octets by RFC 9072).

use std::net::Ipv4Addr;

use super::Capability;

/// What a speaker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// AS number: that of capability 65 where given, else the two octets of the header.
    pub asn: u32,
    /// Hold Time in seconds: 0, or 3 and more.
    pub hold_time: u16,
    /// BGP Identifier (RFC 6286: any but 0).
    pub router_id: Ipv4Addr,
    /// Capabilities in the order in which they came.
    pub capabilities: Vec<Capability>,
}
