//! The table and the choice, fed with the changes a kernel would send.

use proptest::prelude::*;

use super::*;

fn ethernet(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.into(),
        mac: Some([2, 0, 0, 0, 0, u8::try_from(index).expect("a small index")]),
        up: true,
        carrier: true,
        arp: true,
        broadcast: true,
        loopback: false,
        master: None,
        kind: Kind::Device,
        parent: None,
        mtu: 1500,
        addresses: Vec::new(),
    }
}

fn loopback() -> Link {
    Link { mac: Some([0; 6]), broadcast: false, loopback: true, ..ethernet(1, "lo") }
}

fn tunnel(index: u32, name: &str) -> Link {
    Link { mac: None, broadcast: false, arp: false, ..ethernet(index, name) }
}

fn port(index: u32, name: &str, master: u32) -> Link {
    Link { master: Some(master), ..ethernet(index, name) }
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn table(links: impl IntoIterator<Item = Link>) -> Links {
    links.into_iter().map(Change::Link).collect()
}

/// Name and reason of every link, `-` for those that can announce.
fn judged(links: &Links) -> Vec<String> {
    let excluded = |name: &str| name.starts_with("docker");
    let tell = |candidate: Candidate<'_>| {
        let reason = candidate.exclusion.map_or_else(|| "-".to_owned(), |reason| reason.to_string());
        format!("{}: {reason}", candidate.link.name)
    };
    announcing(links, excluded).into_iter().map(tell).collect()
}

#[test]
fn link_appears_changes_and_disappears() {
    let mut links = table([loopback()]);
    assert!(links.apply(Change::Link(ethernet(2, "eth0"))));
    assert!(!links.apply(Change::Link(ethernet(2, "eth0"))), "nothing new");
    assert!(links.apply(Change::Link(Link { up: false, carrier: false, ..ethernet(2, "eth0") })));
    assert_eq!(links.get(2).map(|link| link.up), Some(false));
    assert!(links.apply(Change::LinkGone(2)));
    assert!(!links.apply(Change::LinkGone(2)));
    assert_eq!((links.get(2), links.len(), links.is_empty()), (None, 1, false));
}

#[test]
fn renamed_link_is_found_by_its_new_name_only_and_keeps_its_addresses() {
    let mut links = table([ethernet(2, "eth0")]);
    links.apply(Change::Address { index: 2, address: net("192.0.2.1/24") });
    assert!(links.apply(Change::Link(ethernet(2, "uplink"))));
    assert_eq!(links.by_name("eth0"), None);
    assert_eq!(links.by_name("uplink").map(|link| link.addresses.clone()), Some(vec![net("192.0.2.1/24")]));
}

#[test]
fn addresses_come_and_go_in_order_and_without_repetition() {
    let mut links = table([ethernet(2, "eth0")]);
    let address = |text| Change::Address { index: 2, address: net(text) };
    for text in ["192.0.2.9/24", "2001:db8::1/64", "192.0.2.1/24"] {
        assert!(links.apply(address(text)));
    }
    assert!(!links.apply(address("192.0.2.9/24")));
    let expected = ["192.0.2.1/24", "192.0.2.9/24", "2001:db8::1/64"].map(net);
    assert_eq!(links.get(2).map(|link| &link.addresses[..]), Some(&expected[..]));
    assert!(links.apply(Change::AddressGone { index: 2, address: net("192.0.2.9/24") }));
    assert!(!links.apply(Change::AddressGone { index: 2, address: net("192.0.2.9/24") }));
    assert!(!links.apply(Change::AddressGone { index: 2, address: net("192.0.2.1/25") }), "another prefix length");
}

#[test]
fn index_that_is_used_again_starts_without_addresses() {
    let mut links = table([ethernet(2, "eth0")]);
    links.apply(Change::Address { index: 2, address: net("192.0.2.1/24") });
    links.apply(Change::LinkGone(2));
    assert!(!links.apply(Change::Address { index: 2, address: net("192.0.2.1/24") }), "of an unknown link");
    links.apply(Change::Link(ethernet(2, "eth1")));
    assert_eq!(links.get(2), Some(&ethernet(2, "eth1")));
}

#[test]
fn plain_node_announces_on_its_ethernet_interfaces() {
    let links = table([
        loopback(),
        ethernet(2, "eth0"),
        Link { up: false, carrier: false, ..ethernet(3, "eth1") },
        Link { carrier: false, ..ethernet(4, "eth2") },
        ethernet(5, "docker0"),
        tunnel(6, "tunl0"),
        Link { arp: false, ..ethernet(7, "dummy0") },
        Link { mac: None, ..ethernet(8, "ib0") },
        Link { mac: Some([0; 6]), ..ethernet(9, "odd0") },
    ]);
    assert_eq!(
        judged(&links),
        [
            "lo: it is the loopback interface",
            "eth0: -",
            "eth1: it is administratively down",
            "eth2: it has no carrier",
            "docker0: it is excluded by configuration",
            "tunl0: it cannot broadcast",
            "dummy0: it does not use ARP",
            "ib0: it has no Ethernet address",
            "odd0: it has no Ethernet address",
        ]
    );
}

#[test]
fn bond_announces_instead_of_its_slaves_and_follows_their_failure() {
    let mut links = table([port(2, "eth0", 4), port(3, "eth1", 4), ethernet(4, "bond0")]);
    assert_eq!(judged(&links), ["eth0: it belongs to bond0", "eth1: it belongs to bond0", "bond0: -"]);
    // One slave fails and the bond takes over the address of the other (fail_over_mac=active).
    links.apply(Change::Link(Link { carrier: false, ..port(2, "eth0", 4) }));
    assert!(links.apply(Change::Link(Link { mac: Some([2, 0, 0, 0, 0, 3]), ..ethernet(4, "bond0") })));
    assert_eq!(judged(&links)[2], "bond0: -");
    // The other fails too.
    links.apply(Change::Link(Link { carrier: false, ..ethernet(4, "bond0") }));
    assert_eq!(judged(&links)[2], "bond0: it has no carrier");
    // A slave is released.
    links.apply(Change::Link(ethernet(2, "eth0")));
    assert_eq!(judged(&links)[0], "eth0: -");
}

#[test]
fn bridge_announces_instead_of_its_ports() {
    let links = table([port(2, "eth0", 3), ethernet(3, "br0"), port(4, "vnet7", 3)]);
    assert_eq!(judged(&links), ["eth0: it belongs to br0", "br0: -", "vnet7: it belongs to br0"]);
}

#[test]
fn macvlan_and_ipvlan_leave_their_segment_to_the_link_below() {
    let on = |index, name, kind, parent| Link { kind, parent: Some(parent), ..ethernet(index, name) };
    let mut links = table([
        ethernet(2, "eth0"),
        on(3, "shim0", Kind::MacVlan, 2),
        on(4, "shim1", Kind::IpVlan, 2),
        on(5, "eth0.7", Kind::Vlan, 2),
        on(6, "shim2", Kind::MacVlan, 5),
        on(7, "shim3", Kind::MacVlan, 99),
        ethernet(8, "docker0"),
        on(9, "shim4", Kind::MacVlan, 8),
    ]);
    let expected = [
        "eth0: -",
        "shim0: it shares the segment of eth0",
        "shim1: it shares the segment of eth0",
        "eth0.7: -",
        "shim2: it shares the segment of eth0.7",
        "shim3: -", // The link below is in another namespace: this is the only one here.
        "docker0: it is excluded by configuration",
        "shim4: -",
    ];
    assert_eq!(judged(&links), expected);
    // A link below that is down comes up again; nothing moves back and forth.
    links.apply(Change::Link(Link { carrier: false, ..ethernet(2, "eth0") }));
    assert_eq!(judged(&links)[1], expected[1]);
}

#[test]
fn link_local_address_is_found_among_the_others() {
    let mut links = table([ethernet(2, "eth0")]);
    for address in ["192.0.2.1/24", "2001:db8::1/64"] {
        links.apply(Change::Address { index: 2, address: net(address) });
    }
    assert_eq!(links.get(2).and_then(Link::link_local), None);
    links.apply(Change::Address { index: 2, address: net("fe80::1/64") });
    assert_eq!(links.get(2).and_then(Link::link_local), "fe80::1".parse().ok());
}

#[test]
fn vlan_device_announces_beside_its_parent_and_falls_with_it() {
    // A VLAN device has no master; its state follows that of the link below it.
    let mut links = table([ethernet(2, "eth0"), ethernet(3, "eth0.100")]);
    assert_eq!(judged(&links), ["eth0: -", "eth0.100: -"]);
    links.apply(Change::Link(Link { carrier: false, ..ethernet(2, "eth0") }));
    links.apply(Change::Link(Link { carrier: false, ..ethernet(3, "eth0.100") }));
    assert_eq!(judged(&links), ["eth0: it has no carrier", "eth0.100: it has no carrier"]);
}

#[test]
fn vlan_over_bond_over_two_cards_announces_on_the_vlan_and_the_bond() {
    let links = table([port(2, "eth0", 4), port(3, "eth1", 4), ethernet(4, "bond0"), ethernet(5, "bond0.7")]);
    assert_eq!(judged(&links)[2..], ["bond0: -", "bond0.7: -"]);
}

#[test]
fn master_that_is_not_known_is_named_by_its_index() {
    let links = table([port(2, "eth0", 9)]);
    assert_eq!(judged(&links), ["eth0: it belongs to #9"]);
}

/// Changes of three links with a few properties each.
fn change() -> impl Strategy<Value = Change> {
    let address = (2_u32..5, 0_u8..4).prop_map(|(index, low)| (index, net(&format!("192.0.2.{low}/24"))));
    prop_oneof![
        (2_u32..5, any::<bool>(), proptest::option::of(5_u32..7), "[ab]")
            .prop_map(|(index, up, master, name)| { Change::Link(Link { up, master, ..ethernet(index, &name) }) }),
        (2_u32..5).prop_map(Change::LinkGone),
        address.clone().prop_map(|(index, address)| Change::Address { index, address }),
        address.prop_map(|(index, address)| Change::AddressGone { index, address }),
    ]
}

proptest! {
    #[test]
    fn change_reports_a_difference_exactly_when_there_is_one_and_twice_is_as_good_as_once(
        changes in proptest::collection::vec(change(), 0..60),
    ) {
        let mut links = Links::default();
        for change in changes {
            let before = links.clone();
            let changed = links.apply(change.clone());
            prop_assert_eq!(changed, links != before);
            let after = links.clone();
            prop_assert!(!links.apply(change));
            prop_assert_eq!(&links, &after);
        }
    }
}
