//! The pools that Services compete for: fewer addresses than Services that want one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::NAMESPACE;

/// A pool of one range of each family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    pub(super) name: &'static str,
    /// Whether a Service that asks for nothing may get an address of it.
    pub(super) auto: bool,
    v4: Range<Ipv4Addr>,
    v6: Range<Ipv6Addr>,
}

#[derive(Debug, Clone, Copy)]
struct Range<A> {
    first: A,
    count: u8,
}

/// The pool whose one address only the marker asks for.
pub(super) const MARKER_POOL: &str = "marker";

/// All pools, in order of name.
pub(super) const POOLS: [Pool; 4] = [
    Pool::new("large", true, ([10, 10, 52, 0], 40), (0x52, 12)),
    Pool::new(MARKER_POOL, false, ([203, 0, 113, 0], 1), (0x113, 1)),
    Pool::new("named", false, ([10, 10, 54, 0], 6), (0x54, 6)),
    Pool::new("small", true, ([10, 10, 53, 0], 12), (0x53, 16)),
];

/// The pools that clients ask for by name.
pub(super) const ASKED: [&str; 3] = ["large", "named", "small"];

// === impl Pool ===

impl Pool {
    const fn new(name: &'static str, auto: bool, v4: ([u8; 4], u8), v6: (u16, u8)) -> Self {
        let [a, b, c, d] = v4.0;
        Self {
            name,
            auto,
            v4: Range { first: Ipv4Addr::new(a, b, c, d), count: v4.1 },
            v6: Range { first: Ipv6Addr::new(0xfd00, 0x10, v6.0, 0, 0, 0, 0, 0), count: v6.1 },
        }
    }

    /// The pool of a name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        POOLS.iter().find(|pool| pool.name == name)
    }

    /// The pool that an address is from.
    pub(super) fn of(ip: IpAddr) -> Option<&'static Self> {
        POOLS.iter().find(|pool| pool.contains(ip))
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => {
                u32::from(ip).checked_sub(u32::from(self.v4.first)).is_some_and(|n| n < self.v4.count.into())
            }
            IpAddr::V6(ip) => {
                u128::from(ip).checked_sub(u128::from(self.v6.first)).is_some_and(|n| n < self.v6.count.into())
            }
        }
    }

    /// All addresses of one family.
    pub(super) fn addresses(&self, v6: bool) -> Vec<IpAddr> {
        if v6 {
            (0..self.v6.count).map(|n| Ipv6Addr::from(u128::from(self.v6.first) + u128::from(n)).into()).collect()
        } else {
            (0..self.v4.count).map(|n| Ipv4Addr::from(u32::from(self.v4.first) + u32::from(n)).into()).collect()
        }
    }

    /// The object.
    pub(super) fn manifest(&self) -> Value {
        let range = |v6| {
            let all = self.addresses(v6);
            all.first().zip(all.last()).map(|(first, last)| format!("{first}-{last}"))
        };
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": { "name": self.name, "namespace": NAMESPACE },
            "spec": { "addresses": [range(false), range(true)], "autoAssign": self.auto },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_in_two_pools_and_every_address_in_its_own() {
        for pool in &POOLS {
            for ip in [pool.addresses(false), pool.addresses(true)].concat() {
                assert_eq!(POOLS.iter().filter(|pool| pool.contains(ip)).count(), 1, "{ip}");
                assert_eq!(Pool::of(ip).map(|found| found.name), Some(pool.name));
            }
        }
        assert!(Pool::of("10.10.52.40".parse().unwrap()).is_none());
        assert!(Pool::of("10.10.51.255".parse().unwrap()).is_none());
    }
}
