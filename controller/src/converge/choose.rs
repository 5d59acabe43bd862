//! Which addresses a Service without any gets.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use ferrolb_source::{Addresses, Families, Family, FamilyPolicy, Service};
use smallvec::SmallVec;

use super::list;
use crate::allocator::{Allocator, Asker, AssignError, Offer, PoolId};
use crate::request::PoolRequest;

/// Why a Service gets no address.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The allocator says no.
    Assign(AssignError),
    /// The pool that was asked for has nothing.
    Full(PoolId, Families),
    /// None of the pools that would do has anything.
    Exhausted(SmallVec<[PoolId; 4]>, Families),
    /// The requested addresses are of other families than the Service.
    OtherFamilies(Addresses, Families),
    /// The requested addresses are in another pool than the requested one.
    OtherPool { ips: Addresses, asked: String, pool: PoolId },
    /// Two cluster IPs, one address: which one is not said.
    SingleStack,
}

impl From<AssignError> for Refusal {
    fn from(error: AssignError) -> Self {
        Self::Assign(error)
    }
}

// === impl Refusal ===

impl Refusal {
    /// What of it stays the same while nothing changes but counts and names.
    pub(super) fn gist(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(self).hash(&mut hasher);
        match self {
            Self::Assign(error) => error.to_string().hash(&mut hasher),
            Self::Full(pool, families) => (pool, families).hash(&mut hasher),
            Self::Exhausted(pools, families) => (pools, families).hash(&mut hasher),
            Self::OtherFamilies(ips, families) => (ips, families).hash(&mut hasher),
            Self::OtherPool { ips, asked, pool } => (ips, asked, pool).hash(&mut hasher),
            Self::SingleStack => {}
        }
        hasher.finish()
    }

    pub(super) fn message(&self, allocator: &Allocator) -> String {
        match self {
            Self::Assign(error) => error.to_string(),
            Self::Full(pool, families) => {
                let why = allocator.describe_one(*pool, families);
                AssignError::PoolFull { pool: allocator.name(*pool).to_owned(), why }.to_string()
            }
            Self::Exhausted(pools, families) => {
                AssignError::NoneAvailable(allocator.describe(pools, families)).to_string()
            }
            Self::OtherFamilies(ips, families) => format!(
                "requested loadBalancer IP(s) {} does not match the ipFamily of the service ({})",
                list(ips),
                Joined(families)
            ),
            Self::OtherPool { ips, asked, pool } => format!(
                "requested loadBalancer IP(s) {} is not compatible with requested address pool {asked:?}: it is from {:?}",
                list(ips),
                allocator.name(*pool)
            ),
            Self::SingleStack => {
                "a service with two cluster IPs needs ipFamilyPolicy PreferDualStack or RequireDualStack".to_owned()
            }
        }
    }
}

struct Joined<'a>(&'a [Family]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, family) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{family}")?;
        }
        Ok(())
    }
}

/// Exactly the requested addresses, of the requested pool if there is one.
pub(super) fn requested(
    allocator: &Allocator,
    asker: &Asker<'_>,
    service: &Service,
    ips: &Addresses,
    pool: Option<&PoolRequest<'_>>,
) -> Result<Offer, Refusal> {
    let asked: Families = ips.iter().copied().map(Family::of).collect();
    if !asked.same_as(service.cluster_families) {
        return Err(Refusal::OtherFamilies(ips.clone(), service.cluster_families));
    }
    let offer = allocator.check(asker, ips)?;
    match pool {
        Some(wanted) if wanted.resolve(allocator) != Some(offer.pool()) => {
            let asked = wanted.written.to_owned();
            Err(Refusal::OtherPool { ips: ips.clone(), asked, pool: offer.pool() })
        }
        _ => Ok(offer),
    }
}

/// What can be had from the requested pool, or from the pools that serve this Service.
pub(super) fn any(
    allocator: &Allocator,
    asker: &Asker<'_>,
    service: &Service,
    pool: Option<&PoolRequest<'_>>,
) -> Result<Offer, Refusal> {
    let wanted = service.cluster_families;
    let alternatives = alternatives(service)?;
    if let Some(pool) = pool {
        let unknown = || AssignError::UnknownPool(pool.written.to_owned());
        let id = pool.resolve(allocator).ok_or_else(unknown)?;
        let id = allocator.admitting(asker, allocator.name(id))?;
        let offer = alternatives.iter().find_map(|families| allocator.offer(asker, id, families));
        return offer.ok_or(Refusal::Full(id, wanted));
    }
    let pinned: SmallVec<[PoolId; 4]> = allocator.pinned(asker).collect();
    // Both families or one is decided within a stage: a Service keeps to the pools that are set apart for it.
    let give = |pool, families: &Families| allocator.offer(asker, pool, families);
    let from_pinned = |families| pinned.iter().find_map(|pool| give(*pool, families));
    let from_general = |families| allocator.general().find_map(|pool| give(pool, families));
    let offer = alternatives.iter().find_map(from_pinned).or_else(|| alternatives.iter().find_map(from_general));
    if let Some(offer) = offer {
        return Ok(offer);
    }
    Err(Refusal::Exhausted(pinned.into_iter().chain(allocator.general()).collect(), wanted))
}

/// The families that would do, the best first.
fn alternatives(service: &Service) -> Result<SmallVec<[Families; 3]>, Refusal> {
    let families = service.cluster_families;
    match (families.len(), service.family_policy) {
        (2, FamilyPolicy::SingleStack) => Err(Refusal::SingleStack),
        (2, FamilyPolicy::PreferDualStack) => {
            let first = service.families.first().copied().unwrap_or(Family::V4);
            Ok([families, Families::only(first), Families::only(first.other())].into_iter().collect())
        }
        _ => Ok(std::iter::once(families).collect()),
    }
}
