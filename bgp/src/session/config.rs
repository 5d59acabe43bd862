//! What is configured about the session with a peer. Addresses, passwords and the like are the driver's.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::open::{self, Saying};
use super::timers;
use crate::wire::{AS_TRANS, AddPathMode, PerFamily, Role};

/// Longest restart time in seconds: 12 bits (RFC 4724 section 3).
const MAX_RESTART_TIME: u64 = 4095;

/// Longest long-lived stale time in seconds: 24 bits (RFC 9494 section 3).
const MAX_STALE_TIME: u64 = 16_777_215;

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
    /// Long-lived graceful restart by family; none: not offered, as is the default (RFC 9494 section 5).
    pub long_lived: PerFamily<Option<LongLived>>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// AS 0 (RFC 7607).
    #[error("{field} is 0, which is no AS number (RFC 7607)")]
    AsZero {
        /// Own, local or remote.
        field: AsField,
    },
    /// AS 23456.
    #[error("{field} is 23456, which stands for AS numbers above 65535 and is nobody's (RFC 6793)")]
    AsTrans {
        /// Own, local or remote.
        field: AsField,
    },
    /// BGP Identifier 0.0.0.0.
    #[error("router ID is 0.0.0.0; any other IPv4 address will do (RFC 6286)")]
    RouterId,
    /// Hold time that cannot be said.
    #[error("hold time {0:?} is neither 0 nor a number of whole seconds from 3 to 65535 (RFC 4271 section 4.2)")]
    HoldTime(Duration),
    /// Time between KEEPALIVE messages below a second.
    #[error("keepalive time {0:?} is below 1 s (RFC 4271 section 4.4)")]
    Keepalive(Duration),
    /// Pauses between attempts.
    #[error("connect retry time is {first:?} to {max:?}; the first must be above 0 and at most the second")]
    Retry {
        /// Shortest.
        first: Duration,
        /// Longest.
        max: Duration,
    },
    /// DelayOpen longer than the hold timer of its state.
    #[error("delay of OPEN {0:?} is above 240 s")]
    DelayOpen(Duration),
    /// Nothing to talk about.
    #[error("no address family is enabled; enable IPv4, IPv6 or both")]
    NoFamily,
    /// IPv6 routes with next hops of IPv4.
    #[error("extended next hops exist for IPv4 routes only (RFC 8950)")]
    ExtendedNextHop,
    /// Restart time that cannot be said.
    #[error("restart time {0:?} is above 4095 s (RFC 4724 section 3)")]
    RestartTime(Duration),
    /// Long-lived stale time that cannot be said.
    #[error("long-lived stale time {0:?} is above 16777215 s (RFC 9494 section 3)")]
    StaleTime(Duration),
    /// A role towards the own AS.
    #[error("a role is configured, but the peer is of the own AS; roles are for external peers (RFC 9234 section 4)")]
    InternalRole,
    /// Strict mode without a role.
    #[error("the peer shall have a role, but none is configured for this side (RFC 9234 section 4.2)")]
    StrictWithoutRole,
}

/// Which AS number is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsField {
    /// [`Config::asn`].
    Own,
    /// [`Config::local_asn`].
    Local,
    /// [`Config::remote_as`].
    Remote,
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

    /// Checks what types cannot.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let remote = match self.remote_as {
            RemoteAs::Exactly(asn) => Some(asn),
            RemoteAs::External | RemoteAs::Internal => None,
        };
        for (field, asn) in
            [(AsField::Own, Some(self.asn)), (AsField::Local, self.local_asn), (AsField::Remote, remote)]
        {
            match asn {
                Some(0) => return Err(ConfigError::AsZero { field }),
                Some(AS_TRANS) => return Err(ConfigError::AsTrans { field }),
                Some(_) | None => {}
            }
        }
        if self.router_id.is_unspecified() {
            return Err(ConfigError::RouterId);
        }
        if !self.hold_time.is_zero() && !says_seconds(self.hold_time, 3, u16::MAX.into()) {
            return Err(ConfigError::HoldTime(self.hold_time));
        }
        if let Some(short) = self.keepalive.filter(|time| *time < Duration::from_secs(1)) {
            return Err(ConfigError::Keepalive(short));
        }
        let Retry { first, max } = self.connect_retry;
        if first.is_zero() || first > max {
            return Err(ConfigError::Retry { first, max });
        }
        if let Some(long) = self.delay_open.filter(|time| *time > timers::OPEN_HOLD) {
            return Err(ConfigError::DelayOpen(long));
        }
        if !self.families.iter().any(|(_, family)| family.enabled) {
            return Err(ConfigError::NoFamily);
        }
        if self.families.ipv6.extended_next_hop {
            return Err(ConfigError::ExtendedNextHop);
        }
        if let Some(graceful) = &self.graceful_restart {
            graceful.validate()?;
        }
        if self.role.is_some() && self.own_role().is_none() {
            return Err(ConfigError::InternalRole);
        }
        if self.strict_role && self.role.is_none() {
            return Err(ConfigError::StrictWithoutRole);
        }
        Ok(())
    }

    /// What it means for the session that `new` comes in the place of this: it has to begin anew where the own OPEN would be
    /// another one, where the peer's might be refused, or where what was agreed on would differ. The rest is live, and holds
    /// for timers at once, for names and bounds in the next session.
    pub fn change(&self, new: &Self) -> Change {
        if self == new {
            return Change::Nothing;
        }
        // A name, and what is true only for the next restart, are not worth a session.
        let mut old = self.clone();
        old.host.clone_from(&new.host);
        if let (Some(old), Some(new)) = (&mut old.graceful_restart, &new.graceful_restart) {
            old.forwarding = new.forwarding;
        }
        let saying = Saying { restarting: false, plain: false };
        let same = open::own(&old, saying) == open::own(new, saying)
            && self.asn == new.asn
            && self.send_extended_messages == new.send_extended_messages
            && new.accepts_all_of(self);
        if same { Change::Live } else { Change::Reset }
    }

    /// Whether every peer that `other` accepts is accepted by this too.
    fn accepts_all_of(&self, other: &Self) -> bool {
        match other.remote_as {
            RemoteAs::Exactly(asn) => self.accepts(asn),
            RemoteAs::External | RemoteAs::Internal => self.remote_as == other.remote_as,
        }
    }
}

/// Whole seconds between two bounds.
fn says_seconds(time: Duration, least: u64, most: u64) -> bool {
    time.subsec_nanos() == 0 && (least..=most).contains(&time.as_secs())
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
            max_restart_time: Duration::from_secs(MAX_RESTART_TIME),
            long_lived: PerFamily::default(),
        }
    }
}

impl GracefulRestart {
    fn validate(&self) -> Result<(), ConfigError> {
        if self.restart_time > Duration::from_secs(MAX_RESTART_TIME) {
            return Err(ConfigError::RestartTime(self.restart_time));
        }
        let times = self.long_lived.iter().filter_map(|(_, long_lived)| Some(long_lived.as_ref()?.stale_time));
        match times.max() {
            Some(long) if long > Duration::from_secs(MAX_STALE_TIME) => Err(ConfigError::StaleTime(long)),
            Some(_) | None => Ok(()),
        }
    }
}

// === impl AsField ===

impl fmt::Display for AsField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own AS number",
            Self::Local => "local AS number",
            Self::Remote => "remote AS number",
        })
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
