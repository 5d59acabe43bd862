//! Which nodes are dead, by what speakers report and by the Leases of the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

/// A report counts for so long after it was written: speakers write again every 5 s while they hold a node for dead.
const FRESH: Duration = Duration::from_secs(15);
/// For so long nothing is decided after the beginning: who is renewing its Lease is not known before.
const LISTEN: Duration = Duration::from_secs(20);
/// A node is failed once in so long.
const REST: Duration = Duration::from_secs(300);
/// Kubelets renew their Lease four times in its duration; who has not for half of it is not well.
const LATE: u32 = 2;

/// What the API server tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A node's Lease is there, in a version that is another after every renewal.
    Lease {
        /// Name of the node.
        node: String,
        /// `resourceVersion`.
        version: String,
        /// How long others are to wait for a renewal; Kubernetes' default is 40 s.
        duration: Duration,
    },
    /// It is gone, and the node with it.
    LeaseGone(String),
    /// A speaker reports.
    Report {
        /// Name of its node.
        speaker: String,
        /// `resourceVersion`.
        version: String,
        /// The nodes that it holds for dead.
        unreachable: BTreeSet<String>,
    },
    /// A speaker and its report are gone.
    ReportGone(String),
}

/// What is decided about a node that most speakers hold for dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Name of the node.
    pub node: String,
    /// How many speakers hold it for dead.
    pub votes: usize,
    /// How many there are, that of the node included.
    pub speakers: usize,
    /// What keeps its endpoints from being failed; none: they are to fail.
    pub guard: Option<Guard>,
}

/// What keeps endpoints from being failed although most speakers hold the node for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// This controller has just begun.
    Starting,
    /// The node has renewed its Lease since it was reported.
    Lease,
    /// Its endpoints were failed a short while ago.
    Flapping,
    /// Too many nodes are not well.
    Share,
}

/// Keeps what was told. It has no clock and asks nobody.
#[derive(Debug)]
pub struct Jury {
    began: Instant,
    /// Percent of the nodes that may be unavailable, the one to fail included; one may always be.
    share: usize,
    nodes: BTreeMap<String, Node>,
    reports: BTreeMap<String, Report>,
    /// What was said last of nodes that most speakers hold for dead.
    said: BTreeMap<String, Option<Guard>>,
}

#[derive(Debug)]
struct Node {
    version: String,
    duration: Duration,
    /// When its Lease was seen to be renewed, or for the first time.
    renewed: Instant,
    /// When its endpoints were failed.
    failed: Option<Instant>,
}

#[derive(Debug)]
struct Report {
    version: String,
    /// When it was seen.
    written: Instant,
    /// Nodes that are held for dead, and when that was first seen.
    unreachable: BTreeMap<String, Instant>,
}

// === impl Jury ===

impl Jury {
    /// Begins to listen. `share`: percent of the nodes that may be unavailable, 1 to 100.
    pub fn new(now: Instant, share: u8) -> Self {
        let (nodes, reports, said) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { began: now, share: share.into(), nodes, reports, said }
    }

    /// Takes over what the API server tells. Twice the same is nothing new.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Lease { node, version, duration } => match self.nodes.get_mut(&node) {
                Some(known) if known.version == version => {}
                known => {
                    let failed = known.and_then(|known| known.failed);
                    self.nodes.insert(node, Node { version, duration, renewed: now, failed });
                }
            },
            Input::LeaseGone(node) => drop(self.nodes.remove(&node)),
            Input::Report { speaker, version, unreachable } => {
                let known = self.reports.get(&speaker);
                if known.is_some_and(|known| known.version == version) {
                    return;
                }
                let known = known.filter(|known| known.is_fresh(now));
                let since = |node: &String| known.and_then(|known| known.unreachable.get(node)).copied().unwrap_or(now);
                let seen = |node: String| {
                    let since = since(&node);
                    (node, since)
                };
                let unreachable = unreachable.into_iter().map(seen).collect();
                self.reports.insert(speaker, Report { version, written: now, unreachable });
            }
            Input::ReportGone(speaker) => drop(self.reports.remove(&speaker)),
        }
    }

    /// What is new about nodes that most speakers hold for dead. The caller acts on it, and so is to be in charge.
    pub fn verdicts(&mut self, now: Instant) -> Vec<Verdict> {
        let speakers = self.reports.keys().filter(|speaker| self.nodes.contains_key(*speaker)).count();
        let mut accused: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
        for (speaker, report) in self.reports.iter().filter(|(_, report)| report.is_fresh(now)) {
            let others = report.unreachable.iter().filter(|(node, _)| *node != speaker);
            // A node without a Lease does not exist (any more): nobody speaks for it, and nothing is known about it.
            for (node, since) in others.filter(|_| self.nodes.contains_key(speaker)) {
                accused.entry(node.clone()).or_default().push(*since);
            }
        }
        // More than half of all, also those that may be dead: of the parts of a cluster that is split at most one has so many.
        accused.retain(|node, votes| votes.len() * 2 > speakers && self.nodes.contains_key(node));
        self.said.retain(|node, _| accused.contains_key(node));
        let mut verdicts = Vec::new();
        for (node, votes) in accused {
            let guard = self.guard(now, &node, votes.iter().min().copied().unwrap_or(now));
            if self.said.get(&node) == Some(&None) || self.said.insert(node.clone(), guard) == Some(guard) {
                continue;
            }
            if let Some(node) = self.nodes.get_mut(&node).filter(|_| guard.is_none()) {
                node.failed = Some(now);
            }
            verdicts.push(Verdict { node, votes: votes.len(), speakers, guard });
        }
        verdicts
    }

    /// What speaks against failing a node that is held for dead since then.
    fn guard(&self, now: Instant, name: &str, since: Instant) -> Option<Guard> {
        let node = self.nodes.get(name)?;
        let unwell = self.nodes.iter().filter(|(other, node)| *other != name && node.is_unwell(now)).count();
        let most = (self.nodes.len() * self.share / 100).max(1);
        if now.duration_since(self.began) < LISTEN {
            Some(Guard::Starting)
        } else if node.renewed > since {
            Some(Guard::Lease)
        } else if node.failed.is_some_and(|failed| now.duration_since(failed) < REST) {
            Some(Guard::Flapping)
        } else {
            (unwell >= most).then_some(Guard::Share)
        }
    }
}

// === impl Node ===

impl Node {
    /// Whether it does not renew its Lease, or has not since its endpoints were failed.
    fn is_unwell(&self, now: Instant) -> bool {
        now.duration_since(self.renewed) > self.duration / LATE || self.failed.is_some_and(|at| self.renewed <= at)
    }
}

// === impl Report ===

impl Report {
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.written) < FRESH
    }
}

// === impl Guard ===

impl Guard {
    /// A word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Lease => "lease",
            Self::Flapping => "flapping",
            Self::Share => "share",
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "this controller has just begun",
            Self::Lease => "its kubelet has renewed the node's Lease since",
            Self::Flapping => "they were failed less than five minutes ago",
            Self::Share => "too many other nodes are unavailable (nodeFailure.maxUnavailable)",
        })
    }
}

#[cfg(test)]
mod tests;
