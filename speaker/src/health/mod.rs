//! Which nodes are dead, and not only their speakers: for `--fail-endpoints`.
//!
//! That a member is gone from gossip says that its speaker is. Whether its machine is, a connection to one of its ports
//! tells: a living kernel accepts or refuses it at once, whoever listens. Silence means something only from a node that
//! has answered while it was a member; elsewhere a firewall may swallow the question.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ferrolb_gossip::{NodeName, View};

/// A member is tried so often, so that it is known whether it answers.
const CHECK_MEMBER: Duration = Duration::from_secs(60);
/// A node that is gone is tried so often.
const CHECK_GONE: Duration = Duration::from_secs(5);
/// For so long a node that is gone counts as dead while it is silent; by then Kubernetes has noticed by itself.
const FORGET: Duration = Duration::from_secs(60);
/// Nodes that are tried at a time; each takes up to three sockets.
const AT_A_TIME: usize = 16;

/// What a connection told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The kernel accepted or refused: the machine lives.
    Answer,
    /// Nothing came in time, or the neighbours say that nobody is there.
    Silence,
    /// It could not be tried from here.
    Nothing,
}

/// A node that is held for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dead {
    /// Since when.
    pub since: Instant,
    /// When it was last silent.
    pub checked: Instant,
}

/// Keeps the nodes in mind and says whom to try. It has no clock and no socket.
#[derive(Debug, Default)]
pub struct Health {
    nodes: BTreeMap<NodeName, Node>,
    under_way: usize,
}

#[derive(Debug)]
struct Node {
    ip: IpAddr,
    /// Whether it has answered when it was last tried as a member.
    answers: bool,
    /// Since when it is no member.
    gone: Option<Instant>,
    dead: Option<Dead>,
    /// When to try it next; `None`: it is being tried.
    next: Option<Instant>,
    /// Rises when the node goes or comes: what was heard of it before does not count.
    turn: u32,
}

/// A node to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its name.
    pub node: NodeName,
    /// Where it gossips, or did.
    pub ip: IpAddr,
    turn: u32,
}

// === impl Health ===

impl Health {
    /// Takes over who is alive to gossip.
    pub fn view(&mut self, now: Instant, view: &View) {
        for (name, identity) in view.members.iter().filter(|(name, _)| **name != view.me.name) {
            let ip = identity.addr.ip();
            match self.nodes.get_mut(name) {
                Some(node) if node.gone.is_none() && node.ip == ip => {}
                known => {
                    let turn = known.map_or(0, |node| node.turn.wrapping_add(1));
                    let node = Node { ip, answers: false, gone: None, dead: None, next: Some(now), turn };
                    self.nodes.insert(name.clone(), node);
                }
            }
        }
        let left =
            self.nodes.iter_mut().filter(|(name, node)| node.gone.is_none() && !view.members.contains_key(*name));
        for (_, node) in left {
            node.gone = Some(now);
            node.next = Some(now);
            node.turn = node.turn.wrapping_add(1);
        }
    }

    /// A node to try now: those that are gone first. What is heard is to be told by [`heard`](Self::heard).
    pub fn poll(&mut self, now: Instant) -> Option<Trial> {
        self.nodes.retain(|_, node| node.gone.is_none_or(|gone| now.duration_since(gone) < FORGET));
        if self.under_way >= AT_A_TIME {
            return None;
        }
        let due = self.nodes.iter_mut().filter(|(_, node)| node.next.is_some_and(|next| next <= now));
        let (name, node) = due.min_by_key(|(_, node)| node.gone.is_none())?;
        node.next = None;
        self.under_way += 1;
        Some(Trial { node: name.clone(), ip: node.ip, turn: node.turn })
    }

    /// Takes over what came of a trial.
    pub fn heard(&mut self, now: Instant, trial: &Trial, heard: Heard) {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(node) = self.nodes.get_mut(&trial.node).filter(|node| node.turn == trial.turn) else { return };
        if node.gone.is_none() {
            node.answers = heard == Heard::Answer;
            node.next = Some(now + CHECK_MEMBER);
            return;
        }
        node.next = Some(now + CHECK_GONE);
        match heard {
            Heard::Silence if node.answers => {
                let since = node.dead.map_or(now, |dead| dead.since);
                node.dead = Some(Dead { since, checked: now });
            }
            Heard::Silence | Heard::Nothing => {}
            Heard::Answer => node.dead = None,
        }
    }

    /// When there is something to do though nothing happens; `None`: then nothing.
    pub fn next_deadline(&self) -> Option<Instant> {
        let due = self.nodes.values().filter_map(|node| node.next);
        let due = due.filter(|_| self.under_way < AT_A_TIME);
        due.chain(self.nodes.values().filter_map(|node| Some(node.gone? + FORGET))).min()
    }

    /// The nodes that are held for dead.
    pub fn dead(&self) -> BTreeMap<NodeName, Dead> {
        self.nodes.iter().filter_map(|(name, node)| Some((name.clone(), node.dead?))).collect()
    }
}

#[cfg(test)]
mod tests;
