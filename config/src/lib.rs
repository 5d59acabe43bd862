//! Turns all configuration resources of a moment into one checked [`Config`], or says which object is wrong, in which
//! field, and what would be right there.
//!
//! Parsing happens once, here: behind this crate no string is parsed and no reference is looked up again. Resources,
//! lists of them in Helm values, and legacy configuration (`configInline`, the ConfigMap `config`) become the same
//! [`Config`].
//!
//! ```
//! use ferrolb_config::{Resources, legacy};
//!
//! let values = serde_json::json!({"configInline": {"address-pools": [
//!     {"name": "default", "protocol": "layer2", "addresses": ["10.10.52.0/24"]},
//! ]}});
//! let mut resources = Resources::default();
//! resources.extend(legacy::from_values(&values, "values.yaml").unwrap());
//! let parsed = ferrolb_config::parse(&resources);
//! assert!(parsed.problems.is_empty());
//! assert_eq!(parsed.config.pools.keys().collect::<Vec<_>>(), ["default"]);
//! ```

pub mod addresses;
mod bgp;
mod change;
mod concealed;
mod duration;
mod l2;
pub mod legacy;
mod pools;
mod problem;
mod read;
pub mod recorded;
mod resource;
mod selection;
mod selectors;
pub mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use bgp::{
    Bfd, BfdProfile, BgpAdvertisement, Community, CommunityError, Conflict, Password, Peer, PeerEndpoint, PeerSet,
    RemoteAsn, Timers,
};
pub use change::{deletion, introduced};
pub use concealed::Concealed;
pub use l2::{Interfaces, L2Advertisement, Preference};
pub use pools::{Pool, ServiceAllocation};
pub use problem::{Class, ObjectRef, Problem, Scope};
pub use read::{UnknownFields, is_configuration, read, typed};
use resource::number_generated;
pub use resource::{Origin, Resource, Resources, SecretFacts};
pub use selectors::{Labels, Selector, any_matches, any_or_none};

/// Everything that controller and speaker are configured with, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// L2 advertisements in order of name.
    pub l2_advertisements: Vec<L2Advertisement>,
    /// BGP advertisements in order of name.
    pub bgp_advertisements: Vec<BgpAdvertisement>,
    /// BGP peers by name. Plans share them.
    pub peers: BTreeMap<String, Arc<Peer>>,
    /// BFD profiles by name; peers hold theirs.
    pub bfd_profiles: BTreeMap<String, BfdProfile>,
    /// BGP communities by the names that `Community` objects give them; advertisements hold theirs.
    pub communities: BTreeMap<String, Community>,
}

impl Config {
    /// The pool that holds all of `addresses`, which is how an assignment is traced back to its pool.
    pub fn pool_of(&self, addresses: &[std::net::IpAddr]) -> Option<&Pool> {
        self.pools.values().find(|pool| !addresses.is_empty() && addresses.iter().all(|ip| pool.contains(*ip)))
    }
}

/// What [`parse`] found: a configuration made of all that is right, and everything that is wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// To be used only as far as `problems` allow: see [`Parsed::for_allocation`] and [`Parsed::for_announcement`].
    pub config: Config,
    /// In order of object and field.
    pub problems: Vec<Problem>,
}

impl Parsed {
    /// The configuration, unless something is wrong that the controller uses.
    ///
    /// # Errors
    /// The problems that forbid it. Advertisements are the speakers' matter and never among them, and neither are
    /// references to objects that may still come.
    pub fn for_allocation(&self) -> Result<&Config, Vec<Problem>> {
        self.unless(|problem| problem.class == Class::Invalid && problem.scope == Scope::Allocation)
    }

    /// The configuration, unless something in it is wrong.
    ///
    /// # Errors
    /// The problems that forbid it; references to objects that may still come are not among them.
    pub fn for_announcement(&self) -> Result<&Config, Vec<Problem>> {
        self.unless(|problem| problem.class == Class::Invalid)
    }

    /// The configuration, unless something in it is wrong that a node with these labels uses: peers and BGP
    /// advertisements that are for other nodes only are left out of the configuration where they are wrong, and do not
    /// forbid it. L2 advertisements count on every node, as all have to conclude the same.
    ///
    /// # Errors
    /// The problems that forbid it; references to objects that may still come are not among them.
    pub fn for_node(&self, labels: &Labels) -> Result<&Config, Vec<Problem>> {
        self.unless(|problem| problem.class == Class::Invalid && any_or_none(&problem.nodes, labels))
    }

    /// The configuration, unless anything at all is to be said of it: what a check before applying wants.
    ///
    /// # Errors
    /// All problems.
    pub fn strict(&self) -> Result<&Config, Vec<Problem>> {
        self.unless(|_| true)
    }

    fn unless(&self, forbids: impl Fn(&Problem) -> bool) -> Result<&Config, Vec<Problem>> {
        let forbidding: Vec<Problem> = self.problems.iter().filter(|problem| forbids(problem)).cloned().collect();
        if forbidding.is_empty() { Ok(&self.config) } else { Err(forbidding) }
    }
}

/// Checks all resources together.
pub fn parse(resources: &Resources) -> Parsed {
    let mut problems = resources.problems.clone();
    let pools = pools::parse(&resources.pools, &mut problems);
    let numbered = number_generated(&resources.l2_advertisements, legacy::GENERATED_L2_ADVERTISEMENT, None);
    let l2_advertisements = l2::parse(&numbered, &pools, &resources.pools, &mut problems);
    let bfd_profiles = bgp::parse_bfd_profiles(&resources.bfd_profiles, &mut problems);
    let numbered =
        number_generated(&resources.communities, legacy::GENERATED_COMMUNITY, Some(legacy::GENERATED_COMMUNITY));
    let aliases = bgp::parse_communities(&numbered, &mut problems);
    let peer_resources = number_generated(&resources.bgp_peers, legacy::GENERATED_PEER, None);
    let references = bgp::References {
        bfd_profiles: &bfd_profiles,
        bfd_names: &names(&resources.bfd_profiles),
        secrets: &resources.secrets,
    };
    let peers = bgp::parse_peers(&peer_resources, references, &mut problems);
    let numbered = number_generated(&resources.bgp_advertisements, legacy::GENERATED_BGP_ADVERTISEMENT, None);
    let context =
        bgp::Context { pools: &pools, all_pools: &resources.pools, peers: &names(&peer_resources), aliases: &aliases };
    let bgp_advertisements = bgp::parse_advertisements(&numbered, context, &mut problems);
    bgp::check_conflicts(&bgp_advertisements, &numbered, &pools, &resources.nodes, &mut problems);
    bgp::check_across(&peers, &peer_resources, &bgp_advertisements, &pools, &mut problems);
    bgp::check_twins(&peers, &peer_resources, &resources.nodes, &mut problems);
    problems.sort_by(|a, b| (&a.object, &a.field, &a.message).cmp(&(&b.object, &b.field, &b.message)));
    problems.dedup();
    let communities = aliases.into_map();
    let config = Config { pools, l2_advertisements, bgp_advertisements, peers, bfd_profiles, communities };
    Parsed { config, problems }
}

fn names<S>(resources: &[Resource<S>]) -> BTreeSet<&str> {
    resources.iter().map(|resource| resource.name.as_str()).collect()
}
