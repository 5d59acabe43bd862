//! Adj-RIB-Out of all peers, by update groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use bytes::BytesMut;

use super::export::Export;
use super::transition::{Kind, Transition};
use super::{Advertised, PeerId, Route, RouteSet, Session, Summary};
use crate::wire::{Attributes, Family, PerFamily};

/// What all peers are told.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// What a peer has been told whose session has just come up: the same for all, so that they begin together.
    nothing: Arc<RouteSet>,
    peers: BTreeMap<PeerId, Member>,
    groups: BTreeMap<u64, Group>,
    /// Sets in use, so that equal ones are kept once.
    sets: Vec<Weak<RouteSet>>,
    /// Of groups and transitions.
    numbers: u64,
}

/// A peer.
#[derive(Debug)]
struct Member {
    /// What the policy gave.
    given: Arc<RouteSet>,
    graceful_shutdown: bool,
    /// What it shall be told.
    target: Arc<RouteSet>,
    up: Option<Up>,
    /// UPDATEs that were written, in all sessions.
    updates: u64,
}

/// A peer whose session is up.
#[derive(Debug)]
struct Up {
    group: u64,
    /// What it has been told; during a transition, before that.
    told: Arc<RouteSet>,
    /// The transition it goes through.
    under_way: Option<u64>,
    /// Families whose first table is not complete.
    owed: PerFamily<bool>,
    /// Families that it asked for again.
    asked: PerFamily<bool>,
    sent: PerFamily<usize>,
}

/// Peers that are told in the same way.
#[derive(Debug)]
struct Group {
    export: Export,
    members: BTreeSet<PeerId>,
    transitions: BTreeMap<u64, Transition>,
}

// === impl Outbound ===

impl Outbound {
    pub(super) fn add(&mut self, peer: PeerId, graceful_shutdown: bool) {
        let (given, target) = (Arc::clone(&self.nothing), Arc::clone(&self.nothing));
        self.peers.insert(peer, Member { given, graceful_shutdown, target, up: None, updates: 0 });
    }

    pub(super) fn remove(&mut self, peer: PeerId) {
        self.down(peer);
        self.peers.remove(&peer);
    }

    pub(super) fn set_routes(&mut self, peer: PeerId, routes: Arc<RouteSet>) {
        let routes = self.intern(routes);
        if let Some(member) = self.peers.get_mut(&peer) {
            member.given = routes;
            self.retarget(peer);
        }
    }

    pub(super) fn set_graceful_shutdown(&mut self, peer: PeerId, graceful_shutdown: bool) {
        if let Some(member) = self.peers.get_mut(&peer)
            && member.graceful_shutdown != graceful_shutdown
        {
            member.graceful_shutdown = graceful_shutdown;
            self.retarget(peer);
        }
    }

    pub(super) fn established(&mut self, peer: PeerId, session: &Session) {
        self.down(peer);
        let Some(member) = self.peers.get_mut(&peer) else { return };
        let export = Export::new(session);
        let owed = export.parameters.families;
        let known = self.groups.iter().find(|(_, group)| group.export == export).map(|(number, _)| *number);
        let number = known.unwrap_or_else(|| {
            self.numbers = self.numbers.wrapping_add(1);
            self.numbers
        });
        let group = self.groups.entry(number).or_insert_with(|| Group {
            export,
            members: BTreeSet::new(),
            transitions: BTreeMap::new(),
        });
        group.members.insert(peer);
        member.up = Some(Up {
            group: number,
            told: Arc::clone(&self.nothing),
            under_way: None,
            owed,
            asked: PerFamily::default(),
            sent: PerFamily::default(),
        });
    }

    pub(super) fn down(&mut self, peer: PeerId) {
        let Some(up) = self.peers.get_mut(&peer).and_then(|member| member.up.take()) else { return };
        let Some(group) = self.groups.get_mut(&up.group) else { return };
        group.members.remove(&peer);
        group.leave(peer, up.under_way);
        if group.members.is_empty() {
            self.groups.remove(&up.group);
        }
    }

    pub(super) fn refresh(&mut self, peer: PeerId, family: Family) {
        let Some(up) = self.peers.get_mut(&peer).and_then(|member| member.up.as_mut()) else { return };
        if self.groups.get(&up.group).is_some_and(|group| group.export.carries(family)) {
            *up.asked.get_mut(family) = true;
        }
    }

    pub(super) fn pending(&self, peer: PeerId) -> bool {
        let Some(member) = self.peers.get(&peer) else { return false };
        member.up.as_ref().is_some_and(|up| up.under_way.is_some() || up.wants(&member.target).is_some())
    }

    pub(super) fn pull(&mut self, peer: PeerId, out: &mut BytesMut, at_most: usize) -> bool {
        let begin = out.len();
        while let Some(number) = self.under_way(peer) {
            let Some(member) = self.peers.get_mut(&peer) else { return false };
            let Some(up) = member.up.as_mut() else { return false };
            let Some(group) = self.groups.get_mut(&up.group) else { return false };
            let Some(transition) = group.transitions.get_mut(&number) else { return false };
            let progress = transition.pull(peer, &group.export, out, begin, at_most);
            member.updates = member.updates.saturating_add(progress.updates);
            for family in Family::ALL {
                let sent = up.sent.get_mut(family);
                *sent = sent.saturating_add(*progress.more.get(family)).saturating_sub(*progress.fewer.get(family));
            }
            if !progress.finished {
                return true;
            }
            match transition.kind {
                Kind::Sync(_) => {
                    up.told = Arc::clone(&transition.next);
                    up.owed = PerFamily::default();
                }
                Kind::Refresh(_) => {}
            }
            up.under_way = None;
            group.leave(peer, Some(number));
        }
        false
    }

    pub(super) fn summarize(&self, peer: PeerId, summary: &mut Summary) {
        let Some(member) = self.peers.get(&peer) else { return };
        summary.desired = PerFamily::from_fn(|family| member.target.count(family));
        summary.updates_sent = member.updates;
        let Some(up) = &member.up else { return };
        let Some(Group { export, .. }) = self.groups.get(&up.group) else { return };
        summary.sent = up.sent;
        summary.pending = self.pending(peer);
        // The routes of both families are in one list; which prefixes name one is not worth a look where all can be told.
        summary.unsent = PerFamily::from_fn(|family| {
            let refused = |route: &Arc<Route>| export.tells(route, family).err();
            if member.target.count(family) == 0 || member.target.routes().iter().all(|route| refused(route).is_none()) {
                return None;
            }
            (0..member.target.count(family))
                .filter_map(|place| member.target.at(family, place).and_then(|(_, number)| member.target.route(number)))
                .find_map(refused)
        });
    }

    /// What a peer knows, as it was told.
    pub(super) fn advertised(&self, peer: PeerId) -> Vec<Advertised> {
        let Some(up) = self.peers.get(&peer).and_then(|member| member.up.as_ref()) else { return Vec::new() };
        let Some(group) = self.groups.get(&up.group) else { return Vec::new() };
        let transition = up.under_way.and_then(|number| group.transitions.get(&number));
        let told = match transition {
            Some(transition) if matches!(transition.kind, Kind::Sync(_)) => transition.told(peer),
            _ => Arc::clone(&up.told),
        };
        let mut made = BTreeMap::<(Family, *const Route), Option<Arc<Attributes>>>::new();
        let mut advertised = Vec::new();
        for (prefix, route) in told.iter() {
            let family = Family::of(&prefix);
            let attributes = made.entry((family, Arc::as_ptr(route))).or_insert_with(|| {
                group.export.tells(route, family).ok()?;
                group.export.attributes(route, family).ok().map(Arc::new)
            });
            if let Some(attributes) = attributes {
                let (path_id, attributes) = (group.export.path_id(family), Arc::clone(attributes));
                advertised.push(Advertised { prefix, path_id, attributes });
            }
        }
        advertised
    }

    /// The transition that a peer goes through; begins the next one where it is between two.
    fn under_way(&mut self, peer: PeerId) -> Option<u64> {
        let member = self.peers.get(&peer)?;
        let up = member.up.as_ref()?;
        if up.under_way.is_some() {
            return up.under_way;
        }
        let (group_number, target, told) = (up.group, Arc::clone(&member.target), Arc::clone(&up.told));
        let kind = up.wants(&target)?;
        let group = self.groups.get_mut(&group_number)?;
        let same = |transition: &Transition| {
            transition.kind == kind && Arc::ptr_eq(&transition.base, &told) && Arc::ptr_eq(&transition.next, &target)
        };
        let known = group.transitions.iter().find(|(_, transition)| same(transition)).map(|(number, _)| *number);
        if let Some(number) = known {
            self.join(peer, number, kind);
            return Some(number);
        }
        let transition = Transition::new(Arc::clone(&told), Arc::clone(&target), kind, &group.export);
        self.numbers = self.numbers.wrapping_add(1);
        let number = self.numbers;
        group.transitions.insert(number, transition);
        // Others that stand where this one stands go the same way, so that it is encoded once.
        let others = group.members.clone();
        for other in others {
            let Some(member) = self.peers.get(&other) else { continue };
            let Some(up) = &member.up else { continue };
            let alike = up.under_way.is_none() && Arc::ptr_eq(&up.told, &told) && Arc::ptr_eq(&member.target, &target);
            if other == peer || alike && up.wants(&member.target) == Some(kind) {
                self.join(other, number, kind);
            }
        }
        Some(number)
    }

    fn join(&mut self, peer: PeerId, number: u64, kind: Kind) {
        let Some(up) = self.peers.get_mut(&peer).and_then(|member| member.up.as_mut()) else { return };
        let Some(group) = self.groups.get_mut(&up.group) else { return };
        let Some(transition) = group.transitions.get_mut(&number) else { return };
        transition.join(peer);
        up.under_way = Some(number);
        if let Kind::Refresh(family) = kind {
            *up.asked.get_mut(family) = false;
        }
    }

    /// Finds out what a peer shall be told, after something that it depends on has changed.
    fn retarget(&mut self, peer: PeerId) {
        let Some(member) = self.peers.get(&peer) else { return };
        let target = if member.graceful_shutdown {
            let target = Arc::new(member.given.graceful_shutdown());
            self.intern(target)
        } else {
            Arc::clone(&member.given)
        };
        let Some(member) = self.peers.get_mut(&peer) else { return };
        if Arc::ptr_eq(&member.target, &target) {
            return;
        }
        member.target = target;
        // What is under way leads elsewhere now. What the peer asked for again is still told to the end: it may have dropped
        // everything that it is not told once more.
        let Some(up) = member.up.as_mut() else { return };
        let Some(group) = self.groups.get_mut(&up.group) else { return };
        let Some(transition) = up.under_way.and_then(|number| group.transitions.get_mut(&number)) else { return };
        if matches!(transition.kind, Kind::Refresh(_)) {
            return;
        }
        let (told, ended) = transition.leaves(peer);
        for family in Family::ALL {
            if *ended.get(family) {
                *up.owed.get_mut(family) = false;
            }
        }
        let number = up.under_way.take();
        group.leave(peer, number);
        // Peers that were at the same place stay together.
        up.told = told;
    }

    /// Groups, sets in use, and transitions under way.
    #[cfg(test)]
    pub(super) fn usage(&self) -> (usize, usize, usize) {
        let sets = self.sets.iter().filter(|set| set.strong_count() > 0).count();
        (self.groups.len(), sets, self.groups.values().map(|group| group.transitions.len()).sum())
    }

    /// The set in use that is equal to this one, or this one from now on.
    fn intern(&mut self, routes: Arc<RouteSet>) -> Arc<RouteSet> {
        if routes.is_empty() {
            return Arc::clone(&self.nothing);
        }
        self.sets.retain(|set| set.strong_count() > 0);
        if let Some(known) = self.sets.iter().filter_map(Weak::upgrade).find(|known| *known == routes) {
            return known;
        }
        self.sets.push(Arc::downgrade(&routes));
        routes
    }
}

// === impl Up ===

impl Up {
    /// What is to be told next when nothing is under way: news before what is known already.
    fn wants(&self, target: &Arc<RouteSet>) -> Option<Kind> {
        if !Arc::ptr_eq(&self.told, target) || self.owed != PerFamily::default() {
            return Some(Kind::Sync(self.owed));
        }
        Family::ALL.into_iter().find(|family| *self.asked.get(*family)).map(Kind::Refresh)
    }
}

// === impl Group ===

impl Group {
    fn leave(&mut self, peer: PeerId, transition: Option<u64>) {
        let Some(number) = transition else { return };
        let Some(transition) = self.transitions.get_mut(&number) else { return };
        transition.leave(peer);
        if transition.is_empty() {
            self.transitions.remove(&number);
        }
    }
}
