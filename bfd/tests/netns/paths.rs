//! IPv6, link-local addresses, routers in between, addresses and interfaces that come and go.

use std::net::{IpAddr, Ipv6Addr, UdpSocket};

use ferrolb_bfd::driver::{Parameters, Peer, Problem};
use ferrolb_bfd::{Config, State};

use crate::lab::{BFDD, BIRD, Lab, config, run};

fn v4(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

fn v6(text: &str) -> IpAddr {
    IpAddr::V6(text.parse::<Ipv6Addr>().expect("an address"))
}

fn frr(peer: &str) -> String {
    format!("{peer}\nreceive-interval 100\ntransmit-interval 100\ndetect-multiplier 20\nno shutdown")
}

#[test]
fn ipv6_and_link_local_sessions_come_up_with_bfdd_beside_each_other() {
    run(BFDD, async {
        let (_lab, ours, router) = Lab::pair();
        let global = frr("peer 2001:db8::2 local-address 2001:db8::1 interface eth0");
        let local = frr("peer fe80::2 local-address fe80::1 interface eth0");
        let bfdd = router.bfdd(&format!("{global}\n!\n{local}"));
        let ours = ours.ours();
        let peers =
            [Peer::single_hop(v6("2001:db8::1")).from(v6("2001:db8::2")), Peer::single_hop(v6("fe80::1")).on("eth0")];
        let parameters = Parameters { session: config(100), ..Parameters::default() };
        ours.handle.set(peers.iter().map(|peer| (peer.clone(), parameters)).collect());
        for peer in &peers {
            ours.up(peer).await;
        }
        bfdd.says("Status: up").await;
    });
}

#[test]
fn ipv6_session_comes_up_with_bird() {
    run(BIRD, async {
        let (_lab, ours, router) = Lab::pair();
        let bird = router.bird(
            "interface \"eth0\" { interval 100 ms; multiplier 20; };\nneighbor 2001:db8::2 dev \"eth0\" local 2001:db8::1;\nneighbor fe80::2 dev \"eth0\" local fe80::1;",
        );
        let ours = ours.ours();
        let peers =
            [Peer::single_hop(v6("2001:db8::1")).from(v6("2001:db8::2")), Peer::single_hop(v6("fe80::1")).on("eth0")];
        let parameters = Parameters { session: config(100), ..Parameters::default() };
        ours.handle.set(peers.iter().map(|peer| (peer.clone(), parameters)).collect());
        for peer in &peers {
            ours.up(peer).await;
        }
        bird.says("Up").await;
    });
}

/// Ours, a router, and the peer behind it.
fn routed() -> (Lab, [crate::lab::Host; 3]) {
    let mut lab = Lab::new();
    let (near, router, far) = (lab.host("near"), lab.host("router"), lab.host("far"));
    router.cable("near", &near, "eth0");
    router.cable("far", &far, "eth0");
    router.sysctl("net.ipv4.ip_forward=1");
    router.ip("addr add 192.0.2.254/24 dev near");
    router.ip("addr add 198.51.100.254/24 dev far");
    near.ip("addr add 192.0.2.2/24 dev eth0");
    near.ip("route add default via 192.0.2.254");
    far.ip("addr add 198.51.100.1/24 dev eth0");
    far.ip("route add default via 198.51.100.254");
    (lab, [near, router, far])
}

fn far() -> Peer {
    Peer::multihop(IpAddr::from([198, 51, 100, 1])).from(v4(2))
}

fn minimum_ttl(minimum_ttl: u8) -> Parameters {
    Parameters { session: config(100), minimum_ttl }
}

#[test]
fn multihop_session_comes_up_through_a_router_and_the_minimum_ttl_holds() {
    run(BFDD, async {
        let (_lab, [near, _router, far_host]) = routed();
        let bfdd = far_host.bfdd(&frr("peer 192.0.2.2 multihop local-address 198.51.100.1"));
        let ours = near.ours();
        ours.handle.set([(far(), minimum_ttl(255))].into());
        // A router has taken one off.
        ours.observe("refused for the TTL", |observed| observed.rejected.ttl > 0).await;
        ours.handle.set([(far(), minimum_ttl(254))].into());
        ours.up(&far()).await;
        bfdd.says("Status: up").await;
    });
}

#[test]
fn multihop_session_comes_up_with_bird() {
    run(BIRD, async {
        let (_lab, [near, _router, far_host]) = routed();
        let bird = far_host
            .bird("multihop { interval 100 ms; multiplier 20; };\nneighbor 192.0.2.2 local 198.51.100.1 multihop yes;");
        let ours = near.ours();
        // BIRD sends with the system's TTL of 64.
        ours.handle.set([(far(), minimum_ttl(63))].into());
        ours.up(&far()).await;
        bird.says("Up").await;
    });
}

#[test]
fn two_of_ours_find_each_other_once_address_and_interface_are_there() {
    run(&[], async {
        let mut lab = Lab::new();
        let (a, b) = (lab.host("a"), lab.host("b"));
        let (ours, theirs) = (a.ours(), b.ours());
        let (to_b, to_a) = (Peer::single_hop(v4(1)).from(v4(2)).on("eth0"), Peer::single_hop(v4(2)).from(v4(1)));
        ours.watch(&to_b, 100);
        theirs.watch(&to_a, 100);
        ours.session(&to_b, "no interface", |session| {
            matches!(session.problem.as_deref(), Some(Problem::NoInterface { interface, .. }) if interface == "eth0")
        })
        .await;
        theirs
            .session(&to_a, "no source", |session| {
                matches!(session.problem.as_deref(), Some(Problem::NoSource { address, .. }) if *address == v4(1))
            })
            .await;
        for _ in 0..2 {
            a.cable("eth0", &b, "eth0");
            a.address("eth0", 2);
            b.address("eth0", 1);
            for (end, peer) in [(&ours, &to_b), (&theirs, &to_a)] {
                let up =
                    end.session(peer, "up", |session| session.status.state == State::Up && session.problem.is_none());
                up.await;
            }
            // The cable goes, and comes back as another one.
            a.ip("link del eth0");
            ours.session(&to_b, "down", |session| session.status.state == State::Down).await;
            theirs.session(&to_a, "down", |session| session.status.state == State::Down).await;
        }
    });
}

#[test]
fn port_that_another_daemon_holds_is_named_and_taken_once_it_is_free() {
    run(&[], async {
        let (_lab, a, b) = Lab::pair();
        let other = a.inside(|| UdpSocket::bind("0.0.0.0:3784")).expect("a socket");
        let (ours, theirs) = (a.ours(), b.ours());
        let (to_b, to_a) = (Peer::single_hop(v4(1)), Peer::single_hop(v4(2)));
        // A passive one has nothing to send, and tells of it all the same.
        ours.set(&to_b, Config { passive: true, ..config(100) });
        theirs.watch(&to_a, 100);
        ours.session(&to_b, "port in use", |session| {
            matches!(session.problem.as_deref(), Some(Problem::PortInUse { port: 3784, .. }))
        })
        .await;
        drop(other);
        assert!(ours.up(&to_b).await.problem.is_none());
        theirs.up(&to_a).await;
    });
}

#[test]
fn nonsense_is_named() {
    run(&[], async {
        let (_lab, a, _b) = Lab::pair();
        let ours = a.ours();
        let nowhere = Peer::single_hop(v6("fe80::1"));
        let mixed = Peer::single_hop(v4(1)).from(v6("2001:db8::2"));
        for peer in [nowhere, mixed] {
            ours.watch(&peer, 100);
            ours.session(&peer, "misconfigured", |session| {
                matches!(session.problem.as_deref(), Some(Problem::Misconfigured(_)))
            })
            .await;
        }
    });
}
