//! How resources and problems are written down for whoever plays a decision back: whole, but for passwords.

use ferrolb_api::v1beta2::BGPPeerSpec;
use serde::{Deserialize, Serialize, Serializer};

use crate::problem::{Class, ObjectRef, Problem, Scope};
use crate::resource::Resource;
use crate::selectors::Selector;

/// Stands where a password stood: whether there is one decides what a peer is worth, not which.
const KEPT_BACK: &str = "(kept back)";

pub(crate) fn peers<S: Serializer>(peers: &[Resource<BGPPeerSpec>], serializer: S) -> Result<S::Ok, S::Error> {
    let kept_back = |password: String| if password.is_empty() { password } else { KEPT_BACK.to_owned() };
    let without = |peer: &Resource<BGPPeerSpec>| {
        let mut peer = peer.clone();
        peer.spec.password = peer.spec.password.map(kept_back);
        peer
    };
    serializer.collect_seq(peers.iter().map(without))
}

/// All that is known of a problem; what people are shown leaves some of it out.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Problem")]
struct Whole {
    object: ObjectRef,
    field: String,
    value: String,
    message: String,
    class: Class,
    scope: Scope,
    nodes: Vec<Selector>,
}

#[derive(Serialize, Deserialize)]
struct Entry(#[serde(with = "Whole")] Problem);

/// Lists of problems, for `#[serde(with = "...")]`.
pub mod problems {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Entry;
    use crate::problem::Problem;

    /// Writes them with all that is known of them.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(problems: &[Problem], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(problems.iter().cloned().map(Entry))
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Problem>, D::Error> {
        Ok(Vec::<Entry>::deserialize(deserializer)?.into_iter().map(|Entry(problem)| problem).collect())
    }
}
