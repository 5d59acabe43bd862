//! What a Service says, and what its owner is told.

use ferrolb_source::{Age, ClusterIps, Service};

use crate::world::{V4, World, asks, shows};

const POOLS: &[(&str, &str)] = &[
    ("default", "addresses: [10.0.0.0/24, 'fd00::/120']"),
    ("manual", "{addresses: [10.0.9.0/24], autoAssign: false}"),
    ("other", "{addresses: [10.0.8.0/24], serviceAllocation: {namespaces: [elsewhere]}}"),
];

#[test]
fn requests_come_out_as_the_service_says_or_with_the_reason_why_not() {
    let refused = "Failed to allocate IP for \"default/web\": ";
    for (annotations, spec, ips, message) in [
        ("", "", "10.0.0.0", "Assigned IP [\"10.0.0.0\"]"),
        ("metallb.io/address-pool: manual", "", "10.0.9.0", "Assigned IP [\"10.0.9.0\"]"),
        ("metallb.io/address-pool: nope", "", "", "unknown pool \"nope\""),
        ("metallb.io/address-pool: other", "", "", "pool other not compatible for ip assignment"),
        ("metallb.io/address-pool: ''", "", "10.0.0.0", "Assigned IP"),
        ("metallb.io/loadBalancerIPs: ' 10.0.0.7 '", "", "10.0.0.7", "Assigned IP [\"10.0.0.7\"]"),
        ("metallb.io/loadBalancerIPs: 10.0.9.9", "", "10.0.9.9", "Assigned IP"),
        ("metallb.io/loadBalancerIPs: 10.0.8.1", "", "", "pool other not compatible for ip assignment"),
        ("metallb.io/loadBalancerIPs: 192.0.2.1", "", "", "[\"192.0.2.1\"] is not allowed in config"),
        ("metallb.io/loadBalancerIPs: 'fd00::1'", "", "", "does not match the ipFamily of the service"),
        ("metallb.io/loadBalancerIPs: '10.0.0.1, fd00::1'", "", "", "does not match the ipFamily of the service"),
        ("metallb.io/loadBalancerIPs: '10.0.0.1,10.0.0.2'", "", "", "at most one address of each family"),
        ("metallb.io/loadBalancerIPs: '10.0.0.1,'", "", "", "invalid address \"\""),
        ("", "loadBalancerIP: 10.0.0.8", "10.0.0.8", "Assigned IP"),
        ("", "loadBalancerIP: 10.0.0.x", "", "invalid spec.loadBalancerIP \"10.0.0.x\""),
        ("metallb.io/loadBalancerIPs: 10.0.0.8", "loadBalancerIP: 10.0.0.8", "", "service can not have both"),
        (
            "metallb.io/loadBalancerIPs: 10.0.0.8, metallb.io/address-pool: manual",
            "",
            "",
            "requested loadBalancer IP(s) [\"10.0.0.8\"] is not compatible with requested address pool \"manual\"",
        ),
        ("metallb.io/loadBalancerIPs: 10.0.9.8, metallb.io/address-pool: manual", "", "10.0.9.8", "Assigned IP"),
        ("metallb.universe.tf/address-pool: manual", "", "10.0.9.0", "Assigned IP"),
        ("metallb.io/address-pool: default, metallb.universe.tf/address-pool: manual", "", "10.0.0.0", "Assigned IP"),
        ("metallb.io/address-pool: '', metallb.universe.tf/address-pool: manual", "", "10.0.0.0", "Assigned IP"),
    ] {
        let mut world = World::new(POOLS);
        world.put("web", &asks(annotations, spec));
        world.settle();
        assert_eq!(world.ips("web"), ips, "{annotations} {spec}");
        let (reason, said) = world.told("web").remove(0);
        assert!(said.contains(message), "{annotations} {spec}: {said}");
        let expected = if ips.is_empty() { "AllocationFailed" } else { "IPAllocated" };
        assert_eq!(reason, expected);
        assert_eq!(said.starts_with(refused), ips.is_empty(), "{said}");
    }
}

#[test]
fn a_pool_is_found_by_the_name_that_it_had_before_it_was_converted() {
    let mut world = World::new(&[("default", "addresses: [10.0.0.0/24]"), ("my-pool", "addresses: [10.0.1.0/24]")]);
    world.put("web", &asks("metallb.io/address-pool: My_Pool", ""));
    world.settle();
    assert_eq!((world.ips("web").as_str(), world.pool_of("web")), ("10.0.1.0", Some("my-pool")));
    world.restart();
    assert_eq!((world.ips("web").as_str(), world.told.len()), ("10.0.1.0", 0));
}

#[test]
fn names_in_a_status_count_as_no_address_and_nothing_but_addresses_is_written() {
    let yaml = "{spec: {type: LoadBalancer, clusterIP: 10.96.0.1}, status: {loadBalancer: {ingress: [{hostname: a.example}]}}}";
    let service = Service::project(&serde_yaml::from_str(yaml).unwrap(), Age::default(), ClusterIps::AsWritten);
    assert!(service.ingress.is_empty());
    let mut world = World::new(POOLS);
    world.put("web", yaml.trim_start_matches('{').strip_suffix('}').unwrap());
    world.settle();
    assert_eq!((world.ips("web").as_str(), world.pool_of("web")), ("10.0.0.0", Some("default")));
}

#[test]
fn what_others_add_to_a_status_is_replaced_and_the_address_stays() {
    for entry in
        ["hostname: a.example", "ip: 10.0.0.0, hostname: a.example", "ip: nonsense", "ip: 10.0.0.0, ipMode: Proxy"]
    {
        let status = |ours: &str| format!("{V4}, status: {{loadBalancer: {{ingress: [{ours}{{{entry}}}]}}}}");
        let mut world = World::new(POOLS);
        world.put("web", V4);
        world.settle().told.clear();
        let ours = if entry.contains("10.0.0.0") { "" } else { "{ip: 10.0.0.0}, " };
        world.put("web", &status(ours));
        world.change("web", |service| {
            service.annotations.insert("metallb.io/ip-allocated-from-pool".to_owned(), "default".to_owned());
        });
        assert!(world.has_more("web"), "{entry}");
        world.settle();
        assert_eq!((world.ips("web").as_str(), world.has_more("web")), ("10.0.0.0", false), "{entry}");
        assert_eq!(world.told("web"), [], "{entry}");
        // The same for a controller that finds it so.
        world.change("web", |service| service.ingress_has_more = true);
        world.restart();
        assert_eq!((world.ips("web").as_str(), world.has_more("web")), ("10.0.0.0", false), "{entry}");
    }
}

#[test]
fn the_mode_that_the_api_server_adds_to_an_address_is_nobody_s_addition() {
    let yaml = "{spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 10.0.0.1, ipMode: VIP}]}}}";
    let service = Service::project(&serde_yaml::from_str(yaml).unwrap(), Age::default(), ClusterIps::AsWritten);
    assert!(!service.ingress_has_more);
}

#[test]
fn a_mapped_address_that_is_asked_for_is_the_ipv4_address_that_it_holds() {
    for (annotations, spec) in
        [("metallb.io/loadBalancerIPs: '::ffff:10.0.0.7'", ""), ("", "loadBalancerIP: '::ffff:10.0.0.7'")]
    {
        let mut world = World::new(POOLS);
        world.put("web", &asks(annotations, spec));
        world.settle();
        assert_eq!((world.ips("web").as_str(), world.reasons("web")), ("10.0.0.7", vec!["IPAllocated"]));
    }
}

#[test]
fn a_held_address_survives_a_request_that_nobody_understands() {
    let mut world = World::new(POOLS);
    world.put("web", V4);
    world.settle().told.clear();
    world.put("web", &asks("metallb.io/loadBalancerIPs: nonsense", ""));
    world.settle();
    assert_eq!(world.ips("web"), "10.0.0.0");
    let expected = "invalid address \"nonsense\" in metallb.io/loadBalancerIPs: write one address, or an IPv4 and an IPv6 one with a comma";
    assert_eq!(world.told("web"), [("LoadBalancerFailed", expected.to_owned())]);
}

#[test]
fn a_request_that_changes_moves_the_service_and_one_that_fails_takes_its_address() {
    let mut world = World::new(POOLS);
    world.put("other", &asks("metallb.io/loadBalancerIPs: 10.0.0.9", ""));
    world.put("web", V4);
    world.settle();
    for (annotations, ips) in [
        ("metallb.io/loadBalancerIPs: 10.0.0.3", "10.0.0.3"),
        ("metallb.io/address-pool: manual", "10.0.9.0"),
        ("", "10.0.9.0"),
        ("metallb.io/loadBalancerIPs: 10.0.0.9", ""),
    ] {
        world.put("web", &asks(annotations, ""));
        world.settle();
        assert_eq!(world.ips("web"), ips, "{annotations}");
    }
    assert_eq!(world.ips("other"), "10.0.0.9", "who holds it keeps it");
    // A requested address is waited for.
    world.remove("other");
    world.settle();
    assert_eq!(world.ips("web"), "10.0.0.9");
}

#[test]
fn a_service_that_cannot_have_an_address_loses_the_one_it_shows() {
    for (spec, reason) in [
        ("spec: {type: ClusterIP, clusterIP: 10.96.0.1}", None),
        ("spec: {type: LoadBalancer}", Some("AllocationFailed")),
        ("spec: {type: LoadBalancer, clusterIP: None}", Some("AllocationFailed")),
        (
            "spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ipFamilyPolicy: RequireDualStack}",
            Some("not enough clusterips"),
        ),
        ("spec: {type: LoadBalancer, clusterIPs: [10.96.0.1, 10.96.0.2]}", Some("noclusterIPsIPFamily")),
    ] {
        let mut world = World::new(POOLS);
        world.put("web", V4);
        world.settle().told.clear();
        world.put("web", spec);
        world.settle();
        assert_eq!((world.ips("web").as_str(), world.pool_of("web")), ("", None), "{spec}");
        assert_eq!(world.reasons("web"), reason.into_iter().collect::<Vec<_>>(), "{spec}");
        world.put("next", V4);
        world.settle();
        assert_eq!(world.ips("next"), "10.0.0.0", "{spec}: it is free again");
    }
}

#[test]
fn addresses_of_the_wrong_families_are_replaced_and_undeterminable_ones_are_named() {
    for (ips, reasons) in [
        (&["fd00::5"][..], &["IPAllocated"][..]),
        (&["10.0.0.5", "fd00::5"], &["IPAllocated"]),
        (&["10.0.0.5", "10.0.0.6"], &["nolbIPsIPFamily", "IPAllocated"]),
        (&["10.0.0.5", "10.0.0.6", "fd00::5"], &["nolbIPsIPFamily", "IPAllocated"]),
        (&["192.0.2.5"], &["ClearAssignment", "IPAllocated"]),
        (&["10.0.0.5"], &[]),
    ] {
        let mut world = World::new(POOLS);
        world.put("web", &shows(V4, ips));
        world.settle();
        let kept = reasons.is_empty();
        assert_eq!(world.ips("web"), if kept { "10.0.0.5" } else { "10.0.0.0" });
        assert_eq!(world.reasons("web"), reasons, "{ips:?}");
    }
    let mut world = World::new(POOLS);
    world.put("web", &shows(V4, &["192.0.2.5"]));
    world.settle();
    let (_, message) = world.told("web").remove(0);
    let expected = "current IP [\"192.0.2.5\"] not allowed by config, will attempt for new IP assignment: \
                    [\"192.0.2.5\"] is not allowed in config";
    assert_eq!(message, expected);
}

#[test]
fn without_any_pool_nobody_has_anything_and_is_told() {
    let mut world = World::new(&[]);
    world.put("web", &shows(V4, &["10.0.0.5"]));
    world.settle();
    assert_eq!(world.ips("web"), "");
    let expected = "Failed to allocate IP for \"default/web\": no address pool is configured";
    assert_eq!(world.told("web"), [("AllocationFailed", expected.to_owned())]);
}

#[test]
fn annotations_of_old_are_named_whenever_the_service_is_changed() {
    let mut world = World::new(POOLS);
    let old = asks("metallb.universe.tf/address-pool: manual", "");
    world.put("web", &old);
    world.settle();
    assert_eq!(world.reasons("web"), ["IPAllocated", "deprecatedAnnotation"]);
    world.put("web", &old);
    world.settle();
    assert_eq!(world.reasons("web"), [] as [&str; 0]);
    world.pools(&[("manual", "{addresses: [10.0.7.0/24], autoAssign: false}")]);
    world.settle();
    assert_eq!(world.reasons("web"), ["ClearAssignment", "IPAllocated", "deprecatedAnnotation"]);
}
