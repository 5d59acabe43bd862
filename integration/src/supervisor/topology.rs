//! The network: one bridge, one namespace per host, one cable each.
//!
//! Nodes are set up as Kubernetes nodes are where L2 announcements work: they forward, answer ARP only for addresses of
//! the interface that was asked (`arp_ignore=1`, `arp_announce=2`), accept asymmetric paths (`rp_filter=2`) and send
//! no redirects for traffic that they turn around on their only interface.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::command::Runner;
use crate::error::{Error, system};
use crate::layout::{API_ADDRESS, API_MAC, BRIDGE, Host, HostKind, INTERFACE, LAN_PREFIX, Layout, SWITCH};
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
        namespaces::create_netns(&host.name, || set(settings(host.kind)))?;
    }
    runner.ip_batch(SWITCH, &switch_script(layout, uplink)).await?;
    for host in layout.hosts() {
        runner.ip_batch(&host.name, &host_script(host, layout)).await?;
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
        writeln!(script, "addr add {API_ADDRESS}/{LAN_PREFIX} broadcast + dev {BRIDGE}").ok();
    }
    script
}

fn host_script(host: &Host, layout: &Layout) -> String {
    let mut script = format!(
        "link set lo up\n\
         addr add {}/{LAN_PREFIX} broadcast + dev {INTERFACE}\n\
         link set {INTERFACE} up\n",
        host.address
    );
    if host.kind != HostKind::Gateway {
        writeln!(script, "route add default via {}", layout.gateway()).ok();
    }
    if host.kind == HostKind::Node {
        for other in layout.nodes() {
            let Some(pod) = &other.pod else { continue };
            if other.name == host.name {
                writeln!(script, "addr add {}/32 dev lo", pod.address).ok();
            } else {
                writeln!(script, "route add {} via {}", pod.cidr, other.address).ok();
            }
        }
    }
    script
}

/// Settings of a host's namespace, made before its interface exists: interfaces inherit `default`.
fn settings(kind: HostKind) -> &'static [&'static str] {
    match kind {
        HostKind::Client | HostKind::Control => &["net/ipv6/conf/default/accept_dad=0"],
        HostKind::Gateway => &[
            "net/ipv6/conf/default/accept_dad=0",
            "net/ipv4/ip_forward=1",
            "net/ipv4/conf/all/send_redirects=0",
            "net/ipv4/conf/default/send_redirects=0",
        ],
        HostKind::Node => &[
            "net/ipv6/conf/default/accept_dad=0",
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

    #[test]
    fn every_node_has_its_own_pods_and_a_route_to_every_other_nodes_pods() {
        let layout = Layout::new(3);
        let script = host_script(layout.node("node-2").unwrap(), &layout);
        let lines: Vec<&str> = script.lines().collect();
        assert!(lines.contains(&"addr add 10.244.2.2/32 dev lo"), "{script}");
        assert!(lines.contains(&"route add 10.244.1.0/24 via 10.10.0.11"), "{script}");
        assert!(lines.contains(&"route add 10.244.3.0/24 via 10.10.0.13"), "{script}");
        assert!(lines.contains(&"route add default via 10.10.0.1"), "{script}");
        assert!(!script.contains("10.244.2.0/24"), "{script}");
    }

    #[test]
    fn the_switch_has_an_address_only_with_an_api_server() {
        let layout = Layout::new(1);
        assert!(!switch_script(&layout, Uplink::None).contains("addr add"));
        assert!(switch_script(&layout, Uplink::ApiServer).contains("addr add 10.10.0.3/16 broadcast + dev br0\n"));
    }

    #[test]
    fn the_gateway_has_no_default_route() {
        let layout = Layout::new(1);
        assert!(!host_script(layout.host("gateway").unwrap(), &layout).contains("default"));
    }
}
