//! bgpkit-parser, which knows nothing of this codec, reads what it writes, and the other way round.
//!
//! Left out is what bgpkit-parser gets wrong: a default route beside others, which it takes for a path identifier.

use bgpkit_parser::models::{
    AsnLength, Bgp4MpEnum, BgpMessage, BgpOpenMessage, MetaCommunity, MrtMessage, NetworkPrefix, Origin as TheirOrigin,
};
use bgpkit_parser::parser::bgp::parse_bgp_message;
use bgpkit_parser::parser::mrt::parse_mrt_record;
use bytes::{BufMut, Bytes, BytesMut};
use ferrolb_bgp::dissect::{Records, line, tree};
use ferrolb_bgp::wire::{
    AddPath, Attributes, Capability, Community, Family, LargeCommunity, Message, Notification, Open, Origin, Packer,
    Parameters, PerFamily, Template, encode_end_of_rib, encode_keepalive,
};
use ipnet::IpNet;

use crate::support::{next_hop, one, parameters, prefix, routes, written};

fn theirs(bytes: &[u8], add_path: bool) -> BgpMessage {
    parse_bgp_message(&mut Bytes::copy_from_slice(bytes), add_path, &AsnLength::Bits32).unwrap()
}

fn sent(attributes: &Attributes, family: Family, parameters: &Parameters, prefixes: &[(IpNet, u32)]) -> Vec<u8> {
    let template = Template::new(attributes, family, parameters).unwrap();
    written(|out| Packer::announce(&template, parameters, out).extend(prefixes.iter().copied()))
}

fn rich(hop: &str) -> Attributes {
    let mut attributes = Attributes::new(next_hop(hop));
    attributes.origin = Origin::Incomplete;
    attributes.as_path.prepend(4_200_000_001, 2);
    attributes.med = Some(50);
    attributes.communities = vec![Community(0xfde8_0064), Community::NO_EXPORT];
    attributes.large_communities = vec![LargeCommunity { global: 1, local1: 2, local2: 3 }];
    attributes
}

#[test]
fn what_we_announce_is_what_it_reads() {
    let paths = [(prefix("198.51.100.0/24"), 7), (prefix("203.0.113.9/32"), 8)];
    let paths6 = [(prefix("2001:db8::/32"), 9), (prefix("2001:db8:1::7/128"), 10)];
    for add_path in [false, true] {
        let both = AddPath { receive: add_path, send: add_path };
        let parameters = Parameters { add_path: PerFamily { ipv4: both, ipv6: both }, ..parameters() };
        for (family, hop, paths) in [(Family::Ipv4, "192.0.2.1", paths), (Family::Ipv6, "2001:db8::1", paths6)] {
            let BgpMessage::Update(update) = theirs(&sent(&rich(hop), family, &parameters, &paths), add_path) else {
                panic!("not an UPDATE")
            };
            assert_eq!(update.attributes.validation_warnings(), []);
            let read: Vec<NetworkPrefix> = match family {
                Family::Ipv4 => update.announced_prefixes.clone(),
                Family::Ipv6 => update.attributes.get_reachable_nlri().unwrap().prefixes.clone(),
            };
            let read: Vec<_> = read.iter().map(|read| (read.prefix, read.path_id.unwrap_or(0))).collect();
            let expected = paths.map(|(prefix, id)| (prefix, if add_path { id } else { 0 }));
            assert_eq!(read, expected);
            let attributes = &update.attributes;
            assert_eq!(attributes.origin(), TheirOrigin::INCOMPLETE);
            assert_eq!(attributes.as_path().unwrap().to_string(), "4200000001 4200000001");
            assert_eq!(attributes.multi_exit_discriminator(), Some(50));
            let communities: Vec<String> = attributes.iter_communities().map(|it| it.to_string()).collect();
            assert_eq!(
                communities,
                ["65000:100", "no-export", "lg:1:2:3"].map(|text| text.replace("lg:", "")),
                "{communities:?}"
            );
            assert!(attributes.iter_communities().any(|it| matches!(it, MetaCommunity::Large(_))));
            if family == Family::Ipv4 {
                assert_eq!(attributes.next_hop().unwrap().to_string(), hop);
            }
        }
    }
}

#[test]
fn what_it_writes_is_what_we_read() {
    let parameters = parameters();
    let paths = [(prefix("198.51.100.0/24"), 0), (prefix("10.0.0.0/8"), 0)];
    let ours = sent(&rich("192.0.2.1"), Family::Ipv4, &parameters, &paths);
    let again = theirs(&ours, false).encode(AsnLength::Bits32).unwrap();
    assert_eq!(routes(&again, &parameters), routes(&ours, &parameters));
}

#[test]
fn a_session_of_two_octets_reads_the_same() {
    let narrow = Parameters { four_octet_as: false, ..parameters() };
    let bytes = sent(&rich("192.0.2.1"), Family::Ipv4, &narrow, &[(prefix("10.0.0.0/8"), 0)]);
    let message = parse_bgp_message(&mut Bytes::from(bytes), false, &AsnLength::Bits16).unwrap();
    let BgpMessage::Update(update) = message else { panic!("not an UPDATE") };
    assert_eq!(update.attributes.as_path().unwrap().to_string(), "23456 23456");
    assert_eq!(update.attributes.effective_as_path().unwrap().to_string(), "4200000001 4200000001");
}

#[test]
fn the_other_messages_read_the_same() {
    let open = Open {
        asn: 4_200_000_001,
        hold_time: 90,
        router_id: "192.0.2.1".parse().unwrap(),
        capabilities: vec![
            Capability::MultiProtocol(Family::Ipv6.raw()),
            Capability::RouteRefresh,
            Capability::FourOctetAs(4_200_000_001),
        ],
    };
    let BgpMessage::Open(BgpOpenMessage { asn, hold_time, opt_params, .. }) =
        theirs(&written(|out| open.encode(out).unwrap()), false)
    else {
        panic!("not an OPEN")
    };
    assert_eq!((asn.to_u32(), hold_time, opt_params.len()), (23_456, 90, 1));
    assert!(matches!(theirs(&written(encode_keepalive), false), BgpMessage::KeepAlive));
    let notification = Notification::cease_with(2, "drained");
    let BgpMessage::Notification(read) = theirs(&written(|out| notification.encode(out)), false) else { panic!() };
    assert_eq!(read.data, notification.data.to_vec());
    for family in Family::ALL {
        let BgpMessage::Update(update) = theirs(&written(|out| encode_end_of_rib(family, out)), false) else {
            panic!()
        };
        assert!(update.is_end_of_rib(), "{family}");
    }
    let mut out = BytesMut::new();
    let gone = [(prefix("2001:db8::/32"), 0)];
    Packer::withdraw(Family::Ipv6, &parameters(), &mut out).extend(gone);
    let BgpMessage::Update(update) = theirs(&out, false) else { panic!() };
    assert_eq!(update.attributes.get_unreachable_nlri().unwrap().prefixes[0].prefix, gone[0].0);
}

#[test]
fn a_message_reads_well_on_a_line() {
    let parameters = parameters();
    let mut attributes = rich("192.0.2.1");
    attributes.as_path.prepend(64_500, 1);
    let paths: Vec<_> = (1..=6_u8).map(|host| (prefix(&format!("198.51.100.{host}/32")), 0)).collect();
    let bytes = sent(&attributes, Family::Ipv4, &parameters, &paths);
    assert_eq!(
        line(&one(&bytes, &parameters)),
        "UPDATE announces 198.51.100.1/32 198.51.100.2/32 198.51.100.3/32 198.51.100.4/32 and 2 more next-hop 192.0.2.1 \
         path 64500 4200000001 4200000001 origin incomplete med 50 community 65000:100 community 65535:65281 \
         community large:1:2:3"
    );
    let bytes = written(|out| encode_end_of_rib(Family::Ipv6, out));
    assert_eq!(line(&one(&bytes, &parameters)), "UPDATE End-of-RIB of IPv6 unicast");
    let bytes = written(|out| Notification::cease_with(4, "new keys").encode(out));
    assert_eq!(line(&one(&bytes, &parameters)), "NOTIFICATION 6/4 (Administrative Reset), \"new keys\"");
    // A refused attribute is named, and what it withdraws.
    let bad = crate::support::update(&[], &crate::support::attribute(0x40, 1, &[9]), &[8, 10]);
    let text = line(&one(&bad, &parameters));
    assert!(text.starts_with("UPDATE withdraws 10.0.0.0/8 [ORIGIN: 9 is none of the three origins]"), "{text}");
    assert!(matches!(one(&bytes, &parameters), Message::Notification(_)));
}

#[test]
fn a_message_is_a_tree_of_its_fields() {
    let bytes = sent(&rich("192.0.2.1"), Family::Ipv4, &parameters(), &[(prefix("198.51.100.0/24"), 0)]);
    let text = tree(&bytes, &parameters());
    assert!(text.starts_with("UPDATE announces 198.51.100.0/24 "), "{text}");
    for part in ["   18..19 ", "Type: UPDATE (2)", "198.51.100.0/24"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(tree(&bytes[..30], &parameters()).starts_with("30 octets, not a whole message\n"));
    assert!(tree(&[0; 19], &parameters()).starts_with("refused with 1/1 (Connection Not Synchronized)\n"));
}

/// A record of RFC 6396 section 4.4 around a message.
fn record(subtype: u16, message: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u32(4_200_000_001);
    body.put_u32(64_500);
    body.put_u16(0);
    body.put_u16(1);
    body.put_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    body.put_slice(message);
    let mut record = Vec::new();
    record.put_u32(1_700_000_000);
    record.put_u16(17);
    record.put_u16(subtype);
    record.put_u32(u32::try_from(body.len() + 4).unwrap());
    record.put_u32(250_000);
    record.extend(body);
    record
}

#[test]
fn a_recording_is_read_message_by_message() {
    let keepalive = written(encode_keepalive);
    let update = sent(&rich("192.0.2.1"), Family::Ipv4, &parameters(), &[(prefix("198.51.100.0/24"), 0)]);
    let file = [record(4, &keepalive), record(5, &[0, 1, 0, 2]), record(7, &update)].concat();
    let records: Vec<_> = Records::new(&file[..]).map(Result::unwrap).collect();
    assert_eq!(records.len(), 2, "a change of state is no message");
    assert_eq!(records.iter().map(|record| record.sent).collect::<Vec<_>>(), [false, true]);
    assert_eq!((&records[0].message, &records[1].message), (&keepalive, &update));
    assert_eq!((records[0].peer_as, records[0].local_as), (4_200_000_001, 64_500));
    assert_eq!(records[0].peer.to_string(), "192.0.2.1");
    let since = records[0].at.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_millis(), 1_700_000_000_250);
    // bgpkit-parser sees the same.
    let MrtMessage::Bgp4Mp(Bgp4MpEnum::Message(read)) = parse_mrt_record(&mut &file[..]).unwrap().message else {
        panic!()
    };
    assert_eq!((read.peer_asn.to_u32(), read.local_ip.to_string().as_str()), (4_200_000_001, "192.0.2.2"));
}

#[test]
fn a_recording_that_is_cut_off_ends_with_an_error() {
    let whole = record(4, &written(encode_keepalive));
    for end in 1..whole.len() {
        let mut records = Records::new(&whole[..end]);
        assert!(records.next().unwrap().is_err(), "{end}");
        assert!(records.next().is_none());
    }
    let mut short = record(4, &[]);
    short.truncate(20);
    short[11] = 8;
    assert!(Records::new(&short[..]).next().unwrap().unwrap_err().to_string().contains("too short for a message"));
}
