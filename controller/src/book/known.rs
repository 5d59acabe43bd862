//! What changed among the Services since the last look: one walk over both, in order of key.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrolb_source::{ObjectKey, Service};

/// A Service and its key, which everything else shares.
pub(super) type Pair = (Arc<ObjectKey>, Arc<Service>);

/// The Services as they were last seen, in order of key.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<Pair>);

/// What is not as it was.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) gone: Vec<Arc<ObjectKey>>,
    /// New ones and changed ones, in order of key.
    pub(super) changed: Vec<Pair>,
}

/// Whether a Service that is not there any more is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It was deleted.
    Gone,
    /// It may stand in something that cannot be read at the moment.
    Unreadable,
}

// === impl Known ===

impl Known {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.0.iter()
    }

    /// Compares and takes over.
    pub(super) fn update(&mut self, now: &BTreeMap<ObjectKey, Arc<Service>>, missing: Missing) -> Difference {
        let mut difference = Difference::default();
        if self.same_keys(now, &mut difference.changed) {
            return difference;
        }
        difference.changed.clear();
        let before = std::mem::take(&mut self.0);
        self.0.reserve(now.len());
        let mut before = before.into_iter().peekable();
        for (key, service) in now {
            while let Some((old, was)) = before.next_if(|(old, _)| old.as_ref() < key) {
                self.miss((old, was), missing, &mut difference.gone);
            }
            let pair = match before.next_if(|(old, _)| old.as_ref() == key) {
                Some((old, was)) if unchanged(&was, service) => (old, Arc::clone(service)),
                Some((old, _)) => {
                    difference.changed.push((Arc::clone(&old), Arc::clone(service)));
                    (old, Arc::clone(service))
                }
                None => {
                    let pair = (Arc::new(key.clone()), Arc::clone(service));
                    difference.changed.push(pair.clone());
                    pair
                }
            };
            self.0.push(pair);
        }
        for pair in before {
            self.miss(pair, missing, &mut difference.gone);
        }
        difference
    }

    fn miss(&mut self, pair: Pair, missing: Missing, gone: &mut Vec<Arc<ObjectKey>>) {
        match missing {
            Missing::Gone => gone.push(pair.0),
            Missing::Unreadable => self.0.push(pair),
        }
    }

    /// The walk for the common case that none came and none went. False: at the first key that differs, with nothing
    /// taken over that the other walk would not find again as it is.
    fn same_keys(&mut self, now: &BTreeMap<ObjectKey, Arc<Service>>, changed: &mut Vec<Pair>) -> bool {
        if self.0.len() != now.len()
            // Equality, not order: keys that share their text are equal without a look at it.
            || self.0.iter().zip(now.keys()).any(|((old, _), key)| old.as_ref() != key)
        {
            return false;
        }
        for ((key, was), service) in self.0.iter_mut().zip(now.values()) {
            if Arc::ptr_eq(was, service) {
                continue;
            }
            if was != service {
                changed.push((Arc::clone(key), Arc::clone(service)));
            }
            *was = Arc::clone(service);
        }
        true
    }
}

fn unchanged(was: &Arc<Service>, now: &Arc<Service>) -> bool {
    Arc::ptr_eq(was, now) || was == now
}
