//! Another reader of what is written: bgpkit-parser.

use bgpkit_parser::models::{self, AsnLength, BgpMessage, MetaCommunity};
use bgpkit_parser::parser::bgp::parse_bgp_message;

use super::*;

#[test]
fn another_parser_reads_the_same_routes() {
    let (mut rib, peer, mut receiver) = with_peer(&session());
    let mut known = BTreeMap::<IpNet, Vec<u32>>::new();
    let odd = (0..3000_u32).map(|number| {
        let prefix = if number % 3 == 0 {
            format!("2001:db8:{:x}::/{}", number + 1, 48 + number % 80)
        } else {
            format!("10.{}.{}.0/{}", number / 256, number % 256, 24 + number % 9)
        };
        (parse(&prefix), with_community(number % 5))
    });
    let odd = Arc::new(odd.collect::<RouteSet>());
    for routes in [hosts(2000, &plain()), odd, hosts(500, &with_community(7))] {
        rib.set_routes(peer, routes);
        let written = drain(&mut rib, peer, 65_536);
        receiver.read(&written);
        read(written, &mut known);
        let ours = receiver.known.iter().map(|((prefix, _), attributes)| {
            (*prefix, attributes.communities.iter().map(|community| community.0).collect::<Vec<_>>())
        });
        assert_eq!(known, ours.collect());
    }
}

fn read(written: BytesMut, known: &mut BTreeMap<IpNet, Vec<u32>>) {
    let mut written = written.freeze();
    while !written.is_empty() {
        let length = usize::from(u16::from_be_bytes([written[16], written[17]]));
        let mut message = written.split_to(length);
        let message = parse_bgp_message(&mut message, false, &AsnLength::Bits32).unwrap();
        let BgpMessage::Update(update) = message else { panic!("{message:?}") };
        assert!(update.attributes.validation_warnings().is_empty(), "{:?}", update.attributes.validation_warnings());
        let gone = update.attributes.get_unreachable_nlri().into_iter().flat_map(|nlri| &nlri.prefixes);
        for prefix in update.withdrawn_prefixes.iter().chain(gone) {
            assert!(known.remove(&prefix.prefix).is_some());
        }
        let communities = update.attributes.iter_communities().map(|community| match community {
            MetaCommunity::Plain(models::Community::Custom(asn, value)) => u32::from(asn) << 16 | u32::from(value),
            other @ (MetaCommunity::Plain(_)
            | MetaCommunity::Extended(_)
            | MetaCommunity::Ipv6Extended(_)
            | MetaCommunity::Large(_)) => panic!("{other:?}"),
        });
        let communities = communities.collect::<Vec<_>>();
        let reached = update.attributes.get_reachable_nlri().into_iter().flat_map(|nlri| &nlri.prefixes);
        for prefix in update.announced_prefixes.iter().chain(reached) {
            known.insert(prefix.prefix, communities.clone());
        }
    }
}
