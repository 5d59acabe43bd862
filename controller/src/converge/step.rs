//! One look at one Service.

use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;

use ferrolb_source::{Addresses, EventType, Family, FamilyPolicy};

use super::choose::{Refusal, any, requested};
use super::{Facts, Outcome, list};
use crate::allocator::{Allocator, Asker, AssignError, Assignment, Offer};
use crate::request::{PoolRequest, RequestError, addresses, pool};

pub(super) struct Step<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) allocator: &'a mut Allocator,
    pub(super) asker: Asker<'a>,
    pub(super) outcome: &'a mut Outcome,
}

/// Why a Service cannot even be looked at.
#[derive(Debug, Clone, Copy, Hash)]
enum Obstacle {
    NoPools,
    NoClusterIp,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPools => "no address pool is configured",
            Self::NoClusterIp => "the service has no cluster IP yet, so its address family is not known",
        })
    }
}

// === impl Step ===

impl Step<'_> {
    pub(super) fn run(mut self) {
        let service = self.facts.service;
        if !self.facts.ours {
            return self.clear();
        }
        if !self.allocator.has_pools() {
            return self.fail(Obstacle::NoPools);
        }
        match &*service.cluster_families {
            [] => return self.fail(Obstacle::NoClusterIp),
            [_] if service.family_policy == FamilyPolicy::RequireDualStack => return self.too_few_cluster_ips(),
            [_] => {}
            [first, second] if first != second => {}
            families => return self.undeterminable(families),
        }
        let mut held = self.keep_what_is_held();
        let pool = pool(service);
        if let (Some(assignment), Some(pool)) = (&held, &pool)
            && pool.resolve(self.allocator) != self.allocator.pool(&assignment.pool)
        {
            self.clear();
            held = None;
        }
        let ips = match addresses(service) {
            Ok(ips) => ips,
            Err(error) if held.is_some() => return self.unintelligible(&error),
            Err(error) => return self.fail(error),
        };
        // Both are sorted, so they are compared as sets.
        if held.as_ref().is_some_and(|held| !ips.is_empty() && ips != held.ips) {
            self.clear();
            held = None;
        }
        match held {
            Some(held) if held.ips.len() == 1 && ips.is_empty() && self.facts.prefers_dual() => self.complete(&held),
            Some(_) => {}
            None => self.allocate(&ips, pool.as_ref()),
        }
    }

    fn too_few_cluster_ips(&mut self) {
        self.clear();
        self.outcome.note(self.facts.told, EventType::Warning, "not enough clusterips", (), || {
            "RequireDualStack needs two cluster IPs, one of each family".to_owned()
        });
        self.outcome.waiting = true;
    }

    fn undeterminable(&mut self, families: &[Family]) {
        self.clear();
        self.outcome.note(self.facts.told, EventType::Warning, "noclusterIPsIPFamily", families, || {
            let families: Vec<String> = families.iter().map(ToString::to_string).collect();
            format!("the cluster IPs are {}; a service has at most one of each family", families.join(", "))
        });
    }

    fn unintelligible(&mut self, error: &RequestError) {
        let message = error.to_string();
        self.outcome.note(self.facts.told, EventType::Warning, "LoadBalancerFailed", message.clone(), move || message);
    }

    /// Claims the held addresses again: they are checked against pools, restrictions and partners of now.
    fn keep_what_is_held(&mut self) -> Option<Assignment> {
        let Facts { held, told, .. } = *self.facts;
        if held.is_empty() {
            self.clear();
            return None;
        }
        if !self.facts.families_fit() {
            let determinable = match held {
                [_] => true,
                [first, second] => Family::of(*first) != Family::of(*second),
                _ => false,
            };
            if !determinable {
                self.outcome.note(told, EventType::Warning, "nolbIPsIPFamily", held, || {
                    format!("the addresses {} are not one of each family; new ones are assigned", list(held))
                });
            }
            self.clear();
            return None;
        }
        let refused = match self.allocator.assign(&self.asker, held) {
            Ok(assignment) => return Some(assignment.clone()),
            Err(error) => error,
        };
        self.outcome.note(told, EventType::Normal, "ClearAssignment", refused.to_string(), || {
            format!("current IP {} not allowed by config, will attempt for new IP assignment: {refused}", list(held))
        });
        self.clear();
        None
    }

    /// Adds the missing family from the pool that the other one is from.
    fn complete(&mut self, held: &Assignment) {
        let told = self.facts.told;
        let missing = if held.ips.iter().any(IpAddr::is_ipv4) { Family::V6 } else { Family::V4 };
        if let Some((ip, offer)) = self.allocator.addition(&self.asker, missing) {
            if self.accept(offer) {
                let message = || format!("Assigned additional IP \"{ip}\"");
                self.outcome.note(told, EventType::Normal, "IPAllocated", ip, message);
            }
            return;
        }
        let allocator = &*self.allocator;
        let pool = allocator.pool(&held.pool);
        self.outcome.note(told, EventType::Normal, "AdditionalAssignFailed", (pool, missing), || {
            format!("no additional {missing} address: {}", allocator.describe(pool.as_slice(), &[missing]))
        });
        self.outcome.waiting = true;
    }

    fn allocate(&mut self, ips: &Addresses, pool: Option<&PoolRequest<'_>>) {
        let service = self.facts.service;
        let offer = if ips.is_empty() {
            any(self.allocator, &self.asker, service, pool)
        } else {
            requested(self.allocator, &self.asker, service, ips, pool)
        };
        match offer {
            Ok(offer) => {
                let ips = offer.ips().clone();
                if self.accept(offer) {
                    let message = || format!("Assigned IP {}", list(&ips));
                    self.outcome.note(self.facts.told, EventType::Normal, "IPAllocated", &ips, message);
                }
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Takes what was just offered, so nobody can have come in between; if it does not work all the same, that is said.
    fn accept(&mut self, offer: Offer) -> bool {
        let Err(error) = self.allocator.accept(&self.asker, offer) else { return true };
        self.inconsistent(&error);
        false
    }

    fn inconsistent(&mut self, error: &AssignError) {
        self.clear();
        let message = || format!("an address that is free cannot be assigned: {error}");
        self.outcome.note(self.facts.told, EventType::Warning, "InternalError", (), message);
        self.outcome.waiting = true;
    }

    fn clear(&mut self) {
        self.allocator.release(self.facts.key);
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.clear();
        let allocator = &*self.allocator;
        fail(self.facts, self.outcome, refusal.gist(), || refusal.message(allocator));
    }

    fn fail(&mut self, why: impl fmt::Display) {
        self.clear();
        let why = why.to_string();
        fail(self.facts, self.outcome, why.clone(), move || why);
    }
}

fn fail(facts: &Facts<'_>, outcome: &mut Outcome, gist: impl Hash, why: impl FnOnce() -> String) {
    let message = || format!("Failed to allocate IP for \"{}\": {}", facts.key, why());
    outcome.note(facts.told, EventType::Warning, "AllocationFailed", gist, message);
    outcome.waiting = true;
}
