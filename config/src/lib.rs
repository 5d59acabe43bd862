//! Turns all configuration resources of a moment into one checked [`Config`], or says which object is wrong, in which
//! field, and what would be right there.
//!
//! Parsing happens once, here: behind this crate no string is parsed and no reference is looked up again. Resources
//! and legacy configuration (`configInline` in Helm values, the ConfigMap `config`) become the same [`Config`].
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
mod l2;
pub mod legacy;
mod pools;
mod problem;
mod resource;
mod selectors;

use std::collections::BTreeMap;

pub use l2::{Interfaces, L2Advertisement, Preference};
pub use pools::{Pool, ServiceAllocation};
pub use problem::{Class, ObjectRef, Problem, Scope};
use resource::number_generated;
pub use resource::{Origin, Resource, Resources};
pub use selectors::{Labels, Selector, any_matches, any_or_none};

/// Everything that controller and speaker are configured with, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// L2 advertisements in order of name.
    pub l2_advertisements: Vec<L2Advertisement>,
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
    let numbered = number_generated(&resources.l2_advertisements, legacy::GENERATED_L2_ADVERTISEMENT);
    let l2_advertisements = l2::parse(&numbered, &pools, &resources.pools, &mut problems);
    problems.sort_by(|a, b| (&a.object, &a.field, &a.message).cmp(&(&b.object, &b.field, &b.message)));
    problems.dedup();
    Parsed { config: Config { pools, l2_advertisements }, problems }
}
