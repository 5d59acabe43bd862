//! Sessions come up in every way that they can.

use std::thread;

use ferrolb_bgp::driver::Remote;
use ferrolb_bgp::rib::Route;
use ferrolb_bgp::session::{Mode, RemoteAs, State};

use super::NO_DIAL;
use crate::daemon::{Daemon, Kind, Router, Side};
use crate::net::{Cable, OURS6, THEIRS6, eventually};
use crate::ours::{OUR_ROUTE, OUR_ROUTE6, Ours, mode, peer, set, with};

/// The route appears at the router, and goes when we take it back.
fn comes_and_goes(ours: &mut Ours, router: &Daemon, prefix: &str) -> Result<(), String> {
    ours.up()?;
    eventually(&format!("{prefix} appears"), || !router.route(prefix).is_empty())?;
    ours.announce(set(&[], &Route::default()));
    eventually(&format!("{prefix} goes"), || router.route(prefix).is_empty())
}

pub(super) fn active(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router::default().start(kind, &cable);
    let mut ours = Ours::start(&cable, peer(), set(&[OUR_ROUTE], &Route::default()));
    comes_and_goes(&mut ours, &router, OUR_ROUTE)
}

pub(super) fn passive(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let mut ours = Ours::start(&cable, mode(Mode::Passive), set(&[OUR_ROUTE], &Route::default()));
    eventually("we listen", || ours.status().listeners.iter().any(|listener| listener.error.is_none()))?;
    let router = Router { side: Side::Active, ..Router::default() }.start(kind, &cable);
    comes_and_goes(&mut ours, &router, OUR_ROUTE)
}

pub(super) fn cannot_both(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Exabgp).then_some(NO_DIAL)
}

pub(super) fn cannot_collide(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Openbgpd => Some("OpenBGPD waits longer after each end of a session, half a minute and more"),
        Kind::Frr | Kind::Bird | Kind::Gobgp | Kind::Exabgp => cannot_both(kind),
    }
}

pub(super) fn both(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { side: Side::Both, ..Router::default() }.start(kind, &cable);
    let mut ours = Ours::start(&cable, mode(Mode::Both), set(&[OUR_ROUTE], &Route::default()));
    comes_and_goes(&mut ours, &router, OUR_ROUTE)
}

/// The connections to or from port 179 that are up, as the kernel of the near end knows them.
fn connections(cable: &Cable) -> usize {
    let output = cable.a().command("ss").args(["-Htn", "state", "established"]).output().expect("ss");
    String::from_utf8_lossy(&output.stdout).lines().count()
}

pub(super) fn collisions(kind: Kind) -> Result<(), String> {
    // Twelve pairs at the same time, since routers wait for a second or two after each end.
    thread::scope(|scope| {
        let pairs: Vec<_> = (0..12).map(|_| scope.spawn(|| collide(kind))).collect();
        pairs.into_iter().try_for_each(|pair| pair.join().unwrap_or_else(|_| Err("a pair failed".to_owned())))
    })
}

fn collide(kind: Kind) -> Result<(), String> {
    const RESTARTS: u64 = 6;
    let cable = Cable::new();
    let router = Router { side: Side::Both, ..Router::default() }.start(kind, &cable);
    let ours = Ours::start(&cable, mode(Mode::Both), set(&[OUR_ROUTE], &Route::default()));
    for restart in 1..=RESTARTS {
        ours.wait("up again", |peer| peer.session.state == State::Established && peer.session.established >= restart)?;
        eventually("the route is there", || !router.route(OUR_ROUTE).is_empty())?;
        eventually("one connection is left", || connections(&cable) == 1)?;
        ours.reset();
    }
    ours.wait("up at last", |peer| peer.session.state == State::Established && peer.session.established > RESTARTS)
}

pub(super) fn ipv6(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { over_ipv6: true, ipv4: false, ipv6: true, ..Router::default() }.start(kind, &cable);
    let mut config = peer();
    config.transport.remote = Remote::Address(THEIRS6.parse().expect("an address"));
    let mut ours = Ours::start(&cable, config, set(&[OUR_ROUTE6], &Route::default()));
    comes_and_goes(&mut ours, &router, OUR_ROUTE6)
}

pub(super) fn ipv6_over_ipv4(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { ipv6: true, ..Router::default() }.start(kind, &cable);
    let mut ours = Ours::start(&cable, peer(), set(&[OUR_ROUTE, OUR_ROUTE6], &Route::default()));
    ours.up()?;
    eventually("the next hop is our IPv6 address", || router.route(OUR_ROUTE6).contains(OURS6))?;
    eventually("IPv4 is there, too", || !router.route(OUR_ROUTE).is_empty())?;
    comes_and_goes(&mut ours, &router, OUR_ROUTE6)
}

pub(super) fn cannot_extended_next_hop(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Openbgpd).then_some("OpenBGPD 7.7 does not have RFC 8950")
}

pub(super) fn extended_next_hop(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    // Without an IPv4 address there is nothing else to be said.
    cable.a().ip("addr flush dev eth0 scope global");
    cable.a().ip(&format!("addr add {OURS6}/64 dev eth0 nodad"));
    let router =
        Router { over_ipv6: true, ipv6: true, extended_next_hop: true, ..Router::default() }.start(kind, &cable);
    let mut config = with(peer(), |session| session.families.ipv4.extended_next_hop = true);
    config.transport.remote = Remote::Address(THEIRS6.parse().expect("an address"));
    let mut ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    ours.wait("it was told", |peer| peer.routes.sent.ipv4 == 1)?;
    eventually("the next hop is our IPv6 address", || router.route(OUR_ROUTE).contains(OURS6))?;
    comes_and_goes(&mut ours, &router, OUR_ROUTE)
}

pub(super) fn cannot_unnumbered(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Frr => None,
        Kind::Gobgp => Some("GoBGP takes the neighbour of an interface from the kernel's table once, when it starts"),
        Kind::Bird | Kind::Exabgp | Kind::Openbgpd => Some("It has no unnumbered peers"),
    }
}

pub(super) fn unnumbered(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    for end in [cable.a(), cable.b()] {
        end.ip("addr flush dev eth0 scope global");
    }
    let spec = Router { unnumbered: true, extended_next_hop: true, side: Side::Both, ..Router::default() };
    let router = spec.start(kind, &cable);
    let mut config = with(mode(Mode::Both), |session| {
        session.families.ipv4.extended_next_hop = true;
        session.remote_as = RemoteAs::External;
    });
    config.transport.remote = Remote::Interface("eth0".to_owned());
    let mut ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route::default()));
    comes_and_goes(&mut ours, &router, OUR_ROUTE)?;
    // The interface vanishes and comes back.
    cable.a().ip("link set eth0 down");
    ours.wait("the session falls", |peer| peer.session.state != State::Established)?;
    cable.a().ip("link set eth0 up");
    ours.announce(set(&[OUR_ROUTE], &Route::default()));
    comes_and_goes(&mut ours, &router, OUR_ROUTE)
}

pub(super) fn four_octets(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { ours: 4_200_000_001, ..Router::default() }.start(kind, &cable);
    let config = with(peer(), |session| session.asn = 4_200_000_001);
    let mut ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the whole number is seen", || router.route(OUR_ROUTE).contains("4200000001"))?;
    comes_and_goes(&mut ours, &router, OUR_ROUTE)
}

pub(super) fn cannot_two_octets(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Gobgp => Some("GoBGP always says that it knows four octets"),
        Kind::Frr | Kind::Bird | Kind::Exabgp | Kind::Openbgpd => None,
    }
}

pub(super) fn two_octets(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    // What the peer is configured with, and who we are. FRR and BIRD without the capability refuse a peer that has a number of four
    // octets, since they read it in the capability of the peer all the same.
    let (seen, own) = match kind {
        Kind::Frr | Kind::Bird => (65001, 65001),
        Kind::Exabgp => (23456, 4_200_000_001),
        Kind::Gobgp | Kind::Openbgpd => (4_200_000_001, 4_200_000_001),
    };
    let router = Router { ours: seen, four_octet_as: false, ..Router::default() }.start(kind, &cable);
    let config = with(peer(), |session| session.asn = own);
    let mut ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    let four = ours.see(|peer| peer.session.session.as_ref().is_none_or(|session| session.parameters.four_octet_as));
    if four != Some(false) {
        return Err("four octets were agreed on".to_owned());
    }
    comes_and_goes(&mut ours, &router, OUR_ROUTE)
}
