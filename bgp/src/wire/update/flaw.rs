//! What can be wrong with a path attribute, and what follows from it (RFC 7606).

use std::fmt;

use crate::wire::notification::{Notification, update};

/// How far the damage of a malformed attribute goes (RFC 7606 section 2), the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// The attribute is dropped, the routes stay.
    Discard,
    /// The routes of the message count as withdrawn.
    TreatAsWithdraw,
    /// The session ends.
    Reset,
}

/// What is wrong with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flaw {
    /// These flags do not fit the attribute (RFC 7606 section 3c).
    Flags(u8),
    /// An attribute of this kind cannot have so many octets.
    Length(usize),
    /// The attribute ends behind the end of the list, or the list in the middle of an attribute's header (RFC 7606
    /// section 4).
    Overrun,
    /// The attribute came before in this message (RFC 7606 section 3g).
    Repeated,
    /// A well-known attribute that nobody knows.
    UnknownWellKnown,
    /// A mandatory attribute that is not there (RFC 7606 section 3d).
    Missing,
    /// ORIGIN is none of the three.
    Origin(u8),
    /// A segment of an AS path has a kind that does not exist.
    SegmentKind(u8),
    /// A segment of an AS path is empty.
    EmptySegment,
    /// An AS path ends in the middle of a segment.
    SegmentOverrun,
    /// A segment of a confederation in a path that comes from outside (RFC 5065 section 5).
    Confederation,
    /// AS 0 (RFC 7607; for Only To Customer RFC 9234).
    AsZero,
    /// A next hop that is no address of a host.
    NextHop,
    /// A next hop of a length that the family does not have, so that nobody knows where the prefixes begin.
    NextHopLength(u8),
    /// A prefix that is too long, or cut off.
    Prefixes,
    /// The attribute has no business in a message of a peer in another AS.
    Internal,
    /// AS4_PATH or AS4_AGGREGATOR where AS numbers have four octets anyway (RFC 6793 section 4.1).
    FourOctetAs,
    /// What is inside the attribute does not add up.
    Inside,
    /// The attribute is known, unused here, and not to be passed on.
    Unused,
}

/// A malformed or unwelcome attribute of an UPDATE and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttributeError {
    /// Code of the attribute.
    pub attribute: u8,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// What follows.
    pub disposition: Disposition,
}

// === impl Flaw ===

impl Flaw {
    fn subcode(self) -> u8 {
        match self {
            Self::Flags(_) => update::FLAGS,
            Self::Length(_) => update::LENGTH,
            Self::Overrun | Self::Repeated => update::ATTRIBUTE_LIST,
            Self::UnknownWellKnown => update::UNRECOGNIZED,
            Self::Missing => update::MISSING,
            Self::Origin(_) => update::ORIGIN,
            Self::SegmentKind(_) | Self::EmptySegment | Self::SegmentOverrun | Self::Confederation => update::AS_PATH,
            Self::NextHop => update::NEXT_HOP,
            Self::AsZero
            | Self::NextHopLength(_)
            | Self::Prefixes
            | Self::Internal
            | Self::FourOctetAs
            | Self::Inside
            | Self::Unused => update::OPTIONAL,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(flags) => write!(f, "flags {flags:#04x} do not fit it"),
            Self::Length(length) => write!(f, "it cannot be {length} octets long"),
            Self::Overrun => f.write_str("it does not fit into the list of attributes"),
            Self::Repeated => f.write_str("it is there more than once"),
            Self::UnknownWellKnown => f.write_str("it claims to be well-known and is not known"),
            Self::Missing => f.write_str("it is mandatory and missing"),
            Self::Origin(value) => write!(f, "{value} is none of the three origins"),
            Self::SegmentKind(kind) => write!(f, "there is no kind {kind} of segments"),
            Self::EmptySegment => f.write_str("a segment is empty"),
            Self::SegmentOverrun => f.write_str("a segment is cut off"),
            Self::Confederation => f.write_str("a segment of a confederation comes from outside"),
            Self::AsZero => f.write_str("AS 0 is reserved"),
            Self::NextHop => f.write_str("the next hop is no address of a host"),
            Self::NextHopLength(length) => write!(f, "a next hop of the family cannot be {length} octets long"),
            Self::Prefixes => f.write_str("a prefix is too long or cut off"),
            Self::Internal => f.write_str("it comes from another AS and is for peers within one"),
            Self::FourOctetAs => f.write_str("it stands in for AS numbers that are known without it"),
            Self::Inside => f.write_str("what is inside it does not add up"),
            Self::Unused => f.write_str("it is not used here"),
        }
    }
}

// === impl AttributeError ===

impl AttributeError {
    /// Subcode of the UPDATE Message Error that would tell a peer of it (RFC 4271 section 6.3).
    pub fn subcode(&self) -> u8 {
        match self.flaw.subcode() {
            update::OPTIONAL if self.attribute == super::code::AS_PATH => update::AS_PATH,
            subcode => subcode,
        }
    }

    /// The NOTIFICATION of RFC 4271 section 6.3 for it. `attribute` is the attribute as it came; of a missing one it is
    /// its code.
    pub(super) fn notification(&self, attribute: &[u8]) -> Notification {
        match self.subcode() {
            update::MISSING => Notification::update(update::MISSING, &[self.attribute]),
            // RFC 4271 section 6.3 gives no data for a malformed list and a malformed path.
            subcode @ (update::ATTRIBUTE_LIST | update::AS_PATH) => Notification::update(subcode, &[]),
            subcode => Notification::update(subcode, attribute),
        }
    }
}

impl fmt::Display for AttributeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match super::code::name(self.attribute) {
            Some(name) => write!(f, "{name}: {}", self.flaw),
            None => write!(f, "attribute {}: {}", self.attribute, self.flaw),
        }
    }
}
