//! Nodes that crash and cables that are cut.

use std::net::SocketAddr;

use ferrolb_integration::cluster::web;
use ferrolb_integration::plugin::{self, Installed};

use crate::common::{WEB, say, stage};

#[test]
fn the_addresses_of_a_crashed_node_move_and_stay_where_they_are_when_it_boots_again() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let first = stage.owner(address);
    stage.web_on(&stage.others(&first));
    let lab = stage.cluster.lab();
    let report = lab.gap(SocketAddr::new(address, 80), |lab| lab.kill(&first)).unwrap();
    say(&format!(
        "gap at the owner's crash: {:?} ({} of {} lost)",
        report.longest_gap(),
        report.failures,
        report.attempts
    ));
    let second = stage.owner_beside(address, &first);
    let rejoins = stage.rejoins(&second);

    let report = stage.under_load(address, |stage| {
        stage.cluster.lab().heal(&first).unwrap();
        stage.speakers_are_whole();
    });
    assert_eq!(report.failures, 0, "a return loses nothing: {report:?}");
    // A machine that boots can stall others on the same processors; who is taken for dead has lost its addresses rightly.
    let last = stage.owner(address);
    assert!(last == second || stage.rejoins(&second) > rejoins, "a return moves nothing: {second}, then {last}");
}

#[test]
fn a_node_that_is_cut_off_loses_its_addresses_and_has_none_twice_when_it_is_back() {
    let Some(stage) = stage() else { return };
    let address = stage.address(WEB);
    let first = stage.owner(address);
    stage.web_on(&stage.others(&first));
    let lab = stage.cluster.lab();
    let report = lab.gap(SocketAddr::new(address, 80), |lab| lab.cut(&first)).unwrap();
    say(&format!("gap when the owner is cut off: {:?}", report.longest_gap()));
    stage.owner_beside(address, &first);
    lab.uncut(&first).unwrap();
    stage.speakers_are_whole();
    stage
        .cluster
        .wait_for("exactly one node answers", |cluster| {
            let service = WEB.to_owned();
            plugin::check(&Installed { nodes: stage.nodes(), service, address }, |asked| cluster.ferrolb(asked)).ok()
        })
        .unwrap();
}

#[test]
fn a_service_that_is_deleted_while_its_owner_dies_is_announced_by_nobody() {
    let Some(stage) = stage() else { return };
    stage.cluster.apply(&web("doomed", "", "")).unwrap();
    let address = stage.address("default/doomed");
    let owner = stage.owner(address);
    stage.cluster.lab().kill(&owner).unwrap();
    stage.cluster.kubectl(&["delete", "service,daemonset", "doomed", "--wait=false"]).unwrap();
    stage.nobody_answers(address);
    stage.cluster.lab().heal(&owner).unwrap();
    stage.speakers_are_whole();
    stage.nobody_answers(address);
}

#[test]
fn an_address_follows_its_pods_where_traffic_must_stay_on_the_node() {
    let Some(stage) = stage() else { return };
    stage.web_on(&["node-2".to_owned()]);
    stage.cluster.apply(&web("local", "", "  externalTrafficPolicy: Local\n")).unwrap();
    let address = stage.address("default/local");
    for node in ["node-2", "node-3"] {
        stage.web_on(&[node.to_owned()]);
        let there = |owner: &String| owner == node;
        stage
            .cluster
            .wait_for("the address is where its pod is", |cluster| cluster.lab().owner(address).ok()?.filter(there))
            .unwrap();
        let answered = |answer: &String| answer.starts_with(&format!("{node}/local-"));
        stage.cluster.wait_for("the pod there answers", |_| Some(stage.ask(address)).filter(answered)).unwrap();
    }
    // Without a pod anywhere, nobody announces it.
    stage.cluster.kubectl(&["delete", "daemonset", "local"]).unwrap();
    stage.nobody_answers(address);
    stage.cluster.kubectl(&["delete", "service", "local"]).unwrap();
}
