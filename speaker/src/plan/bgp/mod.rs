//! What this node tells its BGP peers: which prefixes, with which attributes, to which of them, and why not.
//!
//! Nobody is elected here: every node that may announce does, and routers spread the traffic over all of them. So nothing
//! of the membership counts either, and nothing that other nodes say.

mod peers;
mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrolb_config::{BgpAdvertisement, Config, Conflict, Peer};
use ferrolb_source::{Addresses, Endpoint, Node, ObjectKey, Service, TrafficPolicy};
use ipnet::IpNet;
use smallvec::SmallVec;

pub use routes::{Attributes, Contradiction, Routes, Wish};

use self::peers::{Audience, Audiences};
use self::routes::{Contribution, Merger};
use super::eligibility::{is_excluded, node};
use super::{Reason, Snapshot};

/// Everything this node is to do about BGP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BgpPlan {
    /// The sessions that this node is to hold, by name of the peer. A peer is here where its node selectors allow it and
    /// everything that it refers to exists, with or without anything to tell it.
    pub sessions: BTreeMap<Arc<str>, Session>,
    /// The Services that this node announces, and to whom.
    pub services: BTreeMap<ObjectKey, Told>,
    /// Where Services want the same route with different attributes, in order; what is announced is decided, but hardly
    /// what everybody meant.
    pub contradictions: Vec<Contradiction>,
}

/// A session that this node is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// With whom, and with which parameters. While this stays equal, the session must not be touched.
    pub peer: Arc<Peer>,
    /// What the peer is told: all of it, and nothing else. Peers that are told the same share one set, and a plan shares
    /// with the one before it what has not changed, so that one look at the pointers tells.
    pub routes: Arc<Routes>,
}

/// What is told of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its addresses.
    pub addresses: Addresses,
    /// The peers of [`sessions`](BgpPlan::sessions) that are told of it, in order of name; none at all where no session
    /// carries it. `ServiceBGPStatus` shows them.
    pub peers: Arc<[Arc<str>]>,
}

/// Indices of advertisements, in order.
type Ads = SmallVec<[usize; 4]>;

/// Looks at one Service after another, then says what follows.
#[derive(Debug)]
pub(super) struct Advertiser<'a> {
    snapshot: &'a Snapshot,
    config: &'a Config,
    /// What keeps the node from announcing anything.
    hindrance: Option<Reason>,
    /// The advertisements of each pool that has any, and those of them that are for this node.
    pools: BTreeMap<&'a str, Ads>,
    /// What advertisements of a pool contradict each other in.
    conflicts: BTreeMap<(&'a str, Ads), Option<Reason>>,
    contributions: Vec<Contribution>,
    announced: Vec<Announced<'a>>,
}

/// A Service that is announced from here.
#[derive(Debug)]
struct Announced<'a> {
    key: &'a ObjectKey,
    addresses: &'a Addresses,
    ads: Ads,
    audience: Audience,
}

// === impl Advertiser ===

impl<'a> Advertiser<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, config: &'a Config) -> Self {
        let me = node(snapshot, &snapshot.me);
        let covers = |ad: &BgpAdvertisement| me.is_some_and(|me| ad.covers_node(&me.labels));
        let mut pools: BTreeMap<&str, Ads> = BTreeMap::new();
        for (index, ad) in config.bgp_advertisements.iter().enumerate() {
            for pool in &ad.pools {
                let of_pool = pools.entry(pool).or_default();
                if covers(ad) {
                    of_pool.push(index);
                }
            }
        }
        Self {
            hindrance: hindrance(snapshot, me),
            snapshot,
            config,
            pools,
            conflicts: BTreeMap::new(),
            contributions: Vec::new(),
            announced: Vec::new(),
        }
    }

    /// Whether a Service with addresses is announced from here, and why (not). `None`: its addresses are none of BGP's
    /// business.
    pub(super) fn judge(&mut self, key: &'a ObjectKey, service: &'a Service) -> Option<Reason> {
        if self.config.bgp_advertisements.is_empty() {
            return None;
        }
        let Some(pool) = self.config.pool_of(&service.ingress) else { return Some(Reason::IpNotAllowed) };
        let Some(here) = self.pools.get(pool.name.as_str()) else {
            // Where nobody has anything to do with it, L2 says so, unless nobody has heard of that.
            return self.config.l2_advertisements.is_empty().then_some(Reason::NotOnThisNode);
        };
        let ads = self.matching(here, service);
        if let Some(reason) = self.against(&pool.name, here.is_empty(), &ads, key, service) {
            return Some(reason);
        }
        let number = self.announced.len();
        for address in &service.ingress {
            for ad in &ads {
                let Some(advertisement) = self.config.bgp_advertisements.get(*ad) else { continue };
                let prefix = advertisement.route(*address);
                self.contributions.push(Contribution { prefix, ad: *ad, service: number });
            }
        }
        let (addresses, audience) = (&service.ingress, Audience::of(&service.ingress));
        self.announced.push(Announced { key, addresses, ads, audience });
        Some(Reason::Eligible)
    }

    /// Those of the advertisements that select the Service.
    fn matching(&self, here: &Ads, service: &Service) -> Ads {
        let selects = |ad: &&usize| {
            self.config.bgp_advertisements.get(**ad).is_some_and(|ad| ad.matches_service(&service.labels))
        };
        here.iter().filter(selects).copied().collect()
    }

    /// What speaks against announcing, in MetalLB's order.
    fn against(
        &mut self,
        pool: &'a str,
        elsewhere: bool,
        ads: &Ads,
        key: &ObjectKey,
        service: &Service,
    ) -> Option<Reason> {
        if let Some(reason @ (Reason::NotAMember | Reason::NodeUnknown)) = &self.hindrance {
            return Some(reason.clone());
        }
        if elsewhere {
            return Some(Reason::NotOnThisNode);
        }
        if ads.is_empty() {
            return Some(Reason::NoMatchingBgpAdvertisement);
        }
        self.conflict(pool, ads).or_else(|| self.hindrance.clone()).or_else(|| {
            let me = self.snapshot.me.as_str();
            without_endpoints(self.snapshot.cluster.endpoints_of(key), service.traffic_policy, me)
        })
    }

    /// Whether advertisements that one Service has contradict each other.
    fn conflict(&mut self, pool: &'a str, ads: &Ads) -> Option<Reason> {
        if ads.len() < 2 {
            return None;
        }
        if let Some(known) = self.conflicts.get(&(pool, ads.clone())) {
            return known.clone();
        }
        let all: Vec<&BgpAdvertisement> = ads.iter().filter_map(|ad| self.config.bgp_advertisements.get(*ad)).collect();
        let found = self.config.pools.get(pool).and_then(|pool| {
            let mut pairs = all
                .iter()
                .enumerate()
                .flat_map(|(index, second)| all.iter().take(index).map(move |first| (*first, *second)));
            pairs.find_map(|(first, second)| {
                let conflict: Conflict = first.conflict(second, pool)?;
                let advertisements = [first.name.clone(), second.name.clone()];
                Some(Reason::ConflictingAdvertisements { conflict, advertisements })
            })
        });
        self.conflicts.insert((pool, ads.clone()), found.clone());
        found
    }

    /// What follows for the node as a whole.
    pub(super) fn finish(self) -> BgpPlan {
        let Self { snapshot, config, contributions, announced, .. } = self;
        let audiences = Audiences::new(snapshot, config);
        let mut merger = Merger::new(&config.bgp_advertisements, contributions);
        let mut sessions = BTreeMap::new();
        for (circle, peers) in &audiences.circles {
            let routes = Arc::new(merger.routes(circle));
            for (name, peer) in peers {
                let session = Session { peer: Arc::clone(peer), routes: Arc::clone(&routes) };
                sessions.insert(Arc::clone(name), session);
            }
        }
        let contradictions = merger.contradictions(|number| announced.get(number).map(|announced| announced.key));
        let mut told = BTreeMap::new();
        let services = announced.iter().map(|Announced { key, addresses, ads, audience }| {
            let peers = told.entry((ads.clone(), *audience)).or_insert_with(|| audiences.told(ads, *audience));
            ((*key).clone(), Told { addresses: (*addresses).clone(), peers: Arc::clone(peers) })
        });
        BgpPlan { services: services.collect(), sessions, contradictions }
    }
}

/// What keeps a node from announcing anything over BGP.
fn hindrance(snapshot: &Snapshot, me: Option<&Node>) -> Option<Reason> {
    // A running speaker is always a member in its own eyes; this is for plans of nodes that are down.
    if !snapshot.view.members.contains_key(&snapshot.me) {
        return Some(Reason::NotAMember);
    }
    let Some(me) = me else { return Some(Reason::NodeUnknown) };
    if me.network_unavailable {
        return Some(Reason::NodeNetworkUnavailable);
    }
    is_excluded(snapshot, me).then_some(Reason::NodeLabeledExcludeBalancers)
}

/// Whether no endpoint can serve what comes to this node. Other than in L2, only one with an address counts.
fn without_endpoints(endpoints: &[Endpoint], policy: TrafficPolicy, me: &str) -> Option<Reason> {
    let mut usable = endpoints.iter().filter(|endpoint| endpoint.usable && !endpoint.addresses.is_empty());
    match policy {
        TrafficPolicy::Cluster => usable.next().is_none().then_some(Reason::NoEndpoints),
        TrafficPolicy::Local => {
            (!usable.any(|endpoint| endpoint.node.as_deref() == Some(me))).then_some(Reason::NoLocalEndpoints)
        }
    }
}

// === impl BgpPlan ===

impl BgpPlan {
    /// Shares with `before` every set of routes that is the same.
    pub(crate) fn share(&mut self, before: &Self) {
        let mut seen: Vec<(Arc<Routes>, Arc<Routes>)> = Vec::new();
        for (name, session) in &mut self.sessions {
            let known = seen.iter().find(|(new, _)| Arc::ptr_eq(new, &session.routes)).map(|(_, old)| Arc::clone(old));
            let shared = known.unwrap_or_else(|| {
                let old = before.sessions.get(name).map(|old| &old.routes).filter(|old| **old == session.routes);
                let shared = Arc::clone(old.unwrap_or(&session.routes));
                seen.push((Arc::clone(&session.routes), Arc::clone(&shared)));
                shared
            });
            session.routes = shared;
        }
    }

    /// Each set of routes once, with the first of the peers that are told it.
    pub(crate) fn distinct(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Routes>)> {
        let mut seen: Vec<&Arc<Routes>> = Vec::new();
        self.sessions.iter().filter_map(move |(peer, Session { routes, .. })| {
            let new = !seen.iter().any(|known| Arc::ptr_eq(known, routes));
            new.then(|| {
                seen.push(routes);
                (peer, routes)
            })
        })
    }

    /// Every route with the peer that is told it, in order.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &IpNet, &Arc<Attributes>)> {
        self.sessions.iter().flat_map(|(peer, session)| {
            session.routes.iter().map(|(prefix, attributes)| (peer.as_ref(), prefix, attributes))
        })
    }
}
