//! Who is spoken to in brief: members that read brief datagrams and have addressed this node as what it is now, so that
//! they know it. Whoever cannot tell from whom a brief datagram is asks to be introduced again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::Gossip;
use crate::identity::Identity;
use crate::wire::{Brief, Life, Message, as_reader};

/// Those who may be spoken to in brief, as long as they and this node live the same lives.
#[derive(Debug, Default)]
pub(super) struct Acquainted {
    /// As which life of this node they know it.
    me: Option<Identity>,
    members: BTreeMap<SocketAddr, Identity>,
}

// === impl Acquainted ===

impl Acquainted {
    /// `member` reads brief datagrams and addressed this node as `me`.
    pub(super) fn with(&mut self, me: &Identity, member: Identity) {
        if self.me.as_ref() != Some(me) {
            self.members.clear();
            self.me = Some(me.clone());
        }
        if self.members.get(&member.addr) != Some(&member) {
            self.members.insert(member.addr, member);
        }
    }

    fn knows(&self, me: &Identity, member: &Identity) -> bool {
        self.me.as_ref() == Some(me) && self.members.get(&member.addr) == Some(member)
    }

    /// Forgets who is no member any more.
    pub(super) fn retain(&mut self, is_member: impl Fn(SocketAddr) -> bool) {
        self.members.retain(|addr, _| is_member(*addr));
    }
}

// === impl Gossip ===

impl Gossip {
    /// Sends a datagram of foca, in brief where that will be understood.
    pub(super) fn transmit_swim(&mut self, to: &Identity, bytes: Vec<u8>) {
        let me = self.swim.identity();
        let brief = if self.acquainted.knows(me, to) { Brief::of(&bytes, me, to) } else { None };
        let message = brief.map_or_else(|| Message::Swim(as_reader(bytes)), Message::Brief);
        self.transmit(to.addr, &message);
    }

    /// A datagram of foca in brief.
    pub(super) fn hear_brief(&mut self, now: Instant, from: SocketAddr, brief: &Brief) {
        // To a life of ours that is over; foca would not accept it either.
        if brief.dst != Life::of(&self.me) {
            return;
        }
        let known = self.swim.iter_membership_state().map(foca::Member::id).find(|known| known.addr == from);
        let Some(src) = known.filter(|known| brief.src == Life::of(known)).cloned() else {
            // We forgot the sender, or never knew it in that life: its answer begins with who it is.
            self.invite(now, from);
            return;
        };
        let Some(bytes) = brief.expand(src.clone(), self.me.clone()) else { return };
        self.acquainted.with(&self.me, src);
        self.hear_swim(now, from, &bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(last: u8) -> Identity {
        Identity::new(format!("n{last}"), SocketAddr::from(([192, 0, 2, last], 7946)), 1)
    }

    #[test]
    fn an_acquaintance_ends_with_the_life_of_either() {
        let (me, member) = (node(1), node(2));
        let mut acquainted = Acquainted::default();
        acquainted.with(&me, member.clone());
        assert!(acquainted.knows(&me, &member));
        assert!(!acquainted.knows(&me, &Identity { boot: 2, ..member.clone() }));
        let renewed = Identity { rejoins: 1, ..me.clone() };
        assert!(!acquainted.knows(&renewed, &member));
        acquainted.with(&renewed, node(3));
        assert!(!acquainted.knows(&renewed, &member), "it knows who this node was");
        acquainted.retain(|addr| addr != node(3).addr);
        assert!(!acquainted.knows(&renewed, &node(3)));
    }
}
