//! `peers`, `bgp-communities` and `bfd-profiles`.

use std::collections::BTreeMap;

use ferrolb_api::v1beta1::{BFDProfileSpec, CommunityAlias, CommunitySpec};
use ferrolb_api::v1beta2::BGPPeerSpec;
use ferrolb_api::{LabelSelector, LabelSelectorRequirement};
use serde_json::Value;

use super::walk::{Part, Walk};
use super::{GENERATED_COMMUNITY, GENERATED_PEER, resource_name};

const PEER_KEYS: [&str; 12] = [
    "my-asn",
    "peer-asn",
    "peer-address",
    "source-address",
    "peer-port",
    "hold-time",
    "keepalive-time",
    "router-id",
    "node-selectors",
    "password",
    "bfd-profile",
    "ebgp-multihop",
];
const SELECTOR_KEYS: [&str; 2] = ["match-labels", "match-expressions"];
const EXPRESSION_KEYS: [&str; 3] = ["key", "operator", "values"];
const BFD_KEYS: [&str; 8] = [
    "name",
    "receive-interval",
    "transmit-interval",
    "detect-multiplier",
    "echo-interval",
    "echo-mode",
    "passive-mode",
    "minimum-ttl",
];
/// Where nothing is said; the default of resources may change, that of old files must not.
const HOLD_TIME: &str = "90s";

impl Walk {
    pub(super) fn bgp(&mut self, config: Part<'_>) {
        for (path, peer) in self.list(config, "peers", "[{my-asn: 64512, peer-asn: 64513, peer-address: 192.0.2.1}]") {
            self.peer(&path, peer);
        }
        self.communities(config);
        for (path, profile) in self.list(config, "bfd-profiles", "[{name: fast, receive-interval: 150}]") {
            self.bfd_profile(&path, profile);
        }
    }

    fn peer(&mut self, path: &str, value: &Value) {
        let Some(part) = self.part(path, value, &PEER_KEYS) else { return };
        let default = BGPPeerSpec::default();
        let highest_asn = u32::MAX.into();
        let port = self.number(part, "peer-port", u16::MAX.into()).filter(|port: &u16| *port > 0);
        let spec = BGPPeerSpec {
            my_asn: self.number(part, "my-asn", highest_asn).unwrap_or_default(),
            peer_asn: self.number(part, "peer-asn", highest_asn),
            peer_address: self.text(part, "peer-address", "192.0.2.1"),
            source_address: self.text(part, "source-address", "192.0.2.10"),
            peer_port: port.unwrap_or(default.peer_port),
            hold_time: self.text(part, "hold-time", HOLD_TIME).or_else(|| Some(HOLD_TIME.to_owned())),
            keepalive_time: self.text(part, "keepalive-time", "30s"),
            router_id: self.text(part, "router-id", "192.0.2.10"),
            node_selectors: self.selectors(part),
            password: self.password(part),
            bfd_profile: self.text(part, "bfd-profile", "fast").map(|name| resource_name(&name)),
            ebgp_multi_hop: self.flag(part, "ebgp-multihop"),
            ..default
        };
        let peer = self.generated(path, GENERATED_PEER, spec);
        self.resources.bgp_peers.push(peer);
    }

    /// Only what is quoted is known as it was meant, and no message may show it.
    fn password(&mut self, part: Part<'_>) -> Option<String> {
        match part.get("password")? {
            Value::String(password) => Some(password.clone()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) | Value::Null => {
                self.wrong(&part.field("password"), &Value::Null, "must be a text; write it in quotes");
                None
            }
        }
    }

    fn selectors(&mut self, part: Part<'_>) -> Option<Vec<LabelSelector>> {
        let entries = self.list(part, "node-selectors", "[{match-labels: {rack: a}}]");
        let mut selectors = Vec::with_capacity(entries.len());
        for (path, entry) in entries {
            let Some(part) = self.part(&path, entry, &SELECTOR_KEYS) else { continue };
            let match_labels = self.texts_by_key(part, "match-labels", "{rack: a}");
            let expressions = self.list(part, "match-expressions", "[{key: rack, operator: In, values: [a]}]");
            let mut match_expressions = Vec::with_capacity(expressions.len());
            for (path, expression) in expressions {
                let Some(part) = self.part(&path, expression, &EXPRESSION_KEYS) else { continue };
                let values = self.texts(part, "values", "a");
                match_expressions.push(LabelSelectorRequirement {
                    key: self.text(part, "key", "rack").unwrap_or_default(),
                    operator: self.text(part, "operator", "In").unwrap_or_default(),
                    values: Some(values).filter(|values| !values.is_empty()),
                });
            }
            selectors.push(LabelSelector {
                match_labels: Some(match_labels).filter(|labels| !labels.is_empty()),
                match_expressions: Some(match_expressions).filter(|expressions| !expressions.is_empty()),
            });
        }
        Some(selectors).filter(|selectors| !selectors.is_empty())
    }

    /// The mapping of texts under a key.
    fn texts_by_key(&mut self, part: Part<'_>, key: &str, example: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let field = part.field(key);
        match part.get(key) {
            None => {}
            Some(Value::Object(map)) => {
                for (key, value) in map {
                    if let Some(text) = value.as_str() {
                        texts.insert(key.clone(), text.to_owned());
                    } else {
                        self.wrong(&format!("{field}.{key}"), value, "must be a text; write it in quotes");
                    }
                }
            }
            Some(other) => self.wrong(&field, other, format!("must be a mapping, for example {example}")),
        }
        texts
    }

    fn communities(&mut self, config: Part<'_>) {
        let aliases = self.texts_by_key(config, "bgp-communities", "{backup: \"64512:100\"}");
        if aliases.is_empty() {
            return;
        }
        let alias = |(name, value)| CommunityAlias { name: Some(name), value: Some(value) };
        let spec = CommunitySpec { communities: Some(aliases.into_iter().map(alias).collect()) };
        let community = self.generated(&config.field("bgp-communities"), GENERATED_COMMUNITY, spec);
        self.resources.communities.push(community);
    }

    fn bfd_profile(&mut self, path: &str, value: &Value) {
        let Some(part) = self.part(path, value, &BFD_KEYS) else { return };
        let Some((written, name)) = self.name(part, "BFD profile") else { return };
        let highest = u32::MAX.into();
        let spec = BFDProfileSpec {
            receive_interval: self.number(part, "receive-interval", highest),
            transmit_interval: self.number(part, "transmit-interval", highest),
            detect_multiplier: self.number(part, "detect-multiplier", highest),
            echo_interval: self.number(part, "echo-interval", highest),
            echo_mode: self.flag(part, "echo-mode"),
            passive_mode: self.flag(part, "passive-mode"),
            minimum_ttl: self.number(part, "minimum-ttl", highest),
        };
        let profile = self.named(path, written, name, spec);
        self.resources.bfd_profiles.push(profile);
    }
}
