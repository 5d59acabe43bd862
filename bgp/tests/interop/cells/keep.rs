//! Routes outlive a restart: graceful restart (RFC 4724, RFC 8538) and its long-lived form (RFC 9494).

use std::time::Duration;

use ferrolb_bgp::rib::Route;
use ferrolb_bgp::session::{LongLived, State};

use super::NO_RIB;
use crate::daemon::{Kind, Router};
use crate::net::{Cable, eventually};
use crate::ours::{OUR_ROUTE, Ours, THEIR_ROUTE, restarting, set, with};

pub(super) fn cannot_help(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Exabgp).then_some(NO_RIB)
}

pub(super) fn restart(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { graceful_restart: true, ..Router::default() }.start(kind, &cable);
    let ours = Ours::start(&cable, restarting(60), set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    eventually("the router will help", || {
        ours.see(|peer| peer.session.session.as_ref().is_some_and(|session| session.peer_helps.ipv4))
            .unwrap_or_default()
    })?;
    // As `kill -9`: sockets are closed by the kernel, without a word.
    let config = ours.config.clone();
    drop(ours);
    eventually("the router knows that we are gone", || router.is_down())?;
    if router.route(OUR_ROUTE).is_empty() {
        return Err("the route was given up".to_owned());
    }
    let ours = Ours::start_as(&cable, config, set(&[OUR_ROUTE], &Route::default()), true);
    let mut lost = false;
    ours.wait("it is up again", |peer| {
        lost |= router.route(OUR_ROUTE).is_empty();
        peer.session.state == State::Established && !peer.routes.pending
    })?;
    eventually("the route is fresh", || {
        let route = router.route(OUR_ROUTE);
        lost |= route.is_empty();
        !route.is_empty() && !route.to_lowercase().contains("stale")
    })?;
    if lost { Err("the route was gone for a while".to_owned()) } else { Ok(()) }
}

pub(super) fn cannot_restart(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Openbgpd).then_some("OpenBGPD helps others to restart and does not itself")
}

pub(super) fn help(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let spec = Router { graceful_restart: true, announces: vec![THEIR_ROUTE], ..Router::default() };
    let mut router = spec.start(kind, &cable);
    let ours = Ours::start(&cable, restarting(60), set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("we have the route", || ours.has(THEIR_ROUTE))?;
    router.kill();
    eventually("we keep it as stale", || ours.received().iter().any(|learned| learned.stale))?;
    router.start_again(&cable);
    ours.wait("it is up again", |peer| peer.session.state == State::Established && peer.session.established > 1)?;
    let mut lost = false;
    eventually("it is fresh", || {
        let received = ours.received();
        lost |= received.is_empty();
        received.iter().any(|learned| !learned.stale)
    })?;
    if lost { Err("the route was gone for a while".to_owned()) } else { Ok(()) }
}

pub(super) fn cannot_long_lived(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Exabgp => Some(NO_RIB),
        Kind::Openbgpd => Some("OpenBGPD 7.7 does not have RFC 9494"),
        Kind::Frr | Kind::Bird | Kind::Gobgp => None,
    }
}

pub(super) fn long_lived(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let spec = Router { graceful_restart: true, long_lived: true, ..Router::default() };
    let router = spec.start(kind, &cable);
    let config = with(restarting(1), |session| {
        if let Some(restart) = &mut session.graceful_restart {
            let time = Duration::from_secs(600);
            restart.long_lived.ipv4 = Some(LongLived { stale_time: time, max_stale_time: time });
        }
    });
    let ours = Ours::start(&cable, config.clone(), set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    drop(ours);
    eventually("the router knows that we are gone", || router.is_down())?;
    let marks = match kind {
        Kind::Bird => "(65535, 6)",
        Kind::Gobgp | Kind::Frr | Kind::Exabgp | Kind::Openbgpd => "llgr-stale",
    };
    let marked = |route: &str| route.contains(marks) || route.contains("(65535,6)") || route.contains("65535:6");
    eventually("the route is long-lived stale", || marked(&router.route(OUR_ROUTE)))?;
    let ours = Ours::start_as(&cable, config, set(&[OUR_ROUTE], &Route::default()), true);
    ours.up()?;
    eventually("the route is fresh", || {
        let route = router.route(OUR_ROUTE);
        !route.is_empty() && !marked(&route)
    })
}
