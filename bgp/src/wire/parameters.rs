//! What two speakers agreed on: frozen when both OPENs are known, and all that reading and writing depend on.

use super::{MAX_MESSAGE, PerFamily};

/// What was negotiated for a session.
///
/// The default is what holds before OPEN: an external peer with two-octet AS numbers, 4,096 octets, IPv4 unicast only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// AS numbers have four octets (RFC 6793); otherwise AS_TRANS and AS4_PATH stand in.
    pub four_octet_as: bool,
    /// The peer is in another AS: no LOCAL_PREF, and its path begins with its AS.
    pub external: bool,
    /// Longest message that may be sent: 4,096 or 65,535 octets (RFC 8654).
    pub max_send: usize,
    /// Longest message that is read.
    pub max_receive: usize,
    /// Families that both carry; routes of others are ignored.
    pub families: PerFamily<bool>,
    /// Path identifiers in NLRI (RFC 7911).
    pub add_path: PerFamily<AddPath>,
    /// Next hops of the other version of IP (RFC 8950) may be sent for the family; they are read where it is true.
    pub extended_next_hop: PerFamily<bool>,
}

/// Whether NLRI of a family carry path identifiers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddPath {
    /// In what is received.
    pub receive: bool,
    /// In what is sent.
    pub send: bool,
}

// === impl Parameters ===

impl Default for Parameters {
    fn default() -> Self {
        Self {
            four_octet_as: false,
            external: true,
            max_send: MAX_MESSAGE,
            max_receive: MAX_MESSAGE,
            families: PerFamily { ipv4: true, ipv6: false },
            add_path: PerFamily::default(),
            extended_next_hop: PerFamily::default(),
        }
    }
}
