use std::net::Ipv4Addr;

use super::*;
use crate::session::testing::speaker;

const S: fn(u64) -> Duration = Duration::from_secs;

fn changed(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = speaker(1);
    change(&mut config);
    config
}

fn graceful(change: impl FnOnce(&mut GracefulRestart)) -> Config {
    let mut graceful = GracefulRestart::default();
    change(&mut graceful);
    changed(|config| config.graceful_restart = Some(graceful))
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(speaker(1).validate(), Ok(()));
}

#[test]
fn what_is_wrong_is_named() {
    let wrong = [
        (changed(|it| it.asn = 0), "own AS number is 0, which is no AS number (RFC 7607)"),
        (changed(|it| it.local_asn = Some(0)), "local AS number is 0, which is no AS number (RFC 7607)"),
        (
            changed(|it| it.remote_as = RemoteAs::Exactly(23_456)),
            "remote AS number is 23456, which stands for AS numbers above 65535 and is nobody's (RFC 6793)",
        ),
        (
            changed(|it| it.router_id = Ipv4Addr::UNSPECIFIED),
            "router ID is 0.0.0.0; any other IPv4 address will do (RFC 6286)",
        ),
        (
            changed(|it| it.hold_time = S(2)),
            "hold time 2s is neither 0 nor a number of whole seconds from 3 to 65535 (RFC 4271 section 4.2)",
        ),
        (
            changed(|it| it.hold_time = Duration::from_millis(3500)),
            "hold time 3.5s is neither 0 nor a number of whole seconds from 3 to 65535 (RFC 4271 section 4.2)",
        ),
        (
            changed(|it| it.hold_time = S(65_536)),
            "hold time 65536s is neither 0 nor a number of whole seconds from 3 to 65535 (RFC 4271 section 4.2)",
        ),
        (
            changed(|it| it.keepalive = Some(Duration::from_millis(999))),
            "keepalive time 999ms is below 1 s (RFC 4271 section 4.4)",
        ),
        (
            changed(|it| it.connect_retry = Retry { first: S(3), max: S(2) }),
            "connect retry time is 3s to 2s; the first must be above 0 and at most the second",
        ),
        (changed(|it| it.delay_open = Some(S(241))), "delay of OPEN 241s is above 240 s"),
        (changed(|it| it.families = PerFamily::default()), "no address family is enabled; enable IPv4, IPv6 or both"),
        (
            changed(|it| it.families.ipv6.extended_next_hop = true),
            "extended next hops exist for IPv4 routes only (RFC 8950)",
        ),
        (graceful(|it| it.restart_time = S(4096)), "restart time 4096s is above 4095 s (RFC 4724 section 3)"),
        (
            graceful(|it| {
                it.long_lived.ipv6 = Some(LongLived { stale_time: S(16_777_216), max_stale_time: S(0) });
            }),
            "long-lived stale time 16777216s is above 16777215 s (RFC 9494 section 3)",
        ),
        (
            changed(|it| (it.role, it.remote_as) = (Some(Role::Customer), RemoteAs::Internal)),
            "a role is configured, but the peer is of the own AS; roles are for external peers (RFC 9234 section 4)",
        ),
        (
            changed(|it| it.strict_role = true),
            "the peer shall have a role, but none is configured for this side (RFC 9234 section 4.2)",
        ),
    ];
    for (config, message) in wrong {
        assert_eq!(config.validate().map_err(|error| error.to_string()), Err(message.to_owned()));
    }
}

#[test]
fn only_what_the_session_was_agreed_on_ends_it() {
    let from = speaker(1);
    assert_eq!(from.change(&from), Change::Nothing);
    let live = [
        changed(|it| it.mode = Mode::Both),
        changed(|it| it.keepalive = Some(S(5))),
        changed(|it| it.connect_retry.max = S(10)),
        changed(|it| it.delay_open = Some(S(5))),
        changed(|it| it.send_hold_time = Some(S(500))),
        changed(|it| it.host = Some("worker-1".to_owned())),
        changed(|it| it.prefix_limit_restart = Some(S(60))),
        graceful(|it| it.forwarding = false),
        graceful(|it| it.max_restart_time = S(60)),
    ];
    for to in live {
        assert_eq!(from.change(&to), Change::Live, "{to:?}");
    }
    let reset = [
        changed(|it| it.asn = 64_999),
        changed(|it| it.local_asn = Some(64_999)),
        changed(|it| it.remote_as = RemoteAs::Exactly(64_502)),
        changed(|it| it.router_id = Ipv4Addr::new(192, 0, 2, 99)),
        changed(|it| it.hold_time = S(9)),
        changed(|it| it.families.ipv6.enabled = false),
        changed(|it| it.families.ipv4.extended_next_hop = true),
        changed(|it| it.families.ipv4.add_path = Some(AddPathMode::Send)),
        changed(|it| it.extended_messages = false),
        changed(|it| it.send_extended_messages = true),
        changed(|it| it.graceful_restart = None),
        changed(|it| it.role = Some(Role::Customer)),
        graceful(|it| it.families.ipv4 = true),
        graceful(|it| it.restart_time = S(60)),
        graceful(|it| it.notification = false),
    ];
    for to in reset {
        assert_eq!(from.change(&to), Change::Reset, "{to:?}");
    }
}

#[test]
fn an_as_that_is_still_accepted_is_no_change_for_the_session() {
    let exactly = changed(|it| it.remote_as = RemoteAs::Exactly(64_502));
    assert_eq!(exactly.change(&speaker(1)), Change::Live, "64502 is external");
    let internal = changed(|it| it.remote_as = RemoteAs::Internal);
    assert_eq!(exactly.change(&internal), Change::Reset);
    assert_eq!(speaker(1).change(&exactly), Change::Reset, "the peer may be another one");
}
