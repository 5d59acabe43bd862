//! What is configured about the session with a peer. Addresses, passwords and the like are the driver's.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::wire::{AddPathMode, PerFamily, Role};

/// Configuration of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who connects.
    pub mode: Mode,
    /// AS number of this router.
    pub asn: u32,
    /// AS number towards this peer where it shall see another one.
    pub local_asn: Option<u32>,
    /// AS number that the peer must have.
    pub remote_as: RemoteAs,
    /// Own BGP Identifier: any but 0.0.0.0.
    pub router_id: Ipv4Addr,
    /// Hold time offered: 0 (none), or 3 to 65,535 s. The smaller one of both speakers holds. Default 90 s.
    pub hold_time: Duration,
    /// Time between KEEPALIVE messages; a third of the hold time where there is none, and at most that. At least 1 s.
    pub keepalive: Option<Duration>,
    /// When to dial again.
    pub connect_retry: Retry,
    /// How long to wait for the peer's OPEN on a connection that it made before the own one is sent (RFC 4271 section 8.1.1,
    /// DelayOpen); none: not at all.
    pub delay_open: Option<Duration>,
    /// How long the peer may take nothing at all (RFC 9687); none: 8 min or twice the hold time, whichever is more. Ignored
    /// without a hold time.
    pub send_hold_time: Option<Duration>,
    /// What is offered by family.
    pub families: PerFamily<FamilyConfig>,
    /// Offer messages of up to 65,535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Send such messages where negotiated, not only read them. Larger messages delay what comes after them.
    pub send_extended_messages: bool,
    /// Graceful restart; none: it is not offered, and routes go with the session.
    pub graceful_restart: Option<GracefulRestart>,
    /// Own role towards the peer, for external peers (RFC 9234).
    pub role: Option<Role>,
    /// Refuse a peer without a role (RFC 9234 section 4.2, strict mode).
    pub strict_role: bool,
    /// Own name, shown by the peer (draft-walton-bgp-hostname-capability).
    pub host: Option<String>,
    /// When to try again after the peer told too many prefixes; none: when a person asks for it.
    pub prefix_limit_restart: Option<Duration>,
}

/// Who connects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// This side only.
    #[default]
    Active,
    /// The peer only.
    Passive,
    /// Either.
    Both,
}

/// Which AS a peer may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteAs {
    /// This one.
    Exactly(u32),
    /// Any but the own one.
    External,
    /// The own one.
    Internal,
}

/// Pauses between attempts: `first`, twice as much each time, at most `max`; less by up to a quarter at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure. Default 1 s.
    pub first: Duration,
    /// Upper bound. Default 120 s.
    pub max: Duration,
}

/// What is offered of a family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FamilyConfig {
    /// Whether the family is offered.
    pub enabled: bool,
    /// Several paths a prefix (RFC 7911).
    pub add_path: Option<AddPathMode>,
    /// Next hops of the other version of IP (RFC 8950).
    pub extended_next_hop: bool,
}

/// Graceful restart (RFC 4724).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Ask the peer to keep the own routes of these families over a restart of this speaker. Where none is asked for, this
    /// speaker still keeps the peer's routes ("helper").
    pub families: PerFamily<bool>,
    /// For how long: up to 4,095 s. Default 120 s.
    pub restart_time: Duration,
    /// Forwarding outlives the speaker (F bit). False after the node itself has started.
    pub forwarding: bool,
    /// Offer that NOTIFICATION and hold timer are restarts too (N bit, RFC 8538).
    pub notification: bool,
    /// Upper bound for how long the peer's routes are kept, whatever it asks for. Default 4,095 s.
    pub max_restart_time: Duration,
    /// Long-lived graceful restart; none: not offered.
    pub long_lived: Option<LongLived>,
}

/// Long-lived graceful restart (RFC 9494).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongLived {
    /// How long the peer shall keep the own routes, up to 16,777,215 s; zero: it shall not.
    pub stale_time: Duration,
    /// Upper bound for how long the peer's routes are kept.
    pub max_stale_time: Duration,
}

/// What a change of the configuration means for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is the same.
    Nothing,
    /// It holds at once, or for the next session.
    Live,
    /// The session has to begin anew.
    Reset,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// AS 0 (RFC 7607).
    #[error("{field} is 0, which is no AS number (RFC 7607)")]
    AsZero {
        /// `asn`, `local AS` or `remote AS`.
        field: &'static str,
    },
}

// === impl Config ===

impl Config {
    /// The defaults, for IPv4 and IPv6.
    pub fn new(asn: u32, remote_as: RemoteAs, router_id: Ipv4Addr) -> Self {
        Self {
            mode: Mode::Active,
            asn,
            local_asn: None,
            remote_as,
            router_id,
            hold_time: Duration::from_secs(90),
            keepalive: None,
            connect_retry: Retry::default(),
            delay_open: None,
            send_hold_time: None,
            families: PerFamily::from_fn(|_| FamilyConfig { enabled: true, ..FamilyConfig::default() }),
            extended_messages: true,
            send_extended_messages: false,
            graceful_restart: Some(GracefulRestart::default()),
            role: None,
            strict_role: false,
            host: None,
            prefix_limit_restart: None,
        }
    }

    /// AS number that the peer sees.
    pub fn own_asn(&self) -> u32 {
        self.local_asn.unwrap_or(self.asn)
    }

    /// What it means for the session that `new` comes in the place of this.
    pub fn change(&self, new: &Self) -> Change {
        if self == new { Change::Nothing } else { Change::Reset }
    }
}

// === impl Retry ===

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(120) }
    }
}

// === impl GracefulRestart ===

impl Default for GracefulRestart {
    /// Helper only.
    fn default() -> Self {
        Self {
            families: PerFamily::default(),
            restart_time: Duration::from_secs(120),
            forwarding: true,
            notification: true,
            max_restart_time: Duration::from_secs(4095),
            long_lived: None,
        }
    }
}
