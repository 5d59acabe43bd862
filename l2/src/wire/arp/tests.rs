//! Frames byte by byte.

use proptest::prelude::*;

use super::*;

const OWN: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x0a);
const ASKER: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x0c);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const ASKER_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

/// A frame of 60 bytes: the 42 given, then padding.
fn padded(head: &[u8; 42]) -> Vec<u8> {
    let mut frame = head.to_vec();
    frame.resize(60, 0);
    frame
}

#[rustfmt::skip]
const ANNOUNCE_REQUEST: [u8; 42] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0x02, 0, 0, 0, 0, 0x0a,  0x08, 0x06,
    0, 1,  0x08, 0x00,  6, 4,  0, 1,
    0x02, 0, 0, 0, 0, 0x0a,  192, 0, 2, 100,
    0, 0, 0, 0, 0, 0,  192, 0, 2, 100,
];

#[rustfmt::skip]
const ANNOUNCE_REPLY: [u8; 42] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0x02, 0, 0, 0, 0, 0x0a,  0x08, 0x06,
    0, 1,  0x08, 0x00,  6, 4,  0, 2,
    0x02, 0, 0, 0, 0, 0x0a,  192, 0, 2, 100,
    0x02, 0, 0, 0, 0, 0x0a,  192, 0, 2, 100,
];

#[rustfmt::skip]
const GATEWAY_REQUEST: [u8; 42] = [
    0x02, 0, 0, 0, 0, 0x01,  0x02, 0, 0, 0, 0, 0x0a,  0x08, 0x06,
    0, 1,  0x08, 0x00,  6, 4,  0, 1,
    0x02, 0, 0, 0, 0, 0x0a,  192, 0, 2, 100,
    0, 0, 0, 0, 0, 0,  192, 0, 2, 1,
];

#[rustfmt::skip]
const QUESTION: [u8; 42] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0x02, 0, 0, 0, 0, 0x0c,  0x08, 0x06,
    0, 1,  0x08, 0x00,  6, 4,  0, 1,
    0x02, 0, 0, 0, 0, 0x0c,  192, 0, 2, 3,
    0, 0, 0, 0, 0, 0,  192, 0, 2, 100,
];

#[rustfmt::skip]
const ANSWER: [u8; 42] = [
    0x02, 0, 0, 0, 0, 0x0c,  0x02, 0, 0, 0, 0, 0x0a,  0x08, 0x06,
    0, 1,  0x08, 0x00,  6, 4,  0, 2,
    0x02, 0, 0, 0, 0, 0x0a,  192, 0, 2, 100,
    0x02, 0, 0, 0, 0, 0x0c,  192, 0, 2, 3,
];

#[test]
fn announcement_as_request_has_a_zero_target_hardware_address() {
    assert_eq!(announce_request(OWN, VIP).encode(), padded(&ANNOUNCE_REQUEST));
}

#[test]
fn announcement_as_reply_names_the_own_address_as_target() {
    assert_eq!(announce_reply(OWN, VIP).encode(), padded(&ANNOUNCE_REPLY));
}

#[test]
fn gateway_is_asked_by_unicast_when_known_and_by_broadcast_when_not() {
    let gateway = Ipv4Addr::new(192, 0, 2, 1);
    let known = gateway_request(OWN, VIP, gateway, Some(MacAddr(0x02, 0, 0, 0, 0, 0x01)));
    assert_eq!(known.encode(), padded(&GATEWAY_REQUEST));
    let mut broadcast = GATEWAY_REQUEST;
    broadcast[..6].fill(0xff);
    assert_eq!(gateway_request(OWN, VIP, gateway, None).encode(), padded(&broadcast));
}

#[test]
fn answer_goes_to_the_asker() {
    let question = ArpFrame::parse(&QUESTION).expect("a question");
    assert_eq!(question.sender_ip, ASKER_IP);
    assert!(!question.is_announcement());
    assert_eq!(answer(&question, OWN).encode(), padded(&ANSWER));
}

#[test]
fn answer_to_a_probe_leaves_the_target_protocol_address_zero() {
    let mut probe = QUESTION;
    probe[28..32].fill(0);
    let reply = answer(&ArpFrame::parse(&probe).expect("a probe"), OWN);
    assert_eq!(reply.target_ip, Ipv4Addr::UNSPECIFIED);
    assert_eq!(reply.destination, ASKER);
    let mut bytes = ANSWER;
    bytes[38..42].fill(0);
    assert_eq!(reply.encode(), padded(&bytes));
}

#[test]
fn every_prefix_of_a_frame_is_truncated() {
    for len in 0..QUESTION.len() {
        assert_eq!(ArpFrame::parse(&QUESTION[..len]), Err(ArpError::Truncated(len)), "{len} bytes");
    }
    assert!(ArpFrame::parse(&QUESTION).is_ok());
}

#[test]
fn other_ether_types_are_refused() {
    for ether_type in [0x0800_u16, 0x86dd, 0x8100, 0x0807] {
        let mut frame = QUESTION;
        frame[12..14].copy_from_slice(&ether_type.to_be_bytes());
        assert_eq!(ArpFrame::parse(&frame), Err(ArpError::EtherType(ether_type)));
    }
}

#[test]
fn other_hardware_protocols_and_lengths_are_refused() {
    for (at, value) in [(15, 6), (14, 1), (16, 0x86), (17, 1), (18, 8), (19, 16)] {
        let mut frame = QUESTION;
        frame[at] = value;
        assert!(matches!(ArpFrame::parse(&frame), Err(ArpError::Family { .. })), "byte {at} = {value}");
    }
}

#[test]
fn sender_that_is_no_station_is_refused() {
    for mac in [MacAddr::zero(), MacAddr::broadcast(), MacAddr(0x01, 0, 0x5e, 0, 0, 1)] {
        let mut frame = QUESTION;
        frame[22..28].copy_from_slice(&mac.octets());
        assert_eq!(ArpFrame::parse(&frame), Err(ArpError::SenderHardware(mac)));
    }
}

#[test]
fn unknown_operations_are_carried() {
    let mut frame = QUESTION;
    frame[20..22].copy_from_slice(&8_u16.to_be_bytes());
    assert_eq!(ArpFrame::parse(&frame).expect("parses").operation, Operation::Unknown(8));
}

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(|mut octets| {
        octets[0] &= 0xfe; // a station, not a group
        octets[5] |= 1; // not zero
        octets.into()
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed_again(
        source in mac(), destination in mac(), sender_mac in mac(), target_mac in mac(),
        code: u16, sender_ip: Ipv4Addr, target_ip: Ipv4Addr,
    ) {
        let operation = ArpOperation(code).into();
        let frame = ArpFrame { source, destination, operation, sender_mac, sender_ip, target_mac, target_ip };
        let bytes = frame.encode();
        prop_assert_eq!(bytes.len(), FRAME_LEN);
        prop_assert_eq!(ArpFrame::parse(&bytes), Ok(frame));
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(frame) = ArpFrame::parse(&bytes) {
            prop_assert_eq!(&frame.encode()[..42], &bytes[..42]);
        }
    }
}
