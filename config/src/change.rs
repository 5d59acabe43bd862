//! What a change would do: the problems that it brings, and what must not be taken away.

use crate::legacy::GENERATED_PEER;
use crate::parse;
use crate::problem::{Class, ObjectRef, Problem};
use crate::resource::{Resources, number_generated};

/// The problems that `after` has and `before` has not: what a change from one to the other brings about, wherever it
/// shows. Whoever admits changes refuses those that bring one of [`Class::Invalid`] and warns of
/// the others. What was wrong before hinders no change, so a configuration that is wrong can be mended step by step.
pub fn introduced(before: &Resources, after: &Resources) -> Vec<Problem> {
    let mut known = parse(before).problems;
    let mut introduced = parse(after).problems;
    introduced.retain(|problem| match known.iter().position(|known| is_same(known, problem)) {
        Some(index) => {
            known.swap_remove(index);
            false
        }
        None => true,
    });
    introduced
}

/// Whether the two say the same. What is missing is missing whatever else there is, which the sentence may tell.
fn is_same(known: &Problem, problem: &Problem) -> bool {
    let missing = known.class == Class::MissingReference && problem.class == Class::MissingReference;
    let place = |problem: &Problem| (problem.object.clone(), problem.field.clone(), problem.value.clone());
    known == problem || (missing && place(known) == place(problem))
}

/// Whether `object` may be deleted: a `BFDProfile` may not while a `BGPPeer` refers to it.
///
/// # Errors
/// The sentence that says who needs it.
pub fn deletion(resources: &Resources, object: &ObjectRef) -> Result<(), Box<Problem>> {
    if &*object.kind != "BFDProfile" {
        return Ok(());
    }
    // Of two places that define it one may go.
    let mut places = resources.bfd_profiles.iter().filter(|profile| *profile.name == *object.name);
    if places.any(|profile| profile.origin.object != *object) {
        return Ok(());
    }
    let peers = number_generated(&resources.bgp_peers, GENERATED_PEER, None);
    let user = peers.iter().find(|peer| peer.spec.bfd_profile.as_deref() == Some(&*object.name));
    let Some(user) = user else { return Ok(()) };
    let message = format!(
        "failed to delete BFDProfile {}, used by BGPPeer {}; take it out of that peer's bfdProfile first",
        object.name, user.name
    );
    Err(Box::new(Problem::new(object.clone(), "metadata.name", &*object.name, message).announcement()))
}
