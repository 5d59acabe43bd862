//! The kernel's links as the announcer wants them, and the words for those that cannot announce.

use std::net::IpAddr;

use ferrolb_config::Interfaces;
use ferrolb_fib::links::{Candidate, Link, Links, announcing};
use ferrolb_l2::driver::Observed;
use ferrolb_l2::{Interface, MacAddr};

use super::exclusion::Exclusion;
use crate::admin;
use crate::plan::{Announcement, NodePlan};

/// An interface, and whether it can announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    mac: String,
    /// As the announcer takes it, or why not.
    pub(super) usable: Result<Interface, String>,
}

/// Every link, and whether it can announce.
pub(super) fn ports(links: &Links, exclusion: &Exclusion) -> Vec<Port> {
    let excluded = |name: &str| exclusion.excludes(name);
    let mac = |[a, b, c, d, e, f]: [u8; 6]| MacAddr::new(a, b, c, d, e, f);
    let port = |Candidate { link, exclusion }: Candidate<'_>| {
        let address = link.mac.map(mac);
        let usable = match (exclusion, address) {
            (Some(exclusion), _) => Err(exclusion.to_string()),
            (None, None) => Err("has no Ethernet address".to_owned()),
            (None, Some(mac)) => {
                let (name, link_local) = (link.name.clone(), link.link_local());
                Ok(Interface { name, index: link.index, mac, up: true, link_local })
            }
        };
        let mac = address.map_or_else(String::new, |mac| mac.to_string());
        Port { name: link.name.clone(), mac, usable }
    };
    announcing(links, excluded).into_iter().map(port).collect()
}

/// Whether an address is not on this node any more. Nothing is known before the kernel has told of its links.
pub(super) fn is_gone(links: &Links, address: IpAddr) -> bool {
    let bears = |link: &Link| {
        // The whole prefix of the loopback interface is local.
        link.addresses.iter().any(|net| net.addr() == address || (link.loopback && net.contains(&address)))
    };
    !address.is_unspecified() && !links.is_empty() && !links.iter().any(bears)
}

/// For the admin socket: every interface, and whether its socket works.
pub(super) fn statuses(ports: &[Port], observed: &Observed) -> Vec<admin::Interface> {
    let status = |port: &Port| {
        let error = observed.interfaces.get(&port.name).and_then(|status| status.error.as_ref());
        let reason = match (&port.usable, error) {
            (Err(reason), _) => reason.clone(),
            (Ok(_), Some(error)) => ferrolb_daemon::sentence(error.as_ref()),
            (Ok(_), None) => String::new(),
        };
        admin::Interface { name: port.name.clone(), mac: port.mac.clone(), announces: reason.is_empty(), reason }
    };
    ports.iter().map(status).collect()
}

/// Everything that the plan has for the announcer.
pub(super) fn announcements(plan: &NodePlan) -> Vec<ferrolb_l2::Announcement> {
    let expected = |awaited| ferrolb_l2::Announcement { expected: true, ..announcement(awaited) };
    plan.l2.iter().map(announcement).chain(plan.expected.iter().map(expected)).collect()
}

pub(super) fn announcement(announcement: &Announcement) -> ferrolb_l2::Announcement {
    ferrolb_l2::Announcement {
        vip: announcement.vip,
        interfaces: match &announcement.interfaces {
            Interfaces::All => ferrolb_l2::Interfaces::All,
            Interfaces::Named(names) => ferrolb_l2::Interfaces::Named(names.clone()),
        },
        reasserted: announcement.reasserted,
        fresh: announcement.fresh,
        expected: false,
    }
}
