//! What protects the connection below BGP.

use ferrolb_bgp::driver::{Password, PeerConfig, Ttl};
use ferrolb_bgp::rib::Route;
use ferrolb_bgp::session::{Mode, State};

use crate::daemon::{Kind, Router, Side};
use crate::net::{Cable, eventually};
use crate::ours::{OUR_ROUTE, Ours, mode, peer, set};

fn keyed(mut config: PeerConfig, key: &str) -> PeerConfig {
    config.transport.password = Some(Password::new(key.as_bytes()).expect("a password"));
    config
}

pub(super) fn md5(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { password: Some("right"), ..Router::default() }.start(kind, &cable);
    let mut ours = Ours::start(&cable, keyed(peer(), "wrong"), set(&[OUR_ROUTE], &Route::default()));
    eventually("the router does not take the wrong key", || dropped(&cable, "TCPMD5Failure") > 0)?;
    if ours.times_up() > 0 {
        return Err("the session was up with the wrong key".to_owned());
    }
    ours.configure(keyed(peer(), "right"));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())
}

/// Segments that the kernel of the far end dropped for this reason.
fn dropped(cable: &Cable, reason: &str) -> u64 {
    let output = cable.b().command("cat").arg("/proc/net/netstat").output().expect("statistics");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let both = names.split_whitespace().zip(values.split_whitespace());
    both.filter(|(name, _)| *name == reason).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

pub(super) fn md5_passive(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let ours = Ours::start(&cable, keyed(mode(Mode::Passive), "right"), set(&[OUR_ROUTE], &Route::default()));
    eventually("we listen", || ours.status().listeners.iter().any(|listener| listener.error.is_none()))?;
    let router = Router { password: Some("right"), side: Side::Active, ..Router::default() }.start(kind, &cable);
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())
}

pub(super) fn cannot_rotate(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Frr | Kind::Bird => None,
        Kind::Openbgpd => {
            Some("OpenBGPD goes on with the old key on the connection that it has, until the hold timer ends it")
        }
        Kind::Gobgp | Kind::Exabgp => Some("Its key changes only when it is started again"),
    }
}

pub(super) fn md5_rotated(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let mut router = Router { password: Some("old"), ..Router::default() }.start(kind, &cable);
    let mut ours = Ours::start(&cable, keyed(peer(), "old"), set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    ours.configure(keyed(peer(), "new"));
    // The router begins a new session with its new key; what it says of the old one is not heard any more.
    router.change_password(&cable, "new");
    ours.reset();
    ours.wait("it is up again", |peer| peer.session.state == State::Established && peer.session.established > 1)?;
    eventually("the route is back", || !router.route(OUR_ROUTE).is_empty())
}

pub(super) fn gtsm(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let router = Router { gtsm: true, ..Router::default() }.start(kind, &cable);
    let mut config = peer();
    config.transport.ttl = Ttl::Security(1);
    let ours = Ours::start(&cable, config, set(&[OUR_ROUTE], &Route::default()));
    ours.up()?;
    eventually("the route appears", || !router.route(OUR_ROUTE).is_empty())?;
    Ok(())
}

pub(super) fn cannot_refuse(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Frr | Kind::Bird => None,
        Kind::Gobgp => {
            Some("GoBGP sets the lowest TTL on connections that are up already, when the first messages have come in")
        }
        Kind::Exabgp | Kind::Openbgpd => Some("It sends with TTL 255 and takes what comes with any"),
    }
}

/// What is sent with TTL 1 does not get through to a router that wants 255.
pub(super) fn gtsm_refused(kind: Kind) -> Result<(), String> {
    let cable = Cable::new();
    let _router = Router { gtsm: true, ..Router::default() }.start(kind, &cable);
    let ours = Ours::start(&cable, peer(), set(&[OUR_ROUTE], &Route::default()));
    eventually("the router drops it", || dropped(&cable, "TCPMinTTLDrop") > 0)?;
    if ours.times_up() > 0 { Err("the session was up without GTSM".to_owned()) } else { Ok(()) }
}
