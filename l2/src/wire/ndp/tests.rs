//! Frames byte by byte.

use proptest::prelude::*;

use super::*;

const OWN: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x0a);
const ASKER: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x0c);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x0a);
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);
const ASKER_IP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);

/// Without its checksum.
#[rustfmt::skip]
const ANNOUNCEMENT: [u8; 86] = [
    0x33, 0x33, 0, 0, 0, 1,  0x02, 0, 0, 0, 0, 0x0a,  0x86, 0xdd,
    0x60, 0, 0, 0,  0, 32,  58,  255,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0xff, 0xfe, 0, 0, 0x0a,
    0xff, 0x02, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 1,
    136, 0, 0, 0,  0x20, 0, 0, 0,
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0x12, 0x34, 0x56,
    2, 1,  0x02, 0, 0, 0, 0, 0x0a,
];

/// The sum that RFC 8200 §8.1 and RFC 1071 ask for, the slow way.
fn checksum(frame: &[u8]) -> u16 {
    let mut pseudo = frame[22..54].to_vec();
    pseudo.extend(u32::try_from(frame.len() - 54).expect("short").to_be_bytes());
    pseudo.extend([0, 0, 0, 58]);
    pseudo.extend(&frame[54..]);
    pseudo.resize(pseudo.len().next_multiple_of(2), 0);
    let mut sum: u32 = pseudo.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

fn summed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[56..58].fill(0);
    let sum = checksum(&frame).to_be_bytes();
    frame[56..58].copy_from_slice(&sum);
    frame
}

fn solicitation() -> NdpFrame {
    NdpFrame { source_ip: ASKER_IP, link_layer: Some(ASKER), ..probe(ASKER, VIP) }
}

/// A solicitation with these bytes as its options.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut frame = NdpFrame { link_layer: None, ..solicitation() }.encode();
    frame.extend(options);
    frame[19] = u8::try_from(24 + options.len()).expect("short");
    summed(frame)
}

fn patched(frame: &NdpFrame, patches: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = frame.encode();
    for (at, value) in patches {
        bytes[*at] = *value;
    }
    summed(bytes)
}

#[test]
fn announcement_overrides_and_goes_to_all_nodes() {
    let bytes = announcement(OWN, LINK_LOCAL, VIP).encode();
    assert_eq!(bytes, summed(ANNOUNCEMENT.to_vec()));
    assert_eq!(NdpFrame::parse(&bytes), Ok(announcement(OWN, LINK_LOCAL, VIP)));
}

#[test]
fn probe_comes_from_nowhere_and_goes_to_the_solicited_node_group() {
    let bytes = probe(OWN, VIP).encode();
    assert_eq!(bytes.len(), 78);
    assert_eq!(bytes[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    assert_eq!(bytes[22..38], [0; 16]);
    assert_eq!(bytes[38..54], solicited_node(VIP).octets());
    assert_eq!(solicited_node(VIP), "ff02::1:ff12:3456".parse::<Ipv6Addr>().expect("an address"));
    assert_eq!(bytes, summed(bytes.clone()));
    assert!(NdpFrame::parse(&bytes).is_ok_and(|frame| frame.is_probe()));
}

#[test]
fn question_is_answered_to_the_asker_and_a_probe_to_all() {
    let reply = answer(&solicitation(), OWN, LINK_LOCAL);
    assert_eq!((reply.destination, reply.destination_ip, reply.source_ip), (ASKER, ASKER_IP, LINK_LOCAL));
    assert_eq!((reply.target, reply.link_layer), (VIP, Some(OWN)));
    assert_eq!(reply.message, Message::Advertisement { router: false, solicited: true, overriding: true });
    let flags = reply.encode()[58];
    assert_eq!(flags, 0x60);
    let without_option = NdpFrame { link_layer: None, ..solicitation() };
    assert_eq!(answer(&without_option, OWN, LINK_LOCAL).destination, ASKER, "the Ethernet source will do");
    assert_eq!(answer(&probe(ASKER, VIP), OWN, LINK_LOCAL), announcement(OWN, LINK_LOCAL, VIP));
}

#[test]
fn padding_after_the_packet_is_no_part_of_it() {
    let mut bytes = solicitation().encode();
    bytes.extend([0xff; 11]);
    assert_eq!(NdpFrame::parse(&bytes), Ok(solicitation()));
}

#[test]
fn other_options_are_passed_over_and_the_first_address_counts() {
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    let first = [1, 1, 2, 0, 0, 0, 0, 0x0c];
    let second = [1, 1, 2, 0, 0, 0, 0, 0x0d];
    let long = [&[99, 2][..], &[0; 14]].concat();
    let bytes = with_options(&[&nonce[..], &long, &first, &second].concat());
    assert_eq!(NdpFrame::parse(&bytes).expect("a frame").link_layer, Some(ASKER));
    assert_eq!(NdpFrame::parse(&with_options(&nonce)).expect("a frame").link_layer, None);
}

#[test]
fn what_rfc_4861_7_1_forbids_is_refused() {
    let ns = solicitation();
    let na = answer(&ns, OWN, LINK_LOCAL);
    let group = MacAddr(0x33, 0x33, 0, 0, 0, 1);
    let all = NdpFrame { destination_ip: ALL_NODES, ..ns };
    let from_nowhere = NdpFrame { source_ip: Ipv6Addr::UNSPECIFIED, ..ns };
    let mut flipped = ns.encode();
    flipped[60] ^= 1;
    for (name, bytes, error) in [
        ("ethertype", patched(&ns, &[(13, 0)]), NdpError::EtherType(0x8600)),
        ("version", patched(&ns, &[(14, 0x40)]), NdpError::Header { version: 4, next_header: 58 }),
        ("UDP", patched(&ns, &[(20, 17)]), NdpError::Header { version: 6, next_header: 17 }),
        ("extension", patched(&ns, &[(20, 0)]), NdpError::Header { version: 6, next_header: 0 }),
        ("hop limit", patched(&ns, &[(21, 64)]), NdpError::HopLimit(64)),
        ("type", patched(&ns, &[(54, 134)]), NdpError::Message { kind: 134, code: 0 }),
        ("code", patched(&ns, &[(55, 1)]), NdpError::Message { kind: 135, code: 1 }),
        ("checksum", flipped, NdpError::Checksum),
        (
            "target",
            patched(&ns, &[(62, 0xff)]),
            NdpError::Target(Ipv6Addr::new(0xff01, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456)),
        ),
        ("source", NdpFrame { source_ip: ALL_NODES, ..ns }.encode(), NdpError::Source(ALL_NODES)),
        ("Ethernet source", NdpFrame { source: group, ..ns }.encode(), NdpError::SenderHardware(group)),
        ("option's address", NdpFrame { link_layer: Some(group), ..ns }.encode(), NdpError::SenderHardware(group)),
        ("probe with an option", from_nowhere.encode(), NdpError::Probe),
        (
            "probe to all",
            NdpFrame { link_layer: None, source_ip: Ipv6Addr::UNSPECIFIED, ..all }.encode(),
            NdpError::Probe,
        ),
        ("answer to all", NdpFrame { destination_ip: ALL_NODES, ..na }.encode(), NdpError::Solicited(ALL_NODES)),
        ("option of no length", with_options(&[14, 0, 0, 0, 0, 0, 0, 0]), NdpError::Option(14)),
        ("option cut off", with_options(&[14, 2, 0, 0, 0, 0, 0, 0]), NdpError::Option(14)),
        ("option's type alone", with_options(&[14]), NdpError::Option(14)),
        ("longer address", with_options(&[&[1, 2][..], &[2; 14]].concat()), NdpError::Option(1)),
    ] {
        assert_eq!(NdpFrame::parse(&bytes), Err(error), "{name}");
    }
}

#[test]
fn truncated_frames_are_refused_at_every_length() {
    let whole = solicitation().encode();
    for len in 0..whole.len() {
        assert_eq!(NdpFrame::parse(&whole[..len]), Err(NdpError::Truncated(len)));
    }
    // A header that promises less than a message.
    let short = patched(&solicitation(), &[(19, 23)]);
    assert_eq!(NdpFrame::parse(&short), Err(NdpError::Truncated(86)));
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed_again(
        target in any::<u128>(), source in any::<u128>(), last in 1_u8..,
        option in any::<bool>(), [router, overriding, asks] in any::<[bool; 3]>(),
    ) {
        let mac = MacAddr(2, 0, 0, 0, 0, last);
        let message = if asks {
            Message::Solicitation
        } else {
            Message::Advertisement { router, solicited: false, overriding }
        };
        let unicast = |address: u128| Ipv6Addr::from(address & (u128::MAX >> 4) | 1);
        let frame = NdpFrame {
            source: mac,
            destination: OWN,
            source_ip: unicast(source),
            destination_ip: ALL_NODES,
            message,
            target: unicast(target),
            link_layer: option.then_some(mac),
        };
        prop_assert_eq!(NdpFrame::parse(&frame.encode()), Ok(frame));
        prop_assert_eq!(checksum(&summed(frame.encode())), 0);
        prop_assert_eq!(summed(frame.encode()), frame.encode());
    }

    #[test]
    fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _unchecked = NdpFrame::parse(&bytes);
    }
}
