//! BGP with the real daemons on both sides: routes at FRR and BIRD and in their kernels, and a client behind them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ferrolb_integration::{Family, Lab, Options, ProbeOptions, Router, missing_requirements};
use serde_json::Value;

use crate::common::{client_is_served, ferrolb, kill_process, nodes, target};

/// The first addresses of the routed pool.
const VIPS: [&str; 2] = ["10.20.0.0", "fd00:10:20::"];
const ROUTERS: [&str; 2] = ["tor-1", "tor-2"];

/// A lab with FRR and BIRD; none, with the reason printed, where the machine cannot run one.
fn lab(options: Options) -> Option<Lab> {
    let mut missing: Vec<String> = missing_requirements().iter().map(ToString::to_string).collect();
    if !Path::new("/usr/lib/frr/bgpd").is_file() {
        missing.push("FRR (Debian package frr)".to_owned());
    }
    if !["/usr/sbin/bird", "/sbin/bird"].iter().any(|program| Path::new(program).is_file()) {
        missing.push("BIRD (Debian package bird2)".to_owned());
    }
    for what in &missing {
        println!("skipped: {what}");
    }
    let routers = vec![Router::Frr, Router::Bird];
    missing.is_empty().then(|| Lab::up(Options { routers, ..options }).unwrap())
}

/// A Service in the routed pool with endpoints on `nodes`, in the families of the lab.
fn service(lab: &Lab, policy: &str, nodes: &[String]) {
    let dual = lab.layout().family() == Family::Dual;
    let families = if dual {
        "ipFamilies: [IPv4, IPv6], ipFamilyPolicy: RequireDualStack, clusterIPs: [10.96.0.77, \"fd00:10:96::77\"]"
    } else {
        "ipFamilies: [IPv4]"
    };
    let mut text = format!(
        "apiVersion: v1\n\
         kind: Service\n\
         metadata: {{name: api, namespace: default, annotations: {{metallb.io/address-pool: routed}}}}\n\
         spec: {{type: LoadBalancer, externalTrafficPolicy: {policy}, clusterIP: 10.96.0.77, {families}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n"
    );
    let slices: &[(&str, &str)] = if dual { &[("IPv4", "v4"), ("IPv6", "v6")] } else { &[("IPv4", "v4")] };
    for (kind, suffix) in slices {
        let endpoints = nodes.iter().map(|node| {
            let pod = lab.layout().node(node).unwrap().pod.clone().unwrap();
            let address = pod.addresses.iter().find(|address| address.is_ipv4() == (*kind == "IPv4")).unwrap();
            format!("{{addresses: [\"{address}\"], nodeName: {node}, conditions: {{ready: true, serving: true}}}}")
        });
        let slice = format!(
            "---\n\
             apiVersion: discovery.k8s.io/v1\n\
             kind: EndpointSlice\n\
             metadata: {{name: api-{suffix}, namespace: default, labels: {{kubernetes.io/service-name: api}}}}\n\
             addressType: {kind}\n\
             ports: [{{name: http, port: 8080, protocol: TCP}}]\n\
             endpoints: [{}]\n",
            endpoints.collect::<Vec<_>>().join(", ")
        );
        text.push_str(&slice);
    }
    lab.apply("api.yaml", &text).unwrap();
}

fn vips(lab: &Lab) -> Vec<IpAddr> {
    let count = if lab.layout().family() == Family::Dual { 2 } else { 1 };
    VIPS.iter().take(count).map(|vip| vip.parse().unwrap()).collect()
}

/// Waits until every router's kernel sends to exactly these nodes.
fn routed_to(lab: &Lab, expected: &[String]) {
    let expected: BTreeSet<String> = expected.iter().cloned().collect();
    for router in ROUTERS {
        for vip in vips(lab) {
            let what = format!("{router} has {vip} by {expected:?}");
            lab.wait_for(&what, |lab| (lab.next_hops(router, vip).unwrap() == expected).then_some(())).unwrap();
        }
    }
}

fn sessions(lab: &Lab, node: &str) -> Vec<Value> {
    let text = ferrolb(lab, node, &["bgp", "summary", "--output", "json"]).unwrap();
    let bgp: Value = serde_json::from_str(&text).unwrap();
    bgp["peers"].as_array().unwrap().clone()
}

fn all_but(lab: &Lab, node: &str) -> Vec<String> {
    nodes(lab).into_iter().filter(|other| other != node).collect()
}

#[test]
fn routers_have_every_node_side_by_side_until_the_service_goes_and_a_dead_node_is_left_by_bfd() {
    let Some(lab) = lab(Options { family: Family::Dual, ..Options::default() }) else { return };
    service(&lab, "Cluster", &nodes(&lab));
    routed_to(&lab, &nodes(&lab));
    for vip in vips(&lab) {
        client_is_served(&lab, vip);
    }
    // FRR begins with BFD when the session is there.
    let peers = lab.wait_for("all sessions are watched by BFD", |lab| {
        let peers: Vec<Vec<Value>> = nodes(lab).iter().map(|node| sessions(lab, node)).collect();
        peers.iter().flatten().all(|peer| peer["bfd"]["state"] == "Up").then(|| peers.concat())
    });
    let peers = peers.unwrap();
    let summary = ferrolb(&lab, "node-1", &["bgp", "summary"]).unwrap();
    assert_eq!(summary.matches("Established").count(), 4, "{summary}");
    let name = peers[0]["name"].as_str().unwrap().to_owned();
    let routes = ferrolb(&lab, "node-1", &["bgp", "routes", "--advertised", &name]).unwrap();
    assert!(routes.contains("10.20.0.0/32") && routes.contains("64512"), "{routes}");
    let unknown = ferrolb(&lab, "node-1", &["bgp", "routes", "--advertised", "nobody"]).unwrap_err();
    assert!(unknown.contains("no BGP peer \"nobody\""), "{unknown}");

    // Local: only nodes with endpoints.
    service(&lab, "Local", &["node-2".to_owned()]);
    routed_to(&lab, &["node-2".to_owned()]);
    service(&lab, "Cluster", &nodes(&lab));
    routed_to(&lab, &nodes(&lab));

    // The hold time is 90 s: who is faster is BFD.
    lab.kill("node-1").unwrap();
    routed_to(&lab, &all_but(&lab, "node-1"));
    lab.heal("node-1").unwrap();
    routed_to(&lab, &nodes(&lab));

    service(&lab, "Cluster", &[]);
    routed_to(&lab, &[]);
    let kept = sessions(&lab, "node-2");
    assert!(kept.iter().all(|peer| peer["state"] == "Established" && peer["established"] == 1), "{kept:?}");
}

/// Peers without BFD that keep routes over a restart of the speaker.
const RESTARTS: &str = "
configInline:
  address-pools:
  - {name: default, protocol: layer2, addresses: [10.10.52.0/24]}
  - {name: routed, protocol: bgp, auto-assign: false, addresses: [10.20.0.0/24]}
bgpPeers:
- {name: one, myASN: 64512, peerASN: 64601, peerAddress: 10.10.0.4, enableGracefulRestart: true}
- {name: two, myASN: 64512, peerASN: 64602, peerAddress: 10.10.0.5, enableGracefulRestart: true}
";

#[test]
fn a_speaker_that_is_killed_and_started_again_loses_no_connection_under_graceful_restart() {
    let Some(lab) = lab(Options { values: Some(RESTARTS.to_owned()), ..Options::default() }) else { return };
    service(&lab, "Cluster", &nodes(&lab));
    routed_to(&lab, &nodes(&lab));
    let vip: IpAddr = VIPS[0].parse().unwrap();
    client_is_served(&lab, vip);
    let options = ProbeOptions { duration: Duration::from_secs(90), ..ProbeOptions::new(target(vip)) };
    let probe = lab.probe(&options).unwrap();
    probe.wait_until_steady(Duration::from_millis(500)).unwrap();
    kill_process(&lab, "speaker-node-1");
    lab.wait_for("the speaker is dead", |lab| {
        let state = lab.state().unwrap();
        state.processes.iter().any(|process| process.name == "speaker-node-1" && process.pid.is_none()).then_some(())
    })
    .unwrap();
    for router in ROUTERS {
        assert_eq!(lab.next_hops(router, vip).unwrap().len(), 3, "{router} keeps the routes of a speaker that is gone");
    }
    lab.start("node-1").unwrap();
    lab.wait_for("its sessions are up again", |lab| {
        let text = ferrolb(lab, "node-1", &["bgp", "summary", "--output", "json"]).ok()?;
        let bgp: Value = serde_json::from_str(&text).unwrap();
        let peers = bgp["peers"].as_array().unwrap().clone();
        let up = |peer: &Value| peer["state"] == "Established" && peer["families"][0]["sent"] == 1;
        (peers.len() == 2 && peers.iter().all(up)).then_some(())
    })
    .unwrap();
    routed_to(&lab, &nodes(&lab));
    probe.wait_until_steady(Duration::from_millis(500)).unwrap();
    let report = probe.finish().unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
}

#[test]
fn a_speaker_that_ends_on_purpose_takes_its_routes_along_and_loses_no_connection() {
    let Some(lab) = lab(Options::default()) else { return };
    service(&lab, "Cluster", &nodes(&lab));
    routed_to(&lab, &nodes(&lab));
    let vip: IpAddr = VIPS[0].parse().unwrap();
    client_is_served(&lab, vip);
    let options = ProbeOptions { duration: Duration::from_secs(90), ..ProbeOptions::new(target(vip)) };
    let probe = lab.probe(&options).unwrap();
    probe.wait_until_steady(Duration::from_millis(500)).unwrap();
    let stopped = lab.stop("node-3").unwrap();
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    routed_to(&lab, &all_but(&lab, "node-3"));
    probe.wait_until_steady(Duration::from_millis(500)).unwrap();
    let report = probe.finish().unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
    lab.start("node-3").unwrap();
    routed_to(&lab, &nodes(&lab));
}
