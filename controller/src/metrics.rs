//! The controller's metrics; the names are those that dashboards made for MetalLB look for.

use std::collections::BTreeSet;

use ferrolb_source::Family;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::allocator::Allocator;

/// What `/metrics` shows of the controller.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `metallb_k8s_client_updates_total`: states of the source that were worked on.
    pub updates: IntCounter,
    /// `metallb_k8s_client_update_errors_total`: statuses or events that could not be written.
    pub update_errors: IntCounter,
    /// `metallb_k8s_client_config_loaded_bool`: whether a configuration is in force.
    pub config_loaded: IntGauge,
    /// `metallb_k8s_client_config_stale_bool`: whether the newest configuration was refused.
    pub config_stale: IntGauge,
    /// `ferrolb_status_refused_total`: statuses that were refused for a reason that lasts.
    pub status_refused: IntCounter,
    services_refused: IntGauge,
    /// `ferrolb_webhook_requests_total`: questions of the API server, by kind and verdict.
    pub webhook_requests: IntCounterVec,
    total: [GaugeVec; 3],
    in_use: [GaugeVec; 3],
    services: GaugeVec,
    pools: BTreeSet<String>,
}

// === impl Metrics ===

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// A name is taken in this registry.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let client = |name: &str| format!("metallb_k8s_client_{name}");
        let gauge = |name: &str, help: &str| -> prometheus::Result<GaugeVec> {
            let gauge = GaugeVec::new(Opts::new(format!("metallb_allocator_{name}"), help), &["pool"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauges = |kind: &str, help: &str| -> prometheus::Result<[GaugeVec; 3]> {
            let of = |family: &str| gauge(&format!("{family}addresses_{kind}"), help);
            Ok([of("")?, of("ipv4_")?, of("ipv6_")?])
        };
        let metrics = Self {
            updates: IntCounter::new(client("updates_total"), "States of the source that were worked on")?,
            update_errors: IntCounter::new(client("update_errors_total"), "Writes that failed")?,
            config_loaded: IntGauge::new(client("config_loaded_bool"), "1 if a configuration is in force")?,
            config_stale: IntGauge::new(client("config_stale_bool"), "1 if the newest configuration was refused")?,
            status_refused: IntCounter::new("ferrolb_status_refused_total", "Statuses of Services that were refused")?,
            services_refused: IntGauge::new("ferrolb_services_refused", "Services whose status is refused now")?,
            webhook_requests: webhook_requests()?,
            total: gauges("total", "Addresses of the pool")?,
            in_use: gauges("in_use_total", "Distinct addresses of the pool that are in use")?,
            services: gauge("services_allocated_total", "Services that hold an address of the pool")?,
            pools: BTreeSet::new(),
        };
        registry.register(Box::new(metrics.updates.clone()))?;
        registry.register(Box::new(metrics.update_errors.clone()))?;
        registry.register(Box::new(metrics.config_loaded.clone()))?;
        registry.register(Box::new(metrics.config_stale.clone()))?;
        registry.register(Box::new(metrics.status_refused.clone()))?;
        registry.register(Box::new(metrics.services_refused.clone()))?;
        registry.register(Box::new(metrics.webhook_requests.clone()))?;
        Ok(metrics)
    }

    /// Shows how many Services' statuses are refused.
    pub fn refused(&self, services: usize) {
        self.services_refused.set(i64::try_from(services).unwrap_or(i64::MAX));
    }

    /// Shows the counters of every pool there is, and none of a pool that is gone.
    pub fn pools(&mut self, allocator: &Allocator) {
        let now: BTreeSet<String> = allocator.pool_names().map(str::to_owned).collect();
        for gone in self.pools.difference(&now) {
            for gauge in self.total.iter().chain(&self.in_use).chain([&self.services]) {
                // It was never there if it is not there now.
                drop(gauge.remove_label_values(&[gone]));
            }
        }
        for pool in &now {
            let count = |family| allocator.count(pool, family).unwrap_or_default();
            let (v4, v6) = (count(Family::V4), count(Family::V6));
            let total = [v4.total.saturating_add(v6.total), v4.total, v6.total];
            let used = [v4.used + v6.used, v4.used, v6.used];
            for (gauge, count) in self.total.iter().zip(total).chain(self.in_use.iter().zip(used)) {
                gauge.with_label_values(&[pool]).set(approximate(count));
            }
            let services = u128::try_from(allocator.services(pool)).unwrap_or(u128::MAX);
            self.services.with_label_values(&[pool]).set(approximate(services));
        }
        self.pools = now;
    }
}

/// A counter of the API server's questions, by kind and verdict; not registered anywhere.
///
/// # Errors
/// None: its name and labels are valid.
pub fn webhook_requests() -> prometheus::Result<IntCounterVec> {
    let opts = Opts::new("ferrolb_webhook_requests_total", "Questions of the API server");
    IntCounterVec::new(opts, &["kind", "verdict"])
}

/// Prometheus has floats only; beyond 2^53 the last digits are rounded.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(n: u128) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrolb_config::{Labels, Origin, Resource, Resources, parse};
    use ferrolb_source::ObjectKey;

    use super::*;
    use crate::allocator::Asker;

    fn allocator(names: &[&str]) -> Allocator {
        let pool = |(index, name): (usize, &&str)| Resource {
            origin: Origin::resource("IPAddressPool", "lb", name),
            name: (*name).to_owned(),
            labels: Labels::new(),
            spec: serde_json::from_value(serde_json::json!({
                "addresses": [format!("10.0.{index}.0/24"), format!("fd0{index}::/16"), format!("fd1{index}::/16")],
                "avoidBuggyIPs": true,
            }))
            .unwrap(),
        };
        let parsed = parse(&Resources { pools: names.iter().enumerate().map(pool).collect(), ..Resources::default() });
        Allocator::new(parsed.strict().unwrap().pools.values())
    }

    fn shown(registry: &Registry) -> Vec<(String, Vec<(String, f64)>)> {
        let value = |metric: &prometheus::proto::Metric| {
            let label = metric.get_label().iter().map(|label| label.value().to_owned()).collect();
            (label, metric.get_gauge().get_value() + metric.get_counter().get_value())
        };
        let family = |family: &prometheus::proto::MetricFamily| {
            (family.name().to_owned(), family.get_metric().iter().map(value).collect())
        };
        registry.gather().iter().map(family).collect()
    }

    #[test]
    fn names_and_values_are_those_that_dashboards_look_for() {
        let registry = Registry::new();
        let mut metrics = Metrics::new(&registry).unwrap();
        let mut of_two = allocator(&["a", "b"]);
        let labels = Labels::new();
        for name in ["x", "y"] {
            let key = Arc::new(ObjectKey::new("default", name));
            let asker = Asker { key: &key, labels: &labels, namespace_labels: &labels, sharing: None, ports: &[] };
            of_two.allocate_from(&asker, "a", &[Family::V4, Family::V6]).unwrap();
        }
        metrics.pools(&of_two);
        metrics.updates.inc();
        let per_pool = |a: f64, b: f64| vec![("a".to_owned(), a), ("b".to_owned(), b)];
        let (v4, v6) = (254.0, 2.0_f64.powi(113));
        let plain = |value: f64| vec![(String::new(), value)];
        let expected = [
            ("ferrolb_services_refused", plain(0.0)),
            ("ferrolb_status_refused_total", plain(0.0)),
            ("metallb_allocator_addresses_in_use_total", per_pool(4.0, 0.0)),
            ("metallb_allocator_addresses_total", per_pool(v4 + v6, v4 + v6)),
            ("metallb_allocator_ipv4_addresses_in_use_total", per_pool(2.0, 0.0)),
            ("metallb_allocator_ipv4_addresses_total", per_pool(v4, v4)),
            ("metallb_allocator_ipv6_addresses_in_use_total", per_pool(2.0, 0.0)),
            ("metallb_allocator_ipv6_addresses_total", per_pool(v6, v6)),
            ("metallb_allocator_services_allocated_total", per_pool(2.0, 0.0)),
            ("metallb_k8s_client_config_loaded_bool", plain(0.0)),
            ("metallb_k8s_client_config_stale_bool", plain(0.0)),
            ("metallb_k8s_client_update_errors_total", plain(0.0)),
            ("metallb_k8s_client_updates_total", plain(1.0)),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        assert_eq!(shown(&registry), expected);

        metrics.pools(&allocator(&["b"]));
        let gone = shown(&registry).into_iter().all(|(_, values)| values.iter().all(|(pool, _)| pool != "a"));
        assert!(gone, "a pool that is gone is not shown");
    }
}
