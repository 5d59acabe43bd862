//! Well-known communities that change what is done with a route.

use crate::wire::Community;

/// RFC 8326.
pub(super) const GRACEFUL_SHUTDOWN: Community = Community(0xffff_0000);
/// RFC 9494.
pub(super) const LLGR_STALE: Community = Community(0xffff_0006);
/// RFC 9494.
pub(super) const NO_LLGR: Community = Community(0xffff_0007);
/// RFC 1997: to nobody.
pub(super) const NO_ADVERTISE: Community = Community(0xffff_ff02);
/// RFC 1997: not out of the AS (or confederation).
pub(super) const NO_EXPORT: Community = Community(0xffff_ff01);
/// RFC 1997: not to external peers, members of a confederation included.
pub(super) const NO_EXPORT_SUBCONFED: Community = Community(0xffff_ff03);
