//! The metrics of single addresses. There may be thousands, so what they are made from is kept, which others keep too, and
//! they are made when somebody asks.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ferrolb_l2::Counters;
use ferrolb_l2::driver::Observed;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::plan::NodePlan;

/// What a counter of [`COUNTERS`] counts.
type Count = fn(&Counters) -> u64;

/// Counters by address: name, help, and what is counted.
const COUNTERS: [(&str, &str, Count); 3] = [
    (
        "metallb_layer2_requests_received",
        "ARP requests and neighbour solicitations for an address announced from here",
        |counters| counters.requests_received,
    ),
    ("metallb_layer2_responses_sent", "Answers to them", |counters| counters.responses_sent),
    ("metallb_layer2_gratuitous_sent", "Gratuitous ARP frames and unsolicited neighbour advertisements", |counters| {
        counters.gratuitous_sent
    }),
];

/// 1 for each address of each Service that is announced.
const ANNOUNCED: (&str, &str) = ("metallb_speaker_announced", "1 for each address announced from here");
const ANNOUNCED_LABELS: [&str; 4] = ["ip", "node", "protocol", "service"];

/// The latest of both.
#[derive(Debug, Default)]
struct Latest {
    node: String,
    plan: Arc<NodePlan>,
    observed: Arc<Observed>,
}

/// Takes over what is new; see the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<Latest>>);

// === impl Addresses ===

impl Addresses {
    /// What a registry collects from.
    pub(super) fn collector(&self) -> prometheus::Result<impl Collector + use<>> {
        let desc = |(name, help): (&str, &str), labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
        };
        let mut descs = vec![desc(ANNOUNCED, &ANNOUNCED_LABELS)?];
        for (name, help, _) in COUNTERS {
            descs.push(desc((name, help), &["ip"])?);
        }
        Ok(Shown { latest: self.clone(), descs })
    }

    /// Takes over a plan. Says how many addresses of Services it newly announces.
    pub(super) fn plan(&self, node: &str, plan: &Arc<NodePlan>) -> usize {
        let mut latest = self.0.lock();
        if Arc::ptr_eq(&latest.plan, plan) {
            return 0;
        }
        let before: BTreeSet<(&str, IpAddr, &str)> = announced(&latest.plan).collect();
        let new = announced(plan).filter(|announced| !before.contains(announced)).count();
        drop(before);
        node.clone_into(&mut latest.node);
        latest.plan = Arc::clone(plan);
        new
    }

    /// Takes over what was observed. Says how many conflicts were new.
    pub(super) fn observed(&self, observed: &Arc<Observed>) -> u64 {
        let mut latest = self.0.lock();
        let conflicts =
            |observed: &Observed, ip: &IpAddr| observed.vips.get(ip).map_or(0, |vip| vip.counters.conflicts);
        let new = |ip| conflicts(observed, ip).saturating_sub(conflicts(&latest.observed, ip));
        let new = observed.vips.keys().map(new).sum();
        latest.observed = Arc::clone(observed);
        new
    }
}

/// Each address of each Service that is announced, and how.
fn announced(plan: &NodePlan) -> impl Iterator<Item = (&str, IpAddr, &str)> {
    let announced = plan.verdicts.iter().filter(|verdict| verdict.announce);
    announced.map(|verdict| (verdict.service.as_str(), verdict.address, verdict.protocol))
}

struct Shown {
    latest: Addresses,
    descs: Vec<Desc>,
}

impl Collector for Shown {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (node, plan, observed) = {
            let latest = self.latest.0.lock();
            (latest.node.clone(), Arc::clone(&latest.plan), Arc::clone(&latest.observed))
        };
        let verdicts = plan.verdicts.iter().filter(|verdict| verdict.announce);
        let gauges = verdicts.map(|verdict| {
            let values = [&verdict.address.to_string(), &node, verdict.protocol, &verdict.service];
            let mut gauge = Gauge::default();
            gauge.set_value(1.0);
            let mut metric = Metric::from_label(ANNOUNCED_LABELS.into_iter().zip(values).map(label).collect());
            metric.set_gauge(gauge);
            metric
        });
        let mut families = vec![family(ANNOUNCED, MetricType::GAUGE, gauges.collect())];
        for (name, help, count) in COUNTERS {
            let counters = observed.vips.iter().map(|(ip, status)| {
                let mut counter = Counter::default();
                #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 frames")]
                counter.set_value(count(&status.counters) as f64);
                let mut metric = Metric::from_label(vec![label(("ip", &ip.to_string()))]);
                metric.set_counter(counter);
                metric
            });
            families.push(family((name, help), MetricType::COUNTER, counters.collect()));
        }
        families
    }
}

pub(super) fn label((name, value): (&str, &str)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

pub(super) fn family((name, help): (&str, &str), kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

#[cfg(test)]
mod tests {
    use ferrolb_l2::VipStatus;
    use prometheus::{Registry, TextEncoder};

    use super::*;
    use crate::plan::{Reason, Verdict};

    fn verdict(service: &str, last: u8, reason: Reason) -> Verdict {
        Verdict {
            service: service.to_owned(),
            address: [192, 0, 2, last].into(),
            protocol: "layer2",
            announce: reason.announces(),
            reason,
            owner: None,
        }
    }

    fn observed(counts: &[(u8, u64)]) -> Arc<Observed> {
        let status = |(last, count): &(u8, u64)| {
            let counters = Counters { requests_received: *count, conflicts: *count, ..Counters::default() };
            (IpAddr::from([192, 0, 2, *last]), VipStatus { counters, ..VipStatus::default() })
        };
        Arc::new(Observed { vips: counts.iter().map(status).collect(), ..Observed::default() })
    }

    #[test]
    fn announced_addresses_and_their_counters_are_shown_and_what_is_gone_is_not() {
        let (addresses, registry) = (Addresses::default(), Registry::new());
        registry.register(Box::new(addresses.collector().unwrap())).unwrap();
        let text = || TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert_eq!(text(), "");

        let verdicts = vec![verdict("a/web", 1, Reason::Owner), verdict("a/db", 2, Reason::NoEndpoints)];
        let plan = Arc::new(NodePlan { verdicts, ..NodePlan::default() });
        assert_eq!((addresses.plan("node-1", &plan), addresses.plan("node-1", &plan)), (1, 0));
        assert_eq!((addresses.observed(&observed(&[(1, 5)])), addresses.observed(&observed(&[(1, 7)]))), (5, 2));
        let shown = text();
        let announced =
            "metallb_speaker_announced{ip=\"192.0.2.1\",node=\"node-1\",protocol=\"layer2\",service=\"a/web\"} 1";
        assert!(shown.lines().any(|line| line == announced), "{shown}");
        assert!(shown.contains("# TYPE metallb_layer2_requests_received counter\n"), "{shown}");
        assert!(shown.contains("metallb_layer2_requests_received{ip=\"192.0.2.1\"} 7\n"), "{shown}");
        assert!(!shown.contains("a/db"), "{shown}");

        addresses.plan("node-1", &Arc::default());
        assert_eq!(addresses.observed(&observed(&[])), 0);
        assert_eq!(text(), "");
    }
}
