//! What a node tells and hears: End-of-RIB of each family, again whenever it is asked for.

use std::collections::BTreeSet;

use bytes::BytesMut;
use ferrolb_bgp::session::Session;
use ferrolb_bgp::wire::{Family, Update, encode_end_of_rib};

#[derive(Debug, Default)]
pub(crate) struct Table {
    carried: BTreeSet<Family>,
    pending: BTreeSet<Family>,
    pub(crate) heard: BTreeSet<Family>,
}

impl Table {
    pub(crate) fn established(&mut self, session: &Session) {
        let families = session.parameters.families;
        self.carried = families.iter().filter(|(_, carried)| **carried).map(|(family, _)| family).collect();
        self.pending.clone_from(&self.carried);
    }

    pub(crate) fn down(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn touch(&mut self) {
        self.pending.clone_from(&self.carried);
    }

    pub(crate) fn refresh(&mut self, family: Family) {
        self.pending.insert(family);
    }

    pub(crate) fn receive(&mut self, update: &Update<'_>) {
        self.heard.extend(update.end_of_rib());
    }

    pub(crate) fn pull(&mut self, out: &mut BytesMut) {
        while let Some(family) = self.pending.pop_first() {
            encode_end_of_rib(family, out);
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.heard == self.carried
    }
}
