//! What the routers of a [`Lab`](super::Lab) have: next hops in their kernels.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;

use super::Lab;
use crate::error::Error;
use crate::layout::{Host, Mac};

// === impl Lab ===

impl Lab {
    /// The hosts that the kernel of `router` sends packets for `address` to, by the route of exactly that address; empty where
    /// there is none. A next hop that nobody of the lab has stands for itself.
    ///
    /// # Errors
    /// When the lab cannot be reached, or there is no such host.
    pub fn next_hops(&self, router: &str, address: IpAddr) -> Result<BTreeSet<String>, Error> {
        let prefix = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
        let family = if address.is_ipv4() { "-4" } else { "-6" };
        let command = ["ip", family, "-json", "route", "show", &prefix];
        let output = self.exec(router, &command)?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Command { command: command.join(" "), message });
        }
        // `ip` prints nothing at all where there is nothing to show.
        let text = String::from_utf8_lossy(&output.stdout);
        let routes: Value = if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text)? };
        let routes = routes.as_array().map(Vec::as_slice).unwrap_or_default();
        let hops = routes.iter().flat_map(|route| {
            let several = route.get("nexthops").and_then(Value::as_array);
            several.map_or_else(|| vec![route], |several| several.iter().collect())
        });
        let gateways = hops.filter_map(|hop| hop.get("gateway")?.as_str());
        Ok(gateways.map(|gateway| self.host_at(gateway)).collect())
    }

    /// The name of the host that has an address, be it the link-local one that follows from its hardware address.
    fn host_at(&self, address: &str) -> String {
        let found = address.parse::<IpAddr>().ok().and_then(|address| {
            let has = |host: &&Host| host.addresses.contains(&address) || address == IpAddr::V6(link_local(host.mac));
            self.layout().hosts().iter().find(has)
        });
        found.map_or_else(|| address.to_owned(), |host| host.name.clone())
    }
}

/// RFC 4291 appendix A: the modified EUI-64 of a hardware address.
fn link_local(mac: Mac) -> Ipv6Addr {
    let Mac([first, second, third, last @ ..]) = mac;
    let [high, middle, low] = last;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 2, second, third, 0xff, 0xfe, high, middle, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_follow_from_hardware_addresses() {
        assert_eq!(link_local(Mac([2, 0, 0, 0, 0, 1])), "fe80::ff:fe00:1".parse::<Ipv6Addr>().unwrap());
    }
}
