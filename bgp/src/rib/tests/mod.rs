//! The RIB against a receiver that knows only what the octets say.

mod choices;
mod distributions;
mod exports;
mod imports;
mod learning;
#[cfg(feature = "dissect")]
mod oracle;
mod properties;
mod restarts;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ipnet::IpNet;
use proptest::test_runner::{Config, RngSeed};

use super::*;
use crate::wire::{AddPath, Attributes, Community, Message, Parameters, RefreshKind, Template, decode};

/// A peer's side of a session: what it was told, and whether that made sense.
#[derive(Debug)]
struct Receiver {
    parameters: Parameters,
    known: BTreeMap<(IpNet, u32), Attributes>,
    /// What was known when a refresh began and has not come again.
    again: PerFamily<Option<BTreeSet<(IpNet, u32)>>>,
    ends: PerFamily<usize>,
    refreshed: PerFamily<usize>,
    /// It asked for a refresh without markers: routes may come twice.
    repeats: bool,
    /// Each message in a word.
    log: Vec<String>,
}

// === impl Receiver ===

impl Receiver {
    fn new(session: &Session) -> Self {
        let mut parameters = session.parameters.clone();
        parameters.max_receive = parameters.max_send;
        parameters.add_path = PerFamily::from_fn(|family| {
            let AddPath { receive, send } = *session.parameters.add_path.get(family);
            AddPath { receive: send, send: receive }
        });
        Self {
            parameters,
            known: BTreeMap::new(),
            again: PerFamily::default(),
            ends: PerFamily::default(),
            refreshed: PerFamily::default(),
            repeats: false,
            log: Vec::new(),
        }
    }

    /// Reads messages; returns how many.
    fn read(&mut self, mut octets: &[u8]) -> usize {
        let mut messages = 0;
        while !octets.is_empty() {
            let (message, length) = decode(octets, &self.parameters).unwrap().expect("whole messages only");
            assert!(length <= self.parameters.max_receive);
            match message {
                Message::Update(update) => self.update(&update),
                Message::RouteRefresh(refresh) => {
                    let family = refresh.family.known().unwrap();
                    let known = self.known.keys().filter(|(prefix, _)| Family::of(prefix) == family).copied();
                    match refresh.kind {
                        RefreshKind::Begin => *self.again.get_mut(family) = Some(known.collect()),
                        RefreshKind::End => {
                            let missing = self.again.get_mut(family).take().expect("it has begun");
                            assert!(missing.is_empty(), "not told once more: {missing:?}");
                            *self.refreshed.get_mut(family) += 1;
                        }
                        other @ (RefreshKind::Request | RefreshKind::Unknown(_)) => panic!("{other:?}"),
                    }
                    self.log.push(format!("{:?} {family:?}", refresh.kind));
                }
                other @ (Message::Open(_) | Message::Notification(_) | Message::KeepAlive) => panic!("{other:?}"),
            }
            octets = &octets[length..];
            messages += 1;
        }
        messages
    }

    fn update(&mut self, update: &Update<'_>) {
        assert!(update.errors().is_empty(), "{:?}", update.errors());
        if let Some(family) = update.end_of_rib() {
            *self.ends.get_mut(family) += 1;
            self.log.push(format!("end {family:?}"));
            return;
        }
        let withdrawn = update.withdrawn().collect::<Vec<_>>();
        for key in &withdrawn {
            assert!(self.known.remove(key).is_some(), "{key:?} was withdrawn and never announced");
        }
        let mut announced = 0;
        for routes in update.announced() {
            let attributes = update.attributes(routes.next_hop);
            for key in routes.prefixes {
                announced += 1;
                let previous = self.known.insert(key, attributes.clone());
                let again = self.again.get_mut(routes.family);
                match again {
                    Some(again) => assert!(again.remove(&key), "{key:?} is new in the middle of a refresh"),
                    None => assert!(self.repeats || previous.as_ref() != Some(&attributes), "{key:?} was told twice"),
                }
            }
        }
        match (withdrawn.len(), announced) {
            (0, announced) => self.log.push(format!("+{announced}")),
            (withdrawn, 0) => self.log.push(format!("-{withdrawn}")),
            both => panic!("{both:?} in one message"),
        }
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// An external session over IPv4 that carries both families.
fn session() -> Session {
    Session {
        parameters: Parameters {
            four_octet_as: true,
            families: PerFamily { ipv4: true, ipv6: true },
            ..Parameters::default()
        },
        enhanced_refresh: false,
        asn: 64_512,
        router_asn: 64_512,
        router_id: Ipv4Addr::new(10, 0, 0, 1),
        peer_asn: 64_513,
        peer_router_id: Ipv4Addr::new(10, 0, 0, 2),
        peer_address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
        role: None,
        addresses: Addresses {
            local: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
            ipv4: Some(Ipv4Addr::new(10, 0, 0, 1)),
            ipv6: Some(parse("2001:db8::1")),
            link_local: Some(parse("fe80::1")),
        },
        keeps_stale: PerFamily::default(),
    }
}

/// The same within one AS.
fn internal() -> Session {
    let mut session = session();
    session.parameters.external = false;
    session.peer_asn = session.asn;
    session
}

fn set(routes: &[(&str, &Arc<Route>)]) -> Arc<RouteSet> {
    Arc::new(routes.iter().map(|(prefix, route)| (parse(prefix), Arc::clone(route))).collect())
}

fn plain() -> Arc<Route> {
    Arc::default()
}

fn with_community(community: u32) -> Arc<Route> {
    Arc::new(Route { communities: vec![Community(community)], ..Route::default() })
}

/// The first `count` addresses of 198.18.0.0/15.
fn hosts(count: u32, route: &Arc<Route>) -> Arc<RouteSet> {
    let host = |number: u32| {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number);
        (IpNet::from(IpAddr::V4(address)), Arc::clone(route))
    };
    Arc::new((0..count).map(host).collect())
}

/// Everything that is left for a peer, `at_most` octets at a time.
fn drain(rib: &mut Rib, peer: PeerId, at_most: usize) -> BytesMut {
    let mut out = BytesMut::new();
    while rib.pull(peer, &mut out, at_most) {}
    out
}

/// One peer with a session that is up.
fn with_peer(session: &Session) -> (Rib, PeerId, Receiver) {
    let mut rib = Rib::new();
    let peer = rib.add("tor".into(), Policy::default());
    rib.established(start(), peer, session.clone());
    (rib, peer, Receiver::new(session))
}

/// UPDATEs of a peer that are read on a session.
struct Teller {
    parameters: Parameters,
}

// === impl Teller ===

impl Teller {
    fn new(session: &Session) -> Self {
        let mut parameters = session.parameters.clone();
        parameters.add_path = PerFamily::from_fn(|family| AddPath {
            receive: false,
            send: session.parameters.add_path.get(family).receive,
        });
        Self { parameters }
    }

    fn announces(&self, prefixes: &[(&str, u32)], attributes: &Attributes) -> BytesMut {
        let mut out = BytesMut::new();
        let family = Family::of(&parse(prefixes[0].0));
        let template = Template::new(attributes, family, &self.parameters).unwrap();
        let mut packer = crate::wire::Packer::announce(&template, &self.parameters, &mut out);
        packer.extend(prefixes.iter().map(|(prefix, path_id)| (parse(prefix), *path_id)));
        assert_eq!(packer.finish(), 1);
        out
    }

    fn withdraws(&self, prefixes: &[(&str, u32)]) -> BytesMut {
        let mut out = BytesMut::new();
        let family = Family::of(&parse(prefixes[0].0));
        let mut packer = crate::wire::Packer::withdraw(family, &self.parameters, &mut out);
        packer.extend(prefixes.iter().map(|(prefix, path_id)| (parse(prefix), *path_id)));
        assert_eq!(packer.finish(), 1);
        out
    }
}

/// Gives the RIB one message.
fn tell(rib: &mut Rib, peer: PeerId, session: &Session, octets: &[u8]) -> Result<Received, TooManyPrefixes> {
    let Ok(Some((Message::Update(update), _))) = decode(octets, &session.parameters) else { panic!("no UPDATE") };
    assert!(update.errors().is_empty(), "{:?}", update.errors());
    rib.receive(peer, &update)
}

/// `CASES` runs more of them.
fn cases() -> Config {
    let cases = std::env::var("CASES").map_or(128, |cases| cases.parse().unwrap());
    Config { cases, rng_seed: RngSeed::Fixed(20_260_101), failure_persistence: None, ..Config::default() }
}

/// An arbitrary origin of virtual time.
#[expect(clippy::disallowed_methods, reason = "some instant is needed to begin with; no time passes in tests")]
fn start() -> Instant {
    Instant::now()
}

fn outputs(rib: &mut Rib) -> Vec<Output> {
    std::iter::from_fn(|| rib.poll()).collect()
}

const MINUTE: Duration = Duration::from_secs(60);
