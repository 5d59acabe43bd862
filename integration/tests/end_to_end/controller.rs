//! Assignments under edits, refusals and kills.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ferrolb_integration::Lab;
use serde_json::Value;

use crate::common::{WEB, client_is_served, ferrolb, lab, settled_owner};

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{type: LoadBalancer, clusterIP: 10.96.1.1, ports: [{{port: 80}}]}}\n"
    )
}

fn assigned(lab: &Lab) -> BTreeMap<String, IpAddr> {
    let services = lab.state().unwrap().services;
    services.into_iter().filter_map(|service| Some((service.name, *service.addresses.first()?))).collect()
}

#[test]
fn a_controller_killed_again_and_again_loses_nothing_and_gives_nothing_twice() {
    let Some((lab, vip)) = lab() else { return };
    let mut promised: BTreeMap<String, IpAddr> = [(WEB.to_owned(), vip)].into();
    for round in 0..8 {
        for number in 0..5 {
            lab.apply(&format!("s{round}-{number}.yaml"), &service(&format!("s{round}-{number}"))).unwrap();
        }
        if round % 3 == 2 {
            let gone = format!("s{}-0", round - 1);
            lab.remove(&format!("{gone}.yaml")).unwrap();
            promised.remove(&format!("default/{gone}"));
        }
        // In the middle of its work.
        lab.restart_controller().unwrap();
        let now = assigned(&lab);
        for (name, address) in promised.iter().filter(|(name, _)| now.contains_key(*name)) {
            assert_eq!(now.get(name), Some(address), "{name} in round {round}");
        }
        promised.extend(now.into_iter().filter(|(name, _)| !name.contains("/s1-0") && !name.contains("/s4-0")));
    }
    let all = 1 + 8 * 5 - 2;
    let now =
        lab.wait_for("every service has an address", |lab| Some(assigned(lab)).filter(|now| now.len() == all)).unwrap();
    for (name, address) in &promised {
        assert_eq!(now.get(name), Some(address), "{name}");
    }
    let distinct: BTreeSet<&IpAddr> = now.values().collect();
    assert_eq!(distinct.len(), now.len(), "{now:?}");
}

#[test]
fn a_refused_configuration_leaves_everything_as_it_is_and_says_why() {
    let Some((lab, vip)) = lab() else { return };
    let owner = settled_owner(&lab, vip);
    let good = lab.read("values.yaml").unwrap().unwrap();
    for (wrong, sentence) in [
        ("configInline: [", "is no YAML"),
        ("configInline: {adress-pools: []}", "unknown key \"adress-pools\""),
        (
            "configInline: {address-pools: [{name: a, protocol: layer2, addresses: [10.10.52.0/24]}, \
             {name: b, protocol: layer2, addresses: [10.10.52.7/32]}]}",
            "overlaps with already defined CIDR",
        ),
    ] {
        lab.apply("values.yaml", wrong).unwrap();
        lab.wait_for("the speaker says what is wrong", |lab| {
            let status = ferrolb(lab, &owner, &["status"]).ok()?;
            (status.contains(sentence) && status.contains("not in force")).then_some(())
        })
        .unwrap();
        lab.wait_for("an event says what is wrong", |lab| {
            let events = lab.events().unwrap();
            events.iter().any(|event| event["message"].as_str().is_some_and(|m| m.contains(sentence))).then_some(())
        })
        .unwrap();
        assert_eq!(lab.service_address(WEB).unwrap(), Some(vip));
        assert_eq!(settled_owner(&lab, vip), owner);
        client_is_served(&lab, vip);
    }
    lab.apply("values.yaml", &good).unwrap();
    lab.wait_for("the configuration is in force again", |lab| {
        let status = ferrolb(lab, &owner, &["status", "--output", "json"]).ok()?;
        let status: Value = serde_json::from_str(&status).unwrap();
        (status["configStale"] == false).then_some(())
    })
    .unwrap();
}

#[test]
fn a_full_pool_names_itself_and_a_deleted_service_makes_room() {
    let Some((lab, vip)) = lab() else { return };
    let one = "configInline: {address-pools: [{name: small, protocol: layer2, addresses: [10.10.52.0/32]}]}";
    lab.apply("values.yaml", one).unwrap();
    lab.apply("late.yaml", &service("late")).unwrap();
    let message = lab
        .wait_for("the failure is told", |lab| {
            let events = lab.events().unwrap();
            let failed = events.into_iter().find(|event| event["reason"] == "AllocationFailed")?;
            Some(failed["message"].as_str().unwrap_or_default().to_owned())
        })
        .unwrap();
    assert!(message.contains("pool \"small\": 1 of its 1 IPv4 addresses are in use"), "{message}");
    lab.remove("web.yaml").unwrap();
    lab.wait_for("the waiting service gets the address", |lab| {
        (lab.service_address("default/late").unwrap() == Some(vip)).then_some(())
    })
    .unwrap();
}
