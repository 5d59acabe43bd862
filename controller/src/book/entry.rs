//! What the book keeps of one Service.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_source::{ObjectKey, Service};

use crate::allocator::{Addresses, Assignment};
use crate::converge::Gists;

/// A Service's status as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Addresses in order.
    pub ips: Vec<IpAddr>,
    /// The pool they are from.
    pub pool: Option<String>,
}

impl Status {
    /// What a Service shows.
    pub(super) fn shown(service: &Service) -> Self {
        Self { ips: service.ingress.clone(), pool: super::pool_annotation(service).map(str::to_owned) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ips.is_empty() && self.pool.is_none()
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) service: Arc<Service>,
    /// What it should hold.
    pub(super) ips: Addresses,
    pub(super) pool: Option<Arc<str>>,
    /// What the source has shown or a write has confirmed, where that is not what it should hold.
    pub(super) behind: Option<Box<Status>>,
    /// Whether it wants an address or one more.
    pub(super) waiting: bool,
    pub(super) told: Gists,
}

// === impl Entry ===

impl Entry {
    /// A Service that holds what it shows.
    pub(super) fn new(service: Arc<Service>) -> Self {
        let ips = Addresses::from_slice(&service.ingress);
        let pool = super::pool_annotation(&service).map(Arc::from);
        Self { service, ips, pool, behind: None, waiting: false, told: Gists::new() }
    }

    pub(super) fn status(&self) -> Status {
        Status { ips: self.ips.to_vec(), pool: self.pool.as_deref().map(str::to_owned) }
    }

    /// What it shows and does not hold any more.
    pub(super) fn leaving(&self) -> Addresses {
        let shown = self.behind.iter().flat_map(|status| status.ips.iter().copied());
        shown.filter(|ip| !self.ips.contains(ip)).collect()
    }

    fn is(&self, status: &Status) -> bool {
        self.ips.as_slice() == status.ips && self.pool.as_deref() == status.pool.as_deref()
    }

    /// Takes over what it is to hold from now on.
    pub(super) fn hold(&mut self, assignment: Option<&Assignment>) {
        let (ips, pool) = assignment.map_or((&[][..], None), |held| (held.ips.as_slice(), Some(&held.pool)));
        if self.ips.as_slice() == ips && self.pool.as_deref() == pool.map(AsRef::as_ref) {
            return;
        }
        let before = self.behind.take().unwrap_or_else(|| Box::new(self.status()));
        self.ips = Addresses::from_slice(ips);
        self.pool = pool.cloned();
        self.behind = (!self.is(&before)).then_some(before);
    }

    /// Takes over what the source or a write shows.
    pub(super) fn show(&mut self, status: &Status) {
        self.behind = (!self.is(status)).then(|| Box::new(status.clone()));
    }
}

/// A Service in order of age: the oldest first, so that in a dispute the one that was there first keeps what it has.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) service: Arc<Service>,
    pub(super) key: Arc<ObjectKey>,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.service.age.cmp(&other.service.age).then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn {}
