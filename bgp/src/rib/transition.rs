//! The way from one set to another, as messages: what members of an update group go through together.
//!
//! All that is told is numbered: withdrawals, then by family the announcements and the end marker. Where a member stands is
//! such a number, and which numbers a message covers depends on nothing but the number it begins with. So members read the
//! same messages at their own pace: the first one encodes, the others copy, and one that lags too far behind for that encodes
//! for itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::{Buf, BytesMut};

use super::delta::{self, Delta};
use super::encode;
use super::export::Export;
use super::{PeerId, RouteSet};
use crate::wire::{Family, PerFamily, RefreshKind, Template};

/// How many encoded octets are kept for members that are behind: 100,000 prefixes of IPv4.
const CACHE: usize = 512 * 1024;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The difference of two sets, and End-of-RIB of the families of which it completes the first table.
    Sync(PerFamily<bool>),
    /// All of a family once more, because the peer asked.
    Refresh(Family),
}

/// A difference on its way to members of a group.
#[derive(Debug)]
pub(super) struct Transition {
    pub(super) base: Arc<RouteSet>,
    pub(super) next: Arc<RouteSet>,
    pub(super) kind: Kind,
    delta: Delta,
    sections: Vec<Section>,
    total: usize,
    /// Where each member stands.
    positions: BTreeMap<PeerId, usize>,
    cache: Cache,
    /// Attributes that were encoded last.
    template: Option<(Family, u32, Template)>,
    /// What members knew that left at some number.
    left: Option<(usize, Weak<RouteSet>)>,
}

/// A run of numbers.
#[derive(Debug, Clone, Copy)]
struct Section {
    what: What,
    family: Family,
    begin: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Withdraw,
    BeginOfRefresh,
    Announce,
    EndOfRib,
    EndOfRefresh,
}

/// A message that was encoded.
#[derive(Debug, Clone, Copy)]
struct Message {
    /// The number behind the last one that it covers.
    end: usize,
    length: usize,
    family: Family,
    /// Prefixes that the peer knows thereafter and did not before.
    more: usize,
    /// Prefixes that it no longer knows.
    fewer: usize,
    update: bool,
}

/// Messages that follow each other.
#[derive(Debug, Default)]
struct Cache {
    messages: VecDeque<Kept>,
    bytes: BytesMut,
    /// So many octets were dropped from the front.
    dropped: usize,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    /// The first number that it covers.
    begin: usize,
    /// Where its octets begin, counted with the dropped ones.
    offset: usize,
    message: Message,
}

/// What a pull did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    pub(super) finished: bool,
    pub(super) updates: u64,
    pub(super) more: PerFamily<usize>,
    pub(super) fewer: PerFamily<usize>,
}

// === impl Transition ===

impl Transition {
    pub(super) fn new(base: Arc<RouteSet>, next: Arc<RouteSet>, kind: Kind, export: &Export) -> Self {
        let delta = match kind {
            Kind::Sync(_) => Delta::between(&base, &next, export),
            Kind::Refresh(family) => Delta::again(&next, family, export),
        };
        let (sections, total) = sections(&delta, kind, export);
        Self {
            base,
            next,
            kind,
            delta,
            sections,
            total,
            positions: BTreeMap::new(),
            cache: Cache::default(),
            template: None,
            left: None,
        }
    }

    pub(super) fn join(&mut self, peer: PeerId) {
        self.positions.insert(peer, 0);
    }

    /// Whether no member is left.
    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Takes a member out.
    pub(super) fn leave(&mut self, peer: PeerId) {
        self.positions.remove(&peer);
        self.trim();
    }

    /// What a member knows that is about to leave, and of which families it has been told the end. Members that leave at the
    /// same place are given the same set, so that they can go on together.
    pub(super) fn leaves(&mut self, peer: PeerId) -> (Arc<RouteSet>, PerFamily<bool>) {
        let position = self.positions.get(&peer).copied().unwrap_or_default();
        let ended = PerFamily::from_fn(|family| {
            self.sections
                .iter()
                .any(|section| section.what == What::EndOfRib && section.family == family && section.end <= position)
        });
        if let Some((at, left)) = &self.left
            && *at == position
            && let Some(told) = left.upgrade()
        {
            return (told, ended);
        }
        let told = self.told(peer);
        self.left = Some((position, Arc::downgrade(&told)));
        (told, ended)
    }

    /// What a member knows.
    pub(super) fn told(&self, peer: PeerId) -> Arc<RouteSet> {
        let position = self.positions.get(&peer).copied().unwrap_or_default();
        if position == 0 {
            return Arc::clone(&self.base);
        }
        let passed = |what: What, family: Family| {
            let section = self.sections.iter().find(|section| section.what == what && section.family == family);
            section.map_or(0, |section| position.min(section.end).saturating_sub(section.begin))
        };
        let withdrawn = PerFamily::from_fn(|family| {
            self.delta.withdrawn.get(family).get(..passed(What::Withdraw, family)).unwrap_or_default()
        });
        let announced = PerFamily::from_fn(|family| {
            self.delta.announced.get(family).get(..passed(What::Announce, family)).unwrap_or_default()
        });
        Arc::new(delta::partly(&self.base, &self.next, withdrawn, announced))
    }

    /// Writes what is next for a member, until `begin` of `out` is followed by nearly `at_most` octets.
    pub(super) fn pull(
        &mut self,
        peer: PeerId,
        export: &Export,
        out: &mut BytesMut,
        begin: usize,
        at_most: usize,
    ) -> Progress {
        let mut progress = Progress::default();
        let Some(mut position) = self.positions.get(&peer).copied() else {
            return Progress { finished: true, ..progress };
        };
        let longest = export.parameters.max_send;
        while position < self.total {
            let written = out.len().saturating_sub(begin);
            if written > 0 && written.saturating_add(longest) > at_most {
                break;
            }
            let kept = self.cache.read(position, out);
            let Some(message) = kept.or_else(|| self.encode(position, export, out)) else {
                // What cannot be written is not in a difference; were it, the peer would wait for ever.
                debug_assert!(false, "number {position} has no message");
                position = position.saturating_add(1);
                continue;
            };
            if kept.is_none() && self.positions.len() > 1 {
                self.cache.append(position, message, out);
            }
            position = message.end;
            progress.updates = progress.updates.saturating_add(u64::from(message.update));
            let more = progress.more.get_mut(message.family);
            *more = more.saturating_add(message.more);
            let fewer = progress.fewer.get_mut(message.family);
            *fewer = fewer.saturating_add(message.fewer);
        }
        self.positions.insert(peer, position);
        self.trim();
        progress.finished = position >= self.total;
        progress
    }

    /// Forgets what no member needs any more.
    fn trim(&mut self) {
        if self.positions.len() < 2 {
            self.cache = Cache::default();
        } else if let Some(last) = self.positions.values().min() {
            self.cache.forget(*last);
        }
    }

    /// Writes the message that begins with a number.
    fn encode(&mut self, position: usize, export: &Export, out: &mut BytesMut) -> Option<Message> {
        let section = *self.sections.iter().find(|section| (section.begin..section.end).contains(&position))?;
        let (before, family) = (out.len(), section.family);
        let offset = position.saturating_sub(section.begin);
        let mut message = Message {
            end: section.end,
            length: 0,
            family,
            more: 0,
            fewer: 0,
            update: section.what != What::BeginOfRefresh,
        };
        match section.what {
            What::Withdraw => {
                let places = self.delta.withdrawn.get(family).get(offset..)?;
                let prefixes =
                    places.iter().filter_map(|place| delta::prefix(&self.base, family, usize::try_from(*place).ok()?));
                let count = encode::withdraw(out, export, family, prefixes);
                message.end = position.saturating_add(count);
                message.fewer = count;
            }
            What::Announce => {
                let announced = self.delta.announced.get(family).get(offset..)?;
                let (_, number) = self.next.at(family, announced.first()?.place())?;
                if !matches!(&self.template, Some((of, route, _)) if *of == family && *route == number) {
                    let attributes = export.attributes(self.next.route(number)?, family).ok()?;
                    self.template =
                        Some((family, number, Template::new(&attributes, family, &export.parameters).ok()?));
                }
                let (_, _, template) = self.template.as_ref()?;
                let prefixes = announced
                    .iter()
                    .map_while(|announced| self.next.at(family, announced.place()))
                    .take_while(|(_, route)| *route == number)
                    .map(|(prefix, _)| prefix);
                let count = encode::announce(out, export, template, prefixes);
                message.end = position.saturating_add(count);
                message.more = announced.iter().take(count).filter(|announced| !announced.before()).count();
            }
            What::EndOfRib => encode::end_of_rib(out, family),
            What::BeginOfRefresh => encode::refresh(out, family, RefreshKind::Begin),
            What::EndOfRefresh => {
                message.update = false;
                encode::refresh(out, family, RefreshKind::End);
            }
        }
        message.length = out.len().saturating_sub(before);
        (message.end > position).then_some(message)
    }
}

/// Numbers what is to be told.
fn sections(delta: &Delta, kind: Kind, export: &Export) -> (Vec<Section>, usize) {
    let (mut sections, mut total) = (Vec::new(), 0);
    let mut add = |what: What, family: Family, length: usize| {
        if length > 0 {
            let end = total + length;
            sections.push(Section { what, family, begin: total, end });
            total = end;
        }
    };
    for family in Family::ALL {
        add(What::Withdraw, family, delta.withdrawn.get(family).len());
    }
    for family in Family::ALL {
        let announced = delta.announced.get(family).len();
        match kind {
            Kind::Sync(ends) => {
                add(What::Announce, family, announced);
                add(What::EndOfRib, family, usize::from(*ends.get(family)));
            }
            Kind::Refresh(asked) if asked == family => {
                // RFC 7313 section 4. Without it nothing marks the end, and End-of-RIB does no harm: what the peer has of an
                // earlier session and was not told once more is gone (RFC 4724 section 4.2).
                let enhanced = export.enhanced_refresh;
                add(What::BeginOfRefresh, family, usize::from(enhanced));
                add(What::Announce, family, announced);
                add(if enhanced { What::EndOfRefresh } else { What::EndOfRib }, family, 1);
            }
            Kind::Refresh(_) => {}
        }
    }
    (sections, total)
}

// === impl Cache ===

impl Cache {
    /// Copies the message that begins with a number, if it is here.
    fn read(&self, position: usize, out: &mut BytesMut) -> Option<Message> {
        let place = self.messages.binary_search_by_key(&position, |kept| kept.begin).ok()?;
        let kept = self.messages.get(place)?;
        let at = kept.offset.checked_sub(self.dropped)?;
        out.extend_from_slice(self.bytes.get(at..at.checked_add(kept.message.length)?)?);
        Some(kept.message)
    }

    /// Keeps the message that was just written, if it follows what is here.
    fn append(&mut self, begin: usize, message: Message, out: &BytesMut) {
        let written = out.len().checked_sub(message.length).and_then(|at| out.get(at..));
        let (Some(bytes), None | Some(true)) = (written, self.messages.back().map(|last| last.message.end == begin))
        else {
            return;
        };
        while self.bytes.len().saturating_add(bytes.len()) > CACHE && self.pop() {}
        let offset = self.dropped.saturating_add(self.bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.messages.push_back(Kept { begin, offset, message });
    }

    /// Drops what ends at or before a number.
    fn forget(&mut self, before: usize) {
        while self.messages.front().is_some_and(|kept| kept.message.end <= before) && self.pop() {}
    }

    fn pop(&mut self) -> bool {
        let Some(kept) = self.messages.pop_front() else { return false };
        let length = kept.message.length.min(self.bytes.len());
        self.bytes.advance(length);
        self.dropped = self.dropped.saturating_add(length);
        true
    }
}
