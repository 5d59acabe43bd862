//! What fits by itself but not together: BFD's echo packets and addresses of IPv6.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrolb_api::v1beta2::BGPPeerSpec;

use super::advertisements::BgpAdvertisement;
use super::peers::{Bfd, Peer};
use crate::pools::Pool;
use crate::problem::Problem;
use crate::resource::Resource;

/// Refuses pools with IPv6 addresses that are announced to a peer whose BFD profile uses echo packets.
pub(crate) fn check(
    peers: &BTreeMap<String, Arc<Peer>>,
    resources: &[Resource<BGPPeerSpec>],
    advertisements: &[BgpAdvertisement],
    pools: &BTreeMap<String, Pool>,
    problems: &mut Vec<Problem>,
) {
    let has_v6 =
        |name: &&String| pools.get(*name).is_some_and(|pool| pool.ranges.iter().any(|range| range.first().is_ipv6()));
    for peer in peers.values() {
        let Bfd::On(profile) = &peer.bfd else { continue };
        if !profile.echo_mode {
            continue;
        }
        let told = advertisements.iter().filter(|advertisement| advertisement.peers.contains(&peer.name));
        let offending =
            told.filter_map(|advertisement| Some((advertisement, advertisement.pools.iter().find(has_v6)?)));
        let Some((advertisement, pool)) = offending.take(1).next() else { continue };
        let Some(resource) = resources.iter().find(|resource| resource.name == peer.name) else { continue };
        let message = format!(
            "pool {pool:?} with IPv6 addresses has bgp advertisement {:?} which references peer {:?} which has bfd profile \
             {:?} with echo enabled, which is not possible; turn echoMode off, or announce IPv6 to other peers",
            advertisement.name, peer.name, profile.name
        );
        let problem = resource.origin.problem("bfdProfile", &profile.name, message).announcement();
        problems.push(problem.on_nodes(peer.node_selectors.clone()));
    }
}
