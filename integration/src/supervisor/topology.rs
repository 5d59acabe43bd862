//! The network: one bridge, one namespace per host, one cable each.
//!
//! Nodes are set up as Kubernetes nodes are where L2 announcements work: they forward, answer ARP only for addresses of
//! the interface that was asked (`arp_ignore=1`, `arp_announce=2`), accept asymmetric paths (`rp_filter=2`) and send
//! no redirects for traffic that they turn around on their only interface.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use super::command::Runner;
use crate::error::{Error, system};
use crate::layout::{API_MAC, BRIDGE, Host, HostKind, INTERFACE, Layout, SWITCH, lan_prefix};
use crate::namespaces;

/// Whether something in the switch has an address on the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uplink {
    /// It only forwards frames.
    None,
    /// The API server's: reached over the bridge, as everybody is.
    ApiServer,
}

/// Makes all of it. The supervisor runs in the switch.
pub(super) async fn build(runner: &Runner, layout: &Layout, uplink: Uplink) -> Result<(), Error> {
    set(&["net/ipv6/conf/all/disable_ipv6=0", "net/ipv6/conf/default/accept_dad=0"])?;
    for host in layout.hosts() {
        namespaces::create_netns(&host.name, || {
            set(EVERYWHERE)?;
            set(settings(host.kind))
        })?;
    }
    runner.ip_batch(SWITCH, &switch_script(layout, uplink)).await?;
    for host in layout.hosts() {
        runner.ip_batch(&host.name, &host_script(host, layout, INTERFACE)).await?;
    }
    Ok(())
}

/// The bridge forwards from the first frame on: no spanning tree, no delay, multicast like a simple switch.
fn switch_script(layout: &Layout, uplink: Uplink) -> String {
    let mut script = format!(
        "link set lo up\n\
         link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
         link set {BRIDGE} up\n"
    );
    for Host { name, mac, .. } in layout.hosts() {
        writeln!(script, "link add {name} type veth peer name {INTERFACE} netns {name} address {mac}").ok();
        writeln!(script, "link set {name} master {BRIDGE} up").ok();
    }
    if uplink == Uplink::ApiServer {
        writeln!(script, "link set {BRIDGE} address {API_MAC}").ok();
        for address in layout.api_addresses() {
            writeln!(script, "{}", addr(address, BRIDGE)).ok();
        }
    }
    script
}

/// What a host has on its interface, and whom it reaches over which other; may be run again when that was away.
pub(super) fn host_script(host: &Host, layout: &Layout, interface: &str) -> String {
    let mut script = String::from("link set lo up\n");
    writeln!(script, "link set {interface} up").ok();
    for address in &host.addresses {
        writeln!(script, "{}", addr(*address, interface)).ok();
    }
    if host.kind != HostKind::Gateway {
        for gateway in layout.gateways() {
            writeln!(script, "{} via {gateway}", route(*gateway, "default")).ok();
        }
    }
    if host.kind == HostKind::Client {
        for prefix in layout.routed() {
            let hops = layout.routers().flat_map(|router| &router.addresses);
            let hops: Vec<String> = hops
                .filter(|address| address.is_ipv6() == prefix.contains(':'))
                .map(|address| format!(" nexthop via {address}"))
                .collect();
            if !hops.is_empty() {
                writeln!(script, "route replace {prefix}{}", hops.concat()).ok();
            }
        }
    }
    // The control plane calls webhooks, which are pods.
    if matches!(host.kind, HostKind::Node | HostKind::Control) {
        for other in layout.nodes() {
            let Some(pod) = &other.pod else { continue };
            if other.name == host.name {
                for address in &pod.addresses {
                    writeln!(script, "addr replace {address}/{} dev lo", if address.is_ipv4() { 32 } else { 128 }).ok();
                }
            } else {
                for (cidr, gateway) in pod.cidrs.iter().zip(&other.addresses) {
                    writeln!(script, "{} via {gateway}", route(*gateway, cidr)).ok();
                }
            }
        }
    }
    script
}

/// Gives an interface an address on the LAN. Nobody has it twice: no time is lost with finding that out (RFC 4862, 5.4).
fn addr(address: IpAddr, interface: &str) -> String {
    let options = if address.is_ipv4() { "broadcast + " } else { "nodad " };
    format!("addr replace {address}/{} {options}dev {interface}", lan_prefix(address))
}

fn route(gateway: IpAddr, destination: &str) -> String {
    // `default` alone would be IPv4's.
    match (gateway, destination) {
        (IpAddr::V6(_), "default") => "route replace ::/0".to_owned(),
        _ => format!("route replace {destination}"),
    }
}

/// Settings of every host's namespace: IPv6 addresses are usable at once and stay when the link goes down, as IPv4's do;
/// nobody advertises routes.
const EVERYWHERE: &[&str] = &[
    "net/ipv6/conf/default/accept_dad=0",
    "net/ipv6/conf/default/accept_ra=0",
    "net/ipv6/conf/all/keep_addr_on_down=1",
    "net/ipv6/conf/default/keep_addr_on_down=1",
];

/// Settings of a host's namespace, made before its interface exists: interfaces inherit `default`.
fn settings(kind: HostKind) -> &'static [&'static str] {
    match kind {
        HostKind::Control => &[],
        // Flows spread over routers by their ports.
        HostKind::Client => &["net/ipv4/fib_multipath_hash_policy=1", "net/ipv6/fib_multipath_hash_policy=1"],
        HostKind::Gateway | HostKind::Router(_) => &[
            "net/ipv4/fib_multipath_hash_policy=1",
            "net/ipv6/fib_multipath_hash_policy=1",
            "net/ipv6/conf/all/forwarding=1",
            "net/ipv4/ip_forward=1",
            "net/ipv4/conf/all/send_redirects=0",
            "net/ipv4/conf/default/send_redirects=0",
        ],
        // What a network manager does: an interface that changes its hardware address says so for its own addresses.
        HostKind::Node => &[
            "net/ipv4/conf/default/arp_notify=1",
            "net/ipv6/conf/default/ndisc_notify=1",
            "net/ipv6/conf/all/forwarding=1",
            "net/ipv4/ip_forward=1",
            "net/ipv4/conf/all/send_redirects=0",
            "net/ipv4/conf/default/send_redirects=0",
            "net/ipv4/conf/all/arp_ignore=1",
            "net/ipv4/conf/all/arp_announce=2",
            "net/ipv4/conf/all/rp_filter=2",
            "net/ipv4/conf/default/rp_filter=2",
        ],
    }
}

/// Writes settings of the calling thread's network namespace. A kernel without IPv6 has none of its settings.
fn set(settings: &[&str]) -> Result<(), Error> {
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        let path = Path::new("/proc/sys").join(name);
        if path.exists() {
            fs::write(&path, value).map_err(system(format!("set {setting}")))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Family;

    #[test]
    fn every_node_has_its_own_pods_and_a_route_to_every_other_nodes_pods() {
        let layout = Layout::new(3, Family::Dual);
        let script = host_script(layout.node("node-2").unwrap(), &layout, INTERFACE);
        let lines: Vec<&str> = script.lines().collect();
        for line in [
            "addr replace 10.10.0.12/16 broadcast + dev eth0",
            "addr replace fd00:10:10::12/64 nodad dev eth0",
            "addr replace 10.244.2.2/32 dev lo",
            "addr replace fd00:10:244:2::2/128 dev lo",
            "route replace 10.244.1.0/24 via 10.10.0.11",
            "route replace fd00:10:244:3::/64 via fd00:10:10::13",
            "route replace default via 10.10.0.1",
            "route replace ::/0 via fd00:10:10::1",
        ] {
            assert!(lines.contains(&line), "{line}: {script}");
        }
        assert!(!script.contains("10.244.2.0/24"), "{script}");
    }

    #[test]
    fn the_switch_has_an_address_only_with_an_api_server() {
        let layout = Layout::new(1, Family::Ipv4);
        assert!(!switch_script(&layout, Uplink::None).contains("addr replace"));
        let with = switch_script(&layout, Uplink::ApiServer);
        assert!(with.contains("addr replace 10.10.0.3/16 broadcast + dev br0\n"), "{with}");
    }

    #[test]
    fn the_gateway_has_no_default_route() {
        let layout = Layout::new(1, Family::Dual);
        let script = host_script(layout.host("gateway").unwrap(), &layout, INTERFACE);
        assert!(!script.contains("default") && !script.contains("::/0"), "{script}");
    }
}
