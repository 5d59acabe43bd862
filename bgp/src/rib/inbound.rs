//! What all peers tell, and the best path to each prefix among it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::choice::{self, Candidate};
use super::distribution::{self, End};
use super::table::{Limit, Path, Table};
use super::{
    Best, Import, Keep, Learned, Output, PeerId, Policy, Received, Session, Summary, TooManyPrefixes, Withheld, import,
};
use crate::wire::{Announced, Attributes, Family, PerFamily, Update};

/// What all peers tell.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    tables: BTreeMap<PeerId, Table>,
    best: BTreeMap<IpNet, Best>,
    attributes: Interned,
    /// Prefixes with another best path.
    changed: BTreeSet<IpNet>,
    /// Stale routes that went, by whose they were.
    swept: BTreeMap<(PeerId, Family), usize>,
}

/// Attributes in use, so that equal ones are kept once; looked through when it has grown to twice what was in use.
#[derive(Debug, Default)]
struct Interned {
    known: HashSet<Arc<Attributes>, foldhash::fast::RandomState>,
    sweep_at: usize,
}

// === impl Inbound ===

impl Inbound {
    pub(super) fn add(&mut self, peer: PeerId, policy: Policy) {
        self.tables.insert(peer, Table::new(policy));
    }

    pub(super) fn remove(&mut self, peer: PeerId) {
        let Some(table) = self.tables.remove(&peer) else { return };
        let prefixes = table.paths().map(|((prefix, _), _)| *prefix).collect();
        self.choose(prefixes);
    }

    /// Returns whether the peer is to be asked for its routes.
    pub(super) fn set_policy(&mut self, peer: PeerId, policy: Policy) -> bool {
        let Some(table) = self.tables.get_mut(&peer) else { return false };
        let opens = table.policy.import == Import::Nothing && policy.import == Import::Everything;
        let (gone, asks) = (table.set_policy(policy), opens && table.up);
        self.choose(gone);
        asks
    }

    pub(super) fn established(&mut self, now: Instant, peer: PeerId, session: Session) {
        let Some(table) = self.tables.get_mut(&peer) else { return };
        let gone = table.established(now, Arc::new(session));
        self.choose(gone);
    }

    pub(super) fn down(&mut self, now: Instant, peer: PeerId, keep: PerFamily<Keep>) {
        let Some(table) = self.tables.get_mut(&peer) else { return };
        let gone = table.down(now, keep);
        self.choose(gone);
    }

    /// Takes what an UPDATE says.
    pub(super) fn receive(&mut self, peer: PeerId, update: &Update<'_>) -> Result<Received, TooManyPrefixes> {
        let mut received = Received::default();
        let Some(table) = self.tables.get_mut(&peer).filter(|table| table.up) else { return Ok(received) };
        let Some(session) = table.session.clone() else { return Ok(received) };
        table.updates = table.updates.saturating_add(1);
        if let Some(family) = update.end_of_rib() {
            received.end_of_rib = Some(family);
            self.complete(peer, family);
            return Ok(received);
        }
        let mut touched = Vec::new();
        for key in update.withdrawn() {
            received.withdrawn = received.withdrawn.saturating_add(1);
            if table.withdraw(&key) {
                touched.push(key.0);
            }
        }
        if received.withdrawn > 0 {
            // Fewer cannot be too many, but whether more will be a warning again is known from here.
            for family in Family::ALL {
                table.limit(family);
            }
        }
        let mut exceeded = None;
        for Announced { family, next_hop, prefixes } in update.announced() {
            let open = table.policy.import == Import::Everything;
            if open {
                let mut attributes = update.attributes(next_hop);
                let rejected = import::judge(&mut attributes, &session);
                let path = Path { attributes: self.attributes.intern(attributes), rejected, stale: false };
                for key in prefixes {
                    received.announced = received.announced.saturating_add(1);
                    table.put(key, path.clone());
                    touched.push(key.0);
                }
            } else {
                for key in prefixes {
                    received.announced = received.announced.saturating_add(1);
                    table.count(key);
                }
            }
            match table.limit(family) {
                Limit::Below => {}
                Limit::Warn => *received.warning.get_mut(family) = true,
                Limit::Exceeded { max } => exceeded = Some(TooManyPrefixes { family, max }),
            }
        }
        self.choose(touched);
        exceeded.map_or(Ok(received), Err)
    }

    /// The peer has told all of a family: End-of-RIB, or EoRR.
    pub(super) fn complete(&mut self, peer: PeerId, family: Family) {
        let Some(table) = self.tables.get_mut(&peer) else { return };
        let gone = table.complete(family);
        self.note(peer, family, gone.len());
        self.choose(gone);
    }

    pub(super) fn again(&mut self, now: Instant, peer: PeerId, family: Family) {
        if let Some(table) = self.tables.get_mut(&peer) {
            table.again(now, family);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.tables.values().filter_map(Table::next_deadline).min()
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        let mut changed = Vec::new();
        for (peer, table) in &mut self.tables {
            changed.extend(table.expire(now).into_iter().map(|(family, prefixes)| (*peer, family, prefixes)));
        }
        for (peer, family, prefixes) in changed {
            self.note(peer, family, prefixes.len());
            self.choose(prefixes);
        }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        if let Some(((peer, family), routes)) = self.swept.pop_first() {
            return Some(Output::Swept { peer, family, routes });
        }
        self.changed.pop_first().map(Output::Best)
    }

    pub(super) fn summary(&self, peer: PeerId) -> Summary {
        let Some(table) = self.tables.get(&peer) else { return Summary::default() };
        Summary {
            received: PerFamily::from_fn(|family| table.received(family)),
            accepted: PerFamily::from_fn(|family| table.tally(family).accepted),
            stale: PerFamily::from_fn(|family| table.tally(family).stale),
            updates_received: table.updates,
            ..Summary::default()
        }
    }

    pub(super) fn best(&self, prefix: &IpNet) -> Option<&Best> {
        self.best.get(prefix)
    }

    /// The best path to a prefix as a peer would be told it.
    pub(super) fn passed_on(&self, prefix: &IpNet, to: PeerId) -> Result<Attributes, Withheld> {
        let best = self.best.get(prefix).ok_or(Withheld::Nothing)?;
        if best.peer == to {
            return Err(Withheld::Source);
        }
        let end = |peer: PeerId| {
            let table = self.tables.get(&peer)?;
            Some((table.up, End { session: table.session.as_deref()?, client: table.policy.reflector_client }))
        };
        let (Some((_, from)), Some((true, to))) = (end(best.peer), end(to)) else { return Err(Withheld::Nothing) };
        distribution::pass_on(&best.attributes, Family::of(prefix), from, to)
    }

    pub(super) fn learned(&self, peer: PeerId) -> Vec<Learned> {
        let Some(table) = self.tables.get(&peer) else { return Vec::new() };
        let learned = |((prefix, path_id), path): (&(IpNet, u32), &Path)| {
            let best = self.best.get(prefix).is_some_and(|best| best.peer == peer && best.path_id == *path_id);
            Learned {
                prefix: *prefix,
                path_id: *path_id,
                attributes: Arc::clone(&path.attributes),
                rejected: path.rejected,
                stale: path.stale,
                best,
            }
        };
        table.paths().map(learned).collect()
    }

    /// Chooses anew for prefixes of which a path changed.
    fn choose(&mut self, prefixes: Vec<IpNet>) {
        for prefix in prefixes {
            let mut candidates = Vec::new();
            for (peer, table) in &self.tables {
                let Some(session) = table.session.as_deref() else { continue };
                let paths = table.of(prefix).filter(|(_, path)| path.rejected.is_none());
                candidates.extend(paths.map(|(path_id, Path { attributes, .. })| Candidate {
                    peer: *peer,
                    path_id,
                    attributes,
                    session,
                }));
            }
            let chosen = choice::best(candidates).map(|chosen| Best {
                peer: chosen.peer,
                path_id: chosen.path_id,
                attributes: Arc::clone(chosen.attributes),
            });
            if self.best.get(&prefix) != chosen.as_ref() {
                match chosen {
                    Some(chosen) => drop(self.best.insert(prefix, chosen)),
                    None => drop(self.best.remove(&prefix)),
                }
                self.changed.insert(prefix);
            }
        }
    }

    fn note(&mut self, peer: PeerId, family: Family, routes: usize) {
        if routes > 0 {
            let swept = self.swept.entry((peer, family)).or_default();
            *swept = swept.saturating_add(routes);
        }
    }
}

// === impl Interned ===

impl Interned {
    fn intern(&mut self, attributes: Attributes) -> Arc<Attributes> {
        if let Some(known) = self.known.get(&attributes) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|attributes| Arc::strong_count(attributes) > 1);
            self.sweep_at = self.known.len().saturating_mul(2).max(64);
        }
        let attributes = Arc::new(attributes);
        self.known.insert(Arc::clone(&attributes));
        attributes
    }
}
