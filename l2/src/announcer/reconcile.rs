//! Brings sockets, filters, groups and schedules in line with interfaces and addresses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use super::detection::Wanted;
use super::io::{Family, Output};
use super::port::{Filtered, Port, State};
use super::{Announcer, Vip};
use crate::filter::{Range, folded};
use crate::wire::ndp::solicited_node;

/// What concerns all interfaces alike.
struct Common {
    /// Whom to listen to, by family.
    senders: BTreeMap<Family, Vec<Range>>,
    /// Groups in which somebody asks for addresses that this node announces or may announce one day: being a member
    /// already makes the switch forward questions from the first moment.
    groups: BTreeSet<Ipv6Addr>,
}

impl Announcer {
    /// Filters come first, so that what is announced can also be answered.
    pub(super) fn reconcile(&mut self, now: Instant) {
        let cared_for: BTreeSet<IpAddr> = self.vips.keys().chain(&self.watched).copied().collect();
        let common = Common {
            senders: Family::BOTH.map(|family| (family, ranges(family, &cared_for))).into(),
            groups: v6(&cared_for).map(solicited_node).collect(),
        };
        let Self { ports, vips, outputs, revision, silent, .. } = self;
        for (&index, port) in ports {
            for family in Family::BOTH {
                let used = family == Family::Ipv4 || !common.groups.is_empty();
                *revision += u64::from(open_or_close(index, port, family, used, outputs));
            }
            let wanted = if *silent { BTreeMap::new() } else { wanted(port, vips) };
            for family in Family::BOTH {
                let filtered = Filtered {
                    targets: ranges(family, &wanted.keys().copied().collect()),
                    senders: common.senders.get(&family).cloned().unwrap_or_default(),
                };
                let side = port.side_mut(family);
                if side.state != State::Down
                    && let Some(program) = side.filter(filtered)
                {
                    outputs.push_back(Output::Filter { index, family, program });
                }
            }
            if port.ndp.state != State::Down && port.groups != common.groups {
                port.groups.clone_from(&common.groups);
                outputs.push_back(Output::Groups { index, groups: common.groups.clone() });
            }
            *revision += u64::from(assign(now, port, wanted));
        }
    }
}

/// What shall be announced on `port`.
fn wanted(port: &Port, vips: &BTreeMap<IpAddr, Vip>) -> BTreeMap<IpAddr, Wanted> {
    let here = vips.iter().filter(|(_, state)| state.interfaces.contains(&port.interface.name));
    let wanted = |state: &Vip| Wanted { reasserted: state.reasserted, fresh: state.fresh, expected: state.expected };
    here.map(|(vip, state)| (*vip, wanted(state))).collect()
}

/// Announces what is wanted and can and may be announced. Says whether anything changed.
fn assign(now: Instant, port: &mut Port, mut wanted: BTreeMap<IpAddr, Wanted>) -> bool {
    wanted.retain(|vip, _| port.is_open(Family::of(*vip)));
    let Port { schedule, detection, defences, .. } = port;
    let looked_at = detection.assign(now, &wanted, |vip| schedule.contains(vip));
    wanted.retain(|vip, wanted| !wanted.expected && detection.permits(*vip));
    defences.retain(|vip| wanted.contains_key(&vip));
    let wanted = wanted.into_iter().map(|(vip, Wanted { reasserted, .. })| (vip, reasserted)).collect();
    schedule.assign(now, &wanted) || looked_at
}

/// Has the socket opened or closed if it should be. Says whether something is announced no more.
fn open_or_close(index: u32, port: &mut Port, family: Family, used: bool, outputs: &mut VecDeque<Output>) -> bool {
    let up = port.interface.up && used;
    let side = port.side_mut(family);
    match (up, side.state) {
        (true, State::Down) => {
            side.state = State::Opening;
            side.forget_filter();
            false
        }
        (false, State::Opening | State::Open) => {
            side.state = State::Down;
            if family == Family::Ipv6 {
                port.groups.clear();
            }
            outputs.push_back(Output::Close { index, family });
            port.silence(|vip| Family::of(vip) != family)
        }
        (true, State::Opening | State::Open) | (false, State::Down) => false,
    }
}

/// Those of `addresses` that are of `family`, as its filter knows them.
fn ranges(family: Family, addresses: &BTreeSet<IpAddr>) -> Vec<Range> {
    match family {
        Family::Ipv4 => Range::exact(v4(addresses).map(u32::from)),
        Family::Ipv6 => folded(v6(addresses)),
    }
}

/// The IPv4 ones, in order.
fn v4<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> impl Iterator<Item = Ipv4Addr> {
    addresses.into_iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}

/// The IPv6 ones, in order.
fn v6<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> impl Iterator<Item = Ipv6Addr> {
    addresses.into_iter().filter_map(|address| match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(*address),
    })
}
