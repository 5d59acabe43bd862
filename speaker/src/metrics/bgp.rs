//! The metrics of BGP and BFD sessions, by peer. They are made when somebody asks, of the latest that was told.
//!
//! A peer is named `ADDRESS:PORT`, as MetalLB names it (BFD: `ADDRESS`); the label `vrf` is there where one is set.

use std::collections::HashMap;
use std::sync::Arc;

use ferrolb_bfd::driver::{Observed, Peer, SessionStatus};
use ferrolb_bgp::driver::{PeerConfig, PeerStatus, Status};
use ferrolb_bgp::rib::PeerName;
use ferrolb_bgp::session::State;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::addresses::{family, label};

/// A metric of a peer: name, help, kind and value.
type OfPeer = (&'static str, &'static str, MetricType, fn(&PeerStatus) -> u64);
type OfBfd = (&'static str, &'static str, MetricType, fn(&SessionStatus) -> u64);

/// Those of BGP.
const OF_PEERS: [OfPeer; 17] = [
    ("metallb_bgp_session_up", "1 if the session is up", MetricType::GAUGE, |peer| {
        u64::from(peer.session.state == State::Established)
    }),
    ("metallb_bgp_announced_prefixes_total", "Prefixes that the peer has been told", MetricType::GAUGE, |peer| {
        sum(peer.routes.sent.iter().map(|(_, sent)| *sent))
    }),
    (
        "metallb_bgp_pending_prefixes_total",
        "Prefixes that the peer shall be told and has not been told yet",
        MetricType::GAUGE,
        |peer| {
            let (desired, sent) = (&peer.routes.desired, &peer.routes.sent);
            sum(desired.iter().map(|(family, desired)| desired.saturating_sub(*sent.get(family))))
        },
    ),
    ("metallb_bgp_received_prefixes_total", "Prefixes that the peer tells", MetricType::GAUGE, |peer| {
        sum(peer.routes.received.iter().map(|(_, count)| count.number))
    }),
    ("metallb_bgp_updates_total", "UPDATE messages sent in this session", MetricType::COUNTER, |peer| {
        peer.routes.updates_sent
    }),
    ("metallb_bgp_updates_total_received", "UPDATE messages received", MetricType::COUNTER, |peer| {
        peer.session.counters.updates_received
    }),
    ("metallb_bgp_opens_sent", "OPEN messages sent", MetricType::COUNTER, |peer| peer.session.counters.opens_sent),
    ("metallb_bgp_opens_received", "OPEN messages received", MetricType::COUNTER, |peer| {
        peer.session.counters.opens_received
    }),
    ("metallb_bgp_notifications_sent", "NOTIFICATION messages sent", MetricType::COUNTER, |peer| {
        peer.session.counters.notifications_sent
    }),
    ("ferrolb_bgp_notifications_received_total", "NOTIFICATION messages received", MetricType::COUNTER, |peer| {
        peer.session.counters.notifications_received
    }),
    ("metallb_bgp_keepalives_sent", "KEEPALIVE messages sent", MetricType::COUNTER, |peer| {
        peer.session.counters.keepalives_sent
    }),
    ("metallb_bgp_keepalives_received", "KEEPALIVE messages received", MetricType::COUNTER, |peer| {
        peer.session.counters.keepalives_received
    }),
    ("metallb_bgp_route_refresh_sent", "ROUTE-REFRESH messages sent", MetricType::COUNTER, |peer| {
        peer.session.counters.route_refresh_sent
    }),
    ("metallb_bgp_total_sent", "Messages sent", MetricType::COUNTER, |peer| {
        let counters = &peer.session.counters;
        counters.opens_sent
            + counters.keepalives_sent
            + counters.notifications_sent
            + counters.route_refresh_sent
            + peer.routes.updates_sent
    }),
    ("metallb_bgp_total_received", "Messages received", MetricType::COUNTER, |peer| {
        let counters = &peer.session.counters;
        counters.opens_received
            + counters.keepalives_received
            + counters.notifications_received
            + counters.route_refresh_received
            + counters.updates_received
    }),
    ("ferrolb_bgp_sessions_established_total", "Times the session came up", MetricType::COUNTER, |peer| {
        peer.session.established
    }),
    (
        "ferrolb_bgp_connections_refused_total",
        "Connections of the peer that were refused",
        MetricType::COUNTER,
        |peer| peer.session.counters.refused,
    ),
];

/// Those of BFD.
const OF_BFD: [OfBfd; 6] = [
    ("metallb_bfd_session_up", "1 if the BFD session is up", MetricType::GAUGE, |session| {
        u64::from(session.status.state == ferrolb_bfd::State::Up)
    }),
    ("metallb_bfd_control_packet_input", "BFD control packets received", MetricType::COUNTER, |session| {
        session.status.counters.received
    }),
    ("metallb_bfd_control_packet_output", "BFD control packets sent", MetricType::COUNTER, |session| {
        session.status.counters.sent
    }),
    ("metallb_bfd_session_up_events", "Times the BFD session came up", MetricType::COUNTER, |session| {
        session.status.counters.ups
    }),
    ("metallb_bfd_session_down_events", "Times the BFD session went down", MetricType::COUNTER, |session| {
        session.status.counters.downs
    }),
    ("ferrolb_bfd_late_packets_total", "BFD packets that this host sent too late", MetricType::COUNTER, |session| {
        session.status.counters.late
    }),
];

/// BFD's thread has real-time priority.
const REALTIME: (&str, &str) = ("ferrolb_bfd_realtime", "1 if the thread of BFD has real-time priority");
/// Connections from nobody we know.
const UNKNOWN: (&str, &str) =
    ("ferrolb_bgp_unknown_sources_total", "BGP connections from addresses that are no peer's; they were closed");

/// Who a row of metrics is about.
#[derive(Debug, Clone, Default)]
struct Row {
    name: Option<PeerName>,
    /// `ADDRESS:PORT`.
    peer: String,
    vrf: Option<String>,
    watched: Option<Peer>,
}

#[derive(Debug, Default)]
struct Latest {
    rows: Vec<Row>,
    status: Option<Arc<Status>>,
    observed: Option<Arc<Observed>>,
}

/// Takes over what is new; see the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<Latest>>);

struct Shown {
    latest: Sessions,
    descs: Vec<Desc>,
}

fn sum(counts: impl Iterator<Item = usize>) -> u64 {
    u64::try_from(counts.sum::<usize>()).unwrap_or(u64::MAX)
}

// === impl Sessions ===

impl Sessions {
    /// What a registry collects from.
    pub(super) fn collector(&self) -> prometheus::Result<impl Collector + use<>> {
        let of_peers = OF_PEERS.iter().map(|(name, help, _, _)| (*name, *help));
        let of_bfd = OF_BFD.iter().map(|(name, help, _, _)| (*name, *help));
        let desc = |(name, help): (&str, &str)| Desc::new(name.to_owned(), help.to_owned(), Vec::new(), HashMap::new());
        let descs = of_peers.chain(of_bfd).chain([REALTIME, UNKNOWN]).map(desc).collect::<Result<_, _>>()?;
        Ok(Shown { latest: self.clone(), descs })
    }

    /// Takes over what is; `label` writes a peer, `watching` names the BFD session that watches it.
    pub(super) fn set(
        &self,
        peers: &[PeerConfig],
        (status, observed): (Option<Arc<Status>>, Option<Arc<Observed>>),
        label: impl Fn(&PeerConfig) -> String,
        watching: impl Fn(&PeerName) -> Option<Peer>,
    ) {
        let row = |peer: &PeerConfig| Row {
            name: Some(peer.name.clone()),
            peer: label(peer),
            vrf: peer.transport.device.clone(),
            watched: watching(&peer.name),
        };
        *self.0.lock() = Latest { rows: peers.iter().map(row).collect(), status, observed };
    }
}

impl Collector for Shown {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let latest = self.latest.0.lock();
        let mut families = Vec::new();
        if let Some(status) = &latest.status {
            for (name, help, kind, value) in OF_PEERS {
                let of = |row: &Row| {
                    let peer = status.peers.get(row.name.as_ref()?)?;
                    Some(metric(labels(&row.peer, row), kind, value(peer)))
                };
                families.push(family((name, help), kind, latest.rows.iter().filter_map(of).collect()));
            }
            families.push(family(
                UNKNOWN,
                MetricType::COUNTER,
                vec![metric(Vec::new(), MetricType::COUNTER, status.unknown_sources)],
            ));
        }
        if let Some(observed) = &latest.observed {
            for (name, help, kind, value) in OF_BFD {
                let of = |row: &Row| {
                    let watched = row.watched.as_ref()?;
                    let session = observed.sessions.get(watched)?;
                    Some(metric(labels(&watched.address.to_string(), row), kind, value(session)))
                };
                families.push(family((name, help), kind, latest.rows.iter().filter_map(of).collect()));
            }
            families.push(family(
                REALTIME,
                MetricType::GAUGE,
                vec![metric(Vec::new(), MetricType::GAUGE, u64::from(observed.realtime))],
            ));
        }
        families
    }
}

fn labels(peer: &str, row: &Row) -> Vec<LabelPair> {
    let vrf = row.vrf.as_deref().map(|vrf| label(("vrf", vrf)));
    [label(("peer", peer))].into_iter().chain(vrf).collect()
}

fn metric(labels: Vec<LabelPair>, kind: MetricType, value: u64) -> Metric {
    let mut metric = Metric::from_label(labels);
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    let value = value as f64;
    if kind == MetricType::COUNTER {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}
