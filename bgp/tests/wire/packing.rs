//! UPDATEs that are written: how many, how long, and what is in them.

use bytes::BytesMut;
use ferrolb_bgp::wire::{
    AddPath, Attributes, Community, EncodeError, Family, Message, NextHop, Packer, Parameters, PerFamily, Template,
    decode, encode_end_of_rib,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::support::{Path, messages, next_hop, one_update, parameters, prefix, routes, written};

fn hosts_v4(count: u32) -> impl Iterator<Item = Path> {
    (0..count).map(|host| (IpNet::V4(Ipv4Net::new((0xc633_0000 + host).into(), 32).unwrap()), 0))
}

fn hosts_v6(count: u32) -> impl Iterator<Item = Path> {
    (0..count).map(|host| {
        let address = (0x2001_0db8_u128 << 96) + u128::from(host);
        (IpNet::V6(Ipv6Net::new(address.into(), 128).unwrap()), 0)
    })
}

/// Attributes as in the measurements of others: ORIGIN, a path of one AS, NEXT_HOP, two communities.
fn typical(hop: &str) -> Attributes {
    let mut attributes = Attributes::new(next_hop(hop));
    attributes.as_path.prepend(64_500, 1);
    attributes.communities = vec![Community(1), Community(2)];
    attributes
}

fn announced(attributes: &Attributes, family: Family, parameters: &Parameters, paths: &[Path]) -> (BytesMut, usize) {
    let template = Template::new(attributes, family, parameters).unwrap();
    let mut out = BytesMut::new();
    let mut packer = Packer::announce(&template, parameters, &mut out);
    packer.extend(paths.iter().copied());
    let messages = packer.finish();
    (out, messages)
}

#[test]
fn a_hundred_thousand_equal_routes_take_124_messages() {
    let parameters = parameters();
    let paths: Vec<Path> = hosts_v4(100_000).collect();
    let (bytes, count) = announced(&typical("192.0.2.1"), Family::Ipv4, &parameters, &paths);
    assert_eq!(count, 124);
    assert_eq!(messages(&bytes, &parameters).len(), 124);
    let (announced, withdrawn) = routes(&bytes, &parameters);
    assert_eq!(withdrawn, []);
    assert!(announced.iter().map(|(path, _)| *path).eq(paths));
    assert!(announced.iter().all(|(_, attributes)| *attributes == typical("192.0.2.1")));
}

#[test]
fn withdrawals_take_the_same() {
    let parameters = parameters();
    for (family, count, paths) in
        [(Family::Ipv4, 123, hosts_v4(100_000).collect::<Vec<_>>()), (Family::Ipv6, 419, hosts_v6(100_000).collect())]
    {
        let mut out = BytesMut::new();
        let mut packer = Packer::withdraw(family, &parameters, &mut out);
        packer.extend(paths.iter().copied());
        assert_eq!(packer.finish(), count, "{family}");
        let (announced, withdrawn) = routes(&out, &parameters);
        assert_eq!(announced, []);
        assert_eq!(withdrawn, paths);
    }
}

#[test]
fn routes_of_ipv6_come_back_and_mp_reach_is_first() {
    let parameters = parameters();
    let paths: Vec<Path> = hosts_v6(1000).collect();
    let attributes = typical("2001:db8::1");
    let (bytes, count) = announced(&attributes, Family::Ipv6, &parameters, &paths);
    assert_eq!(count, 5);
    let (announced, _) = routes(&bytes, &parameters);
    assert!(announced.iter().map(|(path, _)| *path).eq(paths));
    for message in messages(&bytes, &parameters) {
        let Message::Update(update) = message else { panic!() };
        assert_eq!(update.raw_attributes().next().unwrap().code, 14);
        assert_eq!(update.attributes(attributes.next_hop), attributes);
    }
}

#[test]
fn host_bits_stay_at_home() {
    let parameters = parameters();
    let (bytes, _) = announced(
        &typical("192.0.2.1"),
        Family::Ipv4,
        &parameters,
        &[(prefix("10.31.2.3/12"), 0), (prefix("0.0.0.0/0"), 0), (prefix("255.255.255.255/25"), 0)],
    );
    assert!(bytes.ends_with(&[12, 10, 16, 0, 25, 255, 255, 255, 128]));
    let update = one_update(&bytes, &parameters);
    let prefixes: Vec<String> =
        update.announced().flat_map(|routes| routes.prefixes).map(|(p, _)| p.to_string()).collect();
    assert_eq!(prefixes, ["10.16.0.0/12", "0.0.0.0/0", "255.255.255.128/25"]);
}

#[test]
fn path_identifiers_go_where_they_were_negotiated() {
    let send = AddPath { receive: true, send: true };
    let both = Parameters { add_path: PerFamily { ipv4: send, ipv6: AddPath::default() }, ..parameters() };
    let paths = [(prefix("10.0.0.0/8"), 7), (prefix("10.0.0.0/8"), 0), (prefix("0.0.0.0/0"), u32::MAX)];
    let (bytes, _) = announced(&typical("192.0.2.1"), Family::Ipv4, &both, &paths);
    assert!(bytes.ends_with(&[0, 0, 0, 7, 8, 10, 0, 0, 0, 0, 8, 10, 255, 255, 255, 255, 0]));
    assert!(routes(&bytes, &both).0.iter().map(|(path, _)| *path).eq(paths));
    let (bytes, _) = announced(&typical("2001:db8::1"), Family::Ipv6, &both, &[(prefix("2001:db8::/32"), 7)]);
    assert_eq!(routes(&bytes, &both).0[0].0, (prefix("2001:db8::/32"), 0));
}

#[test]
fn ipv4_routes_have_a_next_hop_of_ipv6_only_by_agreement() {
    let agreed = Parameters { extended_next_hop: PerFamily { ipv4: true, ipv6: false }, ..parameters() };
    for hop in [
        next_hop("2001:db8::1"),
        NextHop::LinkLocal { global: "2001:db8::1".parse().unwrap(), link_local: "fe80::1".parse().unwrap() },
        NextHop::LinkLocal { global: "::".parse().unwrap(), link_local: "fe80::1".parse().unwrap() },
        NextHop::LinkLocal { global: "fe80::1".parse().unwrap(), link_local: "fe80::1".parse().unwrap() },
    ] {
        let attributes = Attributes { next_hop: hop, ..typical("192.0.2.1") };
        let (bytes, _) = announced(&attributes, Family::Ipv4, &agreed, &[(prefix("198.51.100.0/24"), 0)]);
        assert_eq!(routes(&bytes, &agreed).0, [((prefix("198.51.100.0/24"), 0), attributes.clone())]);
        assert!(matches!(
            Template::new(&attributes, Family::Ipv4, &parameters()),
            Err(EncodeError::NextHop { family: Family::Ipv4, .. })
        ));
        // Who has not agreed to it cannot use such a route, and says so to nobody.
        let refused = one_update(&bytes, &parameters()).clone();
        assert!(refused.treat_as_withdraw());
        assert_eq!(refused.withdrawn().next(), Some((prefix("198.51.100.0/24"), 0)));
    }
}

#[test]
fn no_message_is_longer_than_the_session_allows() {
    for longest in [4096, 65_535] {
        let parameters = Parameters { max_send: longest, max_receive: longest, ..parameters() };
        let (bytes, _) =
            announced(&typical("192.0.2.1"), Family::Ipv4, &parameters, &hosts_v4(40_000).collect::<Vec<_>>());
        let mut rest = &bytes[..];
        let mut lengths = Vec::new();
        while let Some((_, length)) = decode(rest, &parameters).unwrap() {
            lengths.push(length);
            rest = &rest[length..];
        }
        assert_eq!(lengths.iter().sum::<usize>(), bytes.len());
        assert!(lengths.iter().all(|length| *length <= longest));
        assert!(lengths[0] > longest - 5, "{lengths:?}");
    }
}

#[test]
fn attributes_that_leave_no_room_are_refused() {
    let mut attributes = typical("192.0.2.1");
    attributes.communities = (0..1100).map(Community).collect();
    let refused = Template::new(&attributes, Family::Ipv4, &parameters()).unwrap_err();
    assert!(refused.to_string().contains("leave no room for a prefix in a message of 4096"), "{refused}");
    let long = Parameters { max_send: 65_535, max_receive: 65_535, ..parameters() };
    let (bytes, _) = announced(&attributes, Family::Ipv4, &long, &[(prefix("10.0.0.0/8"), 0)]);
    assert_eq!(routes(&bytes, &long).0[0].1, attributes);
}

#[test]
fn prefixes_of_another_family_are_left_out() {
    let parameters = parameters();
    let (bytes, count) = announced(&typical("192.0.2.1"), Family::Ipv4, &parameters, &[(prefix("2001:db8::/32"), 0)]);
    assert_eq!((bytes.len(), count), (0, 0));
}

#[test]
fn a_packer_that_is_dropped_leaves_a_whole_message() {
    let parameters = parameters();
    let bytes = written(|out| {
        let mut packer = Packer::withdraw(Family::Ipv6, &parameters, out);
        packer.push(&prefix("2001:db8::/32"), 0);
        assert_eq!(packer.written(), 35);
    });
    assert_eq!(routes(&bytes, &parameters).1, [(prefix("2001:db8::/32"), 0)]);
}

#[test]
fn end_of_rib_is_told_from_an_empty_withdrawal() {
    let parameters = parameters();
    for family in Family::ALL {
        let bytes = written(|out| encode_end_of_rib(family, out));
        assert_eq!(one_update(&bytes, &parameters).end_of_rib(), Some(family));
    }
    let bytes = written(|out| {
        Packer::withdraw(Family::Ipv4, &parameters, out).push(&prefix("10.0.0.0/8"), 0);
    });
    assert_eq!(one_update(&bytes, &parameters).end_of_rib(), None);
}
