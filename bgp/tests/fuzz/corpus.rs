//! Messages to begin with, and how they are spoilt.

use bytes::BytesMut;
use ferrolb_bgp::wire::{
    AddPath, AddPathMode, Aggregator, AsSegment, Attributes, Capability, Community, ExtendedCommunity, Family,
    GracefulRestart, LargeCommunity, LongLived, NextHop, Notification, Open, Packer, Parameters, PerFamily, RawFamily,
    RefreshKind, Role, RouteRefresh, SegmentKind, Template, UnknownAttribute, encode_end_of_rib, encode_keepalive,
};
use ipnet::IpNet;
use rand::RngExt as _;
use rand::rngs::StdRng;

/// What sessions can agree on, from nothing to everything.
pub(crate) fn sessions() -> Vec<Parameters> {
    let both = PerFamily { ipv4: true, ipv6: true };
    let paths = AddPath { receive: true, send: true };
    let plain = Parameters::default();
    let usual = Parameters { four_octet_as: true, families: both, ..plain.clone() };
    let internal = Parameters { external: false, ..usual.clone() };
    let everything = Parameters {
        max_send: 65_535,
        max_receive: 65_535,
        add_path: PerFamily { ipv4: paths, ipv6: paths },
        extended_next_hop: both,
        ..internal.clone()
    };
    vec![plain.clone(), usual, internal, everything, Parameters { external: false, families: both, ..plain }]
}

fn prefixes(family: Family) -> Vec<IpNet> {
    let texts: &[&str] = match family {
        Family::Ipv4 => &["0.0.0.0/0", "10.0.0.0/8", "198.51.100.128/25", "203.0.113.7/32"],
        Family::Ipv6 => &["::/0", "2001:db8::/32", "2001:db8:1::/47", "2001:db8::7/128"],
    };
    texts.iter().map(|text| text.parse().expect("a prefix")).collect()
}

/// Attributes with one of each kind.
pub(crate) fn rich(next_hop: NextHop) -> Attributes {
    let id = "192.0.2.9".parse().expect("an address");
    let mut attributes = Attributes::new(next_hop);
    attributes.as_path.prepend(4_200_000_001, 3);
    attributes.as_path.0.push(AsSegment { kind: SegmentKind::Set, asns: vec![64_500, 70_000] });
    attributes.med = Some(7);
    attributes.local_pref = Some(200);
    attributes.atomic_aggregate = true;
    attributes.aggregator = Some(Aggregator { asn: 70_000, router_id: id });
    attributes.communities = vec![Community(1), Community::NO_EXPORT];
    attributes.originator_id = Some(id);
    attributes.cluster_list = vec![id, id];
    attributes.extended_communities = vec![ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, 1])];
    attributes.large_communities = vec![LargeCommunity { global: 1, local1: 2, local2: 3 }];
    attributes.otc = Some(64_500);
    attributes.unknown = [(23, vec![0, 7, 0, 0]), (40, vec![1, 0, 7, 0, 0, 0, 0, 0, 0, 1]), (99, vec![1; 300])]
        .map(|(code, value)| UnknownAttribute { flags: 0xe0, code, value })
        .to_vec();
    attributes
}

fn opens() -> Vec<Open> {
    let families = [Family::Ipv4.raw(), Family::Ipv6.raw(), RawFamily { afi: 25, safi: 70 }];
    let mut capabilities: Vec<_> = families.into_iter().map(Capability::MultiProtocol).collect();
    capabilities.extend([
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![(Family::Ipv4.raw(), 2)]),
        Capability::ExtendedMessage,
        Capability::Role(Role::Customer),
        Capability::GracefulRestart(GracefulRestart {
            restarting: true,
            notification: true,
            restart_time: 120,
            families: families.map(|family| (family, true)).to_vec(),
        }),
        Capability::FourOctetAs(4_200_000_001),
        Capability::AddPath(families.map(|family| (family, AddPathMode::Both)).to_vec()),
        Capability::EnhancedRouteRefresh,
        Capability::LongLivedGracefulRestart(
            families.map(|family| LongLived { family, forwarding: true, stale_time: 3600 }).to_vec(),
        ),
        Capability::Fqdn { host: "node-1".to_owned(), domain: "example.org".to_owned() },
        Capability::Unknown { code: 200, value: vec![7; 40] },
    ]);
    let router_id = "192.0.2.1".parse().expect("an address");
    let open = Open { asn: 4_200_000_001, hold_time: 90, router_id, capabilities };
    let mut long = open.clone();
    long.capabilities.extend((100..110).map(|code| Capability::Unknown { code, value: vec![code; 30] }));
    vec![Open { capabilities: Vec::new(), ..open.clone() }, open, long]
}

/// Well-formed messages of every kind, in the form that each session gives them.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut add = |write: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        write(&mut out);
        if !out.is_empty() {
            all.push(out.to_vec());
        }
    };
    for open in opens() {
        add(&|out| open.encode(out).expect("it fits"));
    }
    add(&encode_keepalive);
    add(&|out| Notification::cease_with(2, "going home").hard_reset().encode(out));
    add(&|out| RouteRefresh { family: Family::Ipv6.raw(), kind: RefreshKind::Begin }.encode(out));
    let [v4, v6, link_local] = ["192.0.2.1", "2001:db8::1", "fe80::1"];
    let hops = [
        NextHop::Address(v4.parse().expect("an address")),
        NextHop::Address(v6.parse().expect("an address")),
        NextHop::LinkLocal {
            global: v6.parse().expect("an address"),
            link_local: link_local.parse().expect("an address"),
        },
    ];
    for parameters in sessions() {
        for family in Family::ALL {
            let paths = || prefixes(family).into_iter().zip(0..);
            add(&|out| encode_end_of_rib(family, out));
            add(&|out| Packer::withdraw(family, &parameters, out).extend(paths()));
            for hop in hops {
                for attributes in [rich(hop), Attributes::new(hop)] {
                    // Not every session carries every next hop.
                    if let Ok(template) = Template::new(&attributes, family, &parameters) {
                        add(&|out| Packer::announce(&template, &parameters, out).extend(paths()));
                    }
                }
            }
        }
    }
    all
}

/// Makes the lengths of header and fields fit what is there, so that what is behind them is looked at.
fn mend(message: &mut [u8]) {
    if let Ok(length) = u16::try_from(message.len())
        && length >= 19
    {
        message[16..18].copy_from_slice(&length.to_be_bytes());
    }
}

/// A message of the corpus, spoilt in some ways; `bytes` is where it goes.
pub(crate) fn mutate(corpus: &[Vec<u8>], rng: &mut StdRng, bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend_from_slice(&corpus[rng.random_range(0..corpus.len())]);
    for _ in 0..rng.random_range(0..5_u32) {
        // The marker is seldom what matters.
        let (from, length) = (if rng.random_range(0..64) == 0 { 0 } else { 16 }, bytes.len());
        let at = if length <= from { 0 } else { rng.random_range(from..length) };
        match rng.random_range(0..9_u32) {
            0 | 1 if length > 0 => bytes[at] = rng.random(),
            2 if length > 0 => bytes[at] ^= 1 << rng.random_range(0..8_u32),
            3 if length > 0 => bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][rng.random_range(0..6_usize)],
            4 => bytes.truncate(at),
            5 => bytes.insert(at, rng.random()),
            6 if length > 0 => {
                bytes.remove(at);
            }
            7 => {
                let end = rng.random_range(at..=length.min(at + 64));
                bytes.extend_from_within(at..end);
            }
            _ => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                let from = rng.random_range(0..other.len());
                bytes.extend_from_slice(&other[from..other.len().min(from + 64)]);
            }
        }
    }
    if rng.random_range(0..4) != 0 {
        mend(bytes);
    }
}
