//! `lab bench`: what a client sees when owners of addresses crash or leave, how fast a new address is announced, and what
//! many addresses cost; with keepalived beside the crashes in the same run.

mod announcement;
mod cluster;
mod crashes;
mod moves;
mod takeover;

pub(crate) use self::cluster::{ClusterBench, cluster};

use std::time::Duration;

use super::screen::{Screen, millis};
use crate::error::Error;
use crate::output::print;
use crate::probe::ProbeReport;

/// The bound of the median, and of the worst, for the default profile.
const MEDIAN: Duration = Duration::from_millis(450);
const WORST: Duration = Duration::from_secs(1);

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The owner crashes; keepalived's, too.
    Crashes,
    /// The owner's speaker is told to end.
    Moves,
    /// Addresses are assigned, one after the other.
    Announcement,
    /// One node takes over everything from another.
    Takeover,
}

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct BenchOptions {
    /// What of it.
    pub(crate) parts: Vec<Part>,
    /// How often the owner crashes.
    pub(crate) crashes: usize,
    /// How often keepalived's owner does; 0: it is left out.
    pub(crate) peers: usize,
    /// How often the owner leaves on purpose.
    pub(crate) moves: usize,
    /// Addresses that are assigned one after the other.
    pub(crate) samples: usize,
    /// Addresses that one node takes over.
    pub(crate) services: u16,
    /// Gossip profile of the speakers; none for their default.
    pub(crate) profile: Option<String>,
}

/// One fault as the probe saw it.
#[derive(Debug, Clone, Copy)]
struct Sample {
    gap: Duration,
    /// What the probe itself missed: a stall of the machine.
    pause: Duration,
    lost: u64,
}

impl Sample {
    fn of(report: &ProbeReport) -> Self {
        Self { gap: report.longest_gap(), pause: report.longest_pause, lost: report.failures }
    }
}

/// Measures and prints; whether the bounds were kept.
pub(crate) fn bench(options: &BenchOptions) -> Result<bool, Error> {
    let mut screen = Screen::new();
    let mut kept = true;
    if options.parts.contains(&Part::Crashes) {
        kept &= crashes::measure(&mut screen, options)?;
    }
    if options.parts.contains(&Part::Moves) {
        kept &= moves::measure(&mut screen, options)?;
    }
    if options.parts.contains(&Part::Announcement) {
        announcement::measure(&mut screen, options)?;
    }
    if options.parts.contains(&Part::Takeover) {
        takeover::measure(&mut screen, options)?;
    }
    Ok(kept)
}

fn tell_crash(number: usize, owner: &str, sample: &Sample) -> Result<(), Error> {
    let (gap, lost, pause) = (millis(sample.gap), sample.lost, millis(sample.pause));
    print(&format!("   {number:>3}  {owner} crashed: gap {gap:>7}, {lost:>4} connections lost (pause {pause})\n"))
}

fn report(who: &str, samples: &[Sample]) -> Result<(), Error> {
    let row = [0, 25, 50, 75, 90, 100].map(|percent| millis(quantile(samples, percent)));
    let [least, lower, median, upper, high, worst] = row;
    print(&format!(
        "   {who}: n = {}  min {least}  25 % {lower}  median {median}  75 % {upper}  90 % {high}  worst {worst}\n",
        samples.len()
    ))
}

/// The smallest gap that is not below `percent` of all.
fn quantile(samples: &[Sample], percent: usize) -> Duration {
    quantile_of(samples.iter().map(|sample| sample.gap), percent)
}

/// The same of times.
fn quantile_of(times: impl Iterator<Item = Duration>, percent: usize) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(place).copied().unwrap_or_default()
}

/// The name of a profile for a headline.
fn profile_name(options: &BenchOptions) -> &str {
    options.profile.as_deref().unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let sample = |ms| Sample { gap: Duration::from_millis(ms), pause: Duration::ZERO, lost: 0 };
        let samples: Vec<Sample> = [5, 1, 4, 2, 3].map(sample).to_vec();
        let ms = |percent| quantile(&samples, percent).as_millis();
        assert_eq!([ms(0), ms(50), ms(90), ms(100)], [1, 3, 5, 5]);
        assert_eq!(quantile(&[], 50), Duration::ZERO);
    }
}
