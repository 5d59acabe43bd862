//! Services of two families.

use crate::world::{World, shows};

const DUAL: &str = "addresses: [10.0.0.0/30, 'fd00::/126']";

fn dual(policy: &str, more: &str) -> String {
    format!("spec: {{type: LoadBalancer, clusterIPs: [10.96.0.1, 'fd96::1'], ipFamilyPolicy: {policy}, {more}}}")
}

#[test]
fn both_addresses_come_from_one_pool_in_the_order_of_their_families() {
    for (policy, more, pools, ips, pool) in [
        ("RequireDualStack", "", &[("p", DUAL)][..], "10.0.0.0 fd00::", Some("p")),
        ("RequireDualStack", "ipFamilies: [IPv6, IPv4]", &[("p", DUAL)], "10.0.0.0 fd00::", Some("p")),
        ("RequireDualStack", "", &[("a", "addresses: [10.0.1.0/24]"), ("b", DUAL)], "10.0.0.0 fd00::", Some("b")),
        ("RequireDualStack", "", &[("a", "addresses: [10.0.1.0/24]"), ("b", "addresses: ['fd00::/126']")], "", None),
        ("PreferDualStack", "", &[("a", "addresses: [10.0.1.0/24]"), ("b", DUAL)], "10.0.0.0 fd00::", Some("b")),
        (
            "PreferDualStack",
            "",
            &[("a", "addresses: ['fd01::/126']"), ("b", "addresses: [10.0.1.0/24]")],
            "10.0.1.0",
            Some("b"),
        ),
        (
            "PreferDualStack",
            "ipFamilies: [IPv6, IPv4]",
            &[("a", "addresses: [10.0.1.0/24]"), ("b", "addresses: ['fd01::/126']")],
            "fd01::",
            Some("b"),
        ),
        ("PreferDualStack", "ipFamilies: [IPv6, IPv4]", &[("a", "addresses: [10.0.1.0/24]")], "10.0.1.0", Some("a")),
        // One address of a pool that is set apart is better than two of one that is for everybody.
        (
            "PreferDualStack",
            "",
            &[("a", DUAL), ("b", "{addresses: [10.0.1.0/24], serviceAllocation: {namespaces: [default]}}")],
            "10.0.1.0",
            Some("b"),
        ),
        ("SingleStack", "", &[("p", DUAL)], "", None),
    ] {
        let mut world = World::new(pools);
        world.put("web", &dual(policy, more));
        world.settle();
        assert_eq!((world.ips("web").as_str(), world.pool_of("web")), (ips, pool), "{policy} {more} {pools:?}");
    }
}

#[test]
fn a_service_with_one_cluster_ip_gets_one_address_and_keeps_it() {
    let mut world = World::new(&[("p", DUAL)]);
    for (name, ip, expected) in [("v4", "10.96.0.1", "10.0.0.0"), ("v6", "fd96::1", "fd00::")] {
        let yaml = format!("spec: {{type: LoadBalancer, clusterIPs: ['{ip}'], ipFamilyPolicy: PreferDualStack}}");
        world.put(name, &yaml);
        world.settle();
        assert_eq!(world.ips(name), expected);
    }
    world.restart();
    assert_eq!((world.ips("v4").as_str(), world.ips("v6").as_str(), world.told.len()), ("10.0.0.0", "fd00::", 0));
}

#[test]
fn the_missing_address_is_added_from_the_same_pool_as_soon_as_there_is_one() {
    let mut world = World::new(&[("a", "addresses: [10.0.1.0/24]")]);
    world.put("web", &dual("PreferDualStack", ""));
    world.settle();
    assert_eq!(world.ips("web"), "10.0.1.0");
    assert_eq!(world.reasons("web"), ["IPAllocated", "AdditionalAssignFailed"]);
    // Another pool has both; a Service never moves for that.
    world.pools(&[("a", "addresses: [10.0.1.0/24]"), ("b", DUAL)]);
    world.settle();
    assert_eq!(world.ips("web"), "10.0.1.0");
    world.pools(&[("a", "addresses: [10.0.1.0/24, 'fd01::/128']"), ("b", DUAL)]);
    world.settle();
    assert_eq!(world.ips("web"), "10.0.1.0 fd01::");
    assert_eq!(world.told("web").last().unwrap(), &("IPAllocated", "Assigned additional IP \"fd01::\"".to_owned()));
}

#[test]
fn the_missing_address_is_added_when_somebody_gives_one_back() {
    let mut world = World::new(&[("a", "addresses: [10.0.1.0/24, 'fd01::/128']")]);
    world.put("first", "spec: {type: LoadBalancer, clusterIPs: ['fd96::1']}");
    world.put("web", &dual("PreferDualStack", ""));
    world.put("all", &dual("RequireDualStack", ""));
    world.settle();
    assert_eq!((world.ips("web").as_str(), world.ips("all").as_str()), ("10.0.1.0", ""));
    world.remove("first");
    world.settle();
    assert_eq!((world.ips("web").as_str(), world.ips("all").as_str()), ("10.0.1.0 fd01::", ""));
}

#[test]
fn a_pool_that_loses_a_family_takes_both_addresses_and_gives_by_policy() {
    for (policy, ips) in [("PreferDualStack", "10.0.1.0"), ("RequireDualStack", "")] {
        let mut world = World::new(&[("a", "addresses: [10.0.1.0/24, 'fd01::/120']")]);
        world.put("web", &dual(policy, ""));
        world.settle().told.clear();
        world.pools(&[("a", "addresses: [10.0.1.0/24]")]);
        world.settle();
        assert_eq!(world.ips("web"), ips);
        assert_eq!(world.reasons("web")[0], "ClearAssignment");
    }
}

#[test]
fn requested_addresses_are_of_all_families_of_the_service() {
    let mut world = World::new(&[("p", DUAL), ("q", "addresses: ['fd01::/126']")]);
    let requests = |ips: &str, policy: &str| {
        format!("metadata: {{annotations: {{metallb.io/loadBalancerIPs: '{ips}'}}}}, {}", dual(policy, ""))
    };
    for (ips, policy, expected, message) in [
        ("fd00::2,10.0.0.2", "RequireDualStack", "10.0.0.2 fd00::2", "Assigned IP [\"10.0.0.2\" \"fd00::2\"]"),
        ("10.0.0.2", "RequireDualStack", "", "does not match the ipFamily of the service"),
        ("10.0.0.2", "PreferDualStack", "", "does not match the ipFamily of the service"),
        ("10.0.0.2,fd01::1", "PreferDualStack", "", "[\"10.0.0.2\" \"fd01::1\"] is not allowed in config"),
    ] {
        world.put("web", &requests(ips, policy));
        world.settle();
        assert_eq!(world.ips("web"), expected, "{ips} {policy}");
        let (_, said) = world.told("web").pop().unwrap();
        assert!(said.contains(message), "{said}");
        world.remove("web");
        world.settle();
    }
    // Who already holds the one that it asks for goes on with it: nothing is added that would be taken away again.
    world.put("web", &shows(&requests("10.0.0.2", "PreferDualStack"), &["10.0.0.2"]));
    world.settle();
    assert_eq!(world.ips("web"), "10.0.0.2");
}
