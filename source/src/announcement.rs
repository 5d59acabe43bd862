//! The status objects that tell where a Service is announced: one for each Service by L2, where one node announces, and one
//! for each Service and node over BGP, where many do.

use serde_json::{Value, json};

use crate::object::ObjectKey;

/// How an address is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// By ARP and NDP.
    Layer2,
    /// To routers.
    Bgp,
}

/// The longest name of an object.
const LONGEST: usize = 253;

// === impl Protocol ===

impl Protocol {
    /// As events, metrics and plans write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Layer2 => "layer2",
            Self::Bgp => "bgp",
        }
    }

    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Layer2 => "ServiceL2Status",
            Self::Bgp => "ServiceBGPStatus",
        }
    }

    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Layer2 => "servicel2statuses",
            Self::Bgp => "servicebgpstatuses",
        }
    }

    /// `l2-<namespace>-<name>`, `bgp-<namespace>-<name>-<node>`, with a digest in place of its end where that is too long.
    pub(crate) fn object_name(self, service: &ObjectKey, node: &str) -> String {
        let name = match self {
            Self::Layer2 => format!("l2-{}-{}", service.namespace, service.name),
            Self::Bgp => format!("bgp-{}-{}-{node}", service.namespace, service.name),
        };
        if name.len() <= LONGEST {
            return name;
        }
        let digest = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        });
        let kept: String = name.chars().take(LONGEST - 17).collect();
        format!("{kept}-{digest:016x}")
    }

    /// What the object says; `places` are interfaces (none: all of them) or peers.
    pub(crate) fn status(self, service: &ObjectKey, node: &str, places: &[String]) -> Value {
        let mut status = json!({ "node": node, "serviceName": service.name, "serviceNamespace": service.namespace });
        let list = match self {
            Self::Layer2 => ("interfaces", places.iter().map(|name| json!({ "name": name })).collect::<Value>()),
            Self::Bgp => ("peers", json!(places)),
        };
        if let Some(map) = status.as_object_mut().filter(|_| !places.is_empty()) {
            map.insert(list.0.to_owned(), list.1);
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_is_about_and_a_long_one_is_cut() {
        let web = ObjectKey::new("shop", "web");
        assert_eq!(Protocol::Layer2.object_name(&web, "n1"), "l2-shop-web");
        assert_eq!(Protocol::Bgp.object_name(&web, "n1"), "bgp-shop-web-n1");
        let long = ObjectKey::new("n".repeat(63), "s".repeat(63));
        let node = |letter: &str| letter.repeat(253);
        let names = [Protocol::Bgp.object_name(&long, &node("a")), Protocol::Bgp.object_name(&long, &node("b"))];
        assert!(names.iter().all(|name| name.len() == LONGEST), "{names:?}");
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn a_status_names_node_service_and_peers_or_interfaces() {
        let web = ObjectKey::new("shop", "web");
        let status = |protocol: Protocol, places: &[&str]| {
            protocol.status(&web, "n1", &places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>())
        };
        let bare = json!({ "node": "n1", "serviceName": "web", "serviceNamespace": "shop" });
        assert_eq!(status(Protocol::Layer2, &[]), bare);
        assert_eq!(status(Protocol::Layer2, &["eth0"])["interfaces"], json!([{ "name": "eth0" }]));
        assert_eq!(status(Protocol::Bgp, &["a", "b"])["peers"], json!(["a", "b"]));
    }
}
