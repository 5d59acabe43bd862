//! `address-pools`: addresses, and how they are announced.

use ferrolb_api::v1beta1::{BGPAdvertisementSpec, IPAddressPoolSpec, L2AdvertisementSpec};
use serde_json::Value;

use super::walk::{Part, Walk};
use super::{GENERATED_BGP_ADVERTISEMENT, GENERATED_L2_ADVERTISEMENT};
use crate::problem::Scope;

const POOL_KEYS: [&str; 6] = ["name", "protocol", "addresses", "auto-assign", "avoid-buggy-ips", "bgp-advertisements"];
const BGP_ADVERTISEMENT_KEYS: [&str; 4] = ["aggregation-length", "aggregation-length-v6", "localpref", "communities"];

impl Walk {
    pub(super) fn pool(&mut self, path: &str, value: &Value) {
        let Some(part) = self.part(path, value, &POOL_KEYS) else { return };
        let Some((written, name)) = self.name(part, "pool") else { return };
        let spec = IPAddressPoolSpec {
            addresses: self.texts(part, "addresses", "192.0.2.0/24"),
            auto_assign: self.flag(part, "auto-assign").unwrap_or(true),
            avoid_buggy_ips: self.flag(part, "avoid-buggy-ips").unwrap_or(false),
            service_allocation: None,
        };
        let pool = self.named(path, written, name.clone(), spec);
        self.resources.pools.push(pool);
        match part.get("protocol").and_then(Value::as_str) {
            Some("layer2") => self.announce_by_l2(part, name),
            Some("bgp") => self.announce_by_bgp(part, &name),
            _ => {
                let there = part.map.get("protocol").unwrap_or(&Value::Null);
                self.wrong(&part.field("protocol"), there, "must be layer2 or bgp");
            }
        }
    }

    fn announce_by_l2(&mut self, part: Part<'_>, pool: String) {
        if let Some(list) = part.get("bgp-advertisements").filter(|list| !is_empty(list)) {
            self.scope = Scope::Announcement;
            self.wrong(&part.field("bgp-advertisements"), list, "belongs to protocol bgp; a layer2 pool has none");
            self.scope = Scope::Allocation;
        }
        let spec = L2AdvertisementSpec { ip_address_pools: Some(vec![pool]), ..Default::default() };
        let advertisement = self.generated(part.path, GENERATED_L2_ADVERTISEMENT, spec);
        self.resources.l2_advertisements.push(advertisement);
    }

    /// A pool that says nothing of its advertisements is announced address by address, to every peer.
    fn announce_by_bgp(&mut self, part: Part<'_>, pool: &str) {
        self.scope = Scope::Announcement;
        let entries = self.list(part, "bgp-advertisements", "[{aggregation-length: 32}]");
        if entries.is_empty() {
            let spec = BGPAdvertisementSpec { ip_address_pools: Some(vec![pool.to_owned()]), ..Default::default() };
            let advertisement = self.generated(part.path, GENERATED_BGP_ADVERTISEMENT, spec);
            self.resources.bgp_advertisements.push(advertisement);
        }
        for (path, entry) in entries {
            let Some(part) = self.part(&path, entry, &BGP_ADVERTISEMENT_KEYS) else { continue };
            let default = BGPAdvertisementSpec::default();
            let communities = self.texts(part, "communities", "64512:100");
            let spec = BGPAdvertisementSpec {
                ip_address_pools: Some(vec![pool.to_owned()]),
                aggregation_length: self.number(part, "aggregation-length", 32).unwrap_or(default.aggregation_length),
                aggregation_length_v6: self
                    .number(part, "aggregation-length-v6", 128)
                    .unwrap_or(default.aggregation_length_v6),
                local_pref: self.number(part, "localpref", u32::MAX.into()),
                communities: Some(communities).filter(|communities| !communities.is_empty()),
                ..default
            };
            let advertisement = self.generated(&path, GENERATED_BGP_ADVERTISEMENT, spec);
            self.resources.bgp_advertisements.push(advertisement);
        }
        self.scope = Scope::Allocation;
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
