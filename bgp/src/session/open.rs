//! The two OPEN messages: what this speaker says, and whether what the peer says is acceptable (RFC 4271 section 6.2).

use super::{Config, FamilyConfig, RemoteAs};
use crate::wire::notification::open;
use crate::wire::{
    Capability, Family, GracefulRestart, LongLived, Notification, Open, PerFamily, RawFamily, Role, capability_code,
};

/// How the own OPEN is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Saying {
    /// R bit: this is the first session after a restart.
    pub(super) restarting: bool,
    /// Leave out all capabilities, since the peer refuses them (RFC 5492 section 3).
    pub(super) plain: bool,
}

/// The own OPEN.
pub(super) fn own(config: &Config, saying: Saying) -> Open {
    Open {
        asn: config.own_asn(),
        hold_time: seconds(config.hold_time),
        router_id: config.router_id,
        capabilities: if saying.plain { Vec::new() } else { capabilities(config, saying.restarting) },
    }
}

fn capabilities(config: &Config, restarting: bool) -> Vec<Capability> {
    let offered = || config.families.iter().filter(|(_, family)| family.enabled);
    let each = |wanted: fn(&FamilyConfig) -> bool| {
        offered().filter(move |(_, config)| wanted(config)).map(|(family, _)| family)
    };
    let mut capabilities: Vec<_> = offered().map(|(family, _)| Capability::MultiProtocol(family.raw())).collect();
    capabilities.push(Capability::RouteRefresh);
    let next_hops: Vec<_> =
        each(|family| family.extended_next_hop).map(|family| (family.raw(), other_afi(family))).collect();
    if !next_hops.is_empty() {
        capabilities.push(Capability::ExtendedNextHop(next_hops));
    }
    if config.extended_messages {
        capabilities.push(Capability::ExtendedMessage);
    }
    capabilities.extend(config.own_role().map(Capability::Role));
    if let Some(graceful) = &config.graceful_restart {
        let families = each(|_| true).filter(|family| *graceful.families.get(*family));
        capabilities.push(Capability::GracefulRestart(GracefulRestart {
            restarting,
            notification: graceful.notification,
            restart_time: seconds(graceful.restart_time).min(0x0fff),
            families: families.map(|family| (family.raw(), graceful.forwarding)).collect(),
        }));
    }
    capabilities.push(Capability::FourOctetAs(config.own_asn()));
    let add_path: Vec<_> = offered().filter_map(|(family, config)| Some((family.raw(), config.add_path?))).collect();
    if !add_path.is_empty() {
        capabilities.push(Capability::AddPath(add_path));
    }
    capabilities.push(Capability::EnhancedRouteRefresh);
    if let Some(graceful) = &config.graceful_restart {
        let long_lived = |family: Family| {
            let long_lived = graceful.long_lived.get(family).as_ref()?;
            let stale_time = u32::try_from(long_lived.stale_time.as_secs()).unwrap_or(u32::MAX).min(0x00ff_ffff);
            Some(LongLived { family: family.raw(), forwarding: graceful.forwarding, stale_time })
        };
        let families: Vec<_> = each(|_| true).filter_map(long_lived).collect();
        if !families.is_empty() {
            capabilities.push(Capability::LongLivedGracefulRestart(families));
        }
    }
    if let Some(host) = &config.host {
        capabilities.push(Capability::Fqdn { host: host.clone(), domain: String::new() });
    }
    capabilities
}

/// Whether the peer's OPEN is acceptable.
///
/// # Errors
/// What to answer, if not.
pub(super) fn check(config: &Config, peer: &Open) -> Result<(), Notification> {
    // RFC 7607 section 2 for AS 0.
    if peer.asn == 0 || !config.accepts(peer.asn) {
        return Err(Notification::open(open::PEER_AS, &[]));
    }
    // RFC 4271 section 6.2: one or two seconds must be rejected.
    if peer.hold_time == 1 || peer.hold_time == 2 {
        return Err(Notification::open(open::HOLD_TIME, &[]));
    }
    // RFC 6286 section 2.2: an equal one is an error only of an internal peer.
    let internal = peer.asn == config.own_asn();
    if peer.router_id.is_unspecified() || (internal && peer.router_id == config.router_id) {
        return Err(Notification::open(open::IDENTIFIER, &[]));
    }
    if internal { Ok(()) } else { check_role(config, peer) }
}

/// RFC 9234 section 4.2.
fn check_role(config: &Config, peer: &Open) -> Result<(), Notification> {
    let Some(own) = config.own_role() else { return Ok(()) };
    let counterpart = match own {
        Role::Provider => Role::Customer,
        Role::Customer => Role::Provider,
        Role::RouteServer => Role::RouteServerClient,
        Role::RouteServerClient => Role::RouteServer,
        Role::Peer => Role::Peer,
    };
    let mut said = roles(peer).peekable();
    let missing = said.peek().is_none() && config.strict_role;
    // Each has to correspond, so that two different ones never do.
    if missing || said.any(|role| role != Some(counterpart)) {
        return Err(Notification::open(open::ROLE, &[]));
    }
    Ok(())
}

/// Roles that a peer says; one that is unknown is `None`.
fn roles(peer: &Open) -> impl Iterator<Item = Option<Role>> {
    peer.capabilities
        .iter()
        .filter(|capability| capability.code() == capability_code::ROLE)
        .map(|capability| if let Capability::Role(role) = capability { Some(*role) } else { None })
}

/// AFI of next hops of the other version of IP.
pub(super) fn other_afi(family: Family) -> u16 {
    match family {
        Family::Ipv4 => Family::Ipv6.raw().afi,
        Family::Ipv6 => Family::Ipv4.raw().afi,
    }
}

/// What an OPEN says of a capability that is given by family: the last one counts.
pub(super) fn by_family<T>(said: &[T], family: Family, of: impl Fn(&T) -> RawFamily) -> Option<&T> {
    said.iter().rev().find(|one| of(one) == family.raw())
}

/// Families that an OPEN names. None at all means IPv4 unicast (RFC 4760 section 8).
pub(super) fn families(open: &Open) -> PerFamily<bool> {
    let named: Vec<_> = open
        .capabilities
        .iter()
        .filter_map(|capability| if let Capability::MultiProtocol(family) = capability { Some(*family) } else { None })
        .collect();
    PerFamily::from_fn(|family| if named.is_empty() { family == Family::Ipv4 } else { named.contains(&family.raw()) })
}

fn seconds(time: std::time::Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

// === impl Config ===

impl Config {
    /// Whether a peer may have this AS number.
    pub(super) fn accepts(&self, asn: u32) -> bool {
        match self.remote_as {
            RemoteAs::Exactly(expected) => asn == expected,
            RemoteAs::External => asn != self.own_asn(),
            RemoteAs::Internal => asn == self.own_asn(),
        }
    }

    /// The role that is said: internal peers have none (RFC 9234 section 4.1).
    pub(super) fn own_role(&self) -> Option<Role> {
        let internal = match self.remote_as {
            RemoteAs::Exactly(asn) => asn == self.own_asn(),
            RemoteAs::External => false,
            RemoteAs::Internal => true,
        };
        if internal { None } else { self.role }
    }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
