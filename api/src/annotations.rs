//! Annotations on Services that users set and that ferrolb sets, with their `metallb.universe.tf` forerunners.

use crate::SmallMap;

/// Pool that the Service's addresses are to come from.
pub const ADDRESS_POOL: &str = "metallb.io/address-pool";
/// Addresses that the Service wants: one, or two of different families, separated by a comma.
pub const LOAD_BALANCER_IPS: &str = "metallb.io/loadBalancerIPs";
/// Sharing key: Services with the same one may share an address.
pub const ALLOW_SHARED_IP: &str = "metallb.io/allow-shared-ip";
/// Written by the controller: the pool that the addresses came from.
pub const ALLOCATED_FROM_POOL: &str = "metallb.io/ip-allocated-from-pool";

/// Written by MetalLB of old for [`ALLOCATED_FROM_POOL`]; never written any more.
pub const LEGACY_ALLOCATED_FROM_POOL: &str = "metallb.universe.tf/ip-allocated-from-pool";

/// Prefix of the annotations of old; they still count where the new one is absent.
pub const LEGACY_PREFIX: &str = "metallb.universe.tf/";

const PREFIX: &str = "metallb.io/";

/// What the annotations that matter here begin with.
pub const PREFIXES: [&str; 2] = [PREFIX, "metallb.universe.tf"];

/// The value of annotation `key` (one of this module's), read from its legacy name where the new one is absent.
/// A new one that is present but empty wins over the legacy one.
pub fn get<'a>(annotations: &'a SmallMap, key: &str) -> Option<&'a str> {
    let legacy = key.strip_prefix(PREFIX).map(|name| format!("{LEGACY_PREFIX}{name}"));
    annotations.get(key).or_else(|| annotations.get(legacy.as_deref()?))
}

/// The legacy annotations that are present, in order of name.
pub fn deprecated(annotations: &SmallMap) -> impl Iterator<Item = &str> {
    annotations.keys().filter(|key| key.starts_with("metallb.universe.tf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> SmallMap {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_legacy_name_counts_only_where_the_new_one_is_absent() {
        let old = ("metallb.universe.tf/address-pool", "old");
        assert_eq!(get(&annotations(&[old]), ADDRESS_POOL), Some("old"));
        assert_eq!(get(&annotations(&[old, (ADDRESS_POOL, "new")]), ADDRESS_POOL), Some("new"));
        assert_eq!(get(&annotations(&[old, (ADDRESS_POOL, "")]), ADDRESS_POOL), Some(""));
        assert_eq!(get(&annotations(&[]), ADDRESS_POOL), None);
    }

    #[test]
    fn deprecated_annotations_are_listed() {
        let both = annotations(&[("metallb.universe.tf/allow-shared-ip", "x"), (ALLOW_SHARED_IP, "x")]);
        assert_eq!(deprecated(&both).collect::<Vec<_>>(), ["metallb.universe.tf/allow-shared-ip"]);
    }
}
