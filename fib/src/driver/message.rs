//! From rtnetlink messages to changes of the table.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "enums of rtnetlink grow with the kernel; the rest is none of ours"
)]

use std::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::links::{Change, Kind, Link};

/// What `message` changes, if it is about a link or an address.
pub(super) fn change(message: RouteNetlinkMessage) -> Option<Change> {
    match message {
        RouteNetlinkMessage::NewLink(message) => link(message).map(Change::Link),
        RouteNetlinkMessage::DelLink(message) => {
            concerns_link(&message).then_some(Change::LinkGone(message.header.index))
        }
        RouteNetlinkMessage::NewAddress(message) => {
            address(&message).map(|address| Change::Address { index: message.header.index, address })
        }
        RouteNetlinkMessage::DelAddress(message) => {
            address(&message).map(|address| Change::AddressGone { index: message.header.index, address })
        }
        _ => None,
    }
}

/// Whether a message is about the link itself. A bridge tells in the same group of its ports, with its own family: a
/// port that leaves the bridge is "deleted" there and lives on.
fn concerns_link(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

/// The link of a message that describes one wholly. Wireless drivers send messages of the same type with nothing but
/// an event; those lack the operational state.
fn link(message: LinkMessage) -> Option<Link> {
    if !concerns_link(&message) {
        return None;
    }
    let flags = message.header.flags;
    let mut name = None;
    let mut mac = None;
    let mut state = None;
    let mut master = None;
    let mut kind = Kind::Device;
    let mut parent = None;
    let mut elsewhere = false;
    let mut mtu = 0;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value),
            LinkAttribute::Address(value) => mac = value.try_into().ok(),
            LinkAttribute::OperState(value) => state = Some(value),
            LinkAttribute::LinkInfo(infos) => kind = kind_of(infos),
            LinkAttribute::Link(value) => parent = Some(value).filter(|index| *index != 0),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::Mtu(value) => mtu = value,
            LinkAttribute::Controller(value) => master = Some(value).filter(|index| *index != 0),
            _ => {}
        }
    }
    let running = matches!(state?, State::Up | State::Unknown);
    Some(Link {
        index: message.header.index,
        name: name?,
        mac,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp) && running,
        arp: !flags.contains(LinkFlags::Noarp),
        broadcast: flags.contains(LinkFlags::Broadcast),
        loopback: flags.contains(LinkFlags::Loopback),
        master,
        kind,
        // An index of another namespace means nothing here.
        parent: parent.filter(|_| !elsewhere),
        mtu,
        addresses: Vec::new(),
    })
}

fn kind_of(infos: Vec<LinkInfo>) -> Kind {
    let kind = infos.into_iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    match kind {
        None => Kind::Device,
        Some(InfoKind::Bridge) => Kind::Bridge,
        Some(InfoKind::Bond) => Kind::Bond,
        Some(InfoKind::Vlan) => Kind::Vlan,
        Some(InfoKind::MacVlan | InfoKind::MacVtap) => Kind::MacVlan,
        Some(InfoKind::IpVlan | InfoKind::IpVtap) => Kind::IpVlan,
        Some(other) => Kind::Other(other.to_string()),
    }
}

/// The link's own address: on point-to-point links `IFA_ADDRESS` is the peer's and `IFA_LOCAL` the own, IPv6 addresses
/// without a peer come as `IFA_ADDRESS` alone (`rtnetlink(7)`).
fn address(message: &AddressMessage) -> Option<IpNet> {
    let find = |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    let local = find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    });
    IpNet::new(address?, message.header.prefix_len).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: LinkFlags = LinkFlags::Up.union(LinkFlags::Broadcast).union(LinkFlags::LowerUp);

    fn message(family: AddressFamily, attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.interface_family = family;
        message.header.index = 7;
        message.header.flags = FLAGS;
        message.attributes = attributes;
        message
    }

    fn whole() -> Vec<LinkAttribute> {
        vec![
            LinkAttribute::IfName("eth0".into()),
            LinkAttribute::OperState(State::Up),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
        ]
    }

    fn new_link(attributes: Vec<LinkAttribute>) -> Option<Link> {
        match change(RouteNetlinkMessage::NewLink(message(AddressFamily::Unspec, attributes))) {
            Some(Change::Link(link)) => Some(link),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whole_message_describes_a_link() {
        let link = new_link(whole()).expect("a link");
        assert_eq!((link.index, link.name.as_str(), link.mac), (7, "eth0", Some([2, 0, 0, 0, 0, 1])));
        assert!(link.up && link.carrier && link.arp && link.broadcast && !link.loopback);
        assert_eq!(link.master, None);
    }

    #[test]
    fn carrier_is_there_when_up_or_unknown() {
        for (state, carrier) in [
            (State::Up, true),
            (State::Unknown, true),
            (State::Down, false),
            (State::LowerLayerDown, false),
            (State::Dormant, false),
            (State::Testing, false),
            (State::NotPresent, false),
        ] {
            let mut attributes = whole();
            attributes.push(LinkAttribute::OperState(state));
            assert_eq!(new_link(attributes).expect("a link").carrier, carrier, "{state:?}");
        }
    }

    #[test]
    fn carrier_is_gone_with_the_lower_layer_even_where_the_driver_does_not_tell() {
        let mut message = message(AddressFamily::Unspec, whole());
        message.attributes.push(LinkAttribute::OperState(State::Unknown));
        message.header.flags = LinkFlags::Up;
        assert!(link(message).is_some_and(|link| link.up && !link.carrier));
    }

    #[test]
    fn master_and_odd_hardware_addresses_are_understood() {
        let mut attributes = whole();
        attributes.push(LinkAttribute::Controller(9));
        attributes.push(LinkAttribute::Address(vec![0; 20]));
        let link = new_link(attributes).expect("a link");
        assert_eq!((link.master, link.mac), (Some(9), None));
    }

    #[test]
    fn kind_parent_and_mtu_are_understood() {
        let mut attributes = whole();
        attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan)]));
        attributes.push(LinkAttribute::Link(3));
        attributes.push(LinkAttribute::Mtu(9000));
        let link = new_link(attributes.clone()).expect("a link");
        assert_eq!((link.kind, link.parent, link.mtu), (Kind::MacVlan, Some(3), 9000));
        attributes.push(LinkAttribute::LinkNetNsId(0));
        assert_eq!(new_link(attributes).expect("a link").parent, None, "of another namespace");
        for (info, kind) in [
            (InfoKind::Vlan, Kind::Vlan),
            (InfoKind::Bond, Kind::Bond),
            (InfoKind::Bridge, Kind::Bridge),
            (InfoKind::IpVlan, Kind::IpVlan),
            (InfoKind::Veth, Kind::Other("veth".into())),
            (InfoKind::Other("novel".into()), Kind::Other("novel".into())),
        ] {
            let mut attributes = whole();
            attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(info)]));
            assert_eq!(new_link(attributes).expect("a link").kind, kind);
        }
    }

    #[test]
    fn messages_of_bridges_and_wireless_events_are_not_about_the_link() {
        let bridge = || message(AddressFamily::Bridge, whole());
        assert_eq!(change(RouteNetlinkMessage::NewLink(bridge())), None);
        assert_eq!(change(RouteNetlinkMessage::DelLink(bridge())), None);
        assert_eq!(new_link(vec![LinkAttribute::IfName("wlan0".into())]), None);
        let gone = message(AddressFamily::Unspec, whole());
        assert_eq!(change(RouteNetlinkMessage::DelLink(gone)), Some(Change::LinkGone(7)));
    }

    #[test]
    fn own_address_is_taken_not_the_peers() {
        let (own, peer): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut message = AddressMessage::default();
        message.header.index = 7;
        message.header.prefix_len = 32;
        message.attributes = vec![AddressAttribute::Address(peer), AddressAttribute::Local(own)];
        let expected = IpNet::new(own, 32).expect("a prefix");
        assert_eq!(
            change(RouteNetlinkMessage::NewAddress(message.clone())),
            Some(Change::Address { index: 7, address: expected })
        );
        message.attributes.pop();
        let expected = IpNet::new(peer, 32).expect("a prefix");
        assert_eq!(
            change(RouteNetlinkMessage::DelAddress(message.clone())),
            Some(Change::AddressGone { index: 7, address: expected })
        );
        message.header.prefix_len = 33;
        assert_eq!(change(RouteNetlinkMessage::NewAddress(message)), None);
    }
}
