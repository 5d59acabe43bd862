//! BGP communities: standard ones (RFC 1997) as `N:N`, large ones (RFC 8092) as `large:N:N:N`, and names for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use ferrolb_api::v1beta1::CommunitySpec;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::problem::Problem;
use crate::resource::{Resource, unique};

/// A community that routes carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// RFC 1997: the AS that defines it, and its value there.
    Standard(u16, u16),
    /// RFC 8092 section 3: global administrator and two parts of local data.
    Large(u32, u32, u32),
}

/// Why a text is no community.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommunityError {
    /// It has the form of one, but not its numbers.
    #[error(
        "invalid community value {0:?}: write N:N with numbers from 0 to 65535, or large:N:N:N with numbers from 0 \
         to 4294967295"
    )]
    Value(String),
    /// It has another form; where names are allowed it may be one.
    #[error(
        "invalid format of community {0:?}: write N:N (for example 64512:100) or large:N:N:N (for example \
         large:64512:1:100)"
    )]
    Format(String),
}

impl Community {
    /// Reads `N:N` or `large:N:N:N`.
    pub(super) fn parse(text: &str) -> Result<Self, CommunityError> {
        let value = || CommunityError::Value(text.to_owned());
        match text.split(':').collect::<Vec<_>>().as_slice() {
            [high, low] => match (number(high), number(low)) {
                (Some(high), Some(low)) => Ok(Self::Standard(high, low)),
                _ => Err(value()),
            },
            ["large", global, first, second] => match (number(global), number(first), number(second)) {
                (Some(global), Some(first), Some(second)) => Ok(Self::Large(global, first, second)),
                _ => Err(value()),
            },
            [_, _, _, _] => Err(value()),
            _ => Err(CommunityError::Format(text.to_owned())),
        }
    }
}

/// A number of digits only: Rust also reads a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(high, low) => write!(f, "{high}:{low}"),
            Self::Large(global, first, second) => write!(f, "large:{global}:{first}:{second}"),
        }
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        Self::parse(text)
    }
}

/// As it prints.
impl Serialize for Community {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Community {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// All names for communities: they share one name space, whichever object they stand in.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    by_name: BTreeMap<String, Community>,
    /// Those whose value is wrong; whoever uses them is not at fault.
    broken: Vec<String>,
}

/// What stands in a list of communities.
pub(super) enum Meaning {
    /// A community, written out or by name.
    Community(Community),
    /// A name whose definition is wrong, which is reported there.
    Broken,
    /// A name that nobody has defined (yet).
    Unknown,
    /// Neither a community nor what may be a name.
    Invalid(CommunityError),
}

// === impl Aliases ===

impl Aliases {
    /// What `text` means: a name first, as any text may be one.
    pub(super) fn resolve(&self, text: &str) -> Meaning {
        if let Some(community) = self.by_name.get(text) {
            return Meaning::Community(*community);
        }
        if self.broken.iter().any(|name| name == text) {
            return Meaning::Broken;
        }
        match Community::parse(text) {
            Ok(community) => Meaning::Community(community),
            Err(error @ CommunityError::Value(_)) => Meaning::Invalid(error),
            Err(CommunityError::Format(_)) => Meaning::Unknown,
        }
    }

    /// The names there are, for a message.
    pub(super) fn known(&self) -> String {
        if self.by_name.is_empty() {
            "no names are defined".to_owned()
        } else {
            format!("names are: {}", self.by_name.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
    }

    pub(crate) fn into_map(self) -> BTreeMap<String, Community> {
        self.by_name
    }
}

/// Checks every `Community` object, and all of them against each other.
pub(crate) fn parse(resources: &[Resource<CommunitySpec>], problems: &mut Vec<Problem>) -> Aliases {
    let mut own = Vec::new();
    let mut aliases = Aliases::default();
    let mut defined: HashMap<&str, String> = HashMap::new();
    for resource in unique(resources, &mut own) {
        let origin = &resource.origin;
        for (index, alias) in resource.spec.communities.iter().flatten().enumerate() {
            let (name, value) = (alias.name.as_deref().unwrap_or(""), alias.value.as_deref().unwrap_or(""));
            if name.is_empty() {
                let message = "a community needs a name by which advertisements can refer to it";
                own.push(origin.alias_problem(index, name, "name", "", message));
                continue;
            }
            if let Some(first) = defined.get(name) {
                let message = format!("duplicate definition of community {name:?}; it is defined in {first} already");
                own.push(origin.alias_problem(index, name, "name", name, message));
                continue;
            }
            defined.insert(name, origin.to_string());
            match Community::parse(value) {
                Ok(community) => {
                    aliases.by_name.insert(name.to_owned(), community);
                }
                Err(error) => {
                    own.push(origin.alias_problem(index, name, "value", value, error.to_string()));
                    aliases.broken.push(name.to_owned());
                }
            }
        }
    }
    problems.extend(own.into_iter().map(Problem::announcement));
    aliases
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn communities_are_read_and_printed() {
        for (text, community) in [
            ("0:0", Community::Standard(0, 0)),
            ("65535:65281", Community::Standard(65_535, 65_281)),
            ("large:4294967295:0:1", Community::Large(4_294_967_295, 0, 1)),
        ] {
            assert_eq!(Community::parse(text), Ok(community));
            assert_eq!(community.to_string(), text);
        }
    }

    #[test]
    fn wrong_numbers_are_told_from_other_forms() {
        for text in
            ["65536:1", "1:65536", "a:1", "1:", ":", "+1:1", "1: 1", "big:1:2:3", "large:1:2:4294967296", "::1:"]
        {
            assert_eq!(Community::parse(text), Err(CommunityError::Value(text.to_owned())));
        }
        for text in ["", "100", "no-export", "1:2:3", "large:1:2", "large:1:2:3:4"] {
            assert_eq!(Community::parse(text), Err(CommunityError::Format(text.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(a: u16, b: u16, c: u32, d: u32, e: u32) {
            for community in [Community::Standard(a, b), Community::Large(c, d, e)] {
                prop_assert_eq!(Community::parse(&community.to_string()), Ok(community));
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,30}|(large)?:?[0-9:]{0,30}") {
            let _community = Community::parse(&text);
        }
    }
}
