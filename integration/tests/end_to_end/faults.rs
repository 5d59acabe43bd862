//! Faults of every kind, in both families, as somebody on the LAN sees them: who answers, and what a client gets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ferrolb_integration::chaos::{self, LabTarget, Limit, Plan};
use ferrolb_integration::{Family, Lab, Options, missing_requirements};

use crate::common::{WEB, beside, client_is_served, nodes, target};

/// A dual-stack lab with everything running, and the addresses of its service.
fn dual_lab(options: Options) -> Option<(Lab, Vec<IpAddr>)> {
    let missing = missing_requirements();
    for what in &missing {
        println!("skipped: {what}");
    }
    if !missing.is_empty() {
        return None;
    }
    let lab = Lab::up(Options { family: Family::Dual, ..options }).unwrap();
    let addresses = lab.wait_for("the service has both its addresses", |lab| {
        Some(lab.service_addresses(WEB).unwrap()).filter(|addresses| addresses.len() == 2)
    });
    let addresses = addresses.unwrap();
    Some((lab, addresses))
}

/// The one node that answers `from` for both addresses, once exactly one of `candidates` does.
fn answerer(lab: &Lab, from: &str, addresses: &[IpAddr], candidates: &[String]) -> String {
    let what = format!("exactly one of {candidates:?} answers the {from}");
    lab.wait_for(&what, |lab| {
        let who: BTreeMap<IpAddr, BTreeSet<String>> = lab.answerers(from, addresses).unwrap();
        let all: BTreeSet<&String> = who.values().flatten().collect();
        let [one] = all.into_iter().collect::<Vec<_>>()[..] else { return None };
        let everywhere = who.values().all(|names| names.contains(one));
        (everywhere && candidates.contains(one)).then(|| one.clone())
    })
    .unwrap()
}

#[test]
fn whoever_is_cut_off_or_paused_is_replaced_in_both_families_and_only_one_answers_afterwards() {
    let Some((lab, addresses)) = dual_lab(Options::default()) else { return };
    let first = answerer(&lab, "client", &addresses, &nodes(&lab));
    lab.endpoints_on(&beside(&lab, &first)).unwrap();
    for address in &addresses {
        let served = format!("http://{}", target(*address));
        let answer = lab.exec("client", &["curl", "--no-progress-meter", "--max-time", "2", &served]).unwrap();
        assert!(answer.stdout.starts_with(b"node-"), "{served}");
    }
    lab.cut(&first).unwrap();
    let second = answerer(&lab, "client", &addresses, &beside(&lab, &first));
    for address in &addresses {
        assert_eq!(lab.client_arp(*address).unwrap(), lab.mac_of(&second), "the client knows: {address}");
    }
    lab.uncut(&first).unwrap();
    let owner = answerer(&lab, "client", &addresses, &nodes(&lab));

    lab.pause(&owner).unwrap();
    answerer(&lab, "client", &addresses, &beside(&lab, &owner));
    lab.resume(&owner).unwrap();
    answerer(&lab, "client", &addresses, &nodes(&lab));
    client_is_served(&lab, addresses[0]);
}

#[test]
fn each_side_of_a_partition_has_its_own_owner_and_the_whole_has_one_again() {
    let Some((lab, addresses)) = dual_lab(Options::default()) else { return };
    answerer(&lab, "client", &addresses, &nodes(&lab));
    let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<String>>();
    lab.partition(&[vec!["node-1", "client"], vec!["node-2", "node-3", "gateway"]]).unwrap();
    answerer(&lab, "client", &addresses, &own(&["node-1"]));
    answerer(&lab, "gateway", &addresses, &own(&["node-2", "node-3"]));
    lab.partition::<&str>(&[]).unwrap();
    let one = answerer(&lab, "client", &addresses, &nodes(&lab));
    assert_eq!(answerer(&lab, "gateway", &addresses, &nodes(&lab)), one);
}

#[test]
fn a_rolling_update_and_a_drain_lose_no_connection() {
    let Some((lab, addresses)) = dual_lab(Options::default()) else { return };
    for address in &addresses {
        let owner = answerer(&lab, "client", &addresses, &nodes(&lab));
        let report = lab.gap(target(*address), Lab::rolling).unwrap();
        assert_eq!(report.failures, 0, "{owner} owned it before: {report:?}");
        let owner = answerer(&lab, "client", &addresses, &nodes(&lab));
        let report = lab
            .gap(target(*address), |lab| {
                lab.drain(&owner)?;
                answerer(lab, "client", &addresses, &beside(lab, &owner));
                lab.undrain(&owner)
            })
            .unwrap();
        assert_eq!(report.failures, 0, "{report:?}");
    }
}

#[test]
fn ten_faults_at_random_leave_exactly_one_who_answers() {
    let options = Options { nodes: 4, services: 2, ..Options::default() };
    let Some((lab, _)) = dual_lab(options) else { return };
    let plan = Plan { seed: 1, limit: Limit::Faults(10), without: BTreeSet::new() };
    let report = chaos::run(&LabTarget::new(&lab, 2), &plan, |line| {
        println!("{line}");
        Ok(())
    });
    let report = report.unwrap();
    println!("{report}");
    assert_eq!(report.violation, None, "{}", report.violation.as_deref().unwrap_or_default());
    assert_eq!(report.outcomes.len(), 10);
}
