//! Which strangers were told of already, and how often it may be told at all: whoever floods a network with claims must
//! not flood the API server with events.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use ferrolb_l2::{AddressInUse, MacAddr};

use super::pace::Pace;

/// Strangers that are remembered. One who makes up addresses gets no further.
const REMEMBERED: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Conflicts {
    in_use: BTreeSet<AddressInUse>,
    heard: BTreeSet<(IpAddr, MacAddr, String)>,
    pace: Pace,
}

// === impl Conflicts ===

impl Conflicts {
    pub(super) const fn new(now: Instant) -> Self {
        Self { in_use: BTreeSet::new(), heard: BTreeSet::new(), pace: Pace::new(now) }
    }

    /// Those of `now_in_use` that are to be told. They come seldom, so each is told.
    pub(super) fn in_use(&mut self, now_in_use: &[AddressInUse]) -> Vec<AddressInUse> {
        let new = now_in_use.iter().filter(|stranger| !self.in_use.contains(stranger)).cloned().collect();
        self.in_use = now_in_use.iter().cloned().collect();
        new
    }

    /// Whether it is to be told that a stranger claims an address: once for each of them, a few times at once.
    pub(super) fn heard(&mut self, now: Instant, vip: IpAddr, mac: MacAddr, interface: &str) -> bool {
        let stranger = (vip, mac, interface.to_owned());
        if self.heard.contains(&stranger) || self.heard.len() >= REMEMBERED || self.pace.permit(now).is_err() {
            return false;
        }
        self.heard.insert(stranger)
    }

    /// Forgets what was told of addresses that are not announced any more.
    pub(super) fn retain(&mut self, announced: impl Fn(IpAddr) -> bool) {
        self.heard.retain(|(vip, _, _)| announced(*vip));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_stranger_is_told_of_once_and_a_flood_seldom() {
        #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
        let now = Instant::now();
        let mut conflicts = Conflicts::new(now);
        let vip: IpAddr = "192.0.2.1".parse().unwrap();
        let mac = |last| MacAddr::new(2, 0, 0, 0, 0, last);
        assert!(conflicts.heard(now, vip, mac(1), "eth0"));
        assert!(!conflicts.heard(now, vip, mac(1), "eth0"), "told already");
        assert!(conflicts.heard(now, vip, mac(1), "eth1"), "another interface");
        let told = (2..200).filter(|last| conflicts.heard(now, vip, mac(*last), "eth0")).count();
        assert_eq!(told, 1, "the third of a burst");
        assert!(conflicts.heard(now + Duration::from_secs(60), vip, mac(250), "eth0"));
        conflicts.retain(|_| false);
        assert!(conflicts.heard(now + Duration::from_secs(60), vip, mac(1), "eth0"), "announced anew");
    }

    #[test]
    fn an_address_in_use_is_told_of_when_it_begins() {
        #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
        let now = Instant::now();
        let mut conflicts = Conflicts::new(now);
        let stranger = AddressInUse {
            vip: "192.0.2.1".parse().unwrap(),
            mac: MacAddr::new(2, 0, 0, 0, 0, 1),
            interface: "eth0".to_owned(),
        };
        assert_eq!(conflicts.in_use(std::slice::from_ref(&stranger)).len(), 1);
        assert!(conflicts.in_use(std::slice::from_ref(&stranger)).is_empty());
        assert!(conflicts.in_use(&[]).is_empty());
        assert_eq!(conflicts.in_use(&[stranger]).len(), 1, "it has come back");
    }
}
