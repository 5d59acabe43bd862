//! A map as what is different from the map before: a cluster of ten thousand Services is not written anew for each of
//! their changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What leads from one map to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "K: Ord + Deserialize<'de>, V: Deserialize<'de>"))]
pub(super) struct Changes<K: Ord, V> {
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    set: BTreeMap<K, V>,
    #[serde(default = "BTreeSet::new", skip_serializing_if = "BTreeSet::is_empty")]
    gone: BTreeSet<K>,
}

// === impl Changes ===

impl<K: Ord, V> Default for Changes<K, V> {
    fn default() -> Self {
        Self { set: BTreeMap::new(), gone: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Changes<K, V> {
    /// What leads from `before` to `after`, where `same` says whether two values are the same.
    pub(super) fn between(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>, same: impl Fn(&V, &V) -> bool) -> Self {
        let differs = |(key, value): &(&K, &V)| before.get(*key).is_none_or(|before| !same(before, value));
        let set = after.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect();
        let gone = before.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
        Self { set, gone }
    }

    pub(super) fn apply(self, map: &mut BTreeMap<K, V>) {
        map.retain(|key, _| !self.gone.contains(key));
        map.extend(self.set);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.gone.is_empty()
    }

    /// For people: `+new`, `~changed`, `-gone`, of which `known` says what was there before.
    pub(super) fn summary(&self, known: impl Fn(&K) -> bool, name: impl Fn(&K) -> String) -> Vec<String> {
        let set = self.set.keys().map(|key| (if known(key) { '~' } else { '+' }, key));
        let gone = self.gone.iter().map(|key| ('-', key));
        set.chain(gone).map(|(sign, key)| format!("{sign}{}", name(key))).collect()
    }

    /// What is set.
    pub(super) fn set(&self) -> &BTreeMap<K, V> {
        &self.set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&'static str, u8)]) -> BTreeMap<&'static str, u8> {
        entries.iter().copied().collect()
    }

    #[test]
    fn changes_lead_from_one_map_to_the_other() {
        let maps = [map(&[]), map(&[("a", 1), ("b", 2)]), map(&[("b", 3), ("c", 4)]), map(&[("c", 4)])];
        for before in &maps {
            for after in &maps {
                let changes = Changes::between(before, after, PartialEq::eq);
                assert_eq!(changes.is_empty(), before == after);
                let text = serde_json::to_string(&changes).unwrap();
                let changes: Changes<&str, u8> = serde_json::from_str(&text).unwrap();
                let mut map = before.clone();
                changes.apply(&mut map);
                assert_eq!(map, *after);
            }
        }
    }

    #[test]
    fn people_are_told_what_is_new_other_and_gone() {
        let (before, after) = (map(&[("a", 1), ("b", 2)]), map(&[("b", 3), ("c", 4)]));
        let changes = Changes::between(&before, &after, PartialEq::eq);
        let summary = changes.summary(|key| before.contains_key(key), ToString::to_string);
        assert_eq!(summary, ["~b", "+c", "-a"]);
    }
}
