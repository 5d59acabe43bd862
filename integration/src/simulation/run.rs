//! One run: a random cluster, random faults, and the watch over them. All of it follows from the seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::fault::{Fault, ms};
use super::limits::STALL_TOLERANCE;
use super::log::{Line, Log};
use super::watch::{Rule, Touch, Violation, Watch};
use super::{Estate, Node, World};

/// The end of a cluster that does not come to rest.
const RESTLESS: Duration = Duration::from_secs(120);

/// A cluster that has been at rest for so long stays so.
const CALM_ENOUGH: Duration = Duration::from_millis(300);

/// How often it is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What became of a run.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The cluster in a few words.
    pub cluster: String,
    /// The faults that were done, in order, those that mend included.
    pub faults: Vec<Fault>,
    /// Living nodes that were declared down by mistake; always 0 without loss.
    pub false_deaths: u32,
    /// Virtual time that passed.
    pub time: Duration,
    /// The rule that was broken.
    pub violation: Option<Violation>,
    /// What happened, if it was to be kept.
    pub log: Vec<Line>,
}

struct Run {
    world: World,
    watch: Watch,
    agenda: BTreeMap<(Instant, u32), Fault>,
    planned: u32,
    /// When the last stopped process goes on.
    stopped_until: Instant,
    faults: Vec<Fault>,
}

/// Runs a seed; `log`: whether what happens is kept.
pub fn run(seed: u64, log: bool) -> Report {
    let mut world = World::new(seed, Log::new(log), |rng| {
        let nodes = rng.random_range(2..=9);
        let services = rng.random_range(1..=8);
        Estate::random(rng, nodes, services)
    });
    world.network.loss = match world.rng().random_range(0..10_u32) {
        0..6 => 0.0,
        6 => 0.01,
        7..9 => 0.05,
        _ => 0.2,
    };
    let cluster = format!(
        "{} nodes, {} addresses, {} % loss",
        world.estate.nodes().len(),
        world.estate.addresses().count(),
        world.network.loss * 100.0
    );
    world.say(|| cluster.clone());
    let watch = Watch::new(&world);
    let stopped_until = world.now();
    let mut run = Run { world, watch, agenda: BTreeMap::new(), planned: 0, stopped_until, faults: Vec::new() };
    let violation = run.play().err();
    Report {
        seed,
        cluster,
        faults: run.faults,
        false_deaths: run.watch.false_deaths,
        time: run.world.elapsed(),
        violation,
        log: run.world.log.lines().to_vec(),
    }
}

// === impl Run ===

impl Run {
    fn play(&mut self) -> Result<(), Violation> {
        for node in self.world.estate.nodes().clone() {
            let delay = ms(self.world.rng(), 0..200);
            self.plan(delay, Fault::Start(node));
        }
        self.rest()?;
        for _ in 0..self.world.rng().random_range(2..=3_u32) {
            self.trouble()?;
            self.mend()?;
        }
        Ok(())
    }

    /// One fault, or two close together.
    fn trouble(&mut self) -> Result<(), Violation> {
        if let Some(fault) = Fault::draw(&mut self.world) {
            self.do_it(fault)?;
        }
        if self.world.rng().random_bool(0.4) {
            let rng = self.world.rng();
            let gap = match rng.random_range(0..3_u32) {
                0 => ms(rng, 0..2),
                1 => ms(rng, 0..100),
                _ => ms(rng, 200..1_000),
            };
            let later = self.after(gap);
            self.advance(later)?;
            if let Some(fault) = Fault::draw(&mut self.world) {
                self.do_it(fault)?;
            }
        }
        self.rest()
    }

    /// Most of what is broken becomes whole, in any order; the network always does.
    fn mend(&mut self) -> Result<(), Violation> {
        if !self.world.network.is_whole() {
            let delay = ms(self.world.rng(), 0..300);
            self.plan(delay, Fault::Heal);
        }
        let processes = self.world.processes();
        for node in self.world.estate.nodes().clone() {
            let delay = ms(self.world.rng(), 0..300);
            if !processes.contains(&node) && self.world.rng().random_bool(0.8) {
                self.plan(delay, Fault::Start(node));
            }
            if self.world.estate.excluded().contains(&node) && self.world.rng().random_bool(0.7) {
                self.plan(delay, Fault::Exclude(node, false));
            }
            if self.world.rng().random_bool(0.2) {
                self.plan(delay, Fault::Endpoints(node, true));
            }
        }
        self.rest()
    }

    fn plan(&mut self, after: Duration, fault: Fault) {
        self.planned = self.planned.saturating_add(1);
        let at = self.after(after);
        self.agenda.insert((at, self.planned), fault);
    }

    fn after(&self, time: Duration) -> Instant {
        self.world.now().checked_add(time).unwrap_or(self.world.now())
    }

    /// Does it and tells the watch what to make of it.
    fn do_it(&mut self, fault: Fault) -> Result<(), Violation> {
        self.world.say(|| fault.to_string());
        match &fault {
            Fault::Crash(node) => {
                self.watch.touch(&self.world, *node, Touch::Broken);
                self.world.crash(*node);
            }
            Fault::Restart(node, down) => {
                self.watch.touch(&self.world, *node, Touch::Broken);
                self.world.crash(*node);
                self.plan(*down, Fault::Start(*node));
            }
            Fault::Start(node) => {
                self.watch.touch(&self.world, *node, Touch::Broken);
                self.watch.returns(&self.world);
                self.world.start_process(*node, 0);
                self.watch.readiness(&self.world, *node);
            }
            Fault::Pause(node, time) => {
                // A refutation that has to make a detour may come too late.
                if *time >= STALL_TOLERANCE || !self.world.network.is_whole() {
                    self.watch.touch(&self.world, *node, Touch::Broken);
                }
                self.world.pause(*node, *time);
                self.watch.stopped(&self.world, *time);
                self.stopped_until = self.stopped_until.max(self.after(*time));
            }
            Fault::Leave(node) => {
                self.watch.leaves(&self.world, *node);
                self.world.leave(*node);
            }
            Fault::Split(apart) => {
                self.watch.returns(&self.world);
                self.world.network.split(apart);
            }
            Fault::OneWay(from, to) => {
                self.watch.returns(&self.world);
                self.world.network.cut(*from, *to);
            }
            Fault::Mute(node) => self.silence(*node, |world, node, other| world.network.cut(node, other)),
            Fault::Deaf(node) => self.silence(*node, |world, node, other| world.network.cut(other, node)),
            Fault::Heal => {
                if !self.world.network.is_whole() {
                    // Both sides may own what was one's.
                    for node in self.world.processes() {
                        self.watch.touch(&self.world, node, Touch::Broken);
                    }
                    self.watch.returns(&self.world);
                    self.world.network.heal();
                }
            }
            Fault::Exclude(node, excluded) => {
                if *excluded {
                    self.watch.touch(&self.world, *node, Touch::Planned);
                } else {
                    self.watch.returns(&self.world);
                }
                self.world.estate.exclude(*node, *excluded);
                self.world.publish();
            }
            Fault::Endpoints(node, present) => {
                let concerned = self.world.estate.endpoints(*node, *present);
                if *present {
                    self.watch.returns(&self.world);
                } else {
                    self.watch.touch_for(&self.world, *node, &concerned);
                }
                self.world.publish();
            }
        }
        self.faults.push(fault);
        let notes = self.world.notes();
        self.watch.observe(&self.world, &notes)
    }

    /// Cuts one direction between `node` and everybody else.
    fn silence(&mut self, node: Node, cut: impl Fn(&mut World, Node, Node)) {
        self.watch.touch(&self.world, node, Touch::Broken);
        for other in self.world.estate.nodes().clone().into_iter().filter(|other| *other != node) {
            cut(&mut self.world, node, other);
        }
    }

    /// Lets time pass until the cluster is at rest, which must come in time; every third time until it must be.
    fn rest(&mut self) -> Result<(), Violation> {
        let end = self.after(RESTLESS);
        let to_the_end = self.world.rng().random_bool(0.3);
        let mut calm_since = None;
        loop {
            let busy_until = self.agenda.keys().next_back().map_or(self.stopped_until, |(at, _)| *at);
            let busy = busy_until.max(self.stopped_until) >= self.world.now();
            if !busy && self.watch.calm_at() <= self.world.now() {
                break;
            }
            let calm = !busy && !to_the_end && self.watch.calm(&self.world).is_ok();
            let since = *calm_since.get_or_insert(self.world.now());
            if !calm {
                calm_since = None;
            } else if self.world.now().saturating_duration_since(since) >= CALM_ENOUGH {
                break;
            }
            if self.world.now() > end {
                let what = "the cluster does not come to rest".to_owned();
                return Err(Violation { at: self.world.elapsed(), rule: Rule::Rest, what });
            }
            self.advance(self.after(LOOK_AGAIN))?;
        }
        self.watch.calm(&self.world)?;
        self.watch.at_rest(&self.world);
        let more = ms(self.world.rng(), 50..500);
        let later = self.after(more);
        self.advance(later)
    }

    /// Lets time pass, doing what is on the agenda.
    fn advance(&mut self, until: Instant) -> Result<(), Violation> {
        loop {
            let next = self.world.next().filter(|at| *at <= until);
            let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= until);
            let check = Some(self.watch.calm_at()).filter(|at| *at <= until && *at > self.world.now());
            let Some(first) = [next, agenda, check].into_iter().flatten().min() else { break };
            if agenda == Some(first) {
                self.world.wait_until(first);
                if let Some((_, fault)) = self.agenda.pop_first() {
                    self.do_it(fault)?;
                }
            } else if next == Some(first) {
                self.world.step();
                let notes = self.world.notes();
                if !notes.is_empty() {
                    self.watch.observe(&self.world, &notes)?;
                }
            } else {
                self.world.wait_until(first);
                self.watch.calm(&self.world)?;
            }
        }
        self.world.wait_until(until);
        Ok(())
    }
}
