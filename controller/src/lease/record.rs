//! What stands in a Lease.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// The longest duration that is believed: what stands in a lease must not lock everybody out for ever.
const LONGEST: Duration = Duration::from_secs(600);

/// What stands in a Lease and is decided on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Who holds it; `None`: nobody, it was released.
    pub holder: Option<String>,
    /// When it was last renewed, by the holder's clock: only ever compared for being the same.
    pub renewed: Option<Timestamp>,
    /// Since when the holder has held it, by its clock; for people.
    pub acquired: Option<Timestamp>,
    /// How long its holder wants others to wait; `None`: not said, or nonsense.
    pub duration: Option<Duration>,
    /// How often it changed hands.
    pub transitions: i32,
}

// === impl Record ===

impl Record {
    /// Reads it from the object.
    pub fn of(object: &LeaseObject) -> Self {
        let Some(spec) = &object.spec else { return Self::default() };
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.clone().filter(|holder| !holder.is_empty()),
            renewed: spec.renew_time.as_ref().map(|time| time.0),
            acquired: spec.acquire_time.as_ref().map(|time| time.0),
            duration: seconds.map(Duration::from_secs).filter(|duration| !duration.is_zero() && *duration <= LONGEST),
            transitions: spec.lease_transitions.unwrap_or(0),
        }
    }

    /// Writes it into the object, beside whatever else stands there.
    pub fn write_to(&self, object: &mut LeaseObject) {
        let spec = object.spec.get_or_insert_with(LeaseSpec::default);
        // An empty name, not none: what other tools write when they release.
        spec.holder_identity = Some(self.holder.clone().unwrap_or_default());
        spec.renew_time = self.renewed.map(MicroTime);
        spec.acquire_time = self.acquired.map(MicroTime);
        spec.lease_duration_seconds = self.duration.and_then(|duration| i32::try_from(duration.as_secs()).ok());
        spec.lease_transitions = Some(self.transitions);
    }
}
