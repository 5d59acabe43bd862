//! Faults at random, and after each: is everything as it should be, seen from outside?
//!
//! A seed decides what happens; the same seed does the same things to the same nodes, in the same order. After each fault
//! the run waits for rest, and then holds:
//!
//! - exactly one node answers for each address, on either side of a partition, and it is one that is alive, connected and
//!   not drained while others are;
//! - the client has got answers again within a bound, and a planned move lost no connection.
//!
//! It looks from outside only: by ARP and NDP, and by connections. What it harms is a [`Target`]. Where the kernel says that
//! a process of a target waited too long for a processor, connections may get lost: that is the machine's doing.

mod fault;
mod in_cluster;
mod in_lab;
mod model;
mod report;
mod starvation;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

pub use self::fault::Fault;
pub use self::in_cluster::ClusterTarget;
pub use self::in_lab::LabTarget;
pub use self::model::Vantage;
use self::model::{Model, Side};
use self::report::millis;
pub use self::report::{Outcome, Report};
pub use self::target::{Measurement, Target};
use crate::clock;
use crate::error::Error;

/// For how long connections must have succeeded before a fault, and after it.
const STEADY_BEFORE: Duration = Duration::from_millis(300);
const STEADY_AFTER: Duration = Duration::from_secs(1);
/// The bound of a hang: what is not at rest by then never will be.
const REST_DEADLINE: Duration = Duration::from_secs(30);
/// A speaker that gets no processor for that long may be taken for dead: as long as the usual profile of gossip tolerates.
const TOLERATED: Duration = Duration::from_millis(300);
/// Rest is what two looks in a row have seen.
const LOOKS: u32 = 2;

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// After so many faults.
    Faults(usize),
    /// After that time; the fault of that moment is seen through.
    Time(Duration),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Decides what happens.
    pub seed: u64,
    /// When it is over.
    pub limit: Limit,
    /// Kinds of faults ([`Fault::kind`]) that are left out. Default: none. Other faults are drawn in their place, so that a
    /// seed belongs to what is left out.
    pub without: BTreeSet<String>,
}

/// Who answered for each address.
type Answerers = BTreeMap<IpAddr, BTreeSet<String>>;

/// A run at work.
struct Run<'a, T> {
    target: &'a T,
    model: Model,
    addresses: Vec<IpAddr>,
    /// Of the first side, at the last rest.
    owners: Answerers,
}

/// Harms `target` until the plan's limit is reached or something does not hold; `tell` hears of every fault before it is
/// done, and of what came of it.
///
/// # Errors
/// When the target cannot be harmed or watched. What does not hold is no error: it is in the report.
pub fn run<T: Target>(
    target: &T,
    plan: &Plan,
    mut tell: impl FnMut(&str) -> Result<(), Error>,
) -> Result<Report, Error> {
    let Plan { seed, limit, ref without } = *plan;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut report = Report { seed, ..Report::default() };
    let addresses = target.addresses()?;
    let nodes = target.nodes();
    target.serve_from(&nodes)?;
    let mut run = Run { target, model: Model::new(nodes), addresses, owners: Answerers::new() };
    if let Err(violation) = run.wait_for_rest()? {
        report.violation = Some(format!("before any fault: {violation}"));
        return Ok(report);
    }
    let began = clock::now();
    loop {
        let number = report.outcomes.len();
        let over = match limit {
            Limit::Faults(count) => number >= count,
            Limit::Time(time) => began.elapsed() >= time,
        };
        if over {
            return Ok(report);
        }
        let fault = run.model.draw(&mut rng, without);
        tell(&format!("{:>4}  {fault}", number + 1))?;
        match run.step(&fault, number)? {
            Ok(outcome) => {
                tell(&line(&outcome))?;
                report.outcomes.push(outcome);
            }
            Err(violation) => {
                let text = format!("fault {} of seed {seed}, {fault}: {violation}\n{}", number + 1, target.evidence());
                report.violation = Some(text);
                return Ok(report);
            }
        }
    }
}

fn line(outcome: &Outcome) -> String {
    let pause = if outcome.pause > Duration::from_millis(100) {
        format!(", the client stalled for {}", millis(outcome.pause))
    } else {
        String::new()
    };
    let starved = if outcome.starved > TOLERATED {
        format!(", a process waited {} for a processor", millis(outcome.starved))
    } else {
        String::new()
    };
    let (gap, rest) = (millis(outcome.gap), millis(outcome.rest));
    let Outcome { lost, attempts, failures, owners: [before, after], .. } = outcome;
    let kinds = if *lost == 0 { String::new() } else { format!(" {failures:?}") };
    format!(
        "      gap {gap}, {lost} of {attempts} connections lost{kinds}, at rest after {rest}, {before} -> {after}{pause}{starved}"
    )
}

// === impl Run ===

impl<T: Target> Run<'_, T> {
    /// Does one fault and sees it through; the inner error is what did not hold.
    fn step(&mut self, fault: &Fault, number: usize) -> Result<Result<Outcome, String>, Error> {
        self.target.serve_from(&self.model.backends(fault))?;
        let address = self.watched(fault, number);
        let before = self.owner(&address);
        let measurement = self.target.measure(address)?;
        measurement.wait_until_steady(STEADY_BEFORE)?;
        let mut lossy = self.model.is_lossy();
        self.model.apply(fault);
        lossy |= self.model.is_lossy();
        let began = clock::now();
        self.target.inject(fault)?;
        if let Err(violation) = self.wait_for_rest()? {
            return Ok(Err(violation));
        }
        let rest = began.elapsed();
        if let Err(error) = measurement.wait_until_steady(STEADY_AFTER) {
            return Ok(Err(format!("{address}: {error}")));
        }
        let (seen, starved) = measurement.finish()?;
        let outcome = Outcome {
            fault: fault.clone(),
            gap: seen.longest_gap(),
            lost: seen.failures,
            failures: seen.failures_by_kind,
            attempts: seen.attempts,
            rest,
            pause: seen.longest_pause,
            starved,
            lossy,
            owners: [before, self.owner(&address)],
        };
        Ok(judge(&outcome, address).map_or(Ok(outcome), Err))
    }

    /// Who answered for it at the last rest.
    fn owner(&self, address: &IpAddr) -> String {
        self.owners.get(address).map(names).unwrap_or_default()
    }

    /// An address of the node that the fault hits, where it has one; else one after the other.
    fn watched(&self, fault: &Fault, number: usize) -> IpAddr {
        let hit = |address: &&IpAddr| {
            let owners = self.owners.get(*address);
            fault.node().is_some_and(|node| owners.is_some_and(|owners| owners.contains(node)))
        };
        let of_the_node: Vec<&IpAddr> = self.addresses.iter().filter(hit).collect();
        let all: Vec<&IpAddr> = self.addresses.iter().collect();
        let choice = if of_the_node.is_empty() { all } else { of_the_node };
        let place = number.checked_rem(choice.len()).unwrap_or_default();
        choice.get(place).map_or_else(|| IpAddr::from([0, 0, 0, 0]), |address| **address)
    }

    /// Waits until everybody answers who should and nobody else; the inner error is what was seen instead.
    fn wait_for_rest(&mut self) -> Result<Result<(), String>, Error> {
        let began = clock::now();
        let mut seen: Option<(Vec<Answerers>, u32)> = None;
        loop {
            let looked = self.look()?;
            let wrong = self.wrong(&looked);
            if let Some(wrong) = wrong {
                seen = None;
                if is_over(began) {
                    return Ok(Err(wrong));
                }
                continue;
            }
            let looks = seen.take().filter(|(before, _)| *before == looked).map_or(1, |(_, looks)| looks + 1);
            if looks >= LOOKS {
                self.owners = looked.into_iter().next().unwrap_or_default();
                return Ok(Ok(()));
            }
            if is_over(began) {
                return Ok(Err(format!("the owners change again and again: {looked:?}")));
            }
            seen = Some((looked, looks));
        }
    }

    /// Who answers on each side.
    fn look(&self) -> Result<Vec<Answerers>, Error> {
        let ask = |side: Side| self.target.answerers(side.vantage, &self.addresses);
        self.model.sides().into_iter().map(ask).collect()
    }

    /// What is not as it should be, of all addresses on all sides.
    fn wrong(&self, looked: &[Answerers]) -> Option<String> {
        let mut wrong = Vec::new();
        for (side, answerers) in self.model.sides().iter().zip(looked) {
            for (address, who) in answerers {
                let count = usize::from(!side.candidates.is_empty());
                if who.len() != count || !who.is_subset(&side.candidates) {
                    let (who, candidates) = (names(who), names(&side.candidates));
                    let from = side.vantage;
                    wrong.push(format!("{who} answers the {from} for {address}, one of {candidates} should"));
                }
            }
        }
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }
}

fn names(nodes: &BTreeSet<String>) -> String {
    if nodes.is_empty() { "nobody".to_owned() } else { nodes.iter().cloned().collect::<Vec<_>>().join(", ") }
}

fn is_over(began: Instant) -> bool {
    began.elapsed() > REST_DEADLINE
}

/// What does not hold of what clients saw.
fn judge(outcome: &Outcome, address: IpAddr) -> Option<String> {
    // Who does not run cannot see an answer: what the client itself missed is not the address's fault.
    let bound = outcome.fault.bound() + (outcome.pause + outcome.starved) * 2;
    let seen = format!("{address} was out of reach for {}", millis(outcome.gap));
    if !outcome.lossy && outcome.gap > bound {
        return Some(format!("{seen}, the bound is {}", millis(bound)));
    }
    let judged = !outcome.lossy && outcome.starved <= TOLERATED;
    if judged && outcome.fault.is_planned() && outcome.lost > 0 {
        let (lost, failures) = (outcome.lost, &outcome.failures);
        return Some(format!("a planned move lost {lost} connections ({failures:?}); {seen}"));
    }
    None
}

#[cfg(test)]
mod tests;
