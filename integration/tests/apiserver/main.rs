//! Real etcd and kube-apiserver, started by the tests: what only they can tell.
//!
//! Needs `integration/kubernetes/get.sh` to have built them (`make kubernetes`) or a Go compiler; without either
//! the tests say so and pass. Beside `lab` they need the binaries `ferrolb-controller` and `ferrolb`, which a build of the
//! workspace puts there.

#[cfg(test)]
mod ask;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod collections;
#[cfg(test)]
mod common;
#[cfg(test)]
mod control_plane;
#[cfg(test)]
mod duties;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod interruptions;
#[cfg(test)]
mod kubectl;
#[cfg(test)]
mod kubelet;
#[cfg(test)]
mod migration;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod node_failure;
#[cfg(test)]
mod patience;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod reviewer;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod scraping;
#[cfg(test)]
mod webhooks;
