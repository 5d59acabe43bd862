//! ROUTE-REFRESH (RFC 2918, RFC 7313).

use super::RawFamily;

/// A message of type 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family it is about.
    pub family: RawFamily,
    /// What it means.
    pub kind: RefreshKind,
}

/// Message subtype (RFC 7313 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshKind {
    /// 0: send the routes again.
    Request,
    /// 1: the routes follow.
    Begin,
    /// 2: those were all.
    End,
    /// Anything else, which is ignored (RFC 7313 section 5).
    Unknown(u8),
}
