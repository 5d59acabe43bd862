//! Which links can announce an address to their neighbours, and why the others cannot.

use super::{Kind, Link, Links};

/// A link and whether it can announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The link.
    pub link: &'a Link,
    /// Why it cannot; `None` = it can.
    pub exclusion: Option<Exclusion>,
}

/// Why a link cannot announce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exclusion {
    /// It has no neighbours.
    #[error("it is the loopback interface")]
    Loopback,
    /// The operator does not want it.
    #[error("it is excluded by configuration")]
    Configured,
    /// What it receives is handed to its master, which announces in its stead.
    #[error("it belongs to {master}")]
    Enslaved {
        /// Name of the bridge, bond, team or VRF, or its index as `#7` while its name is not known.
        master: String,
    },
    /// The link below announces on the same segment, where an address must not be at two places.
    #[error("it shares the segment of {parent}")]
    SharesSegment {
        /// Name of the link below.
        parent: String,
    },
    /// It cannot reach all its neighbours at once, as with tunnels.
    #[error("it cannot broadcast")]
    NoBroadcast,
    /// Nobody asks for addresses there.
    #[error("it does not use ARP")]
    NoArp,
    /// There is nothing to announce.
    #[error("it has no Ethernet address")]
    NoHardwareAddress,
    /// It may come up.
    #[error("it is administratively down")]
    Down,
    /// It may get one.
    #[error("it has no carrier")]
    NoCarrier,
}

/// Judges every link, by index. `excluded` tells by name which links the operator does not want.
///
/// Of several reasons the most lasting is given: a link that is merely down says so only if it could announce otherwise.
pub fn announcing(links: &Links, excluded: impl Fn(&str) -> bool) -> Vec<Candidate<'_>> {
    links.iter().map(|link| Candidate { link, exclusion: exclusion(links, link, &excluded) }).collect()
}

fn exclusion(links: &Links, link: &Link, excluded: &dyn Fn(&str) -> bool) -> Option<Exclusion> {
    if link.loopback {
        return Some(Exclusion::Loopback);
    }
    if excluded(&link.name) {
        return Some(Exclusion::Configured);
    }
    if let Some(master) = link.master {
        let master = links.get(master).map_or_else(|| format!("#{master}"), |master| master.name.clone());
        return Some(Exclusion::Enslaved { master });
    }
    if let Some(parent) = same_segment(links, link)
        && parent_speaks(links, parent, excluded)
    {
        return Some(Exclusion::SharesSegment { parent: parent.name.clone() });
    }
    let has_mac = link.mac.is_some_and(|mac| mac != [0; 6]);
    [
        (link.broadcast, Exclusion::NoBroadcast),
        (link.arp, Exclusion::NoArp),
        (has_mac, Exclusion::NoHardwareAddress),
        (link.up, Exclusion::Down),
        (link.carrier, Exclusion::NoCarrier),
    ]
    .into_iter()
    .find_map(|(able, otherwise)| (!able).then_some(otherwise))
}

/// The link below, if `link` is but another station on its segment. A VLAN is a segment of its own.
fn same_segment<'a>(links: &'a Links, link: &Link) -> Option<&'a Link> {
    let stacked = matches!(link.kind, Kind::MacVlan | Kind::IpVlan);
    link.parent.filter(|_| stacked).and_then(|parent| links.get(parent))
}

/// Whether `parent` announces, or will as soon as it is up; links do not lie on each other in circles.
fn parent_speaks(links: &Links, parent: &Link, excluded: &dyn Fn(&str) -> bool) -> bool {
    parent.kind != Kind::MacVlan
        && parent.kind != Kind::IpVlan
        && matches!(exclusion(links, parent, excluded), None | Some(Exclusion::Down | Exclusion::NoCarrier))
}
