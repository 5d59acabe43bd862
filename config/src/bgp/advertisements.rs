//! BGP advertisements: which pools are announced to which peers, from which nodes, with which attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ferrolb_api::v1beta1::{BGPAdvertisementSpec, IPAddressPoolSpec};
use ipnet::IpNet;

use super::communities::{Aliases, Community, Meaning};
use crate::pools::Pool;
use crate::problem::{Class, Problem};
use crate::resource::{Resource, unique};
use crate::selection::{select_pools, without_duplicates};
use crate::selectors::{self, Labels, Selector, any_or_none};

/// A checked `BGPAdvertisement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BgpAdvertisement {
    /// Its name.
    pub name: String,
    /// Names of the pools it announces; all of them exist.
    pub pools: BTreeSet<String>,
    /// Prefix length that IPv4 addresses are announced with: 1 to 32, 32 where nothing is said.
    pub aggregation_length: u8,
    /// Prefix length that IPv6 addresses are announced with: 0 to 128, 128 where nothing is said.
    pub aggregation_length_v6: u8,
    /// LOCAL_PREF (RFC 4271 section 5.1.5) for peers in our own AS; none: what is usual.
    pub local_pref: Option<u32>,
    /// How often our AS is put before the path in addition: 1 to 10; none: not at all.
    pub as_path_prepend: Option<u8>,
    /// What routes carry.
    pub communities: BTreeSet<Community>,
    /// Who is told.
    pub peers: PeerSet,
    /// Nodes that announce, any selector will do; none: all.
    pub node_selectors: Vec<Selector>,
    /// Services it is for, any selector will do; none: all.
    pub service_selectors: Vec<Selector>,
}

/// Peers by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSet {
    /// Every one.
    All,
    /// Those of these names, which need not exist (yet).
    Named(BTreeSet<String>),
}

impl PeerSet {
    /// Whether the peer of this name is among them.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }

    /// Whether the two have a peer in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::Named(ours), Self::Named(theirs)) => !ours.is_disjoint(theirs),
        }
    }
}

/// Two advertisements that would tell a peer two things about the same route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Two values of LOCAL_PREF.
    LocalPref,
    /// Two lengths of the AS path.
    AsPathPrepend,
}

/// The field's name.
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LocalPref => "localPref",
            Self::AsPathPrepend => "asPathPrepend",
        })
    }
}

// === impl BgpAdvertisement ===

impl BgpAdvertisement {
    /// Whether a Service with these labels is announced by it.
    pub fn matches_service(&self, labels: &Labels) -> bool {
        any_or_none(&self.service_selectors, labels)
    }

    /// Whether a node with these labels announces.
    pub fn covers_node(&self, labels: &Labels) -> bool {
        any_or_none(&self.node_selectors, labels)
    }

    /// The route to an address of its pools.
    pub fn route(&self, address: std::net::IpAddr) -> IpNet {
        let length = if address.is_ipv4() { self.aggregation_length } else { self.aggregation_length_v6 };
        // Lengths are in range since they were checked.
        IpNet::new(address, length).map_or_else(|_| IpNet::from(address), |net| net.trunc())
    }

    /// Whether the two, applied to the same addresses of `pool` on one node, contradict each other: they announce the
    /// same routes to a common peer with different attributes. It is for the caller to know that they meet on a node
    /// and in a Service.
    pub fn conflict(&self, other: &Self, pool: &Pool) -> Option<Conflict> {
        let v4 = pool.ranges.iter().any(|range| range.first().is_ipv4());
        let v6 = pool.ranges.iter().any(|range| range.first().is_ipv6());
        let same_routes = (v4 && self.aggregation_length == other.aggregation_length)
            || (v6 && self.aggregation_length_v6 == other.aggregation_length_v6);
        if !same_routes || !self.peers.overlaps(&other.peers) {
            return None;
        }
        if self.local_pref != other.local_pref {
            return Some(Conflict::LocalPref);
        }
        (self.as_path_prepend != other.as_path_prepend).then_some(Conflict::AsPathPrepend)
    }
}

/// What advertisements refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The pools that are right.
    pub(crate) pools: &'a BTreeMap<String, Pool>,
    /// All pools, wrong ones included.
    pub(crate) all_pools: &'a [Resource<IPAddressPoolSpec>],
    /// Names of all peers, wrong ones included.
    pub(crate) peers: &'a BTreeSet<&'a str>,
    pub(crate) aliases: &'a Aliases,
}

/// Checks every advertisement; those that are wrong are left out.
pub(crate) fn parse(
    resources: &[Resource<BGPAdvertisementSpec>],
    context: Context<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<BgpAdvertisement> {
    let mut twice = Vec::new();
    let mut advertisements = Vec::new();
    for resource in unique(resources, &mut twice) {
        let mut own = Vec::new();
        let advertisement = Reader { resource, context, problems: &mut own }.advertisement();
        let nodes = if own.iter().any(|problem| problem.field.starts_with("spec.nodeSelectors")) {
            Vec::new()
        } else {
            advertisement.node_selectors.clone()
        };
        if own.iter().all(|problem| problem.class == Class::MissingReference) {
            advertisements.push(advertisement);
        }
        problems.extend(own.into_iter().map(|problem| problem.announcement().on_nodes(nodes.clone())));
    }
    problems.extend(twice.into_iter().map(Problem::announcement));
    advertisements
}

/// Reads one advertisement.
struct Reader<'a> {
    resource: &'a Resource<BGPAdvertisementSpec>,
    context: Context<'a>,
    problems: &'a mut Vec<Problem>,
}

// === impl Reader ===

impl Reader<'_> {
    fn wrong(&mut self, field: &str, value: impl Into<String>, message: impl Into<String>) {
        self.problems.push(self.resource.origin.problem(field, value, message));
    }

    fn advertisement(&mut self) -> BgpAdvertisement {
        let (origin, spec) = (&self.resource.origin, &self.resource.spec);
        let pools = select_pools(
            origin,
            spec.ip_address_pools.as_deref(),
            spec.ip_address_pool_selectors.as_ref(),
            (self.context.pools, self.context.all_pools),
            self.problems,
        );
        let mut list = |field: &str, list| selectors::parse_list(origin, field, list, self.problems);
        let node_selectors = list("nodeSelectors", spec.node_selectors.as_ref());
        let service_selectors = list("serviceSelectors", spec.service_selectors.as_ref());
        let advertisement = BgpAdvertisement {
            name: self.resource.name.clone(),
            pools,
            aggregation_length: self.length("aggregationLength", spec.aggregation_length, 1, 32),
            aggregation_length_v6: self.length("aggregationLengthV6", spec.aggregation_length_v6, 0, 128),
            local_pref: self.resource.spec.local_pref.filter(|preference| *preference > 0),
            as_path_prepend: self.as_path_prepend(),
            communities: self.communities(),
            peers: self.peers(),
            node_selectors,
            service_selectors,
        };
        self.check_lengths(&advertisement);
        advertisement
    }

    fn length(&mut self, field: &str, length: i32, lowest: u8, longest: u8) -> u8 {
        let valid = u8::try_from(length).ok().filter(|length| (lowest..=longest).contains(length));
        if valid.is_none() {
            let message = format!("invalid aggregation length {length}: must be between {lowest} and {longest}");
            self.wrong(field, length.to_string(), message);
        }
        valid.unwrap_or(longest)
    }

    fn as_path_prepend(&mut self) -> Option<u8> {
        let times = self.resource.spec.as_path_prepend?;
        let valid = u8::try_from(times).ok().filter(|times| (1..=10).contains(times));
        if valid.is_none() {
            let message = format!("invalid asPathPrepend {times}: the own AS may be prepended 1 to 10 times");
            self.wrong("asPathPrepend", times.to_string(), message);
        }
        valid
    }

    fn communities(&mut self) -> BTreeSet<Community> {
        let listed = self.resource.spec.communities.as_deref().unwrap_or_default();
        let mut communities = BTreeSet::new();
        for (index, text) in without_duplicates(&self.resource.origin, "communities", listed, self.problems) {
            let field = format!("communities[{index}]");
            match self.context.aliases.resolve(text) {
                Meaning::Community(community) => {
                    communities.insert(community);
                }
                Meaning::Broken => {}
                Meaning::Unknown => {
                    let known = self.context.aliases.known();
                    let message = format!(
                        "invalid format of community {text:?} and no Community object defines that name ({known}); \
                         write N:N or large:N:N:N, or define it"
                    );
                    self.problems.push(self.resource.origin.problem(&field, text, message).missing_reference());
                }
                Meaning::Invalid(error) => self.wrong(&field, text, error.to_string()),
            }
        }
        communities
    }

    fn peers(&mut self) -> PeerSet {
        let listed = self.resource.spec.peers.as_deref().unwrap_or_default();
        if listed.is_empty() {
            return PeerSet::All;
        }
        let mut names = BTreeSet::new();
        for (index, name) in without_duplicates(&self.resource.origin, "peers", listed, self.problems) {
            names.insert(name.to_owned());
            if !self.context.peers.contains(name) {
                let known = if self.context.peers.is_empty() {
                    "there is no peer".to_owned()
                } else {
                    format!("peers are: {}", self.context.peers.iter().copied().collect::<Vec<_>>().join(", "))
                };
                let message = format!("no BGPPeer of this name; {known}");
                let problem = self.resource.origin.problem(&format!("peers[{index}]"), name, message);
                self.problems.push(problem.missing_reference());
            }
        }
        PeerSet::Named(names)
    }

    /// Whether addresses can be announced with these lengths.
    fn check_lengths(&mut self, advertisement: &BgpAdvertisement) {
        let (v4, v6) = (advertisement.aggregation_length, advertisement.aggregation_length_v6);
        if !advertisement.service_selectors.is_empty() && (v4, v6) != (32, 128) {
            let (field, value) = if v4 == 32 { ("aggregationLengthV6", v6) } else { ("aggregationLength", v4) };
            let message = "serviceSelectors and aggregationLength are mutually exclusive, can only be used together \
                           with default aggregationLength (32) and aggregationLengthV6 (128)";
            self.wrong(field, value.to_string(), message);
        }
        let pools = self.context.pools;
        for pool in advertisement.pools.iter().filter_map(|name| pools.get(name)) {
            for range in &pool.ranges {
                let (field, length) =
                    if range.first().is_ipv4() { ("aggregationLength", v4) } else { ("aggregationLengthV6", v6) };
                let shortest = range.cidrs().iter().map(IpNet::prefix_len).min().unwrap_or_default();
                if length < shortest {
                    let message = format!(
                        "invalid aggregation length {length}: prefix {shortest} in this pool is more specific than the \
                         aggregation length for addresses {range} of pool {:?}; use {shortest} or more",
                        pool.name
                    );
                    self.wrong(field, length.to_string(), message);
                }
            }
        }
    }
}
