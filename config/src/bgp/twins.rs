//! Two peers that are one router: a node would hold two sessions to one address and port, which a router takes for one and
//! the same and keeps only one of.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrolb_api::v1beta2::BGPPeerSpec;

use super::conflicts::{covered, meet};
use super::peers::{Peer, PeerEndpoint};
use crate::problem::Problem;
use crate::resource::Resource;
use crate::selectors::Labels;

/// Refuses peers of the same address (or interface), port and VRF that share a node; those of different nodes are what
/// nodes with different parameters need.
pub(crate) fn check(
    peers: &BTreeMap<String, Arc<Peer>>,
    resources: &[Resource<BGPPeerSpec>],
    nodes: &BTreeMap<String, Labels>,
    problems: &mut Vec<Problem>,
) {
    let mut known: BTreeMap<(String, u16, Option<&str>), Vec<&Peer>> = BTreeMap::new();
    for peer in peers.values() {
        let twins = known.entry((peer.endpoint.to_string(), peer.port, peer.vrf.as_deref())).or_default();
        let here = covered(&peer.node_selectors, nodes);
        let twin = twins.iter().find(|twin| meet(covered(&twin.node_selectors, nodes).as_ref(), here.as_ref()));
        let resource = resources.iter().find(|resource| resource.name == peer.name);
        if let (Some(twin), Some(resource)) = (twin, resource) {
            let field = match peer.endpoint {
                PeerEndpoint::Address(_) => "peerAddress",
                PeerEndpoint::Interface(_) => "interface",
            };
            let vrf = peer.vrf.as_ref().map_or_else(String::new, |vrf| format!(" in VRF {vrf:?}"));
            let message = format!(
                "peer {} already exists: BGPPeers {:?} and {:?} are both the router at {} port {}{vrf} for the same nodes; \
                 delete one, or give them different ports, VRFs or nodeSelectors",
                peer.name, twin.name, peer.name, peer.endpoint, peer.port
            );
            let problem = resource.origin.problem(field, peer.endpoint.to_string(), message).announcement();
            problems.push(problem.on_nodes(peer.node_selectors.clone()));
        }
        twins.push(peer);
    }
}
