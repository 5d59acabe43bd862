//! What a plan means for the BGP and BFD drivers: their configuration of each peer, and the routes as they take them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ferrolb_bfd::driver::{Parameters, Peer as BfdPeer};
use ferrolb_bgp::driver::{Password as Key, PeerConfig, Remote, Transport, Ttl};
use ferrolb_bgp::rib::{PeerName, Policy, Route, RouteNextHop, RouteSet};
use ferrolb_bgp::session::{Config, FamilyConfig, GracefulRestart, RemoteAs, Retry};
use ferrolb_bgp::wire::{self, PerFamily};
use ferrolb_config::{Bfd, BfdProfile, Community, Password, Peer, PeerEndpoint, RemoteAsn};
use ferrolb_fib::links::Links;

use crate::plan::{Attributes, Routes};

/// What a peer's configuration depends on beside the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of the node.
    pub(super) node: String,
    /// The node's InternalIPs, in order.
    pub(super) internal: Vec<IpAddr>,
    /// Whether the kernel may still forward what an earlier life of this speaker announced; constant for a process.
    pub(super) forwards: bool,
}

/// Whether forwarding outlived the speaker (F bit, RFC 4724 section 3), by the text of `/proc/uptime`. What was announced before the
/// node was started is gone at its peers once the restart time is over: until then the answer is no.
pub(super) fn forwards(uptime: &str) -> bool {
    let seconds = uptime.split(['.', ' ']).next().and_then(|seconds| seconds.parse().ok());
    seconds.is_none_or(|seconds| Duration::from_secs(seconds) > GracefulRestart::default().restart_time)
}

// === impl Place ===

impl Place {
    /// The BGP Identifier for want of one in the configuration: the node's first IPv4 address, else the CRC-32 of its name, as
    /// MetalLB has it (RFC 6286 section 2.1 asks for nothing but that it is unique in the AS).
    pub(super) fn router_id(&self, links: &Links) -> Ipv4Addr {
        let ipv4 = |address: &IpAddr| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        };
        let internal = self.internal.iter().find_map(ipv4);
        let of_links = links.iter().filter(|link| !link.loopback).flat_map(|link| &link.addresses);
        let found = internal.or_else(|| of_links.map(ipnet::IpNet::addr).find_map(|address| ipv4(&address)));
        // 0.0.0.0 is no identifier; that a name has this sum is hardly possible, but it is.
        found.unwrap_or_else(|| Ipv4Addr::from(crc32(self.node.as_bytes()).max(1).to_le_bytes()))
    }

    /// The address that sessions with a router come from that is not on a link of this node: the InternalIP, where nothing
    /// else is said. On a link the system takes the address that is there.
    fn source(&self, peer: &Peer, links: &Links) -> Option<IpAddr> {
        let PeerEndpoint::Address(remote) = peer.endpoint else { return peer.source_address };
        if peer.source_address.is_some() || is_on_link(links, remote) || is_link_local(remote) {
            return peer.source_address;
        }
        let here = |address: &&IpAddr| links.iter().flat_map(|link| &link.addresses).any(|net| net.addr() == **address);
        self.internal.iter().filter(|address| address.is_ipv4() == remote.is_ipv4()).find(here).copied()
    }
}

/// CRC-32 of IEEE 802.3, for names: short, and once.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Whether an address is in the prefix of one of the node's own. Nothing is known before the kernel has told of its links.
fn is_on_link(links: &Links, address: IpAddr) -> bool {
    links.iter().filter(|link| !link.loopback).flat_map(|link| &link.addresses).any(|net| net.contains(&address))
}

/// Whether the two are of one AS.
fn is_internal(peer: &Peer) -> bool {
    match peer.remote_asn {
        RemoteAsn::Internal => true,
        RemoteAsn::External => false,
        RemoteAsn::Fixed(asn) => asn == peer.local_asn.unwrap_or(peer.my_asn),
    }
}

/// The peer as the BGP driver takes it.
pub(super) fn peer(peer: &Peer, place: &Place, links: &Links) -> PeerConfig {
    PeerConfig {
        name: PeerName::from(peer.name.as_str()),
        transport: transport(peer, place, links),
        session: Arc::new(session(peer, place, links)),
        policy: Policy::default(),
        disabled: None,
    }
}

fn transport(peer: &Peer, place: &Place, links: &Links) -> Transport {
    let remote = match &peer.endpoint {
        PeerEndpoint::Address(address) => Remote::Address(*address),
        PeerEndpoint::Interface(interface) => Remote::Interface(interface.clone()),
    };
    let text = match &peer.password {
        Password::None | Password::Missing(_) => "",
        Password::Inline(text) => text,
        Password::Secret { text, .. } => text.expose(),
    };
    Transport {
        port: peer.port,
        source: place.source(peer, links),
        device: peer.vrf.clone(),
        // Its length was checked with the configuration; an empty one is none.
        password: Key::new(text.as_bytes()).ok(),
        // What an external peer's packets may not do without `ebgpMultiHop` is come from elsewhere than the link.
        ttl: if peer.ebgp_multi_hop || is_internal(peer) { Ttl::Multihop(u8::MAX) } else { Ttl::Adjacent },
        ..Transport::new(remote)
    }
}

fn session(peer: &Peer, place: &Place, links: &Links) -> Config {
    let remote_as = match peer.remote_asn {
        RemoteAsn::Fixed(asn) => RemoteAs::Exactly(asn),
        RemoteAsn::Internal => RemoteAs::Internal,
        RemoteAsn::External => RemoteAs::External,
    };
    // IPv4 with next hops of IPv6 is for sessions that may run over IPv6 (RFC 8950).
    let over_ipv6 = !matches!(peer.endpoint, PeerEndpoint::Address(IpAddr::V4(_)));
    let families = PerFamily {
        ipv4: FamilyConfig {
            enabled: peer.carries_ipv4(),
            extended_next_hop: peer.carries_ipv4() && over_ipv6,
            ..FamilyConfig::default()
        },
        ipv6: FamilyConfig { enabled: peer.carries_ipv6(), ..FamilyConfig::default() },
    };
    let kept = PerFamily::from_fn(|family| peer.graceful_restart && families.get(family).enabled);
    let retry = Retry::default();
    Config {
        local_asn: peer.local_asn,
        hold_time: peer.timers.hold,
        keepalive: Some(peer.timers.keepalive).filter(|keepalive| *keepalive >= Duration::from_secs(1)),
        connect_retry: peer.connect_retry.map_or(retry, |max| Retry { first: retry.first.min(max), max }),
        families,
        graceful_restart: Some(GracefulRestart {
            families: kept,
            forwarding: place.forwards,
            ..GracefulRestart::default()
        }),
        host: Some(place.node.clone()),
        ..Config::new(peer.my_asn, remote_as, peer.router_id.unwrap_or_else(|| place.router_id(links)))
    }
}

/// The BFD session that watches a peer at `address` through `interface`, where its profile asks for one.
pub(super) fn bfd(
    peer: &Peer,
    address: IpAddr,
    interface: Option<&str>,
    place: &Place,
    links: &Links,
) -> Option<(BfdPeer, Parameters)> {
    let Bfd::On(profile) = &peer.bfd else { return None };
    // As FRR has it: what is on a link is watched over the link, whatever else it might do (RFC 5881 and RFC 5883).
    let adjacent = interface.is_some() || is_on_link(links, address);
    let multihop = !adjacent && (peer.ebgp_multi_hop || is_internal(peer));
    let source = if multihop { place.source(peer, links) } else { peer.source_address };
    let watched = BfdPeer { address, source, interface: interface.map(str::to_owned), vrf: peer.vrf.clone(), multihop };
    Some((watched, parameters(profile)))
}

fn parameters(profile: &BfdProfile) -> Parameters {
    Parameters {
        session: ferrolb_bfd::Config {
            transmit_interval: profile.transmit_interval,
            receive_interval: profile.receive_interval,
            detect_multiplier: profile.detect_multiplier,
            passive: profile.passive_mode,
        },
        minimum_ttl: profile.minimum_ttl,
    }
}

/// Routes as the BGP driver takes them. Sets and attributes that were translated before are found again, so that what did not
/// change is the same to the pointer.
#[derive(Debug, Default)]
pub(super) struct Translator {
    sets: Vec<(Arc<Routes>, Arc<RouteSet>)>,
    routes: BTreeMap<Attributes, Arc<Route>>,
}

// === impl Translator ===

impl Translator {
    /// Translates all sets of a plan; what is used no more is forgotten.
    pub(super) fn translate<'a>(
        &mut self,
        sessions: impl Iterator<Item = (&'a str, &'a Arc<Routes>)>,
    ) -> BTreeMap<PeerName, Arc<RouteSet>> {
        let mut used: Vec<(Arc<Routes>, Arc<RouteSet>)> = Vec::new();
        let mut known = std::mem::take(&mut self.routes);
        let translated = sessions.map(|(peer, planned)| {
            let same = |(from, _): &&(Arc<Routes>, Arc<RouteSet>)| Arc::ptr_eq(from, planned);
            let again = used.iter().find(same).map(|(_, set)| Arc::clone(set));
            let set = again.unwrap_or_else(|| {
                let before = self.sets.iter().find(same).map(|(_, set)| Arc::clone(set));
                let set = before.unwrap_or_else(|| Arc::new(set(planned, &mut known)));
                used.push((Arc::clone(planned), Arc::clone(&set)));
                set
            });
            (PeerName::from(peer), set)
        });
        let translated = translated.collect();
        known.retain(|_, route| Arc::strong_count(route) > 1);
        (self.sets, self.routes) = (used, known);
        translated
    }
}

fn set(planned: &Routes, known: &mut BTreeMap<Attributes, Arc<Route>>) -> RouteSet {
    // Neighbours in a plan share their attributes more often than not.
    let mut last: Option<(&Arc<Attributes>, Arc<Route>)> = None;
    let routes = planned.iter().map(|(prefix, attributes)| {
        let route = match &last {
            Some((before, route)) if Arc::ptr_eq(before, attributes) => Arc::clone(route),
            _ => Arc::clone(
                known.entry(Attributes::clone(attributes)).or_insert_with_key(|attributes| Arc::new(route(attributes))),
            ),
        };
        last = Some((attributes, Arc::clone(&route)));
        (*prefix, route)
    });
    routes.collect()
}

fn route(attributes: &Attributes) -> Route {
    let mut route = Route {
        next_hop: RouteNextHop::Own,
        local_pref: attributes.local_pref,
        prepend: attributes.as_path_prepend,
        ..Route::default()
    };
    for community in &attributes.communities {
        match *community {
            Community::Standard(high, low) => {
                route.communities.push(wire::Community((u32::from(high) << 16) | u32::from(low)));
            }
            Community::Large(global, local1, local2) => {
                route.large_communities.push(wire::LargeCommunity { global, local1, local2 });
            }
        }
    }
    route
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ferrolb_config::{Concealed, Timers};
    use ferrolb_fib::links::{Change, Link};

    use super::*;

    fn router(endpoint: PeerEndpoint) -> Peer {
        Peer {
            name: "tor".to_owned(),
            my_asn: 64512,
            remote_asn: RemoteAsn::Fixed(64601),
            local_asn: None,
            endpoint,
            port: 179,
            source_address: None,
            timers: Timers::default(),
            connect_retry: None,
            router_id: None,
            node_selectors: Vec::new(),
            password: Password::None,
            bfd: Bfd::Off,
            graceful_restart: false,
            ebgp_multi_hop: false,
            vrf: None,
            dual_stack: false,
        }
    }

    fn at(address: &str) -> Peer {
        router(PeerEndpoint::Address(address.parse().unwrap()))
    }

    fn place(internal: &[&str]) -> Place {
        let internal = internal.iter().map(|ip| ip.parse().unwrap()).collect();
        Place { node: "node-1".to_owned(), internal, forwards: true }
    }

    fn links(addresses: &[&str]) -> Links {
        let mut links = Links::default();
        let link = Link {
            index: 2,
            name: "eth0".to_owned(),
            mac: Some([2, 0, 0, 0, 0, 1]),
            up: true,
            carrier: true,
            arp: true,
            broadcast: true,
            loopback: false,
            master: None,
            kind: ferrolb_fib::links::Kind::Device,
            parent: None,
            mtu: 1500,
            addresses: Vec::new(),
        };
        links.apply(Change::Link(link));
        for address in addresses {
            links.apply(Change::Address { index: 2, address: address.parse().unwrap() });
        }
        links
    }

    #[test]
    fn a_router_on_the_link_is_left_to_the_system_and_one_beyond_is_met_from_the_internal_ip() {
        let (place, links) = (place(&["10.0.0.7", "fd00::7"]), links(&["10.0.0.7/24", "192.0.2.7/31", "fd00::7/64"]));
        assert_eq!(peer(&at("192.0.2.6"), &place, &links).transport.source, None);
        assert_eq!(peer(&at("198.51.100.1"), &place, &links).transport.source, Some("10.0.0.7".parse().unwrap()));
        assert_eq!(peer(&at("2001:db8::1"), &place, &links).transport.source, Some("fd00::7".parse().unwrap()));
        let said = Peer { source_address: Some("192.0.2.7".parse().unwrap()), ..at("198.51.100.1") };
        assert_eq!(peer(&said, &place, &links).transport.source, said.source_address);
        let elsewhere = Place { internal: vec!["203.0.113.9".parse().unwrap()], ..place };
        assert_eq!(peer(&at("198.51.100.1"), &elsewhere, &links).transport.source, None, "not an address of this node");
    }

    #[test]
    fn an_external_router_is_one_hop_away_unless_it_may_be_more() {
        let (place, links) = (place(&[]), Links::default());
        let ttl = |router: &Peer| peer(router, &place, &links).transport.ttl;
        assert_eq!(ttl(&at("192.0.2.1")), Ttl::Adjacent);
        assert_eq!(ttl(&Peer { ebgp_multi_hop: true, ..at("192.0.2.1") }), Ttl::Multihop(255));
        assert_eq!(ttl(&Peer { remote_asn: RemoteAsn::Fixed(64512), ..at("192.0.2.1") }), Ttl::Multihop(255));
        assert_eq!(ttl(&Peer { remote_asn: RemoteAsn::Internal, ..at("192.0.2.1") }), Ttl::Multihop(255));
        let local = Peer { local_asn: Some(64601), ..at("192.0.2.1") };
        assert_eq!(ttl(&local), Ttl::Multihop(255), "the router sees an internal peer");
    }

    #[test]
    fn a_session_carries_its_own_family_and_more_where_asked() {
        let (place, links) = (place(&["10.0.0.7"]), Links::default());
        let enabled = |router: &Peer| {
            let families = session(router, &place, &links).families;
            (families.ipv4.enabled, families.ipv6.enabled, families.ipv4.extended_next_hop)
        };
        assert_eq!(enabled(&at("192.0.2.1")), (true, false, false));
        assert_eq!(enabled(&at("2001:db8::1")), (false, true, false));
        assert_eq!(enabled(&Peer { dual_stack: true, ..at("192.0.2.1") }), (true, true, false));
        assert_eq!(enabled(&Peer { dual_stack: true, ..at("2001:db8::1") }), (true, true, true));
        assert_eq!(enabled(&router(PeerEndpoint::Interface("eth1".to_owned()))), (true, true, true));
        assert!(session(&router(PeerEndpoint::Interface("eth1".to_owned())), &place, &links).validate().is_ok());
    }

    #[test]
    fn the_router_id_is_the_nodes_address_or_follows_from_its_name() {
        assert_eq!(place(&["fd00::7", "10.0.0.7"]).router_id(&Links::default()), Ipv4Addr::new(10, 0, 0, 7));
        assert_eq!(place(&["fd00::7"]).router_id(&links(&["192.0.2.9/24"])), Ipv4Addr::new(192, 0, 2, 9));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
        let of_name = place(&["fd00::7"]).router_id(&Links::default());
        assert_eq!(of_name, Ipv4Addr::from(crc32(b"node-1").to_le_bytes()));
    }

    #[test]
    fn passwords_reach_the_connection_and_another_one_is_no_other_session() {
        let (place, links) = (place(&[]), Links::default());
        let with = |text: &str| {
            let text = Concealed::from(text.to_owned());
            peer(
                &Peer { password: Password::Secret { name: "auth".to_owned(), text }, ..at("192.0.2.1") },
                &place,
                &links,
            )
        };
        assert!(with("x").transport.password.is_some());
        assert_ne!(with("x").transport, with("y").transport);
        assert_eq!(with("x").session, with("y").session);
        assert!(with("").transport.password.is_none());
    }

    #[test]
    fn graceful_restart_is_asked_for_where_the_peer_says_so() {
        let (place, links) = (place(&[]), Links::default());
        let kept = |router: &Peer| session(router, &place, &links).graceful_restart.unwrap().families;
        assert_eq!(kept(&at("192.0.2.1")), PerFamily { ipv4: false, ipv6: false });
        assert_eq!(kept(&Peer { graceful_restart: true, ..at("192.0.2.1") }), PerFamily { ipv4: true, ipv6: false });
    }

    #[test]
    fn nothing_is_kept_for_a_node_that_was_just_started() {
        assert!(!forwards("17.52 30.1\n") && !forwards("120.00 1.0\n"));
        assert!(forwards("121.00 1.0\n") && forwards("8600.17 1.0\n") && forwards("unreadable"));
        let booted = Place { forwards: false, ..place(&[]) };
        let said = session(&Peer { graceful_restart: true, ..at("192.0.2.1") }, &booted, &Links::default());
        assert!(!said.graceful_restart.unwrap().forwarding);
    }

    #[test]
    fn bfd_watches_over_the_link_or_over_hops() {
        let profile = BfdProfile {
            name: "fast".to_owned(),
            receive_interval: Duration::from_millis(50),
            transmit_interval: Duration::from_millis(60),
            detect_multiplier: 4,
            echo_interval: Duration::from_millis(50),
            echo_mode: false,
            passive_mode: true,
            minimum_ttl: 250,
        };
        let (place, links) = (place(&["10.0.0.7"]), links(&["10.0.0.7/24"]));
        let watched = |router: Peer, interface: Option<&str>| {
            let PeerEndpoint::Address(address) = router.endpoint else { panic!("an address") };
            bfd(&router, address, interface, &place, &links)
        };
        assert_eq!(watched(at("10.0.0.1"), None), None);
        let with = |router: Peer| Peer { bfd: Bfd::On(profile.clone()), ebgp_multi_hop: true, ..router };
        let (near, parameters) = watched(with(at("10.0.0.1")), None).unwrap();
        assert!(!near.multihop && near.source.is_none());
        assert_eq!(parameters.minimum_ttl, 250);
        assert_eq!(parameters.session.detect_multiplier, 4);
        assert_eq!(parameters.session.transmit_interval, Duration::from_millis(60));
        assert!(parameters.session.passive);
        let (far, _) = watched(with(at("198.51.100.1")), None).unwrap();
        assert!(far.multihop);
        assert_eq!(far.source, Some("10.0.0.7".parse().unwrap()));
        let (unnumbered, _) = watched(with(at("fe80::1")), Some("eth1")).unwrap();
        assert_eq!((unnumbered.interface.as_deref(), unnumbered.multihop), (Some("eth1"), false));
    }

    #[test]
    fn routes_that_did_not_change_are_the_same_to_the_pointer() {
        let attributes = |local_pref| {
            Arc::new(Attributes {
                communities: BTreeSet::from([Community::Standard(64512, 7), Community::Large(1, 2, 3)]),
                local_pref: Some(local_pref),
                as_path_prepend: 2,
            })
        };
        let routes = |prefixes: &[&str], local_pref| -> Arc<Routes> {
            let shared = attributes(local_pref);
            Arc::new(prefixes.iter().map(|prefix| (prefix.parse().unwrap(), Arc::clone(&shared))).collect())
        };
        let mut translator = Translator::default();
        let (one, two) = (routes(&["10.20.0.1/32", "10.20.0.2/32"], 200), routes(&["10.20.0.3/32"], 200));
        let first = translator.translate([("a", &one), ("b", &one), ("c", &two)].into_iter());
        let (a, b, c) = (&first[&"a".into()], &first[&"b".into()], &first[&"c".into()]);
        assert!(Arc::ptr_eq(a, b));
        let route = a.get(&"10.20.0.1/32".parse().unwrap()).unwrap();
        assert_eq!((route.local_pref, route.prepend), (Some(200), 2));
        assert_eq!(route.communities, [wire::Community((64512 << 16) | 7)]);
        assert_eq!(route.large_communities, [wire::LargeCommunity { global: 1, local1: 2, local2: 3 }]);
        assert!(Arc::ptr_eq(route, c.get(&"10.20.0.3/32".parse().unwrap()).unwrap()), "equal attributes are one route");
        let changed = routes(&["10.20.0.3/32"], 300);
        let second = translator.translate([("a", &one), ("c", &changed)].into_iter());
        assert!(Arc::ptr_eq(a, &second[&"a".into()]));
        assert!(!Arc::ptr_eq(c, &second[&"c".into()]));
        assert!(translator.routes.len() == 2 && translator.sets.len() == 2, "what is used no more is forgotten");
    }
}
