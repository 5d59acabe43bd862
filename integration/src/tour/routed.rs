//! The part of the demo in which the nodes speak BGP with routers: an address behind FRR and BIRD, and the end of a node.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::demo::watched;
use super::everybody_is_a_member;
use super::screen::{Screen, millis};
use crate::error::Error;
use crate::lab::Lab;
use crate::requirements::Missing;

/// A service in the pool that is announced to routers. Its endpoints are beside the node that is going to crash.
const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: api, namespace: default, annotations: {metallb.io/address-pool: routed}}
spec: {type: LoadBalancer, clusterIP: 10.96.0.12, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-lab, namespace: default, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{name: http, protocol: TCP, port: 8080}]
endpoints:
- {addresses: [10.244.2.2], nodeName: node-2, conditions: {ready: true, serving: true, terminating: false}}
- {addresses: [10.244.3.2], nodeName: node-3, conditions: {ready: true, serving: true, terminating: false}}
";
const CRASHES: &str = "node-1";
/// How often the client fetches.
const FETCHES: usize = 6;
/// The hold time would take 90 s: who is back by then was told by BFD.
const LONGEST_GAP: std::time::Duration = std::time::Duration::from_secs(1);

/// Shows it, or says what it is left out for.
pub(super) fn tour(screen: &mut Screen, lab: &Lab, missing: &[Missing]) -> Result<(), Error> {
    if !missing.is_empty() {
        let what: Vec<String> = missing.iter().map(ToString::to_string).collect();
        return screen.say(&format!("BGP is left out: {}", what.join("; ")));
    }
    screen.step("The same speakers announce over BGP, to a router that runs FRR and one that runs BIRD")?;
    screen.say("A third service asks for the pool `routed`, which the client reaches through the routers only.")?;
    lab.apply("api.yaml", SERVICE)?;
    let vip = lab.wait_for("the service has an address", |lab| lab.service_address("default/api").ok()?)?;
    let everybody: BTreeSet<String> = lab.layout().nodes().map(|node| node.name.clone()).collect();
    routed(lab, vip, &everybody)?;
    // FRR begins with BFD some seconds after the session.
    lab.wait_for("BFD watches every session", |lab| {
        let summary = lab.ferrolb("node-1", &["bgp", "summary"]).ok()?;
        (summary.matches(" Up ").count() == lab.layout().routers().count()).then_some(())
    })?;
    screen.say("$ ferrolb bgp summary        (asked on node-1)")?;
    screen.quote(&lab.ferrolb("node-1", &["bgp", "summary"])?)?;
    for router in lab.layout().routers() {
        let prefix = vip.to_string();
        let route = lab.exec(&router.name, &["ip", "route", "show", &prefix])?;
        screen.say(&format!("$ ip route show {prefix}        (on {})", router.name))?;
        screen.quote(&String::from_utf8_lossy(&route.stdout))?;
    }
    check_routes(screen, lab, vip, "both routers have all nodes side by side", &everybody)?;
    let url = format!("http://{vip}");
    let mut answers = Vec::new();
    for _ in 0..FETCHES {
        let output = lab.exec("client", &["curl", "--no-progress-meter", "--max-time", "5", &url])?;
        answers.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let served = answers.iter().filter(|answer| answer.starts_with("node-")).count();
    screen.check("the client is served through them", format!("{served} of {FETCHES}"), served == FETCHES)?;

    screen.step(&format!("{CRASHES} crashes, and with it a third of all paths"))?;
    let rest: BTreeSet<String> = everybody.iter().filter(|node| *node != CRASHES).cloned().collect();
    let report = watched(screen, lab, vip, |lab| lab.kill(CRASHES))?;
    let gap = report.longest_gap();
    routed(lab, vip, &rest)?;
    let seen = format!(
        "longest gap {}, {} of {} connections lost; BFD at 50 ms x 3",
        millis(gap),
        report.failures,
        report.attempts
    );
    screen.check("the routers leave it at once", seen, gap < LONGEST_GAP)?;
    lab.heal(CRASHES)?;
    routed(lab, vip, &everybody)?;
    everybody_is_a_member(lab)?;
    check_routes(screen, lab, vip, "it is back", &everybody)
}

/// Shows to how many nodes each router sends.
fn check_routes(
    screen: &mut Screen,
    lab: &Lab,
    vip: IpAddr,
    what: &str,
    nodes: &BTreeSet<String>,
) -> Result<(), Error> {
    let mut seen = Vec::new();
    let mut held = true;
    for router in lab.layout().routers() {
        let hops = lab.next_hops(&router.name, vip)?;
        held &= hops == *nodes;
        seen.push(format!("{}: {} next hops", router.name, hops.len()));
    }
    screen.check(what, seen.join(", "), held)
}

/// Waits until every router sends to exactly these nodes.
fn routed(lab: &Lab, vip: IpAddr, nodes: &BTreeSet<String>) -> Result<(), Error> {
    lab.wait_for("the routers have the routes", |lab| {
        let has = |router: &crate::layout::Host| lab.next_hops(&router.name, vip).is_ok_and(|hops| hops == *nodes);
        lab.layout().routers().all(has).then_some(())
    })
}
