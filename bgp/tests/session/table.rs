//! What a node tells and hears: the RIB of this crate, with one peer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use ferrolb_bgp::rib::{Addresses, Import, Keep, PeerId, PeerName, Policy, Rib, Route, RouteSet};
use ferrolb_bgp::session::{Refresh, Session};
use ferrolb_bgp::wire::{Attributes, Community, Family, PerFamily, Update};
use ipnet::IpNet;
use rand::RngExt as _;
use rand::rngs::StdRng;

/// So much of the table is written at a time.
const AT_MOST: usize = 4096;

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rib: Rib,
    peer: PeerId,
}

/// What is told of a prefix, as both sides see it.
pub(crate) type Routes = BTreeMap<(IpNet, u32), Attributes>;

impl Table {
    pub(crate) fn new(random: &mut StdRng) -> Self {
        let mut rib = Rib::new();
        let policy = Policy { import: Import::Everything, ..Policy::default() };
        let peer = rib.add(PeerName::from("peer"), policy);
        let mut table = Self { rib, peer };
        table.change(random);
        table
    }

    /// Other routes, some of them the same as before.
    pub(crate) fn change(&mut self, random: &mut StdRng) {
        let count = [0, 1, 10, 300][random.random_range(0..4)];
        let routes =
            (0..3_u32).map(|number| Arc::new(Route { communities: vec![Community(number)], ..Route::default() }));
        let routes: Vec<_> = routes.collect();
        let prefix = |random: &mut StdRng| -> IpNet {
            let host = random.random_range(0..400_u16);
            let text = if random.random() {
                format!("10.1.{}.{}/32", host >> 8, host & 255)
            } else {
                format!("2001:db8::{host:x}/128")
            };
            text.parse().unwrap()
        };
        let set: RouteSet =
            (0..count).map(|_| (prefix(random), Arc::clone(&routes[random.random_range(0..3)]))).collect();
        self.rib.set_routes(self.peer, Arc::new(set));
    }

    pub(crate) fn established(&mut self, now: Instant, session: &Session) {
        let local: IpAddr = session.endpoints.local.ip();
        let last = if local.to_string().ends_with('1') { 1 } else { 2 };
        let addresses = Addresses {
            local,
            ipv4: Some([10, 0, 1, last].into()),
            ipv6: Some(format!("fd00::{last}").parse().unwrap()),
            link_local: None,
        };
        self.rib.established(now, self.peer, session.for_rib(addresses));
    }

    pub(crate) fn down(&mut self, now: Instant, keep: PerFamily<Keep>) {
        self.rib.down(now, self.peer, keep);
    }

    pub(crate) fn refresh(&mut self, now: Instant, family: Family, refresh: Refresh) {
        match refresh {
            Refresh::Asked => self.rib.refresh(self.peer, family),
            Refresh::Begins => self.rib.refresh_begins(now, self.peer, family),
            Refresh::Ends => self.rib.refresh_ends(self.peer, family),
        }
    }

    pub(crate) fn receive(&mut self, update: &Update<'_>) {
        self.rib.receive(self.peer, update).unwrap();
    }

    pub(crate) fn pull(&mut self, out: &mut BytesMut) {
        if out.is_empty() {
            self.rib.pull(self.peer, out, AT_MOST);
        }
        while self.rib.poll().is_some() {}
    }

    /// Everything was told that shall be.
    pub(crate) fn is_told(&self) -> bool {
        !self.rib.pending(self.peer)
    }

    pub(crate) fn advertised(&self) -> Routes {
        let told = self.rib.advertised(self.peer).into_iter();
        told.map(|route| ((route.prefix, route.path_id), comparable(&route.attributes))).collect()
    }

    pub(crate) fn received(&self) -> Routes {
        let heard = self.rib.received(self.peer).into_iter();
        heard
            .map(|route| {
                assert!(!route.stale, "{} is stale at rest", route.prefix);
                ((route.prefix, route.path_id), comparable(&route.attributes))
            })
            .collect()
    }
}

/// LOCAL_PREF is the receiver's where none was told, and what marks a leak is added by the receiver (RFC 9234).
fn comparable(attributes: &Attributes) -> Attributes {
    Attributes { local_pref: None, otc: None, ..attributes.clone() }
}
