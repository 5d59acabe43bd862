//! The routers that default routes lead to, and their hardware addresses as the kernel knows them. Routers keep entries
//! for hours, so they are told in person.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ferrolb_fib::driver::{Neighbour, neighbours};
use ferrolb_fib::links::Links;
use ferrolb_l2::{Gateway, MacAddr};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The kernel's tables of routes.
const IPV4_ROUTES: &str = "/proc/net/route";
const IPV6_ROUTES: &str = "/proc/net/ipv6_route";

/// Routes and neighbours are looked at when a link changes, and this often.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Follows the gateways of this network namespace until `cancel`; none where the tables cannot be read.
pub(super) fn follow(
    mut links: watch::Receiver<Arc<Links>>,
    tracker: &TaskTracker,
    cancel: CancellationToken,
) -> watch::Receiver<Vec<Gateway>> {
    let (publish, gateways) = watch::channel(Vec::new());
    tracker.spawn(cancel.run_until_cancelled_owned(async move {
        loop {
            let known = Arc::clone(&links.borrow_and_update());
            let found = look(&known).await;
            publish.send_if_modified(|published| {
                let changed = *published != found;
                *published = found;
                changed
            });
            // Nobody follows links any more: what ends them ends this.
            if let Ok(Err(_ended)) = tokio::time::timeout(LOOK_EVERY, links.changed()).await {
                return;
            }
        }
    }));
    gateways
}

async fn look(links: &Links) -> Vec<Gateway> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let index = |name: &str| Some(links.by_name(name)?.index);
    let routers: BTreeSet<Neighbour> = ipv4(&read(IPV4_ROUTES), index).chain(ipv6(&read(IPV6_ROUTES), index)).collect();
    let known = neighbours(&routers).await.unwrap_or_else(|error| {
        let error = ferrolb_daemon::sentence(&error);
        tracing::debug!(error, "hardware addresses of gateways are not known");
        BTreeMap::new()
    });
    let mac = |[a, b, c, d, e, f]: [u8; 6]| MacAddr::new(a, b, c, d, e, f);
    let gateway = |router: Neighbour| {
        let (index, address) = router;
        Gateway { index, address, mac: known.get(&router).copied().map(mac) }
    };
    routers.into_iter().map(gateway).collect()
}

/// One route a line: interface, destination, gateway and more, separated by tabs. Addresses are the number that their
/// bytes make in memory, in hexadecimal.
fn ipv4(table: &str, index: impl Fn(&str) -> Option<u32>) -> impl Iterator<Item = Neighbour> {
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_whitespace();
        let (name, destination, gateway) = (fields.next()?, fields.next()?, fields.next()?);
        let address = Ipv4Addr::from(u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes());
        let default = is_zero(destination) && !address.is_unspecified();
        default.then_some((index(name)?, IpAddr::V4(address)))
    })
}

/// One route a line: destination and its length, source and its length, gateway, four numbers, interface. Addresses are
/// their 32 hexadecimal digits.
fn ipv6(table: &str, index: impl Fn(&str) -> Option<u32>) -> impl Iterator<Item = Neighbour> {
    table.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _source, _source_length, gateway, .., name] = fields[..] else { return None };
        let address = Ipv6Addr::from(u128::from_str_radix(gateway, 16).ok()?);
        let default = is_zero(destination) && is_zero(length) && !address.is_unspecified();
        default.then_some((index(name)?, IpAddr::V6(address)))
    })
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str) -> Option<u32> {
        (name == "eth0").then_some(7)
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_gateways_of_default_routes_are_found() {
        let table = "Iface\tDestination\tGateway \tFlags\n\
                     eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n\
                     eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n\
                     tun0\t00000000\t0100000A\t0003\n\
                     eth1\t00000000\tnonsense\t0003\n";
        let expected = (7, IpAddr::from([192, 168, 2, 1]));
        assert_eq!(ipv4(table, index).collect::<Vec<_>>(), [expected]);
        assert_eq!(ipv4("", index).count(), 0);
    }

    #[test]
    fn the_gateways_of_default_routes_of_ipv6_are_found() {
        let zero = "0".repeat(32);
        let line = |destination: &str, length: &str, gateway: &str, name: &str| {
            format!("{destination} {length} {zero} 00 {gateway} 00000400 00000001 00000000 00000003     {name}\n")
        };
        let router = "fe800000000000000000000000000001";
        let table = [
            line(&zero, "00", router, "eth0"),
            line(&zero, "00", &zero, "eth0"),
            line(&zero, "01", router, "eth0"),
            line("20010db8000000000000000000000000", "40", router, "eth0"),
            line(&zero, "00", router, "tun0"),
            "nonsense\n".to_owned(),
        ];
        let expected = (7, IpAddr::V6("fe80::1".parse().unwrap()));
        assert_eq!(ipv6(&table.concat(), index).collect::<Vec<_>>(), [expected]);
    }
}
