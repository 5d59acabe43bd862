//! Interfaces that change their name, address or carrier, and settings of the kernel around them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferrolb_l2::driver::conditions;
use ferrolb_l2::{Announcement, ConditionKind, Family, Interface, Interfaces, MacAddr};

use crate::lab::{Host, Lab, eventually, run};

const VIPS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100))];
const NOBODY: MacAddr = MacAddr(2, 0, 0, 0, 0, 0x99);

/// A client with an address of each family.
fn client(lab: &mut Lab) -> Host {
    let client = lab.host("client", Some("192.0.2.3/24"));
    client.add_address("2001:db8::3/64");
    client
}

/// Has the client believe that all of `addresses` are at a station that is not there.
fn mislead(client: &Host, addresses: &[IpAddr]) {
    let commands: Vec<String> = addresses
        .iter()
        .map(|address| format!("neigh replace {address} lladdr {NOBODY} nud reachable dev eth0\n"))
        .collect();
    client.batch(&commands.concat());
}

#[test]
fn new_hardware_address_is_told_at_once() {
    run(async {
        let mut lab = Lab::new();
        let mut host = lab.host("a", None);
        let client = client(&mut lab);
        let announcer = host.announcer();
        announcer.announce(&VIPS).await;
        host.mac = MacAddr(2, 0xfe, 0xff, 0, 0, 1);
        host.ip(&format!("link set eth0 address {}", host.mac));
        mislead(&client, &VIPS);
        announcer.handle.interfaces(vec![host.interface()]);
        for vip in VIPS {
            eventually("told", || client.believes(vip, host.mac)).await;
            client.ip(&format!("neigh del {vip} dev eth0"));
        }
        client.ask(&VIPS);
        for vip in VIPS {
            eventually("answered", || client.believes(vip, host.mac)).await;
        }
    });
}

#[test]
fn carrier_that_is_lost_and_found_is_announced_on_anew() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = client(&mut lab);
        let announcer = host.announcer();
        announcer.announce(&VIPS).await;
        host.cable(&lab, "down");
        announcer.handle.interfaces(vec![Interface { up: false, ..host.interface() }]);
        announcer.observe("withdrawn", |observed| observed.vips.values().all(|vip| vip.interfaces.is_empty())).await;
        mislead(&client, &VIPS);
        host.cable(&lab, "up");
        announcer.handle.interfaces(vec![host.interface()]);
        for vip in VIPS {
            eventually("told", || client.believes(vip, host.mac)).await;
        }
    });
}

#[test]
fn renamed_interface_goes_on_and_is_found_by_its_new_name() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = client(&mut lab);
        let announcer = host.announcer();
        let uplink = Interfaces::Named(BTreeSet::from(["uplink".to_owned()]));
        let named = Announcement { interfaces: uplink, ..Announcement::everywhere(VIPS[1]) };
        announcer.handle.announce(vec![Announcement::everywhere(VIPS[0]), named]);
        announcer
            .observe("one is announced", |observed| {
                observed.vips.get(&VIPS[0]).is_some_and(|vip| vip.interfaces.contains("eth0"))
            })
            .await;
        let old = host.interface();
        mislead(&client, &VIPS);
        host.ip("link set eth0 down");
        host.ip("link set eth0 name uplink");
        host.ip("link set uplink up");
        announcer.handle.interfaces(vec![Interface { name: "uplink".into(), ..old }]);
        announcer
            .observe("both are announced", |observed| {
                observed.vips.values().all(|vip| vip.interfaces.names().eq(["uplink"]))
            })
            .await;
        for vip in VIPS {
            eventually("told", || client.believes(vip, host.mac)).await;
        }
    });
}

#[test]
fn two_hundred_addresses_of_each_family_move_at_once() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let client = lab.host("client", Some("10.77.255.1/16"));
        client.add_address("2001:db8::ffff/64");
        let announcer = host.announcer();
        let vips: Vec<IpAddr> = (0..200_u16)
            .flat_map(|n| {
                let [high, low] = n.to_be_bytes();
                [
                    IpAddr::V4(Ipv4Addr::new(10, 77, high, low)),
                    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n)),
                ]
            })
            .filter(|vip| *vip != IpAddr::V4(Ipv4Addr::new(10, 77, 0, 0)))
            .collect();
        mislead(&client, &vips);
        announcer.announce(&vips).await;
        eventually("every entry moves", || {
            let entries = client.ip("-4 neigh show dev eth0") + &client.ip("-6 neigh show dev eth0");
            let moved = entries.lines().filter(|entry| entry.contains(&host.mac.to_string())).count();
            moved >= vips.len()
        })
        .await;
    });
}

#[test]
fn settings_of_the_kernel_are_read_where_they_count() {
    run(async {
        let mut lab = Lab::new();
        let host = lab.host("a", None);
        let found = || {
            let interfaces = [host.interface()];
            let found = host.inside(|| conditions(&interfaces, &Family::BOTH.into()));
            found.into_iter().map(|condition| condition.kind).collect::<Vec<_>>()
        };
        for key in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            host.sysctl(key, "1");
        }
        for key in ["net.ipv4.conf.all.proxy_arp", "net.ipv4.conf.eth0.proxy_arp"] {
            host.sysctl(key, "0");
        }
        assert_eq!(found(), []);
        host.sysctl("net.ipv4.conf.eth0.forwarding", "0");
        host.sysctl("net.ipv4.conf.all.proxy_arp", "1");
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "1");
        // What kube-proxy makes in IPVS mode, of a kind that this kernel has: the name is what counts.
        host.ip("link add kube-ipvs0 type bridge");
        let expected =
            [ConditionKind::StrictArp, ConditionKind::ProxyArp, ConditionKind::Forwarding, ConditionKind::Ipv6Disabled];
        assert_eq!(found(), expected);
        host.sysctl("net.ipv4.conf.all.arp_ignore", "1");
        host.sysctl("net.ipv4.conf.all.arp_announce", "2");
        assert_eq!(found(), expected[1..]);
    });
}
