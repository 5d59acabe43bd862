//! Resources as they come in, each with where it came from, so that a problem can name the very line a user wrote.

use std::collections::BTreeMap;

use ferrolb_api::v1beta1::{IPAddressPoolSpec, L2AdvertisementSpec};

use crate::problem::{ObjectRef, Problem};

/// Where a resource was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The object that the user knows: a custom resource, or the values or ConfigMap that a pool stands in.
    pub object: ObjectRef,
    path: String,
    legacy: bool,
}

impl Origin {
    /// A custom resource of its own.
    pub fn resource(kind: &str, namespace: &str, name: &str) -> Self {
        Self { object: ObjectRef::new(kind, namespace, name), path: "spec".to_owned(), legacy: false }
    }

    /// A part of legacy configuration, whose keys are written `avoid-buggy-ips` instead of `avoidBuggyIPs`.
    pub fn legacy(object: ObjectRef, path: String) -> Self {
        Self { object, path, legacy: true }
    }

    /// A problem in `field` (named as in the custom resource) of this resource.
    pub fn problem(&self, field: &str, value: impl Into<String>, message: impl Into<String>) -> Problem {
        let field =
            if self.legacy { format!("{}.{}", self.path, kebab(field)) } else { format!("{}.{field}", self.path) };
        Problem::new(self.object.clone(), field, value, message)
    }
}

fn kebab(field: &str) -> String {
    match field {
        "autoAssign" => "auto-assign".to_owned(),
        "avoidBuggyIPs" => "avoid-buggy-ips".to_owned(),
        other => other.to_owned(),
    }
}

/// One resource and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource<S> {
    /// For problems.
    pub origin: Origin,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec`.
    pub spec: S,
}

/// All configuration resources of a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// Every `IPAddressPool`.
    pub pools: Vec<Resource<IPAddressPoolSpec>>,
    /// Every `L2Advertisement`.
    pub l2_advertisements: Vec<Resource<L2AdvertisementSpec>>,
    /// What was already wrong before any resource could be made of it.
    pub problems: Vec<Problem>,
}

impl Resources {
    /// Unites two sets; the same name in both becomes a problem when they are parsed.
    pub fn extend(&mut self, other: Self) {
        self.pools.extend(other.pools);
        self.l2_advertisements.extend(other.l2_advertisements);
        self.problems.extend(other.problems);
    }
}

/// The resources in order of name, the first of each name only; the others become problems that name both places.
pub(crate) fn unique<'a, S>(resources: &'a [Resource<S>], problems: &mut Vec<Problem>) -> Vec<&'a Resource<S>> {
    let mut sorted: Vec<&Resource<S>> = resources.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut unique: Vec<&Resource<S>> = Vec::with_capacity(sorted.len());
    for resource in sorted {
        match unique.last() {
            Some(first) if first.name == resource.name => problems.push(resource.origin.problem(
                "name",
                &resource.name,
                format!("this name is already taken by {}; names must be unique", first.origin.object),
            )),
            _ => unique.push(resource),
        }
    }
    unique
}
