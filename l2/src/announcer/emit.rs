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
        let Self { ports, vips, gateways, outputs, rng, revision, .. } = self;
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
                        if vips.get(&vip).is_some_and(|state| !state.expected) {
                            schedule.add(now, vip, reasserted);
                        }
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
    let to_everybody = if vip.is_ipv4() { 2 } else { 1 };
    u32::try_from(gateways.iter().filter(|gateway| is_told(gateway, vip)).count())
        .unwrap_or(u32::MAX)
        .saturating_add(to_everybody)
}

/// Whether a gateway is told of `vip` in person.
fn is_told(gateway: &Gateway, vip: IpAddr) -> bool {
    match (gateway.address, vip) {
        (IpAddr::V4(_), IpAddr::V4(_)) => true,
        (IpAddr::V6(_), IpAddr::V6(_)) => gateway.mac.is_some(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The frames that are due for `vip`.
fn round(interface: &Interface, vip: IpAddr, due: Due, gateways: &[Gateway]) -> Vec<(Purpose, Vec<u8>)> {
    let (first, rest) = match due {
        Due::FirstFrame => (true, false),
        Due::FirstRest => (false, true),
        Due::Round => (true, true),
    };
    let mut frames = Vec::new();
    if first {
        frames.push((Purpose::Announce, announce(interface, vip)));
    }
    if rest {
        if let IpAddr::V4(vip) = vip {
            frames.push((Purpose::Reply, arp::announce_reply(interface.mac, vip).encode()));
        }
        let told = gateways.iter().filter_map(|gateway| tell(interface, vip, gateway));
        frames.extend(told.map(|frame| (Purpose::Gateway, frame)));
    }
    frames
}

/// What a gateway is told in person; `None` where [`is_told`] says so.
fn tell(interface: &Interface, vip: IpAddr, gateway: &Gateway) -> Option<Vec<u8>> {
    let mac = interface.mac;
    match (vip, gateway.address, gateway.mac) {
        (IpAddr::V4(vip), IpAddr::V4(router), known) => Some(arp::gateway_request(mac, vip, router, known).encode()),
        (IpAddr::V6(vip), IpAddr::V6(router), Some(known)) => {
            Some(ndp::gateway_announcement(mac, source(interface, vip), vip, router, known).encode())
        }
        (IpAddr::V4(_) | IpAddr::V6(_), IpAddr::V4(_) | IpAddr::V6(_), _) => None,
    }
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
