//! What the book keeps of one Service.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_source::{Addresses, ObjectKey, Service};

use crate::allocator::Assignment;
use crate::converge::Gists;

/// A Service's status as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Addresses in order.
    pub ips: Addresses,
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

/// Whether a Service shows something else than it should. When a cluster begins thousands show nothing, which takes no
/// memory of its own.
#[derive(Debug, Default)]
enum Behind {
    #[default]
    No,
    Nothing,
    Something(Box<Shown>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) service: Arc<Service>,
    /// What it should hold.
    pub(super) ips: Addresses,
    pub(super) pool: Option<Arc<str>>,
    /// What the source has shown or a write has confirmed, where that is not what it should hold.
    behind: Behind,
    /// Whether it wants an address or one more.
    pub(super) waiting: bool,
    pub(super) told: Gists,
}

// === impl Behind ===

impl Behind {
    fn by(shown: Shown) -> Self {
        if shown.is_empty() && !shown.more { Self::Nothing } else { Self::Something(Box::new(shown)) }
    }
}

// === impl Entry ===

impl Entry {
    /// A Service that holds what it shows.
    pub(super) fn new(service: Arc<Service>) -> Self {
        let ips = Addresses::from_slice(&service.ingress);
        let pool = super::pool_annotation(&service).map(Arc::from);
        let behind = if service.ingress_has_more { Behind::by(Shown::by(&service)) } else { Behind::No };
        Self { service, ips, pool, behind, waiting: false, told: Gists::new() }
    }

    pub(super) fn status(&self) -> Status {
        Status { ips: self.ips.clone(), pool: self.pool.as_deref().map(str::to_owned) }
    }

    /// What it shows and does not hold any more.
    pub(super) fn leaving(&self) -> Addresses {
        self.shows_instead().iter().copied().filter(|ip| !self.ips.contains(ip)).collect()
    }

    /// Whether it does not show what it should.
    pub(super) fn is_behind(&self) -> bool {
        !matches!(self.behind, Behind::No)
    }

    /// The addresses that it shows where that is not what it should.
    pub(super) fn shows_instead(&self) -> &[IpAddr] {
        match &self.behind {
            Behind::No | Behind::Nothing => &[],
            Behind::Something(shown) => &shown.status.ips,
        }
    }

    fn is(&self, Shown { status, more }: &Shown) -> bool {
        !more && self.ips == status.ips && self.pool.as_deref() == status.pool.as_deref()
    }

    /// Takes over what it is to hold from now on.
    pub(super) fn hold(&mut self, assignment: Option<&Assignment>) {
        let (ips, pool) = assignment.map_or((&[][..], None), |held| (held.ips.as_slice(), Some(&held.pool)));
        if self.ips.as_slice() == ips && self.pool.as_deref() == pool.map(AsRef::as_ref) {
            return;
        }
        let before = match std::mem::take(&mut self.behind) {
            Behind::No => self.status().into(),
            Behind::Nothing => Shown::from(Status::default()),
            Behind::Something(shown) => *shown,
        };
        self.ips = Addresses::from_slice(ips);
        self.pool = pool.cloned();
        self.show(before);
    }

    /// Takes over what the source or a write shows.
    pub(super) fn show(&mut self, shown: Shown) {
        self.behind = if self.is(&shown) { Behind::No } else { Behind::by(shown) };
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
