//! IPv6 against the neighbour table of a real kernel.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use ferrolb_l2::MacAddr;

use crate::lab::{Lab, eventually, run};

const CLIENT: &str = "2001:db8::3/64";
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x101);

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
