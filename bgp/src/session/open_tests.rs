use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::testing::{open_of, speaker};
use super::super::{GracefulRestart as Graceful, LongLived as Long};
use super::*;
use crate::wire::AddPathMode;

const S: fn(u64) -> Duration = Duration::from_secs;
const V4: RawFamily = RawFamily { afi: 1, safi: 1 };
const V6: RawFamily = RawFamily { afi: 2, safi: 1 };

fn subcode(config: &Config, peer: &Open) -> Option<u8> {
    check(config, peer).err().map(|notification| {
        assert_eq!(notification.code, 2);
        notification.subcode
    })
}

fn peer(change: impl FnOnce(&mut Open)) -> Open {
    let mut open = open_of(&speaker(2));
    change(&mut open);
    open
}

#[test]
fn the_open_says_what_is_configured_and_nothing_else() {
    let open = own(&speaker(1), Saying { restarting: false, plain: false });
    assert_eq!((open.asn, open.hold_time, open.router_id), (64_501, 90, Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(
        open.capabilities,
        [
            Capability::MultiProtocol(V4),
            Capability::MultiProtocol(V6),
            Capability::RouteRefresh,
            Capability::ExtendedMessage,
            Capability::GracefulRestart(GracefulRestart {
                restarting: false,
                notification: true,
                restart_time: 120,
                families: Vec::new(),
            }),
            Capability::FourOctetAs(64_501),
            Capability::EnhancedRouteRefresh,
        ]
    );
}

#[test]
fn the_open_says_all_that_can_be_configured() {
    let mut config = Config { local_asn: Some(4_200_000_001), ..speaker(1) };
    config.families.ipv4 = FamilyConfig { enabled: true, add_path: Some(AddPathMode::Both), extended_next_hop: true };
    config.families.ipv6.enabled = false;
    config.extended_messages = false;
    config.role = Some(Role::Customer);
    config.host = Some("worker-1".to_owned());
    let families = PerFamily { ipv4: true, ipv6: true };
    let long_lived = PerFamily { ipv4: Some(Long { stale_time: S(3600), max_stale_time: S(0) }), ipv6: None };
    let restart_time = S(300);
    config.graceful_restart = Some(Graceful {
        families,
        long_lived,
        restart_time,
        forwarding: true,
        notification: false,
        ..Graceful::default()
    });
    let open = own(&config, Saying { restarting: true, plain: false });
    assert_eq!(open.asn, 4_200_000_001);
    assert_eq!(
        open.capabilities,
        [
            Capability::MultiProtocol(V4),
            Capability::RouteRefresh,
            Capability::ExtendedNextHop(vec![(V4, 2)]),
            Capability::Role(Role::Customer),
            Capability::GracefulRestart(GracefulRestart {
                restarting: true,
                notification: false,
                restart_time: 300,
                families: vec![(V4, true)],
            }),
            Capability::FourOctetAs(4_200_000_001),
            Capability::AddPath(vec![(V4, AddPathMode::Both)]),
            Capability::EnhancedRouteRefresh,
            Capability::LongLivedGracefulRestart(vec![LongLived { family: V4, forwarding: true, stale_time: 3600 }]),
            Capability::Fqdn { host: "worker-1".to_owned(), domain: String::new() },
        ]
    );
    assert_eq!(own(&config, Saying { restarting: true, plain: true }).capabilities, []);
}

#[test]
fn the_as_of_the_peer_has_to_be_the_configured_one() {
    let with = |remote_as| Config { remote_as, ..speaker(1) };
    let of = |asn| peer(|open| open.asn = asn);
    let cases = [
        (RemoteAs::Exactly(64_502), 64_502, true),
        (RemoteAs::Exactly(64_502), 64_503, false),
        (RemoteAs::External, 4_200_000_000, true),
        (RemoteAs::External, 64_501, false),
        (RemoteAs::Internal, 64_501, true),
        (RemoteAs::Internal, 64_502, false),
        (RemoteAs::External, 0, false), // RFC 7607
    ];
    for (remote_as, asn, good) in cases {
        assert_eq!(subcode(&with(remote_as), &of(asn)), (!good).then_some(2), "{remote_as:?} {asn}");
    }
    let local = Config { local_asn: Some(65_000), ..with(RemoteAs::Internal) };
    assert_eq!(subcode(&local, &of(65_000)), None, "the local AS is what the peer sees");
    assert_eq!(subcode(&local, &of(64_501)), Some(2));
}

#[test]
fn a_hold_time_of_one_or_two_seconds_is_not_acceptable() {
    for (seconds, good) in [(0, true), (1, false), (2, false), (3, true), (65_535, true)] {
        assert_eq!(subcode(&speaker(1), &peer(|open| open.hold_time = seconds)), (!good).then_some(6), "{seconds}");
    }
}

#[test]
fn an_equal_identifier_is_an_error_of_an_internal_peer_only() {
    let same = |asn| peer(|open| (open.asn, open.router_id) = (asn, Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(subcode(&speaker(1), &same(64_502)), None);
    let internal = Config { remote_as: RemoteAs::Internal, ..speaker(1) };
    assert_eq!(subcode(&internal, &same(64_501)), Some(3));
    assert_eq!(subcode(&internal, &peer(|open| open.asn = 64_501)), None);
    assert_eq!(subcode(&speaker(1), &peer(|open| open.router_id = Ipv4Addr::UNSPECIFIED)), Some(3));
}

#[test]
fn roles_have_to_correspond() {
    use Role::{Customer, Peer, Provider, RouteServer, RouteServerClient};
    let all = [Provider, RouteServer, RouteServerClient, Customer, Peer];
    let pairs = [(Provider, Customer), (RouteServer, RouteServerClient), (Peer, Peer)];
    for own in all {
        let config = Config { role: Some(own), ..speaker(1) };
        for theirs in all {
            let good = pairs.contains(&(own, theirs)) || pairs.contains(&(theirs, own));
            let peer = peer(|open| open.capabilities.push(Capability::Role(theirs)));
            assert_eq!(subcode(&config, &peer), (!good).then_some(11), "{own:?} {theirs:?}");
            assert_eq!(subcode(&speaker(1), &peer), None, "no role here");
        }
    }
}

#[test]
fn a_peer_without_a_role_is_refused_in_strict_mode_only() {
    let config = Config { role: Some(Role::Customer), ..speaker(1) };
    assert_eq!(subcode(&config, &peer(|_| {})), None);
    assert_eq!(subcode(&Config { strict_role: true, ..config }, &peer(|_| {})), Some(11));
}

#[test]
fn of_several_roles_each_counts() {
    let config = Config { role: Some(Role::Customer), ..speaker(1) };
    let roles = |roles: &[Capability]| peer(|open| open.capabilities.extend_from_slice(roles));
    let provider = Capability::Role(Role::Provider);
    assert_eq!(subcode(&config, &roles(&[provider.clone(), provider.clone()])), None);
    assert_eq!(subcode(&config, &roles(&[provider.clone(), Capability::Role(Role::Peer)])), Some(11));
    let unknown = Capability::Unknown { code: 9, value: vec![5] };
    assert_eq!(subcode(&config, &roles(&[provider, unknown])), Some(11));
}

#[test]
fn an_internal_session_has_no_roles() {
    let config = Config { remote_as: RemoteAs::Exactly(64_501), role: Some(Role::Peer), ..speaker(1) };
    assert!(!open_of(&config).capabilities.iter().any(|it| matches!(it, Capability::Role(_))));
    let peer = peer(|open| {
        open.asn = 64_501;
        open.capabilities.push(Capability::Role(Role::Customer));
    });
    assert_eq!(subcode(&config, &peer), None);
}

#[test]
fn a_peer_that_names_no_family_carries_ipv4_and_one_that_names_some_carries_those() {
    let of = |named: &[RawFamily]| {
        families(&peer(|open| open.capabilities = named.iter().copied().map(Capability::MultiProtocol).collect()))
    };
    assert_eq!(of(&[]), PerFamily { ipv4: true, ipv6: false });
    assert_eq!(of(&[V6]), PerFamily { ipv4: false, ipv6: true });
    assert_eq!(of(&[RawFamily { afi: 25, safi: 70 }]), PerFamily { ipv4: false, ipv6: false });
    assert_eq!(of(&[V6, V4]), PerFamily { ipv4: true, ipv6: true });
}
