//! The speaker as a process: signals, standstills, keys that change under it, settings of its kernel.

use std::collections::BTreeSet;
use std::time::Duration;

use ferrolb_integration::{Event, Lab, Mac, Options};

use crate::common::{
    WEB, beside, client_is_served, ferrolb, lab, lab_with, nodes, run, settled_owner, target, wait_for_members,
};
use crate::record::{RECORD, played};

/// Long enough for a question to be answered by everybody, and for a resumed process to have looked at what waits.
const LISTEN: Duration = Duration::from_secs(3);

/// The process of a node's speaker, and its id.
fn speaker(lab: &Lab, node: &str) -> (String, u32) {
    let name = format!("speaker-{node}");
    let processes = lab.state().unwrap().processes;
    let pid = processes.iter().find(|process| process.name == name).unwrap().pid.unwrap();
    (name, pid)
}

fn says(lab: &Lab, node: &str, what: &str) -> usize {
    lab.logs(&format!("speaker-{node}")).unwrap().unwrap_or_default().matches(what).count()
}

/// Replaces the file of group keys that all nodes read, and waits until every speaker has taken it over.
fn set_keys(lab: &Lab, keys: &[&str]) {
    let taken = |lab: &Lab| nodes(lab).iter().map(|node| says(lab, node, "group keys replaced")).collect::<Vec<_>>();
    let before = taken(lab);
    let script =
        format!("printf '{}\\n' > /run/lab/new.key && mv /run/lab/new.key /run/lab/gossip.key", keys.join("\\n"));
    assert_eq!(run(lab, "switch", &["sh", "-c", &script]), (Some(0), String::new()));
    lab.wait_for("every speaker has the new keys", |lab| {
        taken(lab).iter().zip(&before).all(|(now, before)| now > before).then_some(())
    })
    .unwrap();
}

#[test]
fn group_keys_are_replaced_under_traffic_and_nobody_is_taken_for_dead() {
    let speaker_flags = vec![format!("--record={RECORD}/{{node}}")];
    let Some((lab, vip)) = lab_with(Options { speaker_flags, ..Options::default() }) else { return };
    let owner = settled_owner(&lab, vip);
    for node in nodes(&lab) {
        wait_for_members(&lab, &node, 3);
    }
    let (_, old) = run(&lab, "switch", &["cat", "/run/lab/gossip.key"]);
    let (old, new) = (old.trim(), "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=");
    let report = lab
        .gap(target(vip), |lab| {
            for keys in [&[old, new][..], &[new, old], &[new]] {
                set_keys(lab, keys);
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(report.failures, 0, "{report:?}");
    assert_eq!(settled_owner(&lab, vip), owner);
    for node in nodes(&lab) {
        let playback = played(&lab, &node);
        let told: Vec<&String> = playback.acts.iter().flat_map(|act| &act.told).collect();
        assert!(told.iter().any(|line| line.contains("+node-")), "{told:?}");
        assert!(!told.iter().any(|line| line.contains("-node-")), "{node} missed somebody: {told:?}");
    }
    // Whoever begins now knows the new key only: everybody seals with it.
    let other = beside(&lab, &owner).remove(0);
    lab.stop(&other).unwrap();
    lab.start(&other).unwrap();
    wait_for_members(&lab, &other, 3);
}

#[test]
fn a_second_sigterm_ends_a_speaker_that_is_still_handing_over() {
    let Some((lab, vip)) = lab() else { return };
    // Nobody else may announce, so the speaker would answer for as long as it may.
    let values = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p, namespace: lb}\n\
                  spec: {addresses: [10.10.52.0/24]}\n---\n\
                  apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: l, namespace: lb}\n\
                  spec: {nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-1}}]}\n";
    lab.apply("values.yaml", values).unwrap();
    lab.wait_for("node-1 announces alone", |lab| (lab.announcers(vip).unwrap() == ["node-1"]).then_some(())).unwrap();
    wait_for_members(&lab, "node-1", 3);
    let (process, pid) = speaker(&lab, "node-1");
    run(&lab, "switch", &["sh", "-c", &format!("while kill -TERM {pid} 2>/dev/null; do sleep 0.01; done")]);
    let status = lab
        .wait_for("the lab saw it end", |lab| {
            lab.history().into_iter().find_map(|event| {
                let Event::Ended { process: ended, status, .. } = event else { return None };
                (ended == process).then_some(status)
            })
        })
        .unwrap();
    let log = lab.logs(&process).unwrap().unwrap();
    assert!(log.contains("handing over") && log.contains("asked to stop again"), "{status}: {log}");
    assert!(!log.contains("nobody took over in time"), "{status}: {log}");
    assert!(status.contains('0'), "{status}");
}

/// Who answers the client for an address while `meanwhile` happens; it begins when somebody listens.
fn answerers_while(lab: &Lab, vip: std::net::IpAddr, meanwhile: impl FnOnce()) -> BTreeSet<Mac> {
    let sockets = |lab: &Lab| run(lab, "client", &["cat", "/proc/net/packet"]).1.lines().count();
    let before = sockets(lab);
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| lab.answers("client", &[vip], LISTEN).unwrap());
        lab.wait_for("the client listens", |lab| (sockets(lab) > before).then_some(())).unwrap();
        meanwhile();
        listening.join().unwrap().into_values().flatten().map(|answer| answer.mac).collect()
    })
}

#[test]
fn a_speaker_that_stood_still_answers_nothing_that_was_asked_meanwhile() {
    let Some((lab, vip)) = lab() else { return };
    let first = settled_owner(&lab, vip);
    lab.pause(&first).unwrap();
    let others = beside(&lab, &first);
    let second = lab
        .wait_for("another node answers", |lab| {
            let who = lab.answerers("client", &[vip]).unwrap().remove(&vip).unwrap();
            who.into_iter().find(|node| others.contains(node))
        })
        .unwrap();
    let watch = lab.watch("client", false).unwrap();
    // Questions for the address wait at the stopped process all the time.
    let answered = answerers_while(&lab, vip, || lab.resume(&first).unwrap());
    assert_eq!(answered, BTreeSet::from([lab.mac_of(&second).unwrap()]), "{second} owns it, {first} does not");
    wait_for_members(&lab, &first, 3);
    assert_eq!(settled_owner(&lab, vip), second);
    let stale = lab.mac_of(&first).unwrap();
    let seen = watch.seen();
    assert!(seen.iter().all(|sighting| (sighting.address, sighting.mac) != (vip, stale)), "{seen:?}");
    client_is_served(&lab, vip);
}

#[test]
fn a_speaker_that_stood_still_and_was_missed_by_nobody_announces_again() {
    let Some((lab, vip)) = lab() else { return };
    let first = settled_owner(&lab, vip);
    for node in beside(&lab, &first) {
        lab.stop(&node).unwrap();
    }
    wait_for_members(&lab, &first, 1);
    lab.pause(&first).unwrap();
    let nobody = lab.answers("client", &[vip], Duration::from_secs(1)).unwrap().remove(&vip).unwrap();
    assert_eq!(nobody, []);
    lab.resume(&first).unwrap();
    lab.wait_for("it makes sure that it is still the owner", |lab| {
        (says(lab, &first, "still the owner") > 0).then_some(())
    })
    .unwrap();
    lab.endpoints_on(&[&first]).unwrap();
    client_is_served(&lab, vip);
    let story = ferrolb(&lab, &first, &["explain", WEB]).unwrap();
    assert!(story.contains(&format!("announced from {first}")), "{story}");
}

#[test]
fn a_setting_of_the_kernel_that_hinders_is_an_event_of_the_node() {
    let Some((lab, vip)) = lab() else { return };
    let node = settled_owner(&lab, vip);
    lab.stop(&node).unwrap();
    let set = "echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding";
    assert_eq!(run(&lab, &node, &["sh", "-c", set]), (Some(0), String::new()));
    lab.start(&node).unwrap();
    let event = lab
        .wait_for("an event tells", |lab| {
            lab.events().unwrap().into_iter().find(|event| event["reason"] == "KernelSettings")
        })
        .unwrap();
    assert_eq!((event["object"]["kind"].as_str(), event["object"]["name"].as_str()), (Some("Node"), Some(&*node)));
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("Forwarding") && message.contains("net.ipv4.ip_forward=1"), "{message}");
    let l2 = ferrolb(&lab, &node, &["l2"]).unwrap();
    assert!(l2.contains("Forwarding"), "{l2}");
}
