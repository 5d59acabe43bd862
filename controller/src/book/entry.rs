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

/// What stands in a Service's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) status: Status,
    /// And something that nobody here has written, such as a name.
    more: bool,
}

// === impl Shown ===

impl Shown {
    pub(super) fn by(service: &Service) -> Self {
        let pool = super::pool_annotation(service).map(str::to_owned);
        Self { status: Status { ips: service.ingress.clone(), pool }, more: service.ingress_has_more }
    }

    /// Nothing of ours.
    pub(super) fn is_empty(&self) -> bool {
        self.status.ips.is_empty() && self.status.pool.is_none()
    }
}

impl From<Status> for Shown {
    /// What stands there once this was written: it replaces everything.
    fn from(status: Status) -> Self {
        Self { status, more: false }
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) service: Arc<Service>,
    /// What it should hold.
    pub(super) ips: Addresses,
    pub(super) pool: Option<Arc<str>>,
    /// What the source has shown or a write has confirmed, where that is not what it should hold.
    pub(super) behind: Option<Box<Shown>>,
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
        let behind = service.ingress_has_more.then(|| Box::new(Shown::by(&service)));
        Self { service, ips, pool, behind, waiting: false, told: Gists::new() }
    }

    pub(super) fn status(&self) -> Status {
        Status { ips: self.ips.to_vec(), pool: self.pool.as_deref().map(str::to_owned) }
    }

    /// What it shows and does not hold any more.
    pub(super) fn leaving(&self) -> Addresses {
        let shown = self.behind.iter().flat_map(|shown| shown.status.ips.iter().copied());
        shown.filter(|ip| !self.ips.contains(ip)).collect()
    }

    fn is(&self, Shown { status, more }: &Shown) -> bool {
        !more && self.ips.as_slice() == status.ips && self.pool.as_deref() == status.pool.as_deref()
    }

    /// Takes over what it is to hold from now on.
    pub(super) fn hold(&mut self, assignment: Option<&Assignment>) {
        let (ips, pool) = assignment.map_or((&[][..], None), |held| (held.ips.as_slice(), Some(&held.pool)));
        if self.ips.as_slice() == ips && self.pool.as_deref() == pool.map(AsRef::as_ref) {
            return;
        }
        let before = self.behind.take().unwrap_or_else(|| Box::new(self.status().into()));
        self.ips = Addresses::from_slice(ips);
        self.pool = pool.cloned();
        self.behind = (!self.is(&before)).then_some(before);
    }

    /// Takes over what the source or a write shows.
    pub(super) fn show(&mut self, shown: Shown) {
        self.behind = (!self.is(&shown)).then(|| Box::new(shown));
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
