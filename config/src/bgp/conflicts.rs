//! Advertisements that contradict each other: the same routes to a common peer with different attributes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ferrolb_api::v1beta1::BGPAdvertisementSpec;

use super::advertisements::{BgpAdvertisement, Conflict};
use crate::pools::Pool;
use crate::problem::Problem;
use crate::resource::Resource;
use crate::selectors::{Labels, Selector, any_or_none};

/// Compares all advertisements of each pool. Those that are for some Services only are left out: whether they meet is
/// decided by the Services there are, which speakers do.
pub(crate) fn check(
    advertisements: &[BgpAdvertisement],
    resources: &[Resource<BGPAdvertisementSpec>],
    pools: &BTreeMap<String, Pool>,
    nodes: &BTreeMap<String, Labels>,
    problems: &mut Vec<Problem>,
) {
    let origins: HashMap<&str, _> =
        resources.iter().rev().map(|resource| (&*resource.name, &resource.origin)).collect();
    let general: Vec<(&BgpAdvertisement, Option<BTreeSet<&str>>)> = advertisements
        .iter()
        .filter(|advertisement| advertisement.service_selectors.is_empty())
        .map(|advertisement| (advertisement, covered(&advertisement.node_selectors, nodes)))
        .collect();
    for (index, (second, second_nodes)) in general.iter().enumerate() {
        let found = general.iter().take(index).find_map(|(first, first_nodes)| {
            let common = first.pools.intersection(&second.pools).filter_map(|name| pools.get(name));
            let mut conflicts = common.filter_map(|pool| Some((pool, first.conflict(second, pool)?)));
            if !meet(first_nodes.as_ref(), second_nodes.as_ref()) {
                return None;
            }
            conflicts.next().map(|(pool, conflict)| (*first, pool, conflict))
        });
        let Some((first, pool, conflict)) = found else { continue };
        let Some(origin) = origins.get(&*second.name) else { continue };
        let (field, what, ours, theirs) = match conflict {
            Conflict::LocalPref => {
                let value = |advertisement: &BgpAdvertisement| advertisement.local_pref.unwrap_or(0);
                ("localPref", "local preference", value(second), value(first))
            }
            Conflict::AsPathPrepend => {
                let value = |advertisement: &BgpAdvertisement| advertisement.as_path_prepend.unwrap_or(0).into();
                ("asPathPrepend", "AS path prepend", value(second), value(first))
            }
        };
        let message = format!(
            "invalid {what} {ours}: {what} {theirs} was already set by BGPAdvertisement {:?} for the same routes of pool \
             {:?}; give both the same value, or let them differ in pools, aggregation lengths, peers or nodes",
            first.name, pool.name
        );
        let problem = origin.problem(field, ours.to_string(), message).announcement();
        problems.push(problem.on_nodes(second.node_selectors.clone()));
    }
}

/// The nodes that are selected; none where nothing is known of nodes.
pub(super) fn covered<'a>(selectors: &[Selector], nodes: &'a BTreeMap<String, Labels>) -> Option<BTreeSet<&'a str>> {
    let covered = nodes.iter().filter(|(_, labels)| any_or_none(selectors, labels)).map(|(name, _)| name.as_str());
    (!nodes.is_empty()).then(|| covered.collect())
}

/// Whether two sets of nodes have one in common; unknown ones may.
pub(super) fn meet(first: Option<&BTreeSet<&str>>, second: Option<&BTreeSet<&str>>) -> bool {
    match (first, second) {
        (Some(first), Some(second)) => !first.is_disjoint(second),
        (None, _) | (_, None) => true,
    }
}
