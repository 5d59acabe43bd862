//! Addresses that a real kernel holds already.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferrolb_l2::{AddressInUse, Announcement, Config};

use crate::lab::{Lab, eventually, run};

const VIPS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100))];

fn fresh(reasserted: u32) -> Vec<Announcement> {
    VIPS.map(|vip| Announcement { fresh: true, reasserted, ..Announcement::everywhere(vip) }).to_vec()
}

#[test]
fn address_that_a_host_holds_is_reported_and_left_to_it_until_it_is_gone() {
    run(async {
        let mut lab = Lab::new();
        let (a, stranger) = (lab.host("a", None), lab.host("stranger", Some("192.0.2.100/24")));
        stranger.add_address("2001:db8::100/64");
        let client = lab.host("client", Some("192.0.2.3/24"));
        client.add_address("2001:db8::3/64");
        client.ask(&VIPS);
        for vip in VIPS {
            eventually("the client knows the stranger", || client.believes(vip, stranger.mac)).await;
        }
        let announcer = a.announcer();
        announcer.handle.announce(fresh(0));
        let observed = announcer.observe("both are in use", |observed| observed.in_use.len() == 2).await;
        let expected = VIPS.map(|vip| AddressInUse { vip, mac: stranger.mac, interface: "eth0".into() });
        assert_eq!(observed.in_use, expected);
        announcer.observe("silent", |observed| observed.vips.values().all(|vip| vip.interfaces.is_empty())).await;

        stranger.ip("addr flush dev eth0");
        announcer.handle.announce(fresh(1));
        announcer
            .observe("announced when nobody answers any more", |observed| {
                observed.in_use.is_empty() && observed.vips.values().all(|vip| vip.interfaces.contains("eth0"))
            })
            .await;
        for vip in VIPS {
            eventually("told", || client.believes(vip, a.mac)).await;
        }
    });
}

#[test]
fn address_that_a_host_holds_is_announced_where_the_operator_wants_it() {
    run(async {
        let mut lab = Lab::new();
        let (a, stranger) = (lab.host("a", None), lab.host("stranger", Some("192.0.2.100/24")));
        stranger.add_address("2001:db8::100/64");
        let announcer = a.announcer_with(Config { announce_in_use: true, ..Config::default() });
        announcer.handle.announce(fresh(0));
        announcer
            .observe("announced and reported", |observed| {
                observed.in_use.len() == 2 && observed.vips.values().all(|vip| vip.interfaces.contains("eth0"))
            })
            .await;
    });
}

#[test]
fn address_that_nobody_holds_is_announced_and_not_reported() {
    run(async {
        let mut lab = Lab::new();
        let (a, b) = (lab.host("a", None), lab.host("b", None));
        let (old, new) = (a.announcer(), b.announcer());
        new.handle.peers([a.mac].into());
        old.announce(&VIPS).await;
        // A peer that holds it is no stranger.
        new.handle.announce(fresh(0));
        let observed = new
            .observe("all probes are sent", |observed| {
                let done = observed
                    .vips
                    .values()
                    .filter(|vip| vip.counters.probes_sent == 3 && vip.interfaces.contains("eth0"));
                done.count() == VIPS.len()
            })
            .await;
        assert_eq!(observed.in_use, []);
    });
}
