//! Which peers are told what. Most of them are told the same, so that is worked out once for all of those.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::{Config, Peer};

use super::super::Snapshot;
use super::super::eligibility::node;
use super::Ads;

/// What the peers of one circle have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Circle {
    /// The advertisements that are for them.
    pub(super) ads: Ads,
    /// The families of addresses that their sessions carry.
    pub(super) carries: Audience,
}

/// Families of addresses: of a Service, or those that a session carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Audience {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

/// Peers by name.
type Members = Vec<(Arc<str>, Arc<Peer>)>;

/// All peers that this node holds sessions with.
#[derive(Debug)]
pub(super) struct Audiences {
    pub(super) circles: BTreeMap<Circle, Members>,
}

// === impl Audience ===

impl Audience {
    pub(super) fn of(addresses: &[IpAddr]) -> Self {
        Self { v4: addresses.iter().any(IpAddr::is_ipv4), v6: addresses.iter().any(IpAddr::is_ipv6) }
    }

    fn carried_by(peer: &Peer) -> Self {
        Self { v4: peer.carries_ipv4(), v6: peer.carries_ipv6() }
    }

    pub(super) fn meets(self, other: Self) -> bool {
        (self.v4 && other.v4) || (self.v6 && other.v6)
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }
}

// === impl Audiences ===

impl Audiences {
    pub(super) fn new(snapshot: &Snapshot, config: &Config) -> Self {
        let me = node(snapshot, &snapshot.me).filter(|_| snapshot.view.members.contains_key(&snapshot.me));
        let here = |peer: &Peer| me.is_some_and(|me| peer.covers_node(&me.labels)) && peer.is_complete();
        let mut circles: BTreeMap<Circle, Members> = BTreeMap::new();
        for peer in config.peers.values().filter(|peer| here(peer)) {
            let ads = config.bgp_advertisements.iter().enumerate();
            let ads = ads.filter(|(_, ad)| ad.peers.contains(&peer.name)).map(|(index, _)| index).collect();
            let circle = Circle { ads, carries: Audience::carried_by(peer) };
            circles.entry(circle).or_default().push((Arc::from(peer.name.as_str()), Arc::clone(peer)));
        }
        Self { circles }
    }

    /// The names of the peers that are told of a Service with these advertisements and families, in order.
    pub(super) fn told(&self, ads: &Ads, families: Audience) -> Arc<[Arc<str>]> {
        let told = self
            .circles
            .iter()
            .filter(|(circle, _)| circle.carries.meets(families) && ads.iter().any(|ad| circle.ads.contains(ad)));
        let mut names: Vec<Arc<str>> =
            told.flat_map(|(_, peers)| peers.iter().map(|(name, _)| Arc::clone(name))).collect();
        names.sort_unstable();
        names.into()
    }
}
