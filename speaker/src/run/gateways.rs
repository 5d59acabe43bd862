//! The default gateways of IPv4, from the kernel's table of routes. Routers keep ARP entries for hours, so they are told
//! in person.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ferrolb_fib::links::Links;
use ferrolb_l2::Gateway;

const ROUTES: &str = "/proc/net/route";

/// The gateways of this network namespace; none where the table cannot be read.
pub(super) fn gateways(links: &Links) -> Vec<Gateway> {
    parse(&std::fs::read_to_string(ROUTES).unwrap_or_default(), |name| Some(links.by_name(name)?.index))
}

/// One route a line: interface, destination, gateway and more, separated by tabs. Addresses are the number that their
/// bytes make in memory, in hexadecimal.
fn parse(table: &str, index: impl Fn(&str) -> Option<u32>) -> Vec<Gateway> {
    let gateway = |line: &str| {
        let mut fields = line.split_whitespace();
        let (name, destination, gateway) = (fields.next()?, fields.next()?, fields.next()?);
        let address = Ipv4Addr::from(u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes());
        let default = destination.bytes().all(|digit| digit == b'0') && !address.is_unspecified();
        default.then_some(Gateway { index: index(name)?, address, mac: None })
    };
    table.lines().skip(1).filter_map(gateway).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_gateways_of_default_routes_are_found() {
        let table = "Iface\tDestination\tGateway \tFlags\n\
                     eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n\
                     eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n\
                     tun0\t00000000\t0100000A\t0003\n\
                     eth1\t00000000\tnonsense\t0003\n";
        let index = |name: &str| (name == "eth0").then_some(7);
        let expected = Gateway { index: 7, address: Ipv4Addr::new(192, 168, 2, 1), mac: None };
        assert_eq!(parse(table, index), [expected]);
        assert!(parse("", index).is_empty());
    }
}
