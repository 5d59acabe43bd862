//! Where a peer is, and by which own addresses it reaches us.

use std::net::{IpAddr, SocketAddr};

use super::super::socket::{is_link_local, with_scope};
use super::super::status::Problem;
use super::super::sys::{self, InterfaceAddress};
use super::super::transport::{Remote, Ttl};
use super::Task;
use crate::rib::Addresses;
use crate::session::Endpoints;

impl Task {
    /// The address to dial.
    pub(super) fn target(&self) -> Result<SocketAddr, Problem> {
        let transport = &self.state.config.transport;
        match &transport.remote {
            Remote::Address(address) => Ok(with_scope(*address, transport.port, 0)),
            Remote::LinkLocal { address, interface } => {
                let index = sys::interface_index(interface)
                    .ok_or_else(|| Problem::Interface { interface: interface.clone() })?;
                Ok(with_scope(IpAddr::V6(*address), transport.port, index))
            }
            Remote::Interface(interface) => match self.state.neighbor {
                Some(neighbor) => Ok(with_scope(IpAddr::V6(neighbor.address), transport.port, neighbor.index)),
                None => Err(Problem::NoNeighbor { interface: interface.clone() }),
            },
        }
    }

    /// The addresses that may be named as own next hop in a session between these.
    pub(super) fn addresses(&self, endpoints: &Endpoints) -> Addresses {
        let all = sys::addresses().unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "own addresses cannot be read");
            Vec::new()
        });
        let on_link = matches!(self.state.config.transport.ttl, Ttl::Adjacent | Ttl::Security(1));
        addresses(&all, endpoints, on_link)
    }
}

fn addresses(all: &[InterfaceAddress], endpoints: &Endpoints, on_link: bool) -> Addresses {
    let local = endpoints.local.ip();
    // A link-local address may be on several interfaces; its connection knows which one is meant.
    let scope = match endpoints.local {
        SocketAddr::V6(local) if is_link_local(IpAddr::V6(*local.ip())) => Some(local.scope_id()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => None,
    };
    let index = scope.or_else(|| all.iter().find(|own| own.address == local).map(|own| own.index));
    let here = || all.iter().filter(|own| Some(own.index) == index).map(|own| own.address);
    let ipv4 = here().find_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    let of_ipv6 = |link_local: bool| {
        here().find_map(|address| match address {
            IpAddr::V6(v6) if is_link_local(address) == link_local => Some(v6),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        })
    };
    Addresses { local, ipv4, ipv6: of_ipv6(false), link_local: of_ipv6(true).filter(|_| on_link) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(list: &[(&str, u32)]) -> Vec<InterfaceAddress> {
        list.iter()
            .map(|(address, index)| InterfaceAddress { address: address.parse().unwrap(), index: *index })
            .collect()
    }

    #[test]
    fn next_hops_are_those_of_the_interface_of_the_session() {
        let all = own(&[
            ("127.0.0.1", 1),
            ("192.0.2.1", 2),
            ("2001:db8::1", 2),
            ("fe80::1", 2),
            ("198.51.100.1", 3),
            ("2001:db8:1::1", 3),
            ("fe80::1", 3),
        ]);
        let endpoints =
            |local: &str, remote: &str| Endpoints { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
        let found = addresses(&all, &endpoints("198.51.100.1:179", "198.51.100.2:40000"), true);
        assert_eq!(found.ipv6, Some("2001:db8:1::1".parse().unwrap()));
        assert_eq!(found.link_local, Some("fe80::1".parse().unwrap()));
        let found = addresses(&all, &endpoints("[fe80::1%2]:179", "[fe80::2%2]:40000"), true);
        assert_eq!(found.ipv4, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(found.ipv6, Some("2001:db8::1".parse().unwrap()));
        let found = addresses(&all, &endpoints("[2001:db8::1]:179", "[2001:db8:9::1]:40000"), false);
        assert_eq!((found.ipv4, found.link_local), (Some("192.0.2.1".parse().unwrap()), None));
    }
}
