//! IPv4, IPv6, and which of them a Service wants.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The one that it is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The families of a Service in order of preference, in four bytes. One or two different ones make sense; of what
/// makes none, the first three are kept.
#[derive(Debug, Clone, Copy)]
pub struct Families {
    kept: [Family; 3],
    count: u8,
}

// === impl Families ===

impl Families {
    /// One family.
    pub const fn only(family: Family) -> Self {
        Self { kept: [family; 3], count: 1 }
    }

    /// Both families, this one first.
    pub const fn both(first: Family) -> Self {
        Self { kept: [first, first.other(), first], count: 2 }
    }

    /// Whether they are the same ones, in whatever order.
    pub fn same_as(self, other: Self) -> bool {
        let number = |families: &Self, of| families.iter().filter(|family| **family == of).count();
        [Family::V4, Family::V6].iter().all(|of| number(&self, *of) == number(&other, *of))
    }
}

impl Default for Families {
    fn default() -> Self {
        Self { kept: [Family::V4; 3], count: 0 }
    }
}

impl Deref for Families {
    type Target = [Family];

    fn deref(&self) -> &[Family] {
        self.kept.get(..usize::from(self.count)).unwrap_or(&self.kept)
    }
}

impl PartialEq for Families {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Families {}

impl Hash for Families {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl FromIterator<Family> for Families {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Self {
        let mut made = Self::default();
        for (place, family) in made.kept.iter_mut().zip(families) {
            *place = family;
            made.count += 1;
        }
        made
    }
}

impl Serialize for Families {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Families {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Family>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// `spec.ipFamilyPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FamilyPolicy {
    /// One address.
    #[default]
    SingleStack,
    /// Two addresses where possible.
    PreferDualStack,
    /// Two addresses or none.
    RequireDualStack,
}

#[cfg(test)]
mod tests {
    use super::Family::{V4, V6};
    use super::*;

    #[test]
    fn they_are_the_list_they_were_made_of_up_to_three() {
        let lists: [&[Family]; 7] = [&[], &[V4], &[V6], &[V4, V6], &[V6, V4], &[V4, V4], &[V6, V4, V6]];
        for list in lists {
            let families: Families = list.iter().copied().collect();
            assert_eq!(&*families, list);
            let text = serde_json::to_string(&families).unwrap();
            assert_eq!(text, serde_json::to_string(list).unwrap());
            assert_eq!(serde_json::from_str::<Families>(&text).unwrap(), families);
        }
        assert_eq!(*[V4, V6, V6, V4].into_iter().collect::<Families>(), [V4, V6, V6]);
        assert_eq!((&*Families::only(V6), &*Families::both(V6)), (&[V6][..], &[V6, V4][..]));
    }

    #[test]
    fn order_does_not_matter_where_it_is_not_asked_for() {
        assert!(Families::both(V4).same_as(Families::both(V6)));
        assert!(Families::default().same_as(Families::default()));
        assert!(!Families::only(V4).same_as(Families::only(V6)));
        assert!(!Families::only(V4).same_as(Families::both(V4)));
        assert!(![V4, V4].into_iter().collect::<Families>().same_as(Families::both(V4)));
    }
}
