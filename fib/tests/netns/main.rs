//! The table of links against a real kernel, in a network namespace of its own. Skipped, and saying so, without the
//! rights to make one.

#[cfg(test)]
mod lab;
#[cfg(test)]
mod neighbours;

use ferrolb_fib::links::{Exclusion, Kind, Links, announcing};
use ipnet::IpNet;

use lab::run;

#[cfg(test)]
fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

#[test]
fn link_that_is_added_changed_and_deleted_is_followed() {
    run(async |lab, mut links| {
        links.see("the loopback interface", |links| links.by_name("lo").is_some_and(|lo| lo.loopback)).await;
        lab.ip("link add v0 type veth peer name v1");
        let seen = links.see("added", |links| links.by_name("v0").is_some() && links.by_name("v1").is_some()).await;
        let v0 = seen.by_name("v0").expect("just seen");
        assert!(!v0.up && v0.arp && v0.broadcast && !v0.loopback && v0.mac.is_some() && v0.master.is_none());
        let index = v0.index;

        lab.ip("link set v0 up");
        lab.ip("link set v1 up");
        links.see("up", |links| links.get(index).is_some_and(|link| link.up && link.carrier)).await;
        lab.ip("link set v1 down");
        links.see("no carrier", |links| links.get(index).is_some_and(|link| link.up && !link.carrier)).await;
        lab.ip("link set v0 down");
        links.see("down", |links| links.get(index).is_some_and(|link| !link.up)).await;

        lab.ip("link set v0 address 02:00:00:00:00:77");
        links
            .see("new address", |links| links.get(index).and_then(|link| link.mac) == Some([2, 0, 0, 0, 0, 0x77]))
            .await;
        lab.ip("link set v0 name uplink");
        links.see("renamed", |links| links.by_name("uplink").is_some_and(|link| link.index == index)).await;
        assert!(links.latest().by_name("v0").is_none());
        lab.ip("link set uplink arp off");
        links.see("without ARP", |links| links.get(index).is_some_and(|link| !link.arp)).await;

        lab.ip("link del uplink");
        let seen = links.see("deleted", |links| links.get(index).is_none()).await;
        assert!(seen.by_name("v1").is_none(), "its other end too");
    });
}

#[test]
fn addresses_are_followed() {
    run(async |lab, mut links| {
        lab.ip("link add v0 type veth peer name v1");
        lab.ip("addr add 192.0.2.1/24 dev v0");
        lab.ip("addr add 192.0.2.7 peer 192.0.2.8/32 dev v0");
        lab.ip("addr add 2001:db8::1/64 dev v0");
        let all = ["192.0.2.1/24", "192.0.2.7/32", "2001:db8::1/64"].map(net);
        let has =
            |wanted: Vec<IpNet>| move |links: &Links| links.by_name("v0").is_some_and(|link| link.addresses == wanted);
        links.see("all", has(all.to_vec())).await;
        lab.ip("addr del 192.0.2.1/24 dev v0");
        links.see("one less", has(all[1..].to_vec())).await;
        lab.ip("addr flush dev v0");
        links.see("none", has(Vec::new())).await;
    });
}

#[test]
fn port_that_joins_and_leaves_a_bridge_is_never_lost() {
    run(async |lab, mut links| {
        lab.ip("link add br0 type bridge");
        lab.ip("link add v0 type veth peer name v1");
        lab.ip("link set v0 master br0 up");
        let seen = links.see("enslaved", |links| links.by_name("v0").is_some_and(|link| link.master.is_some())).await;
        let exclusion = |links: &Links, name: &str| {
            let candidates = announcing(links, |_| false);
            let found = candidates.into_iter().find(|candidate| candidate.link.name == name);
            found.expect("it is known").exclusion
        };
        assert_eq!(exclusion(&seen, "v0"), Some(Exclusion::Enslaved { master: "br0".into() }));
        assert_eq!(exclusion(&seen, "lo"), Some(Exclusion::Loopback));

        lab.ip("link set v1 up");
        lab.ip("addr add 198.51.100.1/24 dev v0");
        lab.ip("link set v0 nomaster");
        // What comes after the bridge's own notification proves that it was seen and did no harm.
        lab.ip("addr add 192.0.2.1/24 dev v0");
        let free =
            |links: &Links| links.by_name("v0").is_some_and(|link| link.addresses.contains(&net("192.0.2.1/24")));
        let seen = links.see("free", free).await;
        let v0 = seen.by_name("v0").expect("just seen");
        assert_eq!(v0.master, None);
        assert!(v0.addresses.contains(&net("198.51.100.1/24")), "what it had before it still has");
        let seen = links.see("running", |links| links.by_name("v0").is_some_and(|link| link.carrier)).await;
        assert_eq!(exclusion(&seen, "v0"), None);
    });
}

#[test]
fn kinds_and_sizes_are_followed() {
    run(async |lab, mut links| {
        lab.ip("link add v0 type veth peer name v1");
        lab.ip("link set v0 up");
        lab.ip("link set v1 up");
        lab.ip("link add link v0 name shim0 type macvlan mode bridge");
        lab.ip("link set shim0 up");
        let ready =
            |links: &Links| ["v0", "shim0"].iter().all(|name| links.by_name(name).is_some_and(|link| link.carrier));
        let seen = links.see("running", ready).await;
        let (v0, shim) = (seen.by_name("v0").expect("just seen"), seen.by_name("shim0").expect("just seen"));
        assert_eq!((&v0.kind, v0.mtu), (&Kind::Other("veth".into()), 1500));
        assert_eq!((&shim.kind, shim.parent), (&Kind::MacVlan, Some(v0.index)));
        let judged = announcing(&seen, |_| false);
        let exclusion = judged.into_iter().find(|candidate| candidate.link.name == "shim0").expect("known").exclusion;
        assert_eq!(exclusion, Some(Exclusion::SharesSegment { parent: "v0".into() }));

        lab.ip("link set v0 mtu 1400");
        links.see("smaller", |links| links.by_name("v0").is_some_and(|link| link.mtu == 1400)).await;
        let link_local = |links: &Links| links.by_name("v0").is_some_and(|link| link.link_local().is_some());
        links.see("a link-local address", link_local).await;
        // Too small for IPv6 (RFC 8200 §5): the kernel takes its addresses away.
        lab.ip("link set v0 mtu 1200");
        links
            .see("no link-local address", |links| links.by_name("v0").is_some_and(|link| link.link_local().is_none()))
            .await;
        lab.ip("link set v0 mtu 1500");
        links.see("a link-local address again", link_local).await;
    });
}

#[test]
fn more_notifications_than_fit_into_the_buffer_are_made_up_for() {
    run(async |lab, mut links| {
        lab.ip("link add v0 type veth peer name v1");
        links.see("added", |links| links.by_name("v0").is_some()).await;
        // Nothing reads while this runs: the task shares this thread. The last changes are lost for certain.
        let add: Vec<String> =
            (0..20_000).map(|n| format!("addr add 10.{}.{}.1/32 dev v0\n", n / 250, n % 250)).collect();
        lab.batch(&add.concat());
        lab.ip("link set v0 name last");
        let seen = links.see("the last change", |links| links.by_name("last").is_some()).await;
        assert_eq!(seen.by_name("last").map(|link| link.addresses.len()), Some(20_000));
    });
}
