//! What two OPEN messages amount to. A function of both, and of the own bounds; nothing later asks what was said.

use std::sync::Arc;
use std::time::Duration;

use super::{Config, ConnectionId, Endpoints, Restart, Session};
use crate::session::open::{by_family, families, other_afi};
use crate::wire::{
    AddPath, AddPathMode, Capability, Family, GracefulRestart, LongLived, MAX_EXTENDED_MESSAGE, MAX_MESSAGE, Open,
    Parameters, PerFamily,
};

/// Makes the session of two OPEN messages.
pub(super) fn agree(
    config: &Config,
    sent: &Arc<Open>,
    received: &Arc<Open>,
    connection: ConnectionId,
    endpoints: Endpoints,
) -> Session {
    let (own, peer) = (Said::of(sent), Said::of(received));
    let families = both(families(sent), families(received));
    let extended = own.extended_message && peer.extended_message;
    let parameters = Parameters {
        four_octet_as: own.four_octet_as && peer.four_octet_as,
        external: sent.asn != received.asn,
        max_send: if extended && config.send_extended_messages { MAX_EXTENDED_MESSAGE } else { MAX_MESSAGE },
        // RFC 8654 section 4: each may send them to one that has said that it reads them.
        max_receive: if extended { MAX_EXTENDED_MESSAGE } else { MAX_MESSAGE },
        families,
        add_path: PerFamily::from_fn(|family| match families.get(family) {
            true => add_path(own.add_path(family), peer.add_path(family)),
            false => AddPath::default(),
        }),
        extended_next_hop: PerFamily::from_fn(|family| {
            *families.get(family) && own.extended_next_hop(family) && peer.extended_next_hop(family)
        }),
    };
    let restart = PerFamily::from_fn(|family| {
        own.graceful.filter(|_| *families.get(family)).and_then(|_| restart(config, &peer, family))
    });
    Session {
        connection,
        endpoints,
        parameters: Arc::new(parameters),
        sent: Arc::clone(sent),
        received: Arc::clone(received),
        router_asn: config.asn,
        role: config.own_role(),
        hold_time: Duration::from_secs(sent.hold_time.min(received.hold_time).into()),
        route_refresh: own.route_refresh && peer.route_refresh,
        enhanced_refresh: own.enhanced_refresh && peer.enhanced_refresh,
        peer_helps: PerFamily::from_fn(|family| {
            *families.get(family)
                && peer.graceful.is_some()
                && own.graceful.is_some_and(|own| own.names(family).is_some())
        }),
        restart,
        notification_restart: own.graceful.is_some_and(|own| own.notification)
            && peer.graceful.is_some_and(|peer| peer.notification),
        peer_restarted: peer.graceful.is_some_and(|peer| peer.restarting),
        keeps_stale: PerFamily::from_fn(|family| restart.get(family).is_some() && peer.forwards(family)),
        peer_host: peer.host.map(str::to_owned),
    }
}

/// How the peer's routes of a family are kept: it has to say so (RFC 4724 section 3, RFC 9494 section 4.1), and the own bounds
/// hold.
fn restart(config: &Config, peer: &Said<'_>, family: Family) -> Option<Restart> {
    let (bounds, graceful) = (config.graceful_restart.as_ref()?, peer.graceful?);
    // A family that only the long-lived capability names has no first phase (RFC 9494 section 4.2).
    let first = match graceful.names(family) {
        Some(_) => Duration::from_secs(graceful.restart_time.into()).min(bounds.max_restart_time),
        None => Duration::ZERO,
    };
    let long_lived = match (bounds.long_lived.get(family), peer.long_lived(family)) {
        (Some(bounds), Some(said)) => Duration::from_secs(said.stale_time.into()).min(bounds.max_stale_time),
        (Some(_) | None, _) => Duration::ZERO,
    };
    (!first.is_zero() || !long_lived.is_zero()).then_some(Restart { restart_time: first, long_lived })
}

fn both(one: PerFamily<bool>, other: PerFamily<bool>) -> PerFamily<bool> {
    PerFamily::from_fn(|family| *one.get(family) && *other.get(family))
}

/// RFC 7911 section 4: sent where the one sends and the other receives.
fn add_path(own: Option<AddPathMode>, peer: Option<AddPathMode>) -> AddPath {
    let sends = |mode: Option<AddPathMode>| matches!(mode, Some(AddPathMode::Send | AddPathMode::Both));
    let receives = |mode: Option<AddPathMode>| matches!(mode, Some(AddPathMode::Receive | AddPathMode::Both));
    AddPath { receive: receives(own) && sends(peer), send: sends(own) && receives(peer) }
}

/// The capabilities of one OPEN, by kind.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability of its own")]
struct Said<'a> {
    route_refresh: bool,
    enhanced_refresh: bool,
    extended_message: bool,
    four_octet_as: bool,
    next_hops: Vec<&'a (crate::wire::RawFamily, u16)>,
    add_path: Vec<&'a (crate::wire::RawFamily, AddPathMode)>,
    graceful: Option<&'a GracefulRestart>,
    long_lived: &'a [LongLived],
    host: Option<&'a str>,
}

// === impl Said ===

impl<'a> Said<'a> {
    fn of(open: &'a Open) -> Self {
        let mut said = Self::default();
        for capability in &open.capabilities {
            match capability {
                Capability::RouteRefresh => said.route_refresh = true,
                Capability::EnhancedRouteRefresh => said.enhanced_refresh = true,
                Capability::ExtendedMessage => said.extended_message = true,
                Capability::FourOctetAs(_) => said.four_octet_as = true,
                Capability::ExtendedNextHop(next_hops) => said.next_hops.extend(next_hops),
                Capability::AddPath(modes) => said.add_path.extend(modes),
                // RFC 4724 section 3: all but the last are ignored.
                Capability::GracefulRestart(graceful) => said.graceful = Some(graceful),
                Capability::LongLivedGracefulRestart(families) => said.long_lived = families,
                Capability::Fqdn { host, .. } => said.host = Some(host),
                Capability::MultiProtocol(_) | Capability::Role(_) | Capability::Unknown { .. } => {}
            }
        }
        said
    }

    fn add_path(&self, family: Family) -> Option<AddPathMode> {
        by_family(&self.add_path, family, |said| said.0).map(|said| said.1)
    }

    fn extended_next_hop(&self, family: Family) -> bool {
        self.next_hops.contains(&&(family.raw(), other_afi(family)))
    }

    fn long_lived(&self, family: Family) -> Option<&LongLived> {
        by_family(self.long_lived, family, |said| said.family)
    }

    /// Forwarding state of the family outlived a restart.
    fn forwards(&self, family: Family) -> bool {
        self.graceful.and_then(|graceful| graceful.names(family)).unwrap_or(false)
            || self.long_lived(family).is_some_and(|said| said.forwarding)
    }
}

// === impl GracefulRestart ===

impl GracefulRestart {
    /// The F bit of a family, if it is named.
    fn names(&self, family: Family) -> Option<bool> {
        by_family(&self.families, family, |said| said.0).map(|said| said.1)
    }
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
