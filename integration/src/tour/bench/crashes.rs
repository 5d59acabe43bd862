//! The gap after crashes of the owner, ferrolb's and keepalived's.

use std::net::IpAddr;

use super::{BenchOptions, MEDIAN, Sample, WORST, millis, profile_name, quantile, report, tell_crash};
use crate::error::Error;
use crate::lab::{Daemons, Lab, Options};
use crate::tour::keepalived::Keepalived;
use crate::tour::screen::Screen;
use crate::tour::{address, endpoints_beside, everybody_is_a_member, nodes, owner, target};

/// Measures and prints; whether the bounds were kept.
pub(super) fn measure(screen: &mut Screen, options: &BenchOptions) -> Result<bool, Error> {
    screen.step(&format!("ferrolb, {} profile: {} crashes of the owner", profile_name(options), options.crashes))?;
    screen.say(
        "gap: longest time between two successful new connections of a probe every 2 ms; endpoints on surviving",
    )?;
    screen.say("nodes only, no source port twice in a run; pause: what the probe itself missed (the machine)")?;
    let ours = ferrolb(options)?;
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

    screen.step("Crashes: result")?;
    let (median, worst) = (quantile(&ours, 50), quantile(&ours, 100));
    if !theirs.is_empty() {
        let ratio = median.as_secs_f64() / quantile(&theirs, 50).as_secs_f64();
        screen.say(&format!("median of ferrolb / median of keepalived: {ratio:.2}"))?;
    }
    screen.check("median gap below 450 ms", millis(median), median < MEDIAN)?;
    screen.check("worst gap below 1 s", millis(worst), worst < WORST)?;
    Ok(median < MEDIAN && worst < WORST)
}

fn ferrolb(options: &BenchOptions) -> Result<Vec<Sample>, Error> {
    let lab = Lab::up(Options { profile: options.profile.clone(), ..Options::default() })?;
    let vip = address(&lab)?;
    let mut samples = Vec::new();
    for number in 1..=options.crashes {
        everybody_is_a_member(&lab)?;
        let victim = owner(&lab, vip)?;
        samples.push(crash(&lab, vip, number, &victim)?);
    }
    lab.down()?;
    Ok(samples)
}

fn keepalived(crashes: usize) -> Result<Vec<Sample>, Error> {
    let lab = Lab::up(Options { daemons: Daemons::None, ..Options::default() })?;
    let vip = [10, 10, 52, 0].into();
    Keepalived::prepare(&lab, vip)?;
    let mut running = Vec::new();
    for (rank, node) in nodes(&lab).into_iter().enumerate() {
        running.push(Keepalived::start(&lab, node, rank, vip)?);
    }
    let mut samples = Vec::new();
    for number in 1..=crashes {
        let victim = lab.wait_for("keepalived has an owner", |lab| lab.owner(vip).ok().flatten())?;
        samples.push(crash(&lab, vip, number, &victim)?);
        running.retain(|keepalived| keepalived.node() != victim);
        let rank = nodes(&lab).iter().position(|node| *node == victim).unwrap_or_default();
        running.push(Keepalived::start(&lab, &victim, rank, vip)?);
    }
    drop(running);
    lab.down()?;
    Ok(samples)
}

/// Kills the owner `victim`, says what a client saw of it, and brings the node back.
fn crash(lab: &Lab, vip: IpAddr, number: usize, victim: &str) -> Result<Sample, Error> {
    endpoints_beside(lab, victim)?;
    let sample = Sample::of(&lab.gap(target(vip), |lab| lab.kill(victim))?);
    tell_crash(number, victim, &sample)?;
    lab.heal(victim)?;
    Ok(sample)
}
