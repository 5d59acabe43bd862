//! What else is to be said of a Service that has its addresses.

use std::sync::Arc;

use ferrolb_api::annotations;
use ferrolb_config::Config;
use ferrolb_source::{EventType, ObjectKey};

use super::Entry;
use crate::allocator::Allocator;
use crate::converge::Outcome;
use crate::request::sharing;

pub(super) fn add(key: &Arc<ObjectKey>, entry: &Entry, config: &Config, allocator: &Allocator, outcome: &mut Outcome) {
    collision(entry, allocator, outcome);
    not_announced(entry, config, outcome);
    if entry.is_behind() {
        deprecated(key, entry, outcome);
    }
}

/// A Service of another class shows the address too.
fn collision(entry: &Entry, allocator: &Allocator, outcome: &mut Outcome) {
    for ip in &entry.ips {
        if let Some(other) = allocator.reserved_by(*ip).first() {
            outcome.note(&entry.told, EventType::Warning, "AddressInUse", (ip, other), || {
                format!(
                    "address \"{ip}\" is also in the status of {other}, which is of another loadBalancerClass; \
                     the two answer for the same address until one of them gives it up"
                )
            });
        }
    }
}

/// Speakers do not announce a shared address by an advertisement that selects Services: what one of them selects would
/// be announced for all.
fn not_announced(entry: &Entry, config: &Config, outcome: &mut Outcome) {
    let Some(pool) = entry.pool.as_deref() else { return };
    let mut selecting = config.l2_advertisements.iter().filter(|ad| {
        !ad.service_selectors.is_empty() && ad.pools.contains(pool) && ad.matches_service(&entry.service.labels)
    });
    // The cheap question first: few advertisements select Services.
    if let Some(ad) = selecting.next()
        && sharing(&entry.service).is_some()
    {
        outcome.note(&entry.told, EventType::Warning, "sharedIPWithServiceSelector", &ad.name, || {
            format!(
                "not announced by L2: {} cannot be combined with L2Advertisement {:?}, which has serviceSelectors; \
                 use an advertisement without them, or do not share the address",
                annotations::ALLOW_SHARED_IP,
                ad.name
            )
        });
    }
}

/// The warning for annotations of old, each time that the object is about to be changed.
fn deprecated(key: &Arc<ObjectKey>, entry: &Entry, outcome: &mut Outcome) {
    let mut names = annotations::deprecated(&entry.service.annotations).peekable();
    if names.peek().is_some() {
        let change = (key, &entry.ips, &entry.pool);
        outcome.note(&entry.told, EventType::Warning, "deprecatedAnnotation", change, || {
            let names = names.collect::<Vec<_>>().join(", ");
            format!("annotations of old: {names}; use those that begin with metallb.io/")
        });
    }
}
