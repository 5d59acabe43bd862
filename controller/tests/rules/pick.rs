//! Which address of which pool.

use crate::world::{V4, World, asks, key, shows};

/// The addresses of `count` Services that ask for nothing in particular, in order of age.
fn given(world: &mut World, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.put(name, V4);
    }
    world.settle();
    names.iter().map(|name| world.ips(name)).collect()
}

#[test]
fn addresses_come_in_the_order_of_the_pool_from_the_network_address_on() {
    for (pool, expected) in [
        ("addresses: [10.0.1.0/31, 10.0.0.0/31]", ["10.0.1.0", "10.0.1.1", "10.0.0.0"]),
        ("addresses: [10.0.0.254-10.0.1.1]", ["10.0.0.254", "10.0.0.255", "10.0.1.0"]),
        ("{addresses: [10.0.0.254-10.0.1.2], avoidBuggyIPs: true}", ["10.0.0.254", "10.0.1.1", "10.0.1.2"]),
        ("addresses: ['10.20.30.40/24']", ["10.20.30.0", "10.20.30.1", "10.20.30.2"]),
    ] {
        assert_eq!(given(&mut World::new(&[("default", pool)]), 3), expected, "{pool}");
    }
}

#[test]
fn an_address_that_is_left_out_cannot_be_requested_either() {
    let mut world = World::new(&[("default", "{addresses: [10.0.0.0/24], avoidBuggyIPs: true}")]);
    world.put("web", &asks("metallb.io/loadBalancerIPs: 10.0.0.255", ""));
    world.settle();
    let expected = "Failed to allocate IP for \"default/web\": [\"10.0.0.255\"] is not allowed in config";
    assert_eq!(world.told("web"), [("AllocationFailed", expected.to_owned())]);
}

#[test]
fn pools_set_apart_come_first_by_priority_and_the_rest_by_name() {
    let mut world = World::new(&[
        ("z-first", "{addresses: [10.0.1.0/32], serviceAllocation: {priority: 1}}"),
        ("b-second", "{addresses: [10.0.2.0/32], serviceAllocation: {priority: 2, namespaces: [default]}}"),
        ("a-negative", "{addresses: [10.0.4.0/32], serviceAllocation: {priority: -5}}"),
        ("c-unset", "{addresses: [10.0.5.0/32], serviceAllocation: {namespaces: [default]}}"),
        ("0-elsewhere", "{addresses: [10.0.6.0/24], serviceAllocation: {priority: 1, namespaces: [elsewhere]}}"),
        ("1-labelled", "{addresses: [10.0.7.0/24], serviceAllocation: {serviceSelectors: [{matchLabels: {a: b}}]}}"),
        ("a-general", "addresses: [10.0.8.0/32]"),
        ("b-general", "addresses: [10.0.9.0/32]"),
        ("0-manual", "{addresses: [10.0.10.0/24], autoAssign: false}"),
    ]);
    let expected = ["10.0.1.0", "10.0.2.0", "10.0.4.0", "10.0.5.0", "10.0.8.0", "10.0.9.0", ""];
    assert_eq!(given(&mut world, 7), expected);
}

#[test]
fn a_namespace_selector_that_matches_nothing_admits_nobody() {
    let pool = "{addresses: [10.0.1.0/24], serviceAllocation: {namespaceSelectors: [{matchLabels: {team: a}}]}}";
    let mut world = World::new(&[("team-a", pool)]);
    world.put("any", V4);
    world.put("by-pool", &asks("metallb.io/address-pool: team-a", ""));
    world.put("by-ip", &asks("metallb.io/loadBalancerIPs: 10.0.1.7", ""));
    world.settle();
    assert_eq!((world.ips("any"), world.ips("by-pool"), world.ips("by-ip")), Default::default());
    world.namespace(&[("team", "a")]);
    world.settle();
    assert_eq!(
        (world.ips("any").as_str(), world.ips("by-pool").as_str(), world.ips("by-ip").as_str()),
        ("10.0.1.0", "10.0.1.1", "10.0.1.7")
    );
    world.namespace(&[]);
    world.settle();
    assert_eq!((world.ips("any"), world.ips("by-pool"), world.ips("by-ip")), Default::default());
}

#[test]
fn a_full_pool_names_a_few_of_those_who_hold_it() {
    for (count, held) in [
        (1, "; held by default/s0"),
        (2, "; held by default/s0, default/s1"),
        (8, "; held by default/s0, default/s1, default/s2, default/s3, default/s4 and 3 more"),
    ] {
        let mut world = World::new(&[("default", &format!("addresses: [10.0.0.0-10.0.0.{}]", count - 1))]);
        given(&mut world, count);
        world.put("web", V4);
        world.put("asks", &asks("metallb.io/address-pool: default", ""));
        world.settle();
        let full = format!("{count} of its {count} IPv4 addresses are in use{held}");
        let expected = format!("Failed to allocate IP for \"default/web\": no available IPs: pool \"default\": {full}");
        assert_eq!(world.told("web"), [("AllocationFailed", expected)]);
        let expected =
            format!("Failed to allocate IP for \"default/asks\": no available IPs in pool \"default\": {full}");
        assert_eq!(world.told("asks"), [("AllocationFailed", expected)]);
        // Others come and go; for whoever waits nothing has changed.
        world.remove("s0");
        world.put("later", V4);
        world.settle();
        assert_eq!((world.ips("web").as_str(), world.reasons("asks")), ("10.0.0.0", vec![]));
    }
}

#[test]
fn what_is_held_and_valid_is_claimed_before_anything_is_given_out() {
    // The older one's address is gone; the first that is free is held by the younger one.
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.put("old", &shows(V4, &["192.0.2.1"]));
    world.put("young", &shows(V4, &["10.0.0.0"]));
    world.settle();
    assert_eq!((world.ips("old").as_str(), world.ips("young").as_str()), ("10.0.0.1", "10.0.0.0"));
    // Also in an update on the way: the older one asks in the same moment in which the younger one comes with an address.
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.settle();
    world.put("asks", V4);
    world.put("holds", &shows(V4, &["10.0.0.0"]));
    world.settle();
    assert_eq!((world.ips("asks").as_str(), world.ips("holds").as_str()), ("10.0.0.1", "10.0.0.0"));
}

#[test]
fn of_two_that_show_one_address_the_older_one_keeps_it() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.put("old", &shows(V4, &["10.0.0.4"]));
    world.put("young", &shows(V4, &["10.0.0.4"]));
    world.settle();
    assert_eq!((world.ips("old").as_str(), world.ips("young").as_str()), ("10.0.0.4", "10.0.0.0"));
    assert_eq!(world.reasons("young"), ["ClearAssignment", "IPAllocated"]);
}

#[test]
fn counters_follow_what_is_held() {
    let mut world = World::new(&[("default", "{addresses: [10.0.0.0/24, 'fd00::/16'], avoidBuggyIPs: true}")]);
    given(&mut world, 3);
    world.remove("s1");
    world.settle();
    let status = world.book.pool_statuses()["default"];
    assert_eq!((status.assigned_ipv4, status.available_ipv4), (2, 252));
    assert_eq!((status.assigned_ipv6, status.available_ipv6), (0, i64::MAX), "more than fits is the most that fits");
    assert_eq!(world.book.allocator().services("default"), 2);
    assert_eq!(world.book.allocator().holding(&key("s1")), None);
}
