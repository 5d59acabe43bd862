//! Claims: which node says that it owns which address, and which of two claims counts.
//!
//! The order of claims is total, so [`merge`] is commutative, associative and idempotent: nodes that saw the same claims
//! in any order, any number of times, agree.

use std::cmp::{Ordering, Reverse};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::identity::NodeName;
use crate::seal::crypto;

/// "This node owns that address", or owned it and gave it back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The claimed address.
    pub vip: IpAddr,
    /// Rises by one with each claim and each release of this address, whoever makes it; the higher one counts.
    pub epoch: u64,
    /// The node that claims.
    pub owner: NodeName,
    /// [`Identity::boot`](crate::Identity::boot) of the owner when it claimed. Under another one the claim is void.
    pub boot: u64,
    /// The owner gave the address back.
    pub released: bool,
}

/// Place of `node` in the order of preference for `vip`: the smallest rank comes first.
///
/// SHA-256 of the node's name, `#` and the canonical text of the address: rendezvous hashing with the digest by which
/// `MetalLB` sorts its candidates, so that both elect the same node.
pub fn rank(node: &NodeName, vip: IpAddr) -> [u8; 32] {
    crypto::sha256(&[node.as_str().as_bytes(), b"#", vip.to_canonical().to_string().as_bytes()])
}

/// The claim that counts: the higher epoch; at the same epoch the smaller [`rank`]; then the newer boot.
///
/// Both claims must be about the same address.
pub fn merge(a: Claim, b: Claim) -> Claim {
    if precedence(&a, &b).is_lt() { b } else { a }
}

/// `Greater` when `a` counts against `b`, `Equal` only when they are the same claim.
pub(crate) fn precedence(a: &Claim, b: &Claim) -> Ordering {
    a.epoch
        .cmp(&b.epoch)
        .then_with(|| {
            if a.owner == b.owner {
                Ordering::Equal
            } else {
                (Reverse(rank(&a.owner, a.vip)), &a.owner).cmp(&(Reverse(rank(&b.owner, b.vip)), &b.owner))
            }
        })
        .then_with(|| a.boot.cmp(&b.boot))
        .then_with(|| a.released.cmp(&b.released))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cases;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    #[test]
    fn the_rank_is_the_published_digest() {
        for (node, vip, digest) in [
            ("node1", "10.0.0.1", "414b4c5392ca"),
            ("node2", "10.0.0.1", "3d44f3ccacb3"),
            ("node3", "10.0.0.1", "ccff10459233"),
            ("node1", "fd00::1", "98f81d8ea742"),
            ("node2", "fd00::1", "c8531a97603a"),
            ("node3", "fd00::1", "319e5c3e3b47"),
        ] {
            let found = rank(&NodeName::from(node), vip.parse().unwrap());
            assert_eq!(hex(&found[..6]), digest, "{node}#{vip}");
        }
    }

    #[test]
    fn the_order_of_candidates_is_metallbs() {
        for (vip, order) in [
            ("10.0.0.1", vec!["node-b", "node-a", "node-c"]),
            ("10.0.0.2", vec!["node-b", "node-c", "node-a"]),
            ("10.20.30.1", vec!["edge-b", "edge-a"]),
            ("10.20.30.1", vec!["worker-a", "worker-b"]),
            ("10.20.30.1", vec!["iris2", "iris1"]),
            ("10.20.30.2", vec!["iris1", "iris2"]),
        ] {
            let vip = vip.parse().unwrap();
            let mut sorted = order.clone();
            sorted.sort_by_key(|name| rank(&NodeName::from(*name), vip));
            assert_eq!(sorted, order, "{vip}");
        }
    }

    fn claims() -> impl Strategy<Value = Claim> {
        (0..3_u64, 0..4_usize, 0..3_u64, any::<bool>()).prop_map(|(epoch, owner, boot, released)| Claim {
            vip: "192.0.2.1".parse().unwrap(),
            epoch,
            owner: NodeName::from(["a", "b", "c", "d"][owner]),
            boot,
            released,
        })
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn merge_is_commutative_associative_and_idempotent(a in claims(), b in claims(), c in claims()) {
            prop_assert_eq!(merge(a.clone(), b.clone()), merge(b.clone(), a.clone()));
            prop_assert_eq!(
                merge(merge(a.clone(), b.clone()), c.clone()),
                merge(a.clone(), merge(b, c))
            );
            prop_assert_eq!(merge(a.clone(), a.clone()), a);
        }

        #[test]
        fn a_higher_epoch_always_counts(a in claims(), b in claims()) {
            let newer = Claim { epoch: a.epoch + 1, ..b };
            prop_assert_eq!(merge(a, newer.clone()), newer);
        }
    }
}
