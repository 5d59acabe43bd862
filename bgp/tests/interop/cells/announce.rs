//! What is said of a route arrives.

use ferrolb_bgp::rib::Route;
use ferrolb_bgp::session::RemoteAs;
use ferrolb_bgp::wire::{AddPathMode, Community, ExtendedCommunity, LargeCommunity};

use crate::daemon::{Daemon, Kind, Router};
use crate::net::{Cable, eventually};
use crate::ours::{OUR_ROUTE, Ours, THEIR_ROUTE, peer, set, with};

/// Waits until the router's words about our route contain all of these. Blanks do not matter.
fn says(router: &Daemon, what: &str, words: &[&str]) -> Result<(), String> {
    let squeeze = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let mut last = String::new();
    let seen = eventually(what, || {
        last = router.route(OUR_ROUTE);
        words.iter().all(|word| squeeze(&last).contains(&squeeze(word)))
    });
    seen.map_err(|error| format!("{error}: {last}"))
}

fn announced(kind: Kind, route: &Route) -> Result<(Cable, Daemon, Ours), String> {
    let cable = Cable::new();
    let router = Router::default().start(kind, &cable);
    let ours = Ours::start(&cable, peer(), set(&[OUR_ROUTE], route));
    ours.up()?;
    Ok((cable, router, ours))
}

pub(super) fn communities(kind: Kind) -> Result<(), String> {
    let route = Route {
        // 65001:100.
        communities: vec![Community(0xfde9_0064)],
        large_communities: vec![LargeCommunity { global: 65001, local1: 1, local2: 2 }],
        // A route target of AS 65001 and the number 300 (RFC 4360 section 4).
        extended_communities: vec![ExtendedCommunity([0, 2, 0xfd, 0xe9, 0, 0, 1, 0x2c])],
        ..Route::default()
    };
    let (_cable, router, _ours) = announced(kind, &route)?;
    let words: &[&str] = match kind {
        Kind::Frr => &["Community: 65001:100", "Extended Community: RT:65001:300", "Large Community: 65001:1:2"],
        Kind::Bird => &["(65001,100)", "(rt, 65001, 300)", "(65001, 1, 2)"],
        Kind::Gobgp => &["Communities: 65001:100", "65001:300", "65001:1:2"],
        Kind::Exabgp => &["[65001, 100]", "target:65001:300", "[65001, 1, 2]"],
        Kind::Openbgpd => &["Communities: 65001:100", "rt 65001:300", "Large Communities: 65001:1:2"],
    };
    says(&router, "all three are seen", words)
}

pub(super) fn attributes(kind: Kind) -> Result<(), String> {
    let route = Route { med: Some(77), prepend: 2, ..Route::default() };
    let (_cable, router, _ours) = announced(kind, &route)?;
    let words: &[&str] = match kind {
        Kind::Bird => &["as_path: 65001 65001 65001", "med: 77"],
        Kind::Gobgp => &["65001 65001 65001", "Med: 77"],
        Kind::Exabgp => &["[65001, 65001, 65001]", "\"med\": 77"],
        Kind::Frr | Kind::Openbgpd => &["65001 65001 65001", "metric 77"],
    };
    says(&router, "both are seen", words)
}

pub(super) fn internal(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { ours: 65000, ..Router::default() }.start(kind, &cable);
    let config = with(peer(), |session| {
        session.asn = 65000;
        session.remote_as = RemoteAs::Internal;
    });
    let _ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route { local_pref: Some(250), ..Route::default() }));
    let words: &[&str] = match kind {
        Kind::Frr => &["localpref 250", "internal"],
        Kind::Bird => &["local_pref: 250"],
        Kind::Gobgp => &["LocalPref: 250"],
        Kind::Exabgp => &["\"local-preference\": 250"],
        Kind::Openbgpd => &["localpref 250"],
    };
    says(&router, "LOCAL_PREF is seen", words)
}

pub(super) fn graceful_shutdown(kind: Kind) -> Result<(), String> {
    let (_cable, router, mut ours) = announced(kind, &Route::default())?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    let mut config = ours.config.clone();
    config.policy.graceful_shutdown = true;
    ours.configure(config);
    let words: &[&str] = match kind {
        Kind::Frr => &["graceful-shutdown"],
        Kind::Bird => &["(65535,0)"],
        Kind::Gobgp => &["Communities: planned-shut"],
        Kind::Exabgp => &["[65535, 0]"],
        Kind::Openbgpd => &["GRACEFUL_SHUTDOWN"],
    };
    says(&router, "the community is seen", words)?;
    if ours.times_up() == 1 { Ok(()) } else { Err("the session did not stay".to_owned()) }
}

pub(super) fn aggregation(kind: Kind) -> Result<(), String> {
    const AGGREGATE: &str = "203.0.113.0/24";
    let (_cable, router, mut ours) = announced(kind, &Route::default())?;
    eventually("the address appears", || !router.route(OUR_ROUTE).is_empty())?;
    ours.announce(set(&[AGGREGATE], &Route::default()));
    eventually("the aggregate appears", || router.route(AGGREGATE).contains(AGGREGATE))?;
    // Some answer with the aggregate when they are asked for the address.
    eventually("the address goes", || !router.route(OUR_ROUTE).contains(OUR_ROUTE))
}

pub(super) fn add_path(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { add_path: true, announces: vec![THEIR_ROUTE], ..Router::default() }.start(kind, &cable);
    let config = with(peer(), |session| session.families.ipv4.add_path = Some(AddPathMode::Both));
    let mut ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    let agreed = ours.see(|peer| {
        let session = peer.session.session.as_ref()?;
        Some((session.parameters.add_path.ipv4.send, session.parameters.add_path.ipv4.receive))
    });
    if agreed.flatten() != Some((true, true)) {
        return Err(format!("send and receive were not agreed on: {agreed:?}"));
    }
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    eventually("we have theirs", || ours.has(THEIR_ROUTE))?;
    ours.announce(set(&[], &Route::default()));
    eventually("the route goes", || router.route(OUR_ROUTE).is_empty())
}
