//! Frames, and how they are spoilt.

use std::net::{Ipv4Addr, Ipv6Addr};

use ferrolb_l2::MacAddr;
use ferrolb_l2::wire::arp::{self, ArpFrame};
use ferrolb_l2::wire::ndp::{self, NdpFrame};
use rand::RngExt as _;
use rand::rngs::StdRng;

pub(crate) const OWN: [MacAddr; 2] = [MacAddr(2, 0, 0, 0, 0, 1), MacAddr(2, 0, 0, 0, 0, 2)];
pub(crate) const PEER: MacAddr = MacAddr(2, 0, 0, 0, 0, 3);
pub(crate) const STRANGER: MacAddr = MacAddr(2, 0, 0, 0, 0, 4);

pub(crate) fn v4(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

pub(crate) fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

/// Well-formed frames of every kind, for every address, from every station.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for mac in [OWN[0], PEER, STRANGER] {
        for n in 1..=5_u8 {
            let (old, new) = (v4(n), v6(n.into()));
            let request = ArpFrame { target_ip: old, ..arp::announce_request(mac, v4(200)) };
            let solicitation = NdpFrame { source_ip: v6(200), link_layer: Some(mac), ..ndp::probe(mac, new) };
            frames.extend(
                [
                    arp::announce_request(mac, old),
                    arp::announce_reply(mac, old),
                    arp::gateway_request(mac, old, v4(254), None),
                    arp::probe(mac, old),
                    request,
                    arp::answer(&request, mac),
                ]
                .map(|frame| frame.encode()),
            );
            frames.extend(
                [
                    ndp::announcement(mac, v6(200), new),
                    ndp::gateway_announcement(mac, v6(200), new, v6(254), OWN[0]),
                    ndp::probe(mac, new),
                    solicitation,
                    NdpFrame { destination: OWN[0], destination_ip: new, ..solicitation },
                    ndp::answer(&solicitation, mac, v6(200)),
                ]
                .map(|frame| frame.encode()),
            );
        }
    }
    frames
}

/// Makes the checksum of an ICMPv6 message right, so that what is behind it is looked at.
fn mend(frame: &mut [u8]) {
    if frame.len() < 78 || frame[12..14] != [0x86, 0xdd] {
        return;
    }
    let len = usize::from(u16::from_be_bytes([frame[18], frame[19]])).min(frame.len() - 54);
    frame[56..58].fill(0);
    let mut summed = frame[22..54].to_vec();
    summed.extend(u32::try_from(len).expect("short").to_be_bytes());
    summed.extend([0, 0, 0, 58]);
    summed.extend(&frame[54..54 + len]);
    summed.resize(summed.len().next_multiple_of(2), 0);
    let mut sum: u32 = summed.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).expect("folded");
    frame[56..58].copy_from_slice(&checksum.to_be_bytes());
}

/// A frame of the corpus, spoilt in some ways.
pub(crate) fn mutated(corpus: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut frame = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(0..4) {
        let at = rng.random_range(0..=frame.len());
        match rng.random_range(0..7) {
            0 => frame.truncate(at),
            1 => frame.extend((0..rng.random_range(0..64)).map(|_| rng.random::<u8>())),
            2 => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                frame.truncate(at);
                frame.extend(other.get(at..).unwrap_or_default());
            }
            3 => frame.insert(at, rng.random()),
            _ if frame.is_empty() => {}
            4 => frame[at.saturating_sub(1)] ^= 1 << rng.random_range(0..8),
            5 => frame[at.saturating_sub(1)] = [0, 1, 2, 6, 8, 127, 128, 255][rng.random_range(0..8)],
            _ => frame[at.saturating_sub(1)] = rng.random(),
        }
    }
    if rng.random() {
        mend(&mut frame);
    }
    frame
}
