//! The difference of two sets, as a session tells it: which prefixes are withdrawn and which are announced.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::RouteSet;
use super::export::Export;
use crate::wire::{Family, PerFamily};

/// Prefixes as places in the sets that they come from: four octets each.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// Places in the earlier set, in order.
    pub(super) withdrawn: PerFamily<Vec<u32>>,
    /// Places in the later set, by route and then in order.
    pub(super) announced: PerFamily<Vec<Announced>>,
}

/// A place in the later set, and whether the prefix has been told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced(u32);

/// Whether two routes look the same on a session, by their numbers.
struct Same<'a> {
    base: &'a RouteSet,
    next: &'a RouteSet,
    export: &'a Export,
    family: Family,
    known: HashMap<(u32, u32), bool, foldhash::fast::RandomState>,
    last: Option<((u32, u32), bool)>,
}

// === impl Delta ===

impl Delta {
    /// What leads from `base` to `next`. What cannot be told on the session counts as not there.
    pub(super) fn between(base: &RouteSet, next: &RouteSet, export: &Export) -> Self {
        let mut delta = Self::default();
        for family in Family::ALL.into_iter().filter(|family| export.carries(*family)) {
            let told = tellable(base, export, family);
            let tell = tellable(next, export, family);
            let mut same = Same { base, next, export, family, known: HashMap::default(), last: None };
            let (withdrawn, mut announced) = match family {
                Family::Ipv4 => walk(base.ipv4(), next.ipv4(), &told, &tell, &mut same),
                Family::Ipv6 => walk(base.ipv6(), next.ipv6(), &told, &tell, &mut same),
            };
            by_route(&mut announced, next, family);
            *delta.withdrawn.get_mut(family) = withdrawn;
            *delta.announced.get_mut(family) = announced;
        }
        delta
    }

    /// Everything of one family, as if it had been told before.
    pub(super) fn again(set: &RouteSet, family: Family, export: &Export) -> Self {
        let mut delta = Self::between(&RouteSet::default(), set, export);
        for each in Family::ALL {
            let announced = delta.announced.get_mut(each);
            if each == family {
                for announced in announced {
                    *announced = Announced::new(announced.place(), true);
                }
            } else {
                announced.clear();
            }
        }
        delta
    }
}

// === impl Announced ===

impl Announced {
    /// The top bit: places are below 2^31.
    const BEFORE: u32 = 1 << 31;

    fn new(place: usize, before: bool) -> Self {
        let place = u32::try_from(place).unwrap_or(u32::MAX) & !Self::BEFORE;
        Self(if before { place | Self::BEFORE } else { place })
    }

    pub(super) fn place(self) -> usize {
        usize::try_from(self.0 & !Self::BEFORE).unwrap_or(usize::MAX)
    }

    /// The prefix has been told before, with other attributes.
    pub(super) fn before(self) -> bool {
        self.0 & Self::BEFORE != 0
    }
}

// === impl Same ===

impl Same<'_> {
    fn same(&mut self, base: u32, next: u32) -> bool {
        let pair = (base, next);
        if let Some((last, same)) = self.last
            && last == pair
        {
            return same;
        }
        let known = self.known.get(&pair).copied();
        let same = known.unwrap_or_else(|| self.compare(base, next));
        if known.is_none() {
            self.known.insert(pair, same);
        }
        self.last = Some((pair, same));
        same
    }

    fn compare(&self, base: u32, next: u32) -> bool {
        let (Some(base), Some(next)) = (self.base.route(base), self.next.route(next)) else { return false };
        Arc::ptr_eq(base, next)
            || base == next
            || self.export.attributes(base, self.family) == self.export.attributes(next, self.family)
    }
}

/// Brings together what has the same route; the order of prefixes stays within it.
fn by_route(announced: &mut Vec<Announced>, next: &RouteSet, family: Family) {
    let number = |announced: &Announced| {
        next.at(family, announced.place()).and_then(|(_, number)| usize::try_from(number).ok()).unwrap_or_default()
    };
    if next.routes().len() < 2 || announced.is_sorted_by_key(number) {
        return;
    }
    // Where each route begins: numbers of routes are small and without gaps.
    let mut begins = vec![0_usize; next.routes().len().saturating_add(1)];
    for one in announced.iter() {
        if let Some(count) = begins.get_mut(number(one).saturating_add(1)) {
            *count = count.saturating_add(1);
        }
    }
    let mut sum = 0_usize;
    for begin in &mut begins {
        sum = sum.saturating_add(*begin);
        *begin = sum;
    }
    let mut sorted = announced.clone();
    for one in announced.iter() {
        let Some(at) = begins.get_mut(number(one)) else { continue };
        if let Some(place) = sorted.get_mut(*at) {
            *place = *one;
        }
        *at = at.saturating_add(1);
    }
    *announced = sorted;
}

/// By number of route: whether it can be told for this family.
fn tellable(set: &RouteSet, export: &Export, family: Family) -> Vec<bool> {
    set.routes().iter().map(|route| export.tells(route, family).is_ok()).collect()
}

/// Walks two sorted lists.
fn walk<P: Copy + Ord>(
    base: &[(P, u32)],
    next: &[(P, u32)],
    told: &[bool],
    tell: &[bool],
    same: &mut Same<'_>,
) -> (Vec<u32>, Vec<Announced>) {
    let (mut withdrawn, mut announced) = (Vec::new(), Vec::new());
    if base.is_empty() {
        announced.reserve_exact(next.len());
    } else if next.is_empty() {
        withdrawn.reserve_exact(base.len());
    }
    let known = |flags: &[bool], number: u32| {
        usize::try_from(number).ok().and_then(|at| flags.get(at)).copied().unwrap_or_default()
    };
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let (mut olds, mut news) = (base.iter().enumerate().peekable(), next.iter().enumerate().peekable());
    loop {
        match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some((_, old)), Some((_, new))) if old.0 == new.0 => {
                let (Some((was, old)), Some((is, new))) = (olds.next(), news.next()) else { break };
                match (known(told, old.1), known(tell, new.1)) {
                    (true, true) if same.same(old.1, new.1) => {}
                    (before, true) => announced.push(Announced::new(is, before)),
                    (true, false) => withdrawn.push(place(was)),
                    (false, false) => {}
                }
            }
            (Some((_, old)), new) if new.is_none_or(|(_, new)| old.0 < new.0) => {
                let Some((was, old)) = olds.next() else { break };
                if known(told, old.1) {
                    withdrawn.push(place(was));
                }
            }
            _ => {
                let Some((is, new)) = news.next() else { break };
                if known(tell, new.1) {
                    announced.push(Announced::new(is, false));
                }
            }
        }
    }
    (withdrawn, announced)
}

/// What a peer knows that was told a part of a difference: `withdrawn` and `announced` of it, by family.
pub(super) fn partly(
    base: &RouteSet,
    next: &RouteSet,
    withdrawn: PerFamily<&[u32]>,
    announced: PerFamily<&[Announced]>,
) -> RouteSet {
    let mut routes = base.routes().to_vec();
    routes.extend_from_slice(next.routes());
    let behind = u32::try_from(base.routes().len()).unwrap_or(u32::MAX);
    let ipv4 = apply(base.ipv4(), next.ipv4(), behind, withdrawn.ipv4, announced.ipv4);
    let ipv6 = apply(base.ipv6(), next.ipv6(), behind, withdrawn.ipv6, announced.ipv6);
    RouteSet::canonical(&routes, ipv4, ipv6)
}

fn apply<P: Copy + Ord>(
    base: &[(P, u32)],
    next: &[(P, u32)],
    behind: u32,
    withdrawn: &[u32],
    announced: &[Announced],
) -> Vec<(P, u32)> {
    let mut told = announced.iter().filter_map(|announced| next.get(announced.place())).collect::<Vec<_>>();
    told.sort_unstable_by_key(|(prefix, _)| *prefix);
    let mut told = told.into_iter().map(|(prefix, number)| (*prefix, number.saturating_add(behind))).peekable();
    let mut withdrawn = withdrawn.iter().filter_map(|place| usize::try_from(*place).ok()).peekable();
    let mut result = Vec::with_capacity(base.len().saturating_add(announced.len()));
    for (place, entry) in base.iter().enumerate() {
        while let Some(new) = told.next_if(|(prefix, _)| *prefix < entry.0) {
            result.push(new);
        }
        let gone = withdrawn.next_if(|withdrawn| *withdrawn == place).is_some();
        if let Some(new) = told.next_if(|(prefix, _)| *prefix == entry.0) {
            result.push(new);
        } else if !gone {
            result.push(*entry);
        }
    }
    result.extend(told);
    result
}

/// The prefix at a place.
pub(super) fn prefix(set: &RouteSet, family: Family, place: usize) -> Option<IpNet> {
    set.at(family, place).map(|(prefix, _)| prefix)
}
