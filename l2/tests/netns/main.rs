//! The announcer against real kernels: announcers and a client on a bridge, each in a network namespace of its own.
//! Skipped, and saying so, without the rights to make namespaces.

#[cfg(test)]
mod detection;
#[cfg(test)]
mod interfaces;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod ndp;
#[cfg(test)]
mod stall;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ferrolb_l2::driver::PortError;
use ferrolb_l2::{Interface, MacAddr};

use lab::{Lab, eventually, run};

const CLIENT: &str = "192.0.2.3/24";
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
const NOBODY: MacAddr = MacAddr(2, 0, 0, 0, 0, 0x99);

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
            old.announce::<Ipv4Addr>(&[]).await;
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
        client.sysctl("net.ipv4.neigh.eth0.mcast_solicit", "1");
        let announcer = host.announcer();
        announcer.handle.watch(BTreeSet::from([IpAddr::V4(OTHER)]));
        announcer.announce(&[VIP]).await;
        client.ask(&[OTHER, VIP]);
        eventually("the owned address is resolved", || client.believes(VIP, host.mac)).await;
        eventually("the other is not", || client.neighbour(OTHER).contains("FAILED")).await;
        let answered = announcer
            .observe("the answer is counted", |observed| {
                observed.vips.values().any(|vip| vip.counters.responses_sent > 0)
            })
            .await;
        assert!(answered.vips[&IpAddr::V4(VIP)].counters.requests_received > 0);

        let observed = announcer.handle.observed();
        announcer.handle.shutdown().await;
        assert!(observed.borrow().vips.is_empty());
        client.ip(&format!("neigh del {VIP} dev eth0"));
        client.ask(&[VIP]);
        eventually("nobody answers any more", || client.neighbour(VIP).contains("FAILED")).await;
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
        let foreign: Vec<Ipv4Addr> = (110..240).map(|last| Ipv4Addr::new(192, 0, 2, last)).collect();
        client.ask(&foreign);
        client.ask(&[VIP]);
        eventually("the owned address is resolved", || client.believes(VIP, host.mac)).await;
        assert!(host.statistic("rx_packets") >= before + 131, "every question came to the interface");
        let observed = announcer
            .observe("the question is counted", |observed| {
                observed.vips[&IpAddr::V4(VIP)].counters.requests_received > 0
            })
            .await;
        let received = observed.interfaces["eth0"].counters.frames_received;
        assert_eq!(received, observed.vips[&IpAddr::V4(VIP)].counters.requests_received);
    });
}

#[test]
fn interface_that_goes_down_and_up_is_announced_anew() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some(CLIENT));
        let announcer = host.announcer();
        announcer.announce(&[VIP]).await;
        // Seen by the socket alone, and told by the caller.
        for told in [false, true] {
            host.ip("link set eth0 down");
            if told {
                announcer.handle.interfaces(vec![Interface { up: false, ..host.interface() }]);
                announcer.observe("closed", |observed| observed.interfaces.is_empty()).await;
            } else {
                let down =
                    |error: &PortError| matches!(error, PortError::Down { interface, .. } if interface == "eth0");
                announcer
                    .observe("the error is seen", |observed| {
                        observed.interfaces.get("eth0").and_then(|status| status.error.as_deref()).is_some_and(down)
                    })
                    .await;
            }
            announcer.observe("withdrawn", |observed| observed.vips[&IpAddr::V4(VIP)].interfaces.is_empty()).await;
            client.ip(&format!("neigh replace {VIP} lladdr {NOBODY} nud reachable dev eth0"));
            host.ip("link set eth0 up");
            if told {
                announcer.handle.interfaces(vec![host.interface()]);
            }
            eventually("told again", || client.believes(VIP, host.mac)).await;
            announcer
                .observe("no error is left", |observed| {
                    observed.interfaces.get("eth0").is_some_and(|status| status.open && status.error.is_none())
                })
                .await;
        }
    });
}

#[test]
fn interface_that_is_replaced_is_announced_on_with_its_new_index_and_address() {
    run(async {
        let mut lab = Lab::new();
        let mut host = lab.host("a", None);
        let client = lab.host("client", Some(CLIENT));
        let announcer = host.announcer();
        announcer.announce(&[VIP]).await;
        let (old_mac, old_index) = (host.mac, host.index());
        host.ip("link del eth0");
        announcer
            .observe("the socket failed", |observed| {
                observed.interfaces.get("eth0").is_some_and(|status| !status.open && status.error.is_some())
            })
            .await;
        client.ip(&format!("neigh replace {VIP} lladdr {old_mac} nud reachable dev eth0"));
        lab.attach(&mut host);
        assert_ne!((old_mac, old_index), (host.mac, host.index()));
        announcer.handle.interfaces(vec![host.interface()]);
        eventually("told with the new address", || client.believes(VIP, host.mac)).await;
        client.ip(&format!("neigh del {VIP} dev eth0"));
        client.ask(&[VIP]);
        eventually("answered with the new address", || client.believes(VIP, host.mac)).await;
    });
}

#[test]
fn successor_is_heard_by_who_watches_and_a_foreign_claim_is_defended() {
    run(async {
        let mut lab = Lab::new();
        let (a, b) = (lab.host("a", None), lab.host("b", None));
        let (mut old, mut new) = (a.announcer(), b.announcer());
        new.handle.watch(BTreeSet::from([IpAddr::V4(VIP)]));
        new.observe("listening", |observed| observed.interfaces.get("eth0").is_some_and(|status| status.open)).await;
        old.announce(&[VIP]).await;
        let heard = new.hear().await;
        assert_eq!((heard.vip, heard.mac, heard.announced, heard.defended), (IpAddr::V4(VIP), a.mac, false, false));

        new.announce(&[VIP]).await;
        let heard = old.hear().await;
        assert_eq!((heard.mac, heard.interface.as_str()), (b.mac, "eth0"));
        assert!(heard.announced && heard.defended, "a stranger is answered with a defence");
    });
}

#[test]
fn peer_is_heard_and_not_defended_against() {
    run(async {
        let mut lab = Lab::new();
        let (a, b) = (lab.host("a", None), lab.host("b", None));
        let (mut old, new) = (a.announcer(), b.announcer());
        old.handle.peers(BTreeSet::from([b.mac]));
        old.announce(&[VIP]).await;
        new.announce(&[VIP]).await;
        let heard = old.hear().await;
        assert!(heard.announced && !heard.defended && heard.mac == b.mac);
    });
}

#[test]
fn filter_for_a_thousand_scattered_addresses_is_taken_by_the_kernel_and_exact() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some("10.77.255.1/16"));
        let owned: Vec<Ipv4Addr> = (0..1_000_u32).map(|n| Ipv4Addr::from(0x0a4d_0000 + 2 * n)).collect();
        let announcer = host.announcer();
        announcer.announce(&owned).await;
        let asked: Vec<Ipv4Addr> = owned.iter().copied().step_by(37).collect();
        let between: Vec<Ipv4Addr> = asked.iter().map(|vip| Ipv4Addr::from(u32::from(*vip) + 1)).collect();
        let before = host.statistic("rx_packets");
        client.ask(&between);
        client.ask(&asked);
        for vip in &asked {
            eventually("every owned address is resolved", || client.believes(*vip, host.mac)).await;
        }
        assert!(host.statistic("rx_packets") >= before + 2 * u64::try_from(asked.len()).expect("a few"));
        let observed = announcer
            .observe("the questions are counted", |observed| {
                asked.iter().all(|vip| observed.vips[&IpAddr::V4(*vip)].counters.requests_received > 0)
            })
            .await;
        let status = &observed.interfaces["eth0"];
        let requests: u64 = observed.vips.values().map(|vip| vip.counters.requests_received).sum();
        assert_eq!(status.counters.frames_received, requests, "nothing foreign came through");
        assert!(status.error.is_none(), "{:?}", status.error);
    });
}

#[test]
fn filter_that_the_kernel_has_no_memory_for_gives_way_to_a_smaller_one() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some("10.77.255.1/16"));
        if !host.inside(|| std::fs::exists("/proc/sys/net/core/optmem_max").is_ok_and(|exists| exists)) {
            println!("skipped: before Linux 6.8 the memory for filters is set for all namespaces at once");
            return;
        }
        host.sysctl("net.core.optmem_max", "20480");
        let owned: Vec<Ipv4Addr> = (0..1_000_u32).map(|n| Ipv4Addr::from(0x0a4d_0000 + 2 * n)).collect();
        let announcer = host.announcer();
        announcer.announce(&owned).await;
        let (first, last) = (owned[0], owned[999]);
        let between: Vec<Ipv4Addr> = owned.iter().step_by(17).map(|vip| Ipv4Addr::from(u32::from(*vip) + 1)).collect();
        client.ask(&between);
        client.ask(&[last, first]);
        for vip in [first, last] {
            eventually("resolved", || client.believes(vip, host.mac)).await;
        }
        let observed = announcer
            .observe("no error is left, both questions are counted", |observed| {
                let asked = |vip: Ipv4Addr| observed.vips[&IpAddr::V4(vip)].counters.requests_received > 0;
                let good = observed.interfaces.get("eth0").is_some_and(|status| status.open && status.error.is_none());
                good && asked(first) && asked(last)
            })
            .await;
        let ignored = observed.interfaces["eth0"].counters.ignored;
        assert!(ignored > 0, "the exact filter was refused, the one in its place lets more through");
    });
}
