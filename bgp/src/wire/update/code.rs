//! Codes of path attributes, and the flags that belong to them (registry "BGP Path Attributes").

/// Flags of an attribute (RFC 4271 section 4.3).
pub mod flag {
    /// Not every speaker knows it.
    pub const OPTIONAL: u8 = 0x80;
    /// It is passed on by those who do not know it.
    pub const TRANSITIVE: u8 = 0x40;
    /// Somebody on the way did not know it.
    pub const PARTIAL: u8 = 0x20;
    /// Its length has two octets.
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

use flag::{OPTIONAL, TRANSITIVE};

macro_rules! attributes {
    ($($constant:ident = $code:literal, $flags:expr, $name:literal;)*) => {
        $(#[doc = concat!($name, ".")] pub const $constant: u8 = $code;)*

        /// What the registry calls an attribute.
        pub fn name(code: u8) -> Option<&'static str> {
            match code {
                $($constant => Some($name),)*
                _ => None,
            }
        }

        /// Optional and Transitive of an attribute that is known here.
        pub(in crate::wire) fn flags(code: u8) -> Option<u8> {
            match code {
                $($constant => Some($flags),)*
                _ => None,
            }
        }
    };
}

attributes! {
    ORIGIN = 1, TRANSITIVE, "ORIGIN";
    AS_PATH = 2, TRANSITIVE, "AS_PATH";
    NEXT_HOP = 3, TRANSITIVE, "NEXT_HOP";
    MED = 4, OPTIONAL, "MULTI_EXIT_DISC";
    LOCAL_PREF = 5, TRANSITIVE, "LOCAL_PREF";
    ATOMIC_AGGREGATE = 6, TRANSITIVE, "ATOMIC_AGGREGATE";
    AGGREGATOR = 7, OPTIONAL | TRANSITIVE, "AGGREGATOR";
    COMMUNITIES = 8, OPTIONAL | TRANSITIVE, "COMMUNITIES";
    ORIGINATOR_ID = 9, OPTIONAL, "ORIGINATOR_ID";
    CLUSTER_LIST = 10, OPTIONAL, "CLUSTER_LIST";
    MP_REACH_NLRI = 14, OPTIONAL, "MP_REACH_NLRI";
    MP_UNREACH_NLRI = 15, OPTIONAL, "MP_UNREACH_NLRI";
    EXTENDED_COMMUNITIES = 16, OPTIONAL | TRANSITIVE, "EXTENDED COMMUNITIES";
    AS4_PATH = 17, OPTIONAL | TRANSITIVE, "AS4_PATH";
    AS4_AGGREGATOR = 18, OPTIONAL | TRANSITIVE, "AS4_AGGREGATOR";
    PMSI_TUNNEL = 22, OPTIONAL | TRANSITIVE, "PMSI_TUNNEL";
    TUNNEL_ENCAPSULATION = 23, OPTIONAL | TRANSITIVE, "Tunnel Encapsulation";
    IPV6_EXTENDED_COMMUNITIES = 25, OPTIONAL | TRANSITIVE, "IPv6 Address Specific Extended Community";
    AIGP = 26, OPTIONAL, "AIGP";
    LINK_STATE = 29, OPTIONAL, "BGP-LS Attribute";
    LARGE_COMMUNITIES = 32, OPTIONAL | TRANSITIVE, "LARGE_COMMUNITY";
    ONLY_TO_CUSTOMER = 35, OPTIONAL | TRANSITIVE, "Only to Customer (OTC)";
    PREFIX_SID = 40, OPTIONAL | TRANSITIVE, "BGP Prefix-SID";
}
