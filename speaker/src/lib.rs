//! Decides what this node announces and keeps the announcers so.
//!
//! [`plan::plan`] is the only place that decides. It is pure: from a [`Snapshot`] of everything known it makes a
//! [`NodePlan`] with a [`Reason`] for every Service and node; command line, logs, events and status all read those.
//! [`Brain`] feeds it and keeps time for successors; [`run`] connects it to gossip, links, announcers and the source.

pub mod admin;
pub mod brain;
pub mod health;
pub mod metrics;
pub mod plan;
pub mod record;
pub mod run;

pub use brain::Brain;
pub use plan::{NodePlan, PartitionPolicy, Reason, Snapshot, Strategy};
