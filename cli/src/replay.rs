//! `replay`: what a speaker was told, what it decided, and whether this build would decide the same.

use std::path::Path;
use std::time::Instant;

use ferrolb_speaker::record::{Act, Playback};
use serde::Serialize;

use crate::output::{Failure, Printer, remark};

#[derive(Serialize)]
struct Played<'a> {
    steps: u64,
    differing: u64,
    lost: u64,
    acts: Vec<&'a Act>,
}

/// Plays the record in a folder back and prints it as a timeline; where `only_differences`, only what follows
/// differently.
///
/// # Errors
/// [`Failure::Failed`] where this build decides otherwise, after everything is printed; [`Failure::BadInput`] where the
/// folder holds no record that this build can read.
pub fn replay(path: &Path, only_differences: bool, printer: Printer) -> Result<(), Failure> {
    let played =
        ferrolb_speaker::record::replay(path, start()).map_err(|error| Failure::BadInput(error.to_string()))?;
    let Playback { acts, steps, differing, lost, identical: _ } = &played;
    let shown = |act: &&Act| !only_differences || !act.differences.is_empty();
    let acts: Vec<&Act> = acts.iter().filter(shown).collect();
    printer.print(&Played { steps: *steps, differing: *differing, lost: *lost, acts: acts.clone() }, |printer| {
        acts.iter().flat_map(|act| lines(act, printer)).map(|line| line + "\n").collect()
    })?;
    if *lost > 0 {
        remark(format_args!("{lost} steps are missing in the record"));
    }
    if *differing > 0 {
        let first = played.acts.iter().find(|act| !act.differences.is_empty());
        let place = first.map(|act| act.place.as_str()).unwrap_or_default();
        return Err(Failure::Failed(format!(
            "this build decides otherwise after {differing} of {steps} steps, first at {place}; what was told after \
             that followed from the recorded decisions"
        )));
    }
    Ok(())
}

/// A line for what was told, and one for each decision below it; none where nothing is to be said.
fn lines(act: &Act, printer: Printer) -> Vec<String> {
    let Act { time, place, told, decided, differences } = act;
    if told.is_empty() && decided.is_empty() && differences.is_empty() {
        return Vec::new();
    }
    let told = if told.is_empty() { "nothing that is shown here".to_owned() } else { told.join("; ") };
    let mut lines = vec![format!("{}  {told}", time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))];
    lines.extend(decided.iter().map(|line| format!("    {line}")));
    let mark = printer.mark(false, "differs:");
    lines.extend(differences.iter().map(|line| format!("    {mark} {line} ({place})")));
    lines
}

#[expect(clippy::disallowed_methods, reason = "any time will do for the first input; an instant can only be had so")]
fn start() -> Instant {
    Instant::now()
}
