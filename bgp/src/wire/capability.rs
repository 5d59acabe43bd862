//! Capabilities (RFC 5492): what a peer says in its OPEN that it can do.

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::{EncodeError, RawFamily};

/// One capability. Anything unknown, or known but malformed in itself, is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Code 1: a family (RFC 4760).
    MultiProtocol(RawFamily),
    /// Code 2 (RFC 2918).
    RouteRefresh,
    /// Code 5: routes of the family with next hops of another AFI (RFC 8950).
    ExtendedNextHop(Vec<(RawFamily, u16)>),
    /// Code 6: messages of up to 65,535 octets (RFC 8654).
    ExtendedMessage,
    /// Code 9 (RFC 9234).
    Role(Role),
    /// Code 64 (RFC 4724, RFC 8538).
    GracefulRestart(GracefulRestart),
    /// Code 65: the AS number in four octets (RFC 6793).
    FourOctetAs(u32),
    /// Code 69 (RFC 7911).
    AddPath(Vec<(RawFamily, AddPathMode)>),
    /// Code 70 (RFC 7313).
    EnhancedRouteRefresh,
    /// Code 71 (RFC 9494).
    LongLivedGracefulRestart(Vec<LongLived>),
    /// Code 73: name and domain of the speaker (draft-walton-bgp-hostname-capability).
    Fqdn {
        /// Host name.
        host: String,
        /// Domain name, seldom given.
        domain: String,
    },
    /// Any other.
    Unknown {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// What the restarting side says (RFC 4724 section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GracefulRestart {
    /// R bit: the speaker has restarted.
    pub restarting: bool,
    /// N bit: NOTIFICATION and an expired hold timer are restarts too (RFC 8538).
    pub notification: bool,
    /// Restart Time in seconds, 0 to 4,095.
    pub restart_time: u16,
    /// Families, and whether their forwarding state outlived the restart (F bit).
    pub families: Vec<(RawFamily, bool)>,
}

/// A family of the long-lived graceful restart capability (RFC 9494 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongLived {
    /// The family.
    pub family: RawFamily,
    /// F bit.
    pub forwarding: bool,
    /// Long-lived Stale Time in seconds, 24 bits.
    pub stale_time: u32,
}

/// Which way several paths of one prefix go (RFC 7911 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddPathMode {
    /// 1: able to receive.
    Receive,
    /// 2: able to send.
    Send,
    /// 3.
    Both,
}

/// Role of the sender in the relation of the two ASes (RFC 9234 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// 0.
    Provider,
    /// 1.
    RouteServer,
    /// 2.
    RouteServerClient,
    /// 3.
    Customer,
    /// 4.
    Peer,
}

/// Capability codes (registry "Capability Codes").
pub mod code {
    /// Multiprotocol Extensions for BGP-4.
    pub const MULTI_PROTOCOL: u8 = 1;
    /// Route Refresh Capability for BGP-4.
    pub const ROUTE_REFRESH: u8 = 2;
    /// Extended Next Hop Encoding.
    pub const EXTENDED_NEXT_HOP: u8 = 5;
    /// BGP Extended Message.
    pub const EXTENDED_MESSAGE: u8 = 6;
    /// BGP Role.
    pub const ROLE: u8 = 9;
    /// Graceful Restart Capability.
    pub const GRACEFUL_RESTART: u8 = 64;
    /// Support for 4-octet AS number capability.
    pub const FOUR_OCTET_AS: u8 = 65;
    /// ADD-PATH Capability.
    pub const ADD_PATH: u8 = 69;
    /// Enhanced Route Refresh Capability.
    pub const ENHANCED_ROUTE_REFRESH: u8 = 70;
    /// Long-Lived Graceful Restart (LLGR) Capability.
    pub const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
    /// FQDN Capability.
    pub const FQDN: u8 = 73;
}

/// Flags of the graceful restart capability, in the first octet of its time (RFC 4724 section 3, RFC 8538 section 2).
const RESTARTING: u16 = 0x8000;
const NOTIFICATION: u16 = 0x4000;
const RESTART_TIME: u16 = 0x0fff;
/// Flag of a family in both restart capabilities.
const FORWARDING: u8 = 0x80;
/// Longest time of LLGR, in seconds: 24 bits.
const MAX_STALE_TIME: u32 = 0x00ff_ffff;

// === impl Capability ===

impl Capability {
    /// Code of the capability.
    pub fn code(&self) -> u8 {
        match self {
            Self::MultiProtocol(_) => code::MULTI_PROTOCOL,
            Self::RouteRefresh => code::ROUTE_REFRESH,
            Self::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => code::EXTENDED_MESSAGE,
            Self::Role(_) => code::ROLE,
            Self::GracefulRestart(_) => code::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Self::AddPath(_) => code::ADD_PATH,
            Self::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Self::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Self::Fqdn { .. } => code::FQDN,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// Reads one; `None` if it is cut off.
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let code = cursor.u8()?;
        let value = cursor.short()?;
        Some(Self::of(code, value).unwrap_or_else(|| Self::Unknown { code, value: value.to_vec() }))
    }

    /// What a value means; `None` if it is nothing that is known, or is malformed.
    fn of(code: u8, value: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(value);
        let capability = match code {
            code::MULTI_PROTOCOL => {
                let (afi, _reserved, safi) = (cursor.u16()?, cursor.u8()?, cursor.u8()?);
                Self::MultiProtocol(RawFamily { afi, safi })
            }
            code::ROUTE_REFRESH => Self::RouteRefresh,
            code::EXTENDED_NEXT_HOP => Self::ExtendedNextHop(entries(&mut cursor, |cursor| {
                // The SAFI has two octets here (RFC 8950 section 4).
                let (afi, safi) = (cursor.u16()?, u8::try_from(cursor.u16()?).ok()?);
                Some(Some((RawFamily { afi, safi }, cursor.u16()?)))
            })?),
            code::EXTENDED_MESSAGE => Self::ExtendedMessage,
            code::ROLE => Self::Role(Role::from_wire(cursor.u8()?)?),
            code::GRACEFUL_RESTART => {
                let head = cursor.u16()?;
                Self::GracefulRestart(GracefulRestart {
                    restarting: head & RESTARTING != 0,
                    notification: head & NOTIFICATION != 0,
                    restart_time: head & RESTART_TIME,
                    families: entries(&mut cursor, |cursor| {
                        let family = family(cursor)?;
                        Some(Some((family, cursor.u8()? & FORWARDING != 0)))
                    })?,
                })
            }
            code::FOUR_OCTET_AS => Self::FourOctetAs(cursor.u32()?),
            // Deviation: RFC 7911 section 4 wants the whole capability ignored for one mode that does not exist. The peer
            // would go on to send path identifiers for the other families, and they would be read as prefixes.
            code::ADD_PATH => Self::AddPath(entries(&mut cursor, |cursor| {
                let family = family(cursor)?;
                Some(AddPathMode::from_wire(cursor.u8()?).map(|mode| (family, mode)))
            })?),
            code::ENHANCED_ROUTE_REFRESH => Self::EnhancedRouteRefresh,
            code::LONG_LIVED_GRACEFUL_RESTART => Self::LongLivedGracefulRestart(entries(&mut cursor, |cursor| {
                let family = family(cursor)?;
                let [flags, time @ ..] = cursor.array::<4>()?;
                let [high, middle, low] = time;
                let stale_time = u32::from_be_bytes([0, high, middle, low]);
                Some(Some(LongLived { family, forwarding: flags & FORWARDING != 0, stale_time }))
            })?),
            code::FQDN => {
                let host = std::str::from_utf8(cursor.short()?).ok()?.to_owned();
                let domain = if cursor.is_empty() { &[] } else { cursor.short()? };
                Self::Fqdn { host, domain: std::str::from_utf8(domain).ok()?.to_owned() }
            }
            _ => return None,
        };
        cursor.is_empty().then_some(capability)
    }

    /// Writes it with code and length.
    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        out.put_slice(&[self.code(), 0]);
        match self {
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {}
            Self::MultiProtocol(family) => {
                out.put_u16(family.afi);
                out.put_slice(&[0, family.safi]);
            }
            Self::ExtendedNextHop(entries) => {
                for (family, next_hop_afi) in entries {
                    out.put_u16(family.afi);
                    out.put_u16(family.safi.into());
                    out.put_u16(*next_hop_afi);
                }
            }
            Self::Role(role) => out.put_u8(role.to_wire()),
            Self::GracefulRestart(restart) => {
                let flags = [(restart.restarting, RESTARTING), (restart.notification, NOTIFICATION)];
                let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
                out.put_u16(flags | restart.restart_time.min(RESTART_TIME));
                for (family, forwarding) in &restart.families {
                    put_family(out, *family);
                    out.put_u8(if *forwarding { FORWARDING } else { 0 });
                }
            }
            Self::FourOctetAs(asn) => out.put_u32(*asn),
            Self::AddPath(entries) => {
                for (family, mode) in entries {
                    put_family(out, *family);
                    out.put_u8(mode.to_wire());
                }
            }
            Self::LongLivedGracefulRestart(families) => {
                for entry in families {
                    put_family(out, entry.family);
                    let flags = if entry.forwarding { u32::from(FORWARDING) << 24 } else { 0 };
                    out.put_u32(flags | entry.stale_time.min(MAX_STALE_TIME));
                }
            }
            Self::Fqdn { host, domain } => {
                for name in [host, domain] {
                    let octets = name.len();
                    let too_long = EncodeError::CapabilityTooLong { code: self.code(), octets };
                    out.put_u8(u8::try_from(octets).ok().ok_or(too_long)?);
                    out.put_slice(name.as_bytes());
                }
            }
            Self::Unknown { value, .. } => out.put_slice(value),
        }
        let octets = out.len() - start - 2;
        let too_long = EncodeError::CapabilityTooLong { code: self.code(), octets };
        let length = u8::try_from(octets).ok().ok_or(too_long)?;
        if let Some(place) = out.get_mut(start + 1) {
            *place = length;
        }
        Ok(())
    }
}

fn family(cursor: &mut Cursor<'_>) -> Option<RawFamily> {
    Some(RawFamily { afi: cursor.u16()?, safi: cursor.u8()? })
}

fn put_family(out: &mut BytesMut, family: RawFamily) {
    out.put_u16(family.afi);
    out.put_u8(family.safi);
}

/// All entries up to the end: `None` if one is cut off, without those that mean nothing.
fn entries<'a, T>(
    cursor: &mut Cursor<'a>,
    mut entry: impl FnMut(&mut Cursor<'a>) -> Option<Option<T>>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    while !cursor.is_empty() {
        all.extend(entry(cursor)?);
    }
    Some(all)
}

// === impl AddPathMode ===

impl AddPathMode {
    fn from_wire(mode: u8) -> Option<Self> {
        match mode {
            1 => Some(Self::Receive),
            2 => Some(Self::Send),
            3 => Some(Self::Both),
            _ => None,
        }
    }

    fn to_wire(self) -> u8 {
        match self {
            Self::Receive => 1,
            Self::Send => 2,
            Self::Both => 3,
        }
    }

    /// Whether the side that says so can receive several paths.
    pub fn receives(self) -> bool {
        matches!(self, Self::Receive | Self::Both)
    }

    /// Whether the side that says so can send several paths.
    pub fn sends(self) -> bool {
        matches!(self, Self::Send | Self::Both)
    }
}

// === impl Role ===

impl Role {
    fn from_wire(role: u8) -> Option<Self> {
        [Self::Provider, Self::RouteServer, Self::RouteServerClient, Self::Customer, Self::Peer]
            .into_iter()
            .find(|known| known.to_wire() == role)
    }

    fn to_wire(self) -> u8 {
        match self {
            Self::Provider => 0,
            Self::RouteServer => 1,
            Self::RouteServerClient => 2,
            Self::Customer => 3,
            Self::Peer => 4,
        }
    }

    /// The role that the other side must have (RFC 9234 section 4.2).
    #[must_use]
    pub fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Peer => Self::Peer,
        }
    }
}
