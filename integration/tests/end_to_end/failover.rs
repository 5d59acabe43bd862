//! Owners crash, leave, stop and come back.

use crate::common::{
    WEB, beside, client_is_served, ferrolb, kill_process, lab, nodes, settled_owner, target, wait_for_members,
};

#[test]
fn the_owner_crashes_another_serves_and_a_return_moves_nothing() {
    let Some((lab, vip)) = lab() else { return };
    assert_eq!(vip.to_string(), "10.10.52.0");
    client_is_served(&lab, vip);
    let first = settled_owner(&lab, vip);
    assert_eq!(lab.owner(vip).unwrap().as_deref(), Some(&*first), "who says so answers ARP, and nobody else");

    lab.endpoints_on(&beside(&lab, &first)).unwrap();
    let report = lab.gap(target(vip), |lab| lab.kill(&first)).unwrap();
    assert!(report.successes > 0 && report.failures < report.attempts);
    let second = settled_owner(&lab, vip);
    assert_ne!(second, first);
    assert_eq!(lab.owner(vip).unwrap().as_deref(), Some(&*second));
    assert_eq!(lab.client_arp(vip).unwrap(), lab.mac_of(&second));

    let report = lab
        .gap(target(vip), |lab| {
            lab.heal(&first)?;
            wait_for_members(lab, &second, 3);
            Ok(())
        })
        .unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
    assert_eq!(settled_owner(&lab, vip), second);
    let story = ferrolb(&lab, &first, &["explain", WEB]).unwrap();
    assert!(story.contains(&format!("announced from {second}")), "{story}");
    assert!(story.contains("stands by"), "{story}");
}

#[test]
fn sigterm_of_the_owners_speaker_loses_no_connection() {
    let Some((lab, vip)) = lab() else { return };
    for _ in 0..3 {
        let owner = settled_owner(&lab, vip);
        for node in nodes(&lab) {
            wait_for_members(&lab, &node, 3);
        }
        let mut ended = None;
        let report = lab
            .gap(target(vip), |lab| {
                ended = lab.stop(&owner)?.code;
                Ok(())
            })
            .unwrap();
        assert_eq!((report.failures, ended), (0, Some(0)), "{report:?}");
        assert_ne!(settled_owner(&lab, vip), owner);
        lab.start(&owner).unwrap();
    }
}

#[test]
fn a_killed_speaker_is_replaced_and_takes_nothing_back() {
    let Some((lab, vip)) = lab() else { return };
    let first = settled_owner(&lab, vip);
    kill_process(&lab, &format!("speaker-{first}"));
    let second = lab
        .wait_for("another node owns the address", |lab| {
            let announcers = lab.announcers(vip).unwrap();
            announcers.into_iter().find(|node| *node != first)
        })
        .unwrap();
    client_is_served(&lab, vip);
    lab.start(&first).unwrap();
    wait_for_members(&lab, &second, 3);
    wait_for_members(&lab, &first, 3);
    assert_eq!(settled_owner(&lab, vip), second);
}

#[test]
fn a_speaker_that_is_killed_and_started_at_once_leaves_exactly_one_owner() {
    let Some((lab, vip)) = lab() else { return };
    for _ in 0..5 {
        let owner = settled_owner(&lab, vip);
        let process = format!("speaker-{owner}");
        kill_process(&lab, &process);
        // As soon as the lab knows that it is gone: well before the others could have noticed.
        lab.wait_for("the lab saw it end", |lab| lab.start(&owner).ok()).unwrap();
        for node in nodes(&lab) {
            wait_for_members(&lab, &node, 3);
        }
        let now = settled_owner(&lab, vip);
        assert_eq!(lab.owner(vip).unwrap(), Some(now));
        client_is_served(&lab, vip);
    }
}

#[test]
fn the_last_node_left_serves_alone() {
    let Some((lab, vip)) = lab() else { return };
    let (first, others) = (settled_owner(&lab, vip), nodes(&lab));
    let last = others.iter().find(|node| **node != first).unwrap();
    lab.endpoints_on(&[last]).unwrap();
    for node in others.iter().filter(|node| *node != last) {
        lab.kill(node).unwrap();
    }
    assert_eq!(settled_owner(&lab, vip), *last);
    client_is_served(&lab, vip);
    for node in others.iter().filter(|node| *node != last) {
        lab.heal(node).unwrap();
    }
    wait_for_members(&lab, last, 3);
    assert_eq!(settled_owner(&lab, vip), *last);
}
