//! How sessions end, and what is asked for anew.

use ferrolb_bgp::rib::{PrefixLimit, Route};
use ferrolb_bgp::session::{DownReason, State, Stop};
use ferrolb_bgp::wire::{Family, Notification};
use std::time::Duration;

use crate::daemon::{Daemon, Kind, Router};
use crate::net::{Cable, OURS, eventually};
use crate::ours::{OUR_ROUTE, Ours, THEIR_ROUTE, peer, set, with};

pub(super) fn hold(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { hold: 3, ..Router::default() }.start(kind, &cable);
    let config = with(peer(), |session| session.hold_time = Duration::from_secs(3));
    let ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    router.freeze(true);
    let fell = ours.fails("the hold timer runs out", |reason| matches!(reason, DownReason::HoldTimer));
    router.freeze(false);
    fell?;
    ours.wait("it is up again", |peer| peer.session.state == State::Established && peer.session.established > 1)?;
    eventually("the route is back", || !router.route(OUR_ROUTE).is_empty())
}

pub(super) fn cannot_be_asked(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Gobgp).then_some("GoBGP keeps what it received and asks nobody")
}

pub(super) fn refresh_asked(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router::default().start(kind, &cable);
    let ours = Ours::start(&cable, peer(), set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    let before = ours.see(|peer| peer.routes.updates_sent).unwrap_or_default();
    router.ask(match kind {
        Kind::Frr => "clear bgp * soft in",
        Kind::Bird => "reload in p",
        Kind::Exabgp => "announce route-refresh ipv4 unicast",
        Kind::Openbgpd => "neighbor 192.0.2.1 refresh",
        Kind::Gobgp => unreachable!("it asks nobody"),
    });
    ours.wait("it was told again", |peer| {
        peer.session.counters.route_refresh_received > 0 && peer.routes.updates_sent > before && !peer.routes.pending
    })?;
    eventually("the route is there", || !router.route(OUR_ROUTE).is_empty())?;
    if ours.times_up() == 1 { Ok(()) } else { Err("the session did not stay".to_owned()) }
}

pub(super) fn refresh(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    // With IPv4 alone OpenBGPD says nothing of families, and then does not know that one when it is asked.
    let _router = Router { announces: vec![THEIR_ROUTE], ipv6: true, ..Router::default() }.start(kind, &cable);
    let ours = Ours::start(&cable, peer(), set(&[], &Route::default()));
    ours.up()?;
    eventually("we have the route", || ours.has(THEIR_ROUTE))?;
    let updates = |ours: &Ours| ours.see(|peer| peer.routes.updates_received).unwrap_or_default();
    let before = updates(&ours);
    ours.refresh(Family::Ipv4);
    ours.wait("it is told again", |peer| peer.routes.updates_received > before)?;
    eventually("we have it still", || ours.has(THEIR_ROUTE))?;
    if ours.times_up() == 1 { Ok(()) } else { Err("the session did not stay".to_owned()) }
}

pub(super) fn max_prefix(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let three = vec![THEIR_ROUTE, "198.51.100.0/25", "198.51.100.128/25"];
    let router = Router { announces: three, ..Router::default() }.start(kind, &cable);
    let mut config = peer();
    config.policy.limits.ipv4 = Some(PrefixLimit { max: 2, warning: 50, close: true });
    // Nothing of ours, which FRR would send back.
    let mut ours = Ours::start(&cable, config.clone(), set(&[], &Route::default()));
    ours.fails("the limit closes the session", |reason| matches!(reason, DownReason::PrefixLimit(Family::Ipv4)))?;
    eventually("the router was told why", || router.is_down())?;
    config.policy.limits.ipv4 = Some(PrefixLimit { max: 3, warning: 75, close: true });
    ours.configure(config);
    ours.reset();
    ours.up()?;
    eventually("all three are there", || ours.received().len() == 3)
        .map_err(|error| format!("{error}: {:?} {:?}", ours.received(), ours.see(|peer| peer.routes.clone())))
}

pub(super) fn cannot_answer(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Exabgp => Some("ExaBGP 4.2.21 fails in its own code when it answers (`RouteRefresh` is not iterable)"),
        Kind::Openbgpd => Some(
            "OpenBGPD 7.7 takes no notice and logs that the family was not negotiated, although both OPENs have it",
        ),
        Kind::Frr | Kind::Bird | Kind::Gobgp => None,
    }
}

pub(super) fn cannot_hear(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Exabgp)
        .then_some("ExaBGP 4.2.21 fails in its own code when a NOTIFICATION has a text (text where octets belong)")
}

/// All that the router says about the session and its end.
fn evidence(router: &Daemon) -> String {
    let asked = match router.kind {
        Kind::Frr => router.ask("show bgp neighbors 192.0.2.1 json"),
        Kind::Bird => router.ask("show protocols all p"),
        Kind::Gobgp => router.ask("neighbor 192.0.2.1"),
        Kind::Openbgpd => router.ask("show neighbor 192.0.2.1"),
        Kind::Exabgp => router.said(),
    };
    asked + &router.log()
}

pub(super) fn shutdown_text(kind: Kind) -> Result<(), String> {
    const TEXT: &str = "node drained for a new kernel";
    let cable = Cable::new();
    let router = Router::default().start(kind, &cable);
    let ours = Ours::start(&cable, peer(), set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    ours.shutdown(Stop::Disabled { text: TEXT.to_owned() });
    eventually("the router shows the text", || evidence(&router).contains(TEXT))?;
    eventually("the route goes", || router.route(OUR_ROUTE).is_empty())
}

pub(super) fn cannot_tell(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Exabgp).then_some("ExaBGP 4.2 ends a session without a text")
}

pub(super) fn their_shutdown_text(kind: Kind) -> Result<(), String> {
    const TEXT: &str = "maintenance";
    let cable = Cable::new();
    let router = Router::default().start(kind, &cable);
    let ours = Ours::start(&cable, peer(), set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    match kind {
        Kind::Frr => router.tell(&format!("router bgp 65000\nneighbor {OURS} shutdown message {TEXT}\n")),
        Kind::Bird => drop(router.ask(&format!("disable p \"{TEXT}\""))),
        Kind::Gobgp => drop(router.ask(&format!("neighbor {OURS} shutdown --reason {TEXT}"))),
        Kind::Openbgpd => drop(router.ask(&format!("neighbor {OURS} down {TEXT}"))),
        Kind::Exabgp => unreachable!("it has no text"),
    }
    let with_text = |notification: &Notification| {
        String::from_utf8_lossy(&notification.data).contains(TEXT) && notification.code == 6
    };
    ours.fails("the text arrives", |reason| matches!(reason, DownReason::Received(received) if with_text(received)))
}
