//! OPEN and its capabilities.

use bytes::BytesMut;
use ferrolb_bgp::wire::{
    AddPathMode, Capability, Family, GracefulRestart, LongLived, Message, Open, Parameters, RawFamily, Role,
};

use crate::support::{framed, one, refused, written};

fn open(capabilities: Vec<Capability>) -> Open {
    Open { asn: 65_000, hold_time: 90, router_id: "192.0.2.1".parse().unwrap(), capabilities }
}

fn read(bytes: &[u8]) -> Open {
    let message = one(bytes, &Parameters::default());
    let Message::Open(open) = message else { panic!("not an OPEN: {message:?}") };
    open
}

/// One of each kind; EVPN is a family that nobody here carries.
fn all() -> Vec<Capability> {
    let evpn = RawFamily { afi: 25, safi: 70 };
    let (v4, v6) = (Family::Ipv4.raw(), Family::Ipv6.raw());
    vec![
        Capability::MultiProtocol(v4),
        Capability::MultiProtocol(v6),
        Capability::MultiProtocol(evpn),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![(v4, 2), (RawFamily { afi: 1, safi: 128 }, 2)]),
        Capability::ExtendedMessage,
        Capability::Role(Role::Customer),
        Capability::GracefulRestart(GracefulRestart {
            restarting: true,
            notification: true,
            restart_time: 4095,
            families: vec![(v4, true), (evpn, false), (v6, true)],
        }),
        Capability::FourOctetAs(4_200_000_001),
        Capability::AddPath(vec![(v4, AddPathMode::Both), (evpn, AddPathMode::Receive), (v6, AddPathMode::Send)]),
        Capability::EnhancedRouteRefresh,
        Capability::LongLivedGracefulRestart(vec![
            LongLived { family: v4, forwarding: true, stale_time: 0x00ff_ffff },
            LongLived { family: evpn, forwarding: false, stale_time: 1 },
        ]),
        Capability::Fqdn { host: "node-1".to_owned(), domain: "example.org".to_owned() },
        Capability::Unknown { code: 200, value: vec![1, 2, 3] },
    ]
}

#[test]
fn every_capability_comes_back() {
    let open = Open { asn: 4_200_000_001, ..open(all()) };
    let bytes = written(|out| open.encode(out).unwrap());
    assert_eq!(read(&bytes), open);
    assert_eq!(&bytes[20..22], 23_456_u16.to_be_bytes(), "AS_TRANS stands in");
}

#[test]
fn parameters_over_255_octets_are_written_and_read() {
    for count in [8, 9, 200] {
        let unknown = |code| Capability::Unknown { code, value: vec![code; 28] };
        let open = open((0..count).map(|code| unknown(code % 50 + 150)).collect());
        let mut bytes = BytesMut::new();
        if open.encode(&mut bytes).is_err() {
            assert_eq!((count, bytes.len()), (200, 0), "nothing is written of what does not fit");
            continue;
        }
        assert_eq!(bytes[28] == 255 && bytes[29] == 255, count > 8, "RFC 9072 only where it is needed");
        assert_eq!(read(&bytes), open);
    }
}

#[test]
fn what_is_wrong_with_an_open_has_its_code() {
    let good: Vec<u8> = vec![4, 0xfd, 0xe8, 0, 90, 192, 0, 2, 1, 0];
    let changed = |at: usize, with: &[u8]| {
        let mut body = good.clone();
        body.splice(at..at + with.len().min(body.len() - at), with.iter().copied());
        framed(1, &body)
    };
    let cases: &[(&str, Vec<u8>, u8, &[u8])] = &[
        ("version", changed(0, &[3]), 1, &[0, 4]),
        ("AS 0", changed(1, &[0, 0]), 2, &[]),
        ("hold time 1", changed(3, &[0, 1]), 6, &[]),
        ("hold time 2", changed(3, &[0, 2]), 6, &[]),
        ("identifier 0", changed(5, &[0, 0, 0, 0]), 3, &[]),
        ("parameter 1", changed(9, &[3, 1, 1, 0]), 4, &[]),
        ("parameters longer than the message", changed(9, &[3, 2, 0]), 0, &[]),
        ("octets behind the parameters", changed(9, &[0, 2, 0]), 0, &[]),
        ("a parameter that is cut off", changed(9, &[2, 2, 1]), 0, &[]),
        ("a capability that is cut off", changed(9, &[4, 2, 2, 1, 4]), 0, &[]),
        ("AS 0 in capability 65", changed(9, &[8, 2, 6, 65, 4, 0, 0, 0, 0]), 2, &[]),
        ("RFC 9072 cut off", changed(9, &[255, 255, 0]), 0, &[]),
        ("RFC 9072 too short", changed(9, &[255, 255, 0, 4, 2, 0, 0]), 0, &[]),
        ("RFC 9072 with lengths of one octet", changed(9, &[255, 255, 0, 4, 2, 2, 2, 0]), 0, &[]),
    ];
    for (what, bytes, subcode, data) in cases {
        let refused = refused(bytes, &Parameters::default());
        assert_eq!((refused.code, refused.subcode, &refused.data[..]), (2, *subcode, *data), "{what}");
    }
    assert_eq!(read(&framed(1, &good)), open(Vec::new()));
}

#[test]
fn rfc_9072_is_told_by_the_type_and_not_by_the_length() {
    let mut body = vec![4, 0xfd, 0xe8, 0, 90, 192, 0, 2, 1, 7, 255, 0, 5, 2, 0, 2, 2, 0];
    assert_eq!(read(&framed(1, &body)), open(vec![Capability::RouteRefresh]));
    body[9] = 255;
    assert_eq!(read(&framed(1, &body)), open(vec![Capability::RouteRefresh]));
}

#[test]
fn a_malformed_capability_is_kept_as_it_came() {
    let odd = [
        (1, vec![0, 1, 0]),
        (2, vec![0]),
        (5, vec![0, 1, 0, 1, 0]),
        (9, vec![5]),
        (64, vec![0]),
        (64, vec![0, 0, 0, 1, 1]),
        (65, vec![0, 0, 1]),
        (69, vec![0, 1, 1]),
        (71, vec![0, 1, 1, 0, 0, 0]),
        (73, vec![2, b'a']),
        (73, vec![1, 0xff, 0]),
    ];
    let open = open(odd.map(|(code, value)| Capability::Unknown { code, value }).to_vec());
    let bytes = written(|out| open.encode(out).unwrap());
    assert_eq!(read(&bytes), open);
}

#[test]
fn a_mode_that_does_not_exist_costs_its_own_family_only() {
    let value = vec![0, 1, 1, 0, 0, 2, 1, 3, 0, 25, 70, 4];
    let bytes = written(|out| open(vec![Capability::Unknown { code: 69, value }]).encode(out).unwrap());
    assert_eq!(read(&bytes).capabilities, [Capability::AddPath(vec![(Family::Ipv6.raw(), AddPathMode::Both)])]);
}

#[test]
fn a_capability_that_is_too_long_is_refused() {
    let open = open(vec![Capability::Fqdn { host: "h".repeat(200), domain: "d".repeat(100) }]);
    let mut out = BytesMut::new();
    assert_eq!(open.encode(&mut out).unwrap_err().to_string(), "capability 73: 302 octets do not fit into 255");
    assert!(out.is_empty());
}
