//! What the figures are held against.

use std::time::Duration;

use serde::Serialize;

use super::report::{Report, rate, secs};

/// Wall time of the bulk, by the bar's.
const RATIO: f64 = 1.25;
const CPU: Duration = Duration::from_secs(5);
const MEMORY: u64 = 32 * 1024 * 1024;
const MEDIAN: Duration = Duration::from_millis(6);
/// A rate that stays has this share of what it was, noise of the machine included.
const STAYS: f64 = 0.75;

/// One figure and what it is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    what: String,
    seen: String,
    target: Option<String>,
    /// `None`: there is no target.
    pub(super) met: Option<bool>,
    metallb: Option<String>,
}

// === impl Verdict ===

impl Verdict {
    fn new(what: &str, seen: String) -> Self {
        Self { what: what.to_owned(), seen, target: None, met: None, metallb: None }
    }

    fn target(self, target: impl Into<String>, met: bool) -> Self {
        Self { target: Some(target.into()), met: Some(met), ..self }
    }

    fn metallb(self, figure: &str) -> Self {
        Self { metallb: Some(figure.to_owned()), ..self }
    }

    /// A row of the table: mark, what, seen, target, MetalLB.
    pub(super) fn row(&self) -> Vec<String> {
        let mark = match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![mark.to_owned(), self.what.clone(), self.seen.clone(), text(&self.target), text(&self.metallb)]
    }
}

/// Every figure that matters.
pub(super) fn judge(report: &Report) -> Vec<Verdict> {
    let (bulk, samples, restart) = (&report.bulk, &report.samples, &report.restart);
    let median = samples.from_sight.p50;
    let (first, last) = rates(&bulk.blocks);
    vec![
        Verdict::new("all at once: wall", secs(bulk.pass.wall)).metallb("118 s"),
        Verdict::new("  by the bar's wall", format!("{:.2}", report.ratio))
            .target(format!("at most {RATIO}"), report.ratio <= RATIO),
        Verdict::new("  rate, first third and last", format!("{first:.0}/s, {last:.0}/s"))
            .target("does not fall", last >= first * STAYS),
        Verdict::new("  controller's CPU", secs(bulk.cpu))
            .target(format!("at most {}", secs(CPU)), bulk.cpu <= CPU)
            .metallb("132 s"),
        Verdict::new("  controller's peak memory", mebibytes(bulk.peak_memory))
            .target(format!("at most {}", mebibytes(MEMORY)), bulk.peak_memory <= MEMORY)
            .metallb("192 MB"),
        Verdict::new("one: shown until addressed, p50", millis(median))
            .target(format!("at most {}", millis(MEDIAN)), median <= MEDIAN)
            .metallb("10.9 ms"),
        Verdict::new("  p95", millis(samples.from_sight.p95)).metallb("28.5 ms"),
        Verdict::new("  p99", millis(samples.from_sight.p99)),
        Verdict::new("one: asked for until addressed, p50", millis(samples.from_request.p50)),
        Verdict::new("  p95", millis(samples.from_request.p95)),
        Verdict::new("  p99", millis(samples.from_request.p99)),
        Verdict::new("started again: ready", secs(restart.ready)),
        Verdict::new("  a new Service has its address", secs(restart.at_work)),
        Verdict::new("  Services changed", restart.changed.to_string()).target("none", restart.changed == 0),
        Verdict::new("  controller's CPU", secs(restart.cpu)),
        Verdict::new("  controller's peak memory", mebibytes(restart.peak_memory))
            .target(format!("at most {}", mebibytes(MEMORY)), restart.peak_memory <= MEMORY),
    ]
}

/// The rates of the first third and of the last, without the first Service, which waits for the start.
fn rates(blocks: &[(usize, Duration)]) -> (f64, f64) {
    let steps: Vec<(usize, Duration)> =
        blocks.windows(2).filter_map(|pair| Some((pair.get(1)?.0 - pair.first()?.0, pair.get(1)?.1))).collect();
    let third = steps.len().div_ceil(3);
    let of = |steps: &[(usize, Duration)]| {
        rate(steps.iter().map(|step| step.0).sum(), steps.iter().map(|step| step.1).sum())
    };
    let (first, last) = (steps.get(..third), steps.get(steps.len() - third..));
    (of(first.unwrap_or_default()), of(last.unwrap_or_default()))
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_its_third_without_the_start() {
        let s = Duration::from_secs;
        let blocks = [(1, s(100)), (1000, s(1)), (2000, s(2)), (3000, s(4))];
        let (first, last) = rates(&blocks);
        assert_eq!((first.round(), last.round()), (999.0, 250.0));
    }

    #[test]
    fn memory_is_told_in_tenths() {
        assert_eq!(mebibytes(MEMORY + 1024 * 1024 / 2), "32.5 MiB");
    }
}
