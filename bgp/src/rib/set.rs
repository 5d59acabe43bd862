//! The desired set: all that a peer shall be told, immutable and shared.
//!
//! 100,000 routes are 1.2 MB (IPv4) or 2.4 MB (IPv6): sorted prefixes, each with the number of its route. What a peer has been
//! told is such a set too, so that the difference of two is one walk over both.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Route, well_known};
use crate::wire::Family;

/// Routes by prefix. Made by `collect()` from `(IpNet, Arc<Route>)`; of a prefix that comes twice the last one stays, host bits
/// are dropped. Sets with equal routes are equal, however they were made.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RouteSet {
    /// The different routes, in the order in which the prefixes name them first.
    routes: Arc<[Arc<Route>]>,
    ipv4: Arc<[(Ipv4Net, u32)]>,
    ipv6: Arc<[(Ipv6Net, u32)]>,
}

// === impl RouteSet ===

impl RouteSet {
    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.ipv4.len().saturating_add(self.ipv6.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    /// Number of prefixes of a family.
    pub fn count(&self, family: Family) -> usize {
        match family {
            Family::Ipv4 => self.ipv4.len(),
            Family::Ipv6 => self.ipv6.len(),
        }
    }

    /// The route of exactly this prefix.
    pub fn get(&self, prefix: &IpNet) -> Option<&Arc<Route>> {
        let number = match prefix {
            IpNet::V4(prefix) => find(&self.ipv4, prefix)?,
            IpNet::V6(prefix) => find(&self.ipv6, prefix)?,
        };
        self.route(number)
    }

    /// All routes, IPv4 first, in the order of prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &Arc<Route>)> {
        let ipv4 = self.ipv4.iter().map(|(prefix, number)| (IpNet::V4(*prefix), *number));
        let ipv6 = self.ipv6.iter().map(|(prefix, number)| (IpNet::V6(*prefix), *number));
        ipv4.chain(ipv6).filter_map(|(prefix, number)| Some((prefix, self.route(number)?)))
    }

    /// The same prefixes with GRACEFUL_SHUTDOWN and the lowest LOCAL_PREF (RFC 8326 section 4); the prefixes are shared.
    pub(super) fn graceful_shutdown(&self) -> Self {
        let marked = |route: &Arc<Route>| {
            let mut route = Route::clone(route);
            route.communities.push(well_known::GRACEFUL_SHUTDOWN);
            route.local_pref = Some(0);
            Arc::new(route)
        };
        Self { routes: self.routes.iter().map(marked).collect(), ..self.clone() }
    }

    pub(super) fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    pub(super) fn ipv4(&self) -> &[(Ipv4Net, u32)] {
        &self.ipv4
    }

    pub(super) fn ipv6(&self) -> &[(Ipv6Net, u32)] {
        &self.ipv6
    }

    /// The route with this number.
    pub(super) fn route(&self, number: u32) -> Option<&Arc<Route>> {
        self.routes.get(usize::try_from(number).ok()?)
    }

    /// Prefix and number of the route that stand at this place of a family.
    pub(super) fn at(&self, family: Family, place: usize) -> Option<(IpNet, u32)> {
        match family {
            Family::Ipv4 => self.ipv4.get(place).map(|(prefix, number)| (IpNet::V4(*prefix), *number)),
            Family::Ipv6 => self.ipv6.get(place).map(|(prefix, number)| (IpNet::V6(*prefix), *number)),
        }
    }
}

impl FromIterator<(IpNet, Arc<Route>)> for RouteSet {
    fn from_iter<I: IntoIterator<Item = (IpNet, Arc<Route>)>>(routes: I) -> Self {
        let mut numbers = Numbers::default();
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for (prefix, route) in routes {
            let number = numbers.of(route);
            match prefix {
                IpNet::V4(prefix) => ipv4.push((prefix.trunc(), number)),
                IpNet::V6(prefix) => ipv6.push((prefix.trunc(), number)),
            }
        }
        last_of_each(&mut ipv4);
        last_of_each(&mut ipv6);
        Self::canonical(&numbers.given, ipv4, ipv6)
    }
}

/// Numbers routes by their values. Most come as one `Arc` for many prefixes, which is known by its address.
#[derive(Default)]
struct Numbers {
    given: Vec<Arc<Route>>,
    by_value: HashMap<Arc<Route>, u32, foldhash::fast::RandomState>,
    /// Those in `given` only, which stay where they are.
    by_address: HashMap<*const Route, u32, foldhash::fast::RandomState>,
}

impl RouteSet {
    /// A set of sorted prefixes without repetitions.
    ///
    /// Numbers the routes anew in the order in which sorted prefixes name them, and drops those that none names.
    pub(super) fn canonical(
        given: &[Arc<Route>],
        mut ipv4: Vec<(Ipv4Net, u32)>,
        mut ipv6: Vec<(Ipv6Net, u32)>,
    ) -> Self {
        let mut renumbered = vec![None; given.len()];
        let mut routes = Vec::new();
        let numbers = ipv4.iter_mut().map(|(_, number)| number).chain(ipv6.iter_mut().map(|(_, number)| number));
        for number in numbers {
            let Some((route, new)) =
                usize::try_from(*number).ok().and_then(|at| Some((given.get(at)?, renumbered.get_mut(at)?)))
            else {
                continue;
            };
            *number = *new.get_or_insert_with(|| {
                routes.push(Arc::clone(route));
                u32::try_from(routes.len() - 1).unwrap_or(u32::MAX)
            });
        }
        Self { routes: routes.into(), ipv4: ipv4.into(), ipv6: ipv6.into() }
    }
}

// === impl Numbers ===

impl Numbers {
    fn of(&mut self, route: Arc<Route>) -> u32 {
        if let Some(number) = self.by_address.get(&Arc::as_ptr(&route)) {
            return *number;
        }
        let next = u32::try_from(self.given.len()).unwrap_or(u32::MAX);
        *self.by_value.entry(route).or_insert_with_key(|route| {
            self.by_address.insert(Arc::as_ptr(route), next);
            self.given.push(Arc::clone(route));
            next
        })
    }
}

impl fmt::Debug for RouteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn find<P: Ord>(sorted: &[(P, u32)], prefix: &P) -> Option<u32> {
    let at = sorted.binary_search_by(|(other, _)| other.cmp(prefix)).ok()?;
    sorted.get(at).map(|(_, number)| *number)
}

/// Sorts, and keeps what came last of each prefix.
fn last_of_each<P: Ord>(routes: &mut Vec<(P, u32)>) {
    if routes.is_sorted_by(|(a, _), (b, _)| a < b) {
        return;
    }
    routes.sort_by(|(a, _), (b, _)| a.cmp(b));
    routes.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
}
