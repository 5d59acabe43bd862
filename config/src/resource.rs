//! Resources as they come in, each with where it came from, so that a problem can name the very line a user wrote.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ferrolb_api::v1beta1::{
    BFDProfileSpec, BGPAdvertisementSpec, CommunitySpec, IPAddressPoolSpec, L2AdvertisementSpec,
};
use ferrolb_api::v1beta2::BGPPeerSpec;

use serde::{Deserialize, Serialize};

use crate::concealed::Concealed;
use crate::problem::{ObjectRef, Problem};
use crate::recorded;
use crate::selectors::Labels;

/// Where a resource was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The object that the user knows: a custom resource, or the values or ConfigMap that a pool stands in.
    pub object: ObjectRef,
    form: Form,
}

/// How it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Form {
    /// As a custom resource of its own.
    Resource,
    /// As the entry at `path` of a list of Helm values, with the fields of the custom resource.
    Entry { path: String },
    /// As the part of legacy configuration at `path`.
    Legacy { path: String, naming: Naming },
}

/// Whose name a resource made from legacy configuration has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

    /// The entry at `path` of a list of Helm values that stands in `object`.
    fn entry(object: ObjectRef, path: &str) -> Self {
        Self { object, form: Form::Entry { path: path.to_owned() } }
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
            Form::Legacy { naming: Naming::Generated, .. } | Form::Entry { .. } | Form::Resource => None,
        }
    }

    /// A problem in `field` (named as in the custom resource) of this resource.
    pub fn problem(&self, field: &str, value: impl Into<String>, message: impl Into<String>) -> Problem {
        let field = match &self.form {
            Form::Resource => format!("spec.{field}"),
            Form::Entry { path } => format!("{path}.{field}"),
            Form::Legacy { path, .. } => format!("{path}.{}", kebab(field)),
        };
        Problem::new(self.object.clone(), field, value, message)
    }

    /// A problem in the community of this name, the `index`th of its object; in legacy configuration it is a key of
    /// its own.
    pub(crate) fn alias_problem(
        &self,
        index: usize,
        alias: &str,
        part: &str,
        value: &str,
        message: impl Into<String>,
    ) -> Problem {
        match &self.form {
            Form::Resource | Form::Entry { .. } => {
                self.problem(&format!("communities[{index}].{part}"), value, message)
            }
            Form::Legacy { path, .. } => Problem::new(self.object.clone(), format!("{path}.{alias}"), value, message),
        }
    }

    /// Where the name stands.
    fn name_field(&self) -> String {
        match &self.form {
            Form::Resource => "metadata.name".to_owned(),
            Form::Legacy { path, .. } | Form::Entry { path } => format!("{path}.name"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Resource => write!(f, "{}", self.object),
            Form::Legacy { path, .. } | Form::Entry { path } => write!(f, "{path} of {}", self.object),
        }
    }
}

/// A path of fields as legacy configuration writes it: `myASN` is `my-asn` there. What stands in brackets is no field.
fn kebab(path: &str) -> String {
    let mut written = String::with_capacity(path.len() + 4);
    let (mut bracket, mut after_lower) = (false, false);
    for c in path.chars() {
        bracket = (bracket || c == '[') && c != ']';
        if !bracket && c.is_ascii_uppercase() && after_lower {
            written.push('-');
        }
        after_lower = c.is_ascii_lowercase();
        written.push(if bracket { c } else { c.to_ascii_lowercase() });
    }
    match written.as_str() {
        "ebgp-multi-hop" => "ebgp-multihop".to_owned(),
        "local-pref" => "localpref".to_owned(),
        _ => written,
    }
}

/// One resource and where it was written.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource<S> {
    /// For problems.
    pub origin: Origin,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec`.
    pub spec: S,
}

impl<S> fmt::Debug for Resource<S> {
    /// Without the specification: passwords of peers stand there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, name, labels, .. } = self;
        let mut debug = f.debug_struct("Resource");
        debug.field("origin", origin).field("name", name).field("labels", labels).finish_non_exhaustive()
    }
}

/// What the configuration has to know of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFacts {
    /// `type`.
    pub secret_type: String,
    /// Whether the key `password` is there.
    pub has_password: bool,
    /// What stands under it, in a Secret that is there for it; never written as data.
    #[serde(skip)]
    pub password: Concealed,
}

impl SecretFacts {
    /// The type that a Secret with a password is of.
    pub const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
}

/// All configuration resources of a moment, and what they refer to. Written as data they hold no password: only that
/// there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Every `IPAddressPool`.
    pub pools: Vec<Resource<IPAddressPoolSpec>>,
    /// Every `L2Advertisement`.
    pub l2_advertisements: Vec<Resource<L2AdvertisementSpec>>,
    /// Every `BGPAdvertisement`.
    pub bgp_advertisements: Vec<Resource<BGPAdvertisementSpec>>,
    /// Every `BGPPeer`, in its newest version.
    #[serde(serialize_with = "recorded::peers")]
    pub bgp_peers: Vec<Resource<BGPPeerSpec>>,
    /// Every `Community`.
    pub communities: Vec<Resource<CommunitySpec>>,
    /// Every `BFDProfile`.
    pub bfd_profiles: Vec<Resource<BFDProfileSpec>>,
    /// The Secrets in the namespace of the configuration, by name.
    pub secrets: BTreeMap<String, SecretFacts>,
    /// Labels of all nodes by name. Empty: not known, so any two sets of nodes may have one in common.
    pub nodes: BTreeMap<String, Labels>,
    /// What was already wrong before any resource could be made of it.
    #[serde(with = "recorded::problems")]
    pub problems: Vec<Problem>,
}

impl Resources {
    /// Unites two sets; the same name in both becomes a problem when they are parsed. Names that nobody wrote are
    /// never among those: they are given out anew over the whole set.
    pub fn extend(&mut self, other: Self) {
        let Self {
            pools,
            l2_advertisements,
            bgp_advertisements,
            bgp_peers,
            communities,
            bfd_profiles,
            secrets,
            nodes,
            problems,
        } = other;
        self.pools.extend(pools);
        self.l2_advertisements.extend(l2_advertisements);
        self.bgp_advertisements.extend(bgp_advertisements);
        self.bgp_peers.extend(bgp_peers);
        self.communities.extend(communities);
        self.bfd_profiles.extend(bfd_profiles);
        self.secrets.extend(secrets);
        self.nodes.extend(nodes);
        self.problems.extend(problems);
    }

    /// The same as the entry at `path` of a list of Helm values that stands in `object`.
    pub(crate) fn written_in(mut self, object: &ObjectRef, path: &str) -> Self {
        fn place<S>(list: &mut [Resource<S>], object: &ObjectRef, path: &str) {
            for resource in list {
                resource.origin = Origin::entry(object.clone(), path);
            }
        }
        place(&mut self.pools, object, path);
        place(&mut self.l2_advertisements, object, path);
        place(&mut self.bgp_advertisements, object, path);
        place(&mut self.bgp_peers, object, path);
        place(&mut self.communities, object, path);
        place(&mut self.bfd_profiles, object, path);
        self
    }

    /// Takes out what was made of this object; nothing where there is no such object.
    pub fn remove(&mut self, object: &ObjectRef) {
        fn take_out<S>(list: &mut Vec<Resource<S>>, object: &ObjectRef) {
            list.retain(|resource| resource.origin.object != *object);
        }
        take_out(&mut self.pools, object);
        take_out(&mut self.l2_advertisements, object);
        take_out(&mut self.bgp_advertisements, object);
        take_out(&mut self.bgp_peers, object);
        take_out(&mut self.communities, object);
        take_out(&mut self.bfd_profiles, object);
        self.problems.retain(|problem| problem.object != *object);
    }
}

/// Names resources that nobody named `stem1`, `stem2`, ... in their order, past the names that somebody wrote. The
/// first is called `first` instead where that is given.
pub(crate) fn number_generated<'a, S: Clone>(
    resources: &'a [Resource<S>],
    stem: &str,
    first: Option<&str>,
) -> Cow<'a, [Resource<S>]> {
    if !resources.iter().any(|resource| resource.origin.is_generated()) {
        return Cow::Borrowed(resources);
    }
    let written = resources.iter().filter(|resource| !resource.origin.is_generated());
    let written: BTreeSet<&str> = written.map(|resource| resource.name.as_str()).collect();
    let numbers = if first.is_some() { 2_u64.. } else { 1_u64.. };
    let names = first.map(str::to_owned).into_iter().chain(numbers.map(|number| format!("{stem}{number}")));
    let mut free = names.filter(|name| !written.contains(name.as_str()));
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
