//! What a node knows about its cluster at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::facts::Facts;
use crate::identity::{Identity, NodeName};

/// A claim that counts, and how often it was defended here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The claim.
    pub claim: Claim,
    /// Counts the conflicts that a claim of this node won, and the members that were down and came back while this node
    /// owned the address: whenever it changes, somebody else may have announced the address as well and the announcement
    /// must be repeated.
    pub reasserted: u32,
}

/// What a node knows about its cluster at one moment: who is alive, who claims which address, and what the members tell
/// about themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// This node.
    pub me: Identity,
    /// The members that are alive, this node included until it leaves.
    pub members: BTreeMap<NodeName, Identity>,
    /// For each address the claim that counts. It may be void: see [`View::owner`].
    pub claims: BTreeMap<IpAddr, Held>,
    /// What the living members tell about themselves, each in its present life, this node included. Those that have told
    /// nothing (yet) are not listed.
    pub facts: BTreeMap<NodeName, Arc<Facts>>,
    /// Nodes that were declared down three times in ten minutes, whether they are alive or not. They leave this set ten
    /// minutes after the last time. A node that says itself that it leaves is not counted. Each member counts for itself,
    /// so views may differ for a while.
    pub flapping: BTreeSet<NodeName>,
    /// This node knows enough to claim addresses: it received the state of at least one member, or there is none.
    pub ready: bool,
    /// Rises with each change.
    pub version: u64,
}

// === impl View ===

impl View {
    /// What a node knows when it starts: nothing but itself.
    pub fn new(me: Identity) -> Self {
        Self {
            members: BTreeMap::from([(me.name.clone(), me.clone())]),
            me,
            claims: BTreeMap::new(),
            facts: BTreeMap::new(),
            flapping: BTreeSet::new(),
            ready: false,
            version: 0,
        }
    }

    /// The node that owns `vip`: it claimed it, did not release it, and is alive in the life in which it claimed.
    pub fn owner(&self, vip: IpAddr) -> Option<&NodeName> {
        let claim = &self.claims.get(&vip)?.claim;
        let owner = self.members.get(&claim.owner)?;
        (owner.boot == claim.boot && !claim.released).then_some(&owner.name)
    }
}
