//! `ferrolb.io/v1alpha1`: kinds of our own, which nobody writes by hand.

mod node_health_report;

pub use node_health_report::{NodeHealthReport, NodeHealthReportSpec, UnreachableNode};
