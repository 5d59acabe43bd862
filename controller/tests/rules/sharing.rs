//! Who may use an address together.

use crate::world::{World, asks, shows};

const POOL: &[(&str, &str)] = &[("default", "addresses: [10.0.0.0/24]")];

fn shared(key: &str, spec: &str) -> String {
    asks(&format!("metallb.io/allow-shared-ip: '{key}'"), spec)
}

#[test]
fn two_share_where_key_backend_and_ports_allow_it() {
    let local = |app: &str, port: u16| {
        format!("externalTrafficPolicy: Local, selector: {{app: {app}}}, ports: [{{port: {port}}}]")
    };
    let http = "ports: [{port: 80}]";
    let https = "ports: [{port: 443}]";
    for (first, second, together) in [
        (shared("k", http), shared("k", https), true),
        (shared("k", http), shared("k", "ports: [{port: 80, protocol: UDP}]"), true),
        (shared("k", http), shared("k", "ports: [{port: 443}, {port: 80}]"), false),
        (shared("k", http), shared("x", https), false),
        (shared("k", http), asks("", https), false),
        (shared("", http), shared("", https), false),
        (shared("k", &local("a", 80)), shared("k", &local("a", 443)), true),
        (shared("k", &local("a", 80)), shared("k", &local("b", 443)), false),
        (shared("k", &local("a", 80)), shared("k", https), false),
        (
            shared("k", "selector: {app: a}, ports: [{port: 80}]"),
            shared("k", "selector: {app: b}, ports: [{port: 443}]"),
            true,
        ),
        (shared("k", http), asks("metallb.universe.tf/allow-shared-ip: k", https), true),
    ] {
        let mut world = World::new(POOL);
        world.put("first", &first);
        world.put("second", &second);
        world.settle();
        assert_eq!(world.ips("second"), if together { "10.0.0.0" } else { "10.0.0.1" }, "{first}\n{second}");
        let status = &world.book.pool_statuses()["default"];
        assert_eq!(status.assigned_ipv4, if together { 1 } else { 2 }, "distinct addresses count");
    }
}

#[test]
fn a_lower_free_address_wins_over_joining_a_higher_one() {
    let mut world = World::new(POOL);
    world.put(
        "first",
        &asks("metallb.io/allow-shared-ip: k, metallb.io/loadBalancerIPs: 10.0.0.5", "ports: [{port: 80}]"),
    );
    world.put("second", &shared("k", "ports: [{port: 443}]"));
    world.settle();
    assert_eq!(world.ips("second"), "10.0.0.0");
}

#[test]
fn refusals_say_who_has_the_address_and_which_port() {
    let mut world = World::new(POOL);
    let at = |key: &str, port: u16| {
        asks(
            &format!("metallb.io/allow-shared-ip: {key}, metallb.io/loadBalancerIPs: 10.0.0.5"),
            &format!("ports: [{{port: {port}}}]"),
        )
    };
    world.put("a", &at("k", 80));
    world.put("b", &at("k", 443));
    world.put("other-key", &at("x", 1));
    world.put("same-port", &at("k", 80));
    world.settle();
    let failed =
        |name: &str, why: &str| [("AllocationFailed", format!("Failed to allocate IP for \"default/{name}\": {why}"))];
    let why = "can't change sharing key for \"default/other-key\", address also in use by default/a,default/b";
    assert_eq!(world.told("other-key"), failed("other-key", why));
    assert_eq!(world.told("same-port"), failed("same-port", "port TCP/80 is already in use on \"10.0.0.5\""));
}

#[test]
fn whoever_holds_an_address_alone_may_change_key_backend_and_ports() {
    let mut world = World::new(POOL);
    world.put("a", &shared("k", "ports: [{port: 80}]"));
    world.settle().told.clear();
    for yaml in [
        shared("x", "ports: [{port: 80}]"),
        shared("x", "externalTrafficPolicy: Local, selector: {app: a}, ports: [{port: 81}]"),
        asks("", "ports: [{port: 81}]"),
        shared("k", "ports: [{port: 80}]"),
    ] {
        world.put("a", &yaml);
        world.settle();
        assert_eq!((world.ips("a").as_str(), world.told.len()), ("10.0.0.0", 0), "{yaml}");
    }
    world.put("b", &shared("k", "ports: [{port: 81}]"));
    world.settle();
    assert_eq!(world.ips("b"), "10.0.0.0", "the key of now counts");
}

#[test]
fn whoever_changes_the_key_beside_others_loses_the_address_however_old_it_is() {
    for (older, younger) in [("a", "b"), ("b", "a")] {
        let mut world = World::new(POOL);
        world.put(older, &shared("k", &format!("ports: [{{port: {}}}]", 80 + u32::from(older == "b"))));
        world.put(younger, &shared("k", &format!("ports: [{{port: {}}}]", 80 + u32::from(younger == "b"))));
        world.settle().told.clear();
        world.put("a", &shared("x", "ports: [{port: 80}]"));
        // At the same moment the configuration changes, and everything is claimed anew.
        world.pools(&[("default", "addresses: [10.0.0.0/24]"), ("more", "addresses: [10.0.1.0/24]")]);
        world.settle();
        assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.1", "10.0.0.0"));
        assert_eq!(world.reasons("a"), ["ClearAssignment", "IPAllocated"]);
        assert_eq!(world.reasons("b"), [] as [&str; 0]);
    }
}

#[test]
fn ports_may_change_beside_others_where_they_do_not_collide() {
    let mut world = World::new(POOL);
    world.put("a", &shared("k", "ports: [{port: 80}]"));
    world.put("b", &shared("k", "ports: [{port: 81}]"));
    world.put("b", &shared("k", "ports: [{port: 82}]"));
    world.settle();
    assert_eq!((world.ips("a"), world.ips("b")), ("10.0.0.0".to_owned(), "10.0.0.0".to_owned()));
    world.put("c", &shared("k", "ports: [{port: 81}]"));
    world.settle();
    assert_eq!(world.ips("c"), "10.0.0.0", "the port that was left is free");
    world.put("b", &shared("k", "ports: [{port: 80}]"));
    world.settle();
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.0", "10.0.0.1"));
}

#[test]
fn after_a_restart_all_that_show_an_address_keep_it_and_in_a_dispute_the_older_one() {
    let mut world = World::new(POOL);
    world.put("asks", &asks("metallb.io/loadBalancerIPs: 10.0.0.5", ""));
    world.put("a", &shows(&shared("k", "ports: [{port: 80}]"), &["10.0.0.5"]));
    world.put("b", &shows(&shared("k", "ports: [{port: 81}]"), &["10.0.0.5"]));
    world.put("c", &shows(&shared("x", "ports: [{port: 82}]"), &["10.0.0.5"]));
    world.settle();
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.5", "10.0.0.5"));
    assert_eq!((world.ips("c").as_str(), world.ips("asks").as_str()), ("10.0.0.0", ""), "who only asks holds nothing");
}

#[test]
fn a_shared_address_and_an_advertisement_that_selects_services_are_named_together() {
    let mut world = World::new(POOL);
    world.l2("gold", "{ipAddressPools: [default], serviceSelectors: [{matchLabels: {tier: gold}}]}");
    let gold = shared("k", "ports: [{port: 80}]").replace("metadata: {", "metadata: {labels: {tier: gold}, ");
    world.put("gold", &gold);
    world.put("plain", &shared("k", "ports: [{port: 81}]"));
    world.settle();
    assert_eq!(world.reasons("gold"), ["IPAllocated", "sharedIPWithServiceSelector"]);
    assert_eq!(world.reasons("plain"), ["IPAllocated"]);
    world.settle();
    assert_eq!(world.told.len(), 0, "it is said once");
}
