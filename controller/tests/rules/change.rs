//! The configuration changes while addresses are held.

use crate::world::{V4, World, asks};

#[test]
fn what_is_still_allowed_stays_and_the_rest_is_replaced() {
    let before = "addresses: [10.0.0.0/24]";
    for (pools, ips, pool, reasons) in [
        (&[("renamed", before)][..], "10.0.0.0", Some("renamed"), &[][..]),
        (&[("b", "addresses: [10.0.0.128/25]"), ("a", "addresses: [10.0.0.0/25]")], "10.0.0.0", Some("a"), &[]),
        (&[("default", "addresses: [10.0.0.0/16]")], "10.0.0.0", Some("default"), &[]),
        (&[("default", "{addresses: [10.0.0.0/24], autoAssign: false}")], "10.0.0.0", Some("default"), &[]),
        (
            &[("default", before), ("better", "{addresses: [10.0.7.0/24], serviceAllocation: {priority: 1}}")],
            "10.0.0.0",
            Some("default"),
            &[],
        ),
        (
            &[("default", "addresses: [10.0.0.128/25]")],
            "10.0.0.128",
            Some("default"),
            &["ClearAssignment", "IPAllocated"],
        ),
        (&[("other", "addresses: [10.0.5.0/24]")], "10.0.5.0", Some("other"), &["ClearAssignment", "IPAllocated"]),
        (
            &[("default", "{addresses: [10.0.0.0/24], avoidBuggyIPs: true}")],
            "10.0.0.1",
            Some("default"),
            &["ClearAssignment", "IPAllocated"],
        ),
        (
            &[("default", "{addresses: [10.0.0.0/24], serviceAllocation: {namespaces: [elsewhere]}}")],
            "",
            None,
            &["ClearAssignment", "AllocationFailed"],
        ),
        (&[], "", None, &["AllocationFailed"]),
    ] {
        let mut world = World::new(&[("default", before)]);
        world.put("web", V4);
        world.settle().told.clear();
        world.pools(pools);
        world.settle();
        assert_eq!((world.ips("web").as_str(), world.pool_of("web")), (ips, pool), "{pools:?}");
        assert_eq!(world.reasons("web"), reasons, "{pools:?}");
        // What is free afterwards is free: nothing leaked on the way.
        world.remove("web");
        world.settle();
        assert!(world.book.pool_statuses().values().all(|status| status.assigned_ipv4 == 0));
    }
}

#[test]
fn who_asks_for_a_pool_by_its_old_name_loses_the_address_and_gets_it_with_the_name() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]")]);
    world.put("web", &asks("metallb.io/address-pool: default", ""));
    world.settle().told.clear();
    world.pools(&[("renamed", "addresses: [10.0.0.0/24]")]);
    world.settle();
    assert_eq!(world.ips("web"), "");
    let expected = "Failed to allocate IP for \"default/web\": unknown pool \"default\"";
    assert_eq!(world.told("web"), [("AllocationFailed", expected.to_owned())]);
    world.pools(&[("default", "addresses: [10.0.0.0/24]")]);
    world.settle();
    assert_eq!(world.ips("web"), "10.0.0.0");
}

#[test]
fn labels_of_a_service_that_no_longer_fit_its_pool_take_the_address() {
    let pool = "{addresses: [10.0.0.0/24], serviceAllocation: {serviceSelectors: [{matchLabels: {tier: gold}}]}}";
    let mut world = World::new(&[("gold", pool), ("rest", "addresses: [10.0.1.0/24]")]);
    world.put("web", &format!("metadata: {{labels: {{tier: gold}}}}, {V4}"));
    world.settle();
    assert_eq!(world.ips("web"), "10.0.0.0");
    world.put("web", V4);
    world.settle();
    assert_eq!(world.ips("web"), "10.0.1.0");
}

#[test]
fn pools_that_collide_with_what_is_there_are_named_and_used_all_the_same() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/16]"), ("fine", "addresses: [192.0.2.0/24]")]);
    let node = |ip: &str, pods: &str| {
        format!("{{spec: {{podCIDRs: [{pods}]}}, status: {{addresses: [{{type: InternalIP, address: {ip}}}]}}}}")
    };
    world.node("a", &node("10.0.0.1", "10.244.1.0/24"));
    world.node("b", &node("198.51.100.7", "10.0.64.0/24"));
    for n in 0..5 {
        world.put(&format!("s{n}"), &format!("spec: {{type: ClusterIP, clusterIP: 10.0.9.{n}}}"));
    }
    world.put("web", V4);
    world.settle();
    assert_eq!(world.ips("web"), "10.0.0.0");
    let problems = world.book.collisions(&world.cluster);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("10.0.0.1 of Node a;"), "{said:?}");
    assert!(said[1].contains("10.0.64.0/24 of Node b;"), "{said:?}");
    let named =
        "10.0.9.0 of Service default/s0, 10.0.9.1 of Service default/s1, 10.0.9.2 of Service default/s2 and 2 more";
    assert!(said[2].contains(named), "{said:?}");
    assert!(problems.iter().all(|problem| &*problem.object.name == "default"));
    let parsed = ferrolb_config::Parsed { problems, ..Default::default() };
    assert!(parsed.for_allocation().is_ok() && parsed.for_announcement().is_ok(), "nobody is hindered");
}
