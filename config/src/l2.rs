//! L2 advertisements: which pools are announced by ARP and NDP, from which nodes, on which interfaces.

use std::collections::{BTreeMap, BTreeSet};

use ferrolb_api::v1beta1::{IPAddressPoolSpec, L2AdvertisementSpec};
use serde::{Deserialize, Serialize};

use crate::pools::Pool;
use crate::problem::Problem;
use crate::resource::{Resource, unique};
use crate::selection::select_pools;
use crate::selectors::{self, Labels, Selector, any_or_none};

/// A checked `L2Advertisement`.
#[derive(Debug, Clone, PartialEq)]
pub struct L2Advertisement {
    /// Its name.
    pub name: String,
    /// Names of the pools it announces; all of them exist.
    pub pools: BTreeSet<String>,
    /// Nodes that may announce, any selector will do; none: all.
    pub node_selectors: Vec<Selector>,
    /// Interfaces to announce on.
    pub interfaces: Interfaces,
    /// Services it is for, any selector will do; none: all.
    pub service_selectors: Vec<Selector>,
    /// Nodes that are preferred.
    pub preferences: Vec<Preference>,
}

impl L2Advertisement {
    /// Whether a Service with these labels is announced by it.
    pub fn matches_service(&self, labels: &Labels) -> bool {
        any_or_none(&self.service_selectors, labels)
    }

    /// Whether a node with these labels may announce.
    pub fn covers_node(&self, labels: &Labels) -> bool {
        any_or_none(&self.node_selectors, labels)
    }

    /// The sum of the weights of all preferences that match a node.
    pub fn weight(&self, labels: &Labels) -> i32 {
        self.preferences.iter().filter(|p| p.selector.matches(labels)).map(|p| p.weight).sum()
    }
}

/// Interfaces to announce on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Interfaces {
    /// Every one that can.
    All,
    /// Those of exactly these names.
    Named(BTreeSet<String>),
}

/// A preference for some nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// 1 to 100.
    pub weight: i32,
    /// The nodes.
    pub selector: Selector,
}

/// Checks every advertisement and resolves the pools it names.
pub(crate) fn parse(
    resources: &[Resource<L2AdvertisementSpec>],
    pools: &BTreeMap<String, Pool>,
    all_pools: &[Resource<IPAddressPoolSpec>],
    problems: &mut Vec<Problem>,
) -> Vec<L2Advertisement> {
    let mut own = Vec::new();
    let advertisements = unique(resources, &mut own)
        .into_iter()
        .map(|resource| {
            let (origin, spec) = (&resource.origin, &resource.spec);
            L2Advertisement {
                name: resource.name.clone(),
                pools: select_pools(
                    origin,
                    spec.ip_address_pools.as_deref(),
                    spec.ip_address_pool_selectors.as_ref(),
                    (pools, all_pools),
                    &mut own,
                ),
                node_selectors: selectors::parse_list(origin, "nodeSelectors", spec.node_selectors.as_ref(), &mut own),
                interfaces: match spec.interfaces.as_deref().unwrap_or_default() {
                    [] => Interfaces::All,
                    names => Interfaces::Named(names.iter().cloned().collect()),
                },
                service_selectors: selectors::parse_list(
                    origin,
                    "serviceSelectors",
                    spec.service_selectors.as_ref(),
                    &mut own,
                ),
                preferences: parse_preferences(resource, &mut own),
            }
        })
        .collect();
    problems.extend(own.into_iter().map(Problem::announcement));
    advertisements
}

fn parse_preferences(resource: &Resource<L2AdvertisementSpec>, problems: &mut Vec<Problem>) -> Vec<Preference> {
    let mut preferences = Vec::new();
    for (index, preference) in resource.spec.preferred_node_selectors.iter().flatten().enumerate() {
        let field = format!("preferredNodeSelectors[{index}]");
        if !(1..=100).contains(&preference.weight) {
            let message = "a weight is between 1 and 100";
            problems.push(resource.origin.problem(&format!("{field}.weight"), preference.weight.to_string(), message));
        }
        let field = format!("{field}.preference");
        if let Some(selector) = selectors::parse(&resource.origin, &field, &preference.preference, problems) {
            preferences.push(Preference { weight: preference.weight, selector });
        }
    }
    preferences
}
