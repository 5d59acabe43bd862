//! Whatever happens in whatever order: in the end each peer holds exactly what it shall, and on the way nothing is withdrawn
//! that was not announced, nothing is told twice, and no refresh lacks a route. The receivers see to that.

use proptest::prelude::*;

use super::*;

/// A set by the index of the route that each prefix of a small world has, if any.
type World = Vec<Option<u8>>;

#[derive(Debug, Clone)]
enum Step {
    Routes(u8, World),
    /// All peers are given the same.
    AllRoutes(World),
    /// One prefix changes for all peers.
    Change(u8, Option<u8>),
    Pull(u8, u16),
    Refresh(u8, bool),
    Shutdown(u8, bool),
    Down(u8),
    Up(u8),
}

const PEERS: u8 = 4;
const PREFIXES: usize = 40;

fn world() -> impl Strategy<Value = World> {
    prop_oneof![
        proptest::collection::vec(proptest::option::of(0..5_u8), PREFIXES),
        (0..5_u8).prop_map(|route| vec![Some(route); PREFIXES]),
        Just(vec![None; PREFIXES]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let prefix = u8::try_from(PREFIXES).unwrap();
    prop_oneof![
        2 => (0..PEERS, world()).prop_map(|(peer, world)| Step::Routes(peer, world)),
        3 => world().prop_map(Step::AllRoutes),
        3 => (0..prefix, proptest::option::of(0..5_u8)).prop_map(|(prefix, route)| Step::Change(prefix, route)),
        8 => (0..PEERS, 0..1500_u16).prop_map(|(peer, most)| Step::Pull(peer, most)),
        1 => (0..PEERS, any::<bool>()).prop_map(|(peer, second)| Step::Refresh(peer, second)),
        1 => (0..PEERS, any::<bool>()).prop_map(|(peer, on)| Step::Shutdown(peer, on)),
        1 => (0..PEERS).prop_map(Step::Down),
        2 => (0..PEERS).prop_map(Step::Up),
    ]
}

/// The prefixes: half IPv4, half IPv6, of different lengths, the default routes among them.
fn prefix(number: usize) -> IpNet {
    let number = u32::try_from(number).unwrap();
    let text = match number {
        0 => "0.0.0.0/0".to_owned(),
        1 => "::/0".to_owned(),
        2..10 => format!("10.{number}.0.0/16"),
        10..20 => format!("192.0.2.{number}/32"),
        20..30 => format!("2001:db8:{number}::/48"),
        _ => format!("2001:db8::{number}/128"),
    };
    parse(&text)
}

/// Some differ in nothing that an external peer sees, one cannot be told to a peer without RFC 8950.
fn route(number: u8) -> Arc<Route> {
    Arc::new(match number {
        0 => Route::default(),
        1 => Route { local_pref: Some(200), ..Route::default() },
        2 => Route { med: Some(1), communities: vec![Community(2), Community(1)], ..Route::default() },
        3 => Route { next_hop: RouteNextHop::Address(parse("2001:db8::99")), ..Route::default() },
        _ => Route { prepend: 3, ..Route::default() },
    })
}

fn routes(world: &World) -> Arc<RouteSet> {
    let routes = world.iter().enumerate().filter_map(|(number, choice)| Some((prefix(number), route((*choice)?))));
    Arc::new(routes.collect())
}

/// Two peers of one group, one within the AS with identifiers of paths, one that takes IPv6 next hops and refreshes with
/// markers. Messages are short, so that there are many.
fn sessions() -> [Session; 4] {
    let mut external = session();
    external.parameters.max_send = 200;
    let mut inside = internal();
    inside.parameters.max_send = 210;
    inside.parameters.add_path = PerFamily::from_fn(|_| AddPath { receive: true, send: true });
    let mut extended = external.clone();
    extended.parameters.extended_next_hop.ipv4 = true;
    extended.enhanced_refresh = true;
    [external.clone(), external, inside, extended]
}

struct Lab {
    rib: Rib,
    peers: Vec<(PeerId, Session, Option<Receiver>, World, bool)>,
}

// === impl Lab ===

impl Lab {
    fn new() -> Self {
        let mut rib = Rib::new();
        let peers = sessions().map(|session| {
            let peer = rib.add("peer".into(), Policy::default());
            (peer, session, None, vec![None; PREFIXES], false)
        });
        Self { rib, peers: peers.into() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Routes(number, world) => self.set(usize::from(*number), world.clone()),
            Step::AllRoutes(world) => (0..self.peers.len()).for_each(|number| self.set(number, world.clone())),
            Step::Change(prefix, route) => {
                for number in 0..self.peers.len() {
                    let mut world = self.peers[number].3.clone();
                    world[usize::from(*prefix)] = *route;
                    self.set(number, world);
                }
            }
            Step::Pull(number, most) => {
                self.pull(usize::from(*number), usize::from(*most));
            }
            Step::Refresh(number, second) => {
                let family = if *second { Family::Ipv6 } else { Family::Ipv4 };
                let (peer, session, receiver, ..) = &mut self.peers[usize::from(*number)];
                self.rib.refresh(*peer, family);
                if let Some(receiver) = receiver {
                    receiver.repeats = !session.enhanced_refresh;
                }
            }
            Step::Shutdown(number, on) => {
                let (peer, .., shutdown) = &mut self.peers[usize::from(*number)];
                *shutdown = *on;
                self.rib.set_policy(*peer, Policy { graceful_shutdown: *on, ..Policy::default() });
            }
            Step::Down(number) => {
                let (peer, _, receiver, ..) = &mut self.peers[usize::from(*number)];
                *receiver = None;
                self.rib.down(start(), *peer, PerFamily::default());
            }
            Step::Up(number) => {
                let (peer, session, receiver, ..) = &mut self.peers[usize::from(*number)];
                if receiver.is_none() {
                    *receiver = Some(Receiver::new(session));
                    self.rib.established(start(), *peer, session.clone());
                }
            }
        }
    }

    fn set(&mut self, number: usize, world: World) {
        self.rib.set_routes(self.peers[number].0, routes(&world));
        self.peers[number].3 = world;
    }

    fn pull(&mut self, number: usize, most: usize) -> bool {
        let (peer, session, receiver, ..) = &mut self.peers[number];
        let mut out = BytesMut::from(&b"before"[..]);
        let more = self.rib.pull(*peer, &mut out, most);
        assert_eq!(more, self.rib.pending(*peer));
        let Some(receiver) = receiver else {
            assert_eq!(&out[..], b"before");
            return more;
        };
        let messages = receiver.read(&out[6..]);
        assert!(out.len() - 6 <= most.max(session.parameters.max_send), "{} octets of {most}", out.len() - 6);
        assert!(messages > 0 || !more, "nothing is written and there is more");
        let sent = self.rib.summary(*peer).sent;
        let count = |family| receiver.known.keys().filter(|(prefix, _)| Family::of(prefix) == family).count();
        assert_eq!(sent, PerFamily::from_fn(count));
        more
    }

    /// Everybody reads to the end.
    fn settle(&mut self) {
        for number in 0..self.peers.len() {
            while self.pull(number, 1000) {}
            let (peer, session, receiver, world, shutdown) = &self.peers[number];
            let Some(receiver) = receiver else { continue };
            let advertised = self.rib.advertised(*peer);
            let held = receiver.known.iter().map(|((prefix, path_id), attributes)| (*prefix, *path_id, attributes));
            let ours = advertised.iter().map(|told| (told.prefix, told.path_id, &*told.attributes));
            assert_eq!(held.collect::<Vec<_>>(), ours.collect::<Vec<_>>());
            // And not by the RIB's own account.
            let path_id = u32::from(session.parameters.add_path.ipv4.send);
            for (number, choice) in world.iter().enumerate() {
                let prefix = prefix(number);
                let told = receiver.known.get(&(prefix, path_id));
                let ipv4 = matches!(prefix, IpNet::V4(_));
                let Some(choice) =
                    choice.filter(|choice| *choice != 3 || !ipv4 || session.parameters.extended_next_hop.ipv4)
                else {
                    assert_eq!(told, None, "{prefix}");
                    continue;
                };
                let (told, route) = (told.unwrap_or_else(|| panic!("{prefix} is missing")), route(choice));
                assert_eq!(told.med, route.med);
                let hops = if session.parameters.external { 1 + usize::from(route.prepend) } else { 0 };
                assert_eq!(told.as_path.hops(), hops);
                let local_pref = if *shutdown { 0 } else { route.local_pref.unwrap_or(100) };
                assert_eq!(told.local_pref, (!session.parameters.external).then_some(local_pref));
                let mut communities = route.communities.clone();
                communities.extend(shutdown.then_some(well_known::GRACEFUL_SHUTDOWN));
                communities.sort_unstable();
                assert_eq!(told.communities, communities);
            }
            assert!(receiver.again.iter().all(|(_, again)| again.is_none()), "a refresh has no end");
            assert!(receiver.ends.iter().all(|(_, ends)| *ends >= 1), "no End-of-RIB");
            assert!(!self.rib.summary(*peer).pending);
        }
        let (_, _, transitions) = self.rib.outbound.usage();
        assert_eq!(transitions, 0);
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn peers_end_with_exactly_what_they_shall_be_told(
        steps in proptest::collection::vec(step(), 1..60),
        rest in proptest::collection::vec(step(), 0..20),
    ) {
        let mut lab = Lab::new();
        for step in &steps {
            lab.step(step);
        }
        lab.settle();
        for step in &rest {
            lab.step(step);
        }
        lab.settle();
    }

    #[test]
    fn where_pulls_are_cut_does_not_change_a_single_octet(
        before in world(),
        after in world(),
        cuts in proptest::collection::vec(0..1200_usize, 1..12),
    ) {
        let session = sessions()[0].clone();
        let mut rib = Rib::new();
        let [whole, cut] = ["whole", "cut"].map(|name| rib.add(name.into(), Policy::default()));
        for peer in [whole, cut] {
            rib.established(start(), peer, session.clone());
        }
        for world in [before, after] {
            for peer in [whole, cut] {
                rib.set_routes(peer, routes(&world));
            }
            let mut pieces = BytesMut::new();
            for most in cuts.iter().cycle() {
                if !rib.pull(cut, &mut pieces, *most) {
                    break;
                }
            }
            prop_assert_eq!(pieces, drain(&mut rib, whole, 1 << 20));
        }
    }
}
