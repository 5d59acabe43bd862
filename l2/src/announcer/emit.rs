//! The frames that are sent without being asked for.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use super::detection;
use super::io::{Output, Purpose, Transmit};
use super::schedule::Due;
use super::{Announcer, Port};
use crate::interface::{Gateway, Interface};
use crate::wire::{arp, ndp};

impl Announcer {
    /// Sends what is due, as far as the pace allows.
    pub(super) fn emit(&mut self, now: Instant) {
        let Self { ports, gateways, outputs, rng, revision, .. } = self;
        for (&index, port) in ports.iter_mut() {
            let Port { interface, schedule, detection, defences, pace, .. } = port;
            while let Some(vip) = defences.next(now) {
                if schedule.contains(vip) {
                    outputs.push_back(send(index, vip, Purpose::Defence, announce(interface, vip)));
                }
            }
            while let Some(due) = detection.next(now, pace) {
                match due {
                    detection::Due::Probe(vip) => {
                        outputs.push_back(send(index, vip, Purpose::Probe, probe(interface, vip)));
                    }
                    detection::Due::Cleared(vip, reasserted) => {
                        // The stranger may be gone.
                        *revision += 1;
                        schedule.add(now, vip, reasserted);
                    }
                }
            }
            let gateways = gateways.get(&index).map_or(&[][..], Vec::as_slice);
            let round_of = |vip| frames_of_a_round(vip, gateways);
            while let Some((vip, due)) = schedule.next(now, pace, round_of, rng) {
                let frames = round(interface, vip, due, gateways);
                outputs.extend(frames.into_iter().map(|(purpose, frame)| send(index, vip, purpose, frame)));
            }
        }
    }
}

fn send(index: u32, vip: IpAddr, purpose: Purpose, frame: Vec<u8>) -> Output {
    Output::Send(Transmit { index, vip, purpose, frame })
}

fn frames_of_a_round(vip: IpAddr, gateways: &[Gateway]) -> u32 {
    match vip {
        IpAddr::V4(_) => u32::try_from(gateways.len()).unwrap_or(u32::MAX).saturating_add(2),
        IpAddr::V6(_) => 1,
    }
}

/// The frames that are due for `vip`.
fn round(interface: &Interface, vip: IpAddr, due: Due, gateways: &[Gateway]) -> Vec<(Purpose, Vec<u8>)> {
    let (first, rest) = match due {
        Due::FirstFrame => (true, false),
        Due::FirstReply => (false, true),
        Due::Round => (true, true),
    };
    let mut frames = Vec::new();
    if first {
        frames.push((Purpose::Announce, announce(interface, vip)));
    }
    if let (true, IpAddr::V4(vip)) = (rest, vip) {
        let mac = interface.mac;
        frames.push((Purpose::Reply, arp::announce_reply(mac, vip).encode()));
        let gateway = |gateway: &Gateway| arp::gateway_request(mac, vip, gateway.address, gateway.mac).encode();
        frames.extend(gateways.iter().map(|known| (Purpose::Gateway, gateway(known))));
    }
    frames
}

fn announce(interface: &Interface, vip: IpAddr) -> Vec<u8> {
    match vip {
        IpAddr::V4(vip) => arp::announce_request(interface.mac, vip).encode(),
        IpAddr::V6(vip) => ndp::announcement(interface.mac, source(interface, vip), vip).encode(),
    }
}

fn probe(interface: &Interface, vip: IpAddr) -> Vec<u8> {
    match vip {
        IpAddr::V4(vip) => arp::probe(interface.mac, vip).encode(),
        IpAddr::V6(vip) => ndp::probe(interface.mac, vip).encode(),
    }
}

/// The address that advertisements come from.
fn source(interface: &Interface, vip: Ipv6Addr) -> Ipv6Addr {
    interface.link_local.unwrap_or(vip)
}
