//! Everything that is known of the cluster at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use ferrolb_api::v1beta1::IPAddressPoolStatus;
use ferrolb_config::{Labels, ObjectRef, Problem, Resources, Scope};
use serde::{Deserialize, Serialize};

use crate::object::{Endpoint, Node, ObjectKey, Service};

/// Services by key. Copies are one in memory until one of them changes: there are many Services, and a state of all of
/// them is published after each change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Services(Arc<BTreeMap<ObjectKey, Arc<Service>>>);

impl Deref for Services {
    type Target = BTreeMap<ObjectKey, Arc<Service>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Services {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

/// Everything that is known of the cluster at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cluster {
    /// Nothing has been read yet, so nothing here counts.
    pub reading: bool,
    /// Services of every type.
    pub services: Services,
    /// Endpoints by the Service they belong to.
    pub endpoints: BTreeMap<ObjectKey, Arc<Vec<Endpoint>>>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Arc<Node>>,
    /// Labels of the namespaces that are known as objects.
    pub namespaces: BTreeMap<String, Labels>,
    /// The counters of pools as they are written.
    pub pool_statuses: BTreeMap<ObjectKey, IPAddressPoolStatus>,
    /// The namespace of the configuration objects.
    pub namespace: String,
    /// The configuration, not yet checked.
    pub resources: Resources,
    /// What could not be read. What was read of the same place before stays in this state; see
    /// [`Cluster::is_complete_for_allocation`].
    pub problems: Vec<Problem>,
    /// What is there but not for us.
    pub skipped: Vec<Skipped>,
    /// The UIDs of the configuration's objects, where an API server gave them any.
    pub uids: BTreeMap<ObjectRef, String>,
    /// Whether a Service that is not here is gone for certain, whatever else could not be read.
    pub authoritative: bool,
    /// The last call of [`Refresh::request`](crate::Refresh::request) that this state is at least as recent as.
    pub refreshed: u64,
}

impl Cluster {
    /// Whether everything could be read that the controller uses. Where not, nobody can know what an unreadable object
    /// was going to say, so the configuration in force stays, and nothing is cleaned up.
    pub fn is_complete_for_allocation(&self) -> bool {
        !self.reading && self.problems.iter().all(|problem| problem.scope == Scope::Announcement)
    }

    /// The endpoints of a Service.
    pub fn endpoints_of(&self, service: &ObjectKey) -> &[Endpoint] {
        self.endpoints.get(service).map(|endpoints| endpoints.as_slice()).unwrap_or_default()
    }
}

/// Something that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Skipped {
    /// What.
    pub object: ObjectRef,
    /// Where it stands.
    pub place: String,
    /// Why, as a sentence.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.object, self.place, self.reason)
    }
}
