//! What one Service should hold: the same decisions in the same order as MetalLB makes them.

mod choose;
mod notice;
mod step;

use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_config::Labels;
use ferrolb_source::{Family, FamilyPolicy, ObjectKey, Service};
pub use notice::{Gist, Gists, Notice, Outcome};
use step::Step;

use crate::allocator::{Allocator, Asker, Sharing};
use crate::request::sharing;

/// A Service and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Which Service.
    pub key: &'a Arc<ObjectKey>,
    /// What it says.
    pub service: &'a Service,
    /// Whether it is a load balancer of our class.
    pub ours: bool,
    /// The labels of its namespace.
    pub namespace_labels: &'a Labels,
    /// The addresses that it was promised: those of its status, or those that were just given to it.
    pub held: &'a [IpAddr],
    /// What its owner has been told and still holds.
    pub told: &'a [Gist],
}

/// Claims what a Service holds, if it may go on holding it; nothing is given out. Run over all Services before the
/// first [`converge`], so that nothing that was promised to one Service is given to another.
pub fn claim(facts: &Facts<'_>, allocator: &mut Allocator) {
    if facts.ours && !facts.held.is_empty() && facts.families_fit() {
        let sharing = sharing(facts.service);
        // A refusal is reported by `converge`, which comes to the same.
        let _refused = allocator.assign(&facts.asker(sharing.as_ref()), facts.held).is_err();
    }
}

/// Makes the allocator hold for this Service what it should.
pub fn converge(facts: &Facts<'_>, allocator: &mut Allocator) -> Outcome {
    let sharing = sharing(facts.service);
    let mut outcome = Outcome::default();
    Step { facts, allocator, asker: facts.asker(sharing.as_ref()), outcome: &mut outcome }.run();
    outcome
}

// === impl Facts ===

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

    /// Whether the families of the held addresses are those that the Service should have.
    fn families_fit(&self) -> bool {
        let held = || self.held.iter().copied().map(Family::of);
        let wanted = &self.service.cluster_families;
        let distinct = match self.held {
            [] | [_] => true,
            [first, second] => Family::of(*first) != Family::of(*second),
            _ => false,
        };
        let enough = self.held.len() == wanted.len() || self.prefers_dual();
        distinct && enough && held().all(|family| wanted.contains(&family))
    }
}

fn list(ips: &[IpAddr]) -> String {
    let quoted: Vec<String> = ips.iter().map(|ip| format!("\"{ip}\"")).collect();
    format!("[{}]", quoted.join(" "))
}
