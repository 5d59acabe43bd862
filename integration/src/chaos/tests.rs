//! The runner against a target that does as it is told, or not.

use parking_lot::Mutex;

use super::*;
use crate::probe::{Gap, ProbeReport};

/// Nodes of which the first able one answers for everything; `broken` ones answer whatever happens to them.
#[derive(Default)]
struct Puppet {
    broken: bool,
    /// Connections that every measurement loses.
    loses: u64,
    /// For how long one of its processes waits for a processor.
    starved: Duration,
    away: Mutex<BTreeSet<String>>,
    drained: Mutex<BTreeSet<String>>,
    beyond: Mutex<BTreeSet<String>>,
    did: Mutex<Vec<String>>,
}

struct Measured(u64, Duration);

impl Measurement for Measured {
    fn wait_until_steady(&self, _steady: Duration) -> Result<(), Error> {
        Ok(())
    }

    fn finish(self) -> Result<(ProbeReport, Duration), Error> {
        let (start, gap) = (Duration::ZERO, Duration::from_millis(5));
        let seen = ProbeReport {
            target: "10.10.52.0:80".parse().unwrap(),
            ran_for: gap,
            attempts: 100,
            successes: 100 - self.0,
            failures: self.0,
            failures_by_kind: BTreeMap::new(),
            failing: None,
            gap: Some(Gap { duration: gap, from: start, to: gap }),
            first_success: Some(start),
            last_success: Some(gap),
            longest_pause: start,
            backends: BTreeMap::new(),
        };
        Ok((seen, self.1))
    }
}

impl Target for Puppet {
    type Measurement = Measured;

    fn nodes(&self) -> Vec<String> {
        (1..=4).map(|number| format!("node-{number}")).collect()
    }

    fn addresses(&self) -> Result<Vec<IpAddr>, Error> {
        Ok(vec!["10.10.52.0".parse().unwrap(), "fd00::1".parse().unwrap()])
    }

    fn serve_from(&self, nodes: &[String]) -> Result<(), Error> {
        assert!(!nodes.is_empty());
        Ok(())
    }

    fn inject(&self, fault: &Fault) -> Result<(), Error> {
        self.did.lock().push(fault.to_string());
        if self.broken && matches!(fault, Fault::Pause(_)) {
            return Ok(());
        }
        if let Fault::Partition(_, theirs) = fault {
            self.beyond.lock().clone_from(theirs);
        } else if let Fault::Reunite = fault {
            self.beyond.lock().clear();
        } else if let Fault::Drain(node) = fault {
            self.drained.lock().insert(node.clone());
        } else if let Fault::Undrain(node) = fault {
            self.drained.lock().remove(node);
        } else if let Fault::Heal(node) = fault {
            self.away.lock().remove(node);
            self.drained.lock().remove(node);
        } else if let Fault::Kill(node)
        | Fault::Cut(node)
        | Fault::Unplug(node)
        | Fault::Pause(node)
        | Fault::Stop(node) = fault
        {
            self.away.lock().insert(node.clone());
        }
        Ok(())
    }

    fn answerers(&self, from: Vantage, addresses: &[IpAddr]) -> Result<Answerers, Error> {
        let (away, drained, beyond) = (self.away.lock(), self.drained.lock(), self.beyond.lock());
        let here = |node: &String| beyond.contains(node) == (from == Vantage::Gateway);
        let able: Vec<String> = self.nodes().into_iter().filter(|node| !away.contains(node) && here(node)).collect();
        let owner = able.iter().find(|node| !drained.contains(*node)).or(able.first());
        let owner: BTreeSet<String> = owner.cloned().into_iter().collect();
        Ok(addresses.iter().map(|address| (*address, owner.clone())).collect())
    }

    fn measure(&self, _address: IpAddr) -> Result<Measured, Error> {
        Ok(Measured(self.loses, self.starved))
    }

    fn evidence(&self) -> String {
        String::new()
    }
}

fn run_on(puppet: &Puppet, seed: u64, faults: usize) -> Report {
    let plan = Plan { seed, limit: Limit::Faults(faults), without: BTreeSet::new() };
    run(puppet, &plan, |_| Ok(())).unwrap()
}

#[test]
fn a_target_that_does_as_it_should_violates_nothing_and_a_seed_does_the_same_again() {
    let (first, second) = (Puppet::default(), Puppet::default());
    let report = run_on(&first, 3, 400);
    assert_eq!(report.violation, None);
    assert_eq!(report.outcomes.len(), 400);
    run_on(&second, 3, 400);
    assert_eq!(*first.did.lock(), *second.did.lock());
}

#[test]
fn what_is_left_out_does_not_happen() {
    let puppet = Puppet::default();
    let without = BTreeSet::from(["kill".to_owned(), "drain".to_owned()]);
    let report = run(&puppet, &Plan { seed: 1, limit: Limit::Faults(300), without }, |_| Ok(())).unwrap();
    let kinds: BTreeSet<&str> = report.outcomes.iter().map(|outcome| outcome.fault.kind()).collect();
    assert!(kinds.contains("pause") && !kinds.contains("kill") && !kinds.contains("undrain"), "{kinds:?}");
}

#[test]
fn a_planned_move_that_loses_connections_is_a_violation_and_an_unplanned_one_is_not() {
    let puppet = Puppet { loses: 1, ..Puppet::default() };
    let report = run_on(&puppet, 5, 100);
    let violation = report.violation.unwrap();
    assert!(violation.contains("a planned move lost 1 connections"), "{violation}");
    assert!(report.outcomes.iter().all(|outcome| outcome.lossy || !outcome.fault.is_planned()));
}

#[test]
fn what_is_lost_while_a_process_waited_for_a_processor_is_no_violation() {
    for (starved, is_one) in [(TOLERATED, true), (TOLERATED + Duration::from_millis(1), false)] {
        let puppet = Puppet { loses: 1, starved, ..Puppet::default() };
        assert_eq!(run_on(&puppet, 5, 100).violation.is_some(), is_one, "{starved:?}");
    }
}

#[test]
fn whoever_answers_and_should_not_is_named() {
    let puppet = Puppet::default();
    let mut run = Run {
        target: &puppet,
        model: Model::new(puppet.nodes()),
        addresses: puppet.addresses().unwrap(),
        owners: Answerers::new(),
    };
    assert_eq!(run.wait_for_rest().unwrap(), Ok(()));
    run.model.apply(&Fault::Pause("node-1".to_owned()));
    let wrong = run.wrong(&run.look().unwrap()).unwrap();
    assert!(wrong.starts_with("node-1 answers the client for 10.10.52.0, one of node-2, node-3, node-4"), "{wrong}");
    let both = BTreeSet::from(["node-2".to_owned(), "node-3".to_owned()]);
    let wrong = run.wrong(&[run.addresses.iter().map(|address| (*address, both.clone())).collect()]).unwrap();
    assert!(wrong.contains("node-2, node-3 answers"), "two are one too many: {wrong}");
}
