//! Resources as they come in, each with where it came from, so that a problem can name the very line a user wrote.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ferrolb_api::v1beta1::{IPAddressPoolSpec, L2AdvertisementSpec};

use crate::problem::{ObjectRef, Problem};

/// Where a resource was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The object that the user knows: a custom resource, or the values or ConfigMap that a pool stands in.
    pub object: ObjectRef,
    form: Form,
}

/// How it was written.
#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// As a custom resource of its own.
    Resource,
    /// As the part of legacy configuration at `path`.
    Legacy { path: String, naming: Naming },
}

/// Whose name a resource made from legacy configuration has.
#[derive(Debug, Clone, PartialEq)]
enum Naming {
    /// Made from what stands there.
    Written(String),
    /// Nobody wrote one; it gives way to every other.
    Generated,
}

// === impl Origin ===

impl Origin {
    /// A custom resource of its own.
    pub fn resource(kind: &str, namespace: &str, name: &str) -> Self {
        Self { object: ObjectRef::new(kind, namespace, name), form: Form::Resource }
    }

    /// A part of legacy configuration (whose keys are written `avoid-buggy-ips` instead of `avoidBuggyIPs`) that is
    /// named `written` there, which need not be a name that a resource may have.
    pub fn legacy(object: ObjectRef, path: impl Into<String>, written: impl Into<String>) -> Self {
        Self { object, form: Form::Legacy { path: path.into(), naming: Naming::Written(written.into()) } }
    }

    /// What a part of legacy configuration implies without naming it; see [`number_generated`].
    pub(crate) fn generated(object: ObjectRef, path: impl Into<String>) -> Self {
        Self { object, form: Form::Legacy { path: path.into(), naming: Naming::Generated } }
    }

    fn is_generated(&self) -> bool {
        matches!(self.form, Form::Legacy { naming: Naming::Generated, .. })
    }

    /// The name as the user wrote it, where that is not simply the resource's name.
    fn written(&self) -> Option<&str> {
        match &self.form {
            Form::Legacy { naming: Naming::Written(name), .. } => Some(name),
            Form::Legacy { naming: Naming::Generated, .. } | Form::Resource => None,
        }
    }

    /// A problem in `field` (named as in the custom resource) of this resource.
    pub fn problem(&self, field: &str, value: impl Into<String>, message: impl Into<String>) -> Problem {
        let field = match &self.form {
            Form::Resource => format!("spec.{field}"),
            Form::Legacy { path, .. } => format!("{path}.{}", kebab(field)),
        };
        Problem::new(self.object.clone(), field, value, message)
    }

    /// Where the name stands.
    fn name_field(&self) -> String {
        match &self.form {
            Form::Resource => "metadata.name".to_owned(),
            Form::Legacy { path, .. } => format!("{path}.name"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Resource => write!(f, "{}", self.object),
            Form::Legacy { path, .. } => write!(f, "{path} of {}", self.object),
        }
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
    /// Unites two sets; the same name in both becomes a problem when they are parsed. Names that nobody wrote are
    /// never among those: they are given out anew over the whole set.
    pub fn extend(&mut self, other: Self) {
        self.pools.extend(other.pools);
        self.l2_advertisements.extend(other.l2_advertisements);
        self.problems.extend(other.problems);
    }
}

/// Names resources that nobody named `stem1`, `stem2`, ... in their order, past the names that somebody wrote.
pub(crate) fn number_generated<'a, S: Clone>(resources: &'a [Resource<S>], stem: &str) -> Cow<'a, [Resource<S>]> {
    if !resources.iter().any(|resource| resource.origin.is_generated()) {
        return Cow::Borrowed(resources);
    }
    let written = resources.iter().filter(|resource| !resource.origin.is_generated());
    let written: BTreeSet<&str> = written.map(|resource| resource.name.as_str()).collect();
    let mut free = (1_u64..).map(|number| format!("{stem}{number}")).filter(|name| !written.contains(name.as_str()));
    let mut numbered = resources.to_vec();
    for (resource, name) in numbered.iter_mut().filter(|resource| resource.origin.is_generated()).zip(&mut free) {
        resource.name = name;
    }
    Cow::Owned(numbered)
}

/// The resources in order of name, the first of each name only; the others become problems that name both places.
pub(crate) fn unique<'a, S>(resources: &'a [Resource<S>], problems: &mut Vec<Problem>) -> Vec<&'a Resource<S>> {
    let mut sorted: Vec<&Resource<S>> = resources.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut unique: Vec<&Resource<S>> = Vec::with_capacity(sorted.len());
    for resource in sorted {
        match unique.last() {
            Some(first) if first.name == resource.name => problems.push(same_name(first, resource)),
            _ => unique.push(resource),
        }
    }
    unique
}

fn same_name<S>(first: &Resource<S>, second: &Resource<S>) -> Problem {
    let name = &second.name;
    let place = |resource: &Resource<S>| match resource.origin.written() {
        Some(written) if written != *name => format!("{} (written {written:?})", resource.origin),
        _ => resource.origin.to_string(),
    };
    let message = format!(
        "the name {name:?} is given twice, to {} and to {}; names must be unique, change one of the two",
        place(first),
        place(second)
    );
    let origin = &second.origin;
    Problem::new(origin.object.clone(), origin.name_field(), origin.written().unwrap_or(name), message)
}
