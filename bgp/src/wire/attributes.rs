//! Path attributes (RFC 4271 section 5 and later ones), decoded.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Community, ExtendedCommunity, LargeCommunity};

/// The attributes of a route. Equal routes have equal attributes: lists that are sets are in order and without repetition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// ORIGIN, code 1.
    pub origin: Origin,
    /// AS_PATH, code 2, with what AS4_PATH (code 17) knows better.
    pub as_path: AsPath,
    /// NEXT_HOP, code 3, or that of MP_REACH_NLRI.
    pub next_hop: NextHop,
    /// MULTI_EXIT_DISC, code 4.
    pub med: Option<u32>,
    /// LOCAL_PREF, code 5; within an AS only.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE, code 6.
    pub atomic_aggregate: bool,
    /// AGGREGATOR, code 7 (and 18).
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES, code 8.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID, code 9 (RFC 4456).
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST, code 10 (RFC 4456), in its order.
    pub cluster_list: Vec<Ipv4Addr>,
    /// EXTENDED COMMUNITIES, code 16.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY, code 32.
    pub large_communities: Vec<LargeCommunity>,
    /// Only To Customer, code 35 (RFC 9234).
    pub otc: Option<u32>,
    /// Transitive attributes that are not known here, by code; they are passed on with the Partial bit.
    pub unknown: Vec<UnknownAttribute>,
}

/// Where the route began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// 0.
    #[default]
    Igp,
    /// 1.
    Egp,
    /// 2.
    Incomplete,
}

/// The ASes a route went through, the last first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsPath(pub Vec<AsSegment>);

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsSegment {
    /// Whether its order means anything.
    pub kind: SegmentKind,
    /// Its ASes; never empty. More than 255 are split when sent.
    pub asns: Vec<u32>,
}

/// Kinds of segments (RFC 4271 section 4.3, RFC 5065).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    /// 1: AS_SET.
    Set,
    /// 2: AS_SEQUENCE.
    Sequence,
    /// 3: AS_CONFED_SEQUENCE.
    ConfedSequence,
    /// 4: AS_CONFED_SET.
    ConfedSet,
}

/// Where packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// One address.
    Address(IpAddr),
    /// A global and a link-local address of IPv6 (RFC 2545 section 3); without a global one it is unspecified.
    LinkLocal {
        /// The global one, or the link-local one again, or `::`.
        global: Ipv6Addr,
        /// The link-local one.
        link_local: Ipv6Addr,
    },
}

/// Who made an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregator {
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
}

/// An attribute that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownAttribute {
    /// Its flags.
    pub flags: u8,
    /// Its code.
    pub code: u8,
    /// Its value.
    pub value: Vec<u8>,
}

// === impl Attributes ===

impl Attributes {
    /// Those of a route that begins here: ORIGIN IGP, an empty path, and nothing else but the next hop.
    pub fn new(next_hop: NextHop) -> Self {
        Self {
            origin: Origin::Igp,
            as_path: AsPath::default(),
            next_hop,
            med: None,
            local_pref: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: Vec::new(),
            originator_id: None,
            cluster_list: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
            otc: None,
            unknown: Vec::new(),
        }
    }
}

// === impl AsPath ===

impl AsPath {
    /// Its length as the decision process counts it: a set is one, what is inside a confederation nothing (RFC 4271 section
    /// 9.1.2.2, RFC 5065 section 5.3).
    pub fn hops(&self) -> usize {
        let hops = |segment: &AsSegment| match segment.kind {
            SegmentKind::Sequence => segment.asns.len(),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        };
        self.0.iter().map(hops).sum()
    }

    /// Whether an AS is anywhere in it.
    pub fn contains(&self, asn: u32) -> bool {
        self.0.iter().any(|segment| segment.asns.contains(&asn))
    }

    /// The AS that the route came from last; `None` if that cannot be said.
    pub fn first(&self) -> Option<u32> {
        match self.0.first()? {
            AsSegment { kind: SegmentKind::Sequence, asns } => asns.first().copied(),
            _ => None,
        }
    }

    /// The AS in which the route began; `None` for one that begins in the own AS or ends in a set.
    pub fn origin_as(&self) -> Option<u32> {
        match self.0.last()? {
            AsSegment { kind: SegmentKind::Sequence, asns } => asns.last().copied(),
            _ => None,
        }
    }

    /// Puts an AS to the front, so many times (RFC 4271 section 5.1.2).
    pub fn prepend(&mut self, asn: u32, times: usize) {
        if times == 0 {
            return;
        }
        let own = std::iter::repeat_n(asn, times);
        match self.0.first_mut() {
            Some(AsSegment { kind: SegmentKind::Sequence, asns }) => {
                asns.splice(0..0, own);
            }
            _ => self.0.insert(0, AsSegment { kind: SegmentKind::Sequence, asns: own.collect() }),
        }
    }
}

impl fmt::Display for AsPath {
    /// As routers show it: `64500 64501 {64502,64503}`, a confederation's part in parentheses or brackets; `local` when empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("local");
        }
        for (index, segment) in self.0.iter().enumerate() {
            let (open, separator, close) = match segment.kind {
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::Sequence => ("", " ", ""),
                SegmentKind::ConfedSequence => ("(", " ", ")"),
                SegmentKind::ConfedSet => ("[", ",", "]"),
            };
            let asns: Vec<String> = segment.asns.iter().map(ToString::to_string).collect();
            write!(f, "{}{open}{}{close}", if index == 0 { "" } else { " " }, asns.join(separator))?;
        }
        Ok(())
    }
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Igp => "IGP",
            Self::Egp => "EGP",
            Self::Incomplete => "incomplete",
        })
    }
}

// === impl NextHop ===

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::LinkLocal { global, link_local } if global.is_unspecified() || global == link_local => {
                link_local.fmt(f)
            }
            Self::LinkLocal { global, link_local } => write!(f, "{global} ({link_local})"),
        }
    }
}

// === impl SegmentKind ===

impl SegmentKind {
    pub(super) fn to_wire(self) -> u8 {
        match self {
            Self::Set => 1,
            Self::Sequence => 2,
            Self::ConfedSequence => 3,
            Self::ConfedSet => 4,
        }
    }
}
