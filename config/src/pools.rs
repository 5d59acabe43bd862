//! Pools: which addresses, for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ferrolb_api::v1beta1::{self, IPAddressPoolSpec};

use crate::addresses::{AddressRange, count_buggy, is_buggy};
use crate::problem::Problem;
use crate::resource::{Resource, unique};
use crate::selectors::{self, Labels, Selector, any_matches, any_or_none};

/// A checked `IPAddressPool`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its labels, for advertisements that select pools.
    pub labels: Labels,
    /// Its addresses in the order in which they are handed out; no two ranges of any pool overlap.
    pub ranges: Vec<AddressRange>,
    /// Whether Services that ask for nothing in particular are served from it.
    pub auto_assign: bool,
    /// Whether IPv4 addresses ending in .0 and .255 are left out.
    pub avoid_buggy_ips: bool,
    /// Who may use it; `None`: every Service.
    pub allocation: Option<ServiceAllocation>,
}

impl Pool {
    /// Whether `ip` may be given out by this pool.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(ip)) && !(self.avoid_buggy_ips && is_buggy(ip))
    }

    /// How many addresses of one family it may give out: IPv4, or else IPv6.
    pub fn size(&self, ipv4: bool) -> u128 {
        let ranges = self.ranges.iter().filter(|range| range.first().is_ipv4() == ipv4);
        let left_out = |range: &AddressRange| if self.avoid_buggy_ips { count_buggy(range) } else { 0 };
        let size = |range: &AddressRange| range.size() - left_out(range);
        ranges.map(size).fold(0, u128::saturating_add)
    }

    /// Whether a Service with these labels in a namespace of this name and labels may use the pool.
    pub fn admits(&self, namespace: &str, namespace_labels: &Labels, service_labels: &Labels) -> bool {
        self.allocation.as_ref().is_none_or(|rule| rule.admits(namespace, namespace_labels, service_labels))
    }
}

/// Who may use a pool and how much it is preferred.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceAllocation {
    /// Positive numbers, the smallest first; 0 and below last.
    pub priority: i64,
    /// Namespaces by name.
    pub namespaces: BTreeSet<String>,
    /// Namespaces by label; together with `namespaces` a union.
    pub namespace_selectors: Vec<Selector>,
    /// Services by label, any will do; none: all Services.
    pub service_selectors: Vec<Selector>,
}

impl ServiceAllocation {
    fn admits(&self, namespace: &str, namespace_labels: &Labels, service_labels: &Labels) -> bool {
        let any_namespace = self.namespaces.is_empty() && self.namespace_selectors.is_empty();
        let namespace = any_namespace
            || self.namespaces.contains(namespace)
            || any_matches(&self.namespace_selectors, namespace_labels);
        namespace && any_or_none(&self.service_selectors, service_labels)
    }
}

/// Checks every pool, and all of them against each other.
pub(crate) fn parse(resources: &[Resource<IPAddressPoolSpec>], problems: &mut Vec<Problem>) -> BTreeMap<String, Pool> {
    let mut pools = BTreeMap::new();
    let mut taken: Vec<(AddressRange, &str)> = Vec::new();
    for resource in unique(resources, problems) {
        let ranges = parse_ranges(resource, &mut taken, problems);
        let allocation = resource.spec.service_allocation.as_ref();
        let pool = Pool {
            name: resource.name.clone(),
            labels: resource.labels.clone(),
            ranges,
            auto_assign: resource.spec.auto_assign,
            avoid_buggy_ips: resource.spec.avoid_buggy_ips,
            allocation: allocation.map(|allocation| parse_allocation(resource, allocation, problems)),
        };
        pools.insert(pool.name.clone(), pool);
    }
    pools
}

fn parse_ranges<'a>(
    resource: &'a Resource<IPAddressPoolSpec>,
    taken: &mut Vec<(AddressRange, &'a str)>,
    problems: &mut Vec<Problem>,
) -> Vec<AddressRange> {
    let origin = &resource.origin;
    if resource.spec.addresses.is_empty() {
        problems.push(origin.problem(
            "addresses",
            "",
            "pool has no prefixes defined; list at least one, for example 192.0.2.0/24",
        ));
    }
    let mut ranges = Vec::new();
    for (index, text) in resource.spec.addresses.iter().enumerate() {
        let field = format!("addresses[{index}]");
        let range = match AddressRange::parse(text) {
            Ok(range) => range,
            Err(error) => {
                problems.push(origin.problem(&field, text, error.to_string()));
                continue;
            }
        };
        if let Some((other, owner)) = taken.iter().find(|(other, _)| other.overlaps(&range)) {
            problems.push(origin.problem(&field, text, overlap(&range, other, &resource.name, owner)));
        } else {
            taken.push((range, &resource.name));
            ranges.push(range);
        }
    }
    ranges
}

/// The sentence that names the first prefixes of both that collide.
fn overlap(range: &AddressRange, other: &AddressRange, pool: &str, owner: &str) -> String {
    let others = other.cidrs();
    let pair = range.cidrs().into_iter().find_map(|cidr| {
        let theirs = others.iter().find(|theirs| AddressRange::from(**theirs).overlaps(&cidr.into()))?;
        Some((cidr, *theirs))
    });
    let (cidr, theirs) = pair.map_or_else(
        || (range.to_string(), other.to_string()),
        |(cidr, theirs)| (cidr.to_string(), theirs.to_string()),
    );
    let whose = if pool == owner { "this pool".to_owned() } else { format!("pool {owner:?}") };
    format!(
        "CIDR {cidr:?} in pool {pool:?} overlaps with already defined CIDR {theirs:?} of {whose}; take it out of one of them"
    )
}

fn parse_allocation(
    resource: &Resource<IPAddressPoolSpec>,
    spec: &v1beta1::ServiceAllocation,
    problems: &mut Vec<Problem>,
) -> ServiceAllocation {
    let origin = &resource.origin;
    let mut namespaces = BTreeSet::new();
    for (index, namespace) in spec.namespaces.iter().flatten().enumerate() {
        if !namespaces.insert(namespace.clone()) {
            let field = format!("serviceAllocation.namespaces[{index}]");
            problems.push(origin.problem(
                &field,
                namespace,
                "this namespace stands in the list already; remove one of the two",
            ));
        }
    }
    let mut list =
        |field: &str, list| selectors::parse_list(origin, &format!("serviceAllocation.{field}"), list, problems);
    ServiceAllocation {
        priority: spec.priority.unwrap_or(0),
        namespaces,
        namespace_selectors: list("namespaceSelectors", spec.namespace_selectors.as_ref()),
        service_selectors: list("serviceSelectors", spec.service_selectors.as_ref()),
    }
}
