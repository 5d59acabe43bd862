//! What advertisements of every kind select: pools by name or label, and lists in which nothing stands twice.

use std::collections::{BTreeMap, BTreeSet};

use ferrolb_api::LabelSelector;
use ferrolb_api::v1beta1::IPAddressPoolSpec;

use crate::pools::Pool;
use crate::problem::Problem;
use crate::resource::{Origin, Resource};
use crate::selectors::{self, any_matches};

/// The pools that `ipAddressPools` and `ipAddressPoolSelectors` select; all of them where neither is given. Of `known`
/// the first are the pools that can be used, the second all that somebody wrote.
pub(crate) fn select_pools(
    origin: &Origin,
    names: Option<&[String]>,
    selectors: Option<&Vec<LabelSelector>>,
    known: (&BTreeMap<String, Pool>, &[Resource<IPAddressPoolSpec>]),
    problems: &mut Vec<Problem>,
) -> BTreeSet<String> {
    let (pools, all_pools) = known;
    let names = names.unwrap_or_default();
    let parsed = selectors::parse_list(origin, "ipAddressPoolSelectors", selectors, problems);
    if names.is_empty() && selectors.is_none_or(Vec::is_empty) {
        return pools.keys().cloned().collect();
    }
    let mut selected: BTreeSet<String> = BTreeSet::new();
    for (index, name) in without_duplicates(origin, "ipAddressPools", names, problems) {
        selected.insert(name.to_owned());
        if !all_pools.iter().any(|pool| pool.name == *name) {
            let known = if pools.is_empty() {
                "there is no pool".to_owned()
            } else {
                format!("pools are: {}", pools.keys().cloned().collect::<Vec<_>>().join(", "))
            };
            let message = format!("no IPAddressPool of this name; {known}");
            problems.push(origin.problem(&format!("ipAddressPools[{index}]"), name, message).missing_reference());
        }
    }
    selected.retain(|name| pools.contains_key(name));
    selected.extend(pools.values().filter(|pool| any_matches(&parsed, &pool.labels)).map(|pool| pool.name.clone()));
    selected
}

/// The texts of a list with their places; what stands there twice is reported.
pub(crate) fn without_duplicates<'a>(
    origin: &Origin,
    field: &str,
    list: &'a [String],
    problems: &mut Vec<Problem>,
) -> Vec<(usize, &'a str)> {
    let mut seen = BTreeSet::new();
    let mut first = Vec::with_capacity(list.len());
    for (index, text) in list.iter().enumerate() {
        if seen.insert(text.as_str()) {
            first.push((index, text.as_str()));
        } else {
            let message = format!("duplicate: {text:?} stands in the list already; remove one of the two");
            problems.push(origin.problem(&format!("{field}[{index}]"), text, message));
        }
    }
    first
}
