//! Planned moves: the owner's speaker is told to end, and no connection may be lost.

use super::{BenchOptions, Sample, profile_name, report};
use crate::error::Error;
use crate::lab::{Lab, Options};
use crate::tour::screen::Screen;
use crate::tour::{address, everybody_is_a_member, owner, target};

/// Measures and prints; whether nothing was lost.
pub(super) fn measure(screen: &mut Screen, options: &BenchOptions) -> Result<bool, Error> {
    screen.step(&format!("ferrolb, {} profile: {} planned moves (SIGTERM)", profile_name(options), options.moves))?;
    let lab = Lab::up(Options { profile: options.profile.clone(), ..Options::default() })?;
    let vip = address(&lab)?;
    let mut samples = Vec::new();
    for _ in 0..options.moves {
        everybody_is_a_member(&lab)?;
        let leaving = owner(&lab, vip)?;
        let seen = lab.gap(target(vip), |lab| lab.stop(&leaving).map(drop))?;
        samples.push(Sample::of(&seen));
        lab.start(&leaving)?;
    }
    lab.down()?;
    report("planned moves", &samples)?;
    let lost: u64 = samples.iter().map(|sample| sample.lost).sum();
    screen.check("planned moves lose nothing", format!("{lost} connections lost"), lost == 0)?;
    Ok(lost == 0)
}
