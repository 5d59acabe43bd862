//! Capabilities (RFC 5492): what a peer says in its OPEN that it can do.

use super::RawFamily;

/// One capability. Anything unknown, or known but malformed in itself, is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Code 1: a family (RFC 4760).
    MultiProtocol(RawFamily),
    /// Code 2 (RFC 2918).
    RouteRefresh,
    /// Code 5: routes of the family with next hops of another AFI (RFC 8950).
    ExtendedNextHop(Vec<(RawFamily, u16)>),
    /// Code 6: messages of up to 65,535 octets (RFC 8654).
    ExtendedMessage,
    /// Code 9 (RFC 9234).
    Role(Role),
    /// Code 64 (RFC 4724, RFC 8538).
    GracefulRestart(GracefulRestart),
    /// Code 65: the AS number in four octets (RFC 6793).
    FourOctetAs(u32),
    /// Code 69 (RFC 7911).
    AddPath(Vec<(RawFamily, AddPathMode)>),
    /// Code 70 (RFC 7313).
    EnhancedRouteRefresh,
    /// Code 71 (RFC 9494).
    LongLivedGracefulRestart(Vec<LongLived>),
    /// Code 73: name and domain of the speaker (draft-walton-bgp-hostname-capability).
    Fqdn {
        /// Host name.
        host: String,
        /// Domain name, seldom given.
        domain: String,
    },
    /// Any other.
    Unknown {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// What the restarting side says (RFC 4724 section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GracefulRestart {
    /// R bit: the speaker has restarted.
    pub restarting: bool,
    /// N bit: NOTIFICATION and an expired hold timer are restarts too (RFC 8538).
    pub notification: bool,
    /// Restart Time in seconds, 0 to 4,095.
    pub restart_time: u16,
    /// Families, and whether their forwarding state outlived the restart (F bit).
    pub families: Vec<(RawFamily, bool)>,
}

/// A family of the long-lived graceful restart capability (RFC 9494 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongLived {
    /// The family.
    pub family: RawFamily,
    /// F bit.
    pub forwarding: bool,
    /// Long-lived Stale Time in seconds, 24 bits.
    pub stale_time: u32,
}

/// Which way several paths of one prefix go (RFC 7911 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddPathMode {
    /// 1: able to receive.
    Receive,
    /// 2: able to send.
    Send,
    /// 3.
    Both,
}

/// Role of the sender in the relation of the two ASes (RFC 9234 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// 0.
    Provider,
    /// 1.
    RouteServer,
    /// 2.
    RouteServerClient,
    /// 3.
    Customer,
    /// 4.
    Peer,
}
