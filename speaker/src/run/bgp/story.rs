//! What the admin socket is told of BGP and BFD.

use std::fmt::Write as _;
use std::time::Instant;

use ferrolb_bfd::driver::{Observed, SessionStatus};
use ferrolb_bgp::driver::{PeerConfig, PeerStatus, Status};
use ferrolb_bgp::rib::{Advertised, Learned, PeerName};
use ferrolb_bgp::session::{RemoteAs, Session};
use ferrolb_bgp::wire::{AsPath, Attributes, Capability, Family, NextHop, Origin, SegmentKind};
use jiff::{SignedDuration, Timestamp};

use super::{Bgp, label};
use crate::admin::{self, BfdSession, BgpFamily, BgpListener, BgpPeer, BgpRoute, BgpSession, Direction};
use crate::run::now;

// === impl Bgp ===

impl Bgp {
    /// Everything at a glance.
    pub(in crate::run) fn story(&self) -> admin::Bgp {
        let Some(status) = self.status() else {
            return admin::Bgp { node: self.node.clone(), ..admin::Bgp::default() };
        };
        let observed = self.observed();
        let clock = Clock::now();
        let peer = |config: &PeerConfig| peer(self, config, &status, observed.as_deref(), clock);
        let listener = |listener: &ferrolb_bgp::driver::ListenerStatus| BgpListener {
            port: listener.port,
            device: listener.device.clone(),
            error: listener.error.as_ref().map(ToString::to_string),
        };
        admin::Bgp {
            node: self.node.clone(),
            peers: self.peers().iter().map(peer).collect(),
            listeners: status.listeners.iter().map(listener).collect(),
            unknown_sources: status.unknown_sources,
        }
    }

    /// What a peer has been told, or tells; `None`: there is no such peer.
    pub(in crate::run) fn routes(&self, peer: &str, direction: Direction) -> Option<Vec<BgpRoute>> {
        let (handle, peer) = (self.handle()?, PeerName::from(peer));
        match direction {
            Direction::Advertised => Some(handle.advertised(&peer)?.iter().map(advertised).collect()),
            Direction::Received => Some(handle.received(&peer)?.iter().map(learned).collect()),
        }
    }
}

/// The time of day of moments on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(in crate::run) struct Clock(Instant, Timestamp);

impl Clock {
    pub(in crate::run) fn now() -> Self {
        Self(now(), Timestamp::now())
    }

    /// To the second.
    pub(in crate::run) fn text(self, moment: Instant) -> String {
        let ago = SignedDuration::try_from(self.0.saturating_duration_since(moment)).unwrap_or_default();
        let time = self.1.checked_sub(ago).unwrap_or(self.1);
        Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
    }
}

fn peer(bgp: &Bgp, config: &PeerConfig, status: &Status, observed: Option<&Observed>, clock: Clock) -> BgpPeer {
    let of = status.peers.get(&config.name);
    let asked = match config.session.remote_as {
        RemoteAs::Exactly(asn) => Some(asn),
        RemoteAs::Internal => Some(config.session.own_asn()),
        RemoteAs::External => None,
    };
    let session = of.and_then(|peer| peer.session.session.as_ref());
    let last = of.and_then(|peer| peer.session.last_error.as_ref());
    let watching = bgp.watching(&config.name);
    let watched = watching.and_then(|watched| observed?.sessions.get(watched));
    BgpPeer {
        name: config.name.to_string(),
        remote: label(config),
        asn: session.map(|session| session.received.asn).or(asked),
        local_asn: config.session.own_asn(),
        state: of.map(|peer| peer.session.state).unwrap_or_default().to_string(),
        since: of.and_then(|peer| peer.session.since).map(|since| clock.text(since)),
        established: of.map_or(0, |peer| peer.session.established),
        last_error: last.map(|error| error.reason.to_string()),
        last_error_at: last.map(|error| clock.text(error.at)),
        problem: of.and_then(|peer| peer.problem.as_ref()).map(ToString::to_string),
        session: session.map(|session| agreed(session)),
        families: of.map(|peer| families(config, peer)).unwrap_or_default(),
        messages: of.map(messages).unwrap_or_default(),
        bfd: watched.map(|watched| bfd(watched, clock)),
    }
}

fn agreed(session: &Session) -> BgpSession {
    BgpSession {
        local: session.endpoints.local.to_string(),
        remote: session.endpoints.remote.to_string(),
        router_id: session.sent.router_id.to_string(),
        peer_router_id: session.received.router_id.to_string(),
        host: session.peer_host.clone(),
        hold_time: session.hold_time.as_secs(),
        capabilities: capabilities(session),
    }
}

/// In words that people know from other daemons; only what both have.
fn capabilities(session: &Session) -> Vec<String> {
    let parameters = &session.parameters;
    let mut words = Vec::new();
    for (family, carried) in parameters.families.iter() {
        if *carried {
            words.push(format!("{} unicast", word(family)));
        }
    }
    let mut add = |what: bool, words_for_it: &str| {
        if what {
            words.push(words_for_it.to_owned());
        }
    };
    add(parameters.four_octet_as, "4-octet AS");
    add(session.route_refresh, "route refresh");
    add(session.enhanced_refresh, "enhanced route refresh");
    add(parameters.extended_next_hop.ipv4, "IPv6 next hops for IPv4");
    add(parameters.max_receive > ferrolb_bgp::wire::MAX_MESSAGE, "extended messages");
    add(parameters.add_path.iter().any(|(_, add_path)| add_path.send || add_path.receive), "several paths");
    add(session.peer_helps.iter().any(|(_, helps)| *helps), "graceful restart");
    add(session.notification_restart, "graceful restart after NOTIFICATION");
    let role = |capability: &Capability| {
        let Capability::Role(role) = capability else { return None };
        Some(format!("role {role:?}"))
    };
    words.extend(session.received.capabilities.iter().find_map(role));
    words
}

fn word(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

fn families(config: &PeerConfig, peer: &PeerStatus) -> Vec<BgpFamily> {
    let of = |family: Family| {
        let routes = &peer.routes;
        BgpFamily {
            family: word(family).to_owned(),
            desired: *routes.desired.get(family),
            sent: *routes.sent.get(family),
            received: routes.received.get(family).number,
            unsent: routes.unsent.get(family).map(|unsent| unsent.to_string()),
        }
    };
    let enabled = config.session.families.iter().filter(|(_, family)| family.enabled);
    enabled.map(|(family, _)| of(family)).collect()
}

/// All of them, sent and received.
fn messages(peer: &PeerStatus) -> (u64, u64) {
    let counters = &peer.session.counters;
    let sent = [
        counters.opens_sent,
        counters.keepalives_sent,
        counters.notifications_sent,
        counters.route_refresh_sent,
        peer.routes.updates_sent,
    ];
    let received = [
        counters.opens_received,
        counters.keepalives_received,
        counters.notifications_received,
        counters.route_refresh_received,
        counters.updates_received,
    ];
    (sent.iter().sum(), received.iter().sum())
}

fn bfd(watched: &SessionStatus, clock: Clock) -> BfdSession {
    let status = &watched.status;
    let millis = |negotiated: ferrolb_bfd::Negotiated| u64::try_from(negotiated.detection_time.as_millis()).ok();
    BfdSession {
        state: status.state.to_string(),
        since: clock.text(status.since),
        cause: (status.diagnostic != ferrolb_bfd::Diagnostic::None).then(|| status.diagnostic.to_string()),
        detection_ms: status.negotiated.and_then(millis),
        problem: watched.problem.as_ref().map(|problem| ferrolb_daemon::sentence(problem.as_ref())),
    }
}

fn advertised(route: &Advertised) -> BgpRoute {
    row(&route.prefix.to_string(), route.path_id, &route.attributes, Vec::new())
}

fn learned(route: &Learned) -> BgpRoute {
    let mut remarks = Vec::new();
    if route.best {
        remarks.push("best".to_owned());
    }
    if route.stale {
        remarks.push("stale".to_owned());
    }
    remarks.extend(route.rejected.map(|why| why.to_string()));
    row(&route.prefix.to_string(), route.path_id, &route.attributes, remarks)
}

fn row(prefix: &str, path_id: u32, attributes: &Attributes, remarks: Vec<String>) -> BgpRoute {
    let communities = attributes.communities.iter().map(ToString::to_string);
    let extended = attributes.extended_communities.iter().map(ToString::to_string);
    let large = attributes.large_communities.iter().map(ToString::to_string);
    BgpRoute {
        prefix: prefix.to_owned(),
        path_id,
        next_hop: match attributes.next_hop {
            NextHop::Address(address) => address.to_string(),
            NextHop::LinkLocal { global, link_local } if global.is_unspecified() => link_local.to_string(),
            NextHop::LinkLocal { global, link_local } => format!("{global} {link_local}"),
        },
        as_path: path(&attributes.as_path),
        origin: match attributes.origin {
            Origin::Igp => "igp",
            Origin::Egp => "egp",
            Origin::Incomplete => "incomplete",
        }
        .to_owned(),
        local_pref: attributes.local_pref,
        med: attributes.med,
        communities: communities.chain(extended).chain(large).collect(),
        remarks,
    }
}

/// As routers print it: sets in braces, confederations in parentheses.
fn path(path: &AsPath) -> String {
    let mut text = String::new();
    for segment in &path.0 {
        let (open, close) = match segment.kind {
            SegmentKind::Sequence => ("", ""),
            SegmentKind::Set => ("{", "}"),
            SegmentKind::ConfedSequence => ("(", ")"),
            SegmentKind::ConfedSet => ("[", "]"),
        };
        let asns: Vec<String> = segment.asns.iter().map(ToString::to_string).collect();
        let space = if text.is_empty() { "" } else { " " };
        write!(text, "{space}{open}{}{close}", asns.join(" ")).ok();
    }
    text
}
