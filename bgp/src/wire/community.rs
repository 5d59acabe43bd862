//! Communities: standard (RFC 1997), extended (RFC 4360, RFC 5668), large (RFC 8092), and how they are written.
//!
//! | kind | text |
//! | --- | --- |
//! | standard | `65000:100`, or a name: `no-export`, `no-advertise`, `no-export-subconfed`, `no-peer`, `blackhole`, `graceful-shutdown`, `llgr-stale`, `no-llgr`, `accept-own` |
//! | large | `large:65000:1:2` |
//! | extended | `rt:65000:100`, `soo:192.0.2.1:1`, `bandwidth:65000:12500000` (octets a second), `bandwidth-transitive:65000:12500000`, or its octets: `0x030c000000000008` |

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A standard community: 65535:666 is `0xffff_029a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Community(pub u32);

/// An extended community as its eight octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// A large community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LargeCommunity {
    /// Global Administrator.
    pub global: u32,
    /// Local Data Part 1.
    pub local1: u32,
    /// Local Data Part 2.
    pub local2: u32,
}

/// The bandwidth of a link (draft-ietf-idr-link-bandwidth): how much traffic a next hop wants in comparison with others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkBandwidth {
    /// Whether it leaves the AS that it was given in. On external sessions many receivers want it to.
    pub transitive: bool,
    /// AS that set it; one of four octets is AS_TRANS.
    pub asn: u16,
    /// Octets a second.
    pub bytes_per_second: f32,
}

/// A text that is no community.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommunityError {
    /// Not a standard one.
    #[error("{0:?} is no community: two numbers from 0 to 65535 as in \"65000:100\", or a name such as no-export")]
    Standard(String),
    /// Not a large one.
    #[error("{0:?} is no large community: three numbers from 0 to 4294967295 as in \"large:65000:1:2\"")]
    Large(String),
    /// Not an extended one.
    #[error(
        "{0:?} is no extended community: rt, soo, bandwidth or bandwidth-transitive, an AS or an address, and a number as in \
         \"rt:65000:100\", or eight octets as in \"0x0002fde800000064\""
    )]
    Extended(String),
}

/// Subtypes of extended communities (registry "Transitive Two-Octet AS-Specific Extended Community Sub-Types").
mod subtype {
    pub(super) const ROUTE_TARGET: u8 = 2;
    pub(super) const ROUTE_ORIGIN: u8 = 3;
    pub(super) const LINK_BANDWIDTH: u8 = 4;
}

/// Types of extended communities: what their first number is.
mod kind {
    pub(super) const TWO_OCTET_AS: u8 = 0;
    pub(super) const ADDRESS: u8 = 1;
    pub(super) const FOUR_OCTET_AS: u8 = 2;
    pub(super) const NON_TRANSITIVE: u8 = 0x40;
}

/// Names of communities that everybody knows (registry "BGP Well-known Communities").
const NAMES: [(Community, &str); 9] = [
    (Community::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
    (Community::ACCEPT_OWN, "accept-own"),
    (Community::LLGR_STALE, "llgr-stale"),
    (Community::NO_LLGR, "no-llgr"),
    (Community::BLACKHOLE, "blackhole"),
    (Community::NO_EXPORT, "no-export"),
    (Community::NO_ADVERTISE, "no-advertise"),
    (Community::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
    (Community::NO_PEER, "no-peer"),
];

// === impl Community ===

impl Community {
    /// 65535:0 (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// 65535:1 (RFC 7611).
    pub const ACCEPT_OWN: Self = Self(0xffff_0001);
    /// 65535:6 (RFC 9494).
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    /// 65535:7 (RFC 9494).
    pub const NO_LLGR: Self = Self(0xffff_0007);
    /// 65535:666 (RFC 7999).
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// 65535:65281 (RFC 1997).
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// 65535:65282 (RFC 1997).
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// 65535:65283 (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);
    /// 65535:65284 (RFC 3765).
    pub const NO_PEER: Self = Self(0xffff_ff04);

    /// Its name, if everybody knows it.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(community, _)| *community == self).map(|(_, name)| *name)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff)
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = || {
            let (high, low) = text.split_once(':')?;
            Some(Self(u32::from(number::<u16>(high)?) << 16 | u32::from(number::<u16>(low)?)))
        };
        let named = NAMES.iter().find(|(_, name)| *name == text).map(|(community, _)| *community);
        named.or_else(numbers).ok_or_else(|| CommunityError::Standard(text.to_owned()))
    }
}

// === impl LargeCommunity ===

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "large:{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl FromStr for LargeCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = || {
            let mut parts = text.strip_prefix("large:")?.split(':');
            let mut next = || parts.next().and_then(number::<u32>);
            let community = Self { global: next()?, local1: next()?, local2: next()? };
            parts.next().is_none().then_some(community)
        };
        numbers().ok_or_else(|| CommunityError::Large(text.to_owned()))
    }
}

// === impl ExtendedCommunity ===

impl ExtendedCommunity {
    /// A link bandwidth.
    pub fn link_bandwidth(bandwidth: LinkBandwidth) -> Self {
        let LinkBandwidth { transitive, asn, bytes_per_second } = bandwidth;
        let kind = if transitive { kind::TWO_OCTET_AS } else { kind::TWO_OCTET_AS | kind::NON_TRANSITIVE };
        let [high, low] = asn.to_be_bytes();
        let [a, b, c, d] = bytes_per_second.to_be_bytes();
        Self([kind, subtype::LINK_BANDWIDTH, high, low, a, b, c, d])
    }

    /// The link bandwidth that it is; `None` of others, and of one that is no quantity.
    pub fn as_link_bandwidth(&self) -> Option<LinkBandwidth> {
        let [kind, subtype, high, low, value @ ..] = self.0;
        let bytes_per_second = f32::from_be_bytes(value);
        let right = kind & !kind::NON_TRANSITIVE == kind::TWO_OCTET_AS
            && subtype == subtype::LINK_BANDWIDTH
            && bytes_per_second.is_finite()
            && bytes_per_second.is_sign_positive();
        right.then(|| LinkBandwidth {
            transitive: self.is_transitive(),
            asn: u16::from_be_bytes([high, low]),
            bytes_per_second,
        })
    }

    /// Whether it leaves the AS that it was given in (RFC 4360 section 2).
    pub fn is_transitive(&self) -> bool {
        let [kind, ..] = self.0;
        kind & kind::NON_TRANSITIVE == 0
    }

    fn octets(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", u64::from_be_bytes(self.0))
    }

    fn specific(subtype: u8, administrator: &str, value: &str) -> Option<Self> {
        let wide = |kind, administrator: [u8; 4]| {
            let [a, b, c, d] = administrator;
            let [high, low] = number::<u16>(value)?.to_be_bytes();
            Some(Self([kind, subtype, a, b, c, d, high, low]))
        };
        if let Some(asn) = number::<u16>(administrator) {
            let ([high, low], [a, b, c, d]) = (asn.to_be_bytes(), number::<u32>(value)?.to_be_bytes());
            Some(Self([kind::TWO_OCTET_AS, subtype, high, low, a, b, c, d]))
        } else if let Some(asn) = number::<u32>(administrator) {
            wide(kind::FOUR_OCTET_AS, asn.to_be_bytes())
        } else {
            wide(kind::ADDRESS, administrator.parse::<Ipv4Addr>().ok()?.octets())
        }
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bandwidth) = self.as_link_bandwidth() {
            let name = if bandwidth.transitive { "bandwidth-transitive" } else { "bandwidth" };
            return write!(f, "{name}:{}:{}", bandwidth.asn, bandwidth.bytes_per_second);
        }
        let [kind, subtype, ..] = self.0;
        let name = match subtype {
            subtype::ROUTE_TARGET => "rt",
            subtype::ROUTE_ORIGIN => "soo",
            _ => return self.octets(f),
        };
        let all = u64::from_be_bytes(self.0);
        let (short, long) = (all >> 32 & 0xffff, all >> 16 & 0xffff_ffff);
        match kind {
            kind::TWO_OCTET_AS => write!(f, "{name}:{short}:{}", all & 0xffff_ffff),
            // A number below 65,536 would read as one of two octets.
            kind::FOUR_OCTET_AS if long > 0xffff => write!(f, "{name}:{long}:{}", all & 0xffff),
            kind::ADDRESS => {
                let [_, _, address @ .., _, _] = self.0;
                write!(f, "{name}:{}:{}", Ipv4Addr::from(address), all & 0xffff)
            }
            _ => self.octets(f),
        }
    }
}

impl FromStr for ExtendedCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octets = |digits: &str| {
            let hexadecimal = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            hexadecimal.then(|| u64::from_str_radix(digits, 16).ok()).flatten().map(|all| Self(all.to_be_bytes()))
        };
        let bandwidth = |transitive, asn: &str, value: &str| {
            let bytes_per_second = value.parse::<f32>().ok().filter(|it| it.is_finite() && it.is_sign_positive())?;
            Some(Self::link_bandwidth(LinkBandwidth { transitive, asn: number(asn)?, bytes_per_second }))
        };
        let read = || {
            if let Some(digits) = text.strip_prefix("0x") {
                return octets(digits);
            }
            let (name, rest) = text.split_once(':')?;
            let (administrator, value) = rest.split_once(':')?;
            match name {
                "rt" => Self::specific(subtype::ROUTE_TARGET, administrator, value),
                "soo" => Self::specific(subtype::ROUTE_ORIGIN, administrator, value),
                "bandwidth" => bandwidth(false, administrator, value),
                "bandwidth-transitive" => bandwidth(true, administrator, value),
                _ => None,
            }
        };
        read().ok_or_else(|| CommunityError::Extended(text.to_owned()))
    }
}

/// Digits alone: no sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
