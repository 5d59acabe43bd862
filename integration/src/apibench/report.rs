//! The figures, for people and for programs.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::targets::{Verdict, judge};
use crate::output::table;

/// What one pass over all Services cost.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pass {
    #[serde(rename = "wall_seconds", serialize_with = "seconds")]
    pub(super) wall: Duration,
    /// Processor time of kube-apiserver.
    #[serde(rename = "api_server_cpu_seconds", serialize_with = "seconds")]
    pub(super) api_server: Duration,
    #[serde(rename = "etcd_cpu_seconds", serialize_with = "seconds")]
    pub(super) etcd: Duration,
    /// Of whatever else the machine did: where it is much, wall times mean little.
    #[serde(rename = "others_cpu_seconds", serialize_with = "seconds")]
    pub(super) others: Duration,
}

/// All Services at once.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bulk {
    #[serde(flatten)]
    pub(super) pass: Pass,
    /// Processor time of the controller.
    #[serde(rename = "cpu_seconds", serialize_with = "seconds")]
    pub(super) cpu: Duration,
    #[serde(rename = "peak_memory_bytes")]
    pub(super) peak_memory: u64,
    /// How many had addresses, and how long that took since the line before.
    #[serde(serialize_with = "block_seconds")]
    pub(super) blocks: Vec<(usize, Duration)>,
}

/// All addresses held, and started again.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Restart {
    #[serde(rename = "ready_seconds", serialize_with = "seconds")]
    pub(super) ready: Duration,
    /// A Service created when it was ready has its address.
    #[serde(rename = "at_work_seconds", serialize_with = "seconds")]
    pub(super) at_work: Duration,
    /// Services that were written.
    pub(super) changed: usize,
    #[serde(rename = "cpu_seconds", serialize_with = "seconds")]
    pub(super) cpu: Duration,
    #[serde(rename = "peak_memory_bytes")]
    pub(super) peak_memory: u64,
}

/// Services one after the other; sorted.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Samples {
    count: usize,
    /// From when the watch shows the Service until it shows its address.
    pub(super) from_sight: Quantiles,
    /// From before the request that creates it.
    pub(super) from_request: Quantiles,
}

/// Of a distribution.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Quantiles {
    #[serde(rename = "p50_seconds", serialize_with = "seconds")]
    pub(super) p50: Duration,
    #[serde(rename = "p95_seconds", serialize_with = "seconds")]
    pub(super) p95: Duration,
    #[serde(rename = "p99_seconds", serialize_with = "seconds")]
    pub(super) p99: Duration,
}

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) services: usize,
    /// The least that any controller has to do, before and after.
    pub(super) bar: [Pass; 2],
    /// Wall time of the bulk, by the mean of the bar's.
    pub(super) ratio: f64,
    pub(super) bulk: Bulk,
    pub(super) samples: Samples,
    pub(super) restart: Restart,
    verdicts: Vec<Verdict>,
}

// === impl Report ===

impl Report {
    pub(super) fn new(services: usize, samples: Samples, bar: [Pass; 2], bulk: Bulk, restart: Restart) -> Self {
        let mean = bar.iter().map(|pass| pass.wall).sum::<Duration>() / 2;
        let ratio = bulk.pass.wall.as_secs_f64() / mean.as_secs_f64();
        let mut report = Self { services, bar, ratio, bulk, samples, restart, verdicts: Vec::new() };
        report.verdicts = judge(&report);
        report
    }

    /// Whether all targets were met.
    pub(super) fn all_met(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.met != Some(false))
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let head = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let mut passes = vec![head(&["PASS", "WALL", "API SERVER CPU", "ETCD CPU", "OTHERS' CPU"])];
        let [first, second] = &self.bar;
        for (what, pass) in [("bar", first), ("ferrolb-controller", &self.bulk.pass), ("bar again", second)] {
            let figures = [pass.wall, pass.api_server, pass.etcd, pass.others].map(secs);
            passes.push([vec![what.to_owned()], figures.to_vec()].concat());
        }
        let mut rates = vec![head(&["SERVICES", "TOOK", "RATE"])];
        let mut before = 0;
        for (number, took) in &self.bulk.blocks {
            rates.push(vec![number.to_string(), secs(*took), format!("{:.0}/s", rate(number - before, *took))]);
            before = *number;
        }
        let mut rows = vec![head(&["", "WHAT", "SEEN", "TARGET", "METALLB"])];
        rows.extend(self.verdicts.iter().map(Verdict::row));
        format!(
            "{}\n{}\n{}\nMetalLB 0.16.1: measured apart from this run, with 10,000 Services on a machine of the same kind.\n",
            table(&passes),
            table(&rates),
            table(&rows)
        )
    }
}

/// So many a second.
pub(super) fn rate(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

/// Seconds, for people.
pub(super) fn secs(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

// === impl Samples ===

impl Samples {
    pub(super) fn new(from_sight: Vec<Duration>, from_request: Vec<Duration>) -> Self {
        Self {
            count: from_sight.len(),
            from_sight: Quantiles::of(from_sight),
            from_request: Quantiles::of(from_request),
        }
    }
}

// === impl Quantiles ===

impl Quantiles {
    /// Values that were seen: the smallest that so many per cent are not above.
    fn of(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        let at = |percent: usize| {
            let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
            values.get(place).copied().unwrap_or_default()
        };
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn block_seconds<S: Serializer>(blocks: &[(usize, Duration)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(blocks.iter().map(|(number, took)| (number, took.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let of = Quantiles::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!([of.p50, of.p95, of.p99].map(|value| value.as_millis()), [100, 190, 198]);
        assert_eq!(Quantiles::of(Vec::new()).p99, Duration::ZERO);
    }
}
