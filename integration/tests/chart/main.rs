//! The chart, rendered by Helm itself: what it installs, what it refuses, and that its documentation is true.
//!
//! Needs `integration/kubernetes/get.sh` to have built Helm (`make kubernetes`) or a Go compiler; without either the tests
//! say so and pass. Those in `cluster` install the chart on a real API server, too.
//!
//! `make docs` (`BLESS=1`) writes what is made of other things: the entries of `values.schema.json`, `docs/values.md`.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod helm;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod workloads;
