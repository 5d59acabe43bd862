//! When advertisements and solicitations are sent, and who the neighbour on an interface is.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use super::Message;

/// Time between two advertisements: short, so that a neighbour that lost us finds us again soon; FRR takes the same for
/// unnumbered peers.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long a neighbour may take us for a router without having heard from us again: three intervals.
const LIFETIME: Duration = Duration::from_secs(30);

/// Least time between two advertisements to all nodes (RFC 4861 section 10, MIN_DELAY_BETWEEN_RAS).
const LEAST_DELAY: Duration = Duration::from_secs(3);

/// Solicitations on a new link, and the time between them (RFC 4861 section 10, MAX_RTR_SOLICITATIONS and
/// RTR_SOLICITATION_INTERVAL).
const SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);

/// An interface as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver) struct Link {
    /// Its index.
    pub(in crate::driver) index: u32,
    /// The own link-local address, from which things are sent.
    pub(in crate::driver) own: Ipv6Addr,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver) struct Action {
    /// On this interface.
    pub(in crate::driver) index: u32,
    /// Send this to its destination.
    pub(in crate::driver) message: Message,
}

/// The neighbours on all interfaces with an unnumbered peer.
#[derive(Debug, Default)]
pub(in crate::driver) struct Neighbors {
    links: BTreeMap<String, State>,
    actions: Vec<Action>,
}

#[derive(Debug)]
struct State {
    link: Link,
    neighbor: Option<Neighbor>,
    advertised: Option<Instant>,
    next_advertisement: Instant,
    solicitations: u8,
    next_solicitation: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Neighbor {
    address: Ipv6Addr,
    /// Until then no other router takes its place.
    until: Instant,
}

// === impl Neighbors ===

impl Neighbors {
    /// These interfaces have an unnumbered peer and can be used; others are told that we are no router any more and are
    /// forgotten. An interface that was made anew is a new one.
    pub(in crate::driver) fn set(&mut self, now: Instant, links: &BTreeMap<String, Link>) {
        let actions = &mut self.actions;
        self.links.retain(|name, state| {
            let keep = links.get(name) == Some(&state.link);
            if !keep {
                // RFC 4861 section 6.2.5: the last advertisement says lifetime zero.
                let message = Message::Advertisement { lifetime: Duration::ZERO };
                actions.push(Action { index: state.link.index, message });
            }
            keep
        });
        for (name, link) in links {
            self.links.entry(name.clone()).or_insert(State {
                link: *link,
                neighbor: None,
                advertised: None,
                next_advertisement: now,
                solicitations: SOLICITATIONS,
                next_solicitation: now,
            });
        }
        self.handle_deadline(now);
    }

    /// A message came in on an interface. Returns whether the neighbour there is another one now.
    pub(in crate::driver) fn handle(&mut self, now: Instant, index: u32, from: Ipv6Addr, message: Message) -> bool {
        let Some(state) = self.links.values_mut().find(|state| state.link.index == index) else { return false };
        // Own packets come back from some switches.
        if from == state.link.own {
            return false;
        }
        match message {
            Message::Solicitation => {
                let earliest = state.advertised.and_then(|at| at.checked_add(LEAST_DELAY)).unwrap_or(now);
                state.next_advertisement = state.next_advertisement.min(earliest.max(now));
                self.handle_deadline(now);
                false
            }
            Message::Advertisement { lifetime } => state.hear(now, from, lifetime),
        }
    }

    /// An interface that can be used, and who the neighbour there is.
    pub(in crate::driver) fn get(&self, interface: &str) -> Option<(Link, Option<Ipv6Addr>)> {
        let state = self.links.get(interface)?;
        Some((state.link, state.neighbor.map(|neighbor| neighbor.address)))
    }

    pub(in crate::driver) fn next_deadline(&self) -> Option<Instant> {
        self.links.values().filter_map(State::next_deadline).min()
    }

    pub(in crate::driver) fn handle_deadline(&mut self, now: Instant) {
        for state in self.links.values_mut() {
            let index = state.link.index;
            if state.next_advertisement <= now {
                state.advertised = Some(now);
                state.next_advertisement = now.checked_add(INTERVAL).unwrap_or(now);
                self.actions.push(Action { index, message: Message::Advertisement { lifetime: LIFETIME } });
            }
            if state.solicits() && state.next_solicitation <= now {
                state.solicitations = state.solicitations.saturating_sub(1);
                state.next_solicitation = now.checked_add(SOLICITATION_INTERVAL).unwrap_or(now);
                self.actions.push(Action { index, message: Message::Solicitation });
            }
        }
    }

    /// What is to be sent, once.
    pub(in crate::driver) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}

// === impl State ===

impl State {
    fn hear(&mut self, now: Instant, from: Ipv6Addr, lifetime: Duration) -> bool {
        // Where two routers advertise themselves, the one that was first stays while it does; one that stops says so.
        if self.neighbor.is_some_and(|current| current.address != from && now < current.until) {
            return false;
        }
        let changed = self.neighbor.is_none_or(|current| current.address != from);
        self.neighbor = Some(Neighbor { address: from, until: now.checked_add(lifetime).unwrap_or(now) });
        changed
    }

    fn solicits(&self) -> bool {
        self.solicitations > 0 && self.neighbor.is_none()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let solicitation = self.solicits().then_some(self.next_solicitation);
        solicitation.into_iter().chain([self.next_advertisement]).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const PEER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
    const OTHER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3);
    const ADVERTISEMENT: Message = Message::Advertisement { lifetime: LIFETIME };
    const FAREWELL: Message = Message::Advertisement { lifetime: Duration::ZERO };

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "some moment to begin with")]
        Instant::now()
    }

    fn on_eth0(index: u32) -> BTreeMap<String, Link> {
        BTreeMap::from([("eth0".to_owned(), Link { index, own: OWN })])
    }

    fn sent(neighbors: &mut Neighbors) -> Vec<Message> {
        neighbors.take_actions().into_iter().map(|action| action.message).collect()
    }

    #[test]
    fn new_link_is_told_at_once_and_asked_until_somebody_answers() {
        let (start, mut neighbors) = (start(), Neighbors::default());
        neighbors.set(start, &on_eth0(2));
        assert_eq!(sent(&mut neighbors), [ADVERTISEMENT, Message::Solicitation]);
        let second = start + SOLICITATION_INTERVAL;
        assert_eq!(neighbors.next_deadline(), Some(second));
        neighbors.handle_deadline(second);
        assert_eq!(sent(&mut neighbors), [Message::Solicitation]);
        assert!(neighbors.handle(second, 2, PEER, ADVERTISEMENT));
        assert_eq!(neighbors.get("eth0"), Some((Link { index: 2, own: OWN }, Some(PEER))));
        assert_eq!(neighbors.next_deadline(), Some(start + INTERVAL), "nothing is asked any more");
    }

    #[test]
    fn nobody_is_asked_more_than_three_times() {
        let (start, mut neighbors) = (start(), Neighbors::default());
        neighbors.set(start, &on_eth0(2));
        let mut now = start;
        while now < start + Duration::from_secs(60) {
            now = neighbors.next_deadline().unwrap();
            neighbors.handle_deadline(now);
        }
        let sent = sent(&mut neighbors);
        assert_eq!(sent.iter().filter(|message| **message == Message::Solicitation).count(), 3);
        assert_eq!(sent.iter().filter(|message| **message == ADVERTISEMENT).count(), 7);
    }

    #[test]
    fn solicitation_is_answered_but_not_more_often_than_every_three_seconds() {
        let (start, mut neighbors) = (start(), Neighbors::default());
        neighbors.set(start, &on_eth0(2));
        sent(&mut neighbors);
        neighbors.handle(start, 2, PEER, Message::Solicitation);
        assert!(sent(&mut neighbors).is_empty());
        assert_eq!(neighbors.next_deadline(), Some(start + LEAST_DELAY));
        neighbors.handle_deadline(start + LEAST_DELAY);
        assert_eq!(sent(&mut neighbors), [ADVERTISEMENT]);
        let later = start + LEAST_DELAY + LEAST_DELAY;
        neighbors.handle(later, 2, PEER, Message::Solicitation);
        assert!(sent(&mut neighbors).contains(&ADVERTISEMENT));
    }

    #[test]
    fn second_router_takes_over_when_the_first_says_farewell_or_falls_silent() {
        let (start, mut neighbors) = (start(), Neighbors::default());
        neighbors.set(start, &on_eth0(2));
        assert!(!neighbors.handle(start, 2, OWN, ADVERTISEMENT), "an own packet that came back");
        assert!(neighbors.handle(start, 2, PEER, ADVERTISEMENT));
        assert!(!neighbors.handle(start, 2, OTHER, ADVERTISEMENT));
        assert!(!neighbors.handle(start, 2, PEER, FAREWELL), "it may still be dialled");
        assert!(neighbors.handle(start, 2, OTHER, ADVERTISEMENT));
        assert!(!neighbors.handle(start, 2, PEER, ADVERTISEMENT));
        assert!(neighbors.handle(start + LIFETIME, 2, PEER, ADVERTISEMENT));
    }

    #[test]
    fn interface_that_is_made_anew_has_no_neighbour_yet_and_one_that_goes_is_told_farewell() {
        let (start, mut neighbors) = (start(), Neighbors::default());
        neighbors.set(start, &on_eth0(2));
        neighbors.handle(start, 2, PEER, ADVERTISEMENT);
        neighbors.set(start, &on_eth0(2));
        assert_eq!(neighbors.get("eth0").unwrap().1, Some(PEER));
        sent(&mut neighbors);
        neighbors.set(start, &on_eth0(3));
        assert_eq!(neighbors.get("eth0").unwrap().1, None);
        assert_eq!(sent(&mut neighbors), [FAREWELL, ADVERTISEMENT, Message::Solicitation]);
        neighbors.set(start, &BTreeMap::new());
        assert_eq!(sent(&mut neighbors), [FAREWELL]);
        assert_eq!(neighbors.next_deadline(), None);
    }
}
