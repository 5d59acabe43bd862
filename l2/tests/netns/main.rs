//! The announcer against real kernels: announcers and a client on a bridge, each in a network namespace of its own.
//! Skipped, and saying so, without the rights to make namespaces.

#[cfg(test)]
mod detection;
#[cfg(test)]
mod families;
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
const NOBODY: MacAddr = MacAddr(2, 0, 0, 0, 0, 0x99);

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
