//! One test per rule of RFC 5880 section 6.8.6 that concerns a packet alone.

use proptest::prelude::*;

use super::*;

/// An Up packet as FRR's bfdd sends it: 50 ms each way, multiplier 3.
const UP: [u8; LEN] =
    [0x20, 0xc0, 3, 24, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 0, 0, 0, 0];

fn altered(at: usize, byte: u8) -> [u8; LEN] {
    let mut bytes = UP;
    bytes[at] = byte;
    bytes
}

fn packet() -> impl Strategy<Value = Packet> {
    let numbers = (any::<[u32; 4]>(), 1..=u8::MAX, 0..32u8, 0..4u8, any::<[bool; 4]>(), 1..=u32::MAX);
    numbers.prop_map(|(words, detect_multiplier, code, state, flags, my_discriminator)| Packet {
        diagnostic: Diagnostic::from_code(code),
        state: State::from_bits(state),
        poll: flags[0],
        is_final: flags[1] && !flags[0],
        control_plane_independent: flags[2],
        demand: flags[3],
        detect_multiplier,
        my_discriminator,
        your_discriminator: if state > 1 { words[0].max(1) } else { words[0] },
        desired_min_tx: words[1],
        required_min_rx: words[2],
        required_min_echo_rx: words[3],
    })
}

#[test]
fn packet_is_read_field_by_field() {
    let packet = Packet::decode(&UP).unwrap();
    assert_eq!(packet.state, State::Up);
    assert_eq!(packet.diagnostic, Diagnostic::None);
    assert_eq!((packet.my_discriminator, packet.your_discriminator), (0x1122_3344, 0x5566_7788));
    assert_eq!((packet.desired_min_tx, packet.required_min_rx, packet.required_min_echo_rx), (50_000, 50_000, 0));
    assert_eq!(packet.encode(), UP);
}

#[test]
fn each_flag_has_its_bit() {
    let set = |bits: u8| Packet::decode(&altered(1, 0xc0 | bits)).unwrap();
    assert!(set(0x20).poll && set(0x10).is_final && set(0x08).control_plane_independent && set(0x02).demand);
}

#[test]
fn short_packets_are_refused_at_every_length() {
    for len in 0..LEN {
        assert_eq!(Packet::decode(&UP[..len]), Err(Invalid::Short));
    }
    assert_eq!(Packet::decode(&altered(3, 25)), Err(Invalid::Short), "longer than the datagram");
    assert_eq!(Packet::decode(&altered(3, 23)), Err(Invalid::Length));
}

#[test]
fn bytes_behind_the_packet_are_ignored() {
    let mut long = UP.to_vec();
    long.extend([0xff; 40]);
    assert_eq!(Packet::decode(&long), Packet::decode(&UP));
}

#[test]
fn what_the_rfc_says_to_discard_is_refused_with_its_reason() {
    assert_eq!(Packet::decode(&altered(0, 0x00)), Err(Invalid::Version));
    assert_eq!(Packet::decode(&altered(0, 0x40)), Err(Invalid::Version));
    assert_eq!(Packet::decode(&altered(2, 0)), Err(Invalid::Multiplier));
    assert_eq!(Packet::decode(&altered(1, 0xc1)), Err(Invalid::Multipoint));
    assert_eq!(Packet::decode(&altered(1, 0xc4)), Err(Invalid::Authentication));
    assert_eq!(Packet::decode(&altered(1, 0xf0)), Err(Invalid::PollAndFinal));
    let mut anonymous = UP;
    anonymous[4..8].fill(0);
    assert_eq!(Packet::decode(&anonymous), Err(Invalid::MyDiscriminator));
}

#[test]
fn only_down_and_admin_down_may_lack_the_receivers_discriminator() {
    let mut bytes = UP;
    bytes[8..12].fill(0);
    for (state, good) in [(0, true), (1, true), (2, false), (3, false)] {
        bytes[1] = state << 6;
        assert_eq!(Packet::decode(&bytes).is_ok(), good, "state {state}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(packet in packet()) {
        prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn what_is_read_is_written_back(bytes in any::<[u8; LEN]>()) {
        let mut bytes = bytes;
        bytes[0] = 0x20 | bytes[0] & 0x1f;
        bytes[1] &= 0xfa;
        bytes[3] = 24;
        if let Ok(packet) = Packet::decode(&bytes) {
            prop_assert_eq!(packet.encode(), bytes);
        }
    }
}
