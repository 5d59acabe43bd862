//! Resources as objects to apply.

use ferrolb_api::v1beta1::{BFDProfile, BGPAdvertisement, Community, IPAddressPool, L2Advertisement};
use ferrolb_api::v1beta2::BGPPeer;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{GENERATED_BGP_ADVERTISEMENT, GENERATED_COMMUNITY, GENERATED_L2_ADVERTISEMENT, GENERATED_PEER};
use crate::resource::{Resource, Resources, number_generated};

/// The resources as objects to apply, in `namespace`: pools, advertisements, peers, communities, BFD profiles.
///
/// # Errors
/// None that the types allow; serialisation is fallible by its signature.
pub fn to_objects(resources: &Resources, namespace: &str) -> Result<Vec<Value>, serde_json::Error> {
    let mut objects = Vec::new();
    let mut add = |made: Result<Vec<Value>, serde_json::Error>| made.map(|made| objects.extend(made));
    add(convert(namespace, &resources.pools, IPAddressPool::new))?;
    let l2 = number_generated(&resources.l2_advertisements, GENERATED_L2_ADVERTISEMENT, None);
    add(convert(namespace, &l2, L2Advertisement::new))?;
    let bgp = number_generated(&resources.bgp_advertisements, GENERATED_BGP_ADVERTISEMENT, None);
    add(convert(namespace, &bgp, BGPAdvertisement::new))?;
    let peers = number_generated(&resources.bgp_peers, GENERATED_PEER, None);
    add(convert(namespace, &peers, BGPPeer::new))?;
    let communities = number_generated(&resources.communities, GENERATED_COMMUNITY, Some(GENERATED_COMMUNITY));
    add(convert(namespace, &communities, Community::new))?;
    add(convert(namespace, &resources.bfd_profiles, BFDProfile::new))?;
    Ok(objects)
}

fn convert<S: Clone, O: Serialize>(
    namespace: &str,
    resources: &[Resource<S>],
    object: impl Fn(&str, S) -> O,
) -> Result<Vec<Value>, serde_json::Error> {
    let one = |resource: &Resource<S>| {
        let mut value = serde_json::to_value(object(&resource.name, resource.spec.clone()))?;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), namespace.into());
            if !resource.labels.is_empty() {
                let labels = resource.labels.iter().map(|(key, value)| (key.to_owned(), value.into()));
                metadata.insert("labels".to_owned(), Value::Object(labels.collect::<Map<_, _>>()));
            }
        }
        Ok(value)
    };
    resources.iter().map(one).collect()
}
