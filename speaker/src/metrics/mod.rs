//! The speaker's metrics. `metallb_*` names are those that dashboards made for MetalLB look for; our own begin with
//! `ferrolb_`.

mod addresses;
mod bgp;

use std::sync::Arc;

use ferrolb_bfd::driver::Observed as Watched;
use ferrolb_bgp::driver::{PeerConfig, Status};
use ferrolb_bgp::rib::PeerName;
use ferrolb_gossip::{Counters, View};
use ferrolb_l2::driver::Observed;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use self::addresses::Addresses;
use self::bgp::Sessions;
use crate::plan::NodePlan;

/// What `/metrics` shows of the speaker.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `metallb_k8s_client_updates_total`: states of the source that were worked on.
    pub updates: IntCounter,
    /// `metallb_k8s_client_update_errors_total`: statuses or events that could not be written.
    pub update_errors: IntCounter,
    config_loaded: IntGauge,
    config_stale: IntGauge,
    addresses: Addresses,
    sessions: Sessions,
    members: IntGauge,
    owned: IntGauge,
    moves: IntCounter,
    conflicts: IntCounter,
    in_use: IntGauge,
    standstills: IntCounter,
    flapping: IntGauge,
    watch_failures: IntCounter,
    gossip_datagrams: IntCounterVec,
    gossip_bytes: IntCounterVec,
    gossip_events: IntCounterVec,
    recorded: IntCounterVec,
}

// === impl Metrics ===

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// A name is taken in this registry.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let by = |name: &str, help: &str, label: &str| -> prometheus::Result<IntCounterVec> {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let addresses = Addresses::default();
        registry.register(Box::new(addresses.collector()?))?;
        let sessions = Sessions::default();
        registry.register(Box::new(sessions.collector()?))?;
        Ok(Self {
            updates: counter("metallb_k8s_client_updates_total", "States of the source that were worked on")?,
            update_errors: counter("metallb_k8s_client_update_errors_total", "Writes that failed")?,
            config_loaded: gauge("metallb_k8s_client_config_loaded_bool", "1 if a configuration is in force")?,
            config_stale: gauge("metallb_k8s_client_config_stale_bool", "1 if the newest one was refused")?,
            addresses,
            sessions,
            members: gauge("ferrolb_members", "Living members, this node included")?,
            owned: gauge("ferrolb_l2_addresses_owned", "Addresses announced by ARP or NDP from here")?,
            moves: counter("ferrolb_l2_takeovers_total", "Addresses that this node began to announce")?,
            conflicts: counter("ferrolb_l2_conflicts_total", "Frames of others for addresses announced from here")?,
            in_use: gauge("ferrolb_l2_addresses_in_use", "Addresses that strangers hold")?,
            standstills: counter("ferrolb_l2_standstills_total", "Standstills after which nothing was announced")?,
            flapping: gauge("ferrolb_members_flapping", "Nodes that were declared down again and again lately")?,
            watch_failures: counter("ferrolb_watch_failures_total", "Failures to read the source")?,
            gossip_datagrams: by("ferrolb_gossip_datagrams_total", "Datagrams, and what became of them", "result")?,
            gossip_bytes: by("ferrolb_gossip_bytes_total", "Bytes of good datagrams", "direction")?,
            gossip_events: by("ferrolb_gossip_events_total", "What happened to members and claims", "event")?,
            recorded: by("ferrolb_record_steps_total", "Steps for --record, and what became of them", "result")?,
        })
    }

    /// Counts steps of a record of which `result` became: `written` or `lost`.
    pub fn recorded(&self, result: &str) -> IntCounter {
        self.recorded.with_label_values(&[result])
    }

    /// Shows a plan.
    pub fn plan(&self, node: &str, plan: &Arc<NodePlan>, config_loaded: bool, config_stale: bool) {
        self.config_loaded.set(i64::from(config_loaded));
        self.config_stale.set(i64::from(config_stale));
        self.moves.inc_by(u64::try_from(self.addresses.plan(node, plan)).unwrap_or_default());
        self.owned.set(i64::try_from(plan.l2.len()).unwrap_or(i64::MAX));
    }

    /// Shows the sessions with BGP peers, and those of BFD that watch them.
    pub fn bgp(
        &self,
        peers: &[PeerConfig],
        latest: (Option<Arc<Status>>, Option<Arc<Watched>>),
        label: impl Fn(&PeerConfig) -> String,
        watching: impl Fn(&PeerName) -> Option<ferrolb_bfd::driver::Peer>,
    ) {
        self.sessions.set(peers, latest, label, watching);
    }

    /// Shows who is alive.
    pub fn view(&self, view: &View) {
        self.members.set(i64::try_from(view.members.len()).unwrap_or(i64::MAX));
        self.flapping.set(i64::try_from(view.flapping.len()).unwrap_or(i64::MAX));
    }

    /// Adds how often the source was not written (`lost`), and shows how often it could not be read so far.
    pub fn source(&self, lost: u64, failures: u64) {
        self.update_errors.inc_by(lost);
        self.watch_failures.inc_by(failures.saturating_sub(self.watch_failures.get()));
    }

    /// Shows what happened in gossip so far.
    pub fn gossip(&self, counters: &Counters) {
        let raise = |counter: &IntCounterVec, label: &str, now: u64| {
            let counter = counter.with_label_values(&[label]);
            counter.inc_by(now.saturating_sub(counter.get()));
        };
        for (result, now) in [
            ("sent", counters.sent),
            ("received", counters.received),
            ("malformed", counters.malformed),
            ("foreign_key", counters.foreign_key),
            ("other_key", counters.other_key),
            ("forged", counters.forged),
            ("replayed", counters.replayed),
            ("unknown_session", counters.unknown_session),
            ("reflected", counters.reflected),
            ("unreadable", counters.unreadable),
            ("send_error", counters.send_errors),
            ("receive_error", counters.receive_errors),
        ] {
            raise(&self.gossip_datagrams, result, now);
        }
        raise(&self.gossip_bytes, "sent", counters.sent_bytes);
        raise(&self.gossip_bytes, "received", counters.received_bytes);
        for (event, now) in [
            ("probe_failed", counters.probes_failed),
            ("suspicion_refuted", counters.suspicions_refuted),
            ("member_down", counters.members_down),
            ("member_restarted", counters.members_restarted),
            ("rejoined", counters.rejoins),
            ("fresh_start", counters.fresh_starts),
            ("conflict_won", counters.conflicts_won),
            ("conflict_lost", counters.conflicts_lost),
            ("claim_refused", counters.claims_refused),
        ] {
            raise(&self.gossip_events, event, now);
        }
    }

    /// Shows what the announcer did.
    pub fn observed(&self, observed: &Arc<Observed>) {
        self.in_use.set(i64::try_from(observed.in_use.len()).unwrap_or(i64::MAX));
        self.standstills.inc_by(observed.stalls.saturating_sub(self.standstills.get()));
        self.conflicts.inc_by(self.addresses.observed(observed));
    }
}
