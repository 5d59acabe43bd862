//! What a received frame leads to.

use std::net::IpAddr;
use std::time::Instant;

use super::frame::{Claimed, Frame};
use super::io::{Heard, Output, Purpose, Transmit};
use super::{Announcer, detection};

impl Announcer {
    pub(super) fn frame(&mut self, now: Instant, index: u32, bytes: &[u8]) {
        self.activity += 1;
        let parsed = Frame::parse(bytes);
        let own = parsed.is_some_and(|frame| self.ports.values().any(|port| frame.is_from(port.interface.mac)));
        let Some(port) = self.ports.get_mut(&index) else { return };
        port.counters.frames_received += 1;
        let frame = match parsed {
            None => return port.counters.malformed += 1,
            Some(frame) if own || !port.is_open(frame.family()) => return port.counters.ignored += 1,
            Some(frame) => frame,
        };
        let cared_for = |vip: IpAddr| self.vips.contains_key(&vip) || self.watched.contains(&vip);
        let asked = frame.asked(port.interface.mac).filter(|vip| port.schedule.contains(*vip));
        let claimed = frame.claimed().filter(|claimed| cared_for(claimed.vip));
        port.counters.ignored += u64::from(asked.is_none() && claimed.is_none());
        if let Some(vip) = asked {
            let answer = frame.answer(port.interface.mac, port.interface.link_local);
            if let Some(vip) = self.vips.get_mut(&vip) {
                vip.counters.requests_received += 1;
            }
            self.outputs.push_back(Output::Send(Transmit { index, vip, purpose: Purpose::Answer, frame: answer }));
        }
        if let Some(claimed) = claimed {
            self.claimed(now, index, claimed);
        }
    }

    /// Somebody else says to hold an address we announce or watch.
    fn claimed(&mut self, now: Instant, index: u32, claimed: Claimed) {
        let Claimed { vip, mac, claim } = claimed;
        let Some(port) = self.ports.get_mut(&index) else { return };
        let announced = port.schedule.contains(vip);
        let stranger = !self.peers.contains(&mac);
        let means =
            if stranger { port.detection.claimed(now, vip, mac, &mut self.rng) } else { detection::Claim::Foreign };
        let mut defended = false;
        if announced && let Some(state) = self.vips.get_mut(&vip) {
            state.counters.conflicts += 1;
            let conflict = stranger && means == detection::Claim::Foreign;
            defended = conflict && port.defences.request(now, vip);
        }
        if means == detection::Claim::News {
            self.revision += 1;
            if !port.detection.permits(vip) {
                port.schedule.give_up(vip);
            } else if let Some(state) = self.vips.get(&vip) {
                port.schedule.add(now, vip, state.reasserted);
            }
        }
        let interface = port.interface.name.clone();
        self.outputs.push_back(Output::Heard(Heard { vip, mac, index, interface, claim, announced, defended }));
    }
}
