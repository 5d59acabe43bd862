//! Labels and annotations in little memory: clusters have tens of thousands of Services, most with one or two of them,
//! and a `BTreeMap` takes half a kilobyte for its first entry.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A sorted map of strings in one piece of memory, for few entries: looking one up is cheap, adding one is not.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct SmallMap(Box<[(Box<str>, Box<str>)]>);

// === impl SmallMap ===

impl SmallMap {
    /// A map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let place = self.place(key).ok()?;
        self.0.get(place).map(|(_, value)| &**value)
    }

    /// Whether there is an entry of this key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    /// Keys and values in order of key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        let (key, value) = (key.into(), value.into());
        match self.place(&key) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => self.change(|entries| entries.insert(place, (key, value))),
        }
    }

    /// Takes the entry of a key out.
    pub fn remove(&mut self, key: &str) {
        if let Ok(place) = self.place(key) {
            self.change(|entries| drop(entries.remove(place)));
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<(Box<str>, Box<str>)>)) {
        let mut entries = std::mem::take(&mut self.0).into_vec();
        change(&mut entries);
        self.0 = entries.into_boxed_slice();
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(key))
    }
}

impl Serialize for SmallMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl fmt::Debug for SmallMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl From<BTreeMap<String, String>> for SmallMap {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self::from(&map)
    }
}

impl From<&BTreeMap<String, String>> for SmallMap {
    fn from(map: &BTreeMap<String, String>) -> Self {
        Self(map.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect())
    }
}

impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for SmallMap {
    /// Of several values of a key the last one counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        entries.into_iter().fold(Self::new(), |mut map, (key, value)| {
            map.insert(key, value);
            map
        })
    }
}

impl<K: Into<Box<str>>, V: Into<Box<str>>, const N: usize> From<[(K, V); N]> for SmallMap {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> SmallMap {
        entries.iter().copied().collect()
    }

    #[test]
    fn it_is_what_a_map_of_the_same_entries_is() {
        let entries = [("b", "1"), ("a", "2"), ("b", "3"), ("", "4")];
        let plain: BTreeMap<String, String> =
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let small = map(&entries);
        assert_eq!(small, SmallMap::from(plain.clone()));
        assert!(small.iter().eq(plain.iter().map(|(key, value)| (key.as_str(), value.as_str()))));
        assert_eq!(["", "a", "b", "c"].map(|key| small.get(key)), [Some("4"), Some("2"), Some("3"), None]);
        assert_eq!(format!("{small:?}"), format!("{plain:?}"));
    }

    #[test]
    fn entries_come_and_go() {
        let mut small = map(&[("a", "1"), ("c", "3")]);
        small.insert("b", "2");
        small.insert("c", "4");
        small.remove("a");
        small.remove("z");
        assert_eq!(small, map(&[("b", "2"), ("c", "4")]));
        assert!(small.contains_key("b") && !small.contains_key("a"));
        assert!(!small.is_empty() && SmallMap::new().is_empty());
    }

    #[test]
    fn it_is_read_and_written_as_a_map() {
        let read: SmallMap = serde_json::from_str(r#"{"b": "1", "a": "2"}"#).unwrap();
        assert_eq!(read, map(&[("a", "2"), ("b", "1")]));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"a":"2","b":"1"}"#);
    }
}
