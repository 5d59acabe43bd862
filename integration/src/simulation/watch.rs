//! What must hold: checked at every change, and once the cluster had its time after a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::limits::{Limits, READY_ALONE, SKIP, STALL_TOLERANCE};
use super::process::HAND_OVER_WITHIN;
use super::world::Note;
use super::{Node, World};

/// Where links carry one way only, repair depends on who asks whom, and takes this many times as long.
const LOPSIDED: u32 = 3;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Virtual time since the start.
    pub at: Duration,
    /// Which rule.
    pub rule: Rule,
    /// By whom and how.
    pub what: String,
}

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// In a connected group at most one node answers for an address.
    AtMostOne,
    /// In a connected group somebody answers for an address that somebody there may announce.
    AtLeastOne,
    /// Only nodes that may announce an address answer for it, where there are any.
    OnlyEligible,
    /// An owner to which nothing happened goes on answering, and nobody else does: neither another nor a node that
    /// returns.
    NoMoveWithoutCause,
    /// No living node is declared down where nothing is lost.
    NoFalseDeath,
    /// Once everything is mended all nodes agree on members and claims.
    Agreement,
    /// While an address moves on purpose, somebody answers at every moment.
    MakeBeforeBreak,
    /// The cluster comes to rest at all.
    Rest,
}

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// It is to hand over: it leaves, or may not announce any more.
    Planned,
    /// It died, restarted, stalled, was cut off or was declared down.
    Broken,
}

/// Watches a [`World`].
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    lossless: bool,
    /// Who answered for each address when the cluster was last at rest; one node in each group.
    owners: BTreeMap<IpAddr, BTreeSet<Node>>,
    /// Nodes that have a cause to lose addresses, and until when what happened to them may show.
    touched: BTreeMap<Node, (Touch, Instant)>,
    /// Nodes that may no longer announce one of the addresses, likewise.
    touched_for: BTreeMap<(Node, IpAddr), Instant>,
    /// Addresses that somebody must answer for at every moment.
    bridged: BTreeSet<IpAddr>,
    /// When the cluster must be at rest.
    calm_at: Instant,
    /// Living nodes that were declared down by mistake.
    pub false_deaths: u32,
}

// === impl Watch ===

impl Watch {
    /// Begins to watch a world that has just begun.
    pub fn new(world: &World) -> Self {
        let mut watch = Self {
            limits: Limits::at(world.network.loss),
            lossless: world.network.loss <= 0.0,
            owners: BTreeMap::new(),
            touched: BTreeMap::new(),
            touched_for: BTreeMap::new(),
            bridged: BTreeSet::new(),
            calm_at: world.now(),
            false_deaths: 0,
        };
        watch.expect_rest(world, watch.limits.repair);
        watch
    }

    /// The limits in force.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// When the cluster must be at rest.
    pub const fn calm_at(&self) -> Instant {
        self.calm_at
    }

    /// Something is about to happen to a node.
    pub fn touch(&mut self, world: &World, node: Node, touch: Touch) {
        let first = self.touched.is_empty() && self.touched_for.is_empty();
        let addresses = world.answered_by(node);
        let touch = self.touched.get(&node).map_or(touch, |(known, _)| (*known).max(touch));
        self.touched.insert(node, (touch, world.now()));
        self.bridge(world, first && touch == Touch::Planned, node, &addresses);
        self.expect_detection(world);
        self.touched.insert(node, (touch, self.calm_at));
    }

    /// A node is about to lose the right to announce one address.
    pub fn touch_for(&mut self, world: &World, node: Node, addresses: &BTreeSet<IpAddr>) {
        let first = self.touched.is_empty() && self.touched_for.is_empty();
        self.touched_for.extend(addresses.iter().map(|address| ((node, *address), world.now())));
        self.bridge(world, first, node, addresses);
        self.expect_detection(world);
        self.touched_for.extend(addresses.iter().map(|address| ((node, *address), self.calm_at)));
    }

    /// Something returns: a node, a link, a label.
    pub fn returns(&mut self, world: &World) {
        self.bridged.clear();
        self.expect_rest(world, self.limits.repair);
    }

    /// A node is about to be told to leave: it answers on for a while where nobody takes over.
    pub fn leaves(&mut self, world: &World, node: Node) {
        self.expect_rest(world, HAND_OVER_WITHIN.saturating_add(self.limits.detection));
        self.touch(world, node, Touch::Planned);
    }

    /// A node is about to be stopped for a while; if that is short, nobody takes over and nobody answers.
    pub fn stopped(&mut self, world: &World, time: Duration) {
        self.bridged.clear();
        self.expect_rest(world, time.min(STALL_TOLERANCE).saturating_add(self.limits.detection));
    }

    /// Notes which addresses have to be handed over without a gap: those with another node that may announce them.
    fn bridge(&mut self, world: &World, planned: bool, node: Node, addresses: &BTreeSet<IpAddr>) {
        self.bridged.clear();
        if !planned {
            return;
        }
        let able = |other: &Node| {
            *other != node && world.network.is_whole() && world.view(*other).is_some_and(|view| view.ready)
        };
        let working = world.working();
        for (address, eligible) in world.estate.addresses() {
            let known = addresses.contains(&address) && world.answers(node, address);
            if known && eligible.intersection(&working).any(able) {
                self.bridged.insert(address);
            }
        }
    }

    fn expect_detection(&mut self, world: &World) {
        let nodes: BTreeSet<Node> =
            self.touched.keys().copied().chain(self.touched_for.keys().map(|(node, _)| *node)).collect();
        let others = u32::try_from(nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.expect_rest(world, self.limits.detection.saturating_add(SKIP.saturating_mul(others)));
    }

    fn expect_rest(&mut self, world: &World, within: Duration) {
        let within = if world.network.is_lopsided() { within.saturating_mul(LOPSIDED) } else { within };
        self.calm_at = self.calm_at.max(world.now().checked_add(within).unwrap_or(world.now()));
    }

    /// The cluster is at rest: takes down who owns what, and forgets what happened, unless it may still show.
    pub fn at_rest(&mut self, world: &World) {
        self.touched.retain(|_, (_, until)| *until > world.now());
        self.touched_for.retain(|_, until| *until > world.now());
        self.bridged.clear();
        self.owners = world.estate.addresses().map(|(address, _)| (address, world.answering(address))).collect();
    }

    /// Something changed.
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn observe(&mut self, world: &World, notes: &[Note]) -> Result<(), Violation> {
        for note in notes {
            match note {
                Note::Lost { by, lost } => self.lost(world, *by, *lost)?,
                Note::Ready(node) => self.readiness(world, *node),
                Note::Resumed(_) => self.returns(world),
                Note::View(_) | Note::Answers(_) | Note::Left(_) => {}
            }
        }
        self.touch_half_cut(world);
        self.steady(world)?;
        if world.now() >= self.calm_at { self.calm(world) } else { Ok(()) }
    }

    /// A node that hears from nobody waits longer until it claims.
    pub fn readiness(&mut self, world: &World, node: Node) {
        let working = world.working();
        let alone = world.network.groups(&working).iter().any(|group| group.len() == 1 && group.contains(&node));
        let ready = world.view(node).is_some_and(|view| view.ready);
        let wait = if alone && !ready { READY_ALONE } else { Duration::ZERO };
        self.expect_rest(world, wait.saturating_add(self.limits.detection));
    }

    /// A node that only hears the others, or is only heard, finds them and loses them again.
    fn touch_half_cut(&mut self, world: &World) {
        if world.network.is_whole() {
            return;
        }
        let running = world.running();
        let judged: BTreeSet<Node> = judged(world, &running).into_iter().flatten().collect();
        self.touched.extend(running.difference(&judged).map(|node| (*node, (Touch::Broken, self.calm_at))));
    }

    /// A living node was declared down: never without loss, and with loss a cause of moves.
    fn lost(&mut self, world: &World, by: Node, lost: Node) -> Result<(), Violation> {
        // A stopped process is alive as well: a stall that is tolerated must not cost it anything.
        let groups = world.network.groups(&world.processes());
        let together = groups.iter().any(|group| group.contains(&by) && group.contains(&lost));
        if !together || self.touched.contains_key(&by) || self.touched.contains_key(&lost) {
            return Ok(());
        }
        if self.lossless {
            return Err(violation(world, Rule::NoFalseDeath, format!("{by} took {lost} for dead")));
        }
        self.false_deaths = self.false_deaths.saturating_add(1);
        self.touch(world, lost, Touch::Broken);
        self.returns(world);
        Ok(())
    }

    /// Owners to which nothing happened stay, and planned moves leave no gap.
    fn steady(&self, world: &World) -> Result<(), Violation> {
        let groups = world.network.groups(&world.running());
        for (address, owners) in &self.owners {
            for owner in owners {
                if self.touched.contains_key(owner) || self.touched_for.contains_key(&(*owner, *address)) {
                    continue;
                }
                if !world.answers(*owner, *address) {
                    if world.running().contains(owner) {
                        let what = format!("{owner} stopped answering for {address}");
                        return Err(violation(world, Rule::NoMoveWithoutCause, what));
                    }
                    continue;
                }
                let Some(group) = groups.iter().find(|group| group.contains(owner)) else { continue };
                let other = world.answering(*address).into_iter().find(|node| node != owner && group.contains(node));
                if let Some(other) = other {
                    let what = format!("{other} answers for {address} beside {owner}");
                    return Err(violation(world, Rule::NoMoveWithoutCause, what));
                }
            }
        }
        for address in &self.bridged {
            if world.answering(*address).is_empty() {
                return Err(violation(world, Rule::MakeBeforeBreak, format!("nobody answers for {address}")));
            }
        }
        Ok(())
    }

    /// What holds when the cluster is at rest.
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn calm(&self, world: &World) -> Result<(), Violation> {
        let running = world.running();
        let working = world.working();
        for group in judged(world, &running) {
            for (address, eligible) in world.estate.addresses() {
                let answering: BTreeSet<Node> = world.answering(address).intersection(&group).copied().collect();
                let able: BTreeSet<Node> = eligible
                    .iter()
                    .copied()
                    .filter(|node| group.contains(node) && working.contains(node))
                    .filter(|node| world.view(*node).is_some_and(|view| view.ready))
                    .collect();
                check(world, address, &answering, &able)?;
            }
        }
        if world.network.is_whole() && world.processes() == working { agreement(world) } else { Ok(()) }
    }
}

/// The groups in which addresses must be answered for. Not those of a node that only hears the others, or is only heard:
/// whether it answers makes no difference to anybody.
fn judged(world: &World, running: &BTreeSet<Node>) -> Vec<BTreeSet<Node>> {
    let groups = world.network.groups(running);
    let largest = |group: &BTreeSet<Node>| groups.iter().all(|other| other == group || other.len() < group.len());
    let judged = |group: &&BTreeSet<Node>| largest(group) || world.network.is_clear_cut(group, running);
    groups.iter().filter(judged).cloned().collect()
}

fn check(world: &World, address: IpAddr, answering: &BTreeSet<Node>, able: &BTreeSet<Node>) -> Result<(), Violation> {
    if answering.len() > 1 {
        return Err(violation(world, Rule::AtMostOne, format!("{} answer for {address}", list(answering))));
    }
    if answering.is_empty() && !able.is_empty() {
        let what = format!("nobody answers for {address}; {} could", list(able));
        return Err(violation(world, Rule::AtLeastOne, what));
    }
    if !able.is_empty() && answering.intersection(able).next().is_none() {
        let what = format!("{} answers for {address}; {} should", list(answering), list(able));
        return Err(violation(world, Rule::OnlyEligible, what));
    }
    Ok(())
}

/// All nodes name the same members in the same lives, and the same owner of each address.
pub(super) fn agreement(world: &World) -> Result<(), Violation> {
    let views: BTreeMap<Node, _> =
        world.processes().into_iter().filter_map(|node| Some((node, world.view(node)?))).collect();
    let alive: BTreeMap<_, _> = views.values().map(|view| (view.me.name.clone(), view.me.clone())).collect();
    for (node, view) in &views {
        if view.members != alive {
            let what = format!("{node} sees {:?}, alive are {:?}", view.members.values(), alive.values());
            return Err(violation(world, Rule::Agreement, what));
        }
        if !view.ready {
            return Err(violation(world, Rule::Agreement, format!("{node} is not ready")));
        }
    }
    for (address, _) in world.estate.addresses() {
        let owners: BTreeSet<_> = views.values().map(|view| view.owner(address)).collect();
        if owners.len() > 1 {
            return Err(violation(world, Rule::Agreement, format!("{address} belongs to {owners:?}")));
        }
    }
    Ok(())
}

fn list(nodes: &BTreeSet<Node>) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn violation(world: &World, rule: Rule, what: String) -> Violation {
    Violation { at: world.elapsed(), rule, what }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:.4} s: {}", self.rule, self.at.as_secs_f64(), self.what)
    }
}
