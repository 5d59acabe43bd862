//! What two speakers agreed on: frozen when both OPENs are known, and all that reading and writing depend on.

use super::PerFamily;

/// What was negotiated for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// AS numbers have four octets (RFC 6793); otherwise AS_TRANS and AS4_PATH stand in.
    pub four_octet_as: bool,
    /// The peer is in another AS: no LOCAL_PREF, and its path begins with its AS.
    pub external: bool,
    /// Longest message that may be sent: 4,096 or 65,535 octets (RFC 8654).
    pub max_send: usize,
    /// Longest message that is read.
    pub max_receive: usize,
    /// Families that both carry.
    pub families: PerFamily<bool>,
    /// Path identifiers in NLRI (RFC 7911).
    pub add_path: PerFamily<AddPath>,
    /// Next hops of the other version of IP (RFC 8950) may be sent for the family; they are read where it is true.
    pub extended_next_hop: PerFamily<bool>,
}

/// Whether NLRI of a family carry path identifiers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddPath {
    /// In what is received.
    pub receive: bool,
    /// In what is sent.
    pub send: bool,
}
