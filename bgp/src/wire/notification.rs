//! NOTIFICATION (RFC 4271 sections 4.5 and 6, and the registry of its codes).

use smallvec::SmallVec;

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// What belongs to it.
    pub data: SmallVec<[u8; 16]>,
}
