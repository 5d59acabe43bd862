//! Two of our speakers, where a router cannot show it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_bgp::driver::{self, Handle, Password, PeerConfig, Remote};
use ferrolb_bgp::rib::{PeerName, Route, RouteSet};
use ferrolb_bgp::session::{Mode, RemoteAs, State};
use ferrolb_bgp::wire::{Capability, Family, Open, encode_keepalive};
use ipnet::IpNet;

use crate::net::{self, Cable, OURS, OURS6, THEIRS, THEIRS6, eventually};
use crate::ours::{OUR_ROUTE, peer, set, with};

/// One end: a session with a key over IPv4, and one without over IPv6.
fn peers(near: bool, key: &str) -> Vec<PeerConfig> {
    let session = |name: &str, address: &str| {
        let mut config = with(peer(), |session| {
            session.asn = if near { 65001 } else { 65000 };
            session.remote_as = RemoteAs::External;
            session.mode = if near { Mode::Active } else { Mode::Passive };
            session.router_id = if near { OURS } else { THEIRS }.parse().expect("an address");
        });
        config.name = PeerName::from(name);
        config.transport.remote = Remote::Address(address.parse().expect("an address"));
        config
    };
    let mut keyed = session("keyed", if near { THEIRS } else { OURS });
    keyed.transport.password = Some(Password::new(key.as_bytes()).expect("a password"));
    vec![keyed, session("plain", if near { THEIRS6 } else { OURS6 })]
}

fn routes(set: &Arc<RouteSet>) -> BTreeMap<PeerName, Arc<RouteSet>> {
    ["keyed", "plain"].map(|name| (PeerName::from(name), Arc::clone(set))).into()
}

fn times_up(handle: &Handle, name: &str) -> Option<u64> {
    let status = handle.status();
    let status = status.borrow();
    let session = &status.peers.get(&PeerName::from(name))?.session;
    (session.state == State::Established).then_some(session.established)
}

#[test]
fn key_changes_on_both_sides_end_no_session() {
    if let Some(obstacle) = net::obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    let cable = Cable::new();
    let spawn = || driver::spawn(driver::Config::default()).expect("a driver");
    let (near, far) = (cable.a().inside(spawn), cable.b().inside(spawn));
    let nothing = set(&[], &Route::default());
    far.set(peers(false, "old"), routes(&nothing));
    near.set(peers(true, "old"), routes(&nothing));
    let both_up = || ["keyed", "plain"].iter().all(|name| times_up(&near, name) == Some(1));
    eventually("both sessions are up", both_up).expect("sessions");
    near.set(peers(true, "new"), routes(&nothing));
    far.set(peers(false, "new"), routes(&nothing));
    // What is said now is signed with the new key, and arrives.
    near.set(peers(true, "new"), routes(&set(&[OUR_ROUTE], &Route::default())));
    let arrived = || far.received(&PeerName::from("keyed")).is_some_and(|learned| learned.len() == 1);
    eventually("a route arrives", arrived).expect("a route");
    assert!(both_up(), "neither session began anew");
    // And the listener takes connections with the new key only.
    let name = PeerName::from("keyed");
    crate::ours::block_on(near.reset(&name, "once more")).expect("the peer is there");
    eventually("up again with the new key", || times_up(&near, "keyed") == Some(2)).expect("a session");
    assert_eq!(times_up(&near, "plain"), Some(1));
}

#[test]
fn port_that_is_taken_is_told_and_leaves_dialled_sessions_alone() {
    if let Some(obstacle) = net::obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    let cable = Cable::new();
    let taken = cable.a().inside(|| std::net::TcpListener::bind("[::]:179").expect("the port"));
    let spawn = || driver::spawn(driver::Config::default()).expect("a driver");
    let (near, far) = (cable.a().inside(spawn), cable.b().inside(spawn));
    let nothing = set(&[], &Route::default());
    let listening = |mode: Mode, near: bool| {
        let change = |config: PeerConfig| with(config, |session| session.mode = mode);
        peers(near, "key").into_iter().map(change).collect::<Vec<_>>()
    };
    far.set(listening(Mode::Passive, false), routes(&nothing));
    near.set(listening(Mode::Both, true), routes(&nothing));
    eventually("both sessions are up", || ["keyed", "plain"].iter().all(|name| times_up(&near, name) == Some(1)))
        .expect("sessions");
    let failed = |handle: &Handle| {
        let status = handle.status();
        let status = status.borrow();
        status.listeners.iter().any(|listener| listener.error.is_some())
    };
    assert!(failed(&near), "the status says that the port is taken");
    drop(taken);
    eventually("it listens when the port is free", || !failed(&near)).expect("a listener");
    assert_eq!(times_up(&near, "plain"), Some(1));
}

#[test]
fn connection_of_a_stranger_is_refused_and_counted() {
    if let Some(obstacle) = net::obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    let cable = Cable::new();
    cable.b().ip("addr add 192.0.2.9/24 dev eth0");
    let near = cable.a().inside(|| driver::spawn(driver::Config::default()).expect("a driver"));
    let passive = peers(false, "key").into_iter().map(|mut config| {
        config.transport.remote = Remote::Address(THEIRS6.parse().expect("an address"));
        config.transport.password = None;
        config
    });
    near.set(passive.take(1).collect(), BTreeMap::new());
    let listens = || near.status().borrow().listeners.iter().any(|listener| listener.error.is_none());
    eventually("we listen", listens).expect("a listener");
    let stranger = cable.b().inside(|| std::net::TcpStream::connect((OURS, 179)).expect("a connection"));
    eventually("it is counted", || near.status().borrow().unknown_sources == 1).expect("a count");
    let mut octet = [0; 1];
    let read = std::io::Read::read(&mut &stranger, &mut octet);
    assert!(matches!(read, Ok(0) | Err(_)), "it was closed: {read:?}");
}

/// A router that says OPEN and then KEEPALIVE each second, and never reads. It goes on until its connection is closed.
fn stuck(listener: &std::net::TcpListener) {
    let (mut stream, _) = listener.accept().expect("a connection");
    let open = Open {
        asn: 65000,
        hold_time: 9,
        router_id: THEIRS.parse().expect("an address"),
        capabilities: vec![Capability::MultiProtocol(Family::Ipv4.raw()), Capability::FourOctetAs(65000)],
    };
    let mut octets = bytes::BytesMut::new();
    open.encode(&mut octets).expect("a message");
    while std::io::Write::write_all(&mut stream, &octets).is_ok() {
        octets.clear();
        encode_keepalive(&mut octets);
        #[expect(clippy::disallowed_methods, reason = "a peer that lives says so each second")]
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

#[test]
fn peer_that_does_not_read_delays_nobody_and_is_closed_in_time() {
    if let Some(obstacle) = net::obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    let cable = Cable::new();
    // Small buffers, so that a table of ordinary size does not fit into them.
    for (end, option) in [(cable.a(), "tcp_wmem"), (cable.b(), "tcp_rmem")] {
        let setting = format!("net.ipv4.{option}=4096 16384 65536");
        assert!(end.command("sysctl").args(["-qw", &setting]).status().is_ok_and(|status| status.success()));
    }
    let listener = cable.b().inside(|| std::net::TcpListener::bind((THEIRS, 1179)).expect("a listener"));
    let spawn = || driver::spawn(driver::Config::default()).expect("a driver");
    let (near, far) = (cable.a().inside(spawn), cable.b().inside(spawn));
    let mut ours = peers(true, "key");
    ours[0].transport.password = None;
    ours[0].transport.port = 1179;
    Arc::make_mut(&mut ours[0].session).send_hold_time = Some(std::time::Duration::from_secs(9));
    far.set(peers(false, "key"), routes(&set(&[], &Route::default())));
    let route = Arc::new(Route::default());
    let many = |count: u32| -> Arc<RouteSet> {
        let prefix = |number: u32| IpNet::from(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        Arc::new((0..count).map(|number| (prefix(number), Arc::clone(&route))).collect())
    };
    near.set(ours.clone(), routes(&many(200_000)));
    let stuck = std::thread::spawn(move || stuck(&listener));
    let plain = PeerName::from("plain");
    let arrived = |count: usize| {
        far.status().borrow().peers.get(&plain).is_some_and(|peer| peer.routes.received.ipv4.number == count)
    };
    // While one takes nothing, the other is told everything, and what follows.
    eventually("the other has all", || arrived(200_000)).expect("routes");
    near.set(ours, routes(&many(100_000)));
    eventually("the other is told the change", || arrived(100_000)).expect("routes");
    // By the send hold timer (RFC 9687), or by TCP for the same reason (TCP_USER_TIMEOUT).
    let closed = || {
        let status = near.status();
        let status = status.borrow();
        let session = status.peers.get(&PeerName::from("keyed")).map(|peer| &peer.session);
        session.is_some_and(|session| session.established == 1 && session.state != State::Established)
    };
    eventually("the other session ends", closed).expect("an end");
    assert_eq!(times_up(&near, "plain"), Some(1));
    stuck.join().expect("it ends with its connection");
}
