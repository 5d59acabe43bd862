//! `lab bench`: the gap that a client sees when the owner of an address crashes, many times, with keepalived beside it in
//! the same lab and the same run.

use std::time::Duration;

use super::keepalived::Keepalived;
use super::screen::{Screen, millis};
use super::{address, endpoints_beside, everybody_is_a_member, nodes, owner, target};
use crate::error::Error;
use crate::lab::{Lab, Options};
use crate::output::print;

/// The bound of the median, and of the worst, for the `default` profile.
const MEDIAN: Duration = Duration::from_millis(450);
const WORST: Duration = Duration::from_secs(1);

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BenchOptions {
    /// How often the owner crashes.
    pub(crate) crashes: usize,
    /// How often keepalived's owner does; 0: it is left out.
    pub(crate) peers: usize,
}

/// One fault as the probe saw it.
#[derive(Debug, Clone, Copy)]
struct Sample {
    gap: Duration,
    /// What the probe itself missed: a stall of the machine.
    pause: Duration,
    lost: u64,
}

/// Measures and prints; whether the bounds were kept.
pub(crate) fn bench(options: BenchOptions) -> Result<bool, Error> {
    let mut screen = Screen::new();
    screen.step(&format!("ferrolb, default profile: {} crashes of the owner", options.crashes))?;
    screen.say(
        "gap: longest time between two successful new connections of a probe every 2 ms; endpoints on surviving",
    )?;
    screen.say("nodes only, no source port twice in a run; pause: what the probe itself missed (the machine)")?;
    let ours = ferrolb(options.crashes)?;
    report("ferrolb", &ours)?;

    let mut theirs = Vec::new();
    if options.peers > 0 {
        screen.step(&format!(
            "keepalived, VRRPv3, adverts every 100 ms: {} crashes, same lab, same probe",
            options.peers
        ))?;
        theirs = keepalived(options.peers)?;
        report("keepalived", &theirs)?;
    }

    screen.step("Result")?;
    let (median, worst) = (quantile(&ours, 50), quantile(&ours, 100));
    if !theirs.is_empty() {
        let ratio = median.as_secs_f64() / quantile(&theirs, 50).as_secs_f64();
        screen.say(&format!("median of ferrolb / median of keepalived: {ratio:.2}"))?;
    }
    screen.check("median gap below 450 ms", millis(median), median < MEDIAN)?;
    screen.check("worst gap below 1 s", millis(worst), worst < WORST)?;
    Ok(median < MEDIAN && worst < WORST)
}

fn ferrolb(crashes: usize) -> Result<Vec<Sample>, Error> {
    let lab = Lab::up(Options::default())?;
    let vip = address(&lab)?;
    let mut samples = Vec::new();
    for number in 1..=crashes {
        everybody_is_a_member(&lab)?;
        let victim = owner(&lab, vip)?;
        endpoints_beside(&lab, &victim)?;
        let report = lab.gap(target(vip), |lab| lab.kill(&victim))?;
        let sample = Sample { gap: report.longest_gap(), pause: report.longest_pause, lost: report.failures };
        line(number, &victim, sample)?;
        samples.push(sample);
        lab.heal(&victim)?;
    }
    lab.down()?;
    Ok(samples)
}

fn keepalived(crashes: usize) -> Result<Vec<Sample>, Error> {
    let lab = Lab::up(Options { daemons: crate::lab::Daemons::None, ..Options::default() })?;
    let vip = [10, 10, 52, 0].into();
    Keepalived::prepare(&lab, vip)?;
    let mut running = Vec::new();
    for (rank, node) in nodes(&lab).into_iter().enumerate() {
        running.push(Keepalived::start(&lab, node, rank, vip)?);
    }
    let mut samples = Vec::new();
    for number in 1..=crashes {
        let victim = lab.wait_for("keepalived has an owner", |lab| lab.owner(vip).ok().flatten())?;
        endpoints_beside(&lab, &victim)?;
        let report = lab.gap(target(vip), |lab| lab.kill(&victim))?;
        let sample = Sample { gap: report.longest_gap(), pause: report.longest_pause, lost: report.failures };
        line(number, &victim, sample)?;
        samples.push(sample);
        lab.heal(&victim)?;
        running.retain(|keepalived| keepalived.node() != victim);
        let rank = nodes(&lab).iter().position(|node| *node == victim).unwrap_or_default();
        running.push(Keepalived::start(&lab, &victim, rank, vip)?);
    }
    drop(running);
    lab.down()?;
    Ok(samples)
}

fn line(number: usize, victim: &str, sample: Sample) -> Result<(), Error> {
    print(&format!(
        "   {number:>3}  {victim} crashed: gap {:>7}, {:>4} connections lost (pause {})\n",
        millis(sample.gap),
        sample.lost,
        millis(sample.pause)
    ))
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
    let mut gaps: Vec<Duration> = samples.iter().map(|sample| sample.gap).collect();
    gaps.sort_unstable();
    let place = (gaps.len() * percent).div_ceil(100).saturating_sub(1);
    gaps.get(place).copied().unwrap_or_default()
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
