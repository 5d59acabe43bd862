//! Ranges of addresses as pools list them: a CIDR prefix or `first-last`.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};
use thiserror::Error;

/// Addresses from `first` to `last`, both included, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No `-` in it, and no prefix either.
    #[error("invalid CIDR {0:?}: write a prefix such as 192.0.2.0/24, 2001:db8::/120, or {1}")]
    Cidr(String, String),
    /// One of the ends is no address.
    #[error("invalid IP range {0:?}: write it as first-last, for example 192.0.2.10-192.0.2.20")]
    Range(String),
    /// One end is IPv4, the other IPv6.
    #[error("invalid IP range {0:?}: both ends must be of the same family")]
    MixedFamilies(String),
    /// The last comes before the first.
    #[error("invalid IP range {0:?}: the first address must not be above the last")]
    Reversed(String),
}

/// Reads an address. An IPv4-mapped one (RFC 4291 section 2.5.5.2) is the IPv4 address that it holds, as it is for
/// everything in Kubernetes; `None`: it is none.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// A prefix of IPv4-mapped addresses is the prefix of the IPv4 addresses that they hold.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED: u8 = 96; // ::ffff:0:0/96
    let mapped = |net: Ipv6Net| {
        let length = net.prefix_len().checked_sub(MAPPED)?;
        Ipv4Net::new(net.network().to_ipv4_mapped()?, length).ok()
    };
    match net {
        IpNet::V6(v6) => mapped(v6).map_or(net, IpNet::V4),
        IpNet::V4(_) => net,
    }
}

impl AddressRange {
    /// Reads a CIDR (bits behind the prefix are masked off) or `first-last`; IPv4-mapped addresses count as IPv4.
    ///
    /// # Errors
    /// [`AddressError`] says what is expected instead.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let Some((first, last)) = text.split_once('-') else {
            let net: IpNet = text.parse().map_err(|_no_prefix| {
                let single = match text.parse::<IpAddr>() {
                    Ok(IpAddr::V4(ip)) => format!("{ip}/32 for a single address"),
                    Ok(IpAddr::V6(ip)) => format!("{ip}/128 for a single address"),
                    Err(_) => "a range such as 192.0.2.10-192.0.2.20".to_owned(),
                };
                AddressError::Cidr(text.to_owned(), single)
            })?;
            return Ok(Self::from(canonical(net)));
        };
        let end = |text_of_end: &str| -> Result<IpAddr, AddressError> {
            parse_ip(text_of_end.trim()).ok_or_else(|| AddressError::Range(text.to_owned()))
        };
        let (first, last) = (end(first)?, end(last)?);
        if first.is_ipv4() != last.is_ipv4() {
            return Err(AddressError::MixedFamilies(text.to_owned()));
        }
        if first > last {
            return Err(AddressError::Reversed(text.to_owned()));
        }
        Ok(Self { first, last })
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// How many addresses there are; a whole IPv6 address space counts one less.
    pub fn size(&self) -> u128 {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(u32::from(last)) - u128::from(u32::from(first)) + 1,
            (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(last) - u128::from(first)).saturating_add(1),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
        }
    }

    /// Whether `ip` lies in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.first <= ip && ip <= self.last && ip.is_ipv4() == self.first.is_ipv4()
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4() && self.first <= other.last && other.first <= self.last
    }

    /// The fewest prefixes that cover exactly this range, ascending.
    pub fn cidrs(&self) -> Vec<IpNet> {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => Ipv4Subnets::new(first, last, 0).map(IpNet::from).collect(),
            (IpAddr::V6(first), IpAddr::V6(last)) => Ipv6Subnets::new(first, last, 0).map(IpNet::from).collect(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
        }
    }
}

impl From<IpNet> for AddressRange {
    fn from(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self { first: net.network().into(), last: net.broadcast().into() },
            IpNet::V6(net) => Self { first: net.network().into(), last: net.broadcast().into() },
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cidrs().as_slice() {
            [one] => write!(f, "{one}"),
            _ => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// Whether `ip` is an IPv4 address that ends in .0 or .255, which some old clients take for a broadcast address.
pub fn is_buggy(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [_, _, _, 0 | 255]),
        IpAddr::V6(_) => false,
    }
}

/// How many addresses of `range` are buggy by [`is_buggy`].
pub fn count_buggy(range: &AddressRange) -> u128 {
    let (IpAddr::V4(first), IpAddr::V4(last)) = (range.first, range.last) else { return 0 };
    // Those ending in .0 and those ending in .255, counted as multiples of 256 in each shifted interval.
    let multiples = |from: u64, to: u64| (to / 256 + 1).saturating_sub(from.div_ceil(256));
    let (first, last) = (u64::from(u32::from(first)), u64::from(u32::from(last)));
    u128::from(multiples(first, last) + multiples(first + 1, last + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> AddressRange {
        AddressRange::parse(text).unwrap()
    }

    #[test]
    fn prefixes_lose_their_host_bits() {
        let masked = range("10.20.30.40/24");
        assert_eq!((masked.first(), masked.last()), ("10.20.30.0".parse().unwrap(), "10.20.30.255".parse().unwrap()));
        assert_eq!(masked.to_string(), "10.20.30.0/24");
    }

    #[test]
    fn ranges_are_trimmed_and_print_as_they_are_best_read() {
        assert_eq!(range("192.0.2.10 - 192.0.2.20").to_string(), "192.0.2.10-192.0.2.20");
        assert_eq!(range("192.0.2.0-192.0.2.255").to_string(), "192.0.2.0/24");
        assert_eq!(range("fd00::1-fd00::3").cidrs().len(), 2);
    }

    #[test]
    fn what_is_no_range_is_refused_with_what_would_be_one() {
        let refused = |text: &str| AddressRange::parse(text).unwrap_err().to_string();
        assert!(refused("192.0.2.1").contains("192.0.2.1/32"), "{}", refused("192.0.2.1"));
        assert!(refused("192.0.2.0/33").starts_with("invalid CIDR \"192.0.2.0/33\""));
        assert!(refused("192.0.2.1-").starts_with("invalid IP range"));
        assert!(refused("192.0.2.1-fd00::1").contains("same family"));
        assert!(refused("fd00::1-192.0.2.1").contains("same family"));
        assert!(refused("192.0.2.9-192.0.2.1").contains("must not be above"));
    }

    #[test]
    fn mapped_addresses_are_those_that_they_hold() {
        for (written, meant) in [
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.77/128", "192.0.2.77/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:192.0.2.10-::ffff:c000:214", "192.0.2.10-192.0.2.20"),
            ("192.0.2.10-::ffff:192.0.2.20", "192.0.2.10-192.0.2.20"),
            ("::fffe:0:0/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(range(written).to_string(), meant, "{written}");
        }
        assert!(AddressRange::parse("::fffe:0:1-::ffff:192.0.2.1").is_err());
        assert_eq!(parse_ip("::ffff:192.0.2.1"), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(parse_ip("fe80::1%eth0"), None);
    }

    proptest! {
        #[test]
        fn buggy_addresses_are_counted_as_one_by_one(first in any::<u32>(), length in 0u32..2000) {
            let last = first.saturating_add(length);
            let range = AddressRange { first: IpAddr::V4(first.into()), last: IpAddr::V4(last.into()) };
            let naive = (first..=last).filter(|ip| is_buggy(IpAddr::V4((*ip).into()))).count();
            prop_assert_eq!(count_buggy(&range), naive as u128);
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,40}") {
            if let Ok(range) = AddressRange::parse(&text) {
                prop_assert!(range.contains(range.first()) && range.contains(range.last()));
            }
        }
    }
}
