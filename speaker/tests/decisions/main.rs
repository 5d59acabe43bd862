//! What a node decides, and the reason it gives.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a helper of tests may fail the test")]

mod bgp;
mod bgp_properties;
mod brain;
mod election;
mod eligibility;
mod moves;
mod partition;
mod properties;
mod world;
