//! What one Service should hold: the same decisions in the same order as MetalLB makes them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_config::Labels;
use ferrolb_source::{EventType, Family, FamilyPolicy, ObjectKey, Service};

use crate::allocator::{Allocator, Asker, AssignError, Assignment, Sharing};
use crate::request::{Request, request, sharing};

/// A Service and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Which Service.
    pub key: &'a ObjectKey,
    /// What it says.
    pub service: &'a Service,
    /// Whether it is a load balancer of our class.
    pub ours: bool,
    /// The labels of its namespace.
    pub namespace_labels: &'a Labels,
    /// The addresses that it was promised: those of its status, or those that were just given to it.
    pub held: &'a [IpAddr],
}

/// Something to tell the Service's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is meant.
    pub event_type: EventType,
    /// A word that tools look for.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In the order in which it happened.
    pub notices: Vec<Notice>,
    /// Whether the Service wants an address and has none, or wants more than it has: to be looked at again when one
    /// becomes free.
    pub waiting: bool,
}

/// Claims what a Service holds, if it may go on holding it; nothing is given out. Run over all Services, the oldest
/// first, before the first [`converge`], so that nothing that was promised to one Service is given to another.
pub fn claim(facts: &Facts<'_>, allocator: &mut Allocator) {
    let sharing = sharing(facts.service);
    if facts.ours && !facts.held.is_empty() && families_fit(facts) {
        // A refusal is reported by `converge`, which comes to the same.
        let _refused = allocator.assign(&facts.asker(sharing.as_ref()), facts.held).is_err();
    }
}

/// Makes the allocator hold for this Service what it should.
pub fn converge(facts: &Facts<'_>, allocator: &mut Allocator) -> Outcome {
    let sharing = sharing(facts.service);
    let mut step = Step { facts, allocator, sharing, outcome: Outcome::default() };
    step.run();
    step.outcome
}

impl<'a> Facts<'a> {
    fn asker(&self, sharing: Option<&'a Sharing>) -> Asker<'a> {
        Asker {
            key: self.key,
            labels: &self.service.labels,
            namespace_labels: self.namespace_labels,
            sharing,
            ports: &self.service.ports,
        }
    }

    fn prefers_dual(&self) -> bool {
        self.service.family_policy == FamilyPolicy::PreferDualStack && self.service.cluster_families.len() == 2
    }
}

/// Whether the families of the held addresses are those that the Service should have.
fn families_fit(facts: &Facts<'_>) -> bool {
    let held: BTreeSet<Family> = facts.held.iter().copied().map(Family::of).collect();
    let wanted: BTreeSet<Family> = facts.service.cluster_families.iter().copied().collect();
    held.len() == facts.held.len() && (held == wanted || (facts.prefers_dual() && held.is_subset(&wanted)))
}

struct Step<'a> {
    facts: &'a Facts<'a>,
    allocator: &'a mut Allocator,
    sharing: Option<Sharing>,
    outcome: Outcome,
}

// === impl Step ===

impl Step<'_> {
    fn run(&mut self) {
        let service = self.facts.service;
        if !self.facts.ours {
            self.clear();
            return;
        }
        if !self.allocator.has_pools() {
            return self.fail("no address pool is configured");
        }
        if service.cluster_families.is_empty() {
            return self.fail("the service has no cluster IP yet, so its address family is not known");
        }
        if let [one, other] = service.cluster_families.as_slice()
            && one == other
        {
            let message = format!("both cluster IPs are {one}; a service has at most one of each family");
            self.notice(EventType::Warning, "noclusterIPsIPFamily", message);
            self.clear();
            return;
        }
        if service.family_policy == FamilyPolicy::RequireDualStack && service.cluster_families.len() < 2 {
            let message = "RequireDualStack needs two cluster IPs, one of each family";
            self.notice(EventType::Warning, "not enough clusterips", message);
            self.clear();
            self.outcome.waiting = true;
            return;
        }
        let mut held = self.keep_what_is_held();
        let request = match request(service) {
            Ok(request) => request,
            Err(error) if held.is_some() => {
                return self.notice(EventType::Warning, "LoadBalancerFailed", error.to_string());
            }
            Err(error) => return self.fail(error),
        };
        if held.as_ref().is_some_and(|held| !suits(held, &request)) {
            self.clear();
            held = None;
        }
        match held {
            Some(held) if held.ips.len() == 1 && request.ips.is_empty() && self.facts.prefers_dual() => {
                self.complete(&held);
            }
            Some(_) => {}
            None => self.allocate(&request),
        }
    }

    /// Claims the held addresses again: they are checked against pools, restrictions and partners of now.
    fn keep_what_is_held(&mut self) -> Option<Assignment> {
        let facts = self.facts;
        if facts.held.is_empty() {
            self.allocator.release(facts.key);
            return None;
        }
        if !families_fit(facts) {
            if facts.held.len() > 2 || (facts.held.len() == 2 && same_family(facts.held)) {
                let message =
                    format!("the addresses {:?} are not one of each family; new ones are assigned", facts.held);
                self.notice(EventType::Warning, "nolbIPsIPFamily", message);
            }
            self.clear();
            return None;
        }
        match self.allocator.assign(&facts.asker(self.sharing.as_ref()), facts.held) {
            Ok(assignment) => Some(assignment.clone()),
            Err(error) => {
                let message = format!(
                    "current IP {} not allowed by config, will attempt for new IP assignment: {error}",
                    list(facts.held)
                );
                self.notice(EventType::Normal, "ClearAssignment", message);
                self.clear();
                None
            }
        }
    }

    /// Adds the missing family from the pool that the other one is from.
    fn complete(&mut self, held: &Assignment) {
        let missing = if held.ips.iter().any(IpAddr::is_ipv4) { Family::V6 } else { Family::V4 };
        // The address that is there stays as it is, so only the other one is looked for.
        let mut ips = held.ips.clone();
        let sharing = self.sharing.clone();
        let probe = self.facts.asker(sharing.as_ref());
        if let Some(ip) = self.allocator.first_in(&probe, &held.pool, missing) {
            ips.push(ip);
            if self.allocator.assign(&probe, &ips).is_ok() {
                self.notice(EventType::Normal, "IPAllocated", format!("Assigned additional IP \"{ip}\""));
            }
        } else {
            let why = self.allocator.describe(std::slice::from_ref(&held.pool), &[missing]);
            let message = format!("no additional {missing} address: {why}");
            self.notice(EventType::Normal, "AdditionalAssignFailed", message);
            self.outcome.waiting = true;
        }
    }

    fn allocate(&mut self, request: &Request) {
        let asker = self.facts.asker(self.sharing.as_ref());
        let allocated = if request.ips.is_empty() {
            choose(self.allocator, &asker, self.facts.service, request.pool.as_deref())
        } else {
            assign_requested(self.allocator, &asker, self.facts.service, request)
        };
        match allocated {
            Ok(assignment) => {
                let message = format!("Assigned IP {}", list(&assignment.ips));
                self.notice(EventType::Normal, "IPAllocated", message);
            }
            Err(error) => self.fail(error),
        }
    }

    fn clear(&mut self) {
        self.allocator.release(self.facts.key);
    }

    fn fail(&mut self, why: impl std::fmt::Display) {
        self.clear();
        let key = self.facts.key.to_string();
        let message = format!("Failed to allocate IP for {key:?}: {why}");
        self.notice(EventType::Warning, "AllocationFailed", message);
        self.outcome.waiting = true;
    }

    fn notice(&mut self, event_type: EventType, reason: &'static str, message: impl Into<String>) {
        self.outcome.notices.push(Notice { event_type, reason, message: message.into() });
    }
}

fn same_family(ips: &[IpAddr]) -> bool {
    ips.iter().all(IpAddr::is_ipv4) || ips.iter().all(IpAddr::is_ipv6)
}

fn list(ips: &[IpAddr]) -> String {
    let quoted: Vec<String> = ips.iter().map(|ip| format!("\"{ip}\"")).collect();
    format!("[{}]", quoted.join(" "))
}

/// Whether what is held is what is asked for.
fn suits(held: &Assignment, request: &Request) -> bool {
    request.pool.as_ref().is_none_or(|pool| *pool == held.pool)
        && (request.ips.is_empty()
            || request.ips.iter().collect::<BTreeSet<_>>() == held.ips.iter().collect::<BTreeSet<_>>())
}

/// An error with words of its own, or one of the allocator's.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

fn assign_requested(
    allocator: &mut Allocator,
    asker: &Asker<'_>,
    service: &Service,
    request: &Request,
) -> Result<Assignment, Refusal> {
    let asked: BTreeSet<Family> = request.ips.iter().copied().map(Family::of).collect();
    if asked != service.cluster_families.iter().copied().collect() {
        let message = format!(
            "requested loadBalancer IP(s) {} does not match the ipFamily of the service ({})",
            list(&request.ips),
            families(&service.cluster_families)
        );
        return Err(message.into());
    }
    let assignment = allocator.assign(asker, &request.ips)?.clone();
    match &request.pool {
        Some(pool) if *pool != assignment.pool => {
            allocator.release(asker.key);
            let message = format!(
                "requested loadBalancer IP(s) {} is not compatible with requested address pool {pool:?}: it is from {:?}",
                list(&request.ips),
                assignment.pool
            );
            Err(message.into())
        }
        _ => Ok(assignment),
    }
}

fn families(families: &[Family]) -> String {
    families.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn choose(
    allocator: &mut Allocator,
    asker: &Asker<'_>,
    service: &Service,
    pool: Option<&str>,
) -> Result<Assignment, Refusal> {
    let families = service.cluster_families.as_slice();
    let alternatives: Vec<Vec<Family>> = match (families, service.family_policy) {
        ([_, _], FamilyPolicy::SingleStack) => {
            return Err(
                "a service with two cluster IPs needs ipFamilyPolicy PreferDualStack or RequireDualStack".into()
            );
        }
        ([_, _], FamilyPolicy::PreferDualStack) => {
            let first = service.families.first().copied().unwrap_or(Family::V4);
            let second = if first == Family::V4 { Family::V6 } else { Family::V4 };
            vec![families.to_vec(), vec![first], vec![second]]
        }
        _ => vec![families.to_vec()],
    };
    if let Some(pool) = pool {
        let able = alternatives.iter().find(|families| allocator.could_give(asker, pool, families));
        return Ok(allocator.allocate_from(asker, pool, able.map_or(families, Vec::as_slice))?.clone());
    }
    let stages = allocator.automatic_pools(asker);
    for stage in &stages {
        for families in &alternatives {
            if let Some(pool) = stage.iter().find(|pool| allocator.could_give(asker, pool, families)) {
                return Ok(allocator.allocate_from(asker, pool, families)?.clone());
            }
        }
    }
    Err(AssignError::NoneAvailable(allocator.describe(&stages.concat(), families)).into())
}

/// The annotation that a Service with this assignment carries.
pub fn pool_annotation(service: &Service) -> Option<&str> {
    service.annotations.get(ALLOCATED_FROM_POOL).map(String::as_str)
}
