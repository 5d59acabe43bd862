use proptest::prelude::*;

use super::super::testing::{endpoints, open_of, speaker};
use super::super::{FamilyConfig, GracefulRestart as Graceful, LongLived as Long, Peer};
use super::*;
use crate::wire::RawFamily;

const S: fn(u64) -> Duration = Duration::from_secs;
const V4: RawFamily = RawFamily { afi: 1, safi: 1 };
const V6: RawFamily = RawFamily { afi: 2, safi: 1 };
const BOTH: PerFamily<bool> = PerFamily { ipv4: true, ipv6: true };

fn session(own: &Config, peer: &Open) -> Session {
    let id = Peer::new(Arc::new(speaker(1)), 0, false).expect("valid").next_connection();
    agree(own, &Arc::new(open_of(own)), &Arc::new(peer.clone()), id, endpoints())
}

fn between(own: &Config, peer: &Config) -> Session {
    session(own, &open_of(peer))
}

fn bare(capabilities: Vec<Capability>) -> Open {
    Open { capabilities, ..open_of(&speaker(2)) }
}

#[test]
fn defaults_agree_on_all_that_both_can() {
    let session = between(&speaker(1), &speaker(2));
    let expected = Parameters {
        four_octet_as: true,
        external: true,
        max_send: 4096,
        max_receive: 65_535,
        families: BOTH,
        add_path: PerFamily::default(),
        extended_next_hop: PerFamily::default(),
    };
    assert_eq!(*session.parameters, expected);
    assert_eq!(session.hold_time, S(90));
    assert!(session.route_refresh && session.enhanced_refresh && session.notification_restart);
    assert!(!session.peer_restarted);
    assert_eq!((session.peer_helps, session.keeps_stale), (PerFamily::default(), PerFamily::default()));
}

#[test]
fn a_peer_without_capabilities_has_ipv4_two_octets_and_nothing_else() {
    let session = session(&speaker(1), &bare(Vec::new()));
    assert_eq!(*session.parameters, Parameters::default());
    assert!(!session.route_refresh && !session.enhanced_refresh && !session.notification_restart);
}

#[test]
fn unknown_capabilities_and_families_are_ignored() {
    let evpn = RawFamily { afi: 25, safi: 70 };
    let peer = bare(vec![
        Capability::MultiProtocol(evpn),
        Capability::MultiProtocol(V6),
        Capability::Unknown { code: 128, value: Vec::new() },
        Capability::AddPath(vec![(evpn, AddPathMode::Both)]),
    ]);
    let session = session(&speaker(1), &peer);
    assert_eq!(session.parameters.families, PerFamily { ipv4: false, ipv6: true });
    assert!(!session.route_refresh, "128 is the one of before RFC 2918");
}

#[test]
fn extended_messages_are_read_where_both_offer_them_and_sent_where_asked() {
    let offers =
        |both: bool, send: bool| Config { extended_messages: both, send_extended_messages: send, ..speaker(1) };
    let limits = |own: &Config, peer: &Config| {
        let parameters = between(own, peer).parameters;
        (parameters.max_send, parameters.max_receive)
    };
    assert_eq!(limits(&offers(true, true), &offers(true, false)), (65_535, 65_535));
    assert_eq!(limits(&offers(true, true), &offers(false, true)), (4096, 4096));
    assert_eq!(limits(&offers(false, true), &offers(true, true)), (4096, 4096));
}

#[test]
fn paths_have_identifiers_where_one_sends_and_the_other_receives() {
    use AddPathMode::{Both, Receive, Send};
    let with = |mode| {
        let mut config = speaker(1);
        config.families.ipv6.add_path = mode;
        config
    };
    let agreed = |own, peer| {
        let add_path = between(&with(own), &with(peer)).parameters.add_path;
        assert_eq!(add_path.ipv4, AddPath::default());
        (add_path.ipv6.receive, add_path.ipv6.send)
    };
    assert_eq!(agreed(Some(Send), Some(Receive)), (false, true));
    assert_eq!(agreed(Some(Receive), Some(Send)), (true, false));
    assert_eq!(agreed(Some(Both), Some(Both)), (true, true));
    assert_eq!(agreed(Some(Both), Some(Send)), (true, false));
    assert_eq!(agreed(Some(Send), Some(Send)), (false, false));
    assert_eq!(agreed(Some(Receive), Some(Receive)), (false, false));
    assert_eq!(agreed(Some(Both), None), (false, false));
    assert_eq!(agreed(None, Some(Both)), (false, false));
}

#[test]
fn nothing_is_agreed_on_for_a_family_that_is_not_carried() {
    let mut own = speaker(1);
    own.families.ipv4 = FamilyConfig { enabled: true, add_path: Some(AddPathMode::Both), extended_next_hop: true };
    own.graceful_restart = Some(Graceful { families: BOTH, ..Graceful::default() });
    let peer = bare(vec![
        Capability::MultiProtocol(V6),
        Capability::AddPath(vec![(V4, AddPathMode::Both)]),
        Capability::ExtendedNextHop(vec![(V4, 2)]),
        Capability::GracefulRestart(GracefulRestart {
            families: vec![(V4, true)],
            restart_time: 60,
            ..GracefulRestart::default()
        }),
    ]);
    let session = session(&own, &peer);
    assert!(!session.parameters.add_path.ipv4.send && !session.parameters.extended_next_hop.ipv4);
    assert_eq!(session.restart.ipv4, None);
    assert_eq!(session.peer_helps, PerFamily { ipv4: false, ipv6: true });
}

#[test]
fn ipv6_next_hops_for_ipv4_need_both() {
    let with = |on| {
        let mut config = speaker(1);
        config.families.ipv4.extended_next_hop = on;
        config
    };
    for (own, peer) in [(true, true), (true, false), (false, true)] {
        let parameters = between(&with(own), &with(peer)).parameters;
        assert_eq!(parameters.extended_next_hop, PerFamily { ipv4: own && peer, ipv6: false });
    }
}

#[test]
fn the_smaller_hold_time_holds_and_zero_is_the_smallest() {
    let with = |seconds| Config { hold_time: S(seconds), ..speaker(1) };
    for (own, peer, agreed) in [(90, 9, 9), (9, 90, 9), (0, 90, 0), (90, 0, 0)] {
        assert_eq!(between(&with(own), &with(peer)).hold_time, S(agreed));
    }
}

// --- Graceful restart ---

fn restarting(graceful: Graceful) -> Config {
    Config { graceful_restart: Some(graceful), ..speaker(2) }
}

#[test]
fn the_peers_routes_are_kept_as_it_says_within_the_own_bound() {
    let own = restarting(Graceful { max_restart_time: S(100), ..Graceful::default() });
    let peer = |seconds| {
        restarting(Graceful {
            families: PerFamily { ipv4: true, ipv6: false },
            restart_time: S(seconds),
            ..Graceful::default()
        })
    };
    let restart = |seconds| between(&own, &peer(seconds)).restart;
    assert_eq!(restart(60).ipv4, Some(Restart { restart_time: S(60), long_lived: S(0) }));
    assert_eq!(restart(60).ipv6, None);
    assert_eq!(restart(600).ipv4.map(|it| it.restart_time), Some(S(100)));
    assert_eq!(restart(0).ipv4, None, "it asks for no time at all");
    let without = Config { graceful_restart: None, ..speaker(1) };
    assert_eq!(between(&without, &peer(60)).restart, PerFamily::default(), "nobody said that they would be");
}

#[test]
fn long_lived_stale_routes_need_both_capabilities_and_both_speakers() {
    let long = |seconds, bound| PerFamily {
        ipv4: Some(Long { stale_time: S(seconds), max_stale_time: S(bound) }),
        ipv6: None,
    };
    let helper = restarting(Graceful { long_lived: long(0, 1000), ..Graceful::default() });
    let peer = restarting(Graceful { families: BOTH, long_lived: long(5000, 0), ..Graceful::default() });
    let both = between(&helper, &peer).restart;
    assert_eq!(both.ipv4, Some(Restart { restart_time: S(120), long_lived: S(1000) }));
    assert_eq!(both.ipv6, Some(Restart { restart_time: S(120), long_lived: S(0) }));
    assert_eq!(between(&speaker(1), &peer).restart.ipv4.map(|it| it.long_lived), Some(S(0)), "not configured here");

    let mut without = open_of(&peer);
    without.capabilities.retain(|it| !matches!(it, Capability::GracefulRestart(_)));
    assert_eq!(session(&helper, &without).restart, PerFamily::default(), "RFC 9494 section 4.1");

    let only_long = restarting(Graceful { long_lived: long(500, 0), ..Graceful::default() });
    assert_eq!(between(&helper, &only_long).restart.ipv4, Some(Restart { restart_time: S(0), long_lived: S(500) }));
}

#[test]
fn stale_routes_wait_for_the_end_of_rib_where_forwarding_went_on() {
    let own = restarting(Graceful::default());
    let keeps = |graceful| between(&own, &restarting(graceful)).keeps_stale;
    let families = PerFamily { ipv4: true, ipv6: false };
    assert_eq!(keeps(Graceful { families, ..Graceful::default() }), families);
    assert_eq!(keeps(Graceful { families, forwarding: false, ..Graceful::default() }), PerFamily::default());
}

#[test]
fn the_peer_keeps_the_own_routes_where_it_was_asked_to_and_knows_how() {
    let own = restarting(Graceful { families: PerFamily { ipv4: true, ipv6: false }, ..Graceful::default() });
    let helps = |peer: &Config| between(&own, peer).peer_helps;
    assert_eq!(helps(&speaker(2)), PerFamily { ipv4: true, ipv6: false });
    assert_eq!(helps(&Config { graceful_restart: None, ..speaker(2) }), PerFamily::default());
    assert_eq!(between(&speaker(1), &own).peer_helps, PerFamily::default(), "nothing was asked for");
}

#[test]
fn only_the_last_graceful_restart_capability_counts() {
    let of = |restart_time| {
        let families = vec![(V4, true)];
        Capability::GracefulRestart(GracefulRestart { restart_time, families, ..GracefulRestart::default() })
    };
    let session = session(&speaker(1), &bare(vec![of(100), of(50)]));
    assert_eq!(session.restart.ipv4.map(|it| it.restart_time), Some(S(50)));
}

// --- Both sides come to the same ---

fn any_config(number: u8) -> impl Strategy<Value = Config> {
    let mode =
        prop::option::of(prop_oneof![Just(AddPathMode::Send), Just(AddPathMode::Receive), Just(AddPathMode::Both)]);
    let family = (any::<bool>(), mode, any::<bool>()).prop_map(|(enabled, add_path, extended_next_hop)| FamilyConfig {
        enabled,
        add_path,
        extended_next_hop,
    });
    let graceful = prop::option::of((any::<(bool, bool, bool, bool)>(), 0..200_u64).prop_map(
        |((ipv4, ipv6, forwarding, notification), time)| Graceful {
            families: PerFamily { ipv4, ipv6 },
            forwarding,
            notification,
            restart_time: S(time),
            ..Graceful::default()
        },
    ));
    (family.clone(), family, graceful, any::<(bool, bool, bool)>(), 3..200_u64).prop_map(
        move |(ipv4, mut ipv6, graceful_restart, (extended, send, internal), hold)| {
            ipv6.extended_next_hop = false;
            let asn = if internal { 64_500 } else { speaker(number).asn };
            Config {
                asn,
                families: PerFamily { ipv4, ipv6 },
                graceful_restart,
                extended_messages: extended,
                send_extended_messages: send,
                hold_time: S(hold),
                ..speaker(number)
            }
        },
    )
}

proptest! {
    #![proptest_config(super::super::testing::cases())]

    #[test]
    fn two_speakers_agree_on_the_same(one in any_config(1), other in any_config(2)) {
        let (here, there) = (between(&one, &other), between(&other, &one));
        let (p, q) = (&here.parameters, &there.parameters);
        prop_assert_eq!(p.families, q.families);
        prop_assert_eq!(p.extended_next_hop, q.extended_next_hop);
        prop_assert_eq!((p.four_octet_as, p.external), (q.four_octet_as, q.external));
        prop_assert!(p.max_send <= q.max_receive && q.max_send <= p.max_receive);
        for family in Family::ALL {
            prop_assert_eq!(p.add_path.get(family).send, q.add_path.get(family).receive);
            prop_assert_eq!(p.add_path.get(family).receive, q.add_path.get(family).send);
            // Whoever keeps routes was asked to by one that counts on it.
            prop_assert!(here.restart.get(family).is_none() || *there.peer_helps.get(family));
        }
        prop_assert_eq!(here.hold_time, there.hold_time);
        prop_assert_eq!(here.notification_restart, there.notification_restart);
        prop_assert_eq!(here.enhanced_refresh, there.enhanced_refresh);
    }
}
