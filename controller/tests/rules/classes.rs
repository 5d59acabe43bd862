//! Services of several load balancer classes, and Services that change theirs.

use ferrolb_source::Service;

use crate::world::{V4, World, asks, shows};

const POOL: &[(&str, &str)] = &[("default", "addresses: [10.0.0.0/30]")];

fn of_class(class: &str) -> String {
    asks("", &format!("loadBalancerClass: {class}, ports: [{{port: 80}}]"))
}

#[test]
fn only_services_of_our_class_are_served() {
    for (ours, served) in [(None, "plain"), (Some("ours.example/lb"), "ours")] {
        let mut world = ours.map_or_else(|| World::new(POOL), |class| World::of_class(class, POOL));
        world.put("plain", V4);
        world.put("ours", &of_class("ours.example/lb"));
        world.put("theirs", &of_class("theirs.example/lb"));
        world.settle();
        for name in ["plain", "ours", "theirs"] {
            assert_eq!(world.ips(name), if name == served { "10.0.0.0" } else { "" }, "{ours:?} {name}");
        }
        assert!(world.told.iter().all(|(who, ..)| who == served));
    }
}

#[test]
fn what_a_service_of_another_class_shows_is_never_given_out() {
    let mut world = World::new(POOL);
    world.put("theirs", &shows(&of_class("theirs.example/lb"), &["10.0.0.0", "192.0.2.1"]));
    world.put("web", V4);
    world.put("wants", &asks("metallb.io/loadBalancerIPs: 10.0.0.0", ""));
    world.settle();
    assert_eq!((world.ips("theirs").as_str(), world.ips("web").as_str()), ("10.0.0.0 192.0.2.1", "10.0.0.1"));
    let expected = "Failed to allocate IP for \"default/wants\": address \"10.0.0.0\" is in the status of default/theirs, \
                    which is of another loadBalancerClass";
    assert_eq!(world.told("wants"), [("AllocationFailed", expected.to_owned())]);
    let status = &world.book.pool_statuses()["default"];
    assert_eq!((status.assigned_ipv4, status.available_ipv4), (1, 2), "it is neither ours nor to be had");
    // As soon as the other one lets go, it is.
    world.change("theirs", |service| service.ingress.clear());
    world.settle();
    assert_eq!(world.ips("wants"), "10.0.0.0");
}

#[test]
fn where_both_show_an_address_ours_keeps_it_and_says_so() {
    for restart in [false, true] {
        let mut world = World::new(POOL);
        world.put("web", V4);
        world.settle().told.clear();
        world.put("theirs", &shows(&of_class("theirs.example/lb"), &["10.0.0.0"]));
        if restart {
            world.restart();
        } else {
            world.settle();
        }
        assert_eq!(world.ips("web"), "10.0.0.0");
        let told = world.told("web");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].0 == "AddressInUse" && told[0].1.contains("default/theirs"), "{told:?}");
        // It stays taken when ours goes.
        world.remove("web");
        world.put("next", V4);
        world.settle();
        assert_eq!(world.ips("next"), "10.0.0.1");
    }
}

#[test]
fn a_service_that_goes_to_another_class_gives_back_what_it_has_from_us() {
    let mut world = World::new(POOL);
    world.put("web", V4);
    world.settle();
    world.change("web", |service| service.class = Some("theirs.example/lb".into()));
    world.settle();
    assert_eq!((world.ips("web").as_str(), world.pool_of("web")), ("", None));
    world.put("next", V4);
    world.settle();
    assert_eq!(world.ips("next"), "10.0.0.0");
}

#[test]
fn what_the_other_class_has_written_already_is_not_cleared() {
    let mut world = World::new(POOL);
    world.put("web", V4);
    world.settle();
    world.change("web", |service| {
        service.class = Some("theirs.example/lb".into());
        service.ingress = ["192.0.2.9".parse().unwrap()].into_iter().collect();
    });
    world.settle();
    assert_eq!(world.ips("web"), "192.0.2.9");
    world.put("next", V4);
    world.settle();
    assert_eq!(world.ips("next"), "10.0.0.0", "ours is free");
}

#[test]
fn a_type_change_that_takes_the_class_away_gives_the_address_back() {
    let stops = |service: &mut Service| {
        service.load_balancer = false;
        service.class = None;
    };
    for restart in [false, true] {
        let mut world = World::of_class("ours.example/lb", POOL);
        world.put("web", &of_class("ours.example/lb"));
        world.settle();
        assert_eq!(world.ips("web"), "10.0.0.0");
        world.change("web", stops);
        if restart {
            world.restart();
        } else {
            world.settle();
        }
        assert_eq!((world.ips("web").as_str(), world.pool_of("web")), ("", None));
        world.put("next", &of_class("ours.example/lb"));
        world.settle();
        assert_eq!(world.ips("next"), "10.0.0.0");
    }
}

#[test]
fn with_a_class_the_status_of_what_was_never_ours_is_left_alone() {
    let mut world = World::of_class("ours.example/lb", POOL);
    world.put("theirs", &shows("spec: {type: ClusterIP, clusterIP: 10.96.0.1}", &["192.0.2.9"]));
    world.settle();
    assert_eq!(world.ips("theirs"), "192.0.2.9");
}
