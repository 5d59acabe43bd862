//! IPv6 against the neighbour table of a real kernel.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use ferrolb_l2::MacAddr;

use crate::lab::{Lab, eventually, run};

const CLIENT: &str = "2001:db8::3/64";
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x101);

#[test]
fn entries_of_a_client_move_to_the_new_owner_reachable_or_stale() {
    run(async {
        let mut lab = Lab::new();
        let (a, b) = (lab.host("a", None), lab.host("b", None));
        let client = lab.host("client", Some(CLIENT));
        let announcers = [(a.announcer(), &a), (b.announcer(), &b)];
        // Nothing makes the client ask: only what the new owner says of its own accord can move an entry.
        for (round, state) in ["reachable", "stale", "delay", "stale", "reachable"].into_iter().enumerate() {
            let (old, old_host) = &announcers[round % 2];
            let (new, new_host) = &announcers[(round + 1) % 2];
            old.announce(&[VIP]).await;
            old.announce::<Ipv6Addr>(&[]).await;
            client.ip(&format!("neigh replace {VIP} lladdr {} nud {state} dev eth0", old_host.mac));
            assert!(client.believes(VIP, old_host.mac));
            new.announce(&[VIP]).await;
            eventually(state, || client.believes(VIP, new_host.mac)).await;
        }
    });
}

#[test]
fn questions_are_answered_for_owned_addresses_only_and_after_the_end_for_none() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some(CLIENT));
        client.sysctl("net.ipv6.neigh.eth0.mcast_solicit", "1");
        let announcer = host.announcer();
        announcer.handle.watch(BTreeSet::from([IpAddr::V6(OTHER)]));
        announcer.announce(&[VIP]).await;
        client.ask(&[OTHER, VIP]);
        eventually("the owned address is resolved", || client.believes(VIP, host.mac)).await;
        eventually("the other is not", || client.neighbour(OTHER).contains("FAILED")).await;
        announcer
            .observe("the answer is counted", |observed| {
                observed.vips.values().any(|vip| vip.counters.responses_sent > 0 && vip.counters.requests_received > 0)
            })
            .await;
        announcer.handle.shutdown().await;
        client.ip(&format!("neigh del {VIP} dev eth0"));
        client.ask(&[VIP]);
        eventually("nobody answers any more", || client.neighbour(VIP).contains("FAILED")).await;
    });
}

#[test]
fn neighbour_unreachability_probe_is_answered() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some(CLIENT));
        let announcer = host.announcer();
        announcer.announce(&[VIP]).await;
        let before = announcer.handle.observed().borrow().vips[&IpAddr::V6(VIP)].counters.requests_received;
        // The kernel is about to look whether the neighbour is still there: by unicast, to the address it knows.
        client.ip(&format!("neigh replace {VIP} lladdr {} nud probe dev eth0", host.mac));
        eventually("reachable", || client.neighbour(VIP).contains("REACHABLE")).await;
        announcer
            .observe("the question is counted", |observed| {
                observed.vips[&IpAddr::V6(VIP)].counters.requests_received > before
            })
            .await;
    });
}

#[test]
fn host_that_wants_the_address_for_itself_is_told_that_it_is_taken() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some(CLIENT));
        let announcer = host.announcer();
        announcer.announce(&[VIP]).await;
        client.ip(&format!("addr add {VIP}/64 dev eth0"));
        eventually("refused", || client.ip(&format!("addr show dev eth0 to {VIP}")).contains("dadfailed")).await;
    });
}

#[test]
fn switch_that_snoops_forwards_questions_to_a_node_that_only_may_own_the_address() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let announcer = host.announcer();
        let groups = |expected: &[&str]| {
            let maddr = host.ip("-6 maddr show dev eth0");
            expected.iter().all(|group| maddr.contains(group))
        };
        announcer.handle.watch(BTreeSet::from([IpAddr::V6(VIP)]));
        eventually("reported and received", || groups(&["ff02::1:ff00:100"])).await;
        let card = || host.ip("maddr show dev eth0").contains("33:33:ff:00:01:00");
        eventually("received", card).await;
        announcer.announce(&[OTHER]).await;
        eventually("one more", || groups(&["ff02::1:ff00:100", "ff02::1:ff00:101"])).await;
        announcer.handle.watch(BTreeSet::new());
        announcer.announce::<Ipv6Addr>(&[]).await;
        eventually("left", || !groups(&["ff02::1:ff00:100"]) && !groups(&["ff02::1:ff00:101"]) && !card()).await;
    });
}

#[test]
fn questions_for_foreign_addresses_do_not_wake_the_process() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some(CLIENT));
        let announcer = host.announcer();
        announcer.announce(&[VIP]).await;
        let before = host.statistic("rx_packets");
        let foreign: Vec<Ipv6Addr> =
            (0x200..0x280).map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)).collect();
        client.ask(&foreign);
        client.ask(&[VIP]);
        eventually("the owned address is resolved", || client.believes(VIP, host.mac)).await;
        assert!(host.statistic("rx_packets") >= before + 129, "every question came to the interface");
        let observed = announcer
            .observe("the question is counted", |observed| {
                observed.vips[&IpAddr::V6(VIP)].counters.requests_received > 0
            })
            .await;
        let received = observed.interfaces["eth0"].counters.frames_received;
        assert_eq!(received, observed.vips[&IpAddr::V6(VIP)].counters.requests_received);
    });
}

#[test]
fn successor_is_heard_by_who_watches_and_a_foreign_claim_is_defended() {
    run(async {
        let mut lab = Lab::new();
        let (a, b) = (lab.host("a", None), lab.host("b", None));
        let (mut old, mut new) = (a.announcer(), b.announcer());
        new.handle.watch(BTreeSet::from([IpAddr::V6(VIP)]));
        new.observe("listening", |observed| observed.interfaces.get("eth0").is_some_and(|status| status.open)).await;
        old.announce(&[VIP]).await;
        let heard = new.hear().await;
        assert_eq!((heard.vip, heard.mac, heard.announced, heard.defended), (IpAddr::V6(VIP), a.mac, false, false));
        new.announce(&[VIP]).await;
        let heard = old.hear().await;
        assert_eq!((heard.mac, heard.interface.as_str()), (b.mac, "eth0"));
        assert!(heard.announced && heard.defended, "a stranger is answered with a defence");
    });
}

#[test]
fn filter_for_a_thousand_scattered_addresses_is_taken_by_the_kernel_and_exact() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some("2001:db8::ffff/64"));
        let owned: Vec<Ipv6Addr> = (0..1_000_u16).map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, 2 * n)).collect();
        let announcer = host.announcer();
        announcer.announce(&owned).await;
        let asked: Vec<Ipv6Addr> = owned.iter().copied().step_by(37).collect();
        let between: Vec<Ipv6Addr> = asked.iter().map(|vip| Ipv6Addr::from(u128::from(*vip) + 1)).collect();
        client.ask(&between);
        client.ask(&asked);
        for vip in &asked {
            eventually("every owned address is resolved", || client.believes(*vip, host.mac)).await;
        }
        let observed = announcer
            .observe("the questions are counted", |observed| {
                asked.iter().all(|vip| observed.vips[&IpAddr::V6(*vip)].counters.requests_received > 0)
            })
            .await;
        let status = &observed.interfaces["eth0"];
        let requests: u64 = observed.vips.values().map(|vip| vip.counters.requests_received).sum();
        assert_eq!(status.counters.frames_received, requests, "nothing foreign came through");
        assert!(status.error.is_none(), "{:?}", status.error);
    });
}

#[test]
fn node_without_ipv6_of_its_own_announces_and_answers_all_the_same() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some(CLIENT));
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "1");
        let announcer = host.announcer();
        client.ip(&format!("neigh replace {VIP} lladdr {} nud stale dev eth0", MacAddr(2, 0, 0, 0, 0, 0x99)));
        announcer.announce(&[VIP]).await;
        eventually("told", || client.believes(VIP, host.mac)).await;
        client.ip(&format!("neigh del {VIP} dev eth0"));
        client.ask(&[VIP]);
        eventually("answered", || client.believes(VIP, host.mac)).await;
        // With IPv6 it gets a link-local address, and reports its groups from there.
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0");
        eventually("an address", || host.interface().link_local.is_some()).await;
        announcer.handle.interfaces(vec![host.interface()]);
        eventually("reported", || host.ip("-6 maddr show dev eth0").contains("ff02::1:ff00:100")).await;
    });
}

#[test]
fn groups_that_a_small_mtu_took_away_are_reported_again() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let announcer = host.announcer();
        announcer.handle.watch(BTreeSet::from([IpAddr::V6(VIP)]));
        let reported = || host.ip("-6 maddr show dev eth0").contains("ff02::1:ff00:100");
        eventually("reported", reported).await;
        // Below 1280 the kernel has no IPv6 on the link (RFC 8200 §5).
        host.ip("link set eth0 mtu 1200");
        announcer.handle.interfaces(vec![host.interface()]);
        eventually("gone", || !reported()).await;
        host.ip("link set eth0 mtu 1500");
        eventually("an address", || host.interface().link_local.is_some()).await;
        announcer.handle.interfaces(vec![host.interface()]);
        eventually("reported again", reported).await;
    });
}
