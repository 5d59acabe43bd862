//! Fails the endpoints of nodes that are dead before Kubernetes does: `--fail-endpoints`.
//!
//! Kubernetes takes the pods of a dead node for ready until the node's Lease has not been renewed for 40 to 50 s, and
//! kube-proxy sends them their share of new connections. Speakers know within a second ([`NodeHealthReport`]). When most
//! of them agree, the controller in charge does early what the node lifecycle controller does late: it sets the condition
//! `Ready` of that node's pods to `False`, and the EndpointSlice controller takes them out. The node's kubelet writes what
//! is true as soon as it can: it is the one that pods' statuses belong to.
//!
//! [`Jury`] decides and knows no API server; [`spawn`] asks it about what the API server tells, and acts.
//!
//! [`NodeHealthReport`]: ferrolb_api::v1alpha1::NodeHealthReport

mod jury;
mod pods;
mod run;

pub use jury::{Guard, Input, Jury, Verdict};
pub use run::{FailureArgs, Watched, spawn};
