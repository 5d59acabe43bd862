//! Settings of the kernel with which an address that is announced well is not reached, or is announced by the wrong node.

use std::collections::BTreeSet;
use std::fmt;

use crate::announcer::Family;
use crate::interface::Interface;

/// The device on which kube-proxy in IPVS mode keeps the addresses of all Services, on every node.
const IPVS_DEVICE: &str = "kube-ipvs0";

/// Something an operator should change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// Name of the interface it concerns.
    pub interface: String,
    /// What it is.
    pub kind: ConditionKind,
    /// What follows from it, and the remedy.
    pub message: String,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKind {
    /// The kernel answers ARP for addresses of Services on every node: kube-proxy's IPVS mode without strict ARP.
    StrictArp,
    /// The kernel answers ARP for every address it has a route to (`proxy_arp`).
    ProxyArp,
    /// Packets that do not come from where the way back leads are dropped, and there are several interfaces
    /// (`rp_filter`, RFC 3704 §2.2).
    ReversePath,
    /// Packets for pods are not forwarded.
    Forwarding,
    /// The kernel takes no IPv6 packets on the interface.
    Ipv6Disabled,
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StrictArp => "StrictArp",
            Self::ProxyArp => "ProxyArp",
            Self::ReversePath => "ReversePath",
            Self::Forwarding => "Forwarding",
            Self::Ipv6Disabled => "Ipv6Disabled",
        })
    }
}

/// What is wrong for addresses of `families` on `interfaces`, in order. `read` gives the text of a file under
/// `/proc/sys/net`, for example `ipv4/conf/all/arp_ignore`; what it cannot read is taken as right.
pub fn conditions(
    interfaces: &[Interface],
    families: &BTreeSet<Family>,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<Condition> {
    let settings = Settings { read: &read };
    let several = interfaces.len() > 1;
    let mut found = BTreeSet::new();
    for Interface { name, .. } in interfaces {
        let mut add = |kind, message| {
            found.insert(Condition { interface: name.clone(), kind, message });
        };
        if families.contains(&Family::Ipv4) {
            settings.ipv4(name, several, &mut add);
        }
        if families.contains(&Family::Ipv6) {
            settings.ipv6(name, &mut add);
        }
    }
    found.into_iter().collect()
}

/// The settings of a network namespace.
struct Settings<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
}

impl Settings<'_> {
    fn number(&self, path: &str) -> Option<u32> {
        (self.read)(path)?.trim().parse().ok()
    }

    /// The greater of what is set for all and for one: that counts with most settings (Linux
    /// `Documentation/networking/ip-sysctl.rst`).
    fn greater(&self, name: &str, setting: &str) -> Option<u32> {
        let of = |device: &str| self.number(&format!("ipv4/conf/{device}/{setting}"));
        of("all").max(of(name))
    }

    fn ipv4(&self, name: &str, several: bool, add: &mut dyn FnMut(ConditionKind, String)) {
        let ipvs = (self.read)(&format!("ipv4/conf/{IPVS_DEVICE}/arp_ignore")).is_some();
        let (ignore, announce) = (self.greater(name, "arp_ignore"), self.greater(name, "arp_announce"));
        if let (true, Some(ignore), Some(announce)) = (ipvs, ignore, announce)
            && (ignore < 1 || announce < 2)
        {
            add(
                ConditionKind::StrictArp,
                format!(
                    "the kernel answers ARP for the addresses on {IPVS_DEVICE} on every node, not only on the one that \
                     announces them (arp_ignore {ignore}, arp_announce {announce}): set ipvs.strictARP: true in \
                     kube-proxy's configuration, or sysctl net.ipv4.conf.all.arp_ignore=1 \
                     net.ipv4.conf.all.arp_announce=2"
                ),
            );
        }
        if self.greater(name, "proxy_arp").is_some_and(|set| set > 0) {
            add(
                ConditionKind::ProxyArp,
                format!(
                    "the kernel answers ARP for every address it has a route to elsewhere, so also for those that other \
                     nodes announce: set sysctl net.ipv4.conf.all.proxy_arp=0 net.ipv4.conf.{name}.proxy_arp=0"
                ),
            );
        }
        if several && self.greater(name, "rp_filter") == Some(1) {
            add(
                ConditionKind::ReversePath,
                format!(
                    "packets of clients that are reached over another interface are dropped (rp_filter 1, and several \
                     interfaces announce): set sysctl net.ipv4.conf.{name}.rp_filter=2"
                ),
            );
        }
        if self.number(&format!("ipv4/conf/{name}/forwarding")) == Some(0) {
            add(
                ConditionKind::Forwarding,
                format!(
                    "packets that arrive here are not forwarded to pods: set sysctl net.ipv4.ip_forward=1 (and \
                     net.ipv4.conf.{name}.forwarding=1)"
                ),
            );
        }
    }

    fn ipv6(&self, name: &str, add: &mut dyn FnMut(ConditionKind, String)) {
        if self.number(&format!("ipv6/conf/{name}/disable_ipv6")).is_some_and(|set| set != 0) {
            add(
                ConditionKind::Ipv6Disabled,
                format!(
                    "the kernel drops IPv6 packets that arrive here: set sysctl net.ipv6.conf.{name}.disable_ipv6=0, or \
                     announce only IPv4 addresses on it"
                ),
            );
        }
        // The kernel asks the setting for all, whatever is set for an interface.
        if self.number("ipv6/conf/all/forwarding") == Some(0) {
            add(
                ConditionKind::Forwarding,
                "IPv6 packets that arrive here are not forwarded to pods: set sysctl net.ipv6.conf.all.forwarding=1"
                    .to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pnet_base::MacAddr;

    use super::*;

    fn interface(name: &str) -> Interface {
        Interface { name: name.into(), index: 2, mac: MacAddr(2, 0, 0, 0, 0, 1), up: true, link_local: None }
    }

    /// What is found on eth0, and on eth1 if there is one, when `changed` differs from how things should be.
    fn found(names: &[&str], changed: &[(&str, &str)]) -> Vec<(String, ConditionKind)> {
        let good = [
            ("ipv4/conf/all/arp_ignore", "0\n"),
            ("ipv4/conf/all/arp_announce", "0\n"),
            ("ipv4/conf/all/rp_filter", "0\n"),
            ("ipv4/conf/all/proxy_arp", "0\n"),
            ("ipv4/conf/eth0/proxy_arp", "0\n"),
            ("ipv4/conf/eth0/arp_ignore", "0\n"),
            ("ipv4/conf/eth0/forwarding", "1\n"),
            ("ipv6/conf/all/forwarding", "1\n"),
            ("ipv6/conf/eth0/disable_ipv6", "0\n"),
        ];
        let files: BTreeMap<&str, &str> = good.into_iter().chain(changed.iter().copied()).collect();
        let interfaces: Vec<Interface> = names.iter().map(|name| interface(name)).collect();
        let read = |path: &str| files.get(path).map(ToString::to_string);
        let found = conditions(&interfaces, &Family::BOTH.into(), read);
        assert!(found.iter().all(|condition| condition.message.contains(": set ")), "a remedy: {found:?}");
        found.into_iter().map(|condition| (condition.interface, condition.kind)).collect()
    }

    fn eth0(kind: ConditionKind) -> Vec<(String, ConditionKind)> {
        vec![("eth0".to_owned(), kind)]
    }

    #[test]
    fn node_with_kube_proxy_in_iptables_mode_has_nothing_to_change() {
        assert_eq!(found(&["eth0"], &[]), []);
    }

    #[test]
    fn ipvs_needs_both_settings_for_all_or_for_the_interface() {
        let ipvs = ("ipv4/conf/kube-ipvs0/arp_ignore", "0\n");
        let (ignore, announce) = (("ipv4/conf/all/arp_ignore", "1\n"), ("ipv4/conf/all/arp_announce", "2\n"));
        assert_eq!(found(&["eth0"], &[ipvs]), eth0(ConditionKind::StrictArp));
        assert_eq!(found(&["eth0"], &[ipvs, ignore]), eth0(ConditionKind::StrictArp));
        assert_eq!(found(&["eth0"], &[ipvs, announce]), eth0(ConditionKind::StrictArp));
        assert_eq!(found(&["eth0"], &[ipvs, ignore, announce]), []);
        assert_eq!(found(&["eth0"], &[ipvs, ("ipv4/conf/eth0/arp_ignore", "1\n"), announce]), []);
    }

    #[test]
    fn strict_reverse_path_matters_where_there_are_several_interfaces() {
        let strict = ("ipv4/conf/all/rp_filter", "1\n");
        assert_eq!(found(&["eth0"], &[strict]), []);
        let both = [("eth0".to_owned(), ConditionKind::ReversePath), ("eth1".to_owned(), ConditionKind::ReversePath)];
        assert_eq!(found(&["eth0", "eth1"], &[strict]), both);
        let loose = ("ipv4/conf/eth0/rp_filter", "2\n");
        assert_eq!(found(&["eth0", "eth1"], &[strict, loose]), both[1..], "the greater counts");
    }

    #[test]
    fn other_settings_are_found() {
        for (path, value, kind) in [
            ("ipv4/conf/eth0/proxy_arp", "1\n", ConditionKind::ProxyArp),
            ("ipv4/conf/eth0/forwarding", "0\n", ConditionKind::Forwarding),
            ("ipv6/conf/all/forwarding", "0\n", ConditionKind::Forwarding),
            ("ipv6/conf/eth0/disable_ipv6", "1\n", ConditionKind::Ipv6Disabled),
        ] {
            assert_eq!(found(&["eth0"], &[(path, value)]), eth0(kind), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_read_and_families_that_are_not_used_are_passed_over() {
        assert_eq!(conditions(&[interface("eth0")], &Family::BOTH.into(), |_| None), []);
        let zero = |_: &str| Some("0".to_owned());
        let only = |family| {
            let found = conditions(&[interface("eth0")], &BTreeSet::from([family]), zero);
            found.into_iter().map(|condition| condition.kind).collect::<Vec<_>>()
        };
        assert_eq!(only(Family::Ipv4), [ConditionKind::StrictArp, ConditionKind::Forwarding]);
        assert_eq!(only(Family::Ipv6), [ConditionKind::Forwarding]);
    }
}
