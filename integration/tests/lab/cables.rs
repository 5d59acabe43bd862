//! Cuts, partitions, loss, carriers, names and hardware addresses of interfaces: as others on the LAN see them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ferrolb_integration::{Carrier, Error, Family, HostState, Lab, Mac};

use crate::common::{lab, lab_of, run};

/// The addresses of a node.
fn addresses(lab: &Lab, node: &str) -> Vec<IpAddr> {
    lab.layout().node(node).unwrap().addresses.clone()
}

/// Who answers when `from` asks for the addresses of `node`, in each family.
fn answerers(lab: &Lab, from: &str, node: &str) -> Vec<BTreeSet<String>> {
    lab.answerers(from, &addresses(lab, node)).unwrap().into_values().collect()
}

/// Waits until exactly these answer in both families.
fn expect(lab: &Lab, from: &str, node: &str, who: &[&str]) {
    let who: BTreeSet<String> = who.iter().map(|&name| name.to_owned()).collect();
    let wanted = [who.clone(), who];
    let what = format!("{wanted:?} answer {from} for {node}");
    lab.wait_for(&what, |lab| (answerers(lab, from, node) == wanted).then_some(())).unwrap();
}

fn state_of(lab: &Lab, host: &str) -> HostState {
    lab.state().unwrap().hosts.into_iter().find(|state| state.host.name == host).unwrap()
}

fn has_carrier(lab: &Lab, host: &str) -> bool {
    !run(lab, host, &["ip", "link", "show", "eth0"]).unwrap().contains("NO-CARRIER")
}

#[test]
fn a_cut_node_hears_and_is_heard_by_nobody_though_its_carrier_stays() {
    let Some(lab) = lab_of(Family::Dual, 2) else { return };
    expect(&lab, "client", "node-1", &["node-1"]);
    lab.cut("node-1").unwrap();
    expect(&lab, "client", "node-1", &[]);
    expect(&lab, "node-1", "node-2", &[]);
    expect(&lab, "client", "node-2", &["node-2"]);
    let state = state_of(&lab, "node-1");
    assert!(state.link_up, "{state:?}");
    assert_eq!(state.faults, ["cut off"]);
    assert!(has_carrier(&lab, "node-1"));

    lab.uncut("node-1").unwrap();
    expect(&lab, "client", "node-1", &["node-1"]);
    lab.cut("node-2").unwrap();
    lab.heal("node-2").unwrap();
    expect(&lab, "client", "node-2", &["node-2"]);
    assert!(matches!(lab.cut("node-9"), Err(Error::Refused { .. })));
}

#[test]
fn parts_of_a_partition_hear_themselves_and_those_who_are_in_none() {
    let Some(lab) = lab_of(Family::Dual, 3) else { return };
    lab.partition(&[vec!["node-1", "client"], vec!["node-2", "gateway"]]).unwrap();
    expect(&lab, "client", "node-1", &["node-1"]);
    expect(&lab, "client", "node-2", &[]);
    expect(&lab, "gateway", "node-2", &["node-2"]);
    expect(&lab, "gateway", "node-1", &[]);
    for from in ["client", "gateway"] {
        expect(&lab, from, "node-3", &["node-3"]);
    }
    assert_eq!(state_of(&lab, "node-2").faults, ["in part 2"]);
    assert!(matches!(lab.partition(&[vec!["node-1"], vec!["node-1"]]), Err(Error::Refused { .. })));
    lab.partition::<&str>(&[]).unwrap();
    expect(&lab, "client", "node-2", &["node-2"]);
}

#[test]
fn loss_takes_its_share_of_frames_everywhere_or_at_one_host() {
    let Some(lab) = lab_of(Family::Dual, 2) else { return };
    lab.lose(100, Some("node-1")).unwrap();
    expect(&lab, "client", "node-1", &[]);
    expect(&lab, "client", "node-2", &["node-2"]);
    lab.heal("node-1").unwrap();
    expect(&lab, "client", "node-1", &["node-1"]);

    // Half of the questions and half of the answers: of hundreds, some come through and most do not.
    lab.lose(50, None).unwrap();
    let all: Vec<IpAddr> = ["node-1", "node-2"].iter().flat_map(|node| addresses(&lab, node)).collect();
    let count = |lab: &Lab| -> u32 {
        let answers = lab.answers("client", &all, Duration::from_secs(2)).unwrap();
        answers.into_values().flatten().map(|answer| answer.count).sum()
    };
    let with_loss = count(&lab);
    lab.heal_all().unwrap();
    let without = count(&lab);
    assert!(with_loss > 0 && with_loss < without * 3 / 4, "{with_loss} answers with loss, {without} without");
    assert!(lab.lose(101, None).is_err());
}

#[test]
fn a_carrier_goes_and_comes_with_everything_that_depends_on_it() {
    let Some(lab) = lab_of(Family::Dual, 2) else { return };
    lab.carrier("node-1", Carrier::Down).unwrap();
    lab.wait_for("the carrier is gone", |lab| (!has_carrier(lab, "node-1")).then_some(())).unwrap();
    expect(&lab, "client", "node-1", &[]);
    lab.carrier("node-1", Carrier::Up).unwrap();
    expect(&lab, "client", "node-1", &["node-1"]);
    for url in ["http://10.244.2.2:8080", "http://[fd00:10:244:2::2]:8080"] {
        lab.wait_for("it reaches the others' pods", |lab| run(lab, "node-1", &["curl", "-s", url]).ok()).unwrap();
    }
}

#[test]
fn an_interface_changes_its_name_and_its_hardware_address_and_works() {
    let Some(lab) = lab_of(Family::Dual, 2) else { return };
    lab.rename("node-1", "lan0").unwrap();
    assert!(run(&lab, "node-1", &["ip", "link", "show", "eth0"]).is_err());
    assert_eq!(state_of(&lab, "node-1").faults, ["interface lan0"]);
    expect(&lab, "client", "node-1", &["node-1"]);
    let before = lab.mac_of("node-1").unwrap();
    let mac: Mac = "02:00:00:00:01:01".parse().unwrap();
    lab.change_mac("node-1", mac).unwrap();
    assert_eq!(state_of(&lab, "node-1").host.mac, mac);
    assert_ne!(mac, before);
    expect(&lab, "client", "node-1", &["node-1"]);
    let answers = lab.answers("client", &addresses(&lab, "node-1"), Duration::from_millis(200)).unwrap();
    assert!(answers.values().flatten().all(|answer| answer.mac == mac), "{answers:?}");
    for url in ["http://10.244.2.2:8080", "http://[fd00:10:244:2::2]:8080"] {
        lab.wait_for("it reaches the others' pods", |lab| run(lab, "node-1", &["curl", "-s", url]).ok()).unwrap();
    }
}

#[test]
fn every_host_that_answers_is_heard_and_the_askers_own_table_stays_as_it_is() {
    let Some(lab) = lab(3) else { return };
    let shared: IpAddr = "10.10.77.77".parse().unwrap();
    for node in ["node-1", "node-3"] {
        let added = run(&lab, node, &["ip", "addr", "add", "10.10.77.77/32", "dev", "eth0"]);
        assert_eq!(added, Ok(String::new()));
    }
    let who = lab.answerers("client", &[shared]).unwrap();
    assert_eq!(who[&shared], BTreeSet::from(["node-1".to_owned(), "node-3".to_owned()]));
    assert_eq!(run(&lab, "client", &["ip", "neigh", "show", "10.10.77.77"]), Ok(String::new()));
}

#[test]
fn announcements_are_seen_with_their_time() {
    let Some(lab) = lab(1) else { return };
    let watch = lab.watch("client", false).unwrap();
    let before = lab.exec("client", &["date", "+%s%N"]).unwrap().stdout;
    let before: u64 = String::from_utf8(before).unwrap().trim().parse().unwrap();
    // The kernel announces the addresses of an interface whose hardware address changes, when it is told to.
    let script = "echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_notify; ip addr add 10.10.77.1/16 dev eth0";
    assert_eq!(run(&lab, "node-1", &["sh", "-c", script]), Ok(String::new()));
    let mac: Mac = "02:00:00:00:01:01".parse().unwrap();
    lab.change_mac("node-1", mac).unwrap();
    let address: IpAddr = "10.10.77.1".parse().unwrap();
    let seen =
        lab.wait_for("it is seen", |_| watch.seen().into_iter().find(|sighting| sighting.address == address)).unwrap();
    assert_eq!(seen.mac, mac);
    assert!(seen.at_ns > before, "{seen:?}");
}
