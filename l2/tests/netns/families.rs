//! What holds of both families alike, against the neighbour table of a real kernel.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferrolb_l2::{Gateway, MacAddr};

use crate::lab::{Lab, eventually, run};

const NOBODY: MacAddr = MacAddr(2, 0, 0, 0, 0, 0x99);

/// A network of one family.
struct Network {
    /// `ipv4` or `ipv6`.
    family: &'static str,
    /// The client's address, with its prefix.
    client: &'static str,
    /// An address of the network that nobody else has.
    nth: fn(u16) -> IpAddr,
}

const NETWORKS: [Network; 2] = [
    Network {
        family: "ipv4",
        client: "10.77.255.1/16",
        nth: |n| IpAddr::V4(Ipv4Addr::from(0x0a4d_0000 + u32::from(n))),
    },
    Network {
        family: "ipv6",
        client: "2001:db8::ffff:1/64",
        nth: |n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)),
    },
];

/// Runs `test` for each family, one after the other.
fn for_each_family(test: impl AsyncFn(Network)) {
    run(async {
        for network in NETWORKS {
            test(network).await;
        }
    });
}

#[test]
fn entries_of_a_client_move_to_the_new_owner_reachable_or_stale() {
    for_each_family(async |Network { client, nth, .. }| {
        let (mut lab, vip) = (Lab::new(), nth(100));
        let (a, b) = (lab.host("a", None), lab.host("b", None));
        let client = lab.host("client", Some(client));
        let announcers = [(a.announcer(), &a), (b.announcer(), &b)];
        // Nothing makes the client ask: only what the new owner says of its own accord can move an entry.
        for (round, state) in ["reachable", "stale", "delay", "stale", "reachable"].into_iter().enumerate() {
            let (old, old_host) = &announcers[round % 2];
            let (new, new_host) = &announcers[(round + 1) % 2];
            old.announce(&[vip]).await;
            old.announce::<IpAddr>(&[]).await;
            client.ip(&format!("neigh replace {vip} lladdr {} nud {state} dev eth0", old_host.mac));
            assert!(client.believes(vip, old_host.mac));
            new.announce(&[vip]).await;
            eventually(state, || client.believes(vip, new_host.mac)).await;
        }
    });
}

#[test]
fn questions_are_answered_for_owned_addresses_only_and_after_the_end_for_none() {
    for_each_family(async |Network { family, client, nth }| {
        let (mut lab, vip, other) = (Lab::new(), nth(100), nth(101));
        let host = lab.host("a", None);
        let client = lab.host("client", Some(client));
        client.sysctl(&format!("net.{family}.neigh.eth0.mcast_solicit"), "1");
        let announcer = host.announcer();
        announcer.handle.watch(BTreeSet::from([other]));
        announcer.announce(&[vip]).await;
        client.ask(&[other, vip]);
        eventually("the owned address is resolved", || client.believes(vip, host.mac)).await;
        eventually("the other is not", || client.neighbour(other).contains("FAILED")).await;
        let answered = announcer
            .observe("the answer is counted", |observed| {
                observed.vips.values().any(|vip| vip.counters.responses_sent > 0)
            })
            .await;
        assert!(answered.vips[&vip].counters.requests_received > 0);

        let observed = announcer.handle.observed();
        announcer.handle.shutdown().await;
        assert!(observed.borrow().vips.is_empty());
        client.ip(&format!("neigh del {vip} dev eth0"));
        client.ask(&[vip]);
        eventually("nobody answers any more", || client.neighbour(vip).contains("FAILED")).await;
    });
}

#[test]
fn questions_for_foreign_addresses_do_not_wake_the_process() {
    for_each_family(async |Network { client, nth, .. }| {
        let (mut lab, vip) = (Lab::new(), nth(100));
        let host = lab.host("a", None);
        let client = lab.host("client", Some(client));
        let announcer = host.announcer();
        announcer.announce(&[vip]).await;
        let before = host.statistic("rx_packets");
        let foreign: Vec<IpAddr> = (0x200..0x280).map(nth).collect();
        client.ask(&foreign);
        client.ask(&[vip]);
        eventually("the owned address is resolved", || client.believes(vip, host.mac)).await;
        assert!(host.statistic("rx_packets") >= before + 129, "every question came to the interface");
        let observed = announcer
            .observe("the question is counted", |observed| observed.vips[&vip].counters.requests_received > 0)
            .await;
        let received = observed.interfaces["eth0"].counters.frames_received;
        assert_eq!(received, observed.vips[&vip].counters.requests_received);
    });
}

#[test]
fn successor_is_heard_by_who_watches_and_a_foreign_claim_is_defended() {
    for_each_family(async |Network { nth, .. }| {
        let (mut lab, vip) = (Lab::new(), nth(100));
        let (a, b) = (lab.host("a", None), lab.host("b", None));
        let (mut old, mut new) = (a.announcer(), b.announcer());
        new.handle.watch(BTreeSet::from([vip]));
        new.observe("listening", |observed| observed.interfaces.get("eth0").is_some_and(|status| status.open)).await;
        old.announce(&[vip]).await;
        let heard = new.hear().await;
        assert_eq!((heard.vip, heard.mac, heard.announced, heard.defended), (vip, a.mac, false, false));

        new.announce(&[vip]).await;
        let heard = old.hear().await;
        assert_eq!((heard.mac, heard.interface.as_str()), (b.mac, "eth0"));
        assert!(heard.announced && heard.defended, "a stranger is answered with a defence");
    });
}

#[test]
fn filter_for_a_thousand_scattered_addresses_is_taken_by_the_kernel_and_exact() {
    for_each_family(async |Network { client, nth, .. }| {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some(client));
        let owned: Vec<IpAddr> = (0..1_000).map(|n| nth(2 * n)).collect();
        let announcer = host.announcer();
        announcer.announce(&owned).await;
        let asked: Vec<IpAddr> = owned.iter().copied().step_by(37).collect();
        let between: Vec<IpAddr> = (0..1_000).step_by(37).map(|n| nth(2 * n + 1)).collect();
        let before = host.statistic("rx_packets");
        client.ask(&between);
        client.ask(&asked);
        for vip in &asked {
            eventually("every owned address is resolved", || client.believes(*vip, host.mac)).await;
        }
        assert!(host.statistic("rx_packets") >= before + 2 * u64::try_from(asked.len()).expect("a few"));
        let observed = announcer
            .observe("the questions are counted", |observed| {
                asked.iter().all(|vip| observed.vips[vip].counters.requests_received > 0)
            })
            .await;
        let status = &observed.interfaces["eth0"];
        let requests: u64 = observed.vips.values().map(|vip| vip.counters.requests_received).sum();
        assert_eq!(status.counters.frames_received, requests, "nothing foreign came through");
        assert!(status.error.is_none(), "{:?}", status.error);
    });
}

#[test]
fn gateway_that_nothing_for_everybody_reaches_is_told_in_person() {
    for_each_family(async |Network { client, nth, .. }| {
        let (mut lab, vip) = (Lab::new(), nth(100));
        let host = lab.host("a", None);
        let gateway = lab.host("gateway", Some(client));
        let address: IpAddr = client.split('/').next().expect("an address").parse().expect("an address");
        gateway.port(&lab, "bcast_flood off mcast_flood off");
        gateway.ip(&format!("neigh replace {vip} lladdr {NOBODY} nud stale dev eth0"));
        let announcer = host.announcer();
        announcer.announce(&[vip]).await;
        let told =
            announcer.observe("the second round", |observed| observed.vips[&vip].counters.gratuitous_sent >= 4).await;
        assert!(gateway.believes(vip, NOBODY), "what is sent to everybody does not come");
        assert_eq!(told.vips[&vip].counters.gateway_sent, 0);
        announcer.handle.gateways(vec![Gateway { index: host.index(), address, mac: Some(gateway.mac) }]);
        announcer.announce::<IpAddr>(&[]).await;
        announcer.announce(&[vip]).await;
        eventually("told", || gateway.believes(vip, host.mac)).await;
    });
}
