//! What people run to see ferrolb at work: the demo, and the bench that measures what the demo shows.

mod bench;
mod cluster;
mod demo;
mod keepalived;
mod routed;
mod screen;

pub(crate) use bench::{BenchOptions, ClusterBench, Part, bench, cluster as cluster_bench};
pub(crate) use cluster::demo as cluster_demo;
pub(crate) use demo::demo;

use std::net::{IpAddr, SocketAddr};

use crate::error::Error;
use crate::lab::Lab;

/// The service that every tour looks at.
const SERVICE: &str = "default/web";

/// The address of [`SERVICE`] once it has one.
fn address(lab: &Lab) -> Result<IpAddr, Error> {
    lab.wait_for("the service has an address", |lab| lab.service_address(SERVICE).ok().flatten())
}

/// The one node whose speaker says that it announces `vip`, once exactly one does.
fn owner(lab: &Lab, vip: IpAddr) -> Result<String, Error> {
    lab.wait_for("exactly one node announces the address", |lab| {
        let announcers = lab.announcers(vip).ok()?;
        let [owner] = announcers.as_slice() else { return None };
        Some(owner.clone())
    })
}

/// Puts the endpoints on every node but `node`, so that a crash of `node` takes the address away and nothing else.
fn endpoints_beside(lab: &Lab, node: &str) -> Result<(), Error> {
    let others: Vec<&str> = nodes(lab).into_iter().filter(|other| *other != node).collect();
    lab.endpoints_on(&others)
}

fn nodes(lab: &Lab) -> Vec<&str> {
    lab.layout().nodes().map(|node| node.name.as_str()).collect()
}

/// Waits until every node's speaker counts as many living members as there are nodes.
fn everybody_is_a_member(lab: &Lab) -> Result<(), Error> {
    let all = nodes(lab).len();
    lab.wait_for("all nodes are members again", |lab| {
        let complete = |node: &&str| lab.members(node).map(|members| members.len()) == Some(all);
        nodes(lab).iter().all(complete).then_some(())
    })
}

fn target(vip: IpAddr) -> SocketAddr {
    SocketAddr::new(vip, 80)
}
