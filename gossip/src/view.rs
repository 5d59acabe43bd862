//! What a node knows about its cluster at one moment.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::claim::Claim;
use crate::identity::{Identity, NodeName};

/// A claim that counts, and how often it was defended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The claim.
    pub claim: Claim,
    /// Counts the conflicts that a claim of this node won, and the members that were down and came back while this node
    /// owned the address: whenever it changes, somebody else may have announced the address as well and the announcement
    /// must be repeated.
    pub reasserted: u32,
}

/// What a node knows about its cluster at one moment: who is alive, and who claims which address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// This node.
    pub me: Identity,
    /// The members that are alive, this node included until it leaves.
    pub members: BTreeMap<NodeName, Identity>,
    /// For each address the claim that counts. It may be void: see [`View::owner`].
    pub claims: BTreeMap<IpAddr, Held>,
    /// This node knows enough to claim addresses: it received the state of at least one member, or there is none.
    pub ready: bool,
    /// Rises with each change.
    pub version: u64,
}

// === impl View ===

impl View {
    /// The node that owns `vip`: it claimed it, did not release it, and is alive in the life in which it claimed.
    pub fn owner(&self, vip: IpAddr) -> Option<&NodeName> {
        let claim = &self.claims.get(&vip)?.claim;
        let owner = self.members.get(&claim.owner)?;
        (owner.boot == claim.boot && !claim.released).then_some(&owner.name)
    }
}
