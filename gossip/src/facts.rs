//! What a node tells all others about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identity::cut;
use crate::wire::extension;

/// An interface: 6 bytes of hardware address, then its name. Comes as often as there are interfaces.
const INTERFACE: u8 = 1;

/// One byte: 1 when the node is draining. Absent: it is not.
const DRAINING: u8 = 2;

/// The version of the program as UTF-8.
const VERSION: u8 = 3;

/// What a node tells all others about itself, valid for one life of it.
///
/// Everything here is decided by the node itself and believed by the others. A node of an earlier version that tells
/// nothing has no facts; that is different from telling that it has no interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The interfaces on which the node could announce at this moment, by name, and their hardware addresses. At most
    /// [`Facts::MAX_INTERFACES`] with names of at most [`Facts::MAX_NAME_LEN`] bytes; others are not told.
    pub interfaces: BTreeMap<String, [u8; 6]>,
    /// The node is being emptied: addresses should move away from it.
    pub draining: bool,
    /// The version of the program, cut after [`Facts::MAX_VERSION_LEN`] bytes.
    pub version: String,
}

// === impl Facts ===

impl Facts {
    /// Most interfaces that are told. Beyond, those that come first by name.
    pub const MAX_INTERFACES: usize = 64;

    /// Longest name of an interface in bytes: what Linux allows.
    pub const MAX_NAME_LEN: usize = 15;

    /// Longest version in bytes.
    pub const MAX_VERSION_LEN: usize = 64;

    /// The facts within their bounds.
    pub(crate) fn bounded(mut self) -> Self {
        let fits = |name: &String| (1..=Self::MAX_NAME_LEN).contains(&name.len());
        self.interfaces =
            self.interfaces.into_iter().filter(|(name, _)| fits(name)).take(Self::MAX_INTERFACES).collect();
        self.version.truncate(cut(&self.version, Self::MAX_VERSION_LEN).len());
        self
    }

    /// As extension items.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, address) in &self.interfaces {
            extension::write(&mut out, INTERFACE, &[address.as_slice(), name.as_bytes()].concat());
        }
        if self.draining {
            extension::write(&mut out, DRAINING, &[1]);
        }
        if !self.version.is_empty() {
            extension::write(&mut out, VERSION, self.version.as_bytes());
        }
        out
    }

    /// From extension items. What is unknown or makes no sense is ignored.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut facts = Self::default();
        for (tag, item) in extension::items(bytes) {
            match tag {
                INTERFACE => {
                    let interface = item
                        .split_first_chunk()
                        .and_then(|(address, name)| Some((std::str::from_utf8(name).ok()?.to_owned(), *address)));
                    facts.interfaces.extend(interface);
                }
                DRAINING => facts.draining = item.first().is_some_and(|byte| *byte != 0),
                VERSION => facts.version = String::from_utf8_lossy(item).into_owned(),
                _ => {}
            }
        }
        facts.bounded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::MAX_LEN;
    use crate::testing::cases;
    use proptest::prelude::*;

    fn facts() -> Facts {
        Facts {
            interfaces: [("eth0".to_owned(), [2, 0, 0, 0, 0, 1]), ("bond0.100".to_owned(), [2, 0, 0, 0, 0, 2])].into(),
            draining: true,
            version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn facts_are_read_as_they_were_written() {
        assert_eq!(Facts::decode(&facts().encode()), facts());
        assert_eq!(Facts::decode(&[]), Facts::default());
    }

    #[test]
    fn items_of_later_versions_are_skipped() {
        let mut bytes = Vec::new();
        extension::write(&mut bytes, 77, b"a discovery");
        bytes.extend(facts().encode());
        extension::write(&mut bytes, 78, b"");
        assert_eq!(Facts::decode(&bytes), facts());
    }

    #[test]
    fn the_largest_facts_fit_their_notices() {
        let name = |number: usize| format!("{number:0width$}", width = Facts::MAX_NAME_LEN);
        let facts = Facts {
            interfaces: (0..100).map(|number| (name(number), [2; 6])).collect(),
            draining: true,
            version: "v".repeat(100),
        };
        let bounded = facts.bounded();
        assert_eq!(bounded.interfaces.len(), Facts::MAX_INTERFACES);
        assert_eq!(bounded.version.len(), Facts::MAX_VERSION_LEN);
        assert!(bounded.encode().len() <= MAX_LEN / 2, "later versions need room too");
        assert_eq!(Facts::decode(&bounded.encode()), bounded);
    }

    #[test]
    fn names_that_linux_would_refuse_are_left_out() {
        let facts = Facts {
            interfaces: [(String::new(), [1; 6]), ("sixteen-letters!".to_owned(), [2; 6]), ("lan".to_owned(), [3; 6])]
                .into(),
            ..Facts::default()
        };
        assert_eq!(facts.bounded().interfaces, [("lan".to_owned(), [3; 6])].into());
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn arbitrary_bytes_give_facts_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let facts = Facts::decode(&bytes);
            prop_assert_eq!(facts.clone().bounded(), facts);
        }
    }
}
